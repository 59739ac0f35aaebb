"""The actor ``chunks`` of a node: takes chunks over streams, gives verified ones, tells what it has.

Invariant: ``ChunkStored`` is answered only when the bytes are verified, durable, and noted as needed by their asset. A
stand-in takes none beyond STAND_IN_FULL of its disk; a node that does not store, or is read-only, takes none.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from mesh.actors.chunkstore import ChunkStore
from mesh.actors.chunkwire import ACTOR, write_framed
from mesh.actors.copier import Copier
from mesh.actors.placement import LayoutView
from mesh.actors.system import ActorSystem, Context
from mesh.core.placement import partition_of
from mesh.ports import ByteStream, Corrupt, DiskFull, DiskUsage, NotFound, PortError, ReadOnly
from proto.ids import AssetId, ChunkId, PartitionId
from proto.messages.chunks import (
    ChunkFound,
    ChunkIds,
    ChunkNotStored,
    ChunksDiffer,
    ChunkStored,
    CompareChunks,
    CopiesTold,
    CountCopies,
    GetChunk,
    Have,
    HaveChunks,
    ListChunks,
    PutChunk,
)

STAND_IN_FULL = 0.85
"""Part of a disk up to which chunks are taken for others' partitions."""
LISTED_MAX = 4096
READ_TIMEOUT_S = 30.0
USAGE_EVERY_BYTES = 64 << 20
_WRITE_BYTES = 256 * 1024
_DRAIN_TIMEOUT_S = 5.0


class ChunkServer:
    """Serves this node's chunks to its peers. A node that does not store refuses to take any."""

    def __init__(
        self, system: ActorSystem, store: ChunkStore, copier: Copier, *, takes: bool, view: LayoutView | None = None
    ) -> None:
        self._system = system
        self._store = store
        self._copier = copier
        self._takes = takes
        self._view = view
        self._usage: DiskUsage | None = None
        self._taken_bytes = 0
        system.spawn(ACTOR, self, concurrency=4)

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Answer which chunks are here."""
        match message:
            case HaveChunks():
                return Have(bytes(ChunkId(chunk) in self._store for chunk in message.chunks))
            case CountCopies():
                told = [await self._copier.told(AssetId(asset)) for asset in message.assets]
                return CopiesTold(
                    tuple(((one.chunks, one.fewest, one.short, one.repairing), one.damaged) for one in told)
                )
            case CompareChunks():
                return ChunksDiffer(
                    tuple(part for part, value in message.digests if self._store.digest(PartitionId(part)) != value),
                    self._copier.giving,
                )
            case ListChunks():
                part = PartitionId(message.partition)
                chunks = await self._store.chunks_of(part, message.after, LISTED_MAX)
                return ChunkIds(tuple(chunks), len(chunks) == LISTED_MAX)
            case _:
                raise NotFound(f"chunks takes no {type(message).__name__} from {context.sender[:8]}")

    async def serve(self, message: Any, stream: ByteStream, context: Context) -> None:
        """Take or give one chunk."""
        del context
        match message:
            case PutChunk():
                await self._take(message, stream)
            case GetChunk():
                await self._give(ChunkId(message.chunk), stream)
            case _:
                raise NotFound(f"chunks serves no {type(message).__name__}")

    async def _take(self, message: PutChunk, stream: ByteStream) -> None:
        chunk, asset = ChunkId(message.chunk), AssetId(message.asset)
        refusal: ChunkNotStored | None
        try:
            if chunk in self._store and await self._store.refer(chunk, asset):
                await self._answer_early(stream, ChunkStored(known=True), message.size)
                return
            refusal = await self._refusal(chunk, message.size)
        except PortError as error:
            refusal = _not_stored(error)
        if refusal is not None:
            await self._answer_early(stream, refusal, message.size)
            return
        async with asyncio.timeout(READ_TIMEOUT_S):
            data = await stream.read_exactly(message.size)
        answer: ChunkStored | ChunkNotStored = ChunkStored()
        try:
            await self._store.add(data, asset, chunk)
        except PortError as error:
            answer = _not_stored(error)
        await write_framed(stream, answer)
        await stream.finish()

    async def _refusal(self, chunk: ChunkId, size: int) -> ChunkNotStored | None:
        if not self._takes:
            return ChunkNotStored("this node does not store")
        if why := self._store.refuses():
            return ChunkNotStored(why[:1000], full=True, read_only=True)
        if self._view is None or self._system.node_id in self._view.owners(partition_of(chunk)):
            return None
        self._taken_bytes += size
        if self._usage is None or self._taken_bytes > USAGE_EVERY_BYTES:
            self._usage, self._taken_bytes = await self._store.usage(), 0
        total, free = self._usage.total_bytes, self._usage.free_bytes - self._taken_bytes
        if free < total * (1 - STAND_IN_FULL):
            return ChunkNotStored("the disk is too full to stand in for another node", full=True)
        return None

    async def _answer_early(self, stream: ByteStream, answer: object, size: int) -> None:
        """Answer before the bytes came, and read what of them is under way until the sender stops."""
        await write_framed(stream, answer)
        await stream.finish()
        with contextlib.suppress(PortError, TimeoutError):
            async with asyncio.timeout(_DRAIN_TIMEOUT_S):
                while size > 0 and (data := await stream.read()):
                    size -= len(data)

    async def _give(self, chunk: ChunkId, stream: ByteStream) -> None:
        try:
            data = await self._store.read(chunk)
        except (NotFound, Corrupt):
            await write_framed(stream, ChunkFound(None))
            await stream.finish()
            return
        await write_framed(stream, ChunkFound(len(data)))
        for at in range(0, len(data), _WRITE_BYTES):
            await stream.write(data[at : at + _WRITE_BYTES])
        await stream.finish()


def _not_stored(error: PortError) -> ChunkNotStored:
    return ChunkNotStored(str(error)[:1000], isinstance(error, DiskFull), isinstance(error, ReadOnly))
