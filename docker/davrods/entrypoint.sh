#!/bin/sh
# Apache with Davrods, as an account without rights.
set -eu

: "${MRDATA_HOST:?the name of the iRODS server}"
: "${MRDATA_ZONE_NAME:=mrdata}"
: "${MRDATA_AUTHORITY:=/run/secrets/tls_authority}"
: "${DAVRODS_LISTEN:=8080}"
: "${DAVRODS_STATE:=/run/davrods}"
: "${DAVRODS_MODULE:=/usr/lib/apache2/modules/mod_davrods.so}"
DAVRODS_ENVIRONMENT=$DAVRODS_STATE/irods_environment.json
export MRDATA_HOST MRDATA_ZONE_NAME DAVRODS_LISTEN DAVRODS_STATE DAVRODS_MODULE DAVRODS_ENVIRONMENT

here=$(cd "$(dirname "$0")" && pwd)
sed "s|@AUTHORITY@|$MRDATA_AUTHORITY|" "$here/irods_environment.json.template" >"$DAVRODS_ENVIRONMENT"
# Of the container before; the number may be another process's now.
rm -f "$DAVRODS_STATE/apache2.pid"
exec /usr/sbin/apache2 -D FOREGROUND -f "$here/apache2.conf"
