"""A take's small parts are packed by one of the nodes that hold it, and nothing of it is lost whoever dies."""

import asyncio
import random

from storage_cluster import join, mesh, settled, stop, until

from mesh.actors.chunks import reference
from mesh.core.rows import Change
from mesh.ports import Unavailable
from proto.ids import AssetId, ChunkId
from roles.media.timeline import Entry, Page, timeline
from roles.storage.packer import Packer

TAKE = AssetId("t" * 26)
PART_BYTES = 30_000


def packer(one):
    return Packer(one.system, one.rows, one.catalogue, one.chunks, one.view, one.clock)


async def record(one, first, count, *, ended=True, source=0):
    """Keep parts and write a page for every four, as a recorder does."""
    chance = random.Random(source)
    init = await one.chunks.keep(b"init", TAKE)
    made, entries = {}, []
    for number in range(first + count):
        data = chance.randbytes(PART_BYTES)
        if number < first:
            continue
        chunk = await one.chunks.keep(data, TAKE)
        made[number // 4, number % 4] = data
        start = number * 500_000
        entries.append(
            Entry(chunk, len(data), 7, number // 4, number % 4, number % 4 == 0, start, 500_000, 10**12 + start)
        )
    for at in range(0, len(entries), 4):
        page = Page(TAKE, init, 4, (), tuple(entries[at : at + 4]))
        await one.catalogue.write(
            reference(init, TAKE, 4),
            *(reference(entry.chunk, TAKE, entry.size) for entry in page.entries),
            Change("pages", TAKE, page.name(), set={"body": page.pack()}),
        )
    state = "ready" if ended else "recording"
    await one.catalogue.write(Change("assets", TAKE, set={"kind": "take", "state": state, "size_bytes": 1}))
    return made


async def pages_of(one):
    return [Page.unpack(row.fields["body"]) for row in await one.catalogue.rows("pages", TAKE)]


async def read_back(one):
    line = timeline(await pages_of(one))
    return {
        (placed.entry.group, placed.entry.part): await one.chunks.get(
            ChunkId(placed.entry.chunk), placed.entry.offset, placed.entry.size
        )
        for placed in line.parts
    }


async def live_references(one, chunks):
    return [chunk for chunk in chunks if await one.catalogue.get("references", chunk.hex(), TAKE) is not None]


def test_one_holder_packs_a_take_and_every_part_reads_as_before(tmp_path):
    async def main():
        async with mesh(tmp_path) as (_, nodes):
            made = await record(nodes[0], 0, 160)
            single = {entry.chunk for page in await pages_of(nodes[0]) for entry in page.entries}
            await until(lambda: settled(nodes))
            packed = [await packer(one).pack(TAKE) for one in nodes]
            assert sorted(packed) == [0, 0, 2]
            await until(lambda: settled(nodes))
            for one in nodes:
                pages = await pages_of(one)
                assert len(pages) == 2
                chunks = {entry.chunk for page in pages for entry in page.entries}
                assert len(chunks) == 2
                assert await live_references(one, single) == []
                assert len(await live_references(one, chunks)) == 2
                assert await read_back(one) == made
                assert (await one.catalogue.get("assets", TAKE)).fields["packed"] is True
                assert await packer(one).pack(TAKE) == 0

    asyncio.run(main())


def test_a_take_that_runs_is_packed_up_to_its_open_stretch_and_late_parts_are_too(tmp_path):
    async def main():
        async with mesh(tmp_path, 1) as (_, nodes):
            one = nodes[0]
            made = await record(one, 0, 160, ended=False)
            worker = packer(one)
            assert await worker.pack(TAKE) == 1
            assert len(await pages_of(one)) == 1 + 10
            made |= await record(one, 160, 12)
            assert await worker.pack(TAKE) == 1
            late = await record(one, 172, 8)
            assert await worker.pack(TAKE) == 1
            assert await read_back(one) == made | late
            assert len(await pages_of(one)) == 3

    asyncio.run(main())


def test_two_that_pack_at_once_and_one_that_fails_half_way_lose_nothing(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (fabric, nodes):
            one, other = nodes
            made = await record(one, 0, 40)
            await until(lambda: settled(nodes))
            fabric.cut(one.node, other.node)
            # Each side of the partition goes on: another recorder's parts on one, packing on both.
            made |= await record(other, 40, 24, source=0)
            for node in nodes:
                put = node.chunks.put

                async def unavailable(*args, **more):
                    raise Unavailable("nobody takes it")

                node.chunks.put = unavailable
                failed = packer(node)
                try:
                    await failed.pack(TAKE)
                except Unavailable:
                    pass
                else:
                    raise AssertionError("it cannot have packed")
                node.chunks.put = put
                assert len(await pages_of(node)) >= 10, "nothing was removed before the packed page was there"

                async def here(data, asset, *, copies, keep=node.chunks.keep):
                    return await keep(data, asset)

                node.chunks.put = here
                node.view.copies_wanted = 1
                assert await Alone(node).pack(TAKE) == 1
                node.view.copies_wanted = 2
            fabric.heal()
            await join(one, [other])
            await until(lambda: settled(nodes))

            async def whole():
                return [await read_back(node) for node in nodes] == [made, made]

            await until(whole)
            assert len(await pages_of(one)) == 2

    asyncio.run(main())


class Alone(Packer):
    """Packs whatever the others do, as both sides of a partition may."""

    def __init__(self, one):
        super().__init__(one.system, one.rows, one.catalogue, one.chunks, one.view, one.clock)

    def _is_mine(self, take):
        return True


def test_when_the_first_holder_dies_the_next_one_packs(tmp_path):
    async def main():
        async with mesh(tmp_path) as (_, nodes):
            made = await record(nodes[0], 0, 40)
            await until(lambda: settled(nodes))

            async def copied():
                chunks = [entry.chunk for page in await pages_of(nodes[0]) for entry in page.entries]
                return min((await nodes[0].chunks.copies(chunks)).values()) >= 2

            await until(copied)
            workers = {one.node: packer(one) for one in nodes}
            for worker in workers.values():
                worker.open()
            first = next(one for one in nodes if workers[one.node]._is_mine(TAKE))
            await stop(first)
            rest = [one for one in nodes if one is not first]

            async def packed():
                return len(await pages_of(rest[0])) == 1

            await until(packed)
            assert await read_back(rest[1]) == made

    asyncio.run(main())
