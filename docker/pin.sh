#!/bin/sh
# Prints the lines of .env that say which bytes a site takes from elsewhere, as they are published now: once, when a site begins, and
# when compose.yaml names other versions. From then on other bytes under the same names are refused.
set -eu
cd "$(dirname "$0")/.."

digest() { # of the image whose line in compose.yaml has this variable
    image=$(sed -n "s/^ *image: \(.*\)@\${$1:.*/\1/p" compose.yaml)
    echo "$1=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$image")"
}

argument() { # the default of an ARG of Davrods' Dockerfile
    sed -n "s/^ARG $1=//p" docker/davrods/Dockerfile
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
digest POSTGRES_DIGEST
digest METALNX_DIGEST
curl --fail --silent --show-error --location --output "$folder/key" https://packages.irods.org/irods-signing-key.asc
echo "IRODS_KEY=$(gpg --show-keys --with-colons "$folder/key" | awk -F: '$1 == "fpr" {print $10}' | head -1)"
curl --fail --silent --show-error --location --output "$folder/davrods" \
    "https://github.com/UtrechtUniversity/davrods/releases/download/$(argument DAVRODS)/$(argument DAVRODS_PACKAGE)"
echo "DAVRODS_SHA256=$(sha256sum "$folder/davrods" | cut -d' ' -f1)"
