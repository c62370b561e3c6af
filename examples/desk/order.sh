# What the page beside this asks, asked in a terminal: for desktops without a browser.
touch ~/asked
read -r -p 'What? ' what
read -r -p 'For whom? ' whom
echo "Ordered: $what for $whom" | tee ~/ordered
sleep infinity
