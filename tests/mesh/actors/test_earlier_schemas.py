"""A database that an earlier release wrote is this release's after its start, with every row as it was.

``tests/golden/node-N.db.gz`` was written by the last release of schema N, and is never made anew.
"""

import asyncio
import gzip
import sqlite3
from pathlib import Path

import pytest

from mesh.actors.rowstore import RowStore
from mesh.actors.schema import SCHEMA_VERSION
from mesh.adapters.tables import SqliteTables
from mesh.core.query import Query, Where
from mesh.core.rows import digest

GOLDEN = Path(__file__).parents[2] / "golden"
FILES = sorted(GOLDEN.glob("node-*.db.gz"))


def put_down(file, folder):
    path = folder / "node.db"
    path.write_bytes(gzip.decompress(file.read_bytes()))
    return path


def as_written(path):
    """Read what counts, by nothing but SQL: rows, what waits to be passed on, what is held, notes, chunks."""
    sql = sqlite3.connect(path)
    told = {
        name: sql.execute(f"SELECT {columns} FROM {name} ORDER BY 1, 2").fetchall()
        for name, columns in (
            ("rows", "tbl, pk, sk, part, newest_ms, digest, packed"),
            ("journal", "seq, tbl, pk, sk, part, stamp"),
            ("held", "tbl, pk, sk, writer, packed"),
            ("digests", "part, digest, rows"),
            ("chunks", "chunk, size, part, asset, added_ms, alone, pending"),
        )
    }
    told["meta"] = sql.execute("SELECT key, value FROM meta WHERE key <> 'schema' ORDER BY key").fetchall()
    sql.close()
    return told


async def opened(path):
    tables = SqliteTables(path)
    store = RowStore(tables)
    await store.open()
    return tables, store


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_an_earlier_release_wrote_is_kept_to_the_byte_and_listed(file, tmp_path):
    path = put_down(file, tmp_path)
    before = as_written(path)

    async def main():
        tables, store = await opened(path)
        try:

            async def names(*where, **more):
                found = await store.scan(Query("assets", where, **more))
                return [entry.pk for entry, _, _ in found.rows], found.total

            assert await names(Where("trashed_ms", "missing"), order="created_ms") == (["delta", "alpha"], 2)
            assert await names(Where("kind", "eq", "take")) == (["beta"], 1)
            assert await names(Where("tags", "has", "best")) == (["alpha"], 1)
            assert await names(Where("content", "eq", "ab" * 32)) == (["alpha"], 1)
            assert await names(Where("probed", "missing"), order="name") == (["delta", "beta"], 2)
            assert await names(order="started_ms", limit=1) == (["alpha"], 3)
            assert await names(text="harb") == (["alpha"], 1)
            [delta] = await store.get("assets", "delta", "")
            await store.write(lambda _: [(delta, delta.newest[0] + 1)], {})
            assert (await names())[1] == 3
        finally:
            tables.close()

    asyncio.run(main())
    after = as_written(path)
    assert {**after, "journal": before["journal"]} == before
    assert all(value == digest(packed).to_bytes(8, "big") for *_, value, packed in after["rows"])


def test_a_start_that_is_cut_short_leaves_the_earlier_version_whole(tmp_path, monkeypatch):
    path = put_down(FILES[-1], tmp_path)
    before = as_written(path)

    def broken(sql):
        sql.execute("DROP TABLE shown")
        raise OSError("the power went")

    monkeypatch.setattr("mesh.actors.schema._STEPS", {SCHEMA_VERSION - 1: broken})
    with pytest.raises(OSError, match="power"):
        asyncio.run(opened(path))
    assert as_written(path) == before
    monkeypatch.undo()
    tables, _ = asyncio.run(opened(path))
    tables.close()
