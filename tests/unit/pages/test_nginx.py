"""docker/nginx/nginx.conf in an nginx of this machine: where it slows down whoever guesses passwords."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from irods_config.tls import self_signed

CONF = Path(__file__).resolve().parents[3] / "docker/nginx/nginx.conf"


class Refusing(BaseHTTPRequestHandler):
    """What is behind: knows nobody."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PROPFIND = do_GET

    def log_message(self, *a: object) -> None:
        """Nothing."""


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def port(tmp_path) -> Iterator[int]:
    """The port on which nginx answers HTTPS."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    (tmp_path / "secrets").mkdir()
    self_signed(tmp_path / "secrets", ["localhost"])
    behind = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    https = free_port()
    changes = {
        "/tmp/": f"{tmp_path}/",
        "/dev/stdout": f"{tmp_path}/access",
        "listen 8443 ssl": f"listen 127.0.0.1:{https} ssl",
        "listen 8080": f"listen 127.0.0.1:{free_port()}",
        "/run/secrets/tls_certificate": f"{tmp_path}/secrets/server.crt",
        "/run/secrets/tls_key": f"{tmp_path}/secrets/server.key",
    }
    changes |= {f"{name}:8080": f"127.0.0.1:{behind.server_port}" for name in ("davrods", "metalnx", "forms")}
    text = CONF.read_text()
    for old, new in changes.items():
        text = text.replace(old, new)
    (tmp_path / "nginx.conf").write_text(text)
    running = subprocess.Popen(
        [nginx, "-e", "stderr", "-c", tmp_path / "nginx.conf", "-g", "daemon off;"], stderr=subprocess.PIPE
    )
    try:
        for _ in range(100):
            with closing(socket.socket()) as trial:
                if trial.connect_ex(("127.0.0.1", https)) == 0:
                    break
            time.sleep(0.05)
        assert running.poll() is None, running.stderr.read()
        yield https
    finally:
        running.terminate()
        running.wait()
        behind.shutdown()
        behind.server_close()


def answers(port: int, method: str, path: str, times: int) -> Counter[int]:
    with closing(
        http.client.HTTPSConnection("127.0.0.1", port, context=ssl._create_unverified_context())
    ) as connection:
        found: Counter[int] = Counter()
        for n in range(times):
            connection.request(method, path, headers={"Authorization": f"Basic {n}"})
            reply = connection.getresponse()
            reply.read()
            found[reply.status] += 1
        return found


@pytest.mark.parametrize(
    "path",
    ["/metalnx/login/authenticate/", "/metalnx//LOGIN/authenticate", "/metalnx/%6cogin/authenticate/", "/mrdata/login"],
)
def test_logging_in_has_a_limit(port, path):
    found = answers(port, "POST", path, 40)
    assert found[401] in range(15, 25)
    assert found[429] == 40 - found[401]
    assert answers(port, "GET", "/mrdata/", 60) == {401: 60}, "other pages have none"


def test_webdav_has_a_limit_that_slows_down(port):
    began = time.monotonic()
    assert answers(port, "PROPFIND", "/dav/pain", 180) == {401: 180}
    assert time.monotonic() - began > 2
