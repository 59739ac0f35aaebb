"""A node killed at any step of storing, scrubbing and collecting loses nothing acknowledged and serves nothing half."""

import asyncio
import random

import pytest

from mesh.actors.chunks import dereference, reference
from mesh.actors.chunkstore import ChunkStore, path_of
from mesh.actors.rowstore import RowStore
from mesh.adapters.clock import SystemClock
from mesh.core.rows import apply
from mesh.ports import NotFound, PortError
from proto.ids import PARTITIONS, AssetId, ChunkId, PartitionId
from simulations.world.disk import FakeDisk
from simulations.world.entropy import SeededEntropy
from simulations.world.executor import InlineExecutor
from simulations.world.tables import FakeTables

ASSET = AssetId("a" * 26)
ALL = {PartitionId(number) for number in range(PARTITIONS)}
STEPS = 60
"""More steps than any of the stories takes."""


class Killed(Exception):
    """The machine is off."""


class Machine:
    """A disk and a database that are cut off after so many steps; each write or removal is one before and one after."""

    def __init__(self):
        chance = SeededEntropy(1, "disk")
        self.disk = FakeDisk(chance)
        self.tables = FakeTables(self.disk)
        self.left = None
        for owner, name in ((self.disk, "write"), (self.disk, "delete"), (self.tables, "write")):
            setattr(owner, name, self._cut(getattr(owner, name)))

    def _cut(self, real):
        async def step(*args):
            self._count()
            given = await real(*args)
            self._count()
            return given

        return step

    def _count(self):
        if self.left is not None:
            if self.left == 0:
                raise Killed
            self.left -= 1

    async def boot(self):
        self.left = None
        store = ChunkStore(self.disk, self.tables, InlineExecutor(), SystemClock())
        await store.open()
        rows = RowStore(self.tables)
        await rows.open()
        return store, rows


async def write(rows, *changes):
    made = []
    for change in changes:
        key = (change.table, change.pk, change.sk)
        standing = await rows.get(*key)
        stamp = rows.hlc.tick(1_800_000_000_000)
        made.append((apply(standing[0] if standing else None, change, (stamp, "n")), stamp))
    await rows.write(lambda _: made, {})


async def collect(store):
    await store.review(b"", 100, ALL, 1)
    for idle in await store.idle((0, b""), 100, 1 << 62, 1 << 62):
        await store.collect(idle)


async def story_of_storing(machine, store, rows, acknowledged, data):
    for part in data:
        chunk = await store.add(part, ASSET, alone=True)
        acknowledged[chunk] = part
        await write(rows, reference(chunk, ASSET, len(part)))


async def story_of_collecting(machine, store, rows, acknowledged, data):
    for part in data:
        chunk = await store.add(part, ASSET)
        await write(rows, reference(chunk, ASSET, len(part)))
        acknowledged[chunk] = part
    gone = list(acknowledged)[::2]
    for chunk in gone:
        del acknowledged[chunk]
    await write(rows, *(dereference(chunk, ASSET) for chunk in gone))
    await collect(store)
    again = data[0]
    chunk = await store.add(again, ASSET)
    await write(rows, reference(chunk, ASSET, len(again)))
    acknowledged[chunk] = again
    await collect(store)


async def story_of_scrubbing(machine, store, rows, acknowledged, data):
    """What rots is put aside; a copy brings it back, as repair does."""
    chunks = [await store.add(part, ASSET) for part in data]
    await write(rows, *(reference(chunk, ASSET, 2) for chunk in chunks))
    acknowledged.update(zip(chunks[1:], data[1:], strict=True))
    name = path_of(chunks[0])
    machine.disk.files[name] = bytes([machine.disk.files[name][0] ^ 1]) + machine.disk.files[name][1:]
    with pytest.raises(PortError):
        await store.read(chunks[0])
    await store.add(data[0], ASSET, chunks[0])
    acknowledged[chunks[0]] = data[0]


@pytest.mark.parametrize("story", [story_of_storing, story_of_collecting, story_of_scrubbing])
def test_a_kill_at_any_step_loses_nothing_acknowledged_and_serves_nothing_half(story):
    async def main():
        chance = random.Random(3)
        data = [chance.randbytes(500) for _ in range(5)]
        ended = 0
        for step in range(STEPS):
            machine = Machine()
            store, rows = await machine.boot()
            acknowledged = {}
            machine.left = step
            try:
                await story(machine, store, rows, acknowledged, data)
                ended += 1
            except Killed:
                machine.tables.crash()
            store, rows = await machine.boot()
            for chunk, part in acknowledged.items():
                assert await store.read(chunk) == part, step
            on_disk = {name.rpartition("/")[2] for name in machine.disk.files if name.startswith("chunks/")}
            for name in on_disk:
                chunk = ChunkId(bytes.fromhex(name))
                assert chunk in store, "bytes a crash left are taken in, or freed"
                try:
                    assert await store.hash(await store.read(chunk)) == chunk
                except (NotFound, PortError):
                    assert chunk not in acknowledged
            await collect(store)
            for chunk, part in acknowledged.items():
                if await rows.get("references", chunk.hex(), ASSET):
                    assert await store.read(chunk) == part, step
        assert ended, "the last runs got to their end"

    asyncio.run(main())
