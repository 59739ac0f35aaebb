"""Tombstones go once nobody can have missed them, from all owners, and nothing that was deleted comes back."""

import asyncio

from storage_cluster import join, mesh, settled, start, stop, until

from mesh.actors.chunks import dereference, reference
from mesh.core.collection import Graces
from mesh.core.rows import Change

SOON = Graces(200, 200)
SCENE = ("scenes", "asset1", "000000000001")


async def pruned(nodes, times=3):
    for _ in range(times):
        for one in nodes:
            await one.pruner.pass_once()
        await asyncio.sleep(0.3)


async def tombstones(nodes):
    return [await one.rows.dead_count() for one in nodes]


async def everywhere(nodes, key):
    return [bool(await one.rows.get(*key)) for one in nodes]


def test_tombstones_go_from_all_owners_and_those_of_assets_stay(tmp_path):
    async def main():
        async with mesh(tmp_path, 2, 2, graces=SOON) as (_, nodes):
            one = nodes[0].catalogue
            await one.write(*(Change("scenes", f"asset{n}", "1", set={"end_ms": n}) for n in range(20)))
            await one.write(Change("assets", "asset1", set={"name": "a"}))
            await one.write(*(Change("scenes", f"asset{n}", "1", delete=True) for n in range(19)))
            await one.write(Change("assets", "asset1", delete=True))
            await until(lambda: settled(nodes))
            assert await tombstones(nodes) == [19, 19]
            before = await nodes[0].rows.count()
            await until(lambda: gone(nodes))
            assert await nodes[0].rows.count() == before - 19
            for node in nodes:
                await node.server.comparer.compare_once()
            assert await nodes[0].rows.digests() == await nodes[1].rows.digests()
            assert await tombstones(nodes) == [0, 0]
            assert [row.pk for row in await nodes[1].catalogue.rows("scenes", "asset19")] == ["asset19"]
            assert (await nodes[1].rows.get("assets", "asset1", ""))[0].dead is not None

    async def gone(nodes):
        await pruned(nodes, 1)
        return await tombstones(nodes) == [0, 0]

    asyncio.run(main())


def test_a_node_that_has_not_heard_of_a_deletion_holds_its_tombstone_up_is_named_and_brings_nothing_back(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, 3, graces=SOON) as (fabric, nodes):
            first, second, third = nodes
            await first.catalogue.write(Change(*SCENE, set={"end_ms": 5}))
            await until(lambda: settled(nodes))
            await stop(third)
            await first.catalogue.write(Change(*SCENE, delete=True))
            await asyncio.sleep(0.3)
            await pruned([first, second], 4)
            assert await everywhere([first, second], SCENE) == [True, True]
            again = await start(fabric, tmp_path, 2, 3, graces=SOON)
            await join(again, [first, second])
            back = [first, second, again]
            await until(lambda: settled(back))
            await until(lambda: gone(back))
            for one in back:
                await one.server.comparer.compare_once()
            assert await everywhere(back, SCENE) == [False, False, False]
            await stop(again)

    async def gone(nodes):
        await pruned(nodes, 1)
        return not any(await everywhere(nodes, SCENE))

    asyncio.run(main())


def test_a_reference_s_tombstone_stays_while_its_chunk_is_here(tmp_path):
    async def main():
        async with mesh(tmp_path, 1, 1, graces=Graces(200, 200)) as (_, [one]):
            chunk = await one.chunks.put(b"bytes", "asset1", copies=1)
            await one.catalogue.write(reference(chunk, "asset1", 5))
            await one.catalogue.write(dereference(chunk, "asset1"))
            await asyncio.sleep(0.3)
            await pruned([one])
            assert await everywhere([one], ("references", chunk.hex(), "asset1")) == [True]
            await one.store.remove(chunk)
            await pruned([one])
            assert await everywhere([one], ("references", chunk.hex(), "asset1")) == [False]

    asyncio.run(main())
