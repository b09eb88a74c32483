#!/bin/sh
# Logs the container's account in as iRODS clients do, then runs the command.
#
#   MRDATA_HOST, MRDATA_ZONE_NAME    the server
#   MRDATA_USER                      the account (mrdata)
#   MRDATA_PASSWORD_FILE             its password
set -eu

: "${MRDATA_HOST:?the name of the iRODS server}"
: "${MRDATA_ZONE_NAME:=mrdata}"
: "${MRDATA_USER:=mrdata}"
: "${MRDATA_PASSWORD_FILE:=/run/mrdata-accounts/$MRDATA_USER}"
: "${MRDATA_AUTHORITY:=/run/secrets/tls_authority}"
export MRDATA_HOST MRDATA_ZONE_NAME MRDATA_USER MRDATA_PASSWORD_FILE MRDATA_AUTHORITY

umask 077
python "$(dirname "$0")/login.py"
umask 027
exec "$@"
