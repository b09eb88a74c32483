"""The proxy: what goes through it, and what does not."""

from __future__ import annotations

import random
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Proxy


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while piece := self.request.recv(1 << 16):
            self.request.sendall(piece)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Proxy(*server.server_address) as proxy:
            yield proxy
        server.shutdown()


def connect(proxy: Proxy) -> socket.socket:
    connected = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    assert say(connected, b"hello") == b"hello"
    return connected


def _send_all(connection: socket.socket, content: bytes) -> None:
    connection.sendall(content)
    connection.shutdown(socket.SHUT_WR)


def say(connection: socket.socket, content: bytes) -> bytes:
    connection.sendall(content)
    return answer(connection, len(content))


def answer(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = connection.recv(1 << 16)
        if not piece:
            raise ConnectionResetError("the end")
        found += piece
    return found


def test_bytes_go_through_and_an_end_does_too(proxy: Proxy) -> None:
    content = random.Random(1).randbytes(5 << 20)
    with connect(proxy) as one:
        threading.Thread(target=_send_all, args=(one, content)).start()
        assert answer(one, len(content)) == content
        assert one.recv(1) == b""


def test_all_are_cut_or_one(proxy: Proxy) -> None:
    with connect(proxy) as one, connect(proxy) as two, connect(proxy) as three:
        assert proxy.cut(random.Random(1)) == 1
        alive = []
        for connection in (one, two, three):
            try:
                alive += [say(connection, b"still") == b"still"]
            except ConnectionError:
                alive += [False]
        assert sorted(alive) == [False, True, True]
        assert proxy.cut() == 2
        for connection in (one, two, three):
            with pytest.raises(ConnectionError):
                say(connection, b"still")
    assert proxy.connections == 0
    with connect(proxy):
        assert proxy.connections == 1


def test_a_message_is_cut_in_its_middle(proxy: Proxy) -> None:
    with connect(proxy) as one:
        proxy.cut_after(100)
        one.sendall(b"x" * 1000)
        with pytest.raises(ConnectionError):
            answer(one, 101)


def test_nothing_goes_through_for_a_while(proxy: Proxy) -> None:
    with connect(proxy) as one:
        proxy.hold(0.4)
        begin = time.monotonic()
        assert say(one, b"late") == b"late"
        assert time.monotonic() - begin > 0.3


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with Proxy(*nobody.getsockname()) as proxy, pytest.raises(ConnectionError):
            connect(proxy)
