"""Whole nodes on simulated machines: the real assembly of ``thatdam.node``, on the world's ports.

Left out are libav and the models (cameras are films, media workers and the embedder are scripts that see words) and
what a gateway would translate; everything else is what ships. Discovery is heard once, at a node's start, by those who
can hear it, so that later meetings are the mesh's own doing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mesh.adapters.quic.credentials import Judge
from mesh.adapters.quic.network import QuicNetwork
from mesh.core.identity import Authority, NodeIdentity
from mesh.core.member import Member
from mesh.ports import Discovery, Network
from proto.ids import NodeId
from roles.encoder.analysis import FRAMES_WORKER, SCENES_WORKER
from roles.encoder.embedding import WORKER as EMBED_WORKER
from roles.encoder.media_work import PROBE_WORKER
from roles.proxy.cameras import WORKER_MODULE
from simulations.releases import Releases
from simulations.world import eyes
from simulations.world.announcing import Air, Announcement
from simulations.world.film import Films, shoot
from simulations.world.links import WorldNetwork
from simulations.world.papers import MachinePapers
from simulations.world.vectors import PlainIndex
from simulations.world.workers import Script
from simulations.world.world import PORT, Machine, World
from thatdam.capabilities import Machine as Capabilities
from thatdam.config import Config, MeshConfig, NodeConfig, StorageConfig
from thatdam.identity import Standing
from thatdam.node import Node
from thatdam.world import Ports, Redeems, Revoked

ANYWHERE = "0.0.0.0"  # noqa: S104 - simulated
ALL_ROLES = ("proxy", "daemon", "storage", "encoder")


@dataclass(frozen=True)
class Setup:
    """What the nodes of a world are told by their settings. ``roles`` by machine name; others have all of them."""

    copies: int = 2
    away_after_s: float = 15.0
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    storage: StorageConfig = field(default_factory=StorageConfig)


class NoPasswords:
    """Simulated people do not log in: Argon2id would draw real chance."""

    DUMMY = "none"

    def hash_password(self, password: str) -> str:
        """Nobody asks for it."""
        raise NotImplementedError

    def password_fits(self, hashed: str, password: str) -> bool:
        """Nobody asks for it."""
        raise NotImplementedError


class NoProcess:
    """A simulated node has no process of its own; it uses nothing."""

    def cpu_percent(self) -> float:
        """Give nothing."""
        return 0.0

    def memory_bytes(self) -> int:
        """Give nothing."""
        return 0


class MachineSafe:
    """The small private files of a machine."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def read_secret(self, name: str) -> bytes | None:
        """Give a file, or None."""
        return self._files.get(name)

    def write_secret(self, name: str, data: bytes) -> None:
        """Write a file."""
        self._files[name] = data


class Mesh(World[Node]):
    """A world whose machines run whole nodes."""

    def __init__(self, seed: int, machines: int, setup: Setup, tier: int = 1) -> None:
        self.films = Films()
        self.setup = setup
        self.seen: Callable[[str, str, str], None] = lambda *_: None
        self.releases = Releases()
        self.as_next: dict[str, None] = {}
        """The machines whose next life is of the next release."""
        super().__init__(seed, machines, _assemble, self._scripts_of, Node.stop, tier=tier)
        self.air = Air(self.fabric)

    def _scripts_of(self, machine: Machine[Node]) -> Mapping[str, Script]:
        return {
            WORKER_MODULE: partial(shoot, self.films, machine.clock),
            PROBE_WORKER: eyes.probe,
            FRAMES_WORKER: eyes.frames,
            SCENES_WORKER: eyes.scenes,
            EMBED_WORKER: eyes.embed,
        }

    def crash(self, machine: Machine[Node]) -> None:
        """Kill a node."""
        announced = self.air.hearers.get(machine.id)
        if announced is not None:
            announced.vanish()
        super().crash(machine)

    def roles_of(self, machine: Machine[Node]) -> tuple[str, ...]:
        """Give the roles a machine's node takes."""
        return self.setup.roles.get(machine.name, ALL_ROLES)

    def authority_at(self, machine: Machine[Node]) -> Authority | None:
        """Give the authority that the world's secret makes, while that is the mesh's."""
        return self.authority if self.authority.certificate() == machine.identity.authority else None

    def ports_of(self, machine: Machine[Node]) -> Ports:
        """Give the ports of a machine for its present life."""
        assert machine.workers is not None
        transport = _Transport(machine)
        gib = 1 << 30

        def discovery(listening: Network) -> Discovery:
            return Announcement(self.air, machine.id, self.mesh, listening.listening, machine.life)

        return Ports(
            machine.name,
            Path("/") / machine.name,
            Standing(machine.identity, self.authority_at(machine), company=True),
            Capabilities(2, 4 * gib, 1024 * gib, analysis=True, scenes=True),
            machine.clock,
            machine.entropy,
            self.executor,
            machine.disk,
            machine.tables,
            MachineSafe(machine.safe),
            machine.workers,
            NoPasswords(),
            NoProcess(),
            lambda: (),
            transport.make,
            transport.present,
            MachinePapers(machine),
            discovery,
            lambda: None,
            PlainIndex,
            copied=transport.copied,
        )


class _Transport:
    """The network of one life of a node: simulated links, or QUIC over the machine's simulated socket."""

    def __init__(self, machine: Machine[Node]) -> None:
        assert machine.network is not None
        self._machine = machine
        self._below = machine.network
        self._made: WorldNetwork | QuicNetwork | None = None

    def make(self, revoked: Revoked, redeem: Redeems, judge: Judge) -> Network:
        """Give the network to a node."""
        machine = self._machine
        if isinstance(self._below, WorldNetwork):
            self._below.revoked = revoked  # it shows no certificates, so that there is nothing to judge
            self._made = self._below
        else:
            self._made = QuicNetwork(
                machine.identity,
                (ANYWHERE, PORT),
                machine.clock,
                machine.entropy,
                revoked,
                redeem=redeem,
                judge=judge,
                socket=self._below,
            )
        return self._made

    def present(self, renewed: NodeIdentity) -> None:
        """Show a renewed identity."""
        if isinstance(self._made, QuicNetwork):
            self._made.identity = renewed

    def copied(self) -> str:
        """Give what to tell while another machine is taken for this node."""
        return "" if self._made is None else self._made.copied


async def _assemble(machine: Machine[Node], world: World[Node]) -> Node:
    assert isinstance(world, Mesh)
    setup = world.setup
    if machine.name in world.as_next:
        world.releases.lives[machine.life] = None
    config = Config(
        node=NodeConfig(name=machine.name, roles=world.roles_of(machine)),
        mesh=MeshConfig(copies=setup.copies, away_after_s=setup.away_after_s),
        storage=setup.storage,
    )
    node = await Node.assemble(config, world.ports_of(machine))
    if machine.name in world.as_next:
        world.releases.greet(node)
    names = {other.id: other.name for other in world.machines}
    life = machine.life

    def told(member: Member) -> None:
        peer = names.get(NodeId(member.id), member.id[:8])
        world.note("member", life, peer, str(member.state), member.incarnation)
        world.seen(machine.name, peer, str(member.state))

    node.members.watch(told)
    return node
