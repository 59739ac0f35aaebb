"""Copies of an asset as the nodes tell them, while nodes die, return, fill up and lose chunks."""

import asyncio

import pytest
from storage_cluster import gone_away, join, mesh, settled, start, stop, until

from mesh.core.placement import partition_of
from mesh.ports import DiskFull, NotFound
from proto.ids import AssetId

TAKE, FILE = AssetId("t" * 26), AssetId("f" * 26)


async def copies(one, asset=TAKE):
    return (await one.chunks.copies_of([asset]))[asset]


def becomes(nodes, count, asset=TAKE):
    async def all_say():
        return all([(await copies(one, asset)).copies == count for one in nodes])

    return until(all_say)


async def at_risk(nodes):
    reports = [await one.chunks.copier.told_of_all() for one in nodes]
    return sum(one.short for one in reports), sum(one.repairing for one in reports)


def reaches(nodes, wanted):
    async def reached():
        return await at_risk(nodes) == wanted

    return until(reached)


def test_a_capture_is_one_of_two_until_it_is_copied_and_everybody_says_so(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (fabric, nodes):
            recorder = await start(fabric, tmp_path, 4, stores=False)
            nodes.append(recorder)
            await join(recorder, nodes[:2])
            await until(lambda: settled(nodes))
            for one in nodes[:2]:
                fabric.cut(recorder.node, one.node)
            for number in range(5):
                await recorder.chunks.keep(b"part %d" % number, TAKE)
            assert (await copies(recorder)).copies is None, "alone it cannot tell what the others have"
            assert recorder.chunks.lag().chunks == 5
            fabric.heal()
            await join(recorder, nodes[:2])
            await becomes(nodes, 2)
            assert (await copies(nodes[0])).short == 0
            assert (await copies(nodes[0], FILE)).copies == 0
            assert recorder.chunks.lag().chunks == 0

    asyncio.run(main())


def test_what_nobody_needs_is_not_told_as_waiting_for_its_second_copy(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (fabric, nodes):
            recorder = await start(fabric, tmp_path, 4, stores=False)
            nodes.append(recorder)
            await join(recorder, nodes[:2])
            await until(lambda: settled(nodes))
            for one in nodes[:2]:
                fabric.cut(recorder.node, one.node)
            parts = [await recorder.chunks.keep(b"part %d" % number, TAKE) for number in range(5)]
            now_ms = int(recorder.clock.wall() * 1000)
            idle = [(parts[0], now_ms - 120_000), (parts[1], now_ms - 120_000), (parts[2], now_ms)]
            await recorder.tables.write(lambda sql: sql.executemany("INSERT INTO idle VALUES (?, ?, x'')", idle))
            recorder.store.changed.set()

            async def three():
                return recorder.chunks.lag().chunks == 3

            await until(three)
            lag = recorder.chunks.lag()
            assert lag.bytes == 3 * len(b"part 0")
            assert lag.seconds > 0

    asyncio.run(main())


def test_copies_and_what_is_at_risk_follow_a_node_that_dies_is_replaced_and_returns(tmp_path):
    async def main():
        async with mesh(tmp_path, 4, keep_confirmed_s=0.0) as (fabric, nodes):
            chunks = [await nodes[0].chunks.put(b"chunk %d" % n, TAKE, copies=2) for n in range(40)]
            await becomes(nodes, 2)
            await reaches(nodes, (0, 0))
            dead, rest = nodes[3], nodes[:3]
            theirs = sum(chunk in dead.store for chunk in chunks)
            assert theirs
            await stop(dead)
            await becomes(rest, 1)
            await reaches(rest, (theirs, 0))
            assert (await copies(rest[1])).short > 0

            await gone_away(rest, dead)
            await becomes(rest, 2)
            await reaches(rest, (0, 0))

            back = nodes[3] = await start(fabric, tmp_path, 3, keep_confirmed_s=0.0)
            await join(back, rest)
            for one in rest:
                one.peers.gone = frozenset()

            async def stand_ins_let_go():
                for one in nodes:
                    await one.chunks.copier.drop_once()
                return sum(chunk in one.store for chunk in chunks for one in nodes) == 80

            await until(stand_ins_let_go)
            await becomes(nodes, 2)

    asyncio.run(main())


def test_with_every_holder_of_some_partition_gone_the_count_is_not_guessed(tmp_path):
    async def main():
        async with mesh(tmp_path, 3) as (_, nodes):
            await nodes[0].chunks.put(b"whole", TAKE, copies=2)
            await becomes(nodes, 2)
            await stop(nodes[1])
            await stop(nodes[2])

            async def unknown():
                return (await copies(nodes[0])).copies is None

            await until(unknown)

    asyncio.run(main())


def test_a_chunk_lost_on_one_node_is_one_copy_less_until_it_is_healed(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (_, nodes):
            chunk = await nodes[0].chunks.put(b"precious", TAKE, copies=2)
            await becomes(nodes, 2)
            fetch = nodes[0].chunks.fetch

            async def nothing(*args):
                raise NotFound("not now")

            nodes[0].chunks.fetch = nothing
            path = nodes[0].disk.path(f"chunks/{chunk.hex()[:2]}/{chunk.hex()}")
            path.write_bytes(b"rotten")
            await nodes[0].repair.scrub_once()
            await becomes(nodes, 1)
            nodes[0].chunks.fetch = fetch
            await becomes(nodes, 2)

    asyncio.run(main())


def full(one):
    async def write(path, data):
        raise DiskFull("the disk is full")

    write, one.disk.write = one.disk.write, write
    return write


def test_a_holder_whose_disk_is_full_has_the_next_node_keep_its_copy(tmp_path, monkeypatch):
    monkeypatch.setattr("mesh.actors.copier.FULL_AGAIN_S", 0.5)

    async def main():
        async with mesh(tmp_path, 3, keep_confirmed_s=0.0) as (_, nodes):
            one, other, filled = nodes
            write = full(filled)
            kept = [await one.chunks.keep(b"part %d" % n, TAKE) for n in range(30)]
            mine = [c for c in kept if set(one.view.holders(partition_of(c))) == {one.node, filled.node}]
            assert mine

            async def two_copies():
                return all(chunk in one.store and chunk in other.store for chunk in mine) and await lag(one) == 0

            await until(two_copies)
            assert len(filled.store) == 0
            filled.disk.write = write

            async def where_they_belong():
                for each in nodes:
                    await each.chunks.copier.drop_once()
                return all(chunk in filled.store and chunk not in other.store for chunk in mine)

            await until(where_they_belong)
            await becomes(nodes, 2)

    asyncio.run(main())


async def lag(one):
    return one.chunks.lag().chunks


def test_a_put_goes_on_to_the_next_node_and_leaves_nothing_where_the_disk_is_full(tmp_path):
    async def main():
        async with mesh(tmp_path, 3) as (_, nodes):
            full(nodes[0])
            made = [await nodes[0].chunks.put(b"data %d" % n, FILE, copies=2) for n in range(10)]
            assert all(chunk in one.store for chunk in made for one in nodes[1:])
            with pytest.raises(DiskFull):
                await nodes[0].chunks.keep(b"a part", TAKE)
            assert len(nodes[0].store) == 0
            assert not list((nodes[0].disk.root / "tmp").iterdir())
            full(nodes[1])
            full(nodes[2])
            with pytest.raises(DiskFull):
                await nodes[0].chunks.put(b"no room", FILE, copies=2)

    asyncio.run(main())


def test_bytes_whose_row_could_not_be_written_are_not_left_on_the_disk(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (_, nodes):
            write = nodes[0].tables.write

            async def refuse(work):
                raise DiskFull("the disk of the database is full")

            nodes[0].tables.write = refuse
            with pytest.raises(DiskFull):
                await nodes[0].chunks.keep(b"a part", TAKE)
            nodes[0].tables.write = write
            assert not [path for path in (nodes[0].disk.root / "chunks").rglob("*") if path.is_file()]

    asyncio.run(main())
