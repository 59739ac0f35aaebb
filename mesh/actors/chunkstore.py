"""The chunks on this node's disk, and what is known of their copies elsewhere.

Invariant: a chunk under its name is whole and its hash was checked before it got there; it is checked again on every
read that leaves the node, and one that fails is put aside, never served. The inventory row is written after the bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from blake3 import blake3

from mesh.core.placement import partition_of
from mesh.ports import Clock, Corrupt, Disk, Executor, NotFound, Sql, Tables
from proto.ids import AssetId, ChunkId, PartitionId

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS chunks (chunk BLOB PRIMARY KEY, size INTEGER, part INTEGER, asset TEXT,
       added_ms INTEGER, confirmed TEXT DEFAULT '') WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS chunks_confirmed ON chunks (confirmed, added_ms)",
)


@dataclass(frozen=True, slots=True)
class Held:
    """A chunk on this node."""

    chunk: ChunkId
    size: int
    partition: PartitionId
    asset: AssetId


def path_of(chunk: ChunkId) -> str:
    """Give a chunk's place in the data folder."""
    name = chunk.hex()
    return f"chunks/{name[:2]}/{name}"


class ChunkStore:
    """Chunks of one node. ``open`` it first."""

    def __init__(self, disk: Disk, tables: Tables, executor: Executor, clock: Clock) -> None:
        self._disk = disk
        self._tables = tables
        self._executor = executor
        self._clock = clock
        self._known: dict[ChunkId, int] = {}
        self.bytes = 0
        self.quarantined = 0

    async def open(self) -> None:
        """Read the inventory, and put back what a crash left on the disk without a row."""

        def work(sql: Sql) -> list[tuple[bytes, int]]:
            for statement in _SCHEMA:
                sql.execute(statement)
            return sql.execute("SELECT chunk, size FROM chunks").fetchall()

        for chunk, size in await self._tables.write(work):
            self._known[ChunkId(bytes(chunk))] = size
        for folder in await self._disk.list("chunks"):
            for name in await self._disk.list(f"chunks/{folder}"):
                found = _chunk_named(name)
                if found is not None and found not in self._known:
                    await self._note(found, await self._disk.size(path_of(found)), AssetId(""))
        self.bytes = sum(self._known.values())

    def __contains__(self, chunk: ChunkId) -> bool:
        return chunk in self._known

    def __len__(self) -> int:
        return len(self._known)

    async def add(self, data: bytes, asset: AssetId, expect: ChunkId | None = None) -> ChunkId:
        """Store bytes durably; Corrupt when they are not what ``expect`` names."""
        chunk = ChunkId(await self._executor.run(_hash, data))
        if expect is not None and chunk != expect:
            raise Corrupt("the bytes that came are not the chunk that was announced")
        if chunk not in self._known:
            await self._disk.write(path_of(chunk), data)
            await self._note(chunk, len(data), asset)
            self.bytes += len(data)
        return chunk

    async def _note(self, chunk: ChunkId, size: int, asset: AssetId) -> None:
        now_ms = int(self._clock.wall() * 1000)
        row = (chunk, size, partition_of(chunk), asset, now_ms)
        await self._tables.write(
            lambda sql: sql.execute(
                "INSERT OR IGNORE INTO chunks (chunk, size, part, asset, added_ms) VALUES (?, ?, ?, ?, ?)", row
            )
        )
        self._known[chunk] = size

    async def read(self, chunk: ChunkId) -> bytes:
        """Give a chunk's verified bytes; NotFound when it is not here, Corrupt when it was and is not any more."""
        if chunk not in self._known:
            raise NotFound("no such chunk here")
        try:
            data = await self._disk.read(path_of(chunk))
            good = await self._executor.run(_hash, data) == chunk
        except NotFound:
            await self._forget(chunk)
            raise
        except Corrupt:
            good = False
        if not good:
            await self._quarantine(chunk)
            raise Corrupt(f"chunk {chunk.hex()[:12]} is damaged on this node's disk")
        return data

    async def remove(self, chunk: ChunkId) -> None:
        """Forget a chunk and free its room."""
        await self._forget(chunk)
        await self._disk.delete(path_of(chunk))

    async def _forget(self, chunk: ChunkId) -> None:
        self.bytes -= self._known.pop(chunk, 0)
        await self._tables.write(lambda sql: sql.execute("DELETE FROM chunks WHERE chunk = ?", (chunk,)))

    async def _quarantine(self, chunk: ChunkId) -> None:
        self.quarantined += 1
        with contextlib.suppress(Corrupt, NotFound):
            await self._disk.write(f"quarantine/{chunk.hex()}", await self._disk.read(path_of(chunk)))
        await self.remove(chunk)

    async def unconfirmed(self, token: str, limit: int) -> list[Held]:
        """Give chunks not known to have their copies under ``token``, the oldest first."""
        rows = await self._tables.read(
            lambda sql: sql.execute(
                "SELECT chunk, size, part, asset FROM chunks WHERE confirmed != ? ORDER BY confirmed, added_ms LIMIT ?",
                (token, limit),
            ).fetchall()
        )
        return [Held(ChunkId(bytes(c)), size, PartitionId(part), AssetId(asset)) for c, size, part, asset in rows]

    async def confirm(self, chunks: Sequence[ChunkId], token: str) -> None:
        """Take note that chunks have their copies under ``token``."""
        await self._tables.write(
            lambda sql: sql.executemany(
                "UPDATE chunks SET confirmed = ? WHERE chunk = ?", [(token, chunk) for chunk in chunks]
            )
        )

    async def waiting(self, token: str) -> tuple[int, int, int]:
        """Give (count, bytes, oldest added_ms) of chunks not confirmed under ``token``."""
        row = await self._tables.read(
            lambda sql: sql.execute(
                "SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(MIN(added_ms), 0) FROM chunks WHERE confirmed != ?",
                (token,),
            ).fetchone()
        )
        return int(row[0]), int(row[1]), int(row[2])

    async def totals(self) -> tuple[int, int]:
        """Give how many chunks are here, and their bytes."""
        row = await self._tables.read(
            lambda sql: sql.execute("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM chunks").fetchone()
        )
        return int(row[0]), int(row[1])

    async def of_asset(self, asset: AssetId) -> list[ChunkId]:
        """Give the chunks first stored here for an asset."""
        rows = await self._tables.read(
            lambda sql: sql.execute("SELECT chunk FROM chunks WHERE asset = ? ORDER BY added_ms", (asset,)).fetchall()
        )
        return [ChunkId(bytes(row[0])) for row in rows]


def _hash(data: bytes) -> bytes:
    return blake3(data).digest()


def _chunk_named(name: str) -> ChunkId | None:
    try:
        raw = bytes.fromhex(name)
    except ValueError:
        return None
    return ChunkId(raw) if len(raw) == 32 else None
