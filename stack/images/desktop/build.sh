#!/bin/sh
# Builds the image of desktops, unless it is there already from the very same files. `make desktop-image`.
#
#   BASE=IMAGE    the Debian it stands on; where no registry answers it is made from Debian's packages (mmdebstrap)
#   BROWSER=      without a browser: 600 MB less
#   IMAGE=NAME    how it is called (windlass-desktop)
set -eu
cd "$(dirname "$0")"
image=${IMAGE:-windlass-desktop}
base=${BASE:-debian:bookworm-slim}
browser=${BROWSER-chromium}
docker=docker
[ -x /usr/bin/docker ] && docker=/usr/bin/docker
export DOCKER_BUILDKIT=0

exec 9> "${TMPDIR:-/tmp}/windlass-desktop-image.lock"  # two builds at once would both do all of it
flock 9

recipe=$(cat Dockerfile ./*.sh - <<FACTS | sha256sum | cut -c1-16
$base $browser
FACTS
)
built=$($docker image inspect --format '{{index .Config.Labels "windlass.recipe"}}' "$image" 2>/dev/null || true)
if [ "$built" = "$recipe" ]; then
  echo "$image is up to date."
  exit 0
fi

if ! $docker image inspect "$base" > /dev/null 2>&1 && ! $docker pull --quiet "$base" 2>/dev/null; then
  command -v mmdebstrap > /dev/null || {
    echo "$base cannot be pulled, and mmdebstrap, which could make it, is missing: apt-get install mmdebstrap" >&2
    exit 1
  }
  echo "$base cannot be pulled: making it from Debian's packages…"
  mmdebstrap --variant=minbase --components=main --quiet \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' bookworm - |
    $docker import --change 'CMD ["bash"]' - "$base" > /dev/null
fi
echo "Building $image…"
$docker build --quiet --label "windlass.recipe=$recipe" --build-arg "BASE=$base" --build-arg "BROWSER=$browser" \
  --tag "$image" . > /dev/null
$docker image inspect --format "$image: {{.Id}}, {{.Size}} bytes" "$image"
