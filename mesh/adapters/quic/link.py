"""A link: the connections to one proven peer.

Decides what travels where. Control, request and event frames each have a one-way stream of their own in each direction
of the main connection; live groups and control streams are streams of it too. Record copies and bulk use connections
of their own, dialled by whoever first needs one, so that their queues and losses stay theirs: the bulk lane (TCP) where
both have one and it can be reached, else QUIC.

Invariant: bytes that are no valid frame or stream end the link of the peer that sent them, and nothing else.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import structlog

from mesh.adapters.bulk.frames import FLOWS as BULK_LANE_FLOWS
from mesh.adapters.bulk.frames import HEADER_BYTES_MAX
from mesh.adapters.bulk.pool import Pool
from mesh.adapters.bulk.stream import LaneStream
from mesh.adapters.quic.driver import Carrier, Lane
from mesh.adapters.quic.engine import Closed, DatagramBytes, Event, HandshakeDone, StreamBytes, StreamReset, Windows
from mesh.adapters.quic.gate import CODE_TWIN, PROOF_STREAM
from mesh.adapters.quic.stream import QuicByteStream
from mesh.adapters.quic.twins import Life
from mesh.adapters.quic.udp import plain_host
from mesh.ports import DATAGRAM_BYTES_MAX, ByteStream, Channel, Flow, Host, LinkHandler, PortError, Refused, Unavailable
from proto.codec import Malformed
from proto.frames import FRAME_BYTES_MAX, FrameReader, pack_frame
from proto.ids import NodeId

FRAME_STALL_S = 30.0
"""A frame or header that was begun is whole by then, or the peer is dropped."""
WINDOWS = {
    Lane.MAIN: Windows(1 << 20, 16 << 20, 512, len(Channel)),
    Lane.RECORD: Windows(512 << 10, 1 << 20, 256, 0),
    Lane.BULK: Windows(512 << 10, 1 << 20, 256, 0),
}
"""What a proven peer may have unread here, by lane."""
LANES_MAX = 2
"""Connections of one class of a link: both sides may have dialled one at the same time."""
_LANE_OF = {Flow.CONTROL: Lane.MAIN, Flow.LIVE: Lane.MAIN, Flow.RECORD: Lane.RECORD, Flow.BULK: Lane.BULK}
_READ_BYTES = 256 << 10
_log = structlog.get_logger("quic")


class Lost(Protocol):
    """Hears that a link is over; ``misbehaved``: because of what the peer sent; ``twin``: another is this node."""

    def __call__(self, link: QuicLink, reason: str, *, misbehaved: bool = False, twin: bool = False) -> None:
        """Take the end of a link."""


class LaneSession:
    """One connection of a link, proven: its streams and datagrams; a driver's ``Session``."""

    def __init__(self, link: QuicLink, carrier: Carrier, lane: Lane, *, dialled: bool) -> None:
        self.carrier = carrier
        self.lane = lane
        self.streams: dict[int, QuicByteStream] = {}
        self._link = link
        self._ours = 0 if dialled else 1
        carrier.lane = lane
        carrier.session = self
        carrier.connection.grant(WINDOWS[lane])
        carrier.touch()

    def on_event(self, event: Event) -> None:
        """Take an event of the connection."""
        match event:
            case StreamBytes(stream, data) if stream == PROOF_STREAM:
                # Its end may come in a packet of its own; bytes have no business there any more.
                if data:
                    self._link.misbehaved("sent more than a proof on its stream")
            case StreamBytes(stream, data, end):
                held = self.streams.get(stream) or self._incoming(stream)
                if held is not None:
                    held.feed(data, end)
            case StreamReset(stream, sending):
                held = self.streams.get(stream)
                if held is not None and sending:
                    held.unwanted()
                elif held is not None:
                    self.carrier.connection.reset(stream)
                    held.fail("the peer reset the stream")
            case DatagramBytes(data):
                if self.lane is Lane.MAIN:
                    self._link.heard_datagram(data)
            case Closed(code, reason):
                self.fail(reason or "connection lost")
                told = reason or "the peer did not answer any more"
                self._link.lane_lost(self, told, twin=code == CODE_TWIN)
            case HandshakeDone():
                pass

    def open(self, *, unidirectional: bool = False) -> QuicByteStream:
        """Open a stream of ours."""
        stream = self.carrier.connection.open(unidirectional=unidirectional)
        # It counts as open once something is sent, so nothing of another stream may come between.
        self.carrier.connection.send(stream, b"")
        made = self.streams[stream] = QuicByteStream(self.carrier, stream, self._forget, readable=not unidirectional)
        return made

    def _incoming(self, stream: int) -> QuicByteStream | None:
        if stream % 2 == self._ours:
            return None
        unidirectional = bool(stream & 2)
        made = QuicByteStream(self.carrier, stream, self._forget, writable=not unidirectional)
        self.streams[stream] = made
        self._link.serve(self, made, channel=unidirectional)
        return made

    def _forget(self, stream: int) -> None:
        self.streams.pop(stream, None)

    def fail(self, reason: str) -> None:
        """Every stream is lost."""
        for stream in list(self.streams.values()):
            stream.fail(reason)


class QuicLink:
    """A proven peer; a ``ports.Link``. ``more`` dials a further connection to it; ``lost`` hears of its end."""

    def __init__(
        self,
        peer: NodeId,
        link_id: bytes,
        since_s: float,
        life: Life,
        handler: LinkHandler,
        more: Callable[[QuicLink, Lane], Awaitable[None]],
        lost: Lost,
        relay: NodeId | None = None,
    ) -> None:
        self.relay = relay
        """The node that carries it; None: the two ends reach each other."""
        self.bulk: Pool | None = None
        """Its connections of the bulk lane; None without one."""
        self.id = link_id
        self.since_s = since_s
        self.life = life
        """The run of the peer's process at its other end."""
        self._peer = peer
        self._handler = handler
        self._more = more
        self._lost = lost
        self._lanes: dict[Lane, list[LaneSession]] = {lane: [] for lane in Lane}
        self._dialling: dict[Lane, asyncio.Lock] = {}
        self._outlets: dict[Channel, QuicByteStream] = {}
        self._turns: dict[Channel, asyncio.Lock] = {}
        self._heard: dict[Channel, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.ends_s = math.inf
        """When the certificate that the peer showed is over, UTC seconds since 1970."""
        self.certificate = b""
        """What the peer showed, DER."""
        self.down = ""
        """Why it is down; empty while it stands."""
        self.datagrams_dropped = 0

    # ------------------------------------------------------------ for the application

    @property
    def peer(self) -> NodeId:
        """Who is at the other end."""
        return self._peer

    @property
    def address(self) -> Host:
        """Where the peer was reached."""
        return plain_host(self.main.carrier.connection.address)

    @property
    def rtt_s(self) -> float:
        """Smoothed round trip in seconds."""
        return self.main.carrier.connection.rtt_s

    def shows(self, certificate: bytes, ends_s: float) -> None:
        """Take note of the certificate (DER) that the peer has shown, and of when that is over."""
        self.certificate, self.ends_s = certificate, ends_s

    async def send(self, channel: Channel, frame: bytes) -> None:
        """Send one frame."""
        packed = pack_frame(frame)
        self._check()
        turn = self._turns.get(channel)
        if turn is None:
            turn = self._turns[channel] = asyncio.Lock()
        async with turn:
            self._check()
            outlet = self._outlets.get(channel)
            if outlet is None:
                outlet = self._outlets[channel] = self.main.open(unidirectional=True)
                packed = bytes([channel]) + packed
            await outlet.write_whole(packed)

    def send_datagram(self, data: bytes) -> None:
        """Send a datagram; silently nothing when the link is gone, as on any path."""
        if len(data) > DATAGRAM_BYTES_MAX:
            raise ValueError(f"a datagram of {len(data)} bytes is over {DATAGRAM_BYTES_MAX}")
        if self.down:
            return
        carrier = self.main.carrier
        if not carrier.connection.send_datagram(data):
            self.datagrams_dropped += 1
        carrier.touch()

    async def open_stream(self, flow: Flow, header: bytes) -> ByteStream:
        """Open a stream in a class of traffic."""
        if len(header) > HEADER_BYTES_MAX:
            raise ValueError(f"a stream's header of {len(header)} bytes is over {HEADER_BYTES_MAX}")
        self._check()
        if self.relay is not None and flow is Flow.LIVE:
            raise Refused(f"live goes from node to node, not by way of {self.relay[:8]}")
        if self.bulk is not None and flow in BULK_LANE_FLOWS:
            beside = await self.bulk.open(flow, header)
            if beside is not None:
                return beside
            self._check()
        lane = await self._lane(_LANE_OF[flow])
        self._check()
        stream = lane.open()
        await stream.write_whole(bytes([flow]) + len(header).to_bytes(4, "big") + header)
        return stream

    def _check(self) -> None:
        if self.down:
            raise Unavailable(f"the link to {self._peer[:8]} is down: {self.down}")

    async def _lane(self, lane: Lane) -> LaneSession:
        standing = self._lanes[lane]
        if not standing:
            async with self._dialling.setdefault(lane, asyncio.Lock()):
                if not standing:
                    await self._more(self, lane)
        self._check()
        if not standing:
            raise Unavailable(f"no {lane.name.lower()} connection to {self._peer[:8]}")
        return standing[-1]

    # ------------------------------------------------------------ its connections

    @property
    def main(self) -> LaneSession:
        """The connection that carries frames."""
        return self._lanes[Lane.MAIN][0]

    @property
    def carriers(self) -> list[Carrier]:
        """Its connections, the main one first."""
        return [session.carrier for sessions in self._lanes.values() for session in sessions]

    def join(self, carrier: Carrier, lane: Lane, *, dialled: bool) -> LaneSession | None:
        """Take a proven connection in; None when there are enough of its class."""
        standing = self._lanes[lane]
        if self.down or len(standing) >= (1 if lane is Lane.MAIN else LANES_MAX):
            return None
        session = LaneSession(self, carrier, lane, dialled=dialled)
        standing.append(session)
        return session

    def lane_lost(self, session: LaneSession, reason: str, *, twin: bool = False) -> None:
        """One of its connections has ended; without the main one the link is down."""
        if session.lane is Lane.MAIN:
            self._lost(self, reason, twin=twin)
        elif session in self._lanes[session.lane]:
            self._lanes[session.lane].remove(session)

    async def answers(self, within_s: float) -> bool:
        """Tell whether the peer shows within some seconds that it still lives."""
        return not self.down and await self.main.carrier.answers(within_s)

    def close(self, code: int, reason: str) -> None:
        """End every connection with a reason that the peer sees; streams are lost at once."""
        self.down = self.down or reason or "closed"
        for sessions in self._lanes.values():
            for session in sessions:
                session.carrier.close(code, reason)
                session.fail(self.down)
        if self.bulk is not None:
            self.bulk.close(self.down)
        for task in self._tasks:
            task.cancel()

    # ------------------------------------------------------------ what the peer sends

    def heard_datagram(self, data: bytes) -> None:
        """Hand over a datagram."""
        if not self.down:
            self._handler.on_datagram(self, data)

    def misbehaved(self, reason: str) -> None:
        """Have the link dropped for what the peer sent."""
        if not self.down:
            self._lost(self, reason, misbehaved=True)

    def serve(self, session: LaneSession, stream: QuicByteStream, *, channel: bool) -> None:
        """Read a stream the peer has opened: a channel of frames, or bytes with a header."""
        self._start(self._read_channel(stream) if channel else self._read_opened(session, stream))

    def serve_lane(self, flow: Flow, header: bytes, stream: LaneStream) -> None:
        """Have a stream handled that the peer has opened on the bulk lane."""
        if self.down:
            stream.reset()
        else:
            self._start(self._handle_stream(flow, header, stream))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before its first step would leave the work never awaited.
        task.add_done_callback(lambda _: work.close())

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Malformed as error:
            self._lost(self, str(error), misbehaved=True)
        except Unavailable:
            pass
        except Exception as error:  # noqa: BLE001 - the owner of these tasks is where their failures are told
            _log.error("a link's task failed", peer=self._peer, error=repr(error), exc_info=error)

    async def _read_channel(self, stream: QuicByteStream) -> None:
        number = (await stream.read(1))[:1]
        if not number or number[0] >= len(Channel) or Channel(number[0]) in self._heard:
            raise Malformed("no such channel, or a second one")
        channel = Channel(number[0])
        self._heard[channel] = None
        reader = FrameReader(FRAME_BYTES_MAX)
        while True:
            data = await self._read_on(stream, unfinished=reader.buffered_bytes > 0)
            if not data:
                raise Malformed(f"the {channel.name.lower()} channel ended")
            for frame in reader.feed(data):
                await self._handle(channel, frame)

    async def _read_on(self, stream: QuicByteStream, *, unfinished: bool) -> bytes:
        if not unfinished:
            return await stream.read(_READ_BYTES)
        try:
            async with asyncio.timeout(FRAME_STALL_S):
                return await stream.read(_READ_BYTES)
        except TimeoutError as error:
            raise Malformed(f"a frame was half sent for {FRAME_STALL_S:g} s") from error

    async def _handle(self, channel: Channel, frame: bytes) -> None:
        try:
            await self._handler.on_frame(self, channel, frame)
        except Malformed:
            raise
        except Exception as error:  # noqa: BLE001 - a bug over one frame must not silence the channel
            _log.error("a frame was not handled", peer=self._peer, channel=channel.name, error=repr(error))

    async def _read_opened(self, session: LaneSession, stream: QuicByteStream) -> None:
        try:
            try:
                async with asyncio.timeout(FRAME_STALL_S):
                    head = await stream.read_exactly(5)
                    if head[0] >= len(Flow) or _LANE_OF[Flow(head[0])] is not session.lane:
                        raise Malformed("a stream of no class, or on another's connection")
                    size = int.from_bytes(head[1:], "big")
                    if size > HEADER_BYTES_MAX:
                        raise Malformed(f"a stream's header of {size} bytes is over {HEADER_BYTES_MAX}")
                    header = await stream.read_exactly(size)
            except TimeoutError as error:
                raise Malformed("a stream's header was half sent") from error
        except BaseException:
            stream.reset()
            raise
        await self._handle_stream(Flow(head[0]), header, stream)

    async def _handle_stream(self, flow: Flow, header: bytes, stream: ByteStream) -> None:
        try:
            await self._handler.on_stream(self, flow, header, stream)
        except PortError as error:
            _log.debug("a stream was not served", peer=self._peer, error=str(error))
            stream.reset()
        except BaseException:
            stream.reset()
            raise
        else:
            # What the handler left unfinished ends here, so that the stream's state is freed on both sides.
            await stream.finish()
            stream.reset()
