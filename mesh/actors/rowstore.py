"""The rows of one node in its SQLite database: its partitions' rows, mesh tables, and own writes not confirmed yet.

Invariant: a partition's digest is the XOR of the digests of its rows, kept in the same transaction that changes a row.
A row that is ``kept`` stays until its owners have confirmed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mesh.core.placement import partition_of
from mesh.core.rows import MESH_TABLES, Entry, digest, merge, pack, unpack
from mesh.ports import Refused, Sql, Tables
from proto.codec import Value
from proto.ids import MESH_PARTITION, PartitionId

SCHEMA_VERSION = 1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS rows (tbl TEXT, pk TEXT, sk TEXT, part INTEGER, alive INTEGER, kept INTEGER DEFAULT 0,
       digest BLOB, packed BLOB, PRIMARY KEY (tbl, pk, sk)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS rows_part ON rows (part, tbl, pk, sk)",
    "CREATE INDEX IF NOT EXISTS rows_kept ON rows (kept) WHERE kept = 1",
    "CREATE TABLE IF NOT EXISTS digests (part INTEGER PRIMARY KEY, digest BLOB, rows INTEGER)",
    "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (tbl UNINDEXED, pk UNINDEXED, text, tokenize='unicode61')",
)
_WORD_FIELDS = ("name", "meta", "camera_name", "words")
_WORD_SETS = ("tags", "auto_tags")


@dataclass(frozen=True, slots=True)
class Ranked:
    """An entry with its text rank (greater is better; 0.0 without words)."""

    entry: Entry
    rank: float


def partition_for(table: str, pk: str) -> PartitionId:
    """Give the partition of a row."""
    return MESH_PARTITION if table in MESH_TABLES else partition_of(pk)


class RowStore:
    """Rows on this node. ``open`` it first."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._watchers: list[tuple[str, Callable[[Entry], None]]] = []

    async def open(self) -> None:
        """Make the tables; Refused when a newer release wrote them."""

        def work(sql: Sql) -> None:
            for statement in _SCHEMA:
                sql.execute(statement)
            found = sql.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
            if found is None:
                sql.execute("INSERT INTO meta VALUES ('schema', ?)", (SCHEMA_VERSION,))
            elif int(found[0]) > SCHEMA_VERSION:
                raise Refused(
                    f"this data folder was written by a newer release (schema {found[0]}, this one knows "
                    f"{SCHEMA_VERSION}); install that release, or use another data folder"
                )

        await self._tables.write(work)

    def watch(self, table: str, handler: Callable[[Entry], None]) -> None:
        """Tell ``handler`` of every entry of a table that changes here."""
        self._watchers.append((table, handler))

    async def meta(self, key: str) -> bytes | None:
        """Give a value kept under a name."""
        found = await self._tables.read(
            lambda sql: sql.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        )
        return None if found is None else bytes(found[0])

    async def set_meta(self, key: str, value: bytes) -> None:
        """Keep a value under a name, durably."""
        await self._tables.write(lambda sql: sql.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)))

    async def update(
        self, make: Callable[[Callable[[str, str, str], Entry | None]], Iterable[Entry]], *, kept: bool
    ) -> None:
        """Write what ``make`` gives; it may look at standing entries. One durable transaction."""

        def work(sql: Sql) -> list[Entry]:
            changed = list(make(lambda table, pk, sk: _get(sql, table, pk, sk)))
            for entry in changed:
                _put(sql, entry, kept=kept)
            return changed

        self._tell(await self._tables.write(work))

    async def take(self, packed: Sequence[bytes], *, kept: bool = False) -> int:
        """Merge rows that came from elsewhere; durable on return. Gives how many changed something."""
        entries = [unpack(data) for data in packed]

        def work(sql: Sql) -> list[Entry]:
            changed = []
            for entry in entries:
                standing = _get(sql, entry.table, entry.pk, entry.sk)
                merged = entry if standing is None else merge(standing, entry)
                if standing is None or merged != standing:
                    _put(sql, merged, kept=kept)
                    changed.append(merged)
            return changed

        changed = await self._tables.write(work)
        self._tell(changed)
        return len(changed)

    def _tell(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            for table, handler in self._watchers:
                if table == entry.table:
                    handler(entry)

    async def get(self, table: str, pk: str, sk: str | None) -> list[Entry]:
        """Give the entries of a key, tombstones among them; every sort key when ``sk`` is None."""

        def work(sql: Sql) -> list[Entry]:
            if sk is not None:
                found = _get(sql, table, pk, sk)
                return [] if found is None else [found]
            rows = sql.execute("SELECT packed FROM rows WHERE tbl = ? AND pk = ? ORDER BY sk", (table, pk)).fetchall()
            return [unpack(row[0]) for row in rows]

        return await self._tables.read(work)

    async def every(self, table: str, partitions: Callable[[int], bool] | None = None) -> list[Entry]:
        """Give every living entry of a table here, in key order."""

        def work(sql: Sql) -> list[Entry]:
            rows = sql.execute(
                "SELECT part, packed FROM rows WHERE tbl = ? AND alive = 1 ORDER BY pk, sk", (table,)
            ).fetchall()
            return [unpack(packed) for part, packed in rows if partitions is None or partitions(part)]

        return await self._tables.read(work)

    async def matching(self, table: str, text: str) -> dict[str, float]:
        """Give the keys whose words match, with their rank (greater is better)."""
        words = _fts_query(text)
        if not words:
            return {}

        def work(sql: Sql) -> dict[str, float]:
            rows = sql.execute(
                "SELECT pk, -bm25(words) FROM words WHERE words MATCH ? AND tbl = ? ORDER BY bm25(words) LIMIT 10000",
                (words, table),
            ).fetchall()
            return {pk: float(rank) for pk, rank in rows}

        return await self._tables.read(work)

    # ------------------------------------------------------------ own writes, and comparing

    async def kept(self, limit: int = 512) -> list[tuple[bytes, PartitionId]]:
        """Give own writes the owners have not confirmed, with their partitions."""
        rows = await self._tables.read(
            lambda sql: sql.execute("SELECT packed, part FROM rows WHERE kept = 1 LIMIT ?", (limit,)).fetchall()
        )
        return [(bytes(packed), PartitionId(part)) for packed, part in rows]

    async def count_kept(self) -> int:
        """Give how many own writes the owners have not confirmed."""
        found = await self._tables.read(lambda sql: sql.execute("SELECT COUNT(*) FROM rows WHERE kept = 1").fetchone())
        return int(found[0])

    async def confirmed(self, packed: Sequence[bytes], drop: Callable[[PartitionId], bool]) -> None:
        """Take note that owners have these very bytes; rows of partitions to ``drop`` are removed here."""

        def work(sql: Sql) -> None:
            for data in packed:
                entry = unpack(data)
                part = partition_for(entry.table, entry.pk)
                key = (entry.table, entry.pk, entry.sk)
                found = sql.execute("SELECT packed FROM rows WHERE tbl = ? AND pk = ? AND sk = ?", key).fetchone()
                if found is None or bytes(found[0]) != data:
                    continue
                if drop(part):
                    _remove(sql, entry, data, part)
                else:
                    sql.execute("UPDATE rows SET kept = 0 WHERE tbl = ? AND pk = ? AND sk = ?", key)

        await self._tables.write(work)

    async def digests(self) -> dict[PartitionId, int]:
        """Give the digest of every partition that has rows here."""
        rows = await self._tables.read(lambda sql: sql.execute("SELECT part, digest FROM digests").fetchall())
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

    async def fetch(self, keys: Sequence[tuple[str, str, str]]) -> list[bytes]:
        """Give packed rows by key; unknown ones are left out."""

        def work(sql: Sql) -> list[bytes]:
            found = []
            for key in keys:
                row = sql.execute("SELECT packed FROM rows WHERE tbl = ? AND pk = ? AND sk = ?", key).fetchone()
                if row is not None:
                    found.append(bytes(row[0]))
            return found

        return await self._tables.read(work)

    async def count(self) -> int:
        """Give how many rows are here."""
        found = await self._tables.read(
            lambda sql: sql.execute("SELECT COALESCE(SUM(rows), 0) FROM digests").fetchone()
        )
        return int(found[0])


def _get(sql: Sql, table: str, pk: str, sk: str) -> Entry | None:
    row = sql.execute("SELECT packed FROM rows WHERE tbl = ? AND pk = ? AND sk = ?", (table, pk, sk)).fetchone()
    return None if row is None else unpack(row[0])


def _put(sql: Sql, entry: Entry, *, kept: bool) -> None:
    packed = pack(entry)
    part = partition_for(entry.table, entry.pk)
    key = (entry.table, entry.pk, entry.sk)
    old = sql.execute("SELECT digest, kept FROM rows WHERE tbl = ? AND pk = ? AND sk = ?", key).fetchone()
    value = digest(packed)
    stays = bool(kept or (old is not None and old[1]))
    sql.execute(
        "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*key, part, entry.alive, stays, value.to_bytes(8, "big"), packed),
    )
    _shift_digest(sql, part, value ^ (int.from_bytes(old[0], "big") if old else 0), 0 if old else 1)
    if entry.table in ("assets", "scenes"):
        sql.execute("DELETE FROM words WHERE tbl = ? AND pk = ?", (entry.table, entry.pk + entry.sk))
        if entry.alive:
            sql.execute("INSERT INTO words VALUES (?, ?, ?)", (entry.table, entry.pk + entry.sk, _words(entry)))


def _remove(sql: Sql, entry: Entry, packed: bytes, part: PartitionId) -> None:
    sql.execute("DELETE FROM rows WHERE tbl = ? AND pk = ? AND sk = ?", (entry.table, entry.pk, entry.sk))
    sql.execute("DELETE FROM words WHERE tbl = ? AND pk = ?", (entry.table, entry.pk + entry.sk))
    _shift_digest(sql, part, digest(packed), -1)


def _shift_digest(sql: Sql, part: PartitionId, change: int, rows: int) -> None:
    found = sql.execute("SELECT digest, rows FROM digests WHERE part = ?", (part,)).fetchone()
    value = (int.from_bytes(found[0], "big") if found else 0) ^ change
    count = (found[1] if found else 0) + rows
    sql.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", (part, value.to_bytes(8, "big"), count))


def _words(entry: Entry) -> str:
    row = entry.row()
    texts = [_flat(row.fields[name]) for name in _WORD_FIELDS if name in row.fields]
    texts += [word for name in _WORD_SETS for word in row.sets.get(name, ())]
    return " ".join(texts)


def _flat(value: Value) -> str:
    if isinstance(value, str):
        return value.replace("_", " ").replace("-", " ")
    if isinstance(value, dict):
        return " ".join(f"{name} {_flat(item)}" for name, item in value.items())
    if isinstance(value, tuple):
        return " ".join(_flat(item) for item in value)
    return "" if value is None or isinstance(value, bytes) else str(value)


def _fts_query(text: str) -> str:
    words = ["".join(letter for letter in word if letter.isalnum()) for word in text.replace("-", " ").split()]
    return " AND ".join(f'"{word}"*' for word in words[:16] if word)
