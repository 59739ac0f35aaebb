"""Simulated datagrams: what a path does to them, who reads them and when; the socket does what the real one does."""

import asyncio
import socket

import pytest

from mesh.adapters.quic.udp import BUFFER_BYTES, UdpSocket
from mesh.ports import Unavailable
from proto.ids import NodeId
from simulations.world.datagrams import Datagrams, SimulatedSocket
from simulations.world.fabric import Fabric
from simulations.world.trace import Trace
from tests.contracts.kinds import KINDS, run, until

ONE, OTHER = NodeId("one"), NodeId("other")
HOSTS = {ONE: ("10.0.0.1", 8326), OTHER: ("10.0.0.2", 8326)}


class Net:
    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.fabric = Fabric(self.loop, 1, Trace())
        self.datagrams = Datagrams(self.fabric)
        self.came = {ONE: [], OTHER: []}
        self.batches = []

    async def open(self, node):
        made = SimulatedSocket(self.datagrams, node, HOSTS[node], f"{node}.1")
        await made.open(HOSTS[node], lambda batch: self.take(node, batch))
        return made

    def take(self, node, batch):
        self.batches.append(len(batch))
        self.came[node] += batch

    async def two(self):
        return await self.open(ONE), await self.open(OTHER)


def in_virtual_time(case):
    async def main():
        await case(Net())

    run("fake", main)


def test_what_is_sent_arrives_in_order_and_together_and_says_from_where():
    async def case(net):
        one, _ = await net.two()
        for number in range(200):
            one.send(b"%d" % number, HOSTS[OTHER])
        await asyncio.sleep(0.1)
        assert net.came[OTHER] == [(b"%d" % number, HOSTS[ONE]) for number in range(200)]
        assert max(net.batches) > 8
        assert (net.datagrams.sent, net.datagrams.lost) == (200, 0)

    in_virtual_time(case)


def test_weather_loses_doubles_and_lets_overtake():
    async def case(net):
        one, _ = await net.two()
        weather = net.fabric.weather
        weather.loss, weather.duplicate, weather.spike = 0.2, 0.1, 0.3
        for number in range(2000):
            one.send(number.to_bytes(2, "big"), HOSTS[OTHER])
            await asyncio.sleep(0.001)
        await asyncio.sleep(1.0)
        came = [int.from_bytes(data, "big") for data, _ in net.came[OTHER]]
        assert 0.15 < 1 - len(set(came)) / 2000 < 0.25
        assert len(came) > len(set(came)) + 100
        assert came != sorted(came)

    in_virtual_time(case)


def test_a_way_that_is_shut_lets_nothing_through_and_the_other_way_all():
    async def case(net):
        one, other = await net.two()
        one.send(b"under way", HOSTS[OTHER])
        net.fabric.shut([ONE], [OTHER])
        one.send(b"too late", HOSTS[OTHER])
        other.send(b"back", HOSTS[ONE])
        await asyncio.sleep(0.1)
        assert (net.came[OTHER], net.came[ONE]) == ([], [(b"back", HOSTS[OTHER])])
        net.fabric.heal()
        one.send(b"again", HOSTS[OTHER])
        await asyncio.sleep(0.1)
        assert net.came[OTHER] == [(b"again", HOSTS[ONE])]

    in_virtual_time(case)


def test_a_path_carries_datagrams_up_to_its_size_each_way_of_its_own():
    async def case(net):
        one, other = await net.two()
        net.datagrams.narrow(1252, [ONE], [OTHER])
        for size in (1252, 1253, 1472, 1473):
            one.send(bytes(size), HOSTS[OTHER])
            other.send(bytes(size), HOSTS[ONE])
        await asyncio.sleep(0.1)
        assert [len(data) for data, _ in net.came[OTHER]] == [1252]
        assert [len(data) for data, _ in net.came[ONE]] == [1252, 1253, 1472]
        net.datagrams.widen(9000)
        one.send(bytes(9000), HOSTS[OTHER])
        await asyncio.sleep(0.1)
        assert len(net.came[OTHER][-1][0]) == 9000

    in_virtual_time(case)


def test_a_machine_that_moves_sends_from_its_new_address_and_is_reached_there_only():
    async def case(net):
        one, other = await net.two()
        other.send(b"under way", HOSTS[ONE])
        new = ("10.0.1.1", 8326)
        one.move(new)
        one.send(b"moved", HOSTS[OTHER])
        other.send(b"old", HOSTS[ONE])
        other.send(b"new", new)
        await asyncio.sleep(0.1)
        assert net.came == {ONE: [(b"new", HOSTS[OTHER])], OTHER: [(b"moved", new)]}
        assert one.hosts() == [new]

    in_virtual_time(case)


def test_a_machine_its_nat_forgot_is_seen_at_another_port_and_reached_at_the_last_one_and_its_own():
    async def case(net):
        one, other = await net.two()
        for expected in (49152, 49153):
            net.datagrams.show(one)
            one.send(b"from", HOSTS[OTHER])
            await asyncio.sleep(0.1)
            assert net.came[OTHER][-1] == (b"from", ("10.0.0.1", expected))
        for port in (8326, 49152, 49153):
            other.send(b"%d" % port, ("10.0.0.1", port))
        await asyncio.sleep(0.1)
        assert [data for data, _ in net.came[ONE]] == [b"8326", b"49153"]
        assert one.hosts() == [HOSTS[ONE]]

    in_virtual_time(case)


def test_the_socket_of_a_node_that_stands_still_holds_what_fits_and_that_of_a_killed_one_nothing():
    async def case(net):
        one, other = await net.two()
        net.loop.pause("other.1")
        many = BUFFER_BYTES // 1000 + 500
        for _ in range(many):
            one.send(bytes(1000), HOSTS[OTHER])
        await asyncio.sleep(1.0)
        assert net.came[OTHER] == []
        net.loop.resume("other.1")
        await asyncio.sleep(1.0)
        assert len(net.came[OTHER]) == BUFFER_BYTES // 1000
        assert net.datagrams.lost == many - BUFFER_BYTES // 1000
        one.send(b"under way", HOSTS[OTHER])
        net.loop.kill("other.1")
        other.vanish()
        await asyncio.sleep(1.0)
        assert len(net.came[OTHER]) == BUFFER_BYTES // 1000
        await net.open(OTHER)

    in_virtual_time(case)


# What the transport needs of a socket, of the real one and the simulated one.


def make(kind, net, node):
    return UdpSocket() if kind == "real" else SimulatedSocket(net.datagrams, node, HOSTS[node], f"{node}.1")


@pytest.mark.parametrize("kind", KINDS)
def test_two_sockets_exchange_datagrams(kind):
    async def case():
        net = Net() if kind == "fake" else None
        sockets, came = {}, {ONE: [], OTHER: []}
        for node in (ONE, OTHER):
            sockets[node] = made = make(kind, net, node)
            await made.open(("127.0.0.1", 0) if kind == "real" else HOSTS[node], came[node].extend)
            assert made.hosts()[0][1] == made.port
        there = await sockets[ONE].resolve(sockets[OTHER].hosts()[0])
        sockets[ONE].send(b"question", there)
        await until(lambda: came[OTHER])
        data, back = came[OTHER][0]
        assert data == b"question"
        sockets[OTHER].send(b"answer", back)
        await until(lambda: came[ONE])
        assert came[ONE] == [(b"answer", there)]
        sockets[OTHER].close()
        sockets[OTHER].close()
        sockets[OTHER].send(b"closed", back)
        sockets[ONE].send(b"to nobody", there)
        await asyncio.sleep(0.05)
        assert (len(came[ONE]), len(came[OTHER])) == (1, 1)
        sockets[ONE].close()

    run(kind, case)


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_that_is_taken_is_unavailable_and_free_again_after_close(kind):
    async def case():
        net = Net() if kind == "fake" else None
        one = make(kind, net, ONE)
        await one.open(("127.0.0.1", 0) if kind == "real" else HOSTS[ONE], lambda _: None)
        (host,) = one.hosts()
        with pytest.raises(Unavailable):
            await make(kind, net, ONE).open(host, lambda _: None)
        one.close()
        again = make(kind, net, ONE)
        await again.open(host, lambda _: None)
        again.close()

    run(kind, case)


def test_a_socket_bound_to_everything_says_this_machines_addresses():
    async def case():
        one = UdpSocket()
        await one.open(("0.0.0.0", 0), lambda _: None)
        hosts = one.hosts()
        assert hosts
        assert all(socket.inet_aton(host) and port == one.port for host, port in hosts)
        one.close()

    run("real", case)
