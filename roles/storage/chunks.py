"""The actor ``chunks`` of a node: takes chunks over streams, gives verified ones, tells what it has."""

from __future__ import annotations

from typing import Any

from mesh.actors.chunks import ACTOR, write_framed
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.system import ActorSystem, Context
from mesh.ports import ByteStream, Corrupt, NotFound
from proto.ids import AssetId, ChunkId
from proto.messages.chunks import ChunkFound, ChunkStored, GetChunk, Have, HaveChunks, PutChunk

_WRITE_BYTES = 256 * 1024


class ChunkServer:
    """Serves this node's chunks to its peers. A node that does not store refuses to take any."""

    def __init__(self, system: ActorSystem, store: ChunkStore, *, takes: bool) -> None:
        self._store = store
        self._takes = takes
        system.spawn(ACTOR, self, concurrency=4)

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Answer which chunks are here."""
        if isinstance(message, HaveChunks):
            return Have(bytes(ChunkId(chunk) in self._store for chunk in message.chunks))
        raise NotFound(f"chunks takes no {type(message).__name__} from {context.sender[:8]}")

    async def serve(self, message: Any, stream: ByteStream, context: Context) -> None:
        """Take or give one chunk."""
        del context
        match message:
            case PutChunk():
                if not self._takes:
                    raise NotFound("this node does not store")
                data = await stream.read_exactly(message.size)
                await self._store.add(data, AssetId(message.asset), ChunkId(message.chunk))
                await write_framed(stream, ChunkStored())
                await stream.finish()
            case GetChunk():
                try:
                    data = await self._store.read(ChunkId(message.chunk))
                except (NotFound, Corrupt):
                    await write_framed(stream, ChunkFound(None))
                    await stream.finish()
                    return
                await write_framed(stream, ChunkFound(len(data)))
                for at in range(0, len(data), _WRITE_BYTES):
                    await stream.write(data[at : at + _WRITE_BYTES])
                await stream.finish()
            case _:
                raise NotFound(f"chunks serves no {type(message).__name__}")
