"""Nodes on the real transport over simulated datagrams, in virtual time."""

import asyncio
import contextlib
import itertools

from mesh.adapters.quic.network import QuicNetwork
from mesh.core.identity import Authority, NodeIdentity, node_of_seed
from simulations.world.clock import WORLD_BEGAN, FakeClock
from simulations.world.datagrams import Datagrams, SimulatedSocket
from simulations.world.entropy import SeededEntropy
from simulations.world.fabric import Fabric
from simulations.world.loop import VirtualLoop
from simulations.world.seeded_quic import seeded_quic
from simulations.world.trace import Trace
from tests.contracts.kinds import run
from tests.contracts.network_cases import Recorder


class Paths:
    """The machines 10.0.0.1 and so on, and what is between them."""

    def __init__(self, settle_s=5.0, path_bytes=None):
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.settle_s = settle_s
        self.fabric = Fabric(loop, 1, Trace())
        self.datagrams = Datagrams(self.fabric)
        self.datagrams.widen(path_bytes)
        self.networks = []
        self._authority = Authority(b"a" * 32)
        self._numbers = itertools.count(1)

    def twin(self, host):
        number = next(self._numbers)
        key = bytes([number]) * 32
        me = NodeIdentity(key, self._authority.admit(node_of_seed(key), 0.0), self._authority.certificate())
        clock, chance = FakeClock(self.fabric.loop.time), SeededEntropy(1, f"n{number}")
        socket = SimulatedSocket(self.datagrams, me.node, host, f"n{number}.1")
        network = QuicNetwork(me, host, clock, chance, lambda _: None, socket=socket)
        self.networks.append(network)
        return network

    async def node(self, handler):
        network = self.twin((f"10.0.0.{len(self.datagrams.sockets) + 1}", 1))
        await network.start(handler)
        return network, network.identity.node, network.listening()[0]

    def network_at(self, host):
        return next(network for network in self.networks if host in network.listening())

    def nowhere(self):
        return "10.0.9.9", 1

    async def two(self):
        """Give two networks with a link that the first has dialled, and their handlers."""
        ha, hb = Recorder(), Recorder()
        a, _, _ = await self.node(ha)
        b, b_id, b_host = await self.node(hb)
        await a.dial(b_host, b_id)
        await self.until(lambda: hb.ups)
        return a, b, ha, hb

    async def until(self, true, limit_s=None):
        async with asyncio.timeout(limit_s or self.settle_s):
            while not true():
                await asyncio.sleep(0.01)

    async def close(self):
        for network in self.networks:
            await network.close()


def on_paths(case, **given):
    """Run a case of ``Paths``."""

    async def main():
        async with contextlib.aclosing(_Closing(Paths(**given))) as closing:
            await case(closing.paths)

    with seeded_quic(SeededEntropy(1, "quic").token, lambda: WORLD_BEGAN):
        run("fake", main)


class _Closing:
    def __init__(self, paths):
        self.paths = paths

    async def aclose(self):
        await self.paths.close()
