"""A node that is read-only serves all it has and takes no chunks; another stands in, and it catches up afterwards."""

import asyncio

import pytest
from storage_cluster import assets, gone_away, mesh, until

from mesh.core.placement import partition_of
from mesh.core.query import Query
from mesh.ports import ReadOnly, Unavailable
from proto.ids import AssetId

TAKE = AssetId("t" * 26)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr("mesh.actors.copier.FULL_AGAIN_S", 0.5)
    monkeypatch.setattr("mesh.core.diskguard.AGAIN_S", 0.2)
    monkeypatch.setattr("mesh.core.diskguard.DOUBT_S", 0.1)
    monkeypatch.setattr("mesh.core.diskguard.APART_S", 0.05)


class Sick:
    """A disk and a database below a node's guard that can be made to fail: a mount that turned read-only, or errors."""

    def __init__(self, one):
        self.one, self.error, self.tried = one, None, 0
        guard = one.guard
        self.write, self.transact = guard._below.write, guard._tables_below.write
        guard._below.write, guard._tables_below.write = self._write, self._transact

    async def _write(self, path, data):
        self._fail()
        return await self.write(path, data)

    async def _transact(self, work):
        self._fail()
        return await self.transact(work)

    def _fail(self):
        if self.error is not None:
            self.tried += 1
            raise self.error


async def true(value):
    return value


def told(one):
    return one.guard.told()


async def all_copied(nodes, chunks):
    async def copied():
        return set((await nodes[0].chunks.copies(chunks)).values()) == {2} and not any(
            [await one.store.pending_count() for one in nodes]
        )

    await until(copied)


def test_by_its_operators_word_it_serves_all_and_takes_nothing_but_rows(tmp_path):
    async def main():
        async with mesh(tmp_path, 4, keep_confirmed_s=0.0) as (_, nodes):
            shut = nodes[3]
            before = [await nodes[0].chunks.put(b"before %d" % n, TAKE, copies=2) for n in range(40)]
            await all_copied(nodes, before)
            held = set(shut.store._known)
            assert held
            shut.guard._setting = True
            assert told(shut).by == "setting"
            kept = [await nodes[0].chunks.keep(b"kept %d" % n, TAKE) for n in range(30)]
            put = [await shut.chunks.put(b"put %d" % n, TAKE, copies=2) for n in range(10)]
            fresh = [*kept, *put]
            assert any(shut.node in nodes[0].view.holders(partition_of(chunk)) for chunk in fresh)
            await until(lambda: true_copies(nodes[:3], fresh))
            assert set(shut.store._known) == held
            with pytest.raises(ReadOnly, match=r"storage\.read_only"):
                await shut.chunks.keep(b"recorded here", TAKE)
            assert [await shut.store.read(chunk) for chunk in held]

            # Rows it takes, and answers for.
            await nodes[0].catalogue.write(*assets(20))
            page = await shut.catalogue.scan(Query("assets", limit=50))
            assert page.partitions_ok == page.partitions_total
            await until(lambda: journals_empty(nodes))

            shut.guard._setting = False

            async def where_they_belong():
                for each in nodes:
                    await each.chunks.copier.drop_once()
                return all(
                    {one.node for one in nodes if chunk in one.store} == set(shut.view.holders(partition_of(chunk)))
                    for chunk in fresh
                )

            await until(where_they_belong)

    asyncio.run(main())


async def true_copies(nodes, chunks):
    return all(sum(chunk in one.store for one in nodes) >= 2 for chunk in chunks)


async def journals_empty(nodes):
    return not any([await one.rows.journal_count() for one in nodes])


def test_a_mount_that_turns_read_only_is_noticed_and_what_it_knows_counts_for_nothing_until_it_caught_up(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, keep_confirmed_s=0.0) as (_, nodes):
            one, _, sick = nodes
            await one.catalogue.write(*assets(10))
            await until(lambda: journals_empty(nodes))
            disk = Sick(sick)
            disk.error = ReadOnly("the file system is read-only")
            with pytest.raises(ReadOnly):
                await sick.catalogue.write(*assets(1, first=900))
            assert told(sick).by == "disk"
            assert not told(sick).rows
            assert not sick.view.counting(), "others take what it does not"
            await one.catalogue.write(*assets(10, first=10))

            # Any node gives whole answers, this one too: the others' replicas count.
            async def whole(node):
                page = await node.catalogue.scan(Query("assets", limit=50))
                return len(page.rows) == 20 and page.partitions_ok == page.partitions_total

            for node in nodes:
                await until(lambda node=node: whole(node))
            assert await one.rows.journal_count() > 0, "it did not confirm what it could not take"

            disk.error = None
            await until(lambda: true(told(sick) is None))
            await until(lambda: journals_empty(nodes))
            await until(lambda: true(not sick.view.sync.behind()))
            shared = [part for part, share in one.view.shares().items() if {one.node, sick.node} <= set(share.holders)]
            here, there = await one.rows.digests(), await sick.rows.digests()
            assert all(here.get(part) == there.get(part) for part in shared)

    asyncio.run(main())


def test_a_replica_that_is_the_only_one_left_and_cannot_write_does_not_pass_for_whole(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (_, nodes):
            one, sick = nodes
            await one.catalogue.write(*assets(10))
            await until(lambda: journals_empty(nodes))
            disk = Sick(sick)
            disk.error = ReadOnly("the file system is read-only")
            with pytest.raises(ReadOnly):
                await sick.catalogue.write(*assets(1, first=900))
            await gone_away([sick], one)
            page = await sick.catalogue.scan(Query("assets", limit=50))
            assert len(page.rows) == 10, "all it has is shown"
            assert page.partitions_ok < page.partitions_total, "the other may have taken more before it went"

    asyncio.run(main())


def test_errors_that_go_on_make_it_read_only_and_one_alone_does_not(tmp_path):
    async def main():
        async with mesh(tmp_path, 3) as (_, nodes):
            one, other, sick = nodes
            disk = Sick(sick)
            disk.error = Unavailable("cannot write: input/output error")
            with pytest.raises(Unavailable):
                await sick.chunks.keep(b"once", TAKE)
            disk.error = None
            await asyncio.sleep(0.3)
            assert told(sick) is None
            disk.error = Unavailable("cannot write: input/output error")
            with pytest.raises(Unavailable):
                await sick.chunks.keep(b"again", TAKE)
            await until(lambda: true(told(sick) is not None))
            assert "input/output error" in told(sick).why
            kept = [await one.chunks.keep(b"part %d" % n, TAKE) for n in range(20)]
            await until(lambda: true_copies([one, other], kept))
            disk.error = None
            await until(lambda: true(told(sick) is None))
            chunk = await sick.chunks.keep(b"it goes on", TAKE)
            assert chunk in sick.store

    asyncio.run(main())


def test_what_is_found_damaged_on_a_disk_that_takes_no_writes_is_had_elsewhere_and_no_copy_any_more(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (_, nodes):
            one, sick = nodes
            chunk = await one.chunks.put(b"precious", TAKE, copies=2)
            disk = Sick(sick)
            disk.error = ReadOnly("the file system is read-only")
            sick.disk.path(f"chunks/{chunk.hex()[:2]}/{chunk.hex()}").write_bytes(b"rotten")
            assert await sick.chunks.get(chunk) == b"precious"
            assert (await one.chunks.copies([chunk]))[chunk] == 1
            disk.error = None

            async def healed():
                return chunk in sick.store and (await one.chunks.copies([chunk]))[chunk] == 2

            await until(healed)

    asyncio.run(main())


def test_where_all_are_read_only_a_put_says_so_and_where_one_is_the_other_is_enough(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (_, nodes):
            one, other = nodes
            other.guard._setting = True
            chunk = await one.chunks.put(b"on one", TAKE, copies=2)
            assert chunk in one.store
            assert chunk not in other.store
            one.guard._setting = True
            with pytest.raises(ReadOnly):
                await one.chunks.put(b"on none", TAKE, copies=2)

    asyncio.run(main())
