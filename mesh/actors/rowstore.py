"""The rows of one node in its SQLite database: its partitions' rows, mesh tables, and what it has to pass on.

Own writes, and rows of partitions this node no longer holds, are in the journal until those who hold them have
confirmed. Invariant: a row in the journal is never removed, and a write and its place in the journal are one
transaction. A row stamped too far ahead is held apart until it can be believed; none is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from mesh.actors import rowscan, rowsql
from mesh.actors.rowscan import Found
from mesh.actors.rowsql import Key, partition_for
from mesh.actors.schema import open_schema
from mesh.core.hlc import AHEAD_MS_MAX, HybridClock, believable
from mesh.core.pruning import KEPT_FOR_EVER, Dead
from mesh.core.query import Query, Where
from mesh.core.rows import Entry, merge, pack, stamped_again, stamps_ahead, unpack
from mesh.ports import Refused, Sql, Tables
from proto.ids import NodeId, PartitionId

HLC = "hlc"
HELD_MAX = 100_000
"""Rows held for stamps too far ahead; a writer that sends more is refused and keeps them itself."""

Listed = tuple[str, str, str, int]
"""Table, partition key, sort key and digest of a row."""

__all__ = ["Journaled", "Listed", "RowStore", "Taken", "partition_for"]


@dataclass(frozen=True, slots=True)
class Journaled:
    """A row that has to be passed on; ``seq`` is its place in the journal, ``stamp`` the write's."""

    seq: int
    key: Key
    partition: PartitionId
    stamp: int
    packed: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """How many rows changed something and which, and the places of those held back for their stamps."""

    changed: int
    held: tuple[int, ...]
    keys: tuple[Key, ...] = ()


class _Behind(Exception):
    """A standing row is newer than the stamps of a write: it must be stamped again."""

    def __init__(self, stamp: int) -> None:
        super().__init__(stamp)
        self.stamp = stamp


class RowStore:
    """Rows on this node. ``open`` it first."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._watchers: list[tuple[str, Callable[[Entry], None]]] = []
        self._on_journal: list[Callable[[], None]] = []
        self.hlc = HybridClock()

    async def open(self) -> None:
        """Make the tables; Refused when a newer release wrote them."""
        await open_schema(self._tables)
        last = await self.meta(HLC)
        self.hlc = HybridClock(int(last) if last is not None else 0)

    def seen(self, entries: Iterable[Entry], now_ms: int | None) -> None:
        """Let the clock know what was read or taken, so that later writes of this node are later."""
        for entry in entries:
            stamp = entry.newest[0]
            if now_ms is not None and believable(stamp, now_ms):
                self.hlc.seen(stamp, now_ms)

    def watch(self, table: str, handler: Callable[[Entry], None]) -> None:
        """Tell ``handler`` of every entry of a table that changes here."""
        self._watchers.append((table, handler))

    def _tell(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            for table, handler in self._watchers:
                if table == entry.table:
                    handler(entry)

    async def meta(self, key: str) -> bytes | None:
        """Give a value kept under a name."""
        found = await self._tables.read(
            lambda sql: sql.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        )
        return None if found is None else bytes(found[0])

    async def set_meta(self, key: str, value: bytes) -> None:
        """Keep a value under a name, durably."""
        await self._tables.write(lambda sql: sql.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)))

    # ------------------------------------------------------------ writing

    async def write(
        self,
        make: Callable[[Callable[[Key], Entry | None]], Iterable[tuple[Entry, int]]],
        meta: Mapping[str, bytes],
    ) -> int | None:
        """Write the (entry, stamp) pairs ``make`` gives, with ``meta``, in one durable transaction.

        ``make`` may look at standing entries. Gives None when it is done, or, with nothing written, the stamp of a
        standing entry that is not older than its new stamp.
        """

        def work(sql: Sql) -> list[Entry]:
            changed = []
            for entry, stamp in make(lambda key: rowsql.get(sql, key)):
                standing = rowsql.get(sql, entry.key)
                if standing is not None and standing.newest[0] >= stamp:
                    raise _Behind(standing.newest[0])
                rowsql.put(sql, entry)
                rowsql.journal(sql, entry, stamp)
                changed.append(entry)
            sql.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(meta.items()))
            return changed

        try:
            changed = await self._tables.write(work)
        except _Behind as behind:
            return behind.stamp
        self._tell(changed)
        return None

    async def take(self, packed: Sequence[bytes], *, now_ms: int | None = None, sender: NodeId | None = None) -> Taken:
        """Merge rows that came from elsewhere; durable on return.

        With ``now_ms``, rows stamped too far ahead of it are held apart. What ``sender`` wrote itself and sends again
        takes the place of what was held of it.
        """
        entries = [unpack(data) for data in packed]
        late = tuple(
            place
            for place, entry in enumerate(entries)
            if now_ms is not None and not believable(entry.newest[0], now_ms)
        )

        if late and await self.held() + len(late) > HELD_MAX:
            raise Refused(f"{HELD_MAX} rows are held for their stamps already; the writer keeps these")

        def work(sql: Sql) -> list[Entry]:
            changed = []
            for place, entry in enumerate(entries):
                if sender is not None:
                    sql.execute("DELETE FROM held WHERE (tbl, pk, sk, writer) = (?, ?, ?, ?)", (*entry.key, sender))
                if place in late:
                    key = (*entry.key, entry.newest[1])
                    sql.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?)", (*key, packed[place]))
                    continue
                merged = _merge(sql, entry)
                if merged is not None:
                    changed.append(merged)
            return changed

        changed = await self._tables.write(work)
        self.seen(changed, now_ms)
        self._tell(changed)
        return Taken(len(changed), late, tuple(entry.key for entry in changed))

    async def release(self, now_ms: int) -> int:
        """Take the held rows that can be believed by now; gives how many are still held."""

        def work(sql: Sql) -> tuple[list[Entry], int]:
            changed, still = [], 0
            for tbl, pk, sk, writer, packed in sql.execute("SELECT * FROM held").fetchall():
                entry = unpack(packed)
                if not believable(entry.newest[0], now_ms):
                    still += 1
                    continue
                merged = _merge(sql, entry)
                sql.execute("DELETE FROM held WHERE (tbl, pk, sk, writer) = (?, ?, ?, ?)", (tbl, pk, sk, writer))
                if merged is not None:
                    changed.append(merged)
            return changed, still

        if not await self.held():
            return 0
        changed, still = await self._tables.write(work)
        self._tell(changed)
        return still

    async def held(self) -> int:
        """Count rows held back for their stamps."""
        found = await self._tables.read(lambda sql: sql.execute("SELECT COUNT(*) FROM held").fetchone())
        return int(found[0])

    async def stamp_again(self, writer: NodeId, now_ms: int) -> int:
        """Pull the clock back to ``now_ms`` and stamp a writer's rows that no peer would believe anew, in their order.

        Gives how many rows. No other write of this node may run meanwhile.
        """
        limit_ms = now_ms + AHEAD_MS_MAX
        self.hlc.pull_back(now_ms)
        first = self.hlc.tick(now_ms)

        def work(sql: Sql) -> tuple[list[Entry], int]:
            rows = sql.execute("SELECT packed FROM rows WHERE newest_ms > ?", (limit_ms,)).fetchall()
            entries = [unpack(row[0]) for row in rows]
            late = sorted({stamp for entry in entries for stamp in stamps_ahead(entry, writer, limit_ms)})
            anew = {stamp: first + place for place, stamp in enumerate(late)}
            changed = []
            for entry in entries:
                if stamps_ahead(entry, writer, limit_ms):
                    again = stamped_again(entry, writer, anew)
                    rowsql.put(sql, again)
                    rowsql.journal(sql, again, again.newest[0])
                    changed.append(again)
            return changed, first + len(late)

        changed, last = await self._tables.write(work)
        self.hlc.last = max(self.hlc.last, last)
        await self.set_meta(HLC, str(self.hlc.last).encode())
        self._tell(changed)
        return len(changed)

    # ------------------------------------------------------------ reading

    async def get(
        self, table: str, pk: str, sk: str | None, *, after: str = "", bytes_max: int | None = None
    ) -> list[Entry]:
        """Give the entries of a key, tombstones among them; every sort key after ``after`` when ``sk`` is None."""
        return [unpack(data) for data in await self.get_packed(table, pk, sk, after=after, bytes_max=bytes_max)]

    async def get_packed(
        self, table: str, pk: str, sk: str | None, *, after: str = "", bytes_max: int | None = None
    ) -> list[bytes]:
        """Give the same, packed; stops after the row that goes beyond ``bytes_max``."""

        def work(sql: Sql) -> list[bytes]:
            if sk is not None:
                found = sql.execute(
                    "SELECT packed FROM rows WHERE tbl = ? AND pk = ? AND sk = ?", (table, pk, sk)
                ).fetchone()
                return [] if found is None else [bytes(found[0])]
            rows = sql.execute(
                "SELECT sk, packed FROM rows WHERE tbl = ? AND pk = ? AND (sk > ? OR ? = '') ORDER BY sk",
                (table, pk, after, after),
            )
            given: list[bytes] = []
            size = 0
            while (row := rows.fetchone()) is not None:
                given.append(bytes(row[1]))
                size += len(row[1])
                if bytes_max is not None and size > bytes_max:
                    break
            return given

        return await self._tables.read(work)

    async def get_several(self, table: str, pks: Sequence[str], bytes_max: int = 1 << 30) -> list[list[bytes]]:
        """Give the packed entries of several keys, a list a key; ends before the key that would go beyond the bytes."""

        def work(sql: Sql) -> list[list[bytes]]:
            given: list[list[bytes]] = []
            size = 0
            for pk in pks:
                rows = sql.execute("SELECT packed FROM rows WHERE tbl = ? AND pk = ? ORDER BY sk", (table, pk))
                found = [bytes(packed) for (packed,) in rows.fetchall()]
                size += sum(map(len, found))
                if size > bytes_max:
                    break
                given.append(found)
            return given

        return await self._tables.read(work)

    async def every(self, table: str, partitions: Callable[[int], bool] | None = None) -> list[Entry]:
        """Give every living entry of a table here, in key order."""

        def work(sql: Sql) -> list[Entry]:
            rows = sql.execute(
                "SELECT s.part, r.packed FROM shown s JOIN rows r ON r.id = s.id WHERE s.tbl = ? ORDER BY s.pk, s.sk",
                (table,),
            ).fetchall()
            return [unpack(packed) for part, packed in rows if partitions is None or partitions(part)]

        return await self._tables.read(work)

    async def living(self, table: str, after: tuple[str, str], limit: int) -> list[tuple[str, str, PartitionId, int]]:
        """Give (pk, sk, partition, UTC ms of its latest write) of a table's living rows after (pk, sk), in order."""
        rows = await self._tables.read(
            lambda sql: sql.execute(
                "SELECT pk, sk, part, updated_ms FROM shown WHERE tbl = ? AND (pk, sk) > (?, ?) "
                "ORDER BY pk, sk LIMIT ?",
                (table, *after, limit),
            ).fetchall()
        )
        return [(pk, sk, PartitionId(part), updated_ms) for pk, sk, part, updated_ms in rows]

    async def scan(self, query: Query, partitions: Sequence[int] | None = None) -> Found:
        """Answer a query from the rows here; see ``rowscan.scan``."""
        return await self._tables.read(lambda sql: rowscan.scan(sql, query, partitions))

    async def sift(
        self, table: str, either: Sequence[Sequence[Where]], after: tuple[str, str]
    ) -> tuple[list[tuple[str, str]], tuple[str, str] | None]:
        """Give the keys of living rows that meet all of one of ``either``; see ``rowscan.sift``."""
        return await self._tables.read(lambda sql: rowscan.sift(sql, table, either, after))

    async def matching(self, table: str, text: str) -> dict[tuple[str, str], float]:
        """Give the (pk, sk) whose words match, with their rank (greater is better)."""
        return await self._tables.read(lambda sql: rowscan.matching(sql, table, text))

    async def count(self) -> int:
        """Give how many rows are here."""
        found = await self._tables.read(
            lambda sql: sql.execute("SELECT COALESCE(SUM(rows), 0) FROM digests").fetchone()
        )
        return int(found[0])

    # ------------------------------------------------------------ the journal

    async def journal(self, after: int, limit: int, bytes_max: int = 1 << 30) -> list[Journaled]:
        """Give rows to pass on, after a place in the journal, in order."""
        return await self._journal("j.seq > ?", (after,), limit, bytes_max)

    async def _journal(self, where: str, parameters: tuple[object, ...], limit: int, bytes_max: int) -> list[Journaled]:
        def work(sql: Sql) -> list[Journaled]:
            rows = sql.execute(
                "SELECT j.seq, j.tbl, j.pk, j.sk, j.part, j.stamp, r.packed FROM journal j "  # noqa: S608 - own text
                "CROSS JOIN rows r ON (r.tbl, r.pk, r.sk) = (j.tbl, j.pk, j.sk) "
                f"WHERE {where} ORDER BY j.seq LIMIT ?",
                (*parameters, limit),
            )
            given: list[Journaled] = []
            size = 0
            while (row := rows.fetchone()) is not None:
                seq, tbl, pk, sk, part, stamp, packed = row
                size += len(packed)
                if given and size > bytes_max:
                    break
                given.append(Journaled(seq, (tbl, pk, sk), PartitionId(part), stamp, bytes(packed)))
            return given

        return await self._tables.read(work)

    async def journal_end(self) -> int:
        """Give the last place in the journal; 0 when it is empty."""
        found = await self._tables.read(lambda sql: sql.execute("SELECT MAX(seq) FROM journal").fetchone())
        return int(found[0] or 0)

    async def journal_count(self) -> int:
        """Count rows that have to be passed on."""
        found = await self._tables.read(lambda sql: sql.execute("SELECT COUNT(*) FROM journal").fetchone())
        return int(found[0])

    async def pass_on(self, keys: Sequence[Key]) -> None:
        """Put standing rows into the journal, but those in it already."""

        def work(sql: Sql) -> None:
            for key in keys:
                there = sql.execute("SELECT 1 FROM journal WHERE (tbl, pk, sk) = (?, ?, ?)", key).fetchone()
                entry = rowsql.get(sql, key)
                if entry is not None and there is None:
                    rowsql.journal(sql, entry, 0)

        if keys:
            await self._tables.write(work)
            for handler in self._on_journal:
                handler()

    def on_journal(self, handler: Callable[[], None]) -> None:
        """Tell ``handler`` when standing rows were put into the journal."""
        self._on_journal.append(handler)

    async def journal_of(self, table: str, after: int, limit: int, bytes_max: int = 1 << 30) -> list[Journaled]:
        """Give a table's rows to pass on, after a place in the journal, in order."""
        return await self._journal("j.tbl = ? AND j.seq > ?", (table, after), limit, bytes_max)

    async def kept(self, limit: int = 512) -> list[tuple[bytes, PartitionId]]:
        """Give rows those who should hold them have not confirmed, with their partitions."""
        return [(row.packed, row.partition) for row in await self.journal(0, limit)]

    async def confirmed(self, rows: Sequence[Journaled], drop: Set[PartitionId]) -> None:
        """Take note that these very rows are where they belong; those of partitions to ``drop`` are removed here."""

        def work(sql: Sql) -> None:
            for row in rows:
                gone = sql.execute("DELETE FROM journal WHERE seq = ?", (row.seq,)).rowcount
                if gone and row.partition in drop:
                    standing = rowsql.get(sql, row.key)
                    if standing is not None and pack(standing) == row.packed:
                        rowsql.remove(sql, row.key)

        await self._tables.write(work)

    async def oldest_ms(self, table: str | None, partitions: Sequence[PartitionId]) -> int | None:
        """Give when the oldest row of a table, or of any, in some partitions was last written (UTC), or None."""

        def work(sql: Sql) -> int | None:
            found = [
                sql.execute(
                    "SELECT MIN(newest_ms) FROM rows WHERE part = ? AND (? IS NULL OR tbl = ?)", (part, table, table)
                ).fetchone()[0]
                for part in partitions
            ]
            return min((ms for ms in found if ms is not None), default=None)

        return await self._tables.read(work)

    # ------------------------------------------------------------ comparing and handing over

    async def digests(self) -> dict[PartitionId, int]:
        """Give the digest of every partition that has rows here."""
        rows = await self._tables.read(
            lambda sql: sql.execute("SELECT part, digest FROM digests WHERE rows > 0").fetchall()
        )
        return {PartitionId(part): int.from_bytes(value, "big") for part, value in rows}

    async def listing(
        self, partition: PartitionId, after: Sequence[str], limit: int
    ) -> list[tuple[str, str, str, int]]:
        """Give (table, pk, sk, digest) of a partition's rows after a key."""
        where = tuple(after) if len(after) == 3 else ("", "", "")
        rows = await self._tables.read(
            lambda sql: sql.execute(
                "SELECT tbl, pk, sk, digest FROM rows WHERE part = ? AND (tbl, pk, sk) > (?, ?, ?) "
                "ORDER BY tbl, pk, sk LIMIT ?",
                (partition, *where, limit),
            ).fetchall()
        )
        return [(table, pk, sk, int.from_bytes(value, "big")) for table, pk, sk, value in rows]

    async def fetch(self, keys: Sequence[Key], bytes_max: int = 1 << 30) -> list[bytes]:
        """Give packed rows by key until ``bytes_max`` are reached; unknown ones are left out."""

        def work(sql: Sql) -> list[bytes]:
            found, size = [], 0
            for key in keys:
                row = sql.execute("SELECT packed FROM rows WHERE tbl = ? AND pk = ? AND sk = ?", key).fetchone()
                if row is not None:
                    found.append(bytes(row[0]))
                    size += len(row[0])
                    if size > bytes_max:
                        break
            return found

        return await self._tables.read(work)

    async def forget(self, rows: Mapping[Key, int]) -> int:
        """Remove rows that are where they belong, unless they changed since their digest was taken or are journaled."""

        def work(sql: Sql) -> int:
            gone = 0
            for key, value in rows.items():
                found = sql.execute(
                    "SELECT 1 FROM rows WHERE (tbl, pk, sk, digest) = (?, ?, ?, ?) AND NOT EXISTS "
                    "(SELECT 1 FROM journal j WHERE (j.tbl, j.pk, j.sk) = (rows.tbl, rows.pk, rows.sk))",
                    (*key, value.to_bytes(8, "big")),
                ).fetchone()
                if found is not None:
                    rowsql.remove(sql, key)
                    gone += 1
            return gone

        return await self._tables.write(work)

    # ------------------------------------------------------------ tombstones

    async def left_over(self, tables: Sequence[str], after: str, limit: int) -> tuple[list[str], str]:
        """Give assets that are deleted for good, and yet have living rows in some of ``tables`` here, of up to
        ``limit`` assets after one; and after which to go on, empty at the end."""
        marks = ", ".join("?" for _ in tables)
        rows = await self._tables.read(
            lambda sql: sql.execute(
                "SELECT r.pk, NOT EXISTS (SELECT 1 FROM shown a WHERE a.id = r.id) AND EXISTS "  # noqa: S608 - own text
                f"(SELECT 1 FROM shown s WHERE s.tbl IN ({marks}) AND s.pk = r.pk) "
                "FROM rows r WHERE r.tbl = 'assets' AND r.pk > ? ORDER BY r.pk LIMIT ?",
                (*tables, after, limit),
            ).fetchall()
        )
        return [pk for pk, left in rows if left], (rows[-1][0] if len(rows) == limit else "")

    async def note_dead(self, now_ms: int) -> None:
        """Note since when tombstones stand that were not looked at yet."""
        await self._tables.write(lambda sql: sql.execute("UPDATE dead SET since_ms = ? WHERE since_ms = 0", (now_ms,)))

    async def dead(self, after: tuple[int, int], limit: int, before_ms: int) -> tuple[list[Dead], tuple[int, int]]:
        """Give tombstones that have stood since ``before_ms`` or longer, the oldest first, and after what to go on."""
        rows = await self._tables.read(
            lambda sql: sql.execute(
                "SELECT d.since_ms, d.id, r.tbl, r.pk, r.sk, r.part, r.digest FROM dead d JOIN rows r ON r.id = d.id "
                "WHERE d.since_ms BETWEEN 1 AND ? AND (d.since_ms, d.id) > (?, ?) ORDER BY d.since_ms, d.id LIMIT ?",
                (before_ms, *after, limit),
            ).fetchall()
        )
        found = [
            Dead((tbl, pk, sk), PartitionId(part), int.from_bytes(value, "big"), since_ms)
            for since_ms, _, tbl, pk, sk, part, value in rows
        ]
        return found, (rows[-1][:2] if rows else after)

    async def forgettable(self, rows: Sequence[tuple[Key, int]], before_ms: int) -> set[Key]:
        """Give the tombstones that this node does not need: it has stood here as long, with this digest, or is gone.

        Of a reference: none of a chunk that is here, for it says since when the chunk is needless.
        """
        return await self._tables.read(
            lambda sql: {key for key, value in rows if _forgettable(sql, key, value, before_ms)}
        )

    async def forget_dead(self, rows: Sequence[tuple[Key, int]], before_ms: int) -> int:
        """Forget those that still are as ``forgettable`` wants them; gives how many were here."""

        def work(sql: Sql) -> int:
            gone = 0
            for key, value in rows:
                if _forgettable(sql, key, value, before_ms) and rowsql.get(sql, key) is not None:
                    rowsql.remove(sql, key)
                    gone += 1
            return gone

        return await self._tables.write(work)

    async def dead_count(self) -> int:
        """Count tombstones that may go one day."""
        found = await self._tables.read(lambda sql: sql.execute("SELECT COUNT(*) FROM dead").fetchone())
        return int(found[0])


def _forgettable(sql: Sql, key: Key, value: int, before_ms: int) -> bool:
    if key[0] in KEPT_FOR_EVER or sql.execute("SELECT 1 FROM journal WHERE (tbl, pk, sk) = (?, ?, ?)", key).fetchone():
        return False
    row = sql.execute(
        "SELECT r.digest, d.since_ms FROM rows r LEFT JOIN dead d ON d.id = r.id "
        "WHERE r.tbl = ? AND r.pk = ? AND r.sk = ?",
        key,
    ).fetchone()
    if row is not None and (row[1] is None or not 0 < row[1] <= before_ms or int.from_bytes(row[0], "big") != value):
        return False
    if key[0] != "references":
        return True
    try:
        chunk = bytes.fromhex(key[1])
    except ValueError:
        return True
    return sql.execute("SELECT 1 FROM chunks WHERE chunk = ?", (chunk,)).fetchone() is None


def _merge(sql: Sql, entry: Entry) -> Entry | None:
    """Merge an entry into what stands; gives the new one when it changed something."""
    standing = rowsql.get(sql, entry.key)
    merged = entry if standing is None else merge(standing, entry)
    if standing is not None and merged == standing:
        return None
    rowsql.put(sql, merged)
    return merged
