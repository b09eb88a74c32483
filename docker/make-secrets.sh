#!/bin/sh
# Makes the secrets that compose.yaml mounts, in a folder (docker/secrets) that only you can enter. What is there stays.
#
#   docker/make-secrets.sh [FOLDER]
#
# The certificate is the site's own affair: put server.crt (with its chain), server.key and ca.crt (the authority that signed
# it) there. For tests: python -m irods_config.tls FOLDER HOST makes an authority and all of them.
set -eu

folder=${1:-docker/secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

random() { # FILE LENGTH: letters and digits
    [ -e "$folder/$1" ] && return
    openssl rand -base64 $(($2 * 2 + 8)) | tr -d '\n/+=' | cut -c "1-$2" | tr -d '\n' >"$folder/.new"
    mv "$folder/.new" "$folder/$1"
}

random catalog_password 32
random admin_password 24
random zone_key 32
# iRODS: exactly 32 bytes.
random negotiation_key 32
if [ ! -e "$folder/dhparams.pem" ]; then
    openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out "$folder/.new"
    mv "$folder/.new" "$folder/dhparams.pem"
fi

# Containers see each file with the numbers that it has here, and run as accounts of their own.
for file in catalog_password admin_password zone_key negotiation_key dhparams.pem server.crt server.key ca.crt; do
    if [ -e "$folder/$file" ]; then chmod 444 "$folder/$file"; else echo "$folder/$file: is missing"; fi
done
