"""The tables of a node's database, and their version.

Invariant: a database of another version is refused before anything in it is touched.
"""

from __future__ import annotations

from mesh.ports import Refused, Sql, Tables

SCHEMA_VERSION = 3

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
       trashed_ms GENERATED ALWAYS AS (json_extract(shown, '$.trashed_ms')))""",
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
    "CREATE INDEX IF NOT EXISTS assets_count ON shown (part, trashed_ms, kind, camera, state) WHERE tbl = 'assets'",
    """CREATE TABLE IF NOT EXISTS elements (tbl TEXT, name TEXT, element TEXT, id INTEGER,
       PRIMARY KEY (tbl, name, element, id)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS elements_id ON elements (id)",
    "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text, tokenize='unicode61 remove_diacritics 2')",
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


async def open_schema(tables: Tables) -> None:
    """Make the tables that are missing; Refused when this database is of another version."""

    def work(sql: Sql) -> None:
        made = sql.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'").fetchone()
        found = sql.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() if made else None
        if found is not None and int(found[0]) > SCHEMA_VERSION:
            raise Refused(
                f"this data folder was written by a newer release (schema {int(found[0])}, this one knows "
                f"{SCHEMA_VERSION}); install that release, or use another data folder"
            )
        if found is not None and int(found[0]) < SCHEMA_VERSION:
            raise Refused(
                "this data folder was made before the first release, in an older form; use another data folder"
            )
        for statement in _STATEMENTS:
            sql.execute(statement)
        sql.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (SCHEMA_VERSION,))

    await tables.write(work)
