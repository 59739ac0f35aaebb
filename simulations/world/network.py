"""A network in memory: links between nodes of one process, with delay, partitions and crashes; a ``ports.Network``.

Everything runs on the event loop's own time, so on a loop with virtual time it takes none. Invariant: frames of a
channel arrive in order and whole, or the link goes down and both ends are told; datagrams may be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence

from mesh.actors.pipe import PipeStream, pipe
from mesh.ports import (
    DATAGRAM_BYTES_MAX,
    ByteStream,
    Channel,
    Flow,
    Host,
    LinkHandler,
    PortError,
    Refused,
    RefusedHere,
    Tunnel,
    Unavailable,
)
from proto.codec import Malformed
from proto.frames import FRAME_BYTES_MAX
from proto.ids import NodeId
from simulations.world.tunnels import Doorway

WAITING_FRAMES_MAX = 64
"""Frames on their way on one channel; a sender waits for room."""
DATAGRAMS_WAITING_MAX = 64
"""Datagrams sent in one turn of the loop; of more, the oldest are dropped."""
STREAM_HEADER_BYTES_MAX = 64 * 1024


class FakeFabric:
    """What joins the nodes: who listens where, who can reach whom, how long it takes."""

    def __init__(self, delay_s: float = 0.001, lose_datagram: Callable[[], bool] = lambda: False) -> None:
        self.delay_s = delay_s
        self.lose_datagram = lose_datagram
        self.nodes: dict[Host, FakeNetwork] = {}
        self._cuts: set[tuple[NodeId, NodeId]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        """Own a task of the network."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cut(self, one: NodeId, other: NodeId) -> None:
        """Part two nodes; their link goes down at once."""
        self._cuts |= {(one, other), (other, one)}
        for network in list(self.nodes.values()):
            if network.node_id in (one, other):
                network.drop(other if network.node_id == one else one, "partition")

    def heal(self) -> None:
        """Let everybody reach everybody again."""
        self._cuts.clear()

    def parted(self, one: NodeId, other: NodeId) -> bool:
        """Tell whether two nodes cannot reach each other."""
        return (one, other) in self._cuts

    async def close(self) -> None:
        """End what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class FakeLink:
    """One end of a link; a ``ports.Link``."""

    def __init__(
        self, network: FakeNetwork, peer: NodeId, address: Host, fabric: FakeFabric, tunnel: Tunnel | None = None
    ) -> None:
        self._network = network
        self.peer = peer
        self.address = address
        self.tunnel = tunnel
        self.relay = tunnel.relay if tunnel is not None else None
        self._fabric = fabric
        self._queues: dict[Channel, asyncio.Queue[bytes]] = {
            channel: asyncio.Queue(WAITING_FRAMES_MAX) for channel in Channel
        }
        self.other: FakeLink | None = None
        self.up = True
        self._streams: list[PipeStream] = []
        self._pumps: list[asyncio.Task[None]] = []
        self._datagrams: deque[bytes] = deque(maxlen=DATAGRAMS_WAITING_MAX)

    @property
    def rtt_s(self) -> float:
        """Round trip in seconds."""
        return self._fabric.delay_s * 2

    def start(self) -> None:
        """Begin to deliver."""
        for channel in Channel:
            self._pumps.append(self._fabric.spawn(self._pump(channel), f"fake-link/{channel.name}"))

    async def _pump(self, channel: Channel) -> None:
        other = self.other
        assert other is not None
        while self.up:
            frame = await self._queues[channel].get()
            await asyncio.sleep(self._fabric.delay_s)
            try:
                await other._network.handler.on_frame(other, channel, frame)  # noqa: SLF001 - both ends are ours
            except Malformed as error:
                other._network.misbehaved += 1  # noqa: SLF001
                other._network.drop(other.peer, f"malformed frame: {error}")  # noqa: SLF001
                return

    async def send(self, channel: Channel, frame: bytes) -> None:
        """Send a frame."""
        if len(frame) > FRAME_BYTES_MAX:
            raise ValueError("frame over the bound")
        self._check_up()
        queue = self._queues[channel]
        await queue.put(frame)
        try:
            self._check_up()
        except Unavailable:
            with contextlib.suppress(asyncio.QueueEmpty):
                queue.get_nowait()  # so that the next one who waits is told too
            raise

    def _check_up(self) -> None:
        if not self.up:
            raise Unavailable(f"no link to {self.peer[:8]}")

    def send_datagram(self, data: bytes) -> None:
        """Send a datagram, perhaps in vain."""
        if len(data) > DATAGRAM_BYTES_MAX:
            raise ValueError(f"datagram of {len(data)} bytes is over {DATAGRAM_BYTES_MAX}")
        if not self.up or self.other is None:
            return
        if not self._datagrams:
            asyncio.get_running_loop().call_soon(self._send_datagrams)
        self._datagrams.append(data)

    def _send_datagrams(self) -> None:
        other = self.other
        assert other is not None
        leaving = list(self._datagrams)
        self._datagrams.clear()

        def deliver(data: bytes) -> None:
            if other.up:
                other._network.handler.on_datagram(other, data)  # noqa: SLF001 - both ends are ours

        for data in leaving:
            if not self._fabric.lose_datagram():
                asyncio.get_running_loop().call_later(self._fabric.delay_s, deliver, data)

    async def open_stream(self, flow: Flow, header: bytes) -> ByteStream:
        """Open a stream."""
        if len(header) > STREAM_HEADER_BYTES_MAX:
            raise ValueError("a stream's header is at most 64 KiB")
        other = self.other
        if not self.up or other is None:
            raise Unavailable(f"no link to {self.peer[:8]}")
        if self.relay is not None and flow is Flow.LIVE:
            raise Refused(f"live goes from node to node, not by way of {self.relay[:8]}")
        mine, theirs = pipe()
        self._streams.append(mine)
        self._fabric.spawn(other.serve(flow, header, theirs), "fake-stream")
        return mine

    async def serve(self, flow: Flow, header: bytes, stream: PipeStream) -> None:
        """Have a stream served that the peer opened."""
        self._streams.append(stream)
        await asyncio.sleep(self._fabric.delay_s)
        try:
            await self._network.handler.on_stream(self, flow, header, stream)
        except (PortError, Malformed):
            stream.reset()
        finally:
            if stream in self._streams:
                self._streams.remove(stream)

    def down(self) -> None:
        """Stop delivering and reset the streams."""
        self.up = False
        for stream in self._streams:
            stream.reset()
        for queue in self._queues.values():
            while not queue.empty():
                queue.get_nowait()
        for pump in self._pumps:
            if pump is not asyncio.current_task():
                pump.cancel()
        if self.tunnel is not None:
            self.tunnel.close()


class FakeNetwork:
    """A node's place in the fabric; a ``ports.Network``."""

    def __init__(self, fabric: FakeFabric, node_id: NodeId, host: Host) -> None:
        self.node_id = node_id
        self._fabric = fabric
        self._host = host
        self._links: dict[NodeId, FakeLink] = {}
        self.doorway = Doorway(node_id, self._way_lost)
        self.misbehaved = 0
        """How often a peer was dropped for what it sent."""
        self.strangers_refused = 0
        """Nobody is a stranger here."""
        self.handler: LinkHandler

    async def start(self, handler: LinkHandler) -> None:
        """Listen."""
        if self._host in self._fabric.nodes:
            raise Unavailable(f"port {self._host[1]} is taken")
        self.handler = handler
        self._fabric.nodes[self._host] = self

    async def dial(self, host: Host, expect: NodeId | None = None, timeout_s: float = 5.0) -> FakeLink:
        """Reach a node."""
        await asyncio.sleep(self._fabric.delay_s * 2)
        other = self._fabric.nodes.get(host)
        if other is None or self._fabric.parted(self.node_id, other.node_id):
            await asyncio.sleep(timeout_s)
            raise Unavailable(f"nobody answers at {host[0]}:{host[1]}")
        if other is self:
            raise RefusedHere("that is this node itself")
        if expect is not None and other.node_id != expect:
            raise Refused("another node answers there")
        standing = self._links.get(other.node_id)
        if standing is not None and standing.relay is None:
            return standing
        return self._join(other, None, None)

    async def dial_through(self, tunnel: Tunnel, timeout_s: float = 5.0) -> FakeLink:
        """Reach a node by way of another."""
        try:
            await self.doorway.knock(tunnel, timeout_s)
            standing = self._links.get(tunnel.peer)
            if standing is None:
                other = next(one for one in self._fabric.nodes.values() if one.node_id == tunnel.peer)
                return self._join(other, tunnel, other.doorway.take(self.node_id))
        except BaseException:
            tunnel.close()
            raise
        tunnel.close()
        return standing

    def enter(self, tunnel: Tunnel) -> None:
        """Listen to a tunnel that leads here."""
        self.doorway.enter(tunnel)

    def _way_lost(self, tunnel: Tunnel) -> None:
        for peer, link in list(self._links.items()):
            if link.tunnel is tunnel:
                self.drop(peer, "the node in between carries it no more")

    def _join(self, other: FakeNetwork, here: Tunnel | None, there: Tunnel | None) -> FakeLink:
        self.drop(other.node_id, "replaced by a new connection of the same node")
        mine = FakeLink(self, other.node_id, other._host, self._fabric, here)
        theirs = FakeLink(other, self.node_id, self._host, self._fabric, there)
        mine.other, theirs.other = theirs, mine
        self._links[other.node_id] = mine
        other._links[self.node_id] = theirs
        mine.start()
        theirs.start()
        other.handler.on_link_up(theirs)
        self.handler.on_link_up(mine)
        return mine

    def links(self) -> Mapping[NodeId, FakeLink]:
        """Give the links that stand."""
        return self._links

    def drop(self, peer: NodeId, reason: str) -> None:
        """Close the link to a peer."""
        link = self._links.pop(peer, None)
        if link is None:
            return
        link.down()
        self.handler.on_link_down(link, reason)
        other = link.other
        if other is not None:
            other._network.drop(self.node_id, reason)  # noqa: SLF001 - both ends are ours

    def listening(self) -> Sequence[Host]:
        """Give this node's address."""
        return [self._host]

    async def close(self) -> None:
        """Leave the fabric."""
        self._fabric.nodes.pop(self._host, None)
        for peer in list(self._links):
            self.drop(peer, "the node left")
