"""The tables of a node's database, their version, and how a database of an earlier one becomes this one's.

Invariants: a database of a version that is not known is refused before anything in it is touched; a step to the next
version is one transaction with all that it changes, so that whatever stops it leaves the version before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from mesh.actors import rowsql
from mesh.core.pruning import KEPT_FOR_EVER
from mesh.core.records import RECORDED
from mesh.core.rows import unpack
from mesh.ports import Refused, Sql, Tables

SCHEMA_VERSION = 4

_log = structlog.get_logger("schema")

_TALLIED = ("part", "trashed_ms", "kind", "camera", "state")


def _tally(row: str, change: int) -> str:
    """Give what a trigger does to count a row of ``shown`` in (1) or out (-1)."""
    same = " AND ".join(f"{name} IS {row}.{name}" for name in _TALLIED)
    if change < 0:
        return f"UPDATE tallies SET rows = rows - 1 WHERE {same}; DELETE FROM tallies WHERE {same} AND rows = 0;"  # noqa: S608
    values = ", ".join(f"{row}.{name}" for name in _TALLIED)
    return (
        f"UPDATE tallies SET rows = rows + 1 WHERE {same}; "  # noqa: S608 - own names
        f"INSERT INTO tallies SELECT {values}, 1 WHERE changes() = 0;"
    )


def _unrecorded(row: str) -> str:
    """Give what a trigger does when a row changes: it is due anew, after all that are due already."""
    return f"INSERT OR REPLACE INTO unrecorded (tbl, pk, sk) VALUES ({row}.tbl, {row}.pk, {row}.sk);"  # noqa: S608


_RECORDED = ", ".join(f"'{name}'" for name in RECORDED)
_ANOTHER = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in _TALLIED)

_STATEMENTS = (
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID",
    # Rows as CRDT entries. `newest_ms` finds stamps of a clock that ran ahead.
    """CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, tbl TEXT NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL,
       part INTEGER NOT NULL, newest_ms INTEGER NOT NULL, digest BLOB NOT NULL, packed BLOB NOT NULL,
       UNIQUE (tbl, pk, sk))""",
    "CREATE INDEX IF NOT EXISTS rows_part ON rows (part, tbl, pk, sk, digest)",
    "CREATE TABLE IF NOT EXISTS digests (part INTEGER PRIMARY KEY, digest BLOB NOT NULL, rows INTEGER NOT NULL)",
    # Own writes, and rows to hand over, until those who hold their partition have them.
    """CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT NOT NULL, pk TEXT NOT NULL,
       sk TEXT NOT NULL, part INTEGER NOT NULL, stamp INTEGER NOT NULL, UNIQUE (tbl, pk, sk))""",
    "CREATE INDEX IF NOT EXISTS journal_table ON journal (tbl, seq)",
    # Rows stamped too far ahead to be believed yet; nobody reads them, and none is dropped.
    """CREATE TABLE IF NOT EXISTS held (tbl TEXT, pk TEXT, sk TEXT, writer TEXT, packed BLOB,
       PRIMARY KEY (tbl, pk, sk, writer)) WITHOUT ROWID""",
    # What queries see of living rows: scalar fields, text without case; columns for what lists order and filter by.
    """CREATE TABLE IF NOT EXISTS shown (id INTEGER PRIMARY KEY, tbl TEXT NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL,
       part INTEGER NOT NULL, updated_ms INTEGER NOT NULL, shown TEXT NOT NULL,
       name GENERATED ALWAYS AS (json_extract(shown, '$.name')),
       kind GENERATED ALWAYS AS (json_extract(shown, '$.kind')),
       camera GENERATED ALWAYS AS (json_extract(shown, '$.camera')),
       state GENERATED ALWAYS AS (json_extract(shown, '$.state')),
       created_ms GENERATED ALWAYS AS (json_extract(shown, '$.created_ms')),
       size_bytes GENERATED ALWAYS AS (json_extract(shown, '$.size_bytes')),
       duration_s GENERATED ALWAYS AS (json_extract(shown, '$.duration_s')),
       trashed_ms GENERATED ALWAYS AS (json_extract(shown, '$.trashed_ms')),
       started_ms GENERATED ALWAYS AS (json_extract(shown, '$.started_ms')),
       ended_ms GENERATED ALWAYS AS (json_extract(shown, '$.ended_ms')),
       content GENERATED ALWAYS AS (json_extract(shown, '$.content')),
       unseen GENERATED ALWAYS AS (CASE WHEN coalesce(json_extract(shown, '$.probed'), '') IN (0, '') THEN 1 END))""",
    "CREATE UNIQUE INDEX IF NOT EXISTS shown_key ON shown (tbl, pk, sk)",
    "CREATE INDEX IF NOT EXISTS shown_state ON shown (tbl, state)",
    "CREATE INDEX IF NOT EXISTS assets_updated ON shown (updated_ms, pk, sk) WHERE tbl = 'assets'",
    "CREATE INDEX IF NOT EXISTS assets_created ON shown (created_ms, pk, sk) WHERE tbl = 'assets'",
    "CREATE INDEX IF NOT EXISTS assets_name ON shown (name, pk, sk) WHERE tbl = 'assets'",
    "CREATE INDEX IF NOT EXISTS assets_size ON shown (size_bytes, pk, sk) WHERE tbl = 'assets'",
    "CREATE INDEX IF NOT EXISTS assets_duration ON shown (duration_s, pk, sk) WHERE tbl = 'assets'",
    "CREATE INDEX IF NOT EXISTS assets_kind ON shown (kind, created_ms, pk, sk) WHERE tbl = 'assets'",
    "CREATE INDEX IF NOT EXISTS assets_camera ON shown (camera, created_ms, pk, sk) WHERE tbl = 'assets'",
    "CREATE INDEX IF NOT EXISTS assets_trash ON shown (trashed_ms, pk, sk) WHERE tbl = 'assets'",
    "CREATE INDEX IF NOT EXISTS assets_started ON shown (started_ms, pk, sk) WHERE tbl = 'assets'",
    "CREATE INDEX IF NOT EXISTS assets_ended ON shown (ended_ms, pk, sk) WHERE tbl = 'assets'",
    "CREATE INDEX IF NOT EXISTS assets_by_kind ON shown (kind, pk, sk) WHERE tbl = 'assets'",
    "CREATE INDEX IF NOT EXISTS assets_content ON shown (content) WHERE tbl = 'assets' AND content IS NOT NULL",
    # Assets that nobody has looked into yet: hardly any of a million.
    "CREATE INDEX IF NOT EXISTS assets_unseen ON shown (unseen, created_ms) WHERE tbl = 'assets' AND unseen = 1",
    # By the number of a row what most lists ask of it: to look there is to read some 60 bytes instead of a row and its
    # JSON. The table's name is in it for SQLite to take it.
    """CREATE INDEX IF NOT EXISTS assets_brief ON shown (id, tbl, part, trashed_ms, kind, camera, state, created_ms)
       WHERE tbl = 'assets'""",
    # How many assets there are of what lists count by.
    """CREATE TABLE IF NOT EXISTS tallies (part INTEGER NOT NULL, trashed_ms, kind, camera, state,
       rows INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS tallies_group ON tallies (part, kind, camera, state, trashed_ms)",
    f"""CREATE TRIGGER IF NOT EXISTS tally_new AFTER INSERT ON shown WHEN NEW.tbl = 'assets'
       BEGIN {_tally("NEW", 1)} END""",
    f"""CREATE TRIGGER IF NOT EXISTS tally_gone AFTER DELETE ON shown WHEN OLD.tbl = 'assets'
       BEGIN {_tally("OLD", -1)} END""",
    f"""CREATE TRIGGER IF NOT EXISTS tally_changed AFTER UPDATE ON shown WHEN NEW.tbl = 'assets' AND ({_ANOTHER})
       BEGIN {_tally("OLD", -1)} {_tally("NEW", 1)} END""",
    """CREATE TABLE IF NOT EXISTS elements (tbl TEXT, name TEXT, element TEXT, id INTEGER,
       PRIMARY KEY (tbl, name, element, id)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS elements_id ON elements (id)",
    "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text, tokenize='unicode61 remove_diacritics 2')",
    # The words there are, to tell whether any begins with another.
    "CREATE VIRTUAL TABLE IF NOT EXISTS word_terms USING fts5vocab (words, instance)",
    # Tombstones that may be forgotten one day, and since when they have stood; 0: that is not noted yet.
    "CREATE TABLE IF NOT EXISTS dead (id INTEGER PRIMARY KEY, since_ms INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS dead_since ON dead (since_ms, id)",
    # Rows that changed since their record was written (`mesh.actors.records`), whatever changed them.
    """CREATE TABLE IF NOT EXISTS unrecorded (place INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT NOT NULL,
       pk TEXT NOT NULL, sk TEXT NOT NULL, UNIQUE (tbl, pk, sk))""",
    *(
        f"CREATE TRIGGER IF NOT EXISTS {name} AFTER {event} ON rows WHEN {row}.tbl IN ({_RECORDED}) "
        f"BEGIN {_unrecorded(row)} END"
        for name, event, row in (
            ("record_new", "INSERT", "NEW"),
            ("record_changed", "UPDATE OF packed", "NEW"),
            ("record_gone", "DELETE", "OLD"),
        )
    ),
    # Chunks on this node's disk. `alone`: no other node is known to have it. `pending`: holders may lack it.
    # `elsewhere`: how many others had it when that was last asked.
    """CREATE TABLE IF NOT EXISTS chunks (chunk BLOB PRIMARY KEY, size INTEGER NOT NULL, part INTEGER NOT NULL,
       asset TEXT NOT NULL, added_ms INTEGER NOT NULL, alone INTEGER NOT NULL, pending INTEGER NOT NULL,
       elsewhere INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS chunks_pending ON chunks (added_ms, chunk) WHERE pending = 1",
    "CREATE INDEX IF NOT EXISTS chunks_alone ON chunks (added_ms, size) WHERE alone = 1",
    "CREATE INDEX IF NOT EXISTS chunks_part ON chunks (part, chunk)",
    # Which assets a chunk was stored for here.
    "CREATE TABLE IF NOT EXISTS chunk_assets (chunk BLOB, asset TEXT, PRIMARY KEY (chunk, asset)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS chunk_assets_asset ON chunk_assets (asset)",
    # Chunks that were here and are damaged or gone: to be fetched again.
    """CREATE TABLE IF NOT EXISTS tickets (secret BLOB PRIMARY KEY, roles TEXT NOT NULL, expires_s INTEGER NOT NULL,
    node TEXT, answer BLOB) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS damaged (chunk BLOB PRIMARY KEY, asset TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS damaged_asset ON damaged (asset)",
    # Chunks here that no asset refers to, since when that was seen, and what carries their bytes if packing did it.
    """CREATE TABLE IF NOT EXISTS idle (chunk BLOB PRIMARY KEY, since_ms INTEGER NOT NULL, carried BLOB NOT NULL)
       WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS idle_since ON idle (since_ms, chunk)",
)


def _from_3(sql: Sql) -> None:
    """Version 4 counts assets as they change, orders them by more, and knows its tombstones."""
    for name in ("started_ms", "ended_ms", "content"):
        sql.execute(f"ALTER TABLE shown ADD COLUMN {name} GENERATED ALWAYS AS (json_extract(shown, '$.{name}'))")
    sql.execute(
        "ALTER TABLE shown ADD COLUMN unseen GENERATED ALWAYS AS "
        "(CASE WHEN coalesce(json_extract(shown, '$.probed'), '') IN (0, '') THEN 1 END)"
    )
    sql.execute("DROP INDEX IF EXISTS assets_count")
    for statement in _STATEMENTS:
        sql.execute(statement)
    # An earlier release showed an asset again that was edited after it had been deleted for good.
    assets = sql.execute("SELECT s.id, r.packed FROM shown s JOIN rows r ON r.id = s.id WHERE s.tbl = 'assets'")
    over = []
    while (row := assets.fetchone()) is not None:
        if not unpack(row[1]).alive:
            over.append(row[0])
    for number in over:
        rowsql.hide(sql, number)
    names = ", ".join(_TALLIED)
    sql.execute(
        f"INSERT INTO tallies SELECT {names}, COUNT(*) FROM shown WHERE tbl = 'assets' GROUP BY {names}"  # noqa: S608
    )
    kept = ", ".join(f"'{name}'" for name in sorted(KEPT_FOR_EVER))
    sql.execute(
        f"INSERT INTO dead SELECT id, 0 FROM rows WHERE tbl NOT IN ({kept}) AND id NOT IN (SELECT id FROM shown)"  # noqa: S608
    )


_STEPS: Mapping[int, Callable[[Sql], None]] = {3: _from_3}
"""What makes a database of a version one of the next."""


async def open_schema(tables: Tables) -> None:
    """Make the tables that are missing, or bring an earlier release's to this one's form.

    Refused when this database was written by a later release, or by one so early that there is no way from it.
    """

    def work(sql: Sql) -> None:
        made = sql.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'").fetchone()
        found = sql.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() if made else None
        version = int(found[0]) if found is not None else SCHEMA_VERSION
        if version > SCHEMA_VERSION:
            raise Refused(
                f"this data folder was written by a newer release (schema {version}, this one knows "
                f"{SCHEMA_VERSION}); install that release, or use another data folder"
            )
        if version < min(_STEPS):
            raise Refused(
                "this data folder was made before the first release, in an older form; use another data folder"
            )
        if version < SCHEMA_VERSION:
            _log.info("bringing the database of an earlier release to this one's form", schema=version)
        while version < SCHEMA_VERSION:
            _STEPS[version](sql)
            version += 1
        for statement in _STATEMENTS:
            sql.execute(statement)
        sql.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (SCHEMA_VERSION,))

    await tables.write(work)
