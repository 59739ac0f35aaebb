"""The data folder and the database keep what they acknowledged, and nothing leaves the folder."""

import asyncio

import pytest

from mesh.adapters.disk import FolderDisk
from mesh.adapters.executor import ThreadExecutor
from mesh.adapters.tables import SqliteTables
from mesh.ports import DiskFull, NotFound


def test_a_written_file_is_whole_and_listed(tmp_path):
    async def main():
        disk = FolderDisk(tmp_path, ThreadExecutor())
        await disk.write("a/b/c", b"hello")
        await disk.write("a/b/c", b"hello again")
        assert await disk.read("a/b/c") == b"hello again"
        assert await disk.read("a/b/c", 6, 3) == b"aga"
        assert await disk.list("a/b") == ["c"]
        assert await disk.size("a/b/c") == 11
        assert await disk.list("tmp") == []
        await disk.delete("a/b/c")
        with pytest.raises(NotFound):
            await disk.read("a/b/c")

    asyncio.run(main())


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a\\..\\x", "", "a\0b"])
def test_paths_do_not_leave_the_folder(tmp_path, path):
    disk = FolderDisk(tmp_path, ThreadExecutor())
    with pytest.raises(ValueError, match="data folder"):
        asyncio.run(disk.write(path, b""))


def test_the_reserve_is_left_to_others(tmp_path):
    disk = FolderDisk(tmp_path, ThreadExecutor(), reserve_bytes=1 << 60)
    with pytest.raises(DiskFull):
        asyncio.run(disk.write("a", b"x"))
    assert asyncio.run(disk.list("tmp")) == []


def test_a_failed_transaction_leaves_nothing(tmp_path):
    async def main():
        tables = SqliteTables(tmp_path / "t.db")
        await tables.write(lambda sql: sql.execute("CREATE TABLE t (x)"))

        def half(sql):
            sql.execute("INSERT INTO t VALUES (1)")
            raise RuntimeError

        with pytest.raises(RuntimeError):
            await tables.write(half)
        assert await tables.read(lambda sql: sql.execute("SELECT count(*) FROM t").fetchone()) == (0,)
        tables.close()

    asyncio.run(main())
