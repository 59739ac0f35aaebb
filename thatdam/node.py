"""A node's assembly, in order, and its orderly shutdown; nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.actors.access import Access
from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.live import LiveHub
from mesh.actors.placement import LayoutView
from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem
from mesh.adapters import passwords
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.disk import FolderDisk
from mesh.adapters.executor import ThreadExecutor
from mesh.adapters.lone import LoneNetwork
from mesh.adapters.node_key import DataFolder
from mesh.adapters.tables import SqliteTables
from mesh.adapters.workers import ProcessWorkers
from proto.ids import MeshId, NodeId
from roles.daemon.recorder import Recorder
from roles.proxy.adapters import v4l2
from roles.proxy.cameras import CameraProxy
from roles.proxy.devices import DeviceLister
from roles.storage.catalogue import CatalogueServer
from roles.storage.chunks import ChunkServer
from thatdam.config import Config

DATABASE = "node.db"


class _Alone:
    """Who is there: this node."""

    def __init__(self, node: NodeId) -> None:
        self._node = node

    def alive_ids(self) -> list[NodeId]:
        return [self._node]

    def away(self) -> frozenset[NodeId]:
        return frozenset()


@dataclass
class Node:
    """A running node: what the gateway may ask."""

    node_id: NodeId
    mesh: MeshId
    data: Path
    folder: DataFolder
    system: ActorSystem
    catalogue: Catalogue
    chunks: Chunks
    store: ChunkStore
    live: LiveHub
    access: Access
    recorder: Recorder
    _tables: SqliteTables
    _executor: ThreadExecutor
    _clock: SystemClock

    @classmethod
    async def start(cls, config: Config) -> Node:
        """Assemble and start a node; port errors say in a sentence what is in the way."""
        clock, entropy = SystemClock(), SystemEntropy()
        folder = DataFolder(config.data_folder, entropy)
        try:
            return await cls._assemble(config, folder, clock, entropy)
        except BaseException:
            folder.release()
            raise

    @classmethod
    async def _assemble(cls, config: Config, folder: DataFolder, clock: SystemClock, entropy: SystemEntropy) -> Node:
        executor = ThreadExecutor(8)
        disk = FolderDisk(folder.root, executor, reserve_bytes=config.node.reserve_mb << 20)
        tables = SqliteTables(folder.root / DATABASE)
        node = folder.node_id
        mesh = MeshId(node)  # a lone node is a mesh of its own
        network = LoneNetwork()
        peers = _Alone(node)
        system = ActorSystem(node, network, clock, entropy)
        rows = RowStore(tables)
        await rows.open()
        view = LayoutView(node, peers, config.mesh.copies)
        await view.open(rows)
        catalogue = Catalogue(system, rows, view, clock)
        server = CatalogueServer(system, rows, view, clock)
        store = ChunkStore(disk, tables, executor, clock)
        await store.open()
        chunks = Chunks(system, store, view, peers, clock)
        await network.start(system)
        capacity = int(config.storage.capacity_gb * 2**30) or (await disk.usage()).total_bytes
        joining = view.joining(capacity, config.mesh.zone)
        await server.open(first_start=joining is not None)
        if joining is not None:
            await catalogue.write(joining)
        await catalogue.open()
        ChunkServer(system, store, takes=True)
        await chunks.open()
        live = LiveHub()
        key: Ed25519PrivateKey = folder.key
        access = Access(mesh, node, key.sign, lambda _: None, catalogue, passwords, clock, entropy, executor)
        devices = DeviceLister(executor, v4l2.devices)
        proxy = CameraProxy(
            system, catalogue, live, ProcessWorkers(), devices, clock, entropy, config.proxy.file_folders
        )
        await proxy.open()
        recorder = Recorder(system, catalogue, chunks, store, live, clock, entropy)
        await recorder.open()
        return cls(
            node,
            mesh,
            folder.root,
            folder,
            system,
            catalogue,
            chunks,
            store,
            live,
            access,
            recorder,
            tables,
            executor,
            clock,
        )

    def now_ms(self) -> int:
        """Give this node's UTC milliseconds since 1970."""
        return int(self._clock.wall() * 1000)

    async def stop(self) -> None:
        """Finish the takes, stop everything, release the data folder."""
        for camera in self.recorder.running():
            await self.recorder.stop(camera)
        await self.system.close()
        self._executor.close()
        self._tables.close()
        self.folder.release()
