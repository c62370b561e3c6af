#!/bin/sh
# Builds what docker-compose.yml needs where no image registry is reached: `windlass-base`, Debian with the packages of all
# parts, and on it `windlass:test`, ours from the Dockerfile. What has not changed is not built again.
set -eu
cd "$(dirname "$0")/../.."
docker=docker
[ -x /usr/bin/docker ] && docker=/usr/bin/docker
export DOCKER_BUILDKIT=0

exec 8> "${TMPDIR:-/tmp}/windlass-compose-images.lock"  # two builds at once would both do all of it
flock 8

# The image of desktops stands on the same Debian: whoever builds that brings this.
IMAGE=windlass-desktop-test BROWSER='' stack/images/desktop/build.sh
$docker build --quiet --target base --tag windlass-base tests/compose

# What git knows of us, with the certificates of this machine: a build must not depend on what else lies around.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git ls-files -z ':!tests' ':!docs' | xargs -0 cp --parents --target-directory="$folder"
certificates=/usr/local/share/ca-certificates  # of a proxy that opens https, if there is one
[ ! -d "$certificates" ] || cp -r "$certificates" "$folder/certificates"
$docker build --quiet --build-arg BASE=windlass-base --tag windlass:test "$folder"
