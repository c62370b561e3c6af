// Screens of desktops: while one is in sight it is looked at anew; a picture that differs comes by the page's stream.
const PAUSE_MS = 10_000;

function inSight(place) {
  const box = place.getBoundingClientRect();
  return box.bottom > 0 && box.top < innerHeight;
}

function look() {
  if (document.hidden) return;
  for (const place of document.querySelectorAll("[data-look]")) {
    if (inSight(place)) fetch(place.dataset.look).catch(() => {}); // what cannot be seen now keeps its last picture
  }
}

/** Look at once, and then every ten seconds; the gateway's cooldown decides whether anybody really does. */
export function start() {
  look();
  document.addEventListener("windlass:visit", look);
  setInterval(look, PAUSE_MS);
}
