"""Keeps the records of assets beside the chunks, and makes a catalogue again from them where the database lacks it.

What has no record yet stands in the database (table ``unrecorded``), noted by triggers in the transaction that changes
a row, so that a crash forgets none. A moment after a change it goes into a segment; small segments are joined, and once
much has been written twice a new generation is begun. The database notes the generation it knows: one that does not
know the folder's, because it is new, was made again of a damaged one or came from a copy, takes in all there is.

Invariant: an older segment is removed only after what takes its place is durable. What is taken in is merged as rows
from anywhere are: a newer row wins, here or at a peer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog

from mesh.actors import rowsql
from mesh.actors.rowstore import HLC, RowStore
from mesh.core.records import (
    RECORDED,
    Folder,
    Key,
    Read,
    Record,
    Segment,
    cut,
    folder_of,
    is_stale,
    latest,
    mark_name,
    pack_segment,
    read_segment,
    to_join,
)
from mesh.core.rows import Entry, merge, unpack
from mesh.ports import Corrupt, Disk, Executor, NotFound, PortError, Sql, Tables
from proto.codec import Malformed
from proto.ids import MeshId, NodeId

FOLDER = "records"
_KNOWN = "records generation"
AFTER_S = 2.0
"""How long a change may wait for others before its record is written."""
LOOK_S = 60.0
"""How often rows are looked for whose change nobody told of: those this node no longer holds."""
AT_ONCE = 2000
BYTES_AT_ONCE = 4 << 20
TAKEN_AT_ONCE = 500
PAUSE_S = 0.05
"""Between two batches of a new generation: it is in no hurry."""

_log = structlog.get_logger("records")


class Records:
    """The records of one node. ``open`` them before anything reads the catalogue."""

    def __init__(
        self, disk: Disk, tables: Tables, rows: RowStore, executor: Executor, mesh: MeshId, node: NodeId
    ) -> None:
        self._disk = disk
        self._tables = tables
        self._rows = rows
        self._executor = executor
        self._mesh = mesh
        self._node = node
        self._folder = Folder(0, (), ())
        self._sizes: dict[Segment, int] = {}
        self._size_then = 0
        self._gone = 0
        self._fresh = False
        self._writing = asyncio.Lock()
        self._changed = asyncio.Event()
        self.damaged = 0
        """Segments in which something was not as it was written."""

    async def open(self) -> bool:
        """Take in what the database does not know; gives whether there was anything to take in."""
        self._folder = folder_of(await self._disk.list(FOLDER))
        for segment in self._folder.segments:
            self._sizes[segment] = await self._disk.size(_path(segment.name))
        self._size_then = await self._size_of_generation()
        known = await self._rows.meta(_KNOWN)
        for table in RECORDED:
            self._rows.watch(table, lambda _: self._changed.set())
        if self._folder.whole and known == str(self._folder.whole).encode():
            return False
        self._fresh = True
        if self._folder.segments:
            await self._take_in()
        return bool(self._folder.segments)

    async def _size_of_generation(self) -> int:
        """Give how much a generation held when it began, as its mark says."""
        try:
            return int(await self._disk.read(_path(mark_name(self._folder.whole))))
        except (NotFound, Corrupt, ValueError):
            return sum(self._sizes.values())

    # ------------------------------------------------------------ taking in

    async def _take_in(self) -> None:
        _log.warning("the database lacks what is recorded beside the chunks; taking it in")
        gone: dict[Key, int] = {}
        for segment in self._folder.segments:
            for record in (await self._read(segment)).records:
                if not record.packed:
                    gone[record.key] = max(record.place, gone.get(record.key, 0))
        count = changed = 0
        for segment in self._folder.segments:
            read = await self._read(segment)
            if read.damaged:
                self.damaged += 1
                _log.warning("a segment of records is damaged; the rest of it is read", segment=segment.name)
            if read.foreign:
                _log.warning("records of another mesh are left out", segment=segment.name)
            standing = [one for one in read.records if one.packed and one.place > gone.get(one.key, -1)]
            for at in range(0, len(standing), TAKEN_AT_ONCE):
                changed += await self._merge(standing[at : at + TAKEN_AT_ONCE])
            count += len(standing)
            _log.info("taking in rows from the records", rows=count)
        _log.warning("rows were taken in from the records", rows=count, changed=changed)

    async def _merge(self, records: Sequence[Record]) -> int:
        entries = [entry for entry in map(_entry, records) if entry is not None]

        def work(sql: Sql) -> int:
            changed = 0
            newest = max([self._rows.hlc.last, *(entry.newest[0] for entry in entries)])
            for entry in entries:
                standing = rowsql.get(sql, entry.key)
                whole = entry if standing is None else merge(standing, entry)
                if whole == standing:
                    continue
                rowsql.put(sql, whole)
                if whole.newest[1] == self._node:
                    rowsql.journal(sql, whole, whole.newest[0])
                changed += 1
            sql.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (HLC, str(newest).encode()))
            return changed

        changed = await self._tables.write(work)
        self._rows.hlc.last = max([self._rows.hlc.last, *(entry.newest[0] for entry in entries)])
        return changed

    async def _read(self, segment: Segment) -> Read:
        try:
            data = await self._disk.read(_path(segment.name))
        except (NotFound, Corrupt) as error:
            _log.warning("a segment of records cannot be read", segment=segment.name, error=str(error))
            return Read((), damaged=True)
        return await self._executor.run(read_segment, self._mesh, data)

    # ------------------------------------------------------------ keeping

    async def run(self) -> None:
        """Write records as rows change, for ever; a supervised task."""
        self._changed.set()
        while True:
            try:
                await asyncio.wait_for(self._changed.wait(), LOOK_S)
            except TimeoutError:
                self._changed.set()
            await asyncio.sleep(AFTER_S)
            self._changed.clear()
            try:
                await self.keep()
            except PortError as error:
                _log.info("no records written now", error=str(error))

    async def keep(self) -> None:
        """Write the records that are due now, and put the folder in order."""
        async with self._writing:
            if self._fresh or is_stale(sum(self._sizes.values()), self._size_then, self._gone):
                await self._begin_generation()
            while await self._write_due():
                pass
            while joined := to_join(self._sizes):
                if not await self._join(joined):
                    _log.warning("records are damaged; all are written anew from the database")
                    await self._begin_generation()

    async def _write_due(self) -> bool:
        """Write the next records; False when there were none."""

        def due(sql: Sql) -> list[Record]:
            found = sql.execute(
                "SELECT u.place, u.tbl, u.pk, u.sk, r.packed FROM unrecorded u "
                "LEFT JOIN rows r ON (r.tbl, r.pk, r.sk) = (u.tbl, u.pk, u.sk) ORDER BY u.place LIMIT ?",
                (AT_ONCE,),
            )
            rows = iter(found.fetchone, None)
            return _up_to_bytes(Record(place, tbl, pk, sk, bytes(packed or b"")) for place, tbl, pk, sk, packed in rows)

        records = await self._tables.read(due)
        if not records:
            return False
        await self._write(self._folder.whole, records)
        self._gone += sum(1 for record in records if not record.packed)
        # One that changed meanwhile has another place by now, and stays due.
        await self._tables.write(
            lambda sql: sql.executemany("DELETE FROM unrecorded WHERE place = ?", [(one.place,) for one in records])
        )
        return True

    async def _write(self, generation: int, records: Sequence[Record]) -> Segment:
        data = await self._executor.run(pack_segment, self._mesh, records)
        segment = Segment(generation, max((one.number for one in self._sizes), default=0) + 1)
        await self._disk.write(_path(segment.name), data)
        self._sizes[segment] = len(data)
        return segment

    async def _join(self, segments: Sequence[Segment]) -> bool:
        """Make one of several segments; False when one of them is not as it was written."""
        reads = [await self._read(segment) for segment in segments]
        if any(read.damaged or read.foreign for read in reads):
            return False
        records = latest(record for read in reads for record in read.records)
        for group in cut(records):
            await self._write(self._folder.whole, group)
        await self._remove(segments)
        return True

    async def _remove(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            await self._delete(segment.name)
            self._sizes.pop(segment, None)

    async def _delete(self, name: str) -> None:
        try:
            await self._disk.delete(_path(name))
        except NotFound:
            return

    async def _begin_generation(self) -> None:
        """Write all rows there are; what was recorded before is over once that is durable."""
        generation = max([self._folder.whole, *(one.generation for one in self._sizes)]) + 1
        before = list(self._sizes)
        began, after, size = await self._tables.read(_last_place), 0, 0
        while True:
            rows, after = await self._tables.read(_all_after(after))
            if not rows:
                break
            size += self._sizes.get(await self._write(generation, rows), 0)
            await asyncio.sleep(PAUSE_S)
        await self._disk.write(_path(mark_name(generation)), str(size).encode())
        await self._rows.set_meta(_KNOWN, str(generation).encode())
        await self._tables.write(lambda sql: sql.execute("DELETE FROM unrecorded WHERE place <= ?", (began,)))
        over = (*self._folder.over, *([mark_name(self._folder.whole)] if self._folder.whole else ()))
        self._folder = Folder(generation, (), ())
        self._fresh, self._size_then, self._gone = False, size, 0
        await self._remove(before)
        for name in over:
            await self._delete(name)


def _path(name: str) -> str:
    return f"{FOLDER}/{name}"


def _entry(record: Record) -> Entry | None:
    try:
        entry = unpack(record.packed)
    except (Malformed, ValueError) as error:
        _log.warning("a record that is no row is left out", table=record.table, key=record.pk, error=str(error))
        return None
    return entry if entry.key == record.key and entry.table in RECORDED else None


def _last_place(sql: Sql) -> int:
    found = sql.execute("SELECT seq FROM sqlite_sequence WHERE name = 'unrecorded'").fetchone()
    return int(found[0]) if found is not None else 0


def _all_after(after: int) -> Callable[[Sql], tuple[list[Record], int]]:
    names = ", ".join("?" for _ in RECORDED)

    def work(sql: Sql) -> tuple[list[Record], int]:
        place = _last_place(sql)
        found = sql.execute(
            f"SELECT id, tbl, pk, sk, packed FROM rows WHERE id > ? AND tbl IN ({names}) ORDER BY id LIMIT ?",  # noqa: S608
            (after, *RECORDED, AT_ONCE),
        )
        last = after

        def records() -> Iterator[Record]:
            nonlocal last
            for number, tbl, pk, sk, packed in iter(found.fetchone, None):
                last = number
                yield Record(place, tbl, pk, sk, bytes(packed))

        return _up_to_bytes(records()), last

    return work


def _up_to_bytes(records: Iterable[Record]) -> list[Record]:
    found: list[Record] = []
    size = 0
    for record in records:
        found.append(record)
        size += len(record.packed)
        if size > BYTES_AT_ONCE:
            break
    return found
