"""Every network keeps what ``ports.Network`` promises: QUIC (alone, with the bulk lane, over simulated datagrams), the
simulator's links, the plain one of actor tests."""

import asyncio
import itertools
import socket

import pytest

from mesh.adapters.bulk.lane import BulkLane
from mesh.adapters.bulk.stream import LaneStream
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.quic.link import QuicLink
from mesh.adapters.quic.network import QuicNetwork
from mesh.adapters.quic.stream import QuicByteStream
from mesh.core.identity import Authority, NodeIdentity, node_of_seed
from mesh.ports import ByteStream, Link, LinkHandler, Network
from simulations.world.fabric import Fabric
from simulations.world.links import WorldLink, WorldNetwork
from simulations.world.loop import VirtualLoop
from simulations.world.network import FakeFabric, FakeLink, FakeNetwork
from simulations.world.streams import WorldStream
from simulations.world.trace import Trace
from tests.contracts.kinds import run
from tests.contracts.network_cases import BESIDE, LARGE, LASTING
from tests.contracts.network_cases import CASES as OWN
from tests.contracts.relayed_cases import RELAYED
from tests.mesh.adapters.paths_world import on_paths

CASES = [*OWN, *RELAYED]
PORTS = (Network, Link, LinkHandler, ByteStream)
REAL = (QuicNetwork, QuicLink, QuicByteStream, LaneStream)
FAKE = (WorldNetwork, WorldLink, WorldStream, FakeNetwork, FakeLink)


class QuicWorld:
    settle_s = 5.0
    lane = False

    def __init__(self):
        self.authority = Authority(b"a" * 32)
        self.networks = []
        self.ids = {}
        self._silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._silent.bind(("127.0.0.1", 0))

    def twin(self, host):
        seed = SystemEntropy().token(32)
        identity = NodeIdentity(seed, self.authority.admit(node_of_seed(seed), 0.0), self.authority.certificate())
        clock, entropy = SystemClock(), SystemEntropy()
        lane = BulkLane(0, entropy) if self.lane else None
        network = QuicNetwork(identity, host, clock, entropy, lambda _: None, bulk=lane)
        self.networks.append(network)
        self.ids[network] = identity.node
        return network

    async def node(self, handler):
        network = self.twin(("127.0.0.1", 0))
        await network.start(handler)
        return network, self.ids[network], network.listening()[0]

    def network_at(self, host):
        return next(network for network in self.networks if host in network.listening())

    def nowhere(self):
        return self._silent.getsockname()

    async def close(self):
        for network in self.networks:
            await network.close()
        self._silent.close()


class LaneWorld(QuicWorld):
    """Nodes with a bulk lane; what shall go there must have."""

    lane = True

    async def close(self):
        links = [link for network in self.networks for link in network.links().values()]
        assert not links or any(link.bulk.streams for link in links)
        await super().close()


class SimulatedWorld:
    """The links of simulated machines, on a loop in virtual time; each node is a life of its own."""

    settle_s = 5.0

    def __init__(self):
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.fabric = Fabric(loop, 1, Trace())
        self._numbers = itertools.count(1)

    def twin(self, host):
        number = next(self._numbers)
        node = node_of_seed(bytes([number]) * 32)
        return WorldNetwork(self.fabric, node, Authority(b"a" * 32).mesh, host, f"n{number}.1")

    async def node(self, handler):
        network = self.twin((f"10.0.0.{len(self.fabric.networks) + 1}", 1))
        await network.start(handler)
        return network, network.node_id, network.listening()[0]

    def network_at(self, host):
        return self.fabric.networks[host]

    def nowhere(self):
        return "10.0.9.9", 1

    async def close(self):
        pass


class PlainWorld:
    """The network in memory that tests of actors stand on, in virtual time."""

    settle_s = 5.0

    def __init__(self):
        self.fabric = FakeFabric()
        self._numbers = itertools.count(1)

    def twin(self, host):
        return FakeNetwork(self.fabric, node_of_seed(bytes([next(self._numbers)]) * 32), host)

    async def node(self, handler):
        network = self.twin((f"10.0.0.{len(self.fabric.nodes) + 1}", 1))
        await network.start(handler)
        return network, network.node_id, network.listening()[0]

    def network_at(self, host):
        return self.fabric.nodes[host]

    def nowhere(self):
        return "10.0.9.9", 1

    async def close(self):
        await self.fabric.close()


def tell(kind, make, case):
    async def main():
        world = make()
        try:
            await case(world)
        finally:
            await world.close()

    run(kind, main)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_quic(case):
    tell("real", QuicWorld, case)


@pytest.mark.parametrize("case", BESIDE, ids=lambda case: case.__name__)
def test_quic_with_the_bulk_lane(case):
    tell("real", LaneWorld, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_simulated_links(case):
    tell("fake", SimulatedWorld, case)


@pytest.mark.parametrize("case", [case for case in CASES if case not in LARGE], ids=lambda case: case.__name__)
def test_quic_over_simulated_datagrams(case):
    on_paths(case, path_bytes=9000)


@pytest.mark.parametrize("case", LASTING, ids=lambda case: case.__name__)
def test_quic_over_simulated_datagrams_in_bad_weather(case):
    async def told(paths):
        weather = paths.fabric.weather
        weather.loss, weather.duplicate, weather.spike, weather.spike_s = 0.1, 0.05, 0.1, 0.05
        await case(paths)

    on_paths(told, settle_s=60.0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_plain_network(case):
    tell("fake", PlainWorld, case)
