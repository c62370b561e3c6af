#!/bin/sh
# Make the virtual environment and put uv into it, at the version and hash of our own lock.
# Usage: PYTHON=python3 sh stack/install.sh .venv
set -eu
venv=$1
python=${PYTHON:-python3}

fail() { printf '%s\n' "$*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "There is no $python. Install Python 3.11 or newer, or say which: make up PYTHON=python3.12"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old: Windlass needs 3.11 or newer. Say which: make up PYTHON=python3.12"

# Debian splits venv off; its package brings the wheels ensurepip needs.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing $package…"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package"; } >/dev/null ||
      fail "apt-get could not install $package, without which $python makes no virtual environments."
  else
    fail "$python cannot make virtual environments here. Install it with: sudo apt-get install $package"
  fi
fi

if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c pass 2>/dev/null; then
  echo "Making $venv…"
  rm -rf "$venv"
  "$python" -m venv "$venv"
fi

uv=$(mktemp)
trap 'rm -f "$uv"' EXIT
awk '/^[a-z0-9]/ { mine = /^uv==/ } mine' stack/locks/platform.txt >"$uv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$uv"
