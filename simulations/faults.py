"""Puts a scenario's faults into a world, and takes them away again; the ledger and the chronicle are told.

Invariant: what is left to chance (which machine, which halves) is drawn here and nowhere else, and ``done`` has every
fault as it was chosen, so that a run told again from it is the same.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterable

from mesh.core.layouts import Order
from mesh.ports import PortError
from proto.ids import NodeId
from simulations.chronicle import Chronicle, Fault
from simulations.ledger import Ledger
from simulations.nodes import Mesh
from simulations.scenario import Event, Scenario
from simulations.world.entropy import SeededEntropy
from simulations.world.world import Machine
from thatdam.node import Node

HARMLESS = ("boot", "resume", "heal", "room", "layout", "release")
"""What ends a trouble begins none."""
ORDER_LIMIT_S = 20.0
"""How long an order may take."""
LASTING = ("partition", "shut", "pause", "weather", "full", "disk", "narrow")
"""What lasts until it is put right, if not for a given time."""


class Faults:
    """The faults of one telling."""

    def __init__(
        self,
        mesh: Mesh,
        scenario: Scenario,
        ledger: Ledger,
        chronicle: Chronicle,
        chance: SeededEntropy,
        say: Callable[[str], None],
    ) -> None:
        self._mesh = mesh
        self._scenario = scenario
        self._ledger = ledger
        self._chronicle = chronicle
        self._chance = chance
        self._say = say
        self.done: list[Event] = []
        self._ordering: list[asyncio.Future[None]] = []

    def do(self, event: Event) -> None:
        """Let one happen."""
        if event.do not in HARMLESS:
            self._ledger.trouble(self._mesh.loop.time())
        machine = self._victim(event)
        chosen = dataclasses.replace(event, node=machine.name) if machine is not None else event
        if event.groups == "halves":
            names = tuple(tuple(one.name for one in group) for group in self._groups(event))
            chosen = dataclasses.replace(chosen, groups=names)
        self.done.append(chosen)
        if machine is not None:
            self._to_machine(chosen, machine)
        else:
            self._to_paths(chosen)

    # ------------------------------------------------------------ machines

    def _to_machine(self, event: Event, machine: Machine[Node]) -> None:
        mesh, ledger, now_s = self._mesh, self._ledger, self._mesh.loop.time()
        match event.do:
            case "crash" | "gone" | "wipe" if machine.state in ("up", "booting"):
                told = {"crash": "is killed", "gone": "is lost for good", "wipe": "loses its disk, its key with it"}
                self._tell(event, f"{machine.name} {told[event.do]}", machine)
                mesh.crash(machine)
                ledger.begin(machine.name, "crash", now_s)
                if event.do == "gone":
                    ledger.gone[machine.name] = now_s
                elif event.do == "wipe":
                    ledger.wiped[machine.name] = now_s
                    mesh.wipe(machine)
                if event.do != "gone" and event.for_s is not None:
                    self._after(event.for_s, lambda: self.boot(machine))
            case "boot":
                self.boot(machine)
            case "pause" if machine.state == "up":
                self._tell(event, f"{machine.name} stands still", machine)
                mesh.pause(machine)
                ledger.begin(machine.name, "pause", now_s)
                if event.for_s is not None:
                    self._after(event.for_s, lambda: self.resume(machine))
            case "resume":
                self.resume(machine)
            case "clock":
                by = event.to or f"{event.by_s:g}"
                self._tell(event, f"the clock of {machine.name} is set: {by if event.to else by + ' s on'}", machine)
                set_clock(machine, by)
                ledger.wrong_clocks[machine.name] = None
            case "full":
                machine.disk.fill()
                ledger.begin(machine.name, "full", now_s)
                self._tell(event, f"the disk of {machine.name} is full", machine)
                if event.for_s is not None:
                    self._after(event.for_s, lambda: self.room(machine))
            case "room":
                self.room(machine)
            case "disk":
                self._sicken(event, machine)
            case "layout":
                self._order(event, machine)
            case "release" if machine.state == "up":
                self._release(event, machine)
            case "address" if machine.state == "up":
                if event.to == "port":
                    self._tell(event, f"{machine.name} is seen at another port", machine)
                    mesh.show(machine)
                else:
                    mesh.move(machine)
                    self._tell(event, f"{machine.name} has another address, {machine.host[0]}", machine)
            case "rot":
                rotten = [name for _ in range(event.bits) if (name := machine.disk.flip("chunks/")) is not None]
                self._tell(event, f"{len(rotten)} bits of chunks of {machine.name} flip", machine)
            case _:
                self._say(f"{event.do} of {event.node} comes too late or too early and does nothing")

    def _order(self, event: Event, machine: Machine[Node]) -> None:
        """Somebody changes the layout, on whatever node is up."""
        asked = next((one for one in self._mesh.up() if one.node is not None), None)
        if asked is None:
            return
        node, (what, _, told) = asked.node, event.to.partition(" ")
        assert node is not None
        self._say(f"on {asked.name} it is ordered that {machine.name}: {event.to}")

        async def change() -> None:
            place = node.view.layout.places.get(NodeId(machine.id))
            if place is None:
                return
            order = Order(NodeId(machine.id))
            match what:
                case "drain":
                    order = dataclasses.replace(order, state="draining")
                case "store":
                    order = dataclasses.replace(order, state="active")
                case "zone":
                    order = dataclasses.replace(order, zone=told)
                case _:
                    order = dataclasses.replace(order, capacity_bytes=int(place.capacity_bytes * float(told)))
            await node.layouts.apply(await node.layouts.plan([order]))

        async def ordered() -> None:
            try:
                await self._mesh.on(asked, lambda _: change(), ORDER_LIMIT_S)
            except (PortError, TimeoutError) as error:
                self._say(f"the order was not taken: {error}")

        self._ordering.append(asyncio.ensure_future(ordered()))

    def _release(self, event: Event, machine: Machine[Node]) -> None:
        """Somebody stops a node and starts it as of another release."""
        mesh, ledger = self._mesh, self._ledger
        self._tell(event, f"{machine.name} is stopped, to start as of the {event.to} release", machine)
        ledger.begin(machine.name, "release", mesh.loop.time())

        async def change() -> None:
            await mesh.stop(machine)
            mesh.as_next.pop(machine.name, None)
            if event.to == "next":
                mesh.as_next[machine.name] = None
            await mesh.boot(machine)
            ledger.end(machine.name, "release", mesh.loop.time())

        self._ordering.append(asyncio.ensure_future(change()))

    def _sicken(self, event: Event, machine: Machine[Node]) -> None:
        faults = machine.disk.faults
        faults.write_errors, faults.read_errors = event.write_errors, event.read_errors
        faults.misdirected, faults.torn, faults.slow_factor = event.misdirected, event.torn, event.slow
        faults.read_only = event.read_only
        told = [
            f"{share:.0%} {what}"
            for share, what in (
                (event.write_errors, "of writes fail"),
                (event.read_errors, "of reads fail"),
                (event.misdirected, "of writes land elsewhere"),
                (event.torn, "of writes are torn by a kill"),
            )
            if share
        ]
        if event.read_only:
            told.append("it takes no writes")
        if event.slow != 1.0:
            told.append(f"{event.slow:g} times as slow")
        self._tell(event, f"the disk of {machine.name} is sick: {', '.join(told) or 'not at all'}", machine)
        if event.write_errors or event.read_only:
            self._ledger.begin(machine.name, "sick", self._mesh.loop.time())
        if event.for_s is not None:
            self._after(event.for_s, lambda: self.cure(machine))

    def boot(self, machine: Machine[Node]) -> None:
        """Start a machine that is down and shall come back."""
        if machine.state != "crashed" or machine.name in self._ledger.gone:
            return
        self._say(f"{machine.name} starts again")
        boot = self._mesh.boot(machine)
        boot.add_done_callback(lambda _: self._ledger.end(machine.name, "crash", self._mesh.loop.time()))

    def resume(self, machine: Machine[Node]) -> None:
        """Let a machine go on that stands still."""
        if machine.state != "paused":
            return
        self._say(f"{machine.name} goes on")
        self._mesh.resume(machine)
        self._ledger.end(machine.name, "pause", self._mesh.loop.time())

    def room(self, machine: Machine[Node]) -> None:
        """Give a disk its room back."""
        machine.disk.make_room()
        if self._ledger.open(machine.name, "full"):
            self._say(f"the disk of {machine.name} has room again")
            self._ledger.end(machine.name, "full", self._mesh.loop.time())

    def cure(self, machine: Machine[Node]) -> None:
        """Let a disk do what it is told again."""
        machine.disk.well()
        if self._ledger.open(machine.name, "sick"):
            self._say(f"the disk of {machine.name} is well again")
            self._ledger.end(machine.name, "sick", self._mesh.loop.time())

    # ------------------------------------------------------------ paths

    def _to_paths(self, event: Event) -> None:
        mesh, ledger, now_s = self._mesh, self._ledger, self._mesh.loop.time()
        match event.do:
            case "partition":
                groups = self._groups(event)
                told = " | ".join(" ".join(one.name for one in group) for group in groups)
                self._tell(event, f"the network falls apart: {told}", *mesh.machines)
                mesh.partition(groups)
                for group in groups:
                    for one in group:
                        ledger.begin(one.name, "cut", now_s)
                if event.for_s is not None:
                    self._after(event.for_s, self.heal_paths)
            case "shut":
                source, target = self._named(event.source), self._named(event.target)
                told = f"nothing passes from {' '.join(event.source)} to {' '.join(event.target)}"
                self._tell(event, told, *source, *target)
                mesh.shut(source, target)
                for name in (*event.source, *event.target):
                    ledger.begin(name, "cut", now_s)
                if event.for_s is not None:
                    self._after(event.for_s, self.heal_paths)
            case "heal":
                self.heal_paths()
            case "weather":
                weather = mesh.fabric.weather
                weather.loss, weather.duplicate, weather.spike = event.loss, event.duplicate, event.spike
                weather.spike_s, weather.delay_s = event.spike_s, event.delay_ms / 1000
                told = f"{event.loss:.0%} lost, {event.duplicate:.0%} doubled, {event.spike:.0%} late"
                self._tell(event, f"weather: {told}" + (f", {event.delay_ms:g} ms more" if event.delay_ms else ""))
                if event.for_s is not None:
                    self._after(event.for_s, self.fair_weather)
            case "narrow":
                source, target = self._named(event.source), self._named(event.target)
                told = f" from {' '.join(event.source)} to {' '.join(event.target)}" if event.target else ""
                self._tell(event, f"paths carry {event.size_bytes} bytes at most{told}", *source, *target)
                mesh.narrow(event.size_bytes, source, target)
                if event.for_s is not None:
                    self._after(event.for_s, self.widen_paths)
            case _:
                self._say(f"{event.do} of {event.node or 'nobody'} comes too late or too early and does nothing")

    def heal_paths(self) -> None:
        """Open every way."""
        if not any(self._ledger.open(machine.name, "cut") for machine in self._mesh.machines):
            return
        self._say("the network is whole again")
        self._mesh.fabric.heal()
        for machine in self._mesh.machines:
            self._ledger.end(machine.name, "cut", self._mesh.loop.time())

    def fair_weather(self) -> None:
        """End bad weather."""
        weather = self._mesh.fabric.weather
        weather.loss = weather.duplicate = weather.spike = weather.delay_s = 0.0
        self._say("the weather is fair again")

    def widen_paths(self) -> None:
        """Let paths carry what they did at first."""
        if any(event.do == "narrow" for event in self.done):
            self._say("paths carry what they did at first")
            self._mesh.datagrams.widen(self._scenario.path_bytes)

    def heal_all(self) -> None:
        """Put everything right: the second phase begins."""
        self._say("everything is put right")
        now_s = self._mesh.loop.time()
        self._chronicle.faults[:] = [
            dataclasses.replace(fault, until_s=now_s) if fault.until_s is None and fault.kind in LASTING else fault
            for fault in self._chronicle.faults
        ]
        self._mesh.heal()
        self.widen_paths()
        for machine in self._mesh.machines:
            self.resume(machine)
            self.boot(machine)
            self.room(machine)
            self.cure(machine)
            self._ledger.end(machine.name, "cut", self._mesh.loop.time())
        self._ledger.calm(self._mesh.loop.time())

    # ------------------------------------------------------------ who

    def _tell(self, event: Event, text: str, *machines: Machine[Node]) -> None:
        now_s = self._mesh.loop.time()
        self._say(text)
        until_s = None if event.for_s is None else now_s + event.for_s
        names = tuple(dict.fromkeys(machine.name for machine in machines))
        self._chronicle.faults.append(Fault(now_s, event.do, text, names, until_s))

    def _after(self, delay_s: float, what: Callable[[], None]) -> None:
        self._mesh.fabric.later(delay_s, what)

    def _victim(self, event: Event) -> Machine[Node] | None:
        if event.node != "any":
            return self._mesh.machine(event.node) if event.node else None
        filming = {camera.on for camera in self._scenario.cameras}
        free = [machine for machine in self._mesh.up() if machine.name not in filming]
        return free[int(self._chance.uniform(0, len(free)))] if free else None

    def _groups(self, event: Event) -> list[list[Machine[Node]]]:
        if event.groups == "halves":
            mixed = self._chance.shuffled([machine.name for machine in self._mesh.machines])
            half = len(mixed) // 2
            return [self._named(sorted(mixed[:half])), self._named(sorted(mixed[half:]))]
        assert not isinstance(event.groups, str)
        groups = [self._named(group) for group in event.groups]
        rest = [machine for machine in self._mesh.machines if all(machine not in group for group in groups)]
        return [*groups, rest] if rest else groups

    def _named(self, names: Iterable[str]) -> list[Machine[Node]]:
        return [self._mesh.machine(name) for name in names]


def set_clock(machine: Machine[Node], told: str) -> None:
    """Set a machine's clock: ``1970``, or seconds further on."""
    if told == "1970":
        machine.clock.boot_in_1970()
    else:
        machine.clock.jump(float(told))
