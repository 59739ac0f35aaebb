"""A connection finds how large datagrams its path carries, and falls back when the path carries less than before."""

import asyncio
from types import SimpleNamespace

import pytest

from mesh.adapters.quic import network as quic_network
from mesh.adapters.quic import path_size
from mesh.adapters.quic.aioquic_engine import AioquicConnection
from mesh.adapters.quic.path_size import AGAIN_S, BASE_BYTES, TRIES, PathSize
from mesh.adapters.quic.udp import UdpSocket
from mesh.ports import Flow
from tests.mesh.adapters.quic_world import Mesh


class Way:
    """A path that carries so many bytes."""

    def __init__(self, bytes_max):
        self.bytes_max = bytes_max
        self.largest = 0


def search(size, way, now=0.0, until=30.0):
    """Let a search go on over a path that carries ``way.bytes_max``; gives the sizes that were probed."""
    probed = []
    while now < until:
        wanted = size.due(now)
        if wanted:
            probed.append(wanted)
            size.told(wanted, now, arrived=wanted <= way.bytes_max)
        now += 0.05
    return probed


@pytest.mark.parametrize(
    ("carries", "limit", "found"),
    [
        (1280, 8952, 1200),
        (1400, 8952, 1350),
        (1472, 8952, 1452),
        (8972, 8952, 8952),
        (8972, 4000, 4000),
        (9000, 1200, 1200),
    ],
)
def test_the_largest_rung_that_arrives_is_used(carries, limit, found):
    size = PathSize(BASE_BYTES)
    size.begin(0, limit, 0.0)
    probed = search(size, Way(carries))
    assert size.size_bytes == found
    assert max([0, *probed]) <= limit
    assert sum(probe > carries for probe in probed) in (0, TRIES)


def test_one_lost_probe_proves_nothing_and_a_probe_of_before_counts_no_more():
    size = PathSize(BASE_BYTES)
    size.begin(0, 1452, 0.0)
    assert size.due(0.0) == 1350
    assert size.due(0.0) == 0
    assert not size.told(1452, 0.0, arrived=True)
    assert not size.told(1350, 0.0, arrived=False)
    assert size.due(0.1) == 0
    assert size.due(1.0) == 1350
    assert size.told(1350, 1.0, arrived=True)
    assert size.size_bytes == 1350


def test_a_probe_that_nothing_is_heard_of_is_lost_after_a_while():
    size = PathSize(BASE_BYTES)
    size.begin(0, 1350, 0.0)
    now = 0.0
    for _ in range(TRIES):
        while not size.due(now):
            now += 0.1
        assert size.overdue(now) == 0
        now = size.next_at()
        assert size.overdue(now) == 1350
        size.told(1350, now, arrived=False)
    assert size.next_at() == now + AGAIN_S
    assert size.overdue(now) == 0


def test_what_failed_is_tried_again_much_later():
    size, way = PathSize(BASE_BYTES), Way(1400)
    size.begin(0, 1452, 0.0)
    search(size, way)
    way.bytes_max = 1500
    assert search(size, way, 30.0, AGAIN_S - 1.0) == []
    search(size, way, AGAIN_S, AGAIN_S + 10.0)
    assert size.size_bytes == 1452


def test_a_black_hole_is_left_and_a_doubt_without_reason_changes_nothing():
    size, way = PathSize(BASE_BYTES), Way(9000)
    size.begin(0, 8952, 0.0)
    search(size, way)
    assert size.doubt(30.0)
    assert not size.doubt(30.0)
    search(size, way, 30.0, 40.0)
    assert size.size_bytes == 8952
    way.bytes_max = 1300
    assert size.doubt(40.0)
    search(size, way, 40.0, 50.0)
    assert size.size_bytes == BASE_BYTES
    assert not size.doubt(50.0)


def over(way, monkeypatch):
    """Have whatever is sent go a way; nothing counts as loopback."""
    really = UdpSocket.send

    def send(self, data, address):
        if len(data) <= way.bytes_max:
            way.largest = max(way.largest, len(data))
            really(self, data, address)

    monkeypatch.setattr(UdpSocket, "send", send)
    monkeypatch.setattr(quic_network, "is_loopback", lambda _: False)
    monkeypatch.setattr(quic_network, "FIND_SIZE_AFTER_S", 0.0)


async def until(holds):
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def sizes(*nodes):
    return {carrier.connection.datagram_bytes for node in nodes for carrier in node.carriers}


@pytest.mark.parametrize(("carries", "found"), [(1200, 1200), (1400, 1350), (1472, 1452), (8972, 8952)])
def test_both_ends_of_a_link_find_what_the_path_carries(carries, found, monkeypatch):
    async def main():
        way = Way(carries)
        over(way, monkeypatch)
        async with Mesh() as mesh:
            one, other = await mesh.node(), await mesh.node()
            link = await one.network.dial(other.host)
            await until(lambda: sizes(one, other) == {found})
            stream = await link.open_stream(Flow.CONTROL, b"echo")
            await stream.write(bytes(100_000))
            assert len(await stream.read_exactly(100_000)) == 100_000
            assert way.largest == found

    asyncio.run(main())


@pytest.fixture
def impatient(monkeypatch):
    """Have a black hole seen at once."""
    monkeypatch.setattr(quic_network, "KEEPALIVE_LOOK_S", 0.1)
    monkeypatch.setattr(path_size, "WAIT_S", 0.1)
    monkeypatch.setattr(path_size, "TRY_AGAIN_S", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_further_connection_goes_on_from_what_was_found_and_leaves_a_black_hole_too(monkeypatch):
    async def main():
        way = Way(8972)
        over(way, monkeypatch)
        async with Mesh() as mesh:
            one, other = await mesh.node(), await mesh.node()
            link = await one.network.dial(other.host)
            await until(lambda: sizes(one, other) == {8952})
            stream = await link.open_stream(Flow.BULK, b"echo")
            assert [carrier.connection.datagram_bytes for carrier in link.carriers] == [8952, 8952]
            way.bytes_max = 1400
            async with asyncio.timeout(20):
                await stream.write(bytes(100_000))
                assert len(await stream.read_exactly(100_000)) == 100_000
            await until(lambda: {carrier.connection.datagram_bytes for carrier in link.carriers} == {BASE_BYTES})

    asyncio.run(main())


@pytest.mark.usefixtures("impatient")
def test_a_path_that_carries_less_than_before_stops_nobody(monkeypatch):
    async def main():
        way = Way(8972)
        over(way, monkeypatch)
        async with Mesh() as mesh:
            one, other = await mesh.node(), await mesh.node()
            link = await one.network.dial(other.host)
            await until(lambda: sizes(one, other) == {8952})
            way.bytes_max = 1400
            stream = await link.open_stream(Flow.CONTROL, b"echo")
            async with asyncio.timeout(20):
                await stream.write(bytes(100_000))
                assert len(await stream.read_exactly(100_000)) == 100_000
            assert sizes(one, other) == {BASE_BYTES}

    asyncio.run(main())


def test_what_waits_is_sent_again_only_after_the_transport_has_gone_through_what_it_believes_lost():
    """It went through a list of lost packets, a probe's among them, whose fate took others out of the same list."""
    done = []

    class Transport:
        host_cid = b"12345678"
        configuration = SimpleNamespace(max_datagram_size=8952)

        def receive_datagram(self, data, address, now):
            connection._probed(False, 8952)
            done.append("received")

        def resize(self, size):
            done.append(size)

        def send_again(self, now):
            done.append("sent again")

    connection = AioquicConnection(Transport(), ("127.0.0.1", 1))
    assert connection._path.doubt(0.0)
    for at in range(TRIES):
        now = 0.0 + at
        assert connection._path.due(now) == 8952
        if at < TRIES - 1:
            connection._path.told(8952, now, arrived=False)
    connection.receive(b"", ("127.0.0.1", 1), float(TRIES))
    assert done == [BASE_BYTES, "received", "sent again"]
