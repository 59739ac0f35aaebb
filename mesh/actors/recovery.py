"""A new database from what can be read of a damaged one: every row whose digest is right, and what goes with them.

What cannot be read comes back from the nodes that have it, as for a node that was away: no partition counts here until
it was compared. Rows this node alone may have had are passed on again, whether others have them or not.

Invariant: no row is taken that is not, to the byte, what was written.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import structlog

from mesh.actors import rowsql
from mesh.actors.rowstore import HLC
from mesh.actors.schema import open_schema
from mesh.core.rows import Entry, digest, merge, unpack
from mesh.ports import Sql, Tables
from proto.codec import Malformed
from proto.ids import NodeId

BATCH = 1000
_KEPT = (
    ("chunks", ("chunk", "size", "part", "asset", "added_ms", "alone")),
    ("chunk_assets", ("chunk", "asset")),
    ("damaged", ("chunk", "asset")),
    ("tickets", ("secret", "roles", "expires_s", "node", "answer")),
    ("held", ("tbl", "pk", "sk", "writer", "packed")),
)
"""Tables that are taken over as they are. Every chunk is looked after anew: its copies may have changed meanwhile."""
_NOTES = "note "

_log = structlog.get_logger("recovery")


class Readable(Protocol):
    """What can still be read of a database."""

    def rows(self, table: str, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        """Give a table's rows in the order of their number, which is the first column."""

    def all(self, table: str, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        """Give a small table's rows."""


async def recover(old: Readable, tables: Tables, me: NodeId, told: Callable[[int], None]) -> int:
    """Fill an empty database from a damaged one; gives how many rows were whole. ``told``: how many by now."""
    await open_schema(tables)
    source = old.rows("rows", ("id", "tbl", "pk", "sk", "digest", "packed"))
    waiting: set[tuple[str, str, str]] = set()
    newest = count = 0
    more = True

    def begin(sql: Sql) -> None:
        waiting.update((tbl, pk, sk) for _, tbl, pk, sk in old.rows("journal", ("seq", "tbl", "pk", "sk")))

    def work(sql: Sql) -> tuple[bool, list[Entry]]:
        batch = list(itertools.islice(source, BATCH))
        entries = [entry for entry in map(_whole, batch) if entry is not None]
        for entry in entries:
            standing = rowsql.get(sql, entry.key)
            rowsql.put(sql, entry if standing is None else merge(standing, entry))
            if entry.key in waiting or entry.newest[1] == me:
                rowsql.journal(sql, entry, entry.newest[0])
        return len(batch) == BATCH, entries

    def finish(sql: Sql) -> None:
        for name, columns in _KEPT:
            names, places = ", ".join(columns), ", ".join("?" for _ in columns)
            more = (", pending", ", 1") if name == "chunks" else ("", "")
            sql.executemany(
                f"INSERT OR IGNORE INTO {name} ({names}{more[0]}) VALUES ({places}{more[1]})",  # noqa: S608 - own names
                list(old.all(name, columns)),
            )
        notes = [(key, value) for key, value in old.all("meta", ("key", "value")) if str(key).startswith(_NOTES)]
        sql.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", [*notes, (HLC, str(newest).encode())])

    await tables.write(begin)
    while more:
        more, entries = await tables.write(work)
        count += len(entries)
        newest = max([newest, *(entry.newest[0] for entry in entries)])
        told(count)
    await tables.write(finish)
    return count


def _whole(row: Sequence[Any]) -> Entry | None:
    """Read a row; None when it is not what its digest says, or under another key."""
    _, tbl, pk, sk, value, packed = row
    try:
        if not isinstance(packed, bytes) or digest(packed).to_bytes(8, "big") != bytes(value):
            return None
        entry = unpack(packed)
    except (Malformed, TypeError, ValueError) as error:
        _log.debug("a row of the damaged database is not taken", error=str(error))
        return None
    return entry if entry.key == (tbl, pk, sk) else None
