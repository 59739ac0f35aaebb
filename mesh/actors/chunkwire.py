"""One chunk over one stream: giving it to a node, fetching it from one.

A stream that is lost with the connection under it is tried once more: the link may stand, and have another way.

Invariant: what ``fetch_chunk`` gives has the hash that was asked for; ``give_chunk`` returns only when the other node
has said that the chunk is durable there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

from mesh.actors.system import ActorSystem
from mesh.ports import (
    ByteStream,
    Corrupt,
    DiskFull,
    Flow,
    NotFound,
    PortError,
    ReadOnly,
    Refused,
    StreamLost,
    Unavailable,
)
from proto import codec
from proto.frames import FRAME_BYTES_MAX
from proto.ids import AssetId, ChunkId, NodeId
from proto.messages.chunks import CHUNK_BYTES_MAX, ChunkFound, ChunkNotStored, ChunkStored, GetChunk, PutChunk

ACTOR = "chunks"
STREAM_TIMEOUT_S = 30.0
FIRST_ANSWER_TIMEOUT_S = 5.0
A = TypeVar("A")


async def write_framed(stream: ByteStream, message: object) -> None:
    """Write a message with its length in front."""
    packed = codec.encode_tagged(message)
    await stream.write(len(packed).to_bytes(4, "big") + packed)


async def read_framed(stream: ByteStream) -> object:
    """Read a message with its length in front; Unavailable when the stream ends before."""
    size = int.from_bytes(await stream.read_exactly(4), "big")
    if size > FRAME_BYTES_MAX:
        raise codec.Malformed(f"an answer of {size} bytes")
    return codec.decode_tagged(await stream.read_exactly(size))


async def give_chunk(
    system: ActorSystem, node: NodeId, chunk: ChunkId, data: bytes, asset: AssetId, flow: Flow
) -> None:
    """Have a node store a chunk; DiskFull, ReadOnly, Refused or Unavailable when it did not."""
    async with Deadline(STREAM_TIMEOUT_S, node):
        answer = await _once_more(lambda: _offer(system, node, PutChunk(chunk, len(data), asset), data, flow))
    match answer:
        case ChunkStored():
            return
        case ChunkNotStored(why, full, read_only):
            raise ReadOnly(why) if read_only else DiskFull(why) if full else Refused(why)
        case _:
            raise PortError(f"node {node[:8]} answered a put with something else")


async def _offer(system: ActorSystem, node: NodeId, message: PutChunk, data: bytes, flow: Flow) -> object:
    stream = await system.stream(node, ACTOR, message, flow)
    sending = asyncio.ensure_future(_send(stream, data))
    answering = asyncio.ensure_future(read_framed(stream))
    try:
        # A node that has it already, or has no room, answers before the bytes have come.
        await asyncio.wait([sending, answering], return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            await sending
        return await answering
    except codec.Malformed as error:
        raise PortError(f"node {node[:8]} answered a put with no message: {error}") from error
    finally:
        for task in (sending, answering):
            task.cancel()
        await asyncio.wait([sending, answering])
        stream.reset()


async def _once_more(attempt: Callable[[], Awaitable[A]]) -> A:
    try:
        return await attempt()
    except StreamLost:
        return await attempt()


async def _send(stream: ByteStream, data: bytes) -> None:
    await stream.write(data)
    await stream.finish()


async def fetch_chunk(
    system: ActorSystem, hasher: Callable[[bytes], Awaitable[bytes]], node: NodeId, chunk: ChunkId
) -> bytes:
    """Give a chunk's verified bytes from a node; NotFound when it has none, Corrupt when it gave other bytes."""
    async with Deadline(STREAM_TIMEOUT_S, node):
        data = await _once_more(lambda: _take(system, node, chunk))
    if await hasher(data) != chunk:
        raise Corrupt(f"node {node[:8]} gave bytes that are not the chunk that was asked for")
    return data


async def _take(system: ActorSystem, node: NodeId, chunk: ChunkId) -> bytes:
    stream = await system.stream(node, ACTOR, GetChunk(chunk), Flow.BULK)
    try:
        async with Deadline(FIRST_ANSWER_TIMEOUT_S, node):
            answer = await read_framed(stream)
        if not isinstance(answer, ChunkFound):
            raise PortError(f"node {node[:8]} answered a get with something else")
        if answer.size is None:
            raise NotFound("no such chunk there")
        if answer.size > CHUNK_BYTES_MAX:
            raise Refused("a chunk larger than any may be")
        return await stream.read_exactly(answer.size)
    except codec.Malformed as error:
        raise PortError(f"node {node[:8]} answered a get with no message: {error}") from error
    finally:
        stream.reset()


class Deadline:
    """``asyncio.timeout`` that raises Unavailable and names the node."""

    def __init__(self, timeout_s: float, node: NodeId) -> None:
        self._timeout = asyncio.timeout(timeout_s)
        self._text = f"node {node[:8]} did not finish within {timeout_s:g} s"

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise Unavailable(self._text) from late
