"""The plain REGISTER_SYNC of irods_capability_automated_ingest, with its own Redis and two workers, into a plain
collection.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from microservices.zones.client_session import environment_file

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
        options = [
            "--event_handler",
            str(scratch / "handler.py"),
            "--job_name",
            "bench",
            "--synchronous",
            "--initial_ingest",
        ]
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
            yield _environment(scratch, f"redis://127.0.0.1:{port}/0")
        finally:
            server.terminate()


def _environment(scratch: Path, broker: str) -> dict[str, str]:
    """Its iRODS sessions are encrypted only where the environment file asks for the negotiation, which iCommands do by
    themselves.
    """
    asked = {
        **json.loads(environment_file().read_text()),
        "irods_client_server_negotiation": "request_server_negotiation",
    }
    (scratch / "irods_environment.json").write_text(json.dumps(asked))
    own = {"IRODS_ENVIRONMENT_FILE": str(scratch / "irods_environment.json"), "CELERY_BROKER_URL": broker}
    return {**os.environ, **own, "PYTHONPATH": os.pathsep.join([str(scratch), os.environ.get("PYTHONPATH", "")])}


@contextmanager
def _workers(broker: dict[str, str], scratch: Path) -> Iterator[None]:
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        CAPABILITY,
        "worker",
        "-Q",
        "restart,path,file",
        "-c",
        "2",
        "-l",
        "info",
    ]
    told = scratch / "workers.log"
    with told.open("wb") as log, subprocess.Popen(command, env=broker, cwd=scratch, stdout=log, stderr=log) as workers:
        try:
            give_up = time.monotonic() + 60
            while " ready." not in told.read_text(errors="replace"):
                if workers.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"the workers did not start: {told.read_text(errors='replace')[-2000:]}")
                time.sleep(0.2)
            yield
        finally:
            workers.terminate()
