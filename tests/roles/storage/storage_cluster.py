"""Several nodes of storage in one process, over a network in memory, real disks and databases."""

import asyncio
import random
from contextlib import asynccontextmanager
from types import SimpleNamespace

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.clockguard import MeshClock
from mesh.actors.diskguard import StorageGuard
from mesh.actors.files import Files
from mesh.actors.layouts import LayoutKeeper
from mesh.actors.placement import LayoutView
from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem
from mesh.adapters.clock import SystemClock
from mesh.adapters.disk import FolderDisk
from mesh.adapters.executor import ThreadExecutor
from mesh.adapters.tables import SqliteTables
from mesh.core.collection import Graces
from mesh.core.rows import Change
from proto.ids import node_id_of
from roles.storage.catalogue import CatalogueServer
from roles.storage.chunks import ChunkServer
from roles.storage.collector import Collector
from roles.storage.pruner import Pruner
from roles.storage.repair import Repair
from roles.storage.trash import Trash
from simulations.world.network import FakeFabric, FakeNetwork


class Seeded:
    def __init__(self, seed):
        self._chance = random.Random(seed)

    def token(self, size):
        return self._chance.randbytes(size)

    def uniform(self, low, high):
        return self._chance.uniform(low, high)


class Skewed(SystemClock):
    """A machine whose clock is off by some seconds."""

    def __init__(self, off_s=0.0):
        self.off_s = off_s

    def wall(self):
        return super().wall() + self.off_s


class Peers:
    """Alive is who this node has a link to; away is what the test says."""

    def __init__(self, node, network):
        self.node, self.network, self.gone = node, network, frozenset()

    def alive_ids(self):
        return sorted([self.node, *self.network.links()])

    def away(self):
        return self.gone - set(self.alive_ids())


LONG = Graces(86_400_000, 86_400_000)


async def start(
    fabric,
    folder,
    number,
    copies=2,
    *,
    stores=True,
    off_s=0.0,
    keep_confirmed_s=60.0,
    graces=LONG,
    admitted=(),
    capacity=1 << 30,
    zone="",
    move_bytes_s=0.0,
):
    node = node_id_of(bytes([number + 1]) * 32)
    network = FakeNetwork(fabric, node, ("10.0.0.1", 8000 + number))
    machine, entropy, executor = Skewed(off_s), Seeded(number), ThreadExecutor(2)
    clock = MeshClock(machine)
    system = ActorSystem(node, network, clock, entropy)
    peers = Peers(node, network)
    folder = folder / str(number)
    disk = FolderDisk(folder, executor)
    tables = SqliteTables(folder / "node.db")
    guard = StorageGuard(disk, tables, clock)
    rows = RowStore(guard.tables)
    await rows.open()
    view = LayoutView(node, peers, copies)
    await view.open(rows)
    guard.watch(lambda: view.writable(not guard.refuses_rows()))
    guard.open(system.supervisor)
    catalogue = Catalogue(system, rows, view, clock)
    server = CatalogueServer(system, rows, view, clock)
    store = ChunkStore(guard.disk, guard.tables, executor, clock, guard.refuses_chunks)
    await store.open()
    chunks = Chunks(system, store, view, peers, clock, keep_confirmed_s=keep_confirmed_s, move_bytes_s=move_bytes_s)
    await network.start(system)
    clock.open(system, network)
    ChunkServer(system, store, chunks.copier, takes=stores, view=view)
    await server.open()
    joining = view.joining(capacity, zone, int(clock.wall() * 1000)) if stores else None
    if joining is not None:
        await catalogue.write(joining)
    await catalogue.open()
    await chunks.open()
    repair = Repair(system, rows, store, view, chunks, clock)
    await repair.open()
    files = Files(catalogue, chunks, executor, lambda: copies, clock, graces.idle_ms / 1000)
    keeper = LayoutKeeper(system, rows, catalogue, view, executor, lambda: int(clock.wall() * 1000))
    if stores:
        keeper.open()
    collector = Collector(system, rows, store, view, peers, catalogue, lambda: admitted, clock, graces)
    trash = Trash(system, rows, catalogue, files, view, collector, clock, graces.idle_ms)
    pruner = Pruner(system, rows, view, peers, collector, clock)
    return SimpleNamespace(
        files=files,
        pruner=pruner,
        collector=collector,
        keeper=keeper,
        trash=trash,
        number=number,
        node=node,
        network=network,
        system=system,
        peers=peers,
        rows=rows,
        view=view,
        catalogue=catalogue,
        server=server,
        store=store,
        chunks=chunks,
        repair=repair,
        clock=clock,
        machine=machine,
        tables=tables,
        disk=disk,
        guard=guard,
        executor=executor,
        stopped=False,
    )


async def stop(one):
    if one.stopped:
        return
    one.stopped = True
    await one.network.close()
    await one.system.close()
    one.tables.close()
    one.executor.close()


async def join(one, others):
    for other in others:
        if other is not one and not other.stopped:
            await one.network.dial(other.network.listening()[0])


async def until(condition, timeout_s=60.0):
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.05)


@asynccontextmanager
async def mesh(folder, count=3, copies=2, **more):
    fabric = FakeFabric(0.0005)
    nodes = [await start(fabric, folder, number, copies, **more) for number in range(count)]
    for at, one in enumerate(nodes):
        await join(one, nodes[:at])
    await until(lambda: settled(nodes))
    try:
        yield fabric, nodes
    finally:
        for one in nodes:
            await stop(one)
        await fabric.close()


async def settled(nodes):
    """All know one layout, which is reached; all replicas count, nothing waits to be passed on."""
    up = [one for one in nodes if not one.stopped]
    versions = {one.view.history.token for one in up}
    if any(one.view.history.moving or len(one.view.history.heads) > 1 for one in up):
        return False
    kept = [await one.rows.journal_count() for one in up]
    return len(versions) == 1 and not any(kept) and not any(one.view.sync.behind() for one in up)


async def gone_away(nodes, *gone):
    """Nodes are dead for so long that the others take over."""
    for one in gone:
        await stop(one)
    for one in nodes:
        one.peers.gone = frozenset(other.node for other in gone)


def assets(count, first=0, **fields):
    return [
        Change(
            "assets",
            f"{number:026d}",
            set={"name": f"clip {number}", "size_bytes": number, "kind": "video", **fields},
        )
        for number in range(first, first + count)
    ]
