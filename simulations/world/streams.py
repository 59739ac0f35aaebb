"""Byte streams of simulated links: reliable, in order, with a window.

Invariant: a writer waits while ``WINDOW_BYTES`` are unread; a reset or a lost link is seen by both ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mesh.pieces import gather_exactly, take_piece
from mesh.ports import Unavailable

if TYPE_CHECKING:
    from simulations.world.links import WorldLink

WINDOW_BYTES = 1 << 20
SEGMENT_BYTES = 64 * 1024


class Lane:
    """One direction of a stream."""

    __slots__ = ("chunks", "cut", "finished", "readable", "sent_bytes", "unread_bytes", "writable", "writer_done")

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.unread_bytes = 0
        self.sent_bytes = 0
        self.finished = False
        self.writer_done = False
        self.cut = False
        self.readable = asyncio.Event()
        self.writable = asyncio.Event()


class WorldStream:
    """One end of a stream; a ``ports.ByteStream``."""

    other: WorldStream

    def __init__(self, link: WorldLink, name: str, incoming: Lane, outgoing: Lane) -> None:
        self.name = name
        self._link = link
        self._in = incoming
        self._out = outgoing

    async def read(self, size_max: int = 65536) -> bytes:
        """Give 1 to ``size_max`` bytes, or ``b""`` at the end."""
        lane = self._in
        while not lane.chunks:
            if lane.cut:
                raise Unavailable("stream was reset")
            if lane.finished:
                self._done()
                return b""
            lane.readable.clear()
            await lane.readable.wait()
        if lane.cut:
            raise Unavailable("stream was reset")
        chunk = take_piece(lane.chunks, size_max)
        lane.unread_bytes -= len(chunk)
        self.other.wake(lane.writable)
        return chunk

    async def read_exactly(self, size: int) -> bytes:
        """Give exactly ``size`` bytes."""
        return await gather_exactly(self.read, size)

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while the reader is behind."""
        lane = self._out
        view = memoryview(bytes(data))
        while True:
            while lane.unread_bytes >= WINDOW_BYTES and not lane.cut:
                lane.writable.clear()
                await lane.writable.wait()
            if lane.cut or lane.writer_done or not self._link.up:
                raise Unavailable("stream is closed")
            if not view:
                return
            segment = bytes(view[:SEGMENT_BYTES])
            view = view[SEGMENT_BYTES:]
            lane.unread_bytes += len(segment)
            network = self._link.network
            network.fabric.sent(network.node_id, self._link.peer, len(segment))
            self._send(partial(self.other.came, segment))

    async def finish(self) -> None:
        """Say that no more bytes follow."""
        if self._out.writer_done or self._out.cut:
            return
        self._out.writer_done = True
        self._send(self.other.finished)

    def reset(self) -> None:
        """Drop both directions."""
        if self._over():
            self._done()
            return
        if not self._in.cut or not self._out.cut:
            self._send(self.other.cut)
            self.cut()

    def cut(self) -> None:
        """Be reset: by the peer, or because the link is gone."""
        if self._over():
            return
        for lane in (self._in, self._out):
            if lane is self._in and lane.finished and lane.chunks:
                continue  # what came whole before the reset can still be read
            lane.cut = True
            self.wake(lane.readable)
            self.wake(lane.writable)
        self._done()

    def came(self, segment: bytes) -> None:
        """Take bytes that arrived."""
        if not self._in.cut:
            self._in.chunks.append(segment)
            self.wake(self._in.readable)

    def finished(self) -> None:
        """Take note that no more bytes come."""
        self._in.finished = True
        self.wake(self._in.readable)

    def _over(self) -> bool:
        return self._in.finished and not self._in.chunks and self._out.writer_done

    def _done(self) -> None:
        self._link.streams.pop(self, None)

    def _send(self, arrives: Callable[[], None]) -> None:
        self._link.wire.transmit(self._link, self.name, arrives)

    def wake(self, event: asyncio.Event) -> None:
        """Set an event in this end's name."""
        self._link.network.in_life(event.set)
