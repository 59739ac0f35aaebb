"""A damaged database is made anew of the rows that are whole; the rest comes from other nodes."""

import asyncio
import sqlite3

import pytest

from mesh.actors.rowstore import HLC, RowStore
from mesh.adapters import salvage
from mesh.adapters.tables import SqliteTables
from mesh.core.query import Query
from mesh.core.rows import Change, apply, pack
from mesh.ports import Corrupt
from proto.ids import node_id_of
from thatdam.database import open_database

ME, OTHER = node_id_of(b"\1" * 32), node_id_of(b"\2" * 32)
STAMP = 1_793_600_000_000 << 16
ROWS = 1500


def entry_of(number, node):
    change = Change("assets", f"k{number:05d}", set={"name": f"clip {number}", "body": b"x" * 300})
    return apply(None, change, (STAMP + number, node))


async def filled(path):
    tables = SqliteTables(path)
    store = RowStore(tables)
    await store.open()
    await store.take([pack(entry_of(number, OTHER)) for number in range(ROWS)])
    mine = entry_of(ROWS, ME)
    await store.write(lambda _: [(mine, mine.newest[0])], {HLC: str(mine.newest[0]).encode()})
    await store.set_meta("note recorder/takes", b"noted")
    tables.close()


def bitten(path, first, last):
    """Overwrite a stretch of the file, given in parts of its size."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(int(size * first))
        file.write(b"\xa5" * int(size * (last - first)))


async def of(path):
    tables = await open_database(path, ME)
    store = RowStore(tables)
    await store.open()
    found = {entry.pk: entry for entry in await store.every("assets")}
    told = (found, await store.journal_count(), await store.meta("note recorder/takes"), store.hlc.last)
    assert (await store.scan(Query("assets"))).total == len(found)
    assert sum(1 for _ in await store.digests()) > 0 or not found
    tables.close()
    return told


def test_rows_around_the_damage_are_kept_and_what_this_node_wrote_is_passed_on_again(tmp_path):
    path = tmp_path / "node.db"
    asyncio.run(filled(path))
    bitten(path, 0.30, 0.34)
    salvage.mark(path)
    found, waiting, _, last = asyncio.run(of(path))
    assert ROWS * 0.8 < len(found) <= ROWS + 1
    assert all(entry == entry_of(int(pk[1:]), OTHER if pk != f"k{ROWS:05d}" else ME) for pk, entry in found.items())
    assert waiting == (f"k{ROWS:05d}" in found)
    assert last >= max(entry.newest[0] for entry in found.values())
    assert [one.name for one in tmp_path.glob("*damaged*.db")] == ["node.damaged-1.db"]
    assert len(asyncio.run(of(path))[0]) == len(found), "it is whole now"


def test_a_whole_database_that_was_marked_keeps_everything(tmp_path):
    path = tmp_path / "node.db"
    asyncio.run(filled(path))
    salvage.mark(path)
    found, waiting, note, _ = asyncio.run(of(path))
    assert (len(found), waiting, note) == (ROWS + 1, 1, b"noted")


@pytest.mark.parametrize("junk", [b"this is no database " * 500, b"\0" * 8192], ids=["text", "zeros"])
def test_a_file_that_is_no_database_is_put_aside(tmp_path, junk):
    path = tmp_path / "node.db"
    path.write_bytes(junk)
    assert asyncio.run(of(path))[0] == {}
    assert (tmp_path / "node.damaged-1.db").read_bytes() == junk


def test_damage_met_while_a_node_runs_has_the_next_start_mend_it(tmp_path):
    path = tmp_path / "node.db"
    asyncio.run(filled(path))
    bitten(path, 0.2, 0.9)

    async def use():
        tables = SqliteTables(path)
        try:
            await tables.read(lambda sql: sql.execute("SELECT SUM(LENGTH(packed)), COUNT(digest) FROM rows").fetchall())
        finally:
            tables.close()

    with pytest.raises(Corrupt):
        asyncio.run(use())
    assert salvage.marked(path)
    asyncio.run(of(path))
    assert not salvage.marked(path)
    with sqlite3.connect(path) as sql:
        assert sql.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_crash_before_the_new_one_is_in_its_place_is_gone_on_from(tmp_path):
    path = tmp_path / "node.db"
    asyncio.run(filled(path))
    path.rename(salvage.fresh(path))
    assert len(asyncio.run(of(path))[0]) == ROWS + 1
