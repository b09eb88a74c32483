"""Orthanc (Debian's package) beside MrData: the same files posted by one client, its storage synchronised."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAM = "/usr/sbin/Orthanc"


def missing() -> str:
    """What this machine lacks; empty where there is nothing."""
    return "" if shutil.which("Orthanc", path="/usr/sbin:/usr/bin") else "Orthanc (Debian's package orthanc)"


def post(files: Sequence[Path]) -> float:
    """Seconds to post all files."""
    contents = [file.read_bytes() for file in files]
    with _server() as port:
        client = http.client.HTTPConnection("127.0.0.1", port)
        began = time.perf_counter()
        for content in contents:
            client.request("POST", "/instances", content, {"Content-Type": "application/dicom"})
            answer = client.getresponse()
            stored = json.loads(answer.read())
            assert stored["Status"] == "Success", stored
        return time.perf_counter() - began


@contextmanager
def _server() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        settings = {
            "StorageDirectory": f"{folder}/storage",
            "IndexDirectory": f"{folder}/storage",
            "SyncStorageArea": True,
            "HttpPort": port,
            "DicomServerEnabled": False,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
        }
        Path(folder, "orthanc.json").write_text(json.dumps(settings))
        with open(f"{folder}/log", "wb") as log:
            server = subprocess.Popen([PROGRAM, f"{folder}/orthanc.json"], stdout=log, stderr=log)
        try:
            _wait(port)
            yield port
        finally:
            server.terminate()
            server.wait(30)


def _wait(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
