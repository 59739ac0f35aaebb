"""A node's assembly, in order, and its orderly shutdown; nothing else."""

from __future__ import annotations

import dataclasses
import platform
from dataclasses import dataclass
from pathlib import Path

from mesh.actors.access import Access
from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.live import LiveHub
from mesh.actors.membership import Members
from mesh.actors.memory import DiskMemory
from mesh.actors.placement import LayoutView
from mesh.actors.roster import Roster
from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem
from mesh.adapters import passwords
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.disk import FolderDisk
from mesh.adapters.executor import ThreadExecutor
from mesh.adapters.mdns import MdnsDiscovery
from mesh.adapters.node_key import DataFolder
from mesh.adapters.quic.addresses import is_loopback
from mesh.adapters.quic.network import QuicNetwork
from mesh.adapters.tables import SqliteTables
from mesh.adapters.workers import ProcessWorkers
from mesh.ports import Host, Refused
from proto.ids import MeshId, NodeId
from proto.messages.membership import NodeInfo
from roles.daemon.recorder import Recorder
from roles.proxy.adapters import v4l2
from roles.proxy.cameras import CameraProxy
from roles.proxy.devices import DeviceLister
from roles.storage.catalogue import CatalogueServer
from roles.storage.chunks import ChunkServer
from thatdam import __version__, capabilities, identity
from thatdam.config import Config, parse_host
from thatdam.identity import Standing
from thatdam.reports import Overview, Reporter

DATABASE = "node.db"


@dataclass
class Node:
    """A running node: what the gateway may ask."""

    node_id: NodeId
    mesh: MeshId
    name: str
    roles: dict[str, tuple[bool, str]]
    standing: Standing
    data: Path
    folder: DataFolder
    system: ActorSystem
    network: QuicNetwork
    members: Members
    overview: Overview
    reporter: Reporter
    view: LayoutView
    catalogue: Catalogue
    chunks: Chunks
    store: ChunkStore
    live: LiveHub
    access: Access
    recorder: Recorder
    _discovery: MdnsDiscovery | None
    _tables: SqliteTables
    _executor: ThreadExecutor
    _clock: SystemClock

    @classmethod
    async def start(cls, config: Config, http_url: str = "") -> Node:
        """Assemble and start a node; port errors say in a sentence what is in the way.

        ``http_url`` is where other machines can open this node's viewer; empty when they cannot.
        """
        clock, entropy = SystemClock(), SystemEntropy()
        folder = DataFolder(config.data_folder, entropy)
        executor = ThreadExecutor(8)
        try:
            standing = await identity.settle(folder, config.secret, executor, entropy, clock.wall())
            return await cls._assemble(config, http_url, folder, standing, executor, clock, entropy)
        except BaseException:
            executor.close()
            folder.release()
            raise

    @classmethod
    async def _assemble(
        cls,
        config: Config,
        http_url: str,
        folder: DataFolder,
        standing: Standing,
        executor: ThreadExecutor,
        clock: SystemClock,
        entropy: SystemEntropy,
    ) -> Node:
        node, mesh = folder.node_id, standing.identity.mesh
        name = config.node.name or platform.node() or node[:8]
        roles = capabilities.choose(config.node.roles, capabilities.this_machine(folder.root))
        taken = tuple(role for role, (yes, _) in roles.items() if yes)
        disk = FolderDisk(folder.root, executor, reserve_bytes=config.node.reserve_mb << 20)
        tables = SqliteTables(folder.root / DATABASE)
        rows = RowStore(tables)
        await rows.open()
        roster = Roster(mesh, standing.identity.authority, clock)
        await roster.open(rows)
        bind = _bind(config, standing)
        network = QuicNetwork(
            standing.identity,
            bind,
            clock,
            entropy,
            roster.revoked,
            tuple(parse_host(text, "mesh.advertise") for text in config.mesh.advertise),
            datagram_bytes=config.mesh.datagram_bytes,
        )
        system = ActorSystem(node, network, clock, entropy)
        capacity = int(config.storage.capacity_gb * 2**30) or (await disk.usage()).total_bytes
        info = NodeInfo(name, (), http_url, taken, config.mesh.zone, capacity, __version__)
        members = Members(
            system,
            network,
            clock,
            entropy,
            tuple(parse_host(text, "mesh.join") for text in config.mesh.join),
            info,
            DiskMemory(disk),
            away_after_s=config.mesh.away_after_s,
        )
        view = LayoutView(node, members, config.mesh.copies)
        await view.open(rows)
        catalogue = Catalogue(system, rows, view, clock)
        server = CatalogueServer(system, rows, view, clock)
        store = ChunkStore(disk, tables, executor, clock)
        await store.open()
        chunks = Chunks(system, store, view, members, clock)
        stores = "storage" in taken
        joining = view.joining(capacity, config.mesh.zone) if stores else None
        await server.open(first_start=joining is not None)
        if joining is not None:
            await catalogue.write(joining)
        if standing.authority is not None:
            entering = roster.entering(node, standing.authority, taken, config.mesh.zone)
            if entering is not None:
                await catalogue.write(entering)
        await catalogue.open()
        ChunkServer(system, store, takes=stores)
        await chunks.open()
        live = LiveHub()
        access = Access(
            mesh, node, standing.identity.sign, roster.refused, catalogue, passwords, clock, entropy, executor
        )
        devices = DeviceLister(executor, v4l2.devices)
        proxy = CameraProxy(
            system, catalogue, live, ProcessWorkers(), devices, clock, entropy, config.proxy.file_folders
        )
        recorder = Recorder(system, catalogue, chunks, store, live, clock, entropy)
        reasons = {role: why for role, (_, why) in roles.items()}
        reporter = Reporter(system, clock, disk, store, rows, chunks, reasons)
        await network.start(system)
        members.update(_reachable(info, network))
        await members.start()
        await proxy.open()
        await recorder.open()
        discovery = None
        if config.mesh.mdns and not standing.alone and not is_loopback(bind[0]):
            discovery = MdnsDiscovery(node, mesh, network.listening)
            await discovery.start(members.found)
        return cls(
            node,
            mesh,
            name,
            roles,
            standing,
            folder.root,
            folder,
            system,
            network,
            members,
            Overview(system, members, network),
            reporter,
            view,
            catalogue,
            chunks,
            store,
            live,
            access,
            recorder,
            discovery,
            tables,
            executor,
            clock,
        )

    def now_ms(self) -> int:
        """Give this node's UTC milliseconds since 1970."""
        return int(self._clock.wall() * 1000)

    async def stop(self) -> None:
        """Finish the takes, say goodbye, stop everything, release the data folder."""
        for camera in self.recorder.running():
            await self.recorder.stop(camera)
        if self._discovery is not None:
            await self._discovery.close()
        await self.members.leave()
        await self.system.close()
        await self.network.close()
        self._executor.close()
        self._tables.close()
        self.folder.release()


def _bind(config: Config, standing: Standing) -> Host:
    if config.mesh.join and standing.alone:
        raise Refused(
            "--join needs the secret of the mesh to join: set THATDAM_SECRET (one that `thatdam secret` made) on both"
        )
    host = config.mesh.host or ("127.0.0.1" if standing.alone else "0.0.0.0")  # noqa: S104 - peers prove themselves
    return host, config.mesh.port


def _reachable(info: NodeInfo, network: QuicNetwork) -> NodeInfo:
    return dataclasses.replace(info, addresses=tuple(network.listening()))
