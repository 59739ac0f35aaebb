"""Rows and chunks on several nodes: written anywhere, read anywhere, whole again after a node was gone."""

import asyncio
import random

import pytest
from storage_cluster import mesh, start, stop, until

from mesh.actors.chunks import reference
from mesh.actors.chunkstore import path_of
from mesh.core.query import Query, Where
from mesh.core.rows import Change
from mesh.ports import Corrupt, NotFound, Unavailable
from proto.ids import AssetId, ChunkId, NodeId
from roles.storage import repair
from simulations.world.network import FakeFabric

ASSET = AssetId("a" * 26)


def assets(count, first=0):
    return [
        Change("assets", f"{number:026d}", set={"name": f"clip {number}", "size_bytes": number, "kind": "video"})
        for number in range(first, first + count)
    ]


def test_rows_written_on_one_node_are_listed_by_every_other_and_none_holds_all(tmp_path):
    async def main():
        async with mesh(tmp_path) as (_, nodes):
            await nodes[0].catalogue.write(*assets(60))
            page = await nodes[0].catalogue.scan(Query("assets", order="size_bytes", limit=100))
            assert len(page.rows) == 60  # its own writes at once

            async def all_listed():
                pages = [await one.catalogue.scan(Query("assets", limit=100)) for one in nodes]
                return all(len(page.rows) == 60 and page.partitions_ok == 1024 for page in pages)

            await until(all_listed)

            async def settled():
                return not any([await one.rows.kept() for one in nodes])

            await until(settled)
            held = [len(await one.rows.every("assets")) for one in nodes]
            assert sum(held) == 120
            assert max(held) < 60
            first = await nodes[1].catalogue.scan(Query("assets", order="size_bytes", descending=False, limit=25))
            rest = await nodes[2].catalogue.scan(
                Query("assets", order="size_bytes", descending=False, limit=100, page=first.next)
            )
            assert [row.fields["size_bytes"] for row in (*first.rows, *rest.rows)] == list(range(60))
            found = await nodes[2].catalogue.scan(Query("assets", (Where("size_bytes", "ge", 50),), text="clip 5"))
            assert sorted(row.fields["size_bytes"] for row in found.rows) == list(range(50, 60))
            assert (await nodes[1].catalogue.get("assets", f"{7:026d}")).fields["name"] == "clip 7"

    asyncio.run(main())


def test_both_sides_of_a_partition_go_on_and_then_agree(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (fabric, nodes):
            one, other = nodes
            await one.catalogue.write(*assets(5))
            fabric.cut(one.node, other.node)
            await one.catalogue.write(Change("assets", f"{1:026d}", set={"name": "from one"}, add={"tags": ("a",)}))
            await other.catalogue.write(Change("assets", f"{2:026d}", set={"name": "from the other"}), *assets(3, 10))
            fabric.heal()
            await one.network.dial(other.network.listening()[0])

            async def agree():
                return (await one.rows.digests()) == (await other.rows.digests()) and not await one.rows.kept()

            await until(agree)
            for node in nodes:
                assert len((await node.catalogue.scan(Query("assets"))).rows) == 8
                row = await node.catalogue.get("assets", f"{1:026d}")
                assert (row.fields["name"], row.sets["tags"]) == ("from one", ("a",))

    asyncio.run(main())


def test_with_a_pair_of_holders_gone_the_answer_says_how_much_is_missing(tmp_path):
    async def main():
        async with mesh(tmp_path, 4) as (_, nodes):
            await nodes[0].catalogue.write(*assets(40))

            async def settled():
                return not any([await one.rows.kept() for one in nodes])

            await until(settled)
            for gone in nodes[2:]:
                await gone.network.close()
            page = await nodes[0].catalogue.scan(Query("assets", limit=100))
            assert 0 < page.partitions_ok < page.partitions_total == 1024
            assert len(page.rows) < 40

    asyncio.run(main())


def test_a_put_is_on_two_nodes_and_any_node_gets_it(tmp_path):
    async def main():
        async with mesh(tmp_path) as (_, nodes):
            data = random.Random(1).randbytes(3 << 20)
            chunk = await nodes[0].chunks.put(data, ASSET, copies=2)
            assert sum(chunk in one.store for one in nodes) == 2
            for one in nodes:
                assert await one.chunks.get(chunk) == data
                assert await one.chunks.get(chunk, 10, 5) == data[10:15]
                assert (await one.chunks.copies([chunk]))[chunk] == 2
            with pytest.raises((NotFound, Unavailable)):
                await nodes[0].chunks.get(type(chunk)(bytes(32)))

    asyncio.run(main())


def test_what_was_kept_here_is_copied_and_a_stand_in_takes_over_for_a_node_that_is_away(tmp_path):
    async def main():
        async with mesh(tmp_path) as (_, nodes):
            made = [await nodes[0].chunks.keep(bytes([n]) * 1000, ASSET) for n in range(20)]

            async def copied():
                counts = await nodes[0].chunks.copies(made)
                return min(counts.values()) >= 2 and nodes[0].chunks.lag().chunks == 0

            await until(copied)
            gone = nodes[2]
            await gone.network.close()
            for one in nodes[:2]:
                one.peers.gone = frozenset({gone.node})

            async def stood_in():
                return all(chunk in one.store for chunk in made for one in nodes[:2])

            await until(stood_in)

    asyncio.run(main())


def test_a_damaged_chunk_is_never_served_and_is_healed_from_its_copy(tmp_path):
    async def main():
        async with mesh(tmp_path) as (_, nodes):
            data = b"precious" * 1000
            chunk = await nodes[0].chunks.put(data, ASSET, copies=2)
            holder = next(one for one in nodes if chunk in one.store)
            path = holder.disk.path(path_of(chunk))
            path.write_bytes(b"X" + path.read_bytes()[1:])
            assert await holder.chunks.get(chunk) == data
            assert holder.store.quarantined == 1
            assert path.read_bytes() == data

    asyncio.run(main())


def test_what_no_node_has_keeps_nothing_else_from_being_healed_and_is_counted(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (_, nodes):
            one = nodes[0]
            chunk = await one.chunks.put(b"precious" * 1000, ASSET, copies=2)
            lost = [ChunkId(b"\0" * 30 + number.to_bytes(2, "big")) for number in range(repair.HEAL_BATCH + 5)]
            await one.catalogue.write(*(reference(gone, ASSET, 2000) for gone in lost))
            await one.store.want(lost)
            one.disk.path(path_of(chunk)).unlink()
            with pytest.raises(Corrupt):
                await one.store.read(chunk)
            for _ in range(2):
                await one.repair.heal_once()
            assert chunk in one.store
            told = await one.repair.report()
            assert (told.chunks_damaged, told.chunks_unfound) == (len(lost), len(lost))

    asyncio.run(main())


def test_a_node_comes_back_with_what_it_had(tmp_path):
    async def main():
        fabric = FakeFabric(0.0005)
        one = await start(fabric, tmp_path, 1)
        chunk = await one.chunks.keep(b"part", ASSET)
        await one.catalogue.write(*assets(3))
        await stop(one)
        again = await start(fabric, tmp_path, 1)
        assert await again.chunks.get(chunk) == b"part"
        page = await again.catalogue.scan(Query("assets"))
        assert (len(page.rows), page.partitions_ok) == (3, 1024)
        assert NodeId(again.node) in again.view.layout.places
        await stop(again)
        await fabric.close()

    asyncio.run(main())
