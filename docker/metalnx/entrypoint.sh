#!/bin/sh
# Metalnx's configuration from the container's environment, then its own start script.
set -eu

: "${MRDATA_HOST:?the name of the iRODS server}"
: "${MRDATA_ZONE_NAME:=mrdata}"

here=$(cd "$(dirname "$0")" && pwd)
sed -e "s|@HOST@|$MRDATA_HOST|" -e "s|@ZONE@|$MRDATA_ZONE_NAME|" \
    -e "s|@SECRET@|$(head -c 48 /dev/urandom | base64 | tr -d '\n/+=')|" "$here/metalnx.properties" >/etc/irods-ext/metalnx.properties
cp "$here/metalnxConfig.xml" /etc/irods-ext/
# Its start script makes Java trust this certificate.
cp /run/secrets/tls_authority /tmp/cert/server.crt
exec /runit.sh
