"""In a mesh too large for links with all, whoever is asked is dialled, events reach all, and idle links go."""

import asyncio
import contextlib

import pytest

from mesh.actors.events import EventLog
from mesh.actors.membership import Members
from mesh.actors.system import ActorSystem
from mesh.core.member import Timing
from mesh.core.neighbours import most
from mesh.ports import Flow, Unavailable
from proto.ids import MeshId, node_id_of
from proto.messages.events import RowChanged
from proto.messages.membership import AreYouThere, HereIAm, NodeInfo
from simulations.world.cores import Marks
from simulations.world.entropy import SeededEntropy
from simulations.world.loop import VirtualLoop
from simulations.world.network import FakeFabric, FakeNetwork
from tests.mesh.actors.forgetful import Forgetful

COUNT = 14


class LoopClock:
    def monotonic(self):
        return asyncio.get_running_loop().time()

    def wall(self):
        return 1_795_000_000.0 + self.monotonic()


class Slow:
    """Answers after a time, and holds streams open until they are reset."""

    async def receive(self, message, context):
        await asyncio.sleep(50.0)
        return HereIAm(7)

    async def serve(self, message, stream, context):
        await stream.read(1)


class Machine:
    def __init__(self, fabric, number):
        self.id = node_id_of(bytes([number + 1]) * 32)
        host = ("10.0.0.1", 8000 + number)
        clock, entropy = LoopClock(), SeededEntropy(1, self.id)
        self.network = FakeNetwork(fabric, self.id, host)
        self.system = ActorSystem(self.id, self.network, clock, entropy)
        seeds = (("10.0.0.1", 8000),) if number else ()
        info = NodeInfo(f"n{number}", (host,))
        timing = Timing(full_mesh_max=6)
        self.members = Members(
            self.system, self.network, clock, entropy, seeds, info, Forgetful(), Marks(self.id), timing=timing
        )
        self.heard = []

    async def start(self):
        await self.network.start(self.system)
        self.system.spawn("slow", Slow(), concurrency=4)
        self.system.subscribe("rows", self._hear)
        await self.members.start()

    async def _hear(self, topic, event, context):
        self.heard.append(event)


@contextlib.asynccontextmanager
async def crowd():
    fabric = FakeFabric()
    machines = [Machine(fabric, number) for number in range(COUNT)]
    try:
        for machine in machines:
            await machine.start()
        async with asyncio.timeout(60):
            while any(len(machine.members.alive()) < COUNT for machine in machines):
                await asyncio.sleep(0.5)
        await asyncio.sleep(40.0)
        yield machines
    finally:
        for machine in machines:
            await machine.system.close()
        await fabric.close()


def played(story):
    loop = VirtualLoop()
    loop.callbacks_max = 20_000_000
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(story)
    finally:
        loop.end()
        asyncio.set_event_loop(None)
        loop.close()


def stranger_to(one, machines):
    return next(other for other in machines if other is not one and other.id not in one.network.links())


def test_a_node_without_a_link_is_reached_and_links_go_when_nothing_uses_them():
    async def story():
        async with crowd() as machines:
            assert all(len(machine.network.links()) <= most(COUNT) + 3 for machine in machines)
            one = machines[0]
            other = stranger_to(one, machines)
            answer = await one.system.ask(other.id, "membership", AreYouThere(), HereIAm)
            assert answer.incarnation >= 1
            assert other.id in one.network.links()
            await asyncio.sleep(100.0)
            assert all(len(machine.network.links()) <= most(COUNT) + 3 for machine in machines)

    played(story())


def test_a_link_stays_while_an_answer_is_awaited_or_a_stream_is_open():
    async def story():
        async with crowd() as machines:
            one = machines[0]
            other = stranger_to(one, machines)
            assert await one.system.ask(other.id, "slow", AreYouThere(), HereIAm, timeout_s=55.0) == HereIAm(7)
            stream = await one.system.stream(other.id, "slow", AreYouThere(), Flow.BULK)
            await asyncio.sleep(100.0)
            assert other.id in one.network.links()
            stream.reset()
            await asyncio.sleep(100.0)
            assert len(one.network.links()) <= most(COUNT) + 3

    played(story())


def test_an_event_reaches_every_node_once_and_a_dead_node_is_no_answer():
    async def story():
        async with crowd() as machines:
            event = RowChanged("cameras", "c1", False, {})
            await machines[3].system.publish("rows", event)
            await asyncio.sleep(2.0)
            assert [machine.heard for machine in machines] == [[event]] * COUNT
            other = stranger_to(machines[0], machines)
            await other.network.close()
            with pytest.raises(Unavailable):
                await machines[0].system.ask(other.id, "membership", AreYouThere(), HereIAm, timeout_s=5.0)

    played(story())


def test_what_a_node_tells_is_followed_where_there_is_no_link_to_it_as_its_own_and_once():
    async def story():
        async with crowd() as machines:
            logs = []
            for machine in machines:
                alive = machine.members.alive_ids
                log = EventLog(machine.system, machine.network, MeshId("a" * 26), alive, LoopClock())
                log.open(machine.members.incarnation())
                logs.append(log)
            one = machines[0]
            other = stranger_to(one, machines)
            following = logs[machines.index(other)].follow()
            for number in range(30):
                logs[0].tell("job.changed", {"id": str(number)})
                await asyncio.sleep(0.01)
            told = []
            while items := await following.next(5.0):
                told += items
            assert [(item.origin, item.event.seq) for item in told] == [(one.id, seq) for seq in range(1, 31)]
            again = logs[machines.index(other)].follow(after=following.cursor(told[9].cursor))
            assert [item.event.seq for item in await again.next(5.0)] == list(range(11, 31))

    played(story())
