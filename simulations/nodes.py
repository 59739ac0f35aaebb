"""Whole nodes on simulated machines: the real assembly of ``thatdam.node``, on the world's ports.

Left out are libav (cameras are films) and what a gateway would translate; everything else is what ships. Discovery is
heard once, at a node's start, by those who can hear it, so that later meetings are the mesh's own doing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mesh.core.member import Member
from mesh.ports import Discovery, Host, Network
from proto.ids import NodeId
from roles.encoder.adapters.wire import FAILED
from roles.encoder.media_work import PROBE_WORKER
from roles.proxy.cameras import WORKER_MODULE
from simulations.world.film import Films, shoot
from simulations.world.links import WorldNetwork
from simulations.world.workers import Script, ScriptPipe
from simulations.world.world import Machine, World
from thatdam.capabilities import Machine as Capabilities
from thatdam.config import Config, MeshConfig, NodeConfig
from thatdam.identity import Standing
from thatdam.node import Node
from thatdam.world import Ports, Revoked

ALL_ROLES = ("proxy", "daemon", "storage")
ANNOUNCED_AFTER_S = (0.05, 0.5)


@dataclass(frozen=True)
class Setup:
    """What the nodes of a world are told by their settings. ``roles`` by machine name; others have all of them."""

    copies: int = 2
    away_after_s: float = 15.0
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


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


class Announcement:
    """A ``ports.Discovery``: those who hear each other when a node starts get to know each other."""

    def __init__(self, machine: Machine[Node], world: Mesh) -> None:
        self._machine = machine
        self._world = world

    async def start(self, found: Callable[[NodeId, Sequence[Host]], None]) -> None:
        """Advertise this node to the others, and them to it."""
        world, machine = self._world, self._machine
        world.hearers[machine.name] = found
        for other in world.machines:
            hears = world.hearers.get(other.name)
            if other is machine or hears is None or other.state != "up":
                continue
            if world.fabric.answers(machine.id, other.id):
                for hearer, told in ((hears, machine), (found, other)):
                    delay_s = world.fabric.chance.uniform(*ANNOUNCED_AFTER_S)
                    life = other if hearer is hears else machine
                    context = world.loop.context_of(life.life)
                    world.loop.call_later(delay_s, hearer, told.id, (told.host,), context=context)

    async def close(self) -> None:
        """Be silent."""
        self._world.hearers.pop(self._machine.name, None)


class Mesh(World[Node]):
    """A world whose machines run whole nodes."""

    def __init__(self, seed: int, machines: int, setup: Setup) -> None:
        self.films = Films()
        self.hearers: dict[str, Callable[[NodeId, Sequence[Host]], None]] = {}
        self.setup = setup
        self.seen: Callable[[str, str, str], None] = lambda *_: None
        super().__init__(seed, machines, _assemble, self._scripts_of)

    def _scripts_of(self, machine: Machine[Node]) -> Mapping[str, Script]:
        return {WORKER_MODULE: partial(shoot, self.films, machine.clock), PROBE_WORKER: _sees_nothing}

    def crash(self, machine: Machine[Node]) -> None:
        """Kill a node."""
        self.hearers.pop(machine.name, None)
        super().crash(machine)

    def roles_of(self, machine: Machine[Node]) -> tuple[str, ...]:
        """Give the roles a machine's node takes."""
        return self.setup.roles.get(machine.name, ALL_ROLES)

    def ports_of(self, machine: Machine[Node]) -> Ports:
        """Give the ports of a machine for its present life."""
        assert machine.network is not None
        assert machine.workers is not None
        network = machine.network
        gib = 1 << 30

        def make_network(revoked: Revoked) -> Network:
            network.revoked = revoked
            return network

        def discovery(listening: Network) -> Discovery:
            assert isinstance(listening, WorldNetwork)
            return Announcement(machine, self)

        return Ports(
            machine.name,
            Path("/") / machine.name,
            Standing(machine.identity, self.authority, shared=True),
            Capabilities(2, 4 * gib, 1024 * gib, analysis=False),
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
            make_network,
            discovery,
            lambda: None,
        )


async def _sees_nothing(pipe: ScriptPipe) -> None:
    """Be the worker that looks into files: those of simulated people are no media."""
    await pipe.send(FAILED + b"this is no media file")


async def _assemble(machine: Machine[Node], world: World[Node]) -> Node:
    assert isinstance(world, Mesh)
    setup = world.setup
    config = Config(
        node=NodeConfig(name=machine.name, roles=world.roles_of(machine)),
        mesh=MeshConfig(copies=setup.copies, away_after_s=setup.away_after_s),
    )
    node = await Node.assemble(config, world.ports_of(machine))
    names = {other.id: other.name for other in world.machines}
    life = machine.life

    def told(member: Member) -> None:
        peer = names.get(NodeId(member.id), member.id[:8])
        world.note("member", life, peer, str(member.state), member.incarnation)
        world.seen(machine.name, peer, str(member.state))

    node.members.watch(told)
    return node
