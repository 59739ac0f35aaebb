"""The chunks on this node's disk, and what is known of their copies elsewhere.

Invariant: a chunk under its name is whole and its hash was checked before it got there; it is checked again on every
read that leaves the node, and one that fails is put aside, never served, and listed to be fetched again. The inventory
row is written after the bytes and removed before them; bytes that a crash left without a row are found when the store
opens. One chunk is written or removed at a time; ``refer`` and ``collect`` are decided in one transaction each, so
that of a chunk that is needed again while it is being collected either the bytes stay or their sender is told to bring
them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from blake3 import blake3

from mesh.actors.schema import open_schema
from mesh.core.collection import Idle, Need, need_of
from mesh.core.copies import Standing
from mesh.core.placement import partition_of
from mesh.core.rows import unpack
from mesh.ports import (
    Clock,
    Corrupt,
    Disk,
    DiskFull,
    DiskUsage,
    Executor,
    NotFound,
    PortError,
    ReadOnly,
    Sql,
    Tables,
    Unavailable,
)
from proto.ids import AssetId, ChunkId, PartitionId

QUARANTINE_FILES_MAX = 64
"""Damaged files kept for a person to look at; further ones are removed."""
SPENT_S = 60.0
"""How long a chunk that nobody refers to is still copied: its reference may be on its way."""
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

    def __init__(
        self,
        disk: Disk,
        tables: Tables,
        executor: Executor,
        clock: Clock,
        refuses: Callable[[], str] = lambda: "",
    ) -> None:
        self.refuses = refuses
        """Gives why no chunk is taken now, in words; empty when they are."""
        self._disk = disk
        self._tables = tables
        self._executor = executor
        self._clock = clock
        self._known: dict[ChunkId, int] = {}
        self._rotten: dict[ChunkId, None] = {}
        """Damaged ones that could not be put aside, for nothing could be written: as good as gone."""
        self._busy: dict[ChunkId, asyncio.Future[None]] = {}
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
                        await self._put_back(found)
        for chunk in [chunk for chunk in self._known if chunk not in on_disk]:
            await self._lose(chunk)
        count = await self._tables.read(
            lambda sql: sql.execute("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM chunks WHERE alone = 1").fetchone()
        )
        self.alone_chunks, self.alone_bytes = int(count[0]), int(count[1])

    async def _put_back(self, chunk: ChunkId) -> None:
        """Take in bytes that a crash left without a row, if they are whole: what was being put aside is not."""
        data = await self._whole(chunk)
        if data is None:
            await self._free(chunk)
        else:
            await self._note(chunk, len(data), AssetId(""), alone=False)

    def __contains__(self, chunk: ChunkId) -> bool:
        return chunk in self._known and chunk not in self._rotten

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

    async def add(
        self,
        data: bytes,
        asset: AssetId,
        expect: ChunkId | None = None,
        *,
        alone: bool = False,
        checked: bool = False,
    ) -> ChunkId:
        """Store bytes durably; Corrupt when they are not what ``expect`` names. ``alone``: this is the first copy.

        ReadOnly when this node takes no chunks; one that is here already is no new one.
        ``checked``: the caller has made ``expect`` from these very bytes, or compared them; they are not hashed again.
        """
        chunk = expect if checked and expect is not None else ChunkId(await self._executor.run(_hash, data))
        if expect is not None and chunk != expect:
            raise Corrupt("the bytes that came are not the chunk that was announced")
        async with self._alone_with(chunk):
            if chunk in self._known and await self.refer(chunk, asset):
                return chunk
            if why := self.refuses():
                raise ReadOnly(why)
            await self._disk.write(path_of(chunk), data)
            try:
                await self._note(chunk, len(data), asset, alone=alone)
            except PortError:
                # The database has no room, or cannot be written: nothing is left of what was not stored.
                with contextlib.suppress(PortError):
                    await self._disk.delete(path_of(chunk))
                raise
        self.changed.set()
        return chunk

    @contextlib.asynccontextmanager
    async def _alone_with(self, chunk: ChunkId) -> AsyncIterator[None]:
        """Be the only one who writes or removes a chunk's bytes."""
        while chunk in self._busy:
            await asyncio.wait([self._busy[chunk]])
        busy = self._busy[chunk] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._busy[chunk]
            busy.set_result(None)

    async def refer(self, chunk: ChunkId, asset: AssetId) -> bool:
        """Note, durably, that a chunk that is here is needed (by ``asset``); False when it is here no more.

        Its grace begins anew: who needs it may have written a reference that is still on its way.
        """

        def work(sql: Sql) -> bool:
            if sql.execute("SELECT 1 FROM chunks WHERE chunk = ?", (chunk,)).fetchone() is None:
                return False
            sql.execute("DELETE FROM idle WHERE chunk = ?", (chunk,))
            if asset:
                sql.execute("INSERT OR IGNORE INTO chunk_assets VALUES (?, ?)", (chunk, asset))
            return True

        return await self._tables.write(work)

    async def belong(self, pairs: Sequence[tuple[ChunkId, AssetId]]) -> None:
        """Note for which assets chunks were stored, of those that are here."""
        given = [(asset, chunk) for chunk, asset in pairs]
        await self._tables.write(
            lambda sql: sql.executemany(
                "INSERT OR IGNORE INTO chunk_assets SELECT chunk, ? FROM chunks WHERE chunk = ?", given
            )
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
            sql.execute("DELETE FROM idle WHERE chunk = ?", (chunk,))
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
        data = await self._whole(chunk)
        if data is not None:
            return data
        async with self._alone_with(chunk):
            if chunk not in self._known:
                raise NotFound("no such chunk here any more")
            again = await self._whole(chunk)  # it may have been removed and stored anew while it was read
            if again is not None:
                self._rotten.pop(chunk, None)
                return again
            self._rotten[chunk] = None
            with contextlib.suppress(DiskFull, Unavailable):
                await self._quarantine(chunk)
                self._rotten.pop(chunk, None)
        raise Corrupt(f"chunk {chunk.hex()[:12]} is damaged on this node's disk, or gone from it")

    async def put_rotten_aside(self) -> None:
        """Put aside what was found damaged while nothing could be written."""
        for chunk in list(self._rotten):
            with contextlib.suppress(PortError):
                await self.read(chunk)
            if chunk not in self._known:
                self._rotten.pop(chunk, None)

    async def _whole(self, chunk: ChunkId) -> bytes | None:
        """Read a chunk from the disk; None when what is there is not it."""
        try:
            data = await self._disk.read(path_of(chunk))
        except (NotFound, Corrupt):
            return None
        return data if await self._executor.run(_hash, data) == chunk else None

    async def remove(self, chunk: ChunkId) -> None:
        """Forget a chunk and free its room."""
        async with self._alone_with(chunk):
            await self._forget(chunk, damaged=False)
            await self._free(chunk)

    async def _free(self, chunk: ChunkId) -> None:
        with contextlib.suppress(NotFound):
            await self._disk.delete(path_of(chunk))

    async def _lose(self, chunk: ChunkId) -> None:
        await self._forget(chunk, damaged=True)
        self.changed.set()

    async def _forget(self, chunk: ChunkId, *, damaged: bool) -> None:
        if chunk not in self._known:
            return

        def work(sql: Sql) -> bool:
            row = sql.execute("SELECT asset, alone FROM chunks WHERE chunk = ?", (chunk,)).fetchone()
            sql.execute("DELETE FROM chunks WHERE chunk = ?", (chunk,))
            sql.execute("DELETE FROM idle WHERE chunk = ?", (chunk,))
            if damaged:
                sql.execute("INSERT OR IGNORE INTO damaged VALUES (?, ?)", (chunk, row[0] if row else ""))
            else:
                sql.execute("DELETE FROM chunk_assets WHERE chunk = ?", (chunk,))
            return bool(row and row[1])

        self._unknow(chunk, alone=await self._tables.write(work))

    def _unknow(self, chunk: ChunkId, *, alone: bool) -> None:
        size = self._known.pop(chunk, None)
        if size is None:
            return
        part = partition_of(chunk)
        self._inventory[part] = self._inventory.get(part, 0) ^ int.from_bytes(chunk[:8], "big")
        self.bytes -= size
        if alone:
            self.alone_chunks -= 1
            self.alone_bytes -= size

    async def _quarantine(self, chunk: ChunkId) -> None:
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
        """Give a partition's chunks that all who should hold them have, and that came before ``before_ms``.

        Those whose reference is still on its way from here are left out: bytes and reference go together.
        """
        return await self._held(
            "SELECT chunk, size, part, asset, added_ms, alone FROM chunks "
            "WHERE part = ? AND pending = 0 AND added_ms <= ? AND NOT EXISTS "
            "(SELECT 1 FROM journal j WHERE j.tbl = 'references' AND j.pk = lower(hex(chunks.chunk))) "
            "ORDER BY chunk LIMIT ?",
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

    async def alone_told(self) -> tuple[int, int, int]:
        """Tell of the chunks that no other node is known to have: of how many it is known for ``SPENT_S`` that nobody
        needs them, how many bytes these have, and when the oldest of the others came (UTC ms; 0: there is none)."""
        before_ms = int((self._clock.wall() - SPENT_S) * 1000)
        row = await self._tables.read(
            lambda sql: sql.execute(
                "SELECT COALESCE(SUM(spare), 0), COALESCE(SUM(spare * size), 0), "
                "COALESCE(MIN(CASE WHEN spare THEN NULL ELSE added_ms END), 0) FROM (SELECT added_ms, size, "
                "EXISTS (SELECT 1 FROM idle i WHERE i.chunk = c.chunk AND i.since_ms <= ?) AS spare "
                "FROM chunks c WHERE alone = 1)",
                (before_ms,),
            ).fetchone()
        )
        return int(row[0]), int(row[1]), int(row[2])

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
                "WHERE a.asset = ? AND NOT EXISTS (SELECT 1 FROM idle i WHERE i.chunk = c.chunk) GROUP BY 1, 2, 3, 4",
                (looked, looked, asset),
            ).fetchall()
            lost = sql.execute("SELECT chunk FROM damaged WHERE asset = ? LIMIT ?", (asset, DAMAGED_TOLD_MAX))
            return [_standing(row) for row in rows], [ChunkId(bytes(row[0])) for row in lost.fetchall()]

        return await self._tables.read(work)

    async def all_standings(self, looked: bytes | None, *, settled: bool) -> list[Standing]:
        """Give how all chunks here stand; without ``settled`` only those that a holder may lack, which is quick."""
        which = "WHERE " if settled else "INDEXED BY chunks_pending WHERE pending = 1 AND "
        which += "NOT EXISTS (SELECT 1 FROM idle i WHERE i.chunk = c.chunk) "

        def work(sql: Sql) -> list[Standing]:
            statement = f"SELECT {_STANDING} FROM chunks c {which}GROUP BY 1, 2, 3, 4"  # noqa: S608 - own text
            return [_standing(row) for row in sql.execute(statement, (looked, looked)).fetchall()]

        return await self._tables.read(work)

    async def damaged(self, limit: int, after: bytes = b"") -> list[tuple[ChunkId, AssetId]]:
        """Give chunks to be fetched again, in order, those ``after`` one."""
        rows = await self._tables.read(
            lambda sql: sql.execute(
                "SELECT chunk, asset FROM damaged WHERE chunk > ? ORDER BY chunk LIMIT ?", (after, limit)
            ).fetchall()
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

    # ------------------------------------------------------------ collection

    async def review(self, after: bytes, limit: int, partitions: Set[PartitionId], now_ms: int) -> tuple[bytes, int]:
        """Look at the next chunks after one: note those of ``partitions`` that nobody refers to, and forget that of
        the others. Gives the last one looked at (empty at the end) and how many were noted."""

        def work(sql: Sql) -> tuple[bytes, list[tuple[bytes, int, bytes]], list[bytes]]:
            rows = sql.execute(
                "SELECT c.chunk, c.part, i.since_ms, EXISTS (SELECT 1 FROM shown s WHERE s.tbl = 'references' AND "
                "s.pk = lower(hex(c.chunk))) FROM chunks c LEFT JOIN idle i ON i.chunk = c.chunk "
                "WHERE c.chunk > ? ORDER BY c.chunk LIMIT ?",
                (after, limit),
            ).fetchall()
            idle, needed = [], []
            for chunk, part, since_ms, referred in rows:
                wanted = not referred and part in partitions
                if wanted and since_ms is None:
                    need = _need(sql, bytes(chunk))
                    idle.append((bytes(chunk), max(now_ms, need.ended_ms), b"".join(need.carried)))
                elif not wanted and since_ms is not None:
                    needed.append(bytes(chunk))
            return (bytes(rows[-1][0]) if len(rows) == limit else b""), idle, needed

        def note(sql: Sql) -> None:
            for chunk, since_ms, carried in idle:
                # It may have gone, or be needed again, since it was looked at.
                if not _referred(sql, chunk):
                    sql.execute(
                        "INSERT OR IGNORE INTO idle SELECT chunk, ?, ? FROM chunks WHERE chunk = ?",
                        (since_ms, carried, chunk),
                    )
            for chunk in needed:
                sql.execute("DELETE FROM idle WHERE chunk = ?", (chunk,))
                # What was not worth copying meanwhile is again.
                sql.execute("UPDATE chunks SET pending = 1 WHERE chunk = ?", (chunk,))

        last, idle, needed = await self._tables.read(work)
        if idle or needed:
            await self._tables.write(note)
        if needed:
            self.changed.set()
        return last, len(idle)

    async def idle(self, after: tuple[int, bytes], limit: int, before_ms: int, carried_before_ms: int) -> list[Idle]:
        """Give idle chunks after (since_ms, chunk), the longest idle first: any that were idle at ``before_ms``, and
        those carried by others that were at ``carried_before_ms``."""
        rows = await self._tables.read(
            lambda sql: sql.execute(
                "SELECT c.chunk, c.part, c.size, i.since_ms, i.carried FROM idle i JOIN chunks c ON c.chunk = i.chunk "
                "WHERE (i.since_ms, i.chunk) > (?, ?) AND (i.since_ms <= ? OR (i.carried <> x'' AND i.since_ms <= ?)) "
                "ORDER BY i.since_ms, i.chunk LIMIT ?",
                (*after, before_ms, carried_before_ms, limit),
            ).fetchall()
        )
        return [_idle(row) for row in rows]

    async def idle_of(self, chunks: Sequence[ChunkId]) -> tuple[dict[ChunkId, Idle], set[ChunkId]]:
        """Give which of these are idle here, and to which of them a living reference is known, here or not."""

        def work(sql: Sql) -> tuple[dict[ChunkId, Idle], set[ChunkId]]:
            found, needed = {}, set()
            for chunk in chunks:
                row = sql.execute(
                    "SELECT c.chunk, c.part, c.size, i.since_ms, i.carried FROM idle i "
                    "JOIN chunks c ON c.chunk = i.chunk WHERE i.chunk = ?",
                    (chunk,),
                ).fetchone()
                if row is not None:
                    found[chunk] = _idle(row)
                if _referred(sql, chunk):
                    needed.add(chunk)
            return found, needed

        return await self._tables.read(work)

    async def idle_totals(self) -> tuple[int, int]:
        """Give how many chunks here nobody refers to, and their bytes."""
        row = await self._tables.read(
            lambda sql: sql.execute(
                "SELECT COUNT(*), COALESCE(SUM(c.size), 0) FROM idle i JOIN chunks c ON c.chunk = i.chunk"
            ).fetchone()
        )
        return int(row[0]), int(row[1])

    async def needs(self, chunks: Sequence[ChunkId]) -> tuple[dict[ChunkId, Need], dict[ChunkId, tuple[AssetId, ...]]]:
        """Give what the references here say of chunks, and which assets referred to each, now or before."""

        def work(sql: Sql) -> tuple[dict[ChunkId, Need], dict[ChunkId, tuple[AssetId, ...]]]:
            assets = {
                chunk: tuple(
                    AssetId(row[0])
                    for row in sql.execute(
                        "SELECT sk FROM rows WHERE tbl = 'references' AND pk = ? ORDER BY sk", (chunk.hex(),)
                    ).fetchall()
                )
                for chunk in chunks
            }
            return {chunk: _need(sql, chunk) for chunk in chunks}, assets

        return await self._tables.read(work)

    async def spent(self, chunks: Sequence[ChunkId]) -> set[ChunkId]:
        """Give those that nobody has referred to for SPENT_S: they are not worth another copy."""
        before_ms = int((self._clock.wall() - SPENT_S) * 1000)

        def work(sql: Sql) -> set[ChunkId]:
            return {
                chunk
                for chunk in chunks
                if sql.execute("SELECT 1 FROM idle WHERE chunk = ? AND since_ms <= ?", (chunk, before_ms)).fetchone()
            }

        return await self._tables.read(work)

    async def referred(self, chunks: Sequence[ChunkId]) -> set[ChunkId]:
        """Give those to which a living reference is known here."""
        return await self._tables.read(lambda sql: {chunk for chunk in chunks if _referred(sql, chunk)})

    async def collect(self, idle: Idle) -> bool:
        """Delete a chunk that is idle as it was when that was decided; False when it is needed, or noted anew."""
        chunk = idle.chunk

        def work(sql: Sql) -> bool | None:
            row = sql.execute(
                "SELECT c.alone FROM idle i JOIN chunks c ON c.chunk = i.chunk WHERE i.chunk = ? AND i.since_ms = ?",
                (chunk, idle.since_ms),
            ).fetchone()
            if row is None or _referred(sql, chunk):
                return None
            for table in ("chunks", "chunk_assets", "idle", "damaged"):
                sql.execute(f"DELETE FROM {table} WHERE chunk = ?", (chunk,))  # noqa: S608 - own text
            return bool(row[0])

        async with self._alone_with(chunk):
            alone = await self._tables.write(work)
            if alone is None:
                return False
            self._unknow(chunk, alone=alone)
            await self._free(chunk)
        return True


def _referred(sql: Sql, chunk: bytes) -> bool:
    found = sql.execute("SELECT 1 FROM shown WHERE tbl = 'references' AND pk = ? LIMIT 1", (chunk.hex(),)).fetchone()
    return found is not None


def _need(sql: Sql, chunk: bytes) -> Need:
    rows = sql.execute("SELECT packed FROM rows WHERE tbl = 'references' AND pk = ?", (chunk.hex(),)).fetchall()
    return need_of(unpack(bytes(row[0])) for row in rows)


def _idle(row: Sequence[Any]) -> Idle:
    chunk, part, size, since_ms, carried = row
    packed = bytes(carried)
    by = tuple(ChunkId(packed[at : at + 32]) for at in range(0, len(packed), 32))
    return Idle(ChunkId(bytes(chunk)), PartitionId(part), size, since_ms, by)


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
