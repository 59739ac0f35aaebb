"""What only moves goes at the rate that is set; what has too few copies, and what came just now, waits for nothing."""

import asyncio
from collections import Counter

from storage_cluster import gone_away, join, mesh, settled, start, stop, until

from mesh.actors import copier
from mesh.actors.chunks import reference
from mesh.core.layouts import Order
from proto.ids import AssetId

ASSET = AssetId("a" * 26)
SIZE = 10_000
CRAWL = 100.0
"""Bytes a second at which nothing but the first chunk moves while a test runs."""


async def kept(nodes, count=60):
    chunks = [await nodes[0].chunks.put(bytes([number]) * SIZE, ASSET, copies=2) for number in range(count)]

    async def copied():
        return set((await nodes[0].chunks.copies(chunks)).values()) == {2} and not any(
            [await one.store.pending_count() for one in nodes]
        )

    await until(copied)
    return chunks


async def drain(nodes, gone):
    await nodes[1].keeper.apply(await nodes[1].keeper.plan([Order(gone.node, state="draining")]))
    await until(lambda: settled(nodes))


def given(nodes):
    return sum(one.chunks.moving().moved_bytes for one in nodes)


def test_what_moves_off_a_drained_node_waits_and_what_comes_meanwhile_does_not(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=2, move_bytes_s=CRAWL) as (_, nodes):
            await kept(nodes)
            before = given(nodes)
            await drain(nodes, nodes[2])
            await until(lambda: _true(given(nodes) > before))
            fresh = [await nodes[0].chunks.keep(b"fresh %d" % number * 100, ASSET) for number in range(20)]

            async def safe():
                return min((await nodes[0].chunks.copies(fresh)).values()) == 2

            await until(safe, 20.0)
            assert given(nodes) - before <= 2 * SIZE, "a chunk of each giver, for the rate allows no second one"
            assert min(one.chunks.moving().looked_at for one in nodes[:2]) < 1

    asyncio.run(main())


def test_what_has_too_few_copies_does_not_wait_for_the_rate_of_moving(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=2, move_bytes_s=CRAWL) as (_, nodes):
            chunks = await kept(nodes)
            await gone_away(nodes[:2], nodes[2])

            async def mended():
                return set((await nodes[0].chunks.copies(chunks)).values()) == {2}

            await until(mended, 30.0)

    asyncio.run(main())


def test_what_lost_a_copy_while_others_move_does_not_queue_behind_them(tmp_path):
    async def main():
        async with mesh(tmp_path, 4, copies=2, move_bytes_s=CRAWL) as (_, nodes):
            chunks = await kept(nodes)
            before = given(nodes)
            await drain(nodes, nodes[3])
            await until(lambda: _true(given(nodes) > before))
            rest = [nodes[0], nodes[1], nodes[3]]
            lost = [chunk for chunk in chunks if chunk in nodes[2].store]
            assert len(lost) > 5
            await gone_away(rest, nodes[2])
            await until(
                lambda: _true(all(sum(chunk in one.store for one in rest) >= 2 for chunk in lost)),
                30.0,
            )
            assert given(rest) - before <= 6 * SIZE

    asyncio.run(main())


def test_a_change_that_is_taken_back_ends_what_was_waiting_to_move(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=2, move_bytes_s=CRAWL) as (_, nodes):
            await kept(nodes)
            before = given(nodes)
            await drain(nodes, nodes[2])
            await until(lambda: _true(given(nodes) > before))
            await nodes[1].keeper.apply(await nodes[1].keeper.plan_back())
            await until(lambda: _true(all(one.chunks.moving().looked_at == 1 for one in nodes)), 30.0)
            assert given(nodes) - before <= 4 * SIZE

    asyncio.run(main())


def test_without_a_rate_everything_moves_at_once_and_is_counted(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=2) as (_, nodes):
            await kept(nodes)
            before, had = given(nodes), len(nodes[2].store)
            await drain(nodes, nodes[2])
            await until(lambda: _true(all(one.chunks.moving().looked_at == 1 for one in nodes)))
            assert given(nodes) - before == had * SIZE

    asyncio.run(main())


def test_more_copies_than_before_are_made_at_the_rate_of_moving_and_what_is_short_waits_for_nothing(tmp_path):
    async def main():
        async with mesh(tmp_path, 4, copies=2, move_bytes_s=CRAWL) as (_, nodes):
            chunks = await kept(nodes)
            await until(lambda: _true(all(one.chunks.moving().looked_at == 1 for one in nodes)))
            before = given(nodes)
            for one in nodes:
                one.view.copies_wanted = 3
            await until(lambda: _true(given(nodes) > before))
            fresh = [await nodes[0].chunks.keep(b"fresh %d" % number * 100, ASSET) for number in range(20)]
            await until(lambda: least(nodes, fresh, 3), 20.0)
            assert given(nodes) - before <= 4 * SIZE, "a chunk of each giver, for the rate allows no second one"
            rest, lost = nodes[:3], [chunk for chunk in chunks if chunk in nodes[3].store]
            assert len(lost) > 5
            await gone_away(rest, nodes[3])
            await until(lambda: least(rest, lost, 2), 30.0)
            assert given(rest) - before <= 6 * SIZE

    asyncio.run(main())


async def least(nodes, chunks, count):
    return all(sum(chunk in one.store for one in nodes) >= count for chunk in chunks)


async def referred(nodes, chunks):
    there = [await one.store.referred(list(chunks)) for one in nodes]
    return all(sum(chunk in one for one in there) >= 2 for chunk in chunks)


def test_what_moves_is_not_fetched_beside_its_rate_by_who_is_to_hold_it(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=2, move_bytes_s=CRAWL) as (_, nodes):
            chunks = await kept(nodes)
            await nodes[0].catalogue.write(*(reference(chunk, ASSET, SIZE) for chunk in chunks))
            await until(lambda: referred(nodes, chunks))
            before, had = given(nodes), [len(one.store) for one in nodes[:2]]
            await drain(nodes, nodes[2])
            await until(lambda: _true(given(nodes) > before))
            for one in nodes[:2]:
                for other in nodes:
                    if other is not one:
                        await one.repair.compare_with(other.node)
                await one.repair.heal_once()
            assert sum(len(one.store) for one in nodes[:2]) - sum(had) <= 4

    asyncio.run(main())


def test_a_giver_that_is_killed_half_way_goes_on_at_its_restart_and_gives_nothing_again_that_had_arrived(
    tmp_path, monkeypatch
):
    rate = 8 * SIZE
    gives, give = Counter(), copier.give_chunk

    async def counted(system, node, chunk, *more):
        await give(system, node, chunk, *more)
        gives[chunk] += 1

    monkeypatch.setattr(copier, "give_chunk", counted)

    async def main():
        # One copy: what is on the drained node nobody else can give.
        async with mesh(tmp_path, 3, copies=1, move_bytes_s=rate) as (fabric, nodes):
            for number in range(90):
                await nodes[0].chunks.put(bytes([number]) * SIZE, ASSET, copies=1)
            giver, takers = nodes[2], nodes[:2]
            leaving = {chunk for chunk in giver.store._known if chunk not in takers[0].store}
            assert len(leaving) > 15
            gives.clear()
            await takers[1].keeper.apply(await takers[1].keeper.plan([Order(giver.node, state="draining")]))

            def arrived():
                return {chunk for chunk in leaving if any(chunk in one.store for one in takers)}

            await until(lambda: _true(len(arrived()) >= 5))
            await stop(giver)
            before = arrived()
            assert len(before) < len(leaving) - 5, "it was killed half-way"
            again = await start(fabric, tmp_path, giver.number, 1, move_bytes_s=rate)
            nodes[2] = again
            await join(again, takers)
            await until(lambda: _true(arrived() == leaving))
            await until(lambda: settled(nodes))
            assert max(gives[chunk] for chunk in leaving) == 1
            assert again.chunks.moving().moved_bytes == SIZE * (len(leaving) - len(before))

    asyncio.run(main())


async def _true(value):
    return value
