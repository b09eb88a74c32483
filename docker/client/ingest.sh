#!/bin/sh
# Lets automated-ingest scan the landing zone again and again, one job after the other.
#
# Not with its own --interval: a periodic job is gone with Redis, and waits for ever for a task whose worker was killed.
# Here a scan that does not end is given up, and all that Redis knew with it (locks of killed workers too). That is safe:
# the handler asks the catalog, and the kernel's locks keep two workers from one file.
set -u

: "${MRDATA_LANDING:=/srv/mrdata/landing}"
: "${MRDATA_COLLECTION:?the landing collection}"
: "${MRDATA_SCAN_PAUSE:=10}"
: "${MRDATA_SCAN_LIMIT:=3600}"
: "${CELERY_BROKER_URL:?redis://host:port/database}"

handler=$(python -c 'import importlib.util as u; print(u.find_spec("landing.automated_ingest").origin)')
trap 'exit 0' TERM INT

number=0
while :; do
    number=$((number + 1))
    timeout "$MRDATA_SCAN_LIMIT" python -m irods_capability_automated_ingest.irods_sync start "$MRDATA_LANDING" "$MRDATA_COLLECTION" \
        --event_handler "$handler" --job_name "mrdata-$$-$number" --synchronous --initial_ingest --files_per_task 1 --log_level WARNING \
        --exclude_file_name '.*/[.][^/]*$' --exclude_directory_name '.*/[.][^/]*$'
    status=$?
    # 255: some files are not ready or need a person, which the workers' logs tell. What else is not 0 is no scan.
    case $status in
        0 | 255) ;;
        *)
            printf 'mrdata: scan %s ended with status %s; Redis is emptied\n' "$number" "$status"
            python -c 'import os, redis; redis.Redis.from_url(os.environ["CELERY_BROKER_URL"]).flushdb()'
            ;;
    esac
    [ "${MRDATA_SCANS:-0}" -ne "$number" ] || exit 0
    sleep "$MRDATA_SCAN_PAUSE" &
    wait $!
done
