"""A node's assembly, in order, and its orderly shutdown; nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mesh.actors.access import Access
from mesh.actors.admission import Admission, Door, Papers
from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.clockguard import Judge, MeshClock
from mesh.actors.diskguard import StorageGuard
from mesh.actors.events import EventLog
from mesh.actors.files import Files
from mesh.actors.grants import Grants
from mesh.actors.inspection import Inspector
from mesh.actors.jobs import JobRunner, Jobs
from mesh.actors.layouts import LayoutKeeper
from mesh.actors.live import LiveHub
from mesh.actors.membership import Members
from mesh.actors.memory import DiskMemory
from mesh.actors.placement import LayoutView
from mesh.actors.records import Records
from mesh.actors.relay import Relay
from mesh.actors.roster import Roster
from mesh.actors.rowstore import RowStore
from mesh.actors.search import Search
from mesh.actors.system import ActorSystem
from mesh.actors.tombstones import Tombstones
from mesh.adapters.quic.addresses import is_loopback
from mesh.core.collection import Graces
from mesh.core.vouching import Signatures
from mesh.ports import Discovery, Disk, Network, PortError
from proto.ids import MeshId, NodeId
from proto.messages.membership import NodeInfo
from roles.daemon.recorder import Recorder
from roles.encoder.analysis import Analyst
from roles.encoder.content import Contents
from roles.encoder.embedding import Choice
from roles.encoder.encoder import Encoder, MeshModels
from roles.encoder.ingest import Ingest
from roles.encoder.media_work import KEPT_S, MediaWork
from roles.proxy.cameras import CameraProxy
from roles.proxy.devices import DeviceLister
from roles.proxy.recordings import Recordings
from roles.proxy.replaying import Replaying
from roles.storage.catalogue import CatalogueServer
from roles.storage.chunks import ChunkServer
from roles.storage.collector import Collector
from roles.storage.leases import LeaseServer
from roles.storage.packer import Packer
from roles.storage.pruner import Pruner
from roles.storage.referring import refer_again
from roles.storage.repair import Repair
from roles.storage.shards import Shards
from roles.storage.trash import Trash
from roles.storage.waiting import WaitingCounts
from thatdam import __version__, capabilities, world
from thatdam.config import Config
from thatdam.identity import Standing
from thatdam.pulse import Pulse
from thatdam.reports import Overview, Reporter
from thatdam.sides import told as told_of_sides
from thatdam.world import Ports, Safe

ADDRESSES_LOOK_S = 5.0
"""How often this machine's addresses are looked at."""
HAND_OVER_S, HAND_OVER_STUCK_S = 15.0, 2.0
"""How long a node that stops goes on copying what only it has, and how long without getting on."""
_NAME = "node.name"


@dataclass
class Node:
    """A running node: what the gateway may ask."""

    node_id: NodeId
    mesh: MeshId
    name: str
    roles: dict[str, tuple[bool, str]]
    standing: Standing
    data: Path
    safe: Safe
    system: ActorSystem
    network: Network
    members: Members
    relay: Relay
    roster: Roster
    grants: Grants
    admission: Admission
    overview: Overview
    reporter: Reporter
    pulse: Pulse
    view: LayoutView
    layouts: LayoutKeeper
    catalogue: Catalogue
    chunks: Chunks
    store: ChunkStore
    guard: StorageGuard
    repair: Repair
    collector: Collector
    trash: Trash
    live: LiveHub
    access: Access
    recorder: Recorder
    recordings: Recordings
    files: Files
    contents: Contents
    ingest: Ingest
    search: Search
    encoder: Encoder | None
    packer: Packer | None
    shards: Shards | None
    leases: LeaseServer | None
    runner: JobRunner | None
    jobs: Jobs
    events: EventLog
    _records: Records
    _disk: Disk
    _discovery: Discovery | None
    _clock: MeshClock
    _papers: Papers
    _close_ports: Callable[[], None]
    _copied: Callable[[], str]
    _before_stop: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    @classmethod
    async def start(cls, config: Config, http_url: str = "") -> Node:
        """Start a node on this machine; port errors say in a sentence what is in the way.

        ``http_url`` is where other machines can open this node's viewer; empty when they cannot.
        """
        ports = await world.real(config)
        try:
            return await cls.assemble(config, ports, http_url)
        except BaseException:
            ports.close()
            raise

    @classmethod
    async def assemble(cls, config: Config, ports: Ports, http_url: str = "") -> Node:
        """Assemble a node on its ports and start it. The ports stay the caller's until it has started."""
        clock = MeshClock(ports.clock)
        entropy, executor = ports.entropy, ports.executor
        guard = StorageGuard(ports.disk, ports.tables, clock, read_only=config.storage.read_only)
        disk, tables = guard.disk, guard.tables
        standing = ports.standing
        node, mesh = standing.identity.node, standing.identity.mesh
        roles = capabilities.granted(
            capabilities.choose(config.node.roles, ports.machine), config.node.roles, standing.granted
        )
        taken = tuple(role for role, (yes, _) in roles.items() if yes)
        rows = RowStore(tables)
        await rows.open()
        name = await _named(config.node.name, rows) or ports.name or node[:8]
        records = Records(disk, tables, rows, executor, mesh, node)
        came_back = await records.open()
        judge = Judge(clock)
        roster = Roster(mesh, standing.identity.authority, judge, Tombstones(disk, rows))
        await roster.open(rows)
        await clock.recall(rows, lambda: len(roster.members()))
        door = Door()
        network = ports.network(roster.revoked, door.redeem, judge)
        roster.watch_revoked(lambda gone: network.drop(gone, "revoked"))
        system = ActorSystem(node, network, clock, entropy)
        system.supervisor.run("roster/tombstones", roster.keep)
        capacity = int(config.storage.capacity_gb * 2**30) or (await disk.usage()).total_bytes
        grants = Grants(node, roster, clock)
        roster.watch_members(grants.changed)
        system.guard(grants)
        info = NodeInfo(name, (), http_url, taken, config.mesh.zone, capacity, __version__)
        members = Members(
            system,
            network,
            clock,
            entropy,
            (*config.seeds, *standing.met),
            info,
            DiskMemory(disk),
            Signatures(standing.identity.sign),
            away_after_s=config.mesh.away_after_s,
            as_granted=grants.as_granted,
        )
        roster.watch_members(members.reconsider)
        relay_bytes_s = config.mesh.relay_mb_s * 1e6
        relay = Relay(system, network, clock, members.reach_itself, relay_bytes_s, config.mesh.relay_links)
        relay.open()
        members.carried_by(relay.dial)
        view = LayoutView(node, members, config.mesh.copies, grants.stores)
        roster.watch_members(view.reconsider)
        await view.open(rows)
        guard.watch(lambda: view.writable(not guard.refuses_rows()))
        guard.open(system.supervisor)
        catalogue = Catalogue(system, rows, view, clock)
        server = CatalogueServer(system, rows, view, clock)
        store = ChunkStore(disk, tables, executor, clock, guard.refuses_chunks)
        await store.open()
        if came_back:
            await refer_again(rows, store)
        system.supervisor.run("catalogue/records", records.run)
        chunks = Chunks(system, store, view, members, clock, move_bytes_s=config.storage.move_mb_s * 1e6)
        clock.open(system, network)
        Inspector(system)
        events = EventLog(system, network, mesh, members.alive_ids, clock)
        stores = "storage" in taken
        joining = view.joining(capacity, config.mesh.zone, int(clock.wall() * 1000)) if stores else None
        await server.open()
        if joining is not None:
            await catalogue.write(joining)
        if standing.authority is not None and standing.granted is None and not roster.heirs:
            entering = roster.entering(node, standing.authority, taken, config.mesh.zone)
            if entering is not None:
                await catalogue.write(entering)
        admission = Admission(
            system,
            tables,
            catalogue,
            roster,
            standing.identity,
            standing.authority,
            ports.papers,
            ports.present,
            members.alive_ids,
            network.listening,
            judge,
            entropy,
        )
        await catalogue.open()
        keeper = LayoutKeeper(system, rows, catalogue, view, executor, lambda: int(clock.wall() * 1000))
        if stores:
            keeper.open()
        ChunkServer(system, store, chunks.copier, takes=stores, view=view)
        await chunks.open()
        repair = Repair(system, rows, store, view, chunks, clock, config.storage.scrub_days)
        await repair.open()
        files = Files(catalogue, chunks, executor, lambda: config.mesh.copies, clock, config.storage.collect_after_s)
        graces = Graces(int(config.storage.collect_after_s * 1000), int(config.storage.collect_packed_after_s * 1000))
        collector = Collector(system, rows, store, view, members, catalogue, roster.standing, clock, graces)
        keep_ms = int(config.storage.trash_keep_s * 1000)
        trash = Trash(system, rows, catalogue, files, view, collector, clock, keep_ms)
        if stores:
            await collector.open()
            trash.open()
            Pruner(system, rows, view, members, collector, clock).open()
        packer = Packer(system, rows, catalogue, chunks, view, clock) if stores else None
        if packer is not None:
            packer.open()
        live = LiveHub(system, entropy, grants.publishes)
        roster.watch_members(live.reconsider)
        await live.open()
        access = Access(
            mesh, node, standing.identity.sign, roster.refused, catalogue, ports.passwords, clock, entropy, executor
        )
        devices = DeviceLister(executor, ports.devices)
        proxy = CameraProxy(system, catalogue, live, ports.workers, devices, clock, entropy, config.proxy.file_folders)
        replay = Replaying(live, system.supervisor, clock, config.proxy.replay_s, int(config.proxy.replay_mb) << 20)
        recordings = Recordings(system, catalogue, members.all, replay, clock)
        recorder = Recorder(system, catalogue, chunks, store, live, clock, entropy)
        contents = Contents(catalogue, chunks, files)
        upload_max = int(config.http.upload_max_gb * 2**30)
        work = MediaWork(ports.workers, KEPT_S)
        ingest = Ingest(system, catalogue, files, contents, work, clock, entropy, upload_max, view)
        models = MeshModels(members)
        encoder, runner = None, None
        if "encoder" in taken:
            runner = JobRunner(system, view, clock, {}, config.encoder.workers)
            encoder = Encoder(
                system,
                members,
                ports.workers,
                clock,
                Choice(config.encoder.model, ports.cache),
                runner,
                lambda embedder: Analyst(catalogue, files, contents, work, models, embedder),
                finds_scenes=ports.machine.scenes,
            )
        search = Search(
            system,
            catalogue,
            view,
            models,
            lambda: encoder.local() if encoder is not None else None,
            lambda: encoder.problem if encoder is not None else "",
        )
        reasons = {role: why for role, (_, why) in roles.items()}
        pulse = Pulse()
        system.supervisor.run("node/loop-lag", pulse.run)
        reporter = Reporter(
            system,
            clock,
            disk,
            store,
            rows,
            chunks,
            repair,
            collector,
            ports.process,
            pulse,
            reasons,
            guard.told,
            roster.goes_by,
        )
        try:
            await network.start(system)
        except BaseException:
            await system.close()  # nothing of it may run once its ports are taken back
            raise
        members.update(_reachable(info, network))
        await members.start()
        system.supervisor.run("node/addresses", lambda: _keep_reachable(members, network))
        events.open(members.incarnation())
        await admission.open()
        door.open(admission)
        if "proxy" in taken:
            await proxy.open()
            await recordings.open()
            members.watch(recordings.told_of)
        if "daemon" in taken:
            await recorder.open()
        await ingest.open()
        shards, leases = None, None
        if stores:
            shards = Shards(
                system,
                rows,
                executor,
                ports.make_index,
                view.counting_by,
                view.held,
                lambda writer: grants.wrote(writer, "encoder"),
            )
            await shards.open()
            WaitingCounts(system, rows).open()
            leases = LeaseServer(system, rows, catalogue, view, clock, models.known, view.counting)
            await leases.open()
        if encoder is not None and runner is not None:
            encoder.open()
            runner.open()
        discovery = ports.discovery(network)
        if discovery is not None:
            await discovery.start(members.found)
        return cls(
            node,
            mesh,
            name,
            roles,
            standing,
            ports.data,
            ports.safe,
            system,
            network,
            members,
            relay,
            roster,
            grants,
            admission,
            Overview(system, members, network, lambda node: _counts_on(view, node)),
            reporter,
            pulse,
            view,
            keeper,
            catalogue,
            chunks,
            store,
            guard,
            repair,
            collector,
            trash,
            live,
            access,
            recorder,
            recordings,
            files,
            contents,
            ingest,
            search,
            encoder,
            packer,
            shards,
            leases,
            runner,
            Jobs(system, catalogue, clock),
            events,
            records,
            disk,
            discovery,
            clock,
            ports.papers,
            ports.close,
            ports.copied,
        )

    def warnings(self) -> list[str]:
        """Say what is wrong with this node's place in the mesh, a sentence each."""
        own = (self._copied(), self.admission.outside(), self._clock.warning())
        sides = told_of_sides(self.roster, self.overview.authorities, self._name_of, self.node_id)
        return [told for told in (*own, *sides, *self._unreached()) if told]

    def _name_of(self, node: NodeId) -> str:
        member = self.members.all().get(node)
        return (member.info.name if member is not None else "") or node[:8]

    def _unreached(self) -> Iterator[str]:
        alive = self.members.alive()
        for node, (relay, reason) in self.relay.why_not().items():
            if node in alive and relay in alive and not self.members.crowd:
                other, between = alive[node].info.name or node[:8], alive[relay].info.name or relay[:8]
                yield (
                    f"{other} lives, as others say, and is not reached from here, nor by way of {between}: {reason}. "
                    "Open UDP between the two, or let a node that reaches both carry (mesh.relay_mb_s)"
                )

    def all_there(self) -> bool:
        """Tell whether every node that may keep something by the layout is there: what is missing is on its way."""
        alive = self.members.alive()
        return all(one in alive for one in self.view.layout.places if _counts_on(self.view, one))

    def now_ms(self) -> int:
        """Give this node's UTC milliseconds since 1970."""
        return int(self._clock.wall() * 1000)

    async def free_bytes(self) -> int:
        """Give the room this node's disk has, less what is left to others."""
        return (await self._disk.usage()).free_bytes

    def here_only(self) -> bool:
        """Tell whether only this machine can reach this node."""
        return all(is_loopback(host) for host, _ in self.network.listening())

    async def keep_company(self) -> None:
        """Remember that others were invited, so that this node listens for them from its next start."""
        await self._papers.keep_company()

    def before_stop(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have something that uses this node closed before it stops."""
        self._before_stop.append(close)

    async def stop(self) -> None:
        """Finish the takes, say goodbye, stop everything, release the data folder."""
        for close in self._before_stop:
            await close()
        if self.encoder is not None:
            await self.encoder.close()
        await self.ingest.close()
        for camera in self.recorder.running():
            if not await self.recorder.leave(camera):
                await self.recorder.stop(camera)
        await self._hand_over()
        if self._discovery is not None:
            await self._discovery.close()
        await self.members.leave()
        self.live.close()
        with contextlib.suppress(PortError):
            await self._records.keep()  # what is not written now is due at the next start
        await self.system.close()
        await self.network.close()
        self._close_ports()

    async def _hand_over(self) -> None:
        """Give what only this node has to those who should have it, for as long as that gets on."""
        left, gave_at = None, asyncio.get_running_loop().time()
        end = gave_at + HAND_OVER_S
        while len(self.members.alive_ids()) > 1 and asyncio.get_running_loop().time() < end:
            now = (self.chunks.lag().bytes, (await self.catalogue.counts())[1])
            if now == (0, 0):
                return
            if now != left:
                left, gave_at = now, asyncio.get_running_loop().time()
            elif asyncio.get_running_loop().time() - gave_at > HAND_OVER_STUCK_S:
                return
            await asyncio.sleep(0.1)


async def _named(said: str, rows: RowStore) -> str:
    """Keep what people call this node, and give it; where nothing is said, what it was called before."""
    kept = (await rows.meta(_NAME) or b"").decode(errors="replace")
    if said and said != kept:
        await rows.set_meta(_NAME, said.encode())
    return said or kept


def _reachable(info: NodeInfo, network: Network) -> NodeInfo:
    return dataclasses.replace(info, addresses=tuple(network.listening()))


async def _keep_reachable(members: Members, network: Network) -> None:
    """Tell the others when this machine's addresses change: where they dial it."""
    while True:
        await asyncio.sleep(ADDRESSES_LOOK_S)
        now = _reachable(members.info, network)
        if now != members.info:
            members.update(now)


def _counts_on(view: LayoutView, node: NodeId) -> bool:
    """Tell whether the layout has a place for a node, so that something may be kept there alone."""
    place = view.layout.places.get(node)
    return place is not None and place.state != "removed"
