"""The layout changes while all write and read: nothing is lost, and nobody answers for what it lacks."""

import asyncio

import pytest
from storage_cluster import assets, join, mesh, settled, start, stop, until

from mesh.core.layouts import Order, replacing
from mesh.core.query import Query
from mesh.ports import Refused
from proto.ids import AssetId

ASSET = AssetId("a" * 26)
ALL = 1024


async def listed(one):
    return await one.catalogue.scan(Query("assets", limit=1000))


async def change(one, *orders):
    await one.keeper.apply(await one.keeper.plan(orders))


async def reading(nodes, written, failures, stop):
    """Whoever is asked has everything that was written before, or says that its answer is not whole."""
    while not stop.is_set():
        for one in nodes:
            before = len(written)
            page = await listed(one)
            if page.partitions_ok == ALL and not page.stale and len(page.rows) < before:
                failures.append((one.number, len(page.rows), before))
        await asyncio.sleep(0.01)


async def writing(nodes, written, stop):
    number = 0
    while not stop.is_set() and number < 900:
        one = nodes[number % len(nodes)]
        cursor = await one.catalogue.write(*assets(1, number))
        number += 1
        # Readable everywhere, or the reader is told that it may not be.
        for other in nodes:
            page = await other.catalogue.scan(Query("assets", limit=1, after=cursor))
            if page.stale:
                break
        else:
            written.append(number)
        await asyncio.sleep(0.02)


def test_when_the_only_owner_of_every_partition_changes_no_answer_passes_for_whole_without_its_rows(tmp_path):
    async def main():
        async with mesh(tmp_path, 2, copies=1) as (_, nodes):
            await nodes[0].catalogue.write(*assets(200))
            await until(lambda: settled(nodes))
            one, other = nodes
            seen = []
            await change(one, Order(one.node, state="draining"))
            async with asyncio.timeout(60):
                while one.view.history.moving or other.view.history.moving or not await settled(nodes):
                    for node in nodes:
                        page = await listed(node)
                        seen.append((len(page.rows), page.partitions_ok))
                    await asyncio.sleep(0.005)
            assert all(rows == 200 for rows, ok in seen if ok == ALL), seen
            assert any(ok == ALL for _, ok in seen), "the former owner answers meanwhile"

            async def moved():
                await one.repair.hand_over_once()
                return not await one.rows.every("assets") and len(await other.rows.every("assets")) == 200

            await until(moved)
            assert (len((await listed(one)).rows), (await listed(other)).partitions_ok) == (200, ALL)

    asyncio.run(main())


def test_a_node_is_added_one_drained_and_one_weighed_anew_while_all_write_and_read(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=2, keep_confirmed_s=0.0) as (fabric, nodes):
            chunks = [await nodes[0].chunks.put(b"chunk %d" % n, ASSET, copies=2) for n in range(80)]
            failures, written, stop = [], [], asyncio.Event()
            live = list(nodes)
            tasks = [
                asyncio.create_task(reading(live, written, failures, stop)),
                asyncio.create_task(writing(live, written, stop)),
            ]
            new = await start(fabric, tmp_path, 3, keep_confirmed_s=0.0)
            nodes.append(new)
            await join(new, nodes[:3])

            async def reached():
                tokens = {one.view.history.token for one in nodes}
                return len(tokens) == 1 and not new.view.history.moving and len(new.view.layout.places) == 4

            await until(reached)
            drained = nodes[0]
            await change(nodes[1], Order(drained.node, state="draining"), Order(new.node, capacity_bytes=2 << 30))
            for chunk in chunks:
                assert await nodes[2].chunks.get(chunk)
            await until(reached)
            await asyncio.sleep(0.3)
            async with asyncio.timeout(60):  # a slow machine takes its time, and has written as much
                while len(written) <= 20:
                    await asyncio.sleep(0.05)
            stop.set()
            await asyncio.gather(*tasks)
            assert not failures
            await until(lambda: settled(nodes))

            async def empty():
                for one in nodes:
                    await one.repair.hand_over_once()
                    await one.chunks.copier.drop_once()
                counts = await nodes[2].chunks.copies(chunks)
                left = len(drained.store) + len(await drained.rows.every("assets"))
                return not left and set(counts.values()) == {2}

            await until(empty)
            for chunk in chunks:
                for one in nodes:
                    assert (await one.chunks.get(chunk)).startswith(b"chunk ")

    asyncio.run(main())


def test_what_is_written_by_one_who_does_not_know_the_new_layout_reaches_its_owners(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=1) as (fabric, nodes):
            one, other, writer = nodes
            await until(lambda: settled(nodes))
            fabric.cut(writer.node, one.node)
            fabric.cut(writer.node, other.node)
            await writer.catalogue.write(*assets(100))
            await change(one, Order(other.node, state="draining"))
            await asyncio.sleep(1.0)
            fabric.heal()
            await join(writer, [one, other])
            await until(lambda: settled(nodes))

            async def whole():
                pages = [await listed(node) for node in nodes]
                return all((len(page.rows), page.partitions_ok) == (100, ALL) for page in pages)

            await until(whole)
            assert not [part for part, share in one.view.shares().items() if other.node in share.owners]

    asyncio.run(main())


def test_two_changes_on_two_sides_of_a_partition_both_stand_afterwards(tmp_path):
    async def main():
        async with mesh(tmp_path, 4) as (fabric, nodes):
            await nodes[0].catalogue.write(*assets(100))
            await until(lambda: settled(nodes))
            for one in nodes[:2]:
                for other in nodes[2:]:
                    fabric.cut(one.node, other.node)
            await change(nodes[0], Order(nodes[1].node, zone="attic"))
            await change(nodes[3], Order(nodes[2].node, capacity_bytes=3 << 30))
            fabric.heal()
            for at, one in enumerate(nodes):
                await join(one, nodes[:at])
            await until(lambda: settled(nodes))
            for one in nodes:
                places = one.view.layout.places
                assert (places[nodes[1].node].zone, places[nodes[2].node].capacity_bytes) == ("attic", 3 << 30)
                page = await listed(one)
                assert (len(page.rows), page.partitions_ok) == (100, ALL)

    asyncio.run(main())


def test_a_plan_on_a_layout_that_changed_meanwhile_is_refused_and_a_change_is_taken_back(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (_, nodes):
            await until(lambda: settled(nodes))
            one, other = nodes
            late = await one.keeper.plan([Order(one.node, zone="a")])
            await change(one, Order(other.node, zone="b"))
            with pytest.raises(Refused):
                await one.keeper.apply(late)
            with pytest.raises(Refused):
                await one.keeper.plan([Order(node.node, state="draining") for node in nodes])
            await one.keeper.apply(await one.keeper.plan_back())
            assert one.view.layout.places[other.node].zone == ""
            await until(lambda: settled(nodes))

    asyncio.run(main())


def test_a_node_that_takes_anothers_place_gets_its_partitions_and_nothing_else_moves(tmp_path):
    async def main():
        async with mesh(tmp_path, 3) as (_, nodes):
            await until(lambda: settled(nodes))
            old, new, third = nodes
            await change(third, Order(new.node, state="draining"))
            await until(lambda: settled(nodes))
            before = {part: share.owners for part, share in third.view.shares().items()}
            await change(third, *replacing(old.node, new.node))
            await until(lambda: settled(nodes))
            for part, share in third.view.shares().items():
                assert share.owners == tuple(new.node if node == old.node else node for node in before[part])

    asyncio.run(main())


def test_versions_that_are_over_everywhere_are_pruned_and_a_restart_knows_the_same_layout(tmp_path):
    async def main():
        async with mesh(tmp_path, 3) as (fabric, nodes):
            for size in (2, 3, 4):
                await change(nodes[0], Order(nodes[0].node, capacity_bytes=size << 30))
                await until(lambda: settled(nodes))
            now = nodes[0].view.history.now

            async def pruned():
                return all(set(one.view.history.versions) == {now.id, *now.parents} for one in nodes)

            await until(pruned)
            bodies = [e.row().fields.get("body") for e in await nodes[1].rows.every("layout") if e.pk == "version"]
            assert sum(body is not None for body in bodies) == 2 < len(bodies)
            token = nodes[0].view.history.token
            await stop(nodes[2])
            nodes[2] = await start(fabric, tmp_path, 2)
            assert nodes[2].view.history.token == token
            await join(nodes[2], nodes)
            await until(lambda: settled(nodes))
            assert nodes[2].view.history.now.id == now.id
            await change(nodes[2], Order(nodes[1].node, capacity_bytes=9 << 30))
            await until(lambda: settled(nodes))
            await nodes[0].keeper.apply(await nodes[0].keeper.plan_back())
            await until(lambda: settled(nodes))

    asyncio.run(main())
