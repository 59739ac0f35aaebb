"""Which links are in use: whatever goes on over one, and when one was used last.

Invariant: a stream counts until it has ended, however it ended, or its link is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from mesh.ports import ByteStream, Unavailable
from proto.ids import NodeId

KEEPS_NO_LINK = frozenset({"membership", "clock"})
"""Actors that ask whoever there is a link to: no reason to have one."""


class LinkUse:
    """What goes on over the links of one node."""

    def __init__(self) -> None:
        self._used: dict[NodeId, float] = {}
        self._busy: dict[NodeId, dict[Use, None]] = {}

    def touch(self, peer: NodeId, actor: str = "") -> None:
        """Take note that a link is used now, by or for an actor."""
        if actor not in KEEPS_NO_LINK:
            self._used[peer] = asyncio.get_running_loop().time()

    def begin(self, peer: NodeId) -> Use:
        """Take note of something that goes on over a link until it is closed."""
        return Use(self._busy, peer)

    def forget(self, peer: NodeId) -> None:
        """Forget a link: it is gone."""
        self._busy.pop(peer, None)
        self._used.pop(peer, None)

    def within(self, peer: NodeId, asked: Iterable[NodeId], seconds: float) -> bool:
        """Tell whether a link is in use, or was within that time; ``asked``: whose answers are waited for."""
        if peer in asked or self._busy.get(peer):
            return True
        return asyncio.get_running_loop().time() - self._used.get(peer, float("-inf")) < seconds


class Use:
    """Something that goes on over the link to a peer, until it is closed."""

    __slots__ = ("_among",)

    def __init__(self, busy: dict[NodeId, dict[Use, None]], peer: NodeId) -> None:
        self._among = busy.setdefault(peer, {})
        self._among[self] = None

    def close(self) -> None:
        """Be over. Safe to call more than once."""
        self._among.pop(self, None)


class UsedStream:
    """A stream to another node, whose link is in use until the stream ends."""

    def __init__(self, stream: ByteStream, use: Use) -> None:
        self._stream = stream
        self._use = use

    async def read(self, size_max: int = 65536) -> bytes:
        """Give 1 to ``size_max`` bytes, or ``b""`` at the end."""
        try:
            data = await self._stream.read(size_max)
        except Unavailable:
            self._use.close()
            raise
        if not data:
            self._use.close()
        return data

    async def read_exactly(self, size: int) -> bytes:
        """Give exactly ``size`` bytes."""
        try:
            return await self._stream.read_exactly(size)
        except Unavailable:
            self._use.close()
            raise

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        try:
            await self._stream.write(data)
        except Unavailable:
            self._use.close()
            raise

    async def finish(self) -> None:
        """Say that no more bytes follow."""
        await self._stream.finish()

    def reset(self) -> None:
        """Drop both directions at once."""
        self._use.close()
        self._stream.reset()
