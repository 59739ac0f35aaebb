"""Datagrams over a stream: one end of a way that leads by another node; a ``ports.Tunnel``.

Invariant: at most ``WAITING_BYTES`` wait to be written, and of what comes at most one datagram is held: what finds no
room is dropped, so that a slow way never makes the sender wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

from mesh.actors.supervisor import Supervisor
from mesh.ports import TUNNEL_DATAGRAM_BYTES_MAX, ByteStream, PortError
from proto.ids import NodeId

WAITING_BYTES = 128 << 10
WRITTEN_AT_ONCE = 16
"""Datagrams in one write."""
_LENGTH_BYTES = 2


class StreamTunnel:
    """Datagrams to ``peer`` and back on a stream to ``relay``. Begins with ``listen``."""

    def __init__(self, relay: NodeId, peer: NodeId, stream: ByteStream, supervisor: Supervisor) -> None:
        self.relay = relay
        self.peer = peer
        self._stream = stream
        self._supervisor = supervisor
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = asyncio.Event()
        self._heard: Callable[[bytes], None] | None = None
        self._ended: Callable[[], None] | None = None
        self.dropped = 0
        """Datagrams that found no room."""

    def listen(self, heard: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        """Begin to carry. ``ended`` is called once, when the way is broken or closed."""
        self._heard, self._ended = heard, ended
        if self._closed.is_set():
            ended()
            return
        once = self._supervisor.once
        self._tasks = [
            once("tunnel/read", self._until_over(self._read)),
            once("tunnel/write", self._until_over(self._write)),
        ]

    def send(self, data: bytes) -> None:
        """Send a datagram, or drop it."""
        if len(data) > TUNNEL_DATAGRAM_BYTES_MAX:
            raise ValueError(f"a datagram of {len(data)} bytes is over {TUNNEL_DATAGRAM_BYTES_MAX}")
        if self._closed.is_set() or self._waiting_bytes + len(data) > WAITING_BYTES:
            self.dropped += 1
            return
        self._waiting.append(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        self._waiting_bytes += len(data)
        self._wake.set()

    def close(self) -> None:
        """End the way; what waits is dropped."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._waiting.clear()
        self._stream.reset()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        if self._ended is not None:
            self._ended()

    async def over(self) -> None:
        """Wait until the way has ended."""
        await self._closed.wait()

    async def _until_over(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            with contextlib.suppress(PortError):
                await work()
        finally:
            self.close()

    async def _read(self) -> None:
        held = bytearray()
        while data := await self._stream.read():
            held += data
            at = 0
            while len(held) >= at + _LENGTH_BYTES:
                size = int.from_bytes(held[at : at + _LENGTH_BYTES], "big")
                if not 0 < size <= TUNNEL_DATAGRAM_BYTES_MAX:
                    return
                if len(held) < at + _LENGTH_BYTES + size:
                    break
                datagram = bytes(held[at + _LENGTH_BYTES : at + _LENGTH_BYTES + size])
                at += _LENGTH_BYTES + size
                if self._closed.is_set() or self._heard is None:
                    return
                self._heard(datagram)
            del held[:at]

    async def _write(self) -> None:
        while True:
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(WRITTEN_AT_ONCE, len(self._waiting)))]
                self._waiting_bytes -= sum(len(one) - _LENGTH_BYTES for one in some)
                await self._stream.write(b"".join(some))
            self._wake.clear()
            await self._wake.wait()
