"""A world: machines with disks and clocks, the paths between them, and virtual time; tiers 1 and 2 of the simulator.

In tier 1 machines have simulated links; in tier 2 a UDP socket each, for the real transport.

Invariant: a seed decides everything that happens, and the trace's hash is equal for equal seeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from mesh.core.identity import Authority, NodeIdentity, node_of_seed
from mesh.ports import Host
from proto.ids import MeshId, NodeId
from simulations.world.clock import WORLD_BEGAN, FakeClock
from simulations.world.datagrams import Datagrams, SimulatedSocket
from simulations.world.disk import FakeDisk
from simulations.world.entropy import SeededEntropy
from simulations.world.executor import InlineExecutor
from simulations.world.fabric import Fabric
from simulations.world.forbidden import real_world_forbidden
from simulations.world.links import WorldNetwork
from simulations.world.loop import LIFE, Stuck, VirtualLoop
from simulations.world.seeded_quic import seeded_quic
from simulations.world.tables import FakeTables
from simulations.world.trace import Trace
from simulations.world.workers import Script, ScriptedWorkers

N = TypeVar("N")
T = TypeVar("T")

PORT = 8326
START_TIMEOUT_S = 60.0
STOP_ASKED_S, STOP_TIMEOUT_S = 45.0, 60.0
"""How long a node that is to stop is waited for until it has answered what was asked of it, and then to be gone."""


@dataclass
class Machine(Generic[N]):
    """A machine of the world, with what survives the crash of its node. ``node`` is what ``assemble`` gave."""

    number: int
    identity: NodeIdentity
    host: Host
    clock: FakeClock
    disk: FakeDisk
    tables: FakeTables
    lives: int = 0
    keys: int = 0
    """How often it has lost its key with its disk."""
    moves: int = 0
    """How often it has come into another network."""
    state: str = "off"
    node: N | None = None
    network: WorldNetwork | SimulatedSocket | None = None
    workers: ScriptedWorkers | None = None
    entropy: SeededEntropy = field(init=False)
    safe: dict[str, bytes] = field(default_factory=dict)
    asked: int = 0
    """What people have asked of its node and is not answered yet."""

    @property
    def id(self) -> NodeId:
        """The id of its node, made from its key."""
        return self.identity.node

    @property
    def name(self) -> str:
        """How scenarios and traces call it."""
        return f"n{self.number}"

    @property
    def life(self) -> str:
        """The name of its present life."""
        return f"{self.name}.{self.lives}"


class World(Generic[N]):
    """The machines and their faults. ``assemble`` makes a running node on a machine whose ports are set."""

    def __init__(
        self,
        seed: int,
        machines: int,
        assemble: Callable[[Machine[N], World[N]], Awaitable[N]],
        scripts: Callable[[Machine[N]], Mapping[str, Script]] = lambda _: {},
        stop: Callable[[N], Coroutine[Any, Any, None]] | None = None,
        *,
        tier: int = 1,
    ) -> None:
        self.seed = seed
        self.tier = tier
        self.loop = VirtualLoop()
        self.trace = Trace()
        self.fabric = Fabric(self.loop, seed, self.trace)
        self.datagrams = Datagrams(self.fabric)
        """UDP between the machines; nothing uses it in tier 1."""
        self._quic_chance: dict[str, SeededEntropy] = {}
        self.chance = SeededEntropy(seed, "world")
        self.authority = Authority(SeededEntropy(seed, "authority").token(32))
        self.mesh: MeshId = self.authority.mesh
        self.executor = InlineExecutor()
        self.failures: list[str] = []
        self._assemble = assemble
        self._scripts = scripts
        self._stop: Callable[[N], Coroutine[Any, Any, None]] = stop or _nothing
        self.machines = [self._machine(number) for number in range(1, machines + 1)]
        self.log: list[str] = []

    def _machine(self, number: int) -> Machine[N]:
        chance = SeededEntropy(self.seed, f"disk {number}")
        clock = FakeClock(self.loop.time, offset_s=chance.uniform(-0.2, 0.2), drift=chance.uniform(-2e-5, 2e-5))
        disk = FakeDisk(chance)
        identity = self._identity(number, 0)
        return Machine(number, identity, (f"10.0.0.{number}", PORT), clock, disk, FakeTables(disk))

    def _identity(self, number: int, keys: int) -> NodeIdentity:
        key = SeededEntropy(self.seed, f"key {number}" + (f".{keys}" if keys else "")).token(32)
        certificate = self.authority.admit(node_of_seed(key), WORLD_BEGAN)
        return NodeIdentity(key, certificate, self.authority.certificate())

    # ------------------------------------------------------------ running

    def run(self, story: Callable[[], Coroutine[Any, Any, T]], *, callbacks_max: int | None = None) -> T:
        """Let a story happen, with the real world forbidden; the trace is closed when it ends."""
        self.loop.callbacks_max = callbacks_max
        self.loop.set_exception_handler(self._loop_error)
        seeded = seeded_quic(self._quic_token, self._quic_wall) if self.tier == 2 else nullcontext()
        with real_world_forbidden(self.loop.time, self._log_error) as lines, seeded:
            asyncio.set_event_loop(self.loop)
            try:
                return self.loop.run_until_complete(story())
            finally:
                self.log = list(lines)
                closed = self.trace
                self.trace = self.fabric.trace = Trace()
                self.loop.callbacks_max = None
                self.loop.end()
                self.trace = closed
                asyncio.set_event_loop(None)
                self.loop.close()

    def _quic_token(self, size: int) -> bytes:
        life = LIFE.get()
        if life not in self._quic_chance:
            self._quic_chance[life] = SeededEntropy(self.seed, f"quic {life}")
        return self._quic_chance[life].token(size)

    def _quic_wall(self) -> float:
        name = LIFE.get().partition(".")[0]
        return self.machine(name).clock.wall() if name else WORLD_BEGAN + self.loop.time()

    def _log_error(self, line: str) -> None:
        self.trace.add(self.loop.time(), "log-error", line)
        self.failures.append(f"{self.loop.time():.3f} {line}")

    def _loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        del loop
        error = context.get("exception")
        line = f"{context.get('message')}: {type(error).__name__}: {error}"
        self.trace.add(self.loop.time(), "loop-error", line)
        self.failures.append(f"{self.loop.time():.3f} {line}")

    # ------------------------------------------------------------ machines

    def machine(self, name: str) -> Machine[N]:
        """Give a machine by its name, n1 to nN."""
        return self.machines[int(name.removeprefix("n")) - 1]

    def up(self) -> list[Machine[N]]:
        """Give the machines whose nodes run."""
        return [machine for machine in self.machines if machine.state == "up"]

    def note(self, kind: str, *what: object) -> None:
        """Record something in the trace."""
        self.trace.add(self.loop.time(), kind, *what)

    def boot(self, machine: Machine[N]) -> asyncio.Task[None]:
        """Start a machine's node, in a new life."""
        assert machine.state in ("off", "crashed"), machine.state
        machine.lives += 1
        machine.state = "booting"
        machine.entropy = SeededEntropy(self.seed, machine.life)
        machine.network = self._network_of(machine)
        machine.workers = ScriptedWorkers(self._scripts(machine))
        self.fabric.silence(machine.id, False)
        self.note("boot", machine.life)
        context = self.loop.context_of(machine.life)

        async def begin() -> None:
            try:
                machine.node = await self._assemble(machine, self)
            except Exception as error:  # noqa: BLE001 - a node that does not start is a finding, told in the verdict
                self.note("boot-failed", machine.life, type(error).__name__, error)
                self.failures.append(f"{self.loop.time():.3f} {machine.name} does not start: {error!r}")
                machine.state = "crashed"
            else:
                machine.state = "up"
                self.note("up", machine.life)

        return self.loop.create_task(begin(), context=context)

    def _network_of(self, machine: Machine[N]) -> WorldNetwork | SimulatedSocket:
        if self.tier == 2:
            return SimulatedSocket(self.datagrams, machine.id, machine.host, machine.life)
        return WorldNetwork(self.fabric, machine.id, self.mesh, machine.host, machine.life)

    def crash(self, machine: Machine[N]) -> None:
        """Kill a node at once: nothing of it runs again, peers hear nothing."""
        self.note("crash", machine.life)
        self.loop.kill(machine.life)
        assert machine.network is not None
        machine.network.vanish()
        machine.disk.crash()
        machine.tables.crash()
        machine.state = "crashed"
        machine.node = None
        self.fabric.silence(machine.id, True)

    async def stop(self, machine: Machine[N]) -> None:
        """Stop a node in good order: what was asked of it is done first, then it says goodbye and is gone."""
        assert machine.state == "up", machine.state
        node, context = machine.node, self.loop.context_of(machine.life)
        assert node is not None
        self.note("stop", machine.life)
        machine.state = "stopping"
        await self.until(lambda: not machine.asked, STOP_ASKED_S)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self.loop.create_task(self._stop(node), context=context)
        except TimeoutError:
            self.failures.append(f"{self.loop.time():.3f} {machine.name} does not stop within {STOP_TIMEOUT_S:g} s")
        self.crash(machine)

    def wipe(self, machine: Machine[N]) -> None:
        """Lose a crashed machine's disk, its key with it: what boots next is another node at the same address."""
        assert machine.state in ("off", "crashed"), machine.state
        self.note("wipe", machine.name)
        machine.disk.wipe()
        machine.tables.wipe()
        machine.safe.clear()
        machine.keys += 1
        self.fabric.silence(machine.id, True)
        machine.identity = self._identity(machine.number, machine.keys)

    def pause(self, machine: Machine[N]) -> None:
        """Stop a node's process."""
        self.note("pause", machine.life)
        self.loop.pause(machine.life)
        machine.state = "paused"
        self.fabric.silence(machine.id, True)

    def resume(self, machine: Machine[N]) -> None:
        """Let a stopped process go on."""
        self.note("resume", machine.life)
        machine.state = "up"
        self.fabric.silence(machine.id, False)
        self.loop.resume(machine.life)

    def partition(self, groups: list[list[Machine[N]]]) -> None:
        """Part the machines into groups; those not named are a group of their own."""
        named = [machine for group in groups for machine in group]
        rest = [machine for machine in self.machines if machine not in named]
        sides = [*groups, rest] if rest else groups
        self.note("partition", *("+".join(machine.name for machine in side) for side in sides))
        self.fabric.partition([[machine.id for machine in side] for side in sides])

    def shut(self, sources: list[Machine[N]], targets: list[Machine[N]]) -> None:
        """Let nothing pass one way."""
        self.note("shut", "+".join(m.name for m in sources), "+".join(m.name for m in targets))
        self.fabric.shut([machine.id for machine in sources], [machine.id for machine in targets])

    def move(self, machine: Machine[N]) -> None:
        """Have a machine come into another network while its node runs; tier 2 only."""
        machine.moves += 1
        machine.host = (f"10.0.{machine.moves}.{machine.number}", PORT)
        self.note("move", machine.life, *machine.host)
        if isinstance(machine.network, SimulatedSocket):
            machine.network.move(machine.host)

    def show(self, machine: Machine[N]) -> None:
        """Have the NAT before a machine forget it, so that others see it at another port; tier 2 only."""
        self.note("show", machine.life)
        if isinstance(machine.network, SimulatedSocket):
            self.datagrams.show(machine.network)

    def narrow(self, size: int, sources: list[Machine[N]], targets: list[Machine[N]]) -> None:
        """Let paths carry UDP payloads of up to ``size`` bytes: all of them, or those one way; tier 2 only."""
        self.note("narrow", size, "+".join(m.name for m in sources), "+".join(m.name for m in targets))
        self.datagrams.narrow(size, [machine.id for machine in sources], [machine.id for machine in targets])

    def heal(self) -> None:
        """Open every way, and end bad weather."""
        self.note("heal")
        weather = self.fabric.weather
        weather.loss = weather.duplicate = weather.spike = weather.delay_s = 0.0
        for machine in self.machines:
            machine.disk.well()
        self.fabric.heal()

    async def on(self, machine: Machine[N], work: Callable[[N], Awaitable[T]], timeout_s: float = 10.0) -> T:
        """Run something on a node, in its name: it is gone (TimeoutError) when the node is killed meanwhile."""
        assert machine.node is not None
        node = machine.node

        async def inside() -> T:
            return await work(node)

        task = self.loop.create_task(inside(), context=self.loop.context_of(machine.life))
        machine.asked += 1
        try:
            done, _ = await asyncio.wait([task], timeout=timeout_s)
        finally:
            machine.asked -= 1
        if not done:
            task.cancel()
            raise TimeoutError(f"{machine.name} did not finish within {timeout_s:g} s")
        return task.result()

    async def until(self, reached: Callable[[], bool], budget_s: float, step_s: float = 0.1) -> float | None:
        """Wait until something holds; gives seconds waited, or None when the budget ran out."""
        began = self.loop.time()
        while self.loop.time() - began <= budget_s:
            if reached():
                return self.loop.time() - began
            await asyncio.sleep(step_s)
        return None


async def _nothing(_: object) -> None:
    """Stop what needs no stopping."""


__all__ = ["Machine", "Stuck", "World"]
