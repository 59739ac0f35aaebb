"""A pair of byte streams in memory: how a node opens a stream to itself.

Invariant: a writer waits while ``PIPE_BYTES_MAX`` bytes are unread; a reset is seen by both ends.
"""

from __future__ import annotations

import asyncio
from collections import deque

from mesh.pieces import gather_exactly, take_piece
from mesh.ports import Unavailable

PIPE_BYTES_MAX = 1 << 20


class _Half:
    __slots__ = ("buffered", "chunks", "finished", "readable", "reset", "writable")

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.buffered = 0
        self.finished = False
        self.reset = False
        self.readable = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()


class PipeStream:
    """One end of a pipe; a ``ports.ByteStream``."""

    def __init__(self, incoming: _Half, outgoing: _Half) -> None:
        self._in = incoming
        self._out = outgoing

    async def read(self, size_max: int = 65536) -> bytes:
        """Give 1 to ``size_max`` bytes, or ``b""`` at the end."""
        half = self._in
        while not half.chunks:
            if half.reset:
                raise Unavailable("stream was reset")
            if half.finished:
                return b""
            half.readable.clear()
            await half.readable.wait()
        chunk = take_piece(half.chunks, size_max)
        half.buffered -= len(chunk)
        if half.buffered < PIPE_BYTES_MAX:
            half.writable.set()
        return chunk

    async def read_exactly(self, size: int) -> bytes:
        """Give exactly ``size`` bytes."""
        return await gather_exactly(self.read, size)

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while the reader is behind."""
        half = self._out
        while half.buffered >= PIPE_BYTES_MAX and not half.reset:
            half.writable.clear()
            await half.writable.wait()
        if half.reset or half.finished:
            raise Unavailable("stream is closed")
        if data:
            half.chunks.append(bytes(data))
            half.buffered += len(data)
            half.readable.set()

    async def finish(self) -> None:
        """Say that no more bytes follow."""
        self._out.finished = True
        self._out.readable.set()

    def reset(self) -> None:
        """Drop both directions."""
        for half in (self._in, self._out):
            if half.finished and not half.chunks:
                continue
            half.reset = True
            half.chunks.clear()
            half.buffered = 0
            half.readable.set()
            half.writable.set()


def pipe() -> tuple[PipeStream, PipeStream]:
    """Give the two ends of a new pipe."""
    one, other = _Half(), _Half()
    return PipeStream(one, other), PipeStream(other, one)
