"""One stream of bytes over a connection.

Invariant: at most the connection's stream window waits to be read, and at most ``SEND_WINDOW_BYTES`` (and one write's
piece) waits to be acknowledged: a reader that stops stops the writer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from mesh.adapters.quic.driver import Carrier
from mesh.pieces import gather_exactly, take_piece
from mesh.ports import Unavailable

SEND_WINDOW_BYTES = 512 << 10
_PIECE_BYTES = 64 << 10


class QuicByteStream:
    """A stream of a carrier; a ``ports.ByteStream``. ``readable`` and ``writable``: which directions it has."""

    def __init__(
        self,
        carrier: Carrier,
        stream: int,
        done: Callable[[int], None],
        *,
        readable: bool = True,
        writable: bool = True,
    ) -> None:
        self.id = stream
        self._carrier = carrier
        self._done = done
        self._chunks: deque[bytes] = deque()
        self._ended = not readable
        self._finished = not writable
        self._lost = ""
        self._write_lost = ""
        self._arrival: asyncio.Future[None] | None = None

    # ------------------------------------------------------------ from the connection

    def feed(self, data: bytes, end: bool) -> None:
        """Take bytes that came."""
        if self._lost:
            return
        if data:
            self._chunks.append(data)
        if end:
            self._ended = True
            self._settle()
        self._wake()

    def fail(self, reason: str) -> None:
        """The stream is lost in both directions."""
        self._lost = self._lost or reason
        self._write_lost = self._write_lost or reason
        self._chunks.clear()
        self._ended = self._finished = True
        self._wake()
        self._settle()

    def unwanted(self) -> None:
        """The peer reads no more; what it sent can still be read."""
        self._write_lost = self._write_lost or "the peer reads no more of this stream"
        self._finished = True
        self._settle()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _settle(self) -> None:
        if self._ended and self._finished:
            self._done(self.id)

    # ------------------------------------------------------------ for the application

    async def read(self, size_max: int = 65536) -> bytes:
        """Give 1 to ``size_max`` bytes, or ``b""`` at the end."""
        while not self._chunks:
            if self._lost:
                raise Unavailable(self._lost)
            if self._ended:
                return b""
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        taken = take_piece(self._chunks, size_max)
        if self._chunks and len(taken) + len(self._chunks[0]) <= size_max:
            parts = [taken]
            size = len(taken)
            while self._chunks and size + len(self._chunks[0]) <= size_max:
                parts.append(self._chunks.popleft())
                size += len(parts[-1])
            taken = b"".join(parts)
        if self._carrier.connection.consumed(self.id, len(taken)) and not self._carrier.gone:
            self._carrier.touch()
        return taken

    async def read_exactly(self, size: int) -> bytes:
        """Give exactly ``size`` bytes."""
        return await gather_exactly(self.read, size)

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while more than the window is unacknowledged."""
        view = memoryview(data)
        for start in range(0, len(view), _PIECE_BYTES):
            await self._room()
            self._carrier.connection.send(self.id, bytes(view[start : start + _PIECE_BYTES]))
            self._carrier.touch()
        if not data:
            self._check_writable()

    async def write_whole(self, data: bytes) -> None:
        """Send bytes in one piece, so that no other writer's come between; for frames."""
        await self._room()
        self._carrier.connection.send(self.id, data)
        self._carrier.touch()

    async def _room(self) -> None:
        self._check_writable()
        while self._carrier.connection.unsent(self.id) >= SEND_WINDOW_BYTES:
            await self._carrier.room(self.id, SEND_WINDOW_BYTES)
            self._check_writable()

    def _check_writable(self) -> None:
        if self._write_lost:
            raise Unavailable(self._write_lost)
        if self._finished:
            raise Unavailable("stream is finished")

    async def finish(self) -> None:
        """Say that no more bytes follow."""
        if self._finished:
            return
        self._finished = True
        self._carrier.connection.send(self.id, b"", end=True)
        self._carrier.touch()
        self._settle()

    def reset(self) -> None:
        """Drop both directions; what was finished before still reaches the peer."""
        if self._lost:
            return
        unread = sum(map(len, self._chunks))
        if unread:
            # The stream's state may be freed already; what lies here still holds the connection's window.
            self._carrier.connection.consumed(self.id, unread)
        if self._finished and not self._write_lost:
            self._carrier.connection.stop(self.id)
        else:
            self._carrier.connection.reset(self.id)
        if not self._carrier.gone:
            self._carrier.touch()
        self.fail("stream was reset")
