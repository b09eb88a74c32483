#!/bin/bash
# The iRODS server as an MrData zone. Runs as the account irods, below an init that reaps.
#
# The first start sets up the catalog, as the packaged set-up script does anywhere; each start brings the zone to what this
# image ships, with the same mrdata-setup-zone as on a server without containers. What has to outlive the container is in the
# volumes /etc/irods, /srv/mrdata/vault, /srv/mrdata/landing, /var/lib/irods/mrdata (the history of mixed-use metadata) and
# /var/lib/irods/.ssh (the key for its remote).
set -euo pipefail
umask 022

: "${MRDATA_HOST:?the name under which clients reach this server}"
: "${MRDATA_CATALOG:=catalog}"
: "${MRDATA_ZONE_NAME:=mrdata}"

here=$(cd "$(dirname "$0")" && pwd)
python=/opt/mrdata-venv/bin/python
wheels=/opt/mrdata-wheels
home=/var/lib/irods
kept=/etc/irods/kept
settings=/etc/mrdata.yaml
ready=/run/irods/ready

say() { printf 'mrdata: %s\n' "$*"; }

keep() { # what set-up writes outside the volumes
    install -d -m 700 "$kept"
    cp -a "$home/.irods" "$home/.odbc.ini" "$home/version.json" "$kept/"
}

version() { # VERSION_FILE
    /usr/bin/python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["irods_version"])' "$1"
}

wait_for() { # WHAT COMMAND...
    local what=$1 try
    shift
    for try in $(seq 120); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 1
    done
    say "$what does not answer after $try s"
    return 1
}

certificates() { # secrets are mounted readable by all; iRODS wants its key for itself
    install -d -m 755 /etc/irods/tls
    install -m 644 /run/secrets/tls_certificate /etc/irods/tls/server.crt
    install -m 600 /run/secrets/tls_key /etc/irods/tls/server.key
    install -m 644 /run/secrets/tls_authority /etc/irods/tls/ca.crt
    install -m 644 /run/secrets/tls_dhparams /etc/irods/tls/dhparams.pem
}

set_up_catalog() {
    local answers=/run/irods/answers.json
    say "first start: setting up the catalog on $MRDATA_CATALOG"
    install -d -m 750 /srv/mrdata/vault/demo
    "$python" -m irods_config.answers "$answers" --zone "$MRDATA_ZONE_NAME" --host "$MRDATA_HOST" --secrets /run/secrets \
        --catalog-host "$MRDATA_CATALOG" --vault /srv/mrdata/vault/demo
    /usr/bin/python3 "$home/scripts/setup_irods.py" -v --json_configuration_file="$answers"
    rm "$answers"
    keep
}

set_up_zone() {
    "$python" -m irods_config.setup_zone --tls /etc/irods/tls --vaults /srv/mrdata/vault --find-links "$wheels"
}

server=
stop() { [ -z "$server" ] || kill -TERM "$server" 2>/dev/null || true; }
trap stop TERM INT

rm -f "$ready" /run/irods/irods-server.pid
wait_for "the catalog" pg_isready -q -h "$MRDATA_CATALOG" -U irods -d ICAT
if [ -e "$kept/version.json" ]; then
    cp -a "$kept/." "$home/"
    if [ "$(version "$home/version.json")" != "$(version "$home/version.json.dist")" ]; then
        say "the catalog is of iRODS $(version "$home/version.json"), this image has $(version "$home/version.json.dist"): see docs/how-to/run-in-containers.md, Upgrade"
        exit 1
    fi
else
    set_up_catalog
fi
certificates
# The packaged set-up wants to own all of /etc/irods, so the site's file is mounted elsewhere.
ln -sfn "$settings" /etc/irods/mrdata.yaml
# Before anything can connect: iRODS passes over a core.py that it cannot import.
"$python" -m irods_config.install --find-links "$wheels"

cd "$home"
/usr/sbin/irodsServer --stdout &
server=$!
wait_for "the server" "$python" "$here/heartbeat.py"
if ! set_up_zone; then
    say "the zone is not as MrData needs it; the server is stopped"
    stop
    wait "$server" || true
    exit 1
fi
keep
touch "$ready"
say "ready"
# A signal ends the first wait before the server has ended.
wait "$server" || wait "$server"
