"""The real network keeps what ``ports.Network`` promises."""

import asyncio
import socket

import pytest

from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.quic.network import QuicNetwork
from mesh.core.identity import Authority, NodeIdentity, node_of_seed
from tests.contracts.network_cases import CASES


class QuicWorld:
    settle_s = 5.0

    def __init__(self):
        self.authority = Authority(b"a" * 32)
        self.networks = []
        self._silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._silent.bind(("127.0.0.1", 0))

    async def node(self, handler):
        seed = SystemEntropy().token(32)
        node = node_of_seed(seed)
        identity = NodeIdentity(seed, self.authority.admit(node, 0.0), self.authority.certificate())
        network = QuicNetwork(identity, ("127.0.0.1", 0), SystemClock(), SystemEntropy(), lambda _: None)
        await network.start(handler)
        self.networks.append(network)
        return network, node, network.listening()[0]

    def nowhere(self):
        return self._silent.getsockname()

    async def close(self):
        for network in self.networks:
            await network.close()
        self._silent.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_quic(case):
    async def main():
        world = QuicWorld()
        try:
            await case(world)
        finally:
            await world.close()

    asyncio.run(main())
