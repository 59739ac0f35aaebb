"""Tells a scenario: a mesh boots, films and records, is used while things go wrong, heals, and everybody is asked.

Invariant: what happens is decided by scenario, seed and code; the verdict is made of what people saw alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from mesh.ports import NotFound, PortError, Refused
from proto.ids import NodeId
from proto.messages.cameras import AddCamera, CameraAdded, StartRecording, StopRecording, TakeIs
from simulations.checks.accepting import check_accepting
from simulations.checks.agreement import View, check_agreement, look
from simulations.checks.broken import Broken
from simulations.checks.finding import check_finding
from simulations.checks.keeping import check_keeping
from simulations.checks.recording import LOOK_EVERY_S as ATTEND_EVERY_S
from simulations.checks.recording import Attendance
from simulations.chronicle import SAMPLE_EVERY_S, Belief, Chronicle, Sample
from simulations.clients import Person
from simulations.faults import Faults, set_clock
from simulations.ledger import Ledger, Take
from simulations.nodes import Mesh, Setup
from simulations.scenario import Camera, Event, Scenario
from simulations.world.entropy import SeededEntropy
from simulations.world.film import url_of
from simulations.world.loop import Stuck
from thatdam.config import StorageConfig
from thatdam.node import Node

FORM_BUDGET_S = 60.0
BOOT_WITHIN_S = 1.0
AFTER_HEAL_S = 8.0
"""How long people go on after everything is well again."""
LOOK_EVERY_S = 2.0
LOOK_AGAIN_SHARE = 1 / 6
"""Of the time healed so far, how long until the next look: a mesh that does not heal is not looked at for ever."""
ASK_LIMIT_S = 20.0
CALLBACKS_MAX = 60_000_000


@dataclass
class Verdict:
    """What came of it. ``events`` are lines for people."""

    scenario: Scenario
    seed: int
    broken: list[Broken] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    trace: str = ""
    trace_events: int = 0
    virtual_s: float = 0.0
    healed_after_s: float | None = None
    figures: dict[str, float] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    chosen: list[Event] = field(default_factory=list)
    """The faults with what was left to chance in them: which machine, which halves."""
    chronicle: Chronicle = field(default_factory=lambda: Chronicle(()))
    ledger: Ledger | None = None

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return not self.broken


class Story:
    """One telling."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        storage = StorageConfig(
            collect_after_s=scenario.collect_after_s, collect_packed_after_s=scenario.collect_packed_after_s
        )
        setup = Setup(scenario.copies, scenario.away_after_s, scenario.roles, storage)
        self.mesh = Mesh(seed, scenario.nodes, setup, scenario.tier)
        self.mesh.datagrams.widen(scenario.path_bytes)
        low, high = scenario.latency_ms
        self.mesh.fabric.weather.latency_s = (low / 1000, high / 1000)
        self.mesh.fabric.weather.loss = scenario.loss
        self.ledger = Ledger()
        self.verdict = Verdict(scenario, seed, ledger=self.ledger)
        self.chronicle = self.verdict.chronicle = Chronicle(tuple(machine.name for machine in self.mesh.machines))
        self._chance = SeededEntropy(seed, "story")
        self._people: list[Person] = []
        self._attendance = Attendance(self.mesh, self.ledger)
        self._began_s = 0.0
        self._filled = any(event.do == "full" for event in scenario.events)
        self._sick = any(event.do == "disk" for event in scenario.events)
        self.faults = Faults(self.mesh, scenario, self.ledger, self.chronicle, self._chance, self._say)
        self.mesh.seen = self._seen

    # ------------------------------------------------------------ telling

    def tell(self) -> Verdict:
        """Run it; the verdict says what was broken, a node's own crash included."""
        verdict = self.verdict
        changing = any(event.do == "release" for event in self.scenario.events)
        try:
            with self.mesh.releases.spoken() if changing else nullcontext():
                self.mesh.run(self._all, callbacks_max=CALLBACKS_MAX)
        except Stuck as error:
            verdict.broken.append(Broken("run", f"the world came to a stop: {error}"))
        told = [
            line
            for line in self.mesh.failures
            if not (self._filled and "disk is full" in line)
            and not (self._sick and ("input/output error" in line or "file system is read-only" in line))
        ]
        verdict.broken += [Broken("P6", f"a node went wrong by itself: {line}") for line in told]
        verdict.trace = self.mesh.trace.hexdigest()
        verdict.trace_events = self.mesh.trace.events
        verdict.virtual_s = self.mesh.loop.time()
        verdict.log = self.mesh.log
        verdict.lines = list(self.mesh.trace.lines)
        verdict.chosen = list(self.faults.done)
        names = {machine.id: machine.name for machine in self.mesh.machines}
        for (second, source, target), counted in self.mesh.fabric.traffic.items():
            key = (second, names.get(source, source[:8]), names.get(target, target[:8]))
            self.chronicle.traffic[key] = counted
        return verdict

    def _say(self, text: str) -> None:
        self.mesh.note("story", text)
        self.chronicle.events.append((self.mesh.loop.time(), text))
        self.verdict.events.append(f"{self.mesh.loop.time():9.3f} s  {text}")

    def _seen(self, machine: str, peer: str, state: str) -> None:
        self.chronicle.beliefs.append(Belief(self.mesh.loop.time(), machine, peer, state))
        if self._began_s and state in ("dead", "alive"):
            self.verdict.events.append(f"{self.mesh.loop.time():9.3f} s    {machine} sees {peer} {state}")

    async def _all(self) -> None:
        mesh, scenario = self.mesh, self.scenario
        for name, told in scenario.clocks.items():
            set_clock(mesh.machine(name), told)
            self.ledger.wrong_clocks[name] = None
            self._say(f"the clock of {name} shows {told if told == '1970' else told + ' s ahead'}")
        sampling = asyncio.ensure_future(self._sample())
        try:
            await self._tell_all()
        finally:
            sampling.cancel()

    async def _tell_all(self) -> None:
        mesh, scenario = self.mesh, self.scenario
        boots = []
        for machine in mesh.machines:
            await asyncio.sleep(self._chance.uniform(0.0, BOOT_WITHIN_S / len(mesh.machines)))
            boots.append(mesh.boot(machine))
        await asyncio.wait(boots, timeout=FORM_BUDGET_S)
        formed = await mesh.until(self._formed, FORM_BUDGET_S)
        if formed is None:
            self.verdict.broken.append(Broken("P1", f"no mesh of all nodes within {FORM_BUDGET_S:g} s"))
            return
        self._began_s = mesh.loop.time()
        self.ledger.calm(self._began_s)
        self._say(f"{len(mesh.machines)} nodes are one mesh")
        self._people = [Person(mesh, machine, self.ledger, searching=scenario.searching) for machine in mesh.machines]
        tasks = [asyncio.ensure_future(person.live()) for person in self._people]
        tasks += [asyncio.ensure_future(self._film(number, one)) for number, one in enumerate(scenario.cameras, 1)]
        attending = asyncio.ensure_future(self._attend())
        for event in sorted(scenario.events, key=lambda one: one.at_s):
            await asyncio.sleep(max(0.0, self._began_s + event.at_s - mesh.loop.time()))
            self.faults.do(event)
        await asyncio.sleep(max(0.0, self._began_s + scenario.trouble_s - mesh.loop.time()))
        await self._end(tasks, attending)

    async def _attend(self) -> None:
        while True:
            self._attendance.look()
            await asyncio.sleep(ATTEND_EVERY_S)

    async def _sample(self) -> None:
        """Look every moment at what a report draws; nothing in the world notices."""
        while True:
            machines = self.mesh.machines
            nodes = [machine.node if machine.state in ("up", "paused") else None for machine in machines]
            self.chronicle.samples.append(
                Sample(
                    self.mesh.loop.time(),
                    tuple(machine.state for machine in machines),
                    tuple(-1 if node is None else node.store.alone_chunks for node in nodes),
                )
            )
            await asyncio.sleep(SAMPLE_EVERY_S)

    def _formed(self) -> bool:
        count = len(self.mesh.machines)
        up = self.mesh.up()
        stores = sum("storage" in self.mesh.roles_of(machine) for machine in self.mesh.machines)
        return len(up) == count and all(
            machine.node is not None
            and len(machine.node.members.alive()) == count
            and len(machine.node.view.layout.places) == stores
            for machine in up
        )

    async def _end(self, tasks: Sequence[asyncio.Future[None]], attending: asyncio.Future[None]) -> None:
        mesh, ledger = self.mesh, self.ledger
        self.faults.heal_all()
        await mesh.until(
            lambda: all(m.state == "up" for m in mesh.machines if m.name not in ledger.gone), FORM_BUDGET_S
        )
        healed_s = mesh.loop.time()
        await asyncio.sleep(AFTER_HEAL_S)
        for person in self._people:
            person.working = False
        await asyncio.wait(tasks, timeout=60.0)
        attending.cancel()
        self.verdict.broken += self._attendance.settled()
        await self._stop_takes()
        views: list[View] = []
        complaints: list[Broken] = []
        while True:
            ledger.look(mesh.loop.time())
            views = [await look(mesh, machine, ledger) for machine in mesh.up()]
            complaints = check_agreement(mesh, ledger, views)
            if not complaints:
                self.verdict.healed_after_s = mesh.loop.time() - healed_s
                self._say(f"all nodes answer the same, {self.verdict.healed_after_s:.1f} s after all was well again")
                break
            if mesh.loop.time() - healed_s > self.scenario.heal_budget_s:
                self._say("the nodes do not come to one answer")
                break
            await asyncio.sleep(max(LOOK_EVERY_S, (mesh.loop.time() - healed_s) * LOOK_AGAIN_SHARE))
        broken = self.verdict.broken
        broken += complaints
        broken += check_accepting(ledger)
        broken += check_finding(ledger)
        broken += await check_keeping(mesh, ledger, views)
        self._figures()

    def _figures(self) -> None:
        ledger = self.ledger
        writes = [one for one in ledger.writes if one.acked_s is not None]
        slowest = max((one.acked_s - one.asked_s for one in writes if one.acked_s is not None), default=0.0)
        units = sum(len(film.shots) for film in self.mesh.films.films.values())
        nodes = [machine.node for machine in self.mesh.up() if machine.node is not None]
        self.verdict.figures |= {
            "chunks_collected": sum(node.collector.chunks_collected for node in nodes),
            "writes_acknowledged": len(writes),
            "write_slowest_s": round(slowest, 3),
            "lists_answered": len(ledger.answers),
            "list_slowest_s": round(max((one.took_s for one in ledger.answers), default=0.0), 3),
            "lists_partial": sum(one.partitions_ok < one.partitions_total for one in ledger.answers),
            "searches_answered": len(ledger.searches),
            "search_slowest_s": round(max((one.took_s for one in ledger.searches), default=0.0), 3),
            "searches_partial": sum(one.shards_ok < one.shards_total for one in ledger.searches),
            "pictures_seen": len(ledger.seen),
            "units_filmed": units,
            "takes": len(ledger.takes),
            "links_carried": self.mesh.fabric.carried,
            "unattended_longest_s": round(self._attendance.longest_s, 3),
            "calls_unavailable": len(ledger.unavailable),
            **{f"release_{name}": count for name, count in sorted(self.mesh.releases.counts.items())},
        }

    # ------------------------------------------------------------ cameras

    async def _film(self, number: int, camera: Camera) -> None:
        mesh = self.mesh
        await asyncio.sleep(max(0.0, self._began_s + camera.at_s - mesh.loop.time()))
        machine = mesh.machine(camera.on)
        recorder = mesh.machine(camera.recorded_by or camera.on)
        film = f"film{number}"
        asker = next(one for one in (*mesh.up()[::-1], machine) if one.node is not None)

        async def begin(node: Node) -> tuple[str, str]:
            ask = node.system.ask
            added = await ask(machine.id, "proxy", AddCamera(url_of(film), f"Camera {number}"), CameraAdded)
            take = await ask(recorder.id, "recorder", StartRecording(added.camera), TakeIs)
            return added.camera, take.take

        try:
            added, take = await mesh.on(asker, begin, ASK_LIMIT_S)
        except (PortError, TimeoutError) as error:
            self.verdict.broken.append(Broken("P2", f"{asker.name} could not record a camera of {camera.on}: {error}"))
            return
        self.ledger.takes.append(Take(film, camera.on, added, take, mesh.loop.time()))
        self._say(f"{recorder.name} records the camera of {camera.on}, asked by {asker.name}")

    async def _stop_takes(self) -> None:
        mesh = self.mesh
        for take in self.ledger.takes:
            machine = mesh.machine(take.node)
            if machine.name in self.ledger.gone:
                continue
            asker = mesh.up()[-1]
            asked_s = mesh.loop.time()

            async def end(node: Node, owner: NodeId = machine.id, camera: str = take.camera) -> str:
                return (await node.system.ask(owner, "recordings", StopRecording(camera), TakeIs, timeout_s=15.0)).take

            for attempt in range(10):
                try:
                    stopped = await mesh.on(asker, end, ASK_LIMIT_S)
                except (NotFound, Refused) as error:
                    self.verdict.broken.append(Broken("P3", f"{take.node} had ceased to record: {error}"))
                    break
                except (PortError, TimeoutError) as error:
                    if attempt == 9:
                        self.verdict.broken.append(Broken("P2", f"the take on {take.node} cannot be ended: {error}"))
                    await asyncio.sleep(2.0)
                    continue
                if stopped != take.take:
                    self.verdict.broken.append(Broken("P3", f"{take.node} records another take than it was asked to"))
                take.stop_asked_s = asked_s
                self._say(f"the take on {take.node} is ended and whole")
                break
