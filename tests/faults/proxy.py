"""A TCP proxy on loopback that cuts, holds and breaks the connections which go through it."""

from __future__ import annotations

import asyncio
import random
import threading
from types import TracebackType

_PIECE = 1 << 16


class Proxy:
    """Between clients and `host:port`. It has a thread of its own; its methods may be called from any."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open = asyncio.Event()
        self._writers: dict[int, list[asyncio.StreamWriter]] = {}
        self._left: dict[int, int] = {}
        """Connection -> bytes after which it is cut."""
        self._number = 0
        self.port = 0

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._open.set()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._connected, "127.0.0.1", 0), self._loop
        ).result()
        self.port = int(server.sockets[0].getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._writers)

    def cut(self, chance: random.Random | None = None) -> int:
        """Resets all connections, or one by chance; how many."""
        return asyncio.run_coroutine_threadsafe(self._cut(chance), self._loop).result()

    def cut_after(self, size: int) -> int:
        """Resets each connection when it has carried so many more bytes, in the middle of a message or not; how many
        there are.
        """
        return asyncio.run_coroutine_threadsafe(self._cut_after(size), self._loop).result()

    def hold(self, seconds: float) -> int:
        """Nothing goes through for so long, new connections included; how many there are."""
        return asyncio.run_coroutine_threadsafe(self._hold(seconds), self._loop).result()

    async def _cut(self, chance: random.Random | None) -> int:
        numbers = sorted(self._writers)
        numbers = [chance.choice(numbers)] if chance and numbers else numbers
        for number in numbers:
            self._reset(number)
        return len(numbers)

    async def _cut_after(self, size: int) -> int:
        self._left = dict.fromkeys(self._writers, size)
        return len(self._left)

    async def _hold(self, seconds: float) -> int:
        self._open.clear()
        self._loop.call_later(seconds, self._open.set)
        return len(self._writers)

    def _reset(self, number: int) -> None:
        self._left.pop(number, None)
        for writer in self._writers.pop(number, []):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._number += 1
        number = self._number
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            writer.transport.abort()
            return
        self._writers[number] = [writer, far_writer]
        await asyncio.gather(self._carry(number, reader, far_writer), self._carry(number, far_reader, writer))
        self._reset(number)

    async def _carry(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(_PIECE):
                await self._open.wait()
                left = self._left.get(number)
                writer.write(piece if left is None else piece[:left])
                await writer.drain()
                if left is not None and left <= len(piece):
                    self._reset(number)
                    return
                if left is not None:
                    self._left[number] = left - len(piece)
            writer.write_eof()
        except (OSError, RuntimeError):
            self._reset(number)
