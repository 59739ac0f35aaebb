"""Chunks between real networks with a bulk lane: what breaks or is given up leaves nothing, and goes on otherwise."""

import asyncio
import os

import pytest
from blake3 import blake3

from mesh.actors.chunkstore import ChunkStore
from mesh.actors.chunkwire import fetch_chunk, give_chunk
from mesh.actors.system import ActorSystem
from mesh.adapters.bulk.lane import BulkLane
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.disk import FolderDisk
from mesh.adapters.executor import ThreadExecutor
from mesh.adapters.quic.network import QuicNetwork
from mesh.adapters.tables import SqliteTables
from mesh.ports import Flow
from proto.ids import AssetId, ChunkId
from roles.storage.chunks import ChunkServer
from tests.mesh.adapters.quic_world import identity, until

ASSET = AssetId("a" * 26)
DATA = os.urandom(4 << 20)
CHUNK = ChunkId(blake3(DATA).digest())


class Holder:
    """A node that gives and takes chunks, on a disk of its own."""

    def __init__(self, folder):
        folder.mkdir()
        clock, entropy = SystemClock(), SystemEntropy()
        self.folder, self.executor, self.tables = folder, ThreadExecutor(), SqliteTables(folder / "node.db")
        self.store = ChunkStore(FolderDisk(folder, self.executor), self.tables, self.executor, clock)
        me = identity()
        lane = BulkLane(0, entropy)
        self.node = me.node
        self.network = QuicNetwork(me, ("127.0.0.1", 0), clock, entropy, lambda _: None, bulk=lane)
        self.system = ActorSystem(me.node, self.network, clock, entropy)
        ChunkServer(self.system, self.store, None, takes=True)

    async def start(self):
        await self.store.open()
        await self.network.start(self.system)
        return self

    def files(self):
        return [path for name in ("tmp", "chunks") for path in (self.folder / name).rglob("*") if path.is_file()]

    async def close(self):
        await self.system.close()
        await self.network.close()
        self.tables.close()
        self.executor.close()


def run(tmp_path, case):
    async def main():
        one, other = await Holder(tmp_path / "one").start(), await Holder(tmp_path / "other").start()
        try:
            await one.network.dial(other.network.listening()[0], other.node)
            await until(lambda: other.network.links())
            async with asyncio.timeout(20):
                await case(one, other, one.network.links()[other.node].bulk)
        finally:
            await one.close()
            await other.close()

    asyncio.run(main())


def give(one, other):
    return give_chunk(one.system, other.node, CHUNK, DATA, ASSET, Flow.BULK)


def pieces(monkeypatch, after):
    """Have ``after`` called once bytes of the chunk have come."""
    real = ChunkStore.__contains__

    def asked(store, chunk):
        asyncio.get_running_loop().call_later(0.005, after)
        return real(store, chunk)

    monkeypatch.setattr(ChunkStore, "__contains__", asked)


def test_a_put_that_is_given_up_half_way_leaves_no_file_and_the_next_one_succeeds(tmp_path, monkeypatch):
    async def case(one, other, pool):
        task = asyncio.ensure_future(give(one, other))
        pieces(monkeypatch, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        monkeypatch.undo()
        await asyncio.sleep(0.05)
        assert (other.files(), CHUNK in other.store) == ([], False)
        await give(one, other)
        assert CHUNK in other.store
        assert await fetch_chunk(one.system, one.store.hash, other.node, CHUNK) == DATA
        assert pool.streams == 3

    run(tmp_path, case)


def test_a_put_whose_connection_breaks_goes_by_another(tmp_path, monkeypatch):
    async def case(one, other, pool):
        broken = []

        def cut():
            if not broken:
                broken.extend(pool._dialled)
                for turns in broken:
                    turns.wire._transport.abort()

        pieces(monkeypatch, cut)
        await give(one, other)
        assert broken
        assert CHUNK in other.store
        assert len(other.files()) == 1

    run(tmp_path, case)


def test_a_known_chunk_is_answered_before_its_bytes_and_the_connection_serves_on(tmp_path):
    async def case(one, other, pool):
        for _ in range(3):
            await give(one, other)
        assert await fetch_chunk(one.system, one.store.hash, other.node, CHUNK) == DATA
        assert len(pool._dialled) == 1

    run(tmp_path, case)
