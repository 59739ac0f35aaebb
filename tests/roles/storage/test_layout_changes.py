"""The layout changes while all write and read: nothing is lost, and nobody answers for what it lacks."""

import asyncio

import pytest
from storage_cluster import assets, join, mesh, settled, start, stop, until

from mesh.actors.layouts import LayoutKeeper
from mesh.actors.rowstore import partition_for
from mesh.core.layouts import Order, replacing
from mesh.core.query import Query
from mesh.ports import Refused, Unavailable
from proto.ids import AssetId
from proto.messages.catalogue import Compare, PutRows

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


def holding(one, kind, sender, free):
    """What ``one`` is told or asked of a kind by a sender waits until it is let go."""
    answer = one.server.receive

    async def receive(message, context):
        if isinstance(message, kind) and context.sender == sender.node:
            await free.wait()
        return await answer(message, context)

    one.server.receive = receive


def test_one_who_does_not_know_the_mesh_yet_is_not_believed_to_have_all_its_rows(tmp_path):
    async def main():
        async with mesh(tmp_path, 3) as (fabric, nodes):
            await nodes[0].catalogue.write(*assets(50))
            await until(lambda: settled(nodes))
            old, free = list(nodes), asyncio.Event()
            new = await start(fabric, tmp_path, 3)
            nodes.append(new)
            for one in old:
                holding(one, Compare, new, free)  # it is heard of, and hears nothing
            await join(new, old)

            async def heard_of():
                return all(new.node in one.view.layout.places for one in old)

            await until(heard_of)
            for one in old:
                page = await listed(one)
                assert page.partitions_ok < ALL or len(page.rows) == 50
                for change in assets(10):
                    try:
                        assert await one.catalogue.surely("assets", change.pk) is not None
                    except Unavailable:
                        assert one.view.history.moving
            found = await old[0].catalogue.rows_of_several("assets", [change.pk for change in assets(50)])
            assert all(found.values())
            free.set()
            await until(lambda: settled(nodes))
            for one in nodes:
                page = await listed(one)
                assert (len(page.rows), page.partitions_ok) == (50, ALL)

    asyncio.run(main())


@pytest.mark.parametrize("passed_on", [False, True])
def test_what_one_writes_who_does_not_know_the_new_layout_is_not_said_to_be_readable_before_its_owners_have_it(
    tmp_path, passed_on
):
    async def main():
        async with mesh(tmp_path, 3, copies=1) as (_, nodes):
            writer, former, owner = nodes
            deaf, slow = asyncio.Event(), asyncio.Event()
            for one in (former, owner):
                holding(writer, PutRows, one, deaf)
                holding(one, Compare, writer, deaf)
            before = {part: share.owners for part, share in owner.view.shares().items()}
            await change(owner, Order(former.node, state="draining"))

            async def synced():
                return owner.view.history.token == former.view.history.token and owner.view.synced()

            await until(synced)
            assert writer.view.history.token != owner.view.history.token
            if not passed_on:
                holding(owner, PutRows, former, slow)
            rows = [
                row
                for row in assets(200)
                if before[part := partition_for("assets", row.pk)] == (former.node,)
                and owner.view.owners(part) == (owner.node,)
            ]
            cursor = await writer.catalogue.write(*rows)
            page = await owner.catalogue.scan(Query("assets", limit=1000, after=cursor))
            assert page.stale or page.partitions_ok < ALL or len(page.rows) == len(rows)
            deaf.set()
            slow.set()
            await until(lambda: settled(nodes))
            page = await owner.catalogue.scan(Query("assets", limit=1000, after=cursor))
            assert (page.stale, page.partitions_ok, len(page.rows)) == (False, ALL, len(rows))

    asyncio.run(main())


@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_written_after_a_move_is_not_said_to_be_readable_while_the_former_owner_answers_and_has_not_heard(
    tmp_path, monkeypatch, restarted
):
    async def nothing(keeper, history):
        """What it would write the former owner could not hear either."""

    monkeypatch.setattr(LayoutKeeper, "_prune", nothing)

    async def main():
        async with mesh(tmp_path, 3, copies=1) as (fabric, nodes):
            former, *others = nodes
            owner, writer = sorted(others, key=lambda one: one.node)  # the first settles it
            deaf = asyncio.Event()
            before = {part: share.owners for part, share in owner.view.shares().items()}
            for one in nodes:
                one.view.may_settle = lambda: False
            await change(former, Order(former.node, state="draining"))

            async def told():
                now = former.view.history.now
                ready = [one.view.history.may_settle(1, frozenset()) for one in nodes if one.view.history.now is now]
                return len(ready) == 3 and all(ready) and not any([await one.rows.journal_count() for one in nodes])

            await until(told)
            for one in (owner, writer):
                holding(former, PutRows, one, deaf)
                holding(one, Compare, former, deaf)
            del owner.view.may_settle

            async def over():
                return not owner.view.history.moving and not writer.view.history.moving

            await until(over)
            assert former.view.history.moving
            if restarted:
                await stop(writer)
                nodes.remove(writer)
                writer = await start(fabric, tmp_path, writer.number, copies=1)
                nodes.append(writer)
                holding(former, PutRows, writer, deaf)
                holding(writer, Compare, former, deaf)
                await join(writer, nodes)
            rows = [
                row
                for row in assets(200)
                if before[part := partition_for("assets", row.pk)] == (former.node,)
                and writer.view.owners(part) == (owner.node,)
            ]
            cursor = await writer.catalogue.write(*rows)

            async def given():
                return len(await owner.rows.every("assets")) == len(rows)

            await until(given)
            for one in (former, owner):
                page = await one.catalogue.scan(Query("assets", limit=1000, after=cursor))
                assert page.stale or page.partitions_ok < ALL or len(page.rows) == len(rows)
            deaf.set()
            await until(lambda: settled(nodes))
            page = await former.catalogue.scan(Query("assets", limit=1000, after=cursor))
            assert (page.stale, page.partitions_ok, len(page.rows)) == (False, ALL, len(rows))

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
