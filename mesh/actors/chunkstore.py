"""The chunks on this node's disk, and what is known of their copies elsewhere.

Invariant: a chunk under its name is whole and its hash was checked before it got there; it is checked again on every
read that leaves the node, and one that fails is put aside, never served, and listed to be fetched again. The inventory
row is written after the bytes; bytes that a crash left without a row are found when the store opens.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from blake3 import blake3

from mesh.actors.schema import open_schema
from mesh.core.copies import Standing
from mesh.core.placement import partition_of
from mesh.ports import Clock, Corrupt, Disk, DiskUsage, Executor, NotFound, PortError, Sql, Tables
from proto.ids import AssetId, ChunkId, PartitionId

QUARANTINE_FILES_MAX = 64
"""Damaged files kept for a person to look at; further ones are removed."""
DAMAGED_TOLD_MAX = 64
"""Damaged chunks of one asset that are told of."""
_NONE: Mapping[ChunkId, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Held:
    """A chunk on this node. ``alone``: no other node is known to have it."""

    chunk: ChunkId
    size: int
    partition: PartitionId
    asset: AssetId
    added_ms: int
    alone: bool


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
        self._adding: dict[ChunkId, asyncio.Future[None]] = {}
        self._inventory: dict[PartitionId, int] = {}
        self.bytes = 0
        self.alone_chunks = 0
        self.alone_bytes = 0
        self.quarantined = 0
        self.changed = asyncio.Event()
        """Set when there is something to copy or to heal."""

    async def open(self) -> None:
        """Read the inventory, put back what a crash left on the disk without a row, list what is gone."""
        await open_schema(self._tables)
        rows = await self._tables.read(lambda sql: sql.execute("SELECT chunk, size, part FROM chunks").fetchall())
        for chunk, size, part in rows:
            self._know(ChunkId(bytes(chunk)), size, PartitionId(part))
        on_disk = set()
        for folder in await self._disk.list("chunks"):
            for name in await self._disk.list(f"chunks/{folder}"):
                found = _chunk_named(name)
                if found is not None:
                    on_disk.add(found)
                    if found not in self._known:
                        await self._note(found, await self._disk.size(path_of(found)), AssetId(""), alone=False)
        for chunk in [chunk for chunk in self._known if chunk not in on_disk]:
            await self._lose(chunk)
        count = await self._tables.read(
            lambda sql: sql.execute("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM chunks WHERE alone = 1").fetchone()
        )
        self.alone_chunks, self.alone_bytes = int(count[0]), int(count[1])

    def __contains__(self, chunk: ChunkId) -> bool:
        return chunk in self._known

    def __len__(self) -> int:
        return len(self._known)

    def digest(self, partition: PartitionId) -> int:
        """Give the XOR over the first 8 bytes of a partition's chunk ids."""
        return self._inventory.get(partition, 0)

    async def usage(self) -> DiskUsage:
        """Give the room on the disk."""
        return await self._disk.usage()

    async def hash(self, data: bytes) -> bytes:
        """Give the blake3 hash of bytes, off the loop."""
        return await self._executor.run(_hash, data)

    # ------------------------------------------------------------ in and out

    async def add(self, data: bytes, asset: AssetId, expect: ChunkId | None = None, *, alone: bool = False) -> ChunkId:
        """Store bytes durably; Corrupt when they are not what ``expect`` names. ``alone``: this is the first copy."""
        chunk = ChunkId(await self._executor.run(_hash, data))
        if expect is not None and chunk != expect:
            raise Corrupt("the bytes that came are not the chunk that was announced")
        while chunk in self._adding:
            await asyncio.wait([self._adding[chunk]])
        if chunk in self._known:
            await self.refer(chunk, asset)
            return chunk
        adding = self._adding[chunk] = asyncio.get_running_loop().create_future()
        try:
            await self._disk.write(path_of(chunk), data)
            try:
                await self._note(chunk, len(data), asset, alone=alone)
            except PortError:
                # The database has no room, or cannot be written: nothing is left of what was not stored.
                with contextlib.suppress(PortError):
                    await self._disk.delete(path_of(chunk))
                raise
        finally:
            del self._adding[chunk]
            adding.set_result(None)
        self.changed.set()
        return chunk

    async def refer(self, chunk: ChunkId, asset: AssetId) -> None:
        """Note, durably, that an asset needs a chunk that is here."""
        if asset:
            await self._tables.write(
                lambda sql: sql.execute("INSERT OR IGNORE INTO chunk_assets VALUES (?, ?)", (chunk, asset))
            )

    def _know(self, chunk: ChunkId, size: int, part: PartitionId) -> None:
        self._known[chunk] = size
        self._inventory[part] = self._inventory.get(part, 0) ^ int.from_bytes(chunk[:8], "big")
        self.bytes += size

    async def _note(self, chunk: ChunkId, size: int, asset: AssetId, *, alone: bool) -> None:
        part = partition_of(chunk)
        row = (chunk, size, part, asset, int(self._clock.wall() * 1000), alone)

        def work(sql: Sql) -> None:
            sql.execute(
                "INSERT OR IGNORE INTO chunks (chunk, size, part, asset, added_ms, alone, pending) "
                "VALUES (?, ?, ?, ?, ?, ?, 1)",
                row,
            )
            sql.execute("DELETE FROM damaged WHERE chunk = ?", (chunk,))
            if asset:
                sql.execute("INSERT OR IGNORE INTO chunk_assets VALUES (?, ?)", (chunk, asset))

        await self._tables.write(work)
        self._know(chunk, size, part)
        if alone:
            self.alone_chunks += 1
            self.alone_bytes += size

    async def read(self, chunk: ChunkId) -> bytes:
        """Give a chunk's verified bytes; NotFound when it is not here, Corrupt when it was and is not any more."""
        if chunk not in self._known:
            raise NotFound("no such chunk here")
        try:
            data = await self._disk.read(path_of(chunk))
            good = await self._executor.run(_hash, data) == chunk
        except NotFound:
            await self._lose(chunk)
            raise Corrupt(f"chunk {chunk.hex()[:12]} is gone from this node's disk") from None
        except Corrupt:
            good = False
        if not good:
            await self._quarantine(chunk)
            raise Corrupt(f"chunk {chunk.hex()[:12]} is damaged on this node's disk")
        return data

    async def remove(self, chunk: ChunkId) -> None:
        """Forget a chunk and free its room."""
        await self._forget(chunk, damaged=False)
        with contextlib.suppress(NotFound):
            await self._disk.delete(path_of(chunk))

    async def _lose(self, chunk: ChunkId) -> None:
        await self._forget(chunk, damaged=True)
        self.changed.set()

    async def _forget(self, chunk: ChunkId, *, damaged: bool) -> None:
        size = self._known.pop(chunk, None)
        if size is None:
            return
        part = partition_of(chunk)
        self._inventory[part] = self._inventory.get(part, 0) ^ int.from_bytes(chunk[:8], "big")
        self.bytes -= size

        def work(sql: Sql) -> bool:
            row = sql.execute("SELECT asset, alone FROM chunks WHERE chunk = ?", (chunk,)).fetchone()
            sql.execute("DELETE FROM chunks WHERE chunk = ?", (chunk,))
            if damaged:
                sql.execute("INSERT OR IGNORE INTO damaged VALUES (?, ?)", (chunk, row[0] if row else ""))
            else:
                sql.execute("DELETE FROM chunk_assets WHERE chunk = ?", (chunk,))
            return bool(row and row[1])

        if await self._tables.write(work):
            self.alone_chunks -= 1
            self.alone_bytes -= size

    async def _quarantine(self, chunk: ChunkId) -> None:
        if chunk not in self._known:
            return
        self.quarantined += 1
        await self._lose(chunk)
        with contextlib.suppress(PortError):
            if len(await self._disk.list("quarantine")) < QUARANTINE_FILES_MAX:
                await self._disk.write(f"quarantine/{chunk.hex()}", await self._disk.read(path_of(chunk)))
        with contextlib.suppress(PortError):
            await self._disk.delete(path_of(chunk))

    # ------------------------------------------------------------ what is to be done

    async def pending(self, after: tuple[int, bytes], limit: int) -> list[Held]:
        """Give chunks that those who should hold them may lack, after (added_ms, chunk), the oldest first."""
        return await self._held(
            "SELECT chunk, size, part, asset, added_ms, alone FROM chunks "
            "WHERE pending = 1 AND (added_ms, chunk) > (?, ?) ORDER BY added_ms, chunk LIMIT ?",
            (*after, limit),
        )

    async def page(self, after: bytes, limit: int) -> list[Held]:
        """Give chunks in the order of their ids."""
        return await self._held(
            "SELECT chunk, size, part, asset, added_ms, alone FROM chunks WHERE chunk > ? ORDER BY chunk LIMIT ?",
            (after, limit),
        )

    async def settled_of(self, partition: PartitionId, before_ms: int, limit: int) -> list[Held]:
        """Give a partition's chunks that all who should hold them have, and that came before ``before_ms``."""
        return await self._held(
            "SELECT chunk, size, part, asset, added_ms, alone FROM chunks "
            "WHERE part = ? AND pending = 0 AND added_ms <= ? ORDER BY chunk LIMIT ?",
            (partition, before_ms, limit),
        )

    async def _held(self, statement: str, parameters: Sequence[object]) -> list[Held]:
        rows = await self._tables.read(lambda sql: sql.execute(statement, parameters).fetchall())
        return [
            Held(ChunkId(bytes(chunk)), size, PartitionId(part), AssetId(asset), added_ms, bool(alone))
            for chunk, size, part, asset, added_ms, alone in rows
        ]

    def partitions(self) -> list[PartitionId]:
        """Give the partitions of which there may be chunks here."""
        return sorted(self._inventory)

    async def chunks_of(self, partition: PartitionId, after: bytes, limit: int) -> list[ChunkId]:
        """Give a partition's chunk ids after one, in order."""
        rows = await self._tables.read(
            lambda sql: sql.execute(
                "SELECT chunk FROM chunks WHERE part = ? AND chunk > ? ORDER BY chunk LIMIT ?",
                (partition, after, limit),
            ).fetchall()
        )
        return [ChunkId(bytes(row[0])) for row in rows]

    async def mark(
        self,
        *,
        done: Sequence[ChunkId] = (),
        pending: Sequence[ChunkId] = (),
        elsewhere: Mapping[ChunkId, int] = _NONE,
    ) -> None:
        """Take note: all have the ``done``, some may lack the ``pending``, so many others have those ``elsewhere``."""
        if not (done or pending or elsewhere):
            return

        def work(sql: Sql) -> tuple[int, int]:
            sql.executemany("UPDATE chunks SET pending = 0 WHERE chunk = ?", [(chunk,) for chunk in done])
            sql.executemany("UPDATE chunks SET pending = 1 WHERE chunk = ?", [(chunk,) for chunk in pending])
            chunks = size = 0
            for chunk, count in elsewhere.items():
                row = sql.execute("SELECT size, alone, elsewhere FROM chunks WHERE chunk = ?", (chunk,)).fetchone()
                if row is None or (count == row[2] and not (count and row[1])):
                    continue
                alone = row[1] and not count
                sql.execute("UPDATE chunks SET alone = ?, elsewhere = ? WHERE chunk = ?", (alone, count, chunk))
                if row[1] and not alone:
                    chunks, size = chunks + 1, size + int(row[0])
            return chunks, size

        chunks, size = await self._tables.write(work)
        self.alone_chunks -= chunks
        self.alone_bytes -= size
        if pending:
            self.changed.set()

    async def oldest_alone_ms(self) -> int:
        """Give when the oldest chunk came (UTC) that no other node is known to have; 0 when there is none."""
        row = await self._tables.read(
            lambda sql: sql.execute("SELECT MIN(added_ms) FROM chunks WHERE alone = 1").fetchone()
        )
        return int(row[0] or 0)

    async def pending_count(self) -> int:
        """Count chunks that somebody who should hold them may lack."""
        row = await self._tables.read(
            lambda sql: sql.execute("SELECT COUNT(*) FROM chunks WHERE pending = 1").fetchone()
        )
        return int(row[0])

    async def standings(self, asset: AssetId, looked: bytes | None) -> tuple[list[Standing], list[ChunkId]]:
        """Give how an asset's chunks here stand, and which of it are damaged or gone.

        ``looked``: the last chunk that was looked at since others came to hold partitions; None for all.
        """

        def work(sql: Sql) -> tuple[list[Standing], list[ChunkId]]:
            rows = sql.execute(
                f"SELECT {_STANDING} FROM chunk_assets a CROSS JOIN chunks c ON c.chunk = a.chunk "  # noqa: S608 - own text
                "WHERE a.asset = ? GROUP BY 1, 2, 3, 4",
                (looked, looked, asset),
            ).fetchall()
            lost = sql.execute("SELECT chunk FROM damaged WHERE asset = ? LIMIT ?", (asset, DAMAGED_TOLD_MAX))
            return [_standing(row) for row in rows], [ChunkId(bytes(row[0])) for row in lost.fetchall()]

        return await self._tables.read(work)

    async def all_standings(self, looked: bytes | None, *, settled: bool) -> list[Standing]:
        """Give how all chunks here stand; without ``settled`` only those that a holder may lack, which is quick."""
        which = "" if settled else "INDEXED BY chunks_pending WHERE pending = 1 "

        def work(sql: Sql) -> list[Standing]:
            statement = f"SELECT {_STANDING} FROM chunks c {which}GROUP BY 1, 2, 3, 4"  # noqa: S608 - own text
            return [_standing(row) for row in sql.execute(statement, (looked, looked)).fetchall()]

        return await self._tables.read(work)

    async def damaged(self, limit: int) -> list[tuple[ChunkId, AssetId]]:
        """Give chunks to be fetched again."""
        rows = await self._tables.read(
            lambda sql: sql.execute("SELECT chunk, asset FROM damaged LIMIT ?", (limit,)).fetchall()
        )
        return [(ChunkId(bytes(chunk)), AssetId(asset)) for chunk, asset in rows]

    async def damaged_count(self) -> int:
        """Count chunks to be fetched again."""
        row = await self._tables.read(lambda sql: sql.execute("SELECT COUNT(*) FROM damaged").fetchone())
        return int(row[0])

    async def want(self, chunks: Sequence[ChunkId]) -> None:
        """List chunks to be fetched that should be here and are not."""
        missing = [(chunk, "") for chunk in chunks if chunk not in self._known]
        if missing:
            await self._tables.write(
                lambda sql: sql.executemany("INSERT OR IGNORE INTO damaged VALUES (?, ?)", missing)
            )
            self.changed.set()

    async def healed(self, chunk: ChunkId) -> None:
        """Take a chunk off the list of those to be fetched."""
        await self._tables.write(lambda sql: sql.execute("DELETE FROM damaged WHERE chunk = ?", (chunk,)))

    async def meta(self, key: str) -> bytes | None:
        """Give a value kept under a name."""
        row = await self._tables.read(
            lambda sql: sql.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        )
        return None if row is None else bytes(row[0])

    async def set_meta(self, key: str, value: bytes) -> None:
        """Keep a value under a name."""
        await self._tables.write(lambda sql: sql.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)))

    async def totals(self) -> tuple[int, int]:
        """Give how many chunks are here, and their bytes."""
        row = await self._tables.read(
            lambda sql: sql.execute("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM chunks").fetchone()
        )
        return int(row[0]), int(row[1])

    async def latest_of(self, asset: AssetId, limit: int) -> list[ChunkId]:
        """Give the chunks stored here for an asset, the latest first."""
        rows = await self._tables.read(
            lambda sql: sql.execute(
                "SELECT c.chunk FROM chunk_assets a JOIN chunks c ON c.chunk = a.chunk WHERE a.asset = ? "
                "ORDER BY c.added_ms DESC, c.chunk LIMIT ?",
                (asset, limit),
            ).fetchall()
        )
        return [ChunkId(bytes(row[0])) for row in rows]


_STANDING = "c.part, c.pending, (? IS NULL OR c.chunk <= ?), c.elsewhere, COUNT(*)"


def _standing(row: Sequence[int]) -> Standing:
    part, pending, looked, elsewhere, count = row
    return Standing(PartitionId(part), bool(pending), bool(looked), elsewhere, count)


def _hash(data: bytes) -> bytes:
    return blake3(data).digest()


def _chunk_named(name: str) -> ChunkId | None:
    try:
        raw = bytes.fromhex(name)
    except ValueError:
        return None
    return ChunkId(raw) if len(raw) == 32 else None
