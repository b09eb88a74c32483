"""compose.yaml, started: from nothing to a file in the archive that a member reads over WebDAV, and through a new
container.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest

from irods_config.tls import self_signed
from tests import files

ROOT = Path(__file__).parents[2]
PROJECT, HOST, HTTPS, HTTP, IRODS = "mrdata-test", "localhost", 18443, 18080, 11247
START_SECONDS = 600
"""With the images built: a catalog is set up, and Metalnx starts."""


@pytest.fixture(scope="module")
def engine():
    # Not `docker` alone: that is also the name of this project's folder.
    pytest.importorskip("docker.errors", reason="the package docker is not installed")
    import docker

    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no container engine answers: {error}")
    yield client
    client.close()


@pytest.fixture(scope="module")
def stack(engine, tmp_path_factory):
    """The running stack, with its images built here; everything of it is removed afterwards."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(["sh", ROOT / "docker/make-secrets.sh", folder / "secrets"], check=True, stdout=subprocess.DEVNULL)
    self_signed(folder / "secrets", [HOST, "127.0.0.1"])
    subprocess.run(["sh", ROOT / "docker/make-secrets.sh", folder / "secrets"], check=True)
    text = (ROOT / "docker/example.mrdata.yaml").read_text() + "  quiet_seconds: 1\n  look_seconds: 0.5\n"
    (folder / "mrdata.yaml").write_text(text)
    stack = Stack(engine, folder)
    try:
        stack.compose("up", "--detach", "--build", "--wait", "--wait-timeout", str(START_SECONDS), timeout=3600)
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "30", timeout=300)


class Stack:
    """The stack of this test, with ports of its own."""

    def __init__(self, engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        pins = subprocess.run(
            ["sh", ROOT / "docker/pin.sh"], check=True, capture_output=True, text=True, timeout=600
        ).stdout
        self.environment = {
            **os.environ,
            **dict(line.split("=", 1) for line in pins.splitlines()),
            "MRDATA_HOST": HOST,
            "MRDATA_SECRETS": str(folder / "secrets"),
            "MRDATA_YAML": str(folder / "mrdata.yaml"),
            "MRDATA_HTTPS_PORT": str(HTTPS),
            "MRDATA_HTTP_PORT": str(HTTP),
            "MRDATA_IRODS_PORT": str(IRODS),
        }

    def compose(self, *arguments: str, timeout: float = 600) -> str:
        command = ["docker", "compose"] if not shutil.which("docker-compose") else ["docker-compose"]
        done = subprocess.run(
            [*command, "--project-name", PROJECT, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def container(self, service: str):
        (found,) = self.engine.containers.list(
            filters={"label": [f"com.docker.compose.project={PROJECT}", f"com.docker.compose.service={service}"]}
        )
        return found

    def run(self, service: str, *command: str) -> str:
        status, output = self.container(service).exec_run(list(command))
        assert status == 0, output.decode()
        return output.decode()

    def rule(self, name: str, request: dict) -> dict:
        answer = json.loads(self.run("scanner", "mrdata", "rule", name, json.dumps(request), "--json"))
        assert "error" not in answer, answer
        return answer

    def get(self, path: str, login: str = "", method: str = "GET", port: int = HTTPS) -> tuple[int, bytes]:
        context = ssl.create_default_context(cafile=self.folder / "secrets/ca.crt")
        headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
        request = urllib.request.Request(
            f"https://{HOST}:{port}{path}", headers={**headers, "Depth": "1"}, method=method
        )
        try:
            with urllib.request.urlopen(request, context=context, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, b""


def test_the_zone_is_as_the_set_up_script_wants_it(stack):
    check = [
        "/opt/mrdata-venv/bin/python",
        "-m",
        "irods_config.setup_zone",
        "--check",
        "--tls",
        "/etc/irods/tls",
        "--vaults",
        "/srv/mrdata/vault",
    ]
    assert "nothing differs" in stack.run("irods", *check)


def test_nobody_is_root_who_need_not_be(stack):
    for service in ("irods", "scanner", "products", "davrods", "nginx"):
        assert stack.run(service, "id", "-u").strip() != "0", service


def test_a_file_of_the_landing_zone_is_read_by_a_member_over_webdav_and_survives_a_new_container(stack):
    for user in ("alice", "bob"):
        stack.run("irods", "iadmin", "mkuser", user, "rodsuser")
        stack.run("irods", "iadmin", "moduser", user, "password", f"{user}secret1")
    stack.rule("study", {"study": "pain", "members": ["alice"], "subjects": ["P1"]})
    request = {"study": "pain", "pseudonym": "P1", "owner": "alice", "scanner": "94T", "scan_type": "pilot"}
    experiment = stack.rule("register", request)["experiment_id"]
    content = files.dicom(experiment)
    _land(stack, "94T/dicom/exam/1.dcm", content)
    collection = f"/dav/pain/experiments/{experiment}/DICOM/1_gre/"
    path = _wait_for(lambda: _first(stack, collection))
    assert stack.get(path, "alice:alicesecret1") == (200, content)
    assert stack.get(path, "bob:bobsecret1")[0] == 404
    assert stack.get(path)[0] == 401
    stack.compose(
        "up",
        "--detach",
        "--force-recreate",
        "--wait",
        "--wait-timeout",
        str(START_SECONDS),
        "irods",
        "davrods",
        "nginx",
    )
    assert stack.get(path, "alice:alicesecret1") == (200, content)


def test_metalnx_is_behind_tls(stack):
    assert _wait_for(lambda: stack.get("/metalnx/login/")[0] == 200 or None)


def _land(stack: Stack, path: str, content: bytes) -> None:
    import io
    import tarfile

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo(path)
        entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o640, 10001, 10001
        tar.addfile(entry, io.BytesIO(content))
    assert stack.container("scanner").put_archive("/srv/mrdata/landing", archive.getvalue())


def _first(stack: Stack, collection: str) -> str | None:
    import re

    status, listing = stack.get(collection, "alice:alicesecret1", method="PROPFIND")
    found = re.findall(r"<D:href>([^<]+\.dcm)</D:href>", listing.decode())
    return found[0] if status == 207 and found else None


def _wait_for(look, seconds: float = 60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (found := look()) is not None:
            return found
        time.sleep(1)
    raise AssertionError(f"did not come within {seconds:.0f} s")
