"""How fast the simulator is: node-seconds of virtual time for each second of real time, and of processor time.

Whole nodes (tier 1) are measured twice: while they become one mesh with one layout, and in use after that. What does
not end within its real time is cut off there, and told as such: half a forming is still a speed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from mesh.ports import PortError
from proto.messages.cameras import AddCamera, CameraAdded, StartRecording, TakeIs
from simulations.clients import Person
from simulations.ledger import Ledger
from simulations.nodes import Mesh, Setup
from simulations.scenario import NODES_MAX
from simulations.world.cores import CoreWorld
from simulations.world.film import url_of
from thatdam.node import Node

Phase = Literal["forming", "in use", "cores"]
PEOPLE_MAX = 5
"""Machines with a person: whatever each asks, it asks every node."""
FORM_VIRTUAL_S_MAX = 120.0
LOOK_EVERY_S = 0.1
TOLD_EVERY_S = 5.0
CORES_STEP_S = 0.5

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Speed:
    """One measurement. ``cpu_s``: of this process, which is what a quiet core would take.

    ``whole`` is False for what was cut off when its real time was over.
    """

    tier: int
    nodes: int
    phase: Phase
    virtual_s: float
    real_s: float
    cpu_s: float
    whole: bool = True

    @property
    def node_seconds_a_second(self) -> float:
        """Virtual node-seconds a second of real time."""
        return self.nodes * self.virtual_s / max(self.real_s, 1e-9)

    @property
    def node_seconds_a_cpu_second(self) -> float:
        """Virtual node-seconds a second of processor time."""
        return self.nodes * self.virtual_s / max(self.cpu_s, 1e-9)


class _OutOfTimeError(Exception):
    """The real time for a world is over."""


class _Watch:
    """What a stretch of a world took, and a line now and then of how far it is."""

    def __init__(self, tier: int, nodes: int, budget_s: float, say: Say) -> None:
        self._tier, self._nodes, self._say = tier, nodes, say
        self._ends = time.perf_counter() + budget_s
        self.begin("forming" if tier else "cores", 0.0)

    def begin(self, phase: Phase, virtual_s: float) -> None:
        """Begin a stretch."""
        self._phase: Phase = phase
        self._from_s = virtual_s
        self._real, self._cpu = time.perf_counter(), time.process_time()
        self._told = self._real

    def look(self, virtual_s: float, what: str) -> None:
        """Say how far it is, if there is something to say; raises when the time is over."""
        now = time.perf_counter()
        if now - self._told >= TOLD_EVERY_S:
            self._told = now
            self._say(
                f"tier {self._tier}, {self._nodes} nodes, {self._phase}: {virtual_s - self._from_s:.1f} virtual s in "
                f"{now - self._real:.0f} s; {what}"
            )
        if now > self._ends:
            raise _OutOfTimeError

    def end(self, virtual_s: float, *, whole: bool) -> Speed:
        """Give what the stretch took."""
        spent_s, spent_cpu_s = time.perf_counter() - self._real, time.process_time() - self._cpu
        return Speed(self._tier, self._nodes, self._phase, virtual_s - self._from_s, spent_s, spent_cpu_s, whole)


def measure(
    nodes: Sequence[int], seconds: float, budget_s: float = 300.0, say: Say = lambda _: None
) -> Iterator[Speed]:
    """Measure worlds in calm: whole nodes forming, then in use for ``seconds``, over simulated links (tier 1) and over
    the real transport (2) as far as that is for so many; and membership cores for as long (0)."""
    for count in nodes:
        yield from whole_nodes(count, seconds, budget_s, say)
        if count <= NODES_MAX[2]:
            yield from whole_nodes(count, seconds, budget_s, say, tier=2)
        yield cores(count, seconds, budget_s, say)


def whole_nodes(count: int, seconds: float, budget_s: float, say: Say = lambda _: None, tier: int = 1) -> list[Speed]:
    """Measure whole nodes: until they are one mesh with one settled layout, then with a camera and people."""
    mesh = Mesh(1, count, Setup(), tier)
    watch = _Watch(tier, count, budget_s, say)
    told: list[Speed] = []

    async def story() -> None:
        whole = False
        with contextlib.suppress(_OutOfTimeError):
            whole = await _form(mesh, watch)
        told.append(watch.end(mesh.loop.time(), whole=whole))
        if not whole:
            return
        watch.begin("in use", mesh.loop.time())
        try:
            await _use(mesh, watch, seconds)
        except _OutOfTimeError:
            whole = False
        told.append(watch.end(mesh.loop.time(), whole=whole))

    mesh.run(story)
    return told


async def _form(mesh: Mesh, watch: _Watch) -> bool:
    """Boot all machines; tells whether they became one mesh in time."""
    for machine in mesh.machines:
        mesh.boot(machine)
    while mesh.loop.time() < FORM_VIRTUAL_S_MAX:
        await asyncio.sleep(LOOK_EVERY_S)
        nodes = [machine.node for machine in mesh.up() if machine.node is not None]
        settled = sum(one_layout(node, len(mesh.machines)) for node in nodes)
        watch.look(mesh.loop.time(), f"{len(nodes)} nodes up, {settled} with one settled layout")
        if settled == len(mesh.machines):
            return True
    return False


def one_layout(node: Node, stores: int) -> bool:
    """Tell whether a node has one settled layout of so many storage nodes."""
    history = node.view.history
    return history.whole and not history.moving and len(history.now.seats) == stores


async def _use(mesh: Mesh, watch: _Watch, seconds: float) -> None:
    ledger, ends_s = Ledger(), mesh.loop.time() + seconds
    people = [Person(mesh, machine, ledger) for machine in mesh.machines[:PEOPLE_MAX]]
    living = [asyncio.ensure_future(person.live()) for person in people]
    first = mesh.machines[0]

    async def record(node: Node) -> None:
        added = await node.system.ask(first.id, "proxy", AddCamera(url_of("film1"), "Camera 1"), CameraAdded)
        await node.system.ask(first.id, "recorder", StartRecording(added.camera), TakeIs)

    try:
        await mesh.on(first, record)
        while mesh.loop.time() < ends_s:
            await asyncio.sleep(LOOK_EVERY_S)
            watch.look(mesh.loop.time(), f"{len(ledger.writes)} writes, {len(ledger.answers)} lists")
    except (PortError, TimeoutError) as error:
        raise RuntimeError(f"a mesh in calm could not be used: {error}") from error
    finally:
        for person in living:
            person.cancel()
        await asyncio.gather(*living, return_exceptions=True)


def cores(count: int, seconds: float, budget_s: float, say: Say = lambda _: None) -> Speed:
    """Measure membership cores alone (tier 0), from their start on."""
    world = CoreWorld(1, count)
    watch = _Watch(0, count, budget_s, say)
    world.start()
    try:
        while world.now < seconds:
            world.run(min(seconds, world.now + CORES_STEP_S))
            watch.look(world.now, f"{len(world.trace.lines)} events kept")
    except _OutOfTimeError:
        return watch.end(world.now, whole=False)
    return watch.end(world.now, whole=True)


def line(one: Speed) -> str:
    """Tell it in a line."""
    what = ("cores alone", f"whole nodes {one.phase}", f"over QUIC {one.phase}")[one.tier]
    return (
        f"tier {one.tier}, {one.nodes:4} {what:20}: {one.node_seconds_a_second:9.1f} node-seconds a second of real "
        f"time, {one.node_seconds_a_cpu_second:9.1f} a second of processor time "
        f"({one.virtual_s:.1f} virtual s in {one.real_s:.1f} s, {one.cpu_s:.1f} s of processor)"
        f"{'' if one.whole else ', CUT OFF: its real time was over'}"
    )


def as_data(one: Speed) -> dict[str, object]:
    """Give it for programs."""
    data = asdict(one)
    data["node_seconds_a_second"] = round(one.node_seconds_a_second, 1)
    data["node_seconds_a_cpu_second"] = round(one.node_seconds_a_cpu_second, 1)
    return data
