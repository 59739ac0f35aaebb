"""A node's database is opened, or made anew of what can be read of a damaged one: said, with how far it is."""

from __future__ import annotations

import time
from pathlib import Path

import structlog

from mesh.actors.recovery import recover
from mesh.adapters import salvage
from mesh.adapters.tables import SqliteTables
from mesh.ports import Corrupt
from proto.ids import NodeId

TOLD_EVERY_S = 2.0

_log = structlog.get_logger("database")


async def open_database(path: Path, me: NodeId) -> SqliteTables:
    """Open a node's database; one that is damaged is made anew of what can be read of it."""
    salvage.finish(path)
    if salvage.is_gone(path):
        _log.warning(
            "the database is gone; its rows come from the records here and the other nodes that have them",
            database=str(path),
        )
    if not salvage.marked(path):
        try:
            tables = SqliteTables(path)
            await tables.read(lambda sql: sql.execute("SELECT COUNT(*) FROM sqlite_master").fetchone())
            return tables
        except Corrupt as error:
            _log.warning("the database is damaged", error=str(error))
    _log.warning("making a new database of what can be read of the damaged one", database=str(path))
    told_at = time.monotonic()

    def told(rows: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at > TOLD_EVERY_S:
            told_at = time.monotonic()
            _log.warning("reading the damaged database", rows=rows)

    made = SqliteTables(salvage.fresh(path))
    old = salvage.Salvage(path)
    try:
        rows = await recover(old, made, me, told)
    finally:
        old.close()
        made.close()
    aside = salvage.take_place(path)
    _log.warning(
        "the database was made anew; what could not be read comes from the other nodes that have it",
        rows=rows,
        damaged=str(aside),
    )
    return SqliteTables(path)
