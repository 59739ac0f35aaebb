"""Nodes of a mesh on loopback, and strangers that speak QUIC to them with no manners at all."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass

import structlog
from aioquic.asyncio import QuicConnectionProtocol
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from mesh.adapters.bulk.lane import BulkLane
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.quic.gate import ALPN_MESH, PROOF_STREAM
from mesh.adapters.quic.network import QuicNetwork
from mesh.core.identity import VERSIONS, Authority, NodeIdentity, node_of_seed
from proto import codec
from proto.frames import FrameReader, pack_frame
from proto.messages.identity import Challenge, Proof, Welcome
from tests.contracts.network_cases import Recorder

SETTLE_S = 20.0
AUTHORITY = Authority(b"a" * 32)
STRANGERS = Authority(b"b" * 32)


def identity(seed=None, authority=AUTHORITY):
    seed = seed or SystemEntropy().token(32)
    return NodeIdentity(seed, authority.admit(node_of_seed(seed), 0.0), authority.certificate())


class ShiftedClock(SystemClock):
    """A clock whose time of day is wrong by ``shift_s``."""

    def __init__(self, shift_s):
        self.shift_s = shift_s

    def wall(self):
        return super().wall() + self.shift_s


@dataclass
class Node:
    identity: NodeIdentity
    network: QuicNetwork
    handler: Recorder

    @property
    def id(self):
        return self.identity.node

    @property
    def host(self):
        return self.network.listening()[0]

    @property
    def carriers(self):
        return self.network._driver.carriers

    @property
    def gates(self):
        return list(self.network._strangers.gates)


class Mesh:
    """Makes nodes and strangers, and ends them all."""

    def __init__(self):
        self._ends = contextlib.AsyncExitStack()

    async def node(self, me=None, accepts=lambda _: None, clock=None, entropy=None, *, lane=False):
        me, clock, entropy = me or identity(), clock or SystemClock(), entropy or SystemEntropy()
        bulk = BulkLane(0, entropy) if lane else None
        network = QuicNetwork(me, ("127.0.0.1", 0), clock, entropy, accepts, bulk=bulk)
        handler = Recorder()
        await network.start(handler)
        self._ends.push_async_callback(network.close)
        return Node(me, network, handler)

    async def stranger(self, node, alpn=ALPN_MESH):
        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=[alpn], verify_mode=ssl.CERT_NONE, max_datagram_frame_size=16384
        )
        configuration.server_name = node.id
        _, made = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Stranger(QuicConnection(configuration=configuration)), local_addr=("127.0.0.1", 0)
        )
        self._ends.callback(made._transport.close)
        made.connect(node.host)
        return made

    async def __aenter__(self):
        return self

    async def __aexit__(self, *failure):
        await self._ends.aclose()


class Stranger(QuicConnectionProtocol):
    """A dialler that does as the test says."""

    def __init__(self, quic):
        super().__init__(quic)
        self.heard = {}
        self.ended = None
        self._reader = FrameReader()
        self.frames = []

    def quic_event_received(self, event):
        if isinstance(event, events.StreamDataReceived):
            self.heard[event.stream_id] = self.heard.get(event.stream_id, b"") + event.data
            if event.stream_id == PROOF_STREAM:
                self.frames += self._reader.feed(event.data)
        elif isinstance(event, events.ConnectionTerminated):
            self.ended = event

    async def until(self, true):
        async with asyncio.timeout(SETTLE_S):
            while not true():
                await asyncio.sleep(0.005)

    async def challenge(self):
        await self.until(lambda: self.frames or self.over)
        return codec.decode(Challenge, self.frames[0])

    async def welcome(self):
        await self.until(lambda: len(self.frames) > 1 or self.over)
        assert not self.over, self.over
        return codec.decode(Welcome, self.frames[1])

    def say(self, data, stream=PROOF_STREAM, end=False):
        self._quic.send_stream_data(stream, data, end)
        self.transmit()

    def open(self, data, unidirectional=False, end=False):
        """Open a stream whatever the server allows."""
        self._quic._remote_max_streams_bidi = self._quic._remote_max_streams_uni = 1 << 20
        stream = self._quic.get_next_available_stream_id(is_unidirectional=unidirectional)
        self._quic.send_stream_data(stream, data, end)
        held = self._quic._streams[stream]
        held.is_blocked, held.max_stream_data_remote = False, 1 << 30
        self._quic._remote_max_data = 1 << 30
        self.transmit()
        return stream

    def overfill(self, data, stream=PROOF_STREAM):
        """Send more than the server's windows let anybody."""
        self._quic._remote_max_data = 1 << 30
        self._quic.send_stream_data(stream, data)
        self._quic._streams[stream].max_stream_data_remote = 1 << 30
        self.transmit()

    def datagram(self, data):
        self._quic.send_datagram_frame(data)
        self.transmit()

    async def prove(self, me, server, **changed):
        """Do it right, but for what is changed."""
        nonce = (await self.challenge()).nonce
        self.say(proof_frame(me, server, nonce, **changed))

    @property
    def over(self):
        return self._quic._close_event

    async def closed(self):
        """Give code and reason with which the server ended the connection."""
        await self.until(lambda: self.over)
        return self.over.error_code, self.over.reason_phrase


def proof_frame(me, server, nonce, **changed):
    proof = me.prove(server, nonce, VERSIONS, 0, b"")
    fields = {name: changed.get(name, getattr(proof, name)) for name in Proof.__dataclass_fields__}
    return pack_frame(codec.encode(Proof(**fields)))


async def until(true):
    async with asyncio.timeout(SETTLE_S):
        while not true():
            await asyncio.sleep(0.005)


def run(case):
    """Run a case in a mesh of its own; gives what was logged."""

    async def main():
        async with Mesh() as mesh:
            await case(mesh)

    with structlog.testing.capture_logs() as logs:
        asyncio.run(main())
    return logs
