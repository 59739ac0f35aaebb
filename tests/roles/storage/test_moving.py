"""What only moves goes at the rate that is set; what has too few copies, and what came just now, waits for nothing."""

import asyncio

from storage_cluster import gone_away, mesh, settled, until

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


async def _true(value):
    return value
