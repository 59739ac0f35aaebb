"""Two nodes that cannot reach each other talk by way of a third, within what it gives, until they can."""

import asyncio

import pytest

from mesh.actors.membership import Members
from mesh.actors.relay import ACTOR, ENTERED_MAX, Relay
from mesh.actors.system import ActorSystem
from mesh.adapters.clock import SystemEntropy
from mesh.ports import Channel, Flow, Unavailable
from proto.ids import node_id_of
from proto.messages.membership import AreYouThere, HereIAm, NodeInfo, State
from proto.messages.relay import CarriedFrom, CarryTo
from simulations.world.clock import FakeClock
from simulations.world.cores import Marks
from simulations.world.network import FakeFabric, FakeNetwork
from tests.contracts.kinds import run, until
from tests.mesh.actors.forgetful import Forgetful


class Node:
    def __init__(self, fabric, number, bytes_s, links):
        self.id = node_id_of(bytes([number + 1]) * 32)
        self.host = ("10.0.0.1", 8000 + number)
        self.network = FakeNetwork(fabric, self.id, self.host)
        clock, entropy = FakeClock(asyncio.get_running_loop().time), SystemEntropy()
        self.system = ActorSystem(self.id, self.network, clock, entropy)
        info = NodeInfo(f"n{number}", (self.host,))
        self.members = Members(self.system, self.network, clock, entropy, (), info, Forgetful(), Marks(self.id))
        self.relay = Relay(self.system, self.network, clock, self.members.reach_itself, bytes_s, links)

    async def start(self):
        await self.network.start(self.system)
        self.relay.open()
        self.members.carried_by(self.relay.dial)
        await self.members.start()


class Trio:
    """Three nodes; the first two are parted."""

    def __init__(self, bytes_s=1e6, links=4):
        self.fabric = FakeFabric()
        self.nodes = [Node(self.fabric, number, bytes_s, links) for number in range(3)]

    async def __aenter__(self):
        one, other, between = self.nodes
        self.fabric.cut(one.id, other.id)
        for node in self.nodes:
            await node.start()
        for node in (one, other):
            node.members.found(between.id, [between.host])
        return self.nodes

    async def __aexit__(self, *failure):
        for node in self.nodes:
            await node.system.close()
        await self.fabric.close()


def carried(node, other):
    link = node.network.links().get(other.id)
    return link is not None and link.relay


def test_parted_nodes_are_linked_by_way_of_a_third_and_by_themselves_once_they_can():
    async def main():
        trio = Trio()
        async with trio as (one, other, between):
            await until(lambda: carried(one, other) == carried(other, one) == between.id, 60.0)
            answer = await one.system.ask(other.id, "membership", AreYouThere(), HereIAm, channel=Channel.CONTROL)
            assert answer.incarnation
            assert {pair.asked for pair in between.relay.carrying} <= {one.id, other.id}
            assert [member.state for member in one.members.all().values()] == [State.ALIVE] * 3
            trio.fabric.heal()
            await until(lambda: carried(one, other) is carried(other, one) is None and not between.relay.carrying, 60.0)
            assert set(one.network.links()) == {other.id, between.id}

    run("fake", main)


def test_when_the_one_in_between_goes_nobody_is_left_with_a_dead_link():
    async def main():
        trio = Trio()
        async with trio as (one, other, between):
            await until(lambda: carried(one, other) == carried(other, one) == between.id, 60.0)
            trio.fabric.cut(between.id, one.id)
            await until(lambda: not one.network.links() and other.id not in one.network.links(), 30.0)
            await until(lambda: not between.relay.carrying, 30.0)
            trio.fabric.heal()
            trio.fabric.cut(one.id, other.id)
            await until(lambda: carried(one, other) == between.id, 90.0)

    run("fake", main)


@pytest.mark.parametrize(("bytes_s", "links", "said"), [(0.0, 4, "relay_mb_s"), (1e6, 0, "relay_links")])
def test_a_node_that_does_not_carry_says_why_and_both_stay_parted(bytes_s, links, said):
    async def main():
        async with Trio(bytes_s, links) as (one, other, between):
            await until(lambda: other.id in one.members.alive() and between.id in one.network.links(), 60.0)
            with pytest.raises(Unavailable, match=said):
                await one.relay._asked(between.id, CarryTo(other.id))
            await asyncio.sleep(60.0)
            assert carried(one, other) is False
            relay, reason = one.relay.why_not()[other.id]
            assert (relay, said in reason) == (between.id, True)

    run("fake", main)


def test_what_cannot_be_carried_is_refused_in_a_sentence():
    async def main():
        async with Trio() as (one, other, between):
            await until(lambda: carried(one, other) == between.id, 60.0)
            stranger = node_id_of(b"s" * 32)
            for node, message, why in (
                (between, CarryTo(stranger), "is not reached"),
                (between, CarryTo(between.id), "nothing between"),
                (between, CarryTo(one.id), "nothing between"),
                (other, CarryTo(between.id), "carried itself"),
                (other, CarriedFrom(between.id), "carried itself"),
            ):
                with pytest.raises(Unavailable, match=why):
                    await one.relay._asked(node.id, message)

    run("fake", main)


def test_ways_that_others_open_are_few():
    async def main():
        async with Trio() as (one, _, between):
            await until(lambda: between.id in one.network.links(), 60.0)
            message = CarriedFrom(node_id_of(b"x" * 32))
            streams = [await one.relay._asked(between.id, message) for _ in range(ENTERED_MAX)]
            with pytest.raises(Unavailable, match=f"{ENTERED_MAX} nodes"):
                await one.relay._asked(between.id, message)
            for stream in streams:
                stream.reset()

    run("fake", main)


@pytest.mark.parametrize("rubbish", [b"\x00\x00", b"\xff\xff" + bytes(100), b"\x00"])
def test_what_is_no_datagram_ends_the_way_and_nothing_else(rubbish):
    async def main():
        async with Trio() as (one, other, between):
            await until(lambda: other.id in between.network.links() and one.id in between.network.links(), 60.0)
            stream = await one.system.stream(between.id, ACTOR, CarryTo(other.id), Flow.CONTROL)
            await stream.read(1)
            await stream.write(rubbish)
            await stream.finish()
            await until(lambda: not between.relay.carrying or carried(one, other), 30.0)
            assert one.id in between.network.links()

    run("fake", main)


def test_what_is_carried_keeps_to_the_quota():
    async def main():
        async with Trio(bytes_s=200_000.0) as (one, other, between):
            await until(lambda: carried(one, other) == between.id, 60.0)
            tunnel = await one.relay._tunnel(between.id, other.id)
            tunnel.listen(lambda _: None, lambda: None)
            before = between.relay.carried_bytes
            loop = asyncio.get_running_loop()
            began = loop.time()
            for _ in range(4000):
                tunnel.send(bytes(4000))
                await asyncio.sleep(0.005)
            passed = between.relay.carried_bytes - before
            assert passed == pytest.approx(200_000.0 * (loop.time() - began), rel=0.1)
            assert between.relay.dropped
            tunnel.close()

    run("fake", main)
