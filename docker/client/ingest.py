"""Runs automated-ingest on the landing zone repeatedly, one job after the other.

Its own --interval is not used: a periodic job is lost with Redis, and never stops waiting for a task whose worker was
killed. This program gives up a scan in which no task ends any more, with its queue and the locks of killed workers.
That is safe: the handler asks the catalog, and the kernel's locks keep two workers from the same file.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time

import redis
from irods_capability_automated_ingest.sync_job import sync_job

LANDING = os.environ.get("MRDATA_LANDING", "/srv/mrdata/landing")
PAUSE = float(os.environ.get("MRDATA_SCAN_PAUSE", "10"))
STALL = float(os.environ.get("MRDATA_SCAN_STALL", "900"))
"""Seconds without a task that ended; longer than the handler lets one task take."""
SCANS = int(os.environ.get("MRDATA_SCANS", "0"))
"""Number of scans, for trials; 0: without end."""
DONE = b"sync_time:/"
"""Keys of files whose tasks ended: they stay valid, whatever becomes of a job."""
_HIDDEN = r".*/[.][^/]*$"


def start(name: str) -> None:
    """Starts one scan. CalledProcessError if Redis or the collection does not let it."""
    spec = importlib.util.find_spec("landing.automated_ingest")
    if spec is None or spec.origin is None:
        raise SystemExit("mrdata: landing.automated_ingest is not installed")
    options = [
        "--event_handler",
        spec.origin,
        "--job_name",
        name,
        "--files_per_task",
        "1",
        "--initial_ingest",
        "--log_level",
        "WARNING",
    ]
    options += ["--exclude_file_name", _HIDDEN, "--exclude_directory_name", _HIDDEN]
    command = [
        sys.executable,
        "-m",
        "irods_capability_automated_ingest.irods_sync",
        "start",
        LANDING,
        os.environ["MRDATA_COLLECTION"],
    ]
    subprocess.run([*command, *options], check=True, timeout=STALL)


def ended(job: sync_job) -> bool:
    """Waits for the end of a scan; False if no task was added or ended for STALL seconds."""
    # The queued and the taken tasks show progress; the job's own count may stay the same while tasks are added and end.
    seen, since = (-1, -1), time.monotonic()
    while time.monotonic() - since < STALL:
        # The name is taken back when the last task has ended.
        if job.cleanup_handle().get_value() is None:
            return True
        now = (job.count_handle().llen(), job.dequeue_handle().llen())
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.5)
    return False


def forget(server: redis.Redis) -> None:
    """Deletes all keys except those of the files that are done."""
    for key in server.scan_iter(count=1000):
        if not key.startswith(DONE):
            server.delete(key)


def main() -> None:
    """Scans until it is stopped. Ends with an error, to be started again, if Redis does not answer."""
    server = redis.Redis.from_url(os.environ["CELERY_BROKER_URL"])
    forget(server)
    number = 0
    while number < SCANS or not SCANS:
        number += 1
        name = f"mrdata-{os.getpid()}-{number}"
        job = sync_job(name, server)
        start(name)
        if not ended(job):
            print(
                f"mrdata: scan {number}: nothing ended for {STALL:.0f} s (a worker was killed?); a new one begins",
                flush=True,
            )
        # Also after a good end: the capability leaves each job's handler and history in Redis.
        forget(server)
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
