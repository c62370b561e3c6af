#!/bin/sh
# One script as a task of the desktop. It outlives whoever started it: its folder holds what it wrote, its process group
# and its exit code, so that a worker that comes later reads on where the last one stopped.
#
#   task.sh start ID SHA256      the script on stdin; runs it once, however often it is asked to
#   task.sh follow ID            all it has written and writes, until it ends
#   task.sh state ID             none | running | ended CODE | lost
#   task.sh stop ID              ends its process group, after a second by force
#   task.sh forget ID
set -eu
verb=$1
tasks=$HOME/.windlass/tasks
dir=$tasks/$2

is_here() {
  [ "$(cat "$dir/life" 2>/dev/null)" = "$(cat /tmp/.life)" ]
}

is_alive() {
  is_here && kill -0 "$(cat "$dir/group")" 2>/dev/null
}

# Whether a signal ends the group within a second.
ends() {
  kill -s "$1" -- "-$group" 2>/dev/null || return 0
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -s 0 -- "-$group" 2>/dev/null || return 0
    sleep 0.1
  done
  return 1
}

case $verb in
start)
  mkdir -p "$tasks"
  [ -e "$dir" ] && exit 0
  part=$(mktemp -d "$tasks/.part-XXXXXX")
  cat > "$part/script"
  if [ "$(sha256sum < "$part/script" | cut -c1-64)" != "$3" ]; then  # whoever sent it died on the way
    rm -rf "$part"
    exit 18
  fi
  cp /tmp/.life "$part/life"
  touch "$part/out" "$part/err"
  # The rename is the claim; what follows it happens at most once.
  mv -T "$part" "$dir" 2>/dev/null || { rm -rf "$part"; exit 0; }
  setsid sh -c '
    echo $$ > "$1/group.part" && mv "$1/group.part" "$1/group"
    cd; bash "$1/script" > "$1/out" 2> "$1/err" < /dev/null
    echo $? > "$1/code.part" && mv "$1/code.part" "$1/code"' sh "$dir" > /dev/null 2>&1 < /dev/null &
  while [ ! -e "$dir/group" ]; do sleep 0.01; done
  ;;
follow)
  group=$(cat "$dir/group")
  is_alive || group=2147483647
  tail -c +1 -f -s 0.1 --pid="$group" "$dir/out" &
  tail -c +1 -f -s 0.1 --pid="$group" "$dir/err" >&2 &
  wait
  ;;
state)
  if [ ! -e "$dir" ]; then echo none
  elif [ -e "$dir/code" ]; then echo "ended $(cat "$dir/code")"
  elif [ -e "$dir/group" ] && is_alive; then echo running
  elif [ -e "$dir/code" ]; then echo "ended $(cat "$dir/code")"
  else echo lost
  fi
  ;;
stop)
  is_here || exit 0  # a group of another life: its number may be somebody else's by now
  group=$(cat "$dir/group" 2>/dev/null) || exit 0
  ends TERM || ends KILL
  ;;
forget) rm -rf "$dir" ;;
esac
