"""Files in the mesh: a stream of bytes becomes chunks and a manifest, and comes back byte for byte.

Decides the order of a write: for each chunk its reference row, then its bytes on two nodes where two exist; the one
who asked makes the manifest visible after that. At most WINDOW chunks of a file are in memory, whatever its size.

Invariant: a manifest that ``write`` gave names only chunks that are durable and referenced; what ``read`` gives has
the hashes that the manifest names.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import structlog
from blake3 import blake3

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks, dereference, reference
from mesh.core.manifest import CHUNK_BYTES, FILE_BYTES_MAX, Manifest
from mesh.core.rows import Row
from mesh.ports import Clock, Executor, NotFound, PortError, Refused, Unavailable
from proto.codec import Value
from proto.ids import AssetId, ChunkId

WINDOW = 3
"""Chunks of one file on their way at once: with the one being filled, 16 MiB."""
DURABLE_COPIES = 2
"""Copies a write waits for, where that many storage nodes exist."""
READER_CHUNKS_MAX = 2
REFERENCES_AT_ONCE = 64

_log = structlog.get_logger("files")


class TooLargeError(Refused):
    """The bytes are more than may be taken."""


class Files:
    """Writes and reads files. ``copies_wanted`` gives the mesh's setting.

    ``grace_s``: how old a reference to an asset without a row may become before it is taken back; those of a file that
    takes longer to come are renewed in time.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        chunks: Chunks,
        executor: Executor,
        copies_wanted: Callable[[], int],
        clock: Clock,
        grace_s: float,
    ) -> None:
        self._catalogue = catalogue
        self._chunks = chunks
        self._executor = executor
        self._copies_wanted = copies_wanted
        self._clock = clock
        self._grace_s = grace_s

    # ------------------------------------------------------------ writing

    async def write(
        self, source: AsyncIterator[bytes], asset: AssetId, size_max: int = FILE_BYTES_MAX, *, keeps: bool = False
    ) -> Manifest:
        """Store a stream for ``asset``; when it breaks off or does not fit, nothing of it stays referenced.

        With ``keeps`` its references stay: another stream for the same asset may have come to its end meanwhile.

        TooLargeError over ``size_max`` bytes; DiskFull or Unavailable when it cannot be kept; what ``source`` raises
        comes through.
        """
        whole = blake3()
        ids: list[ChunkId] = []
        running: deque[asyncio.Task[None]] = deque()
        size = 0
        renewed_s = self._clock.wall()
        try:
            async for block in _blocks(source):
                renewed_s = await self._renew(asset, ids, renewed_s)
                size += len(block)
                if size > min(size_max, FILE_BYTES_MAX):
                    raise TooLargeError(f"the file is over {min(size_max, FILE_BYTES_MAX)} bytes")
                chunk = ChunkId(await self._executor.run(_hash, whole, block))
                ids.append(chunk)
                if len(running) >= WINDOW:
                    await running.popleft()
                running.append(asyncio.create_task(self._store(chunk, block, asset), name="files/chunk"))
            while running:
                await running.popleft()
            await self._renew(asset, ids, renewed_s)
        except BaseException:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            if not keeps:
                await asyncio.shield(self.forget(asset, ids))
            raise
        return Manifest(size, tuple(ids), whole.digest())

    async def _renew(self, asset: AssetId, ids: Sequence[ChunkId], renewed_s: float) -> float:
        """Write the references of what came so far anew before they are too old; gives when that was last done.

        Unavailable when they have been for too long: some of the bytes may have been collected meanwhile.
        """
        age_s = self._clock.wall() - renewed_s
        if age_s < self._grace_s / 4:
            return renewed_s
        if age_s >= self._grace_s:
            raise Unavailable("the upload stood still for so long that what came of it was given up; send it again")
        for at in range(0, len(ids), REFERENCES_AT_ONCE):
            batch = dict.fromkeys(ids[at : at + REFERENCES_AT_ONCE])
            await self._catalogue.write(*(reference(chunk, asset, CHUNK_BYTES) for chunk in batch))
        return self._clock.wall()

    async def put(self, data: bytes, asset: AssetId) -> ChunkId:
        """Store one chunk that belongs to ``asset`` (a poster, a long manifest), as durably as a file's."""
        chunk = ChunkId(await self._executor.run(_hash, blake3(), data))
        await self._store(chunk, data, asset)
        return chunk

    async def _store(self, chunk: ChunkId, data: bytes, asset: AssetId) -> None:
        await self._catalogue.write(reference(chunk, asset, len(data)))
        try:
            await self._chunks.put(data, asset, copies=min(DURABLE_COPIES, self._copies_wanted()), chunk=chunk)
        except Unavailable as error:
            # A second node that is believed alive and does not answer must not refuse the file: one durable copy is
            # here, the others follow, and the asset shows how many there are.
            _log.warning("fewer copies for now", chunk=chunk.hex()[:12], error=str(error))
            await self._chunks.keep(data, asset, chunk)

    async def fields(self, manifest: Manifest, asset: AssetId) -> dict[str, Value]:
        """Give the fields that make a manifest visible in the asset's row."""
        packed = manifest.pack()
        content: dict[str, Value] = {"size_bytes": manifest.size, "content": manifest.blake3.hex()}
        if manifest.inline:
            return content | {"manifest": packed}
        return content | {"manifest_chunk": (await self.put(packed, asset)).hex()}

    async def forget(self, asset: AssetId, chunks: Sequence[ChunkId]) -> None:
        """Take back the references of a file that never became visible; the bytes are collected like any others."""
        for at in range(0, len(chunks), REFERENCES_AT_ONCE):
            batch = dict.fromkeys(chunks[at : at + REFERENCES_AT_ONCE])
            try:
                await self._catalogue.write(*(dereference(chunk, asset) for chunk in batch))
            except PortError as error:
                _log.warning("references of a broken upload stay", asset=asset, error=str(error))
                return

    # ------------------------------------------------------------ reading

    async def manifest(self, fields: Mapping[str, Value]) -> Manifest | None:
        """Give the manifest of an asset's row, or None when the asset is no file."""
        packed: Any = fields.get("manifest")
        if packed:
            return Manifest.unpack(packed)
        named = fields.get("manifest_chunk")
        if not isinstance(named, str) or not named:
            return None
        return Manifest.unpack(await self._chunks.get(ChunkId(bytes.fromhex(named))))

    async def of(self, row: Row) -> Manifest:
        """Give the manifest of an asset that must be a file; NotFound when it is none."""
        found = await self.manifest(row.fields)
        if found is None:
            raise NotFound("this asset is no file")
        return found

    async def read(self, manifest: Manifest, start: int, end: int) -> AsyncIterator[bytes]:
        """Give bytes ``start`` to ``end`` (exclusive), verified, at most a chunk at a time."""
        for piece in manifest.plan(start, end):
            yield await self._chunks.get(piece.chunk, piece.offset, piece.size)


class FileReader:
    """Random reads of one file; keeps its last READER_CHUNKS_MAX chunks, since readers go in small steps."""

    def __init__(self, chunks: Chunks, manifest: Manifest) -> None:
        self._chunks = chunks
        self._manifest = manifest
        self._kept: OrderedDict[ChunkId, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._manifest.size

    async def read(self, offset: int, size: int) -> bytes:
        """Give up to ``size`` bytes; fewer at the end."""
        pieces = []
        for piece in self._manifest.plan(offset, offset + size):
            data = self._kept.get(piece.chunk)
            if data is None:
                data = self._kept[piece.chunk] = await self._chunks.get(piece.chunk)
                while len(self._kept) > READER_CHUNKS_MAX:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(piece.chunk)
            pieces.append(data[piece.offset : piece.offset + piece.size])
        return b"".join(pieces)


async def _blocks(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut a stream of any pieces into blocks of CHUNK_BYTES, the last one shorter."""
    waiting: list[bytes | memoryview] = []
    room = CHUNK_BYTES
    async for data in source:
        view = memoryview(data)
        while len(view) >= room:
            waiting.append(view[:room])
            view = view[room:]
            block = b"".join(waiting)
            waiting.clear()
            room = CHUNK_BYTES
            yield block
            del block  # so that it is not held while the next one comes
        if view:
            waiting.append(view)
            room -= len(view)
    if waiting:
        yield b"".join(waiting)


def _hash(whole: Any, data: bytes) -> bytes:
    whole.update(data)
    return blake3(data).digest()
