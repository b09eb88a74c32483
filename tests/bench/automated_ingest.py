"""The plain REGISTER_SYNC of irods_capability_automated_ingest, with its own Redis and two workers, into a plain collection."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HANDLER = """
from irods_capability_automated_ingest.core import Core
from irods_capability_automated_ingest.utils import Operation

class event_handler(Core):
    @staticmethod
    def operation(session, meta, **options):
        return Operation.REGISTER_SYNC

    @staticmethod
    def to_resource(session, meta, **options):
        return {resource!r}
"""
CAPABILITY = "irods_capability_automated_ingest"


def missing() -> str:
    """What a run lacks here; empty when nothing."""
    lacks = ["redis-server"] if shutil.which("redis-server") is None else []
    return ", ".join(lacks + (["the extra automated-ingest"] if importlib.util.find_spec(CAPABILITY) is None else []))


def register(source: Path, collection: str, resource: str, scratch: Path) -> float:
    """Seconds for all files of a folder, from the job's start to its end; the workers wait already."""
    (scratch / "handler.py").write_text(HANDLER.format(resource=resource))
    with _redis(scratch) as broker, _workers(broker, scratch):
        options = ["--event_handler", str(scratch / "handler.py"), "--job_name", "bench", "--synchronous", "--initial_ingest"]
        start = time.perf_counter()
        command = [sys.executable, "-m", f"{CAPABILITY}.irods_sync", "start", str(source), collection, *options]
        subprocess.run(command, env=broker, cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


@contextmanager
def _redis(scratch: Path) -> Iterator[dict[str, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(scratch)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            yield {**os.environ, "CELERY_BROKER_URL": f"redis://127.0.0.1:{port}/0", "PYTHONPATH": str(scratch)}
        finally:
            server.terminate()


@contextmanager
def _workers(broker: dict[str, str], scratch: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "-A", CAPABILITY, "worker", "-Q", "restart,path,file", "-c", "2", "-l", "error"]
    with (scratch / "workers.log").open("wb") as log, subprocess.Popen(command, env=broker, cwd=scratch, stdout=log, stderr=log) as workers:
        try:
            ping = [sys.executable, "-m", "celery", "-A", CAPABILITY, "inspect", "ping", "-t", "20"]
            subprocess.run(ping, env=broker, cwd=scratch, check=True, stdout=subprocess.DEVNULL)
            yield
        finally:
            workers.terminate()
