"""What Tables promises: the same cases over SQLite on a real disk and on the simulator's."""

import asyncio
import signal
import sqlite3
import subprocess
import sys

import pytest

from mesh.adapters.tables import SqliteTables
from mesh.ports import DiskFull, Sql, SqlCursor, Tables, Unavailable
from simulations.world.disk import FakeDisk
from simulations.world.entropy import SeededEntropy
from simulations.world.tables import FakeTables
from simulations.world.world import World
from tests.contracts.kinds import KINDS, run
from tests.contracts.tables_writer import write_all

PORTS = (Tables, Sql, SqlCursor)
REAL = (SqliteTables,)
FAKE = (FakeTables,)


class RealDatabases:
    def __init__(self, path):
        self.path = path
        self.tables = SqliteTables(path)

    def fill(self):
        pages = self.tables._writer.execute("PRAGMA page_count").fetchone()[0]
        self.tables._writer.execute(f"PRAGMA max_page_count={pages}")

    def mend(self):
        self.tables._writer.execute("PRAGMA max_page_count=1000000")

    def reopen(self):
        self.tables.close()
        self.tables = SqliteTables(self.path)
        return self.tables

    def close(self):
        self.tables.close()


class FakeDatabases:
    def __init__(self):
        self.disk = FakeDisk(SeededEntropy(1, "disk"))
        self.tables = FakeTables(self.disk)

    def fill(self):
        self.disk.fill()

    def mend(self):
        self.disk.make_room()

    def reopen(self):
        self.tables.close()
        self.tables.crash()
        return self.tables

    def close(self):
        self.tables.close()


@pytest.fixture(params=KINDS)
def databases(request, tmp_path):
    made = RealDatabases(tmp_path / "t.db") if request.param == "real" else FakeDatabases()
    made.run = lambda case: run(request.param, case, made.tables)
    yield made
    made.close()


def doing(statement, *parameters):
    return lambda sql: sql.execute(statement, *parameters)


def asking(statement, *parameters):
    return lambda sql: sql.execute(statement, *parameters).fetchall()


async def table(tables):
    await tables.write(doing("CREATE TABLE t (n INTEGER PRIMARY KEY, told TEXT)"))


def test_what_was_written_is_read_and_is_there_when_opened_again(databases):
    async def case(tables):
        await table(tables)
        changed = await tables.write(lambda sql: sql.execute("INSERT INTO t VALUES (?, ?)", (1, "a")).rowcount)
        assert changed == 1
        await tables.write(doing("INSERT INTO t VALUES (:n, :told)", {"n": 2, "told": "b"}))
        await tables.write(lambda sql: sql.executemany("INSERT INTO t VALUES (?, ?)", [(3, "c"), (4, None)]))
        rows = [(1, "a"), (2, "b"), (3, "c"), (4, None)]
        assert await tables.read(asking("SELECT * FROM t ORDER BY n")) == rows
        assert await tables.read(lambda sql: sql.execute("SELECT n FROM t WHERE n = 9").fetchone()) is None
        assert await databases.reopen().read(asking("SELECT * FROM t ORDER BY n")) == rows

    databases.run(case)


def test_full_text_search_is_there(databases):
    async def case(tables):
        await tables.write(doing("CREATE VIRTUAL TABLE words USING fts5(text)"))
        await tables.write(doing("INSERT INTO words VALUES ('the red bicycle')"))
        assert await tables.read(asking("SELECT * FROM words WHERE words MATCH 'bicy*'")) == [("the red bicycle",)]

    databases.run(case)


def test_a_transaction_that_raises_leaves_nothing_and_the_next_one_works(databases):
    async def case(tables):
        await table(tables)

        def half(sql):
            sql.execute("INSERT INTO t VALUES (1, 'x')")
            sql.execute("CREATE TABLE other (n INTEGER)")
            raise RuntimeError("as the test wants")

        with pytest.raises(RuntimeError, match="as the test wants"):
            await tables.write(half)
        assert await tables.read(asking("SELECT * FROM t")) == []
        await tables.write(doing("INSERT INTO t VALUES (1, 'y')"))
        assert await tables.read(asking("SELECT told FROM t")) == [("y",)]

    databases.run(case)


def test_our_own_mistakes_come_as_sqlite_has_them(databases):
    async def case(tables):
        await table(tables)
        await tables.write(doing("INSERT INTO t VALUES (1, 'x')"))
        with pytest.raises(sqlite3.IntegrityError):
            await tables.write(doing("INSERT INTO t VALUES (1, 'again')"))
        with pytest.raises(sqlite3.OperationalError):
            await tables.read(asking("SELECT nothing FROM nowhere"))
        with pytest.raises(sqlite3.ProgrammingError):
            await tables.read(asking("SELECT ?", (1, 2)))
        assert await tables.read(asking("SELECT told FROM t")) == [("x",)]

    databases.run(case)


def test_a_read_may_not_write(databases):
    async def case(tables):
        await table(tables)
        with pytest.raises(Unavailable):
            await tables.read(doing("INSERT INTO t VALUES (1, 'x')"))
        await tables.write(doing("INSERT INTO t VALUES (2, 'y')"))
        assert await tables.read(asking("SELECT n FROM t")) == [(2,)]

    databases.run(case)


def test_writes_asked_at_once_are_done_in_the_order_they_were_asked(databases):
    async def case(tables):
        await tables.write(doing("CREATE TABLE log (at INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER)"))
        await asyncio.gather(
            *(tables.write(doing("INSERT INTO log (n) VALUES (?)", (number,))) for number in range(100))
        )
        assert await tables.read(asking("SELECT n FROM log ORDER BY at")) == [(number,) for number in range(100)]

    databases.run(case)


def test_readers_see_whole_transactions_while_others_write(databases):
    async def case(tables):
        await table(tables)
        await tables.write(lambda sql: sql.executemany("INSERT INTO t VALUES (?, '0')", [(n,) for n in range(20)]))
        seen = []

        async def write():
            for turn in range(1, 40):
                await tables.write(doing("UPDATE t SET told = ?", (str(turn),)))

        async def look():
            while len(seen) < 60:
                seen.append(await tables.read(asking("SELECT DISTINCT told FROM t")))

        await asyncio.gather(write(), look(), look(), look())
        assert all(len(versions) == 1 for versions in seen)
        assert await tables.read(asking("SELECT DISTINCT told FROM t")) == [("39",)]

    databases.run(case)


def test_a_write_is_read_by_whoever_asks_after_it_returned(databases):
    async def case(tables):
        await table(tables)
        for number in range(30):
            await tables.write(doing("INSERT INTO t VALUES (?, '')", (number,)))
            counts = await asyncio.gather(*(tables.read(asking("SELECT COUNT(*) FROM t")) for _ in range(4)))
            assert counts == [[(number + 1,)]] * 4

    databases.run(case)


def test_a_full_disk_refuses_the_transaction_whole_and_reads_go_on(databases):
    async def case(tables):
        await table(tables)
        await tables.write(doing("INSERT INTO t VALUES (1, 'before')"))
        databases.fill()

        def much(sql):
            for number in range(2, 60):
                sql.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 4000))

        with pytest.raises(DiskFull):
            await tables.write(much)
        assert await tables.read(asking("SELECT * FROM t")) == [(1, "before")]
        databases.mend()
        await tables.write(much)
        assert await tables.read(asking("SELECT COUNT(*) FROM t")) == [(59,)]

    databases.run(case)


# ---------------------------------------------------------------- kills


def check_after_kill(rows, acknowledged):
    halves = {}
    for number, half in rows:
        halves.setdefault(number, []).append(half)
    assert sorted(halves) in ([*range(1, acknowledged + 1)], [*range(1, acknowledged + 2)])
    assert all(sorted(found) == ["one", "other"] for found in halves.values()), "a transaction is half there"


@pytest.mark.parametrize("after", [5, 60])
def test_a_real_writer_that_is_killed_leaves_every_commit_it_was_told_of(tmp_path, after):
    path = tmp_path / "t.db"
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.contracts.tables_writer", str(path)], stdout=subprocess.PIPE, text=True
    )
    told = [int(writer.stdout.readline()) for _ in range(after)]
    writer.send_signal(signal.SIGKILL)
    told += [int(line) for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    writer.stdout.close()

    async def case():
        tables = SqliteTables(path)
        rows = await tables.read(asking("SELECT * FROM pairs"))
        tables.close()
        return rows

    check_after_kill(asyncio.run(case()), told[-1])


@pytest.mark.parametrize("after_s", [0.02, 0.3331, 1.0])
def test_a_simulated_writer_that_is_killed_leaves_every_commit_it_was_told_of(after_s):
    async def node(machine, world):
        return machine

    one = World(1, 1, node)
    told = []

    async def story():
        machine = one.machines[0]
        await one.boot(machine)
        work = asyncio.ensure_future(one.on(machine, lambda _: write_all(machine.tables, told.append), timeout_s=60))
        await asyncio.sleep(after_s)
        one.crash(machine)
        work.cancel()
        await asyncio.sleep(1)
        check_after_kill(await machine.tables.read(asking("SELECT * FROM pairs")), told[-1])

    one.run(story)
