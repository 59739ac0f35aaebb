"""Chunks as every node has them: put, keep, get, and how many copies there are.

Decides whom bytes go to and come from. ``put`` waits for durable copies on distinct nodes; ``keep`` waits for this disk
alone, and copies follow on their own. Invariant: bytes that leave ``get`` have the hash that was asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from blake3 import blake3

from mesh.actors.chunkstore import ChunkStore, Held
from mesh.actors.placement import LayoutView, Peers
from mesh.actors.system import ActorSystem
from mesh.core.placement import partition_of
from mesh.ports import ByteStream, Clock, Corrupt, Flow, NotFound, PortError, Refused, Unavailable
from proto import codec
from proto.frames import FRAME_BYTES_MAX
from proto.ids import AssetId, ChunkId, NodeId
from proto.messages.chunks import CHUNK_BYTES_MAX, ChunkFound, ChunkStored, GetChunk, Have, HaveChunks, PutChunk

ACTOR = "chunks"
COPY_BATCH = 64
COPIES_AT_ONCE = 4
COPY_AGAIN_S = 1.0
HAVE_MAX = 4096
STREAM_TIMEOUT_S = 30.0

_log = structlog.get_logger("chunks")


@dataclass(frozen=True, slots=True)
class Lag:
    """What is on this node and not yet on all that should hold it; ``seconds`` since the oldest of it came."""

    chunks: int
    bytes: int
    seconds: float


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


class Chunks:
    """The chunks' face on one node."""

    def __init__(self, system: ActorSystem, store: ChunkStore, view: LayoutView, peers: Peers, clock: Clock) -> None:
        self._system = system
        self._store = store
        self._view = view
        self._peers = peers
        self._clock = clock
        self._wake = asyncio.Event()
        self._lag = Lag(0, 0, 0.0)
        self._elsewhere: dict[NodeId, float] = {}

    async def open(self) -> None:
        """Start copying what has too few copies."""
        self._system.supervisor.run("chunks/copy", self._copy)

    # ------------------------------------------------------------ writing

    async def put(self, data: bytes, asset: AssetId, *, copies: int, flow: Flow = Flow.BULK) -> ChunkId:
        """Store bytes on ``copies`` distinct nodes, or as many as store; Unavailable when fewer answered."""
        if len(data) > CHUNK_BYTES_MAX:
            raise ValueError(f"a chunk of {len(data)} bytes is over {CHUNK_BYTES_MAX}")
        chunk = ChunkId(blake3(data).digest())
        order = self._view.present(partition_of(chunk))
        stores = self._view.stores()
        candidates = [*order, *(node for node in stores if node not in order)]
        wanted = max(1, min(copies, len(stores)))
        if not candidates:
            return await self._store.add(data, asset)
        done: list[NodeId] = []
        failures: list[str] = []
        while candidates and len(done) < wanted:
            batch, candidates = candidates[: wanted - len(done)], candidates[wanted - len(done) :]
            results = await asyncio.gather(
                *(self._store_on(node, chunk, data, asset, flow) for node in batch), return_exceptions=True
            )
            for node, result in zip(batch, results, strict=True):
                if result is None:
                    done.append(node)
                elif isinstance(result, PortError):
                    failures.append(f"{node[:8]}: {result}")
                else:
                    raise result
        if len(done) < wanted:
            raise Unavailable(f"only {len(done)} of {wanted} nodes stored the bytes ({'; '.join(failures)})")
        return chunk

    async def keep(self, data: bytes, asset: AssetId) -> ChunkId:
        """Store bytes durably on this node and return; copies follow. Waits for nobody else."""
        chunk = await self._store.add(data, asset)
        self._wake.set()
        return chunk

    async def _store_on(self, node: NodeId, chunk: ChunkId, data: bytes, asset: AssetId, flow: Flow) -> None:
        if node == self._system.node_id:
            await self._store.add(data, asset, chunk)
            return
        async with _deadline(STREAM_TIMEOUT_S, node):
            stream = await self._system.stream(node, ACTOR, PutChunk(chunk, len(data), asset), flow)
            try:
                await stream.write(data)
                await stream.finish()
                answer = await read_framed(stream)
                if not isinstance(answer, ChunkStored):
                    raise PortError("a put was answered by something else")
            except BaseException:
                stream.reset()
                raise

    # ------------------------------------------------------------ reading

    async def get(self, chunk: ChunkId, offset: int = 0, size: int | None = None) -> bytes:
        """Give a chunk's bytes, verified, from any copy; NotFound when all who answered lack it."""
        asked: list[str] = []
        try:
            return _part(await self._store.read(chunk), offset, size)
        except NotFound:
            pass
        except Corrupt:
            asked.append("here: damaged")
        unreachable = False
        for node in self._sources(chunk):
            try:
                data = await self._fetch(node, chunk)
            except NotFound:
                asked.append(f"{node[:8]}: not there")
                continue
            except PortError as error:
                unreachable = True
                asked.append(f"{node[:8]}: {error}")
                continue
            if asked[:1] == ["here: damaged"]:
                await self._store.add(data, AssetId(""), chunk)  # healed
            return _part(data, offset, size)
        text = f"chunk {chunk.hex()[:12]} has no copy that can be reached ({'; '.join(asked) or 'nobody to ask'})"
        raise Unavailable(text) if unreachable else NotFound(text)

    def _sources(self, chunk: ChunkId) -> list[NodeId]:
        partition = partition_of(chunk)
        mine = self._system.node_id
        order = [node for node in self._view.present(partition) if node != mine]
        rest = [node for node in self._peers.alive_ids() if node != mine and node not in order]
        return [*order, *sorted(rest, key=lambda node: -self._elsewhere.get(node, 0.0))]

    async def _fetch(self, node: NodeId, chunk: ChunkId) -> bytes:
        async with _deadline(STREAM_TIMEOUT_S, node):
            stream = await self._system.stream(node, ACTOR, GetChunk(chunk), Flow.BULK)
            try:
                answer = await read_framed(stream)
                if not isinstance(answer, ChunkFound):
                    raise PortError("a get was answered by something else")
                if answer.size is None:
                    raise NotFound("no such chunk there")
                if answer.size > CHUNK_BYTES_MAX:
                    raise Refused("a chunk larger than any may be")
                data = await stream.read_exactly(answer.size)
            finally:
                stream.reset()
        if blake3(data).digest() != chunk:
            raise Corrupt("the bytes that came are not the chunk that was asked for")
        self._elsewhere[node] = self._clock.monotonic()
        return data

    async def copies(self, chunks: Sequence[ChunkId]) -> dict[ChunkId, int]:
        """Count the durable copies of chunks on the nodes that can be asked now."""
        counts = {chunk: int(chunk in self._store) for chunk in chunks}
        for node in self._peers.alive_ids():
            if node == self._system.node_id:
                continue
            for at in range(0, len(chunks), HAVE_MAX):
                batch = tuple(chunks[at : at + HAVE_MAX])
                try:
                    answer = await self._system.ask(node, ACTOR, HaveChunks(batch), Have, timeout_s=3.0)
                except PortError:
                    break
                for chunk, there in zip(batch, answer.there, strict=False):
                    counts[ChunkId(chunk)] += there
        return counts

    # ------------------------------------------------------------ copies follow

    def lag(self) -> Lag:
        """Tell what on this node has not reached all that should hold it."""
        return self._lag

    def _token(self) -> str:
        away = ",".join(sorted(self._peers.away()))
        return f"{self._view.layout.version}/{self._view.copies_wanted}/{away}"

    async def _copy(self) -> None:
        while True:
            self._wake.clear()
            moved = await self.copy_once()
            count, size, oldest_ms = await self._store.waiting(self._token())
            age_s = max(0.0, self._clock.wall() - oldest_ms / 1000) if count else 0.0
            self._lag = Lag(count, size, age_s)
            if not moved:
                try:
                    async with asyncio.timeout(COPY_AGAIN_S if count else 5.0):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def copy_once(self) -> int:
        """Bring a batch of chunks to those who should hold them; gives how many are confirmed by it."""
        token = self._token()
        batch = await self._store.unconfirmed(token, COPY_BATCH)
        mine = self._system.node_id
        wanted: dict[NodeId, list[Held]] = {}
        missing: dict[ChunkId, int] = {}
        for held in batch:
            holders = self._view.holders(held.partition)
            others = [node for node in holders if node != mine]
            missing[held.chunk] = len(others) if holders else 1
            for node in others:
                wanted.setdefault(node, []).append(held)
        alive = set(self._peers.alive_ids())
        gate = asyncio.Semaphore(COPIES_AT_ONCE)

        async def give(node: NodeId, held: Held) -> None:
            async with gate:
                try:
                    data = await self._store.read(held.chunk)
                    await self._store_on(node, held.chunk, data, held.asset, Flow.RECORD)
                    missing[held.chunk] -= 1
                except PortError as error:
                    _log.info("not copied", chunk=held.chunk.hex()[:12], peer=node[:8], error=str(error))

        work = []
        for node, chunks in wanted.items():
            if node not in alive:
                continue
            try:
                have = await self._system.ask(node, ACTOR, HaveChunks(tuple(held.chunk for held in chunks)), Have)
            except PortError:
                continue
            for held, there in zip(chunks, have.there, strict=False):
                if there:
                    missing[held.chunk] -= 1
                else:
                    work.append(give(node, held))
        await asyncio.gather(*work)
        confirmed = [chunk for chunk, count in missing.items() if count <= 0]
        if confirmed:
            await self._store.confirm(confirmed, token)
        return len(confirmed)


class _deadline:  # noqa: N801 - reads as a statement
    """``asyncio.timeout`` that tells Unavailable and names the node."""

    def __init__(self, timeout_s: float, node: NodeId) -> None:
        self._timeout = asyncio.timeout(timeout_s)
        self._text = f"node {node[:8]} did not finish within {timeout_s:g} s"

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *exit_: object) -> None:
        try:
            await self._timeout.__aexit__(*exit_)  # type: ignore[arg-type]
        except TimeoutError as error:
            raise Unavailable(self._text) from error


def _part(data: bytes, offset: int, size: int | None) -> bytes:
    if offset == 0 and size is None:
        return data
    return data[offset : None if size is None else offset + size]
