#!/bin/sh
# The screen and its window manager. The container lives exactly as long as the X server.
set -eu

# What an earlier life of this home left behind would keep the X server or the browser from starting.
rm -rf /tmp/.X1-lock /tmp/.X11-unix/X1 "$HOME"/.config/chromium/Singleton*
cat /proc/sys/kernel/random/uuid > /tmp/.life
: "${GEOMETRY:=1280x800}"

# Every viewer comes from one address: a blacklist would lock all of them out. The password file is read at each login
# and is written by the worker after the start; until then nobody gets in.
Xvnc :1 -geometry "$GEOMETRY" -depth 24 -rfbport 5901 -SecurityTypes VncAuth -PasswordFile /tmp/.vnc-password \
  -AlwaysShared -UseBlacklist=0 -FrameRate 15 -nolisten tcp -desktop Windlass &
screen=$!
trap 'kill "$screen" 2>/dev/null' TERM INT

while [ ! -S /tmp/.X11-unix/X1 ]; do
  kill -0 "$screen" || exit 1
  sleep 0.02
done
xsetroot -solid '#1d2329' || true
openbox &
wait "$screen"
