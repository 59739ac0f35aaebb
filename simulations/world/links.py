"""A node's network in the simulator, at the level of links: what ``ports.Network`` promises, over the fabric's faults.

Frames and streams are reliable and in order within a channel or stream; datagrams are lost, late, doubled. A link is a
``Wire`` with two ends; each end belongs to one life of a node.

Invariant: between two nodes stands one wire at most; what a handler is told runs in the name of the node told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from blake3 import blake3

from mesh.adapters.quic.twins import sentence, where
from mesh.ports import DATAGRAM_BYTES_MAX, Channel, Flow, Host, LinkHandler, Refused, RefusedHere, Tunnel, Unavailable
from proto.codec import Malformed
from proto.frames import FRAME_BYTES_MAX
from proto.ids import MeshId, NodeId
from simulations.world.fabric import LINK_TIMEOUT_S, Fabric
from simulations.world.streams import Lane, WorldStream
from simulations.world.tunnels import Doorway

CREDIT_FRAMES = 64
"""Frames under way or unhandled on a channel; a sender waits at one more."""
DATAGRAMS_WAITING_MAX = 64
"""Datagrams sent in one turn of the loop; of more, the oldest are dropped."""
STREAM_HEADER_BYTES_MAX = 64 * 1024


def fingerprint(data: bytes) -> str:
    """Give a short name for bytes, for the trace."""
    return blake3(data).hexdigest()[:12]


class WorldLink:
    """One end of a wire; a ``ports.Link``."""

    def __init__(self, wire: Wire, network: WorldNetwork, peer: NodeId, address: Host) -> None:
        self.wire = wire
        self.network = network
        self.up = False
        self.came_up = asyncio.Event()
        self._peer = peer
        self._address = address
        self._credit: dict[Channel, int] = dict.fromkeys(Channel, CREDIT_FRAMES)
        self._credit_came: dict[Channel, asyncio.Event] = {channel: asyncio.Event() for channel in Channel}
        self._frames: dict[Channel, deque[bytes]] = {channel: deque() for channel in Channel}
        self._frame_came: dict[Channel, asyncio.Event] = {channel: asyncio.Event() for channel in Channel}
        self._datagrams: deque[bytes] = deque(maxlen=DATAGRAMS_WAITING_MAX)
        self.tasks: dict[asyncio.Task[None], None] = {}
        self.streams: dict[WorldStream, None] = {}

    @property
    def peer(self) -> NodeId:
        """Who is at the other end."""
        return self._peer

    @property
    def address(self) -> Host:
        """Where the peer listens."""
        return self._address

    @property
    def relay(self) -> NodeId | None:
        """The node in between, if there is one."""
        return self.wire.relay

    @property
    def rtt_s(self) -> float:
        """The mean round trip of the fabric."""
        return sum(self.network.fabric.weather.latency_s) * self.wire.hops

    async def send(self, channel: Channel, frame: bytes) -> None:
        """Send one frame."""
        if len(frame) > FRAME_BYTES_MAX:
            raise ValueError(f"frame of {len(frame)} bytes is over {FRAME_BYTES_MAX}")
        while self.up and not self._credit[channel]:
            self._credit_came[channel].clear()
            await self._credit_came[channel].wait()
        if not self.up:
            raise Unavailable(f"link to {self._peer[:8]} is gone")
        self._credit[channel] -= 1
        self.network.fabric.sent(self.network.node_id, self._peer, len(frame))
        other = self.wire.other(self)
        self.network.fabric.trace.add(
            self.network.fabric.loop.time(),
            "frame",
            self.network.node_id[:8],
            self._peer[:8],
            int(channel),
            len(frame),
            fingerprint(frame),
        )
        data = bytes(frame)
        self.wire.transmit(self, f"channel/{int(channel)}", lambda: other.frame_came(channel, data))

    def send_datagram(self, data: bytes) -> None:
        """Send a datagram, which may be lost."""
        if len(data) > DATAGRAM_BYTES_MAX:
            raise ValueError(f"datagram of {len(data)} bytes is over {DATAGRAM_BYTES_MAX}")
        if not self.up or not self.wire.open_to(self._peer):
            return
        if not self._datagrams:
            self.network.in_life(self._send_datagrams)
        self._datagrams.append(bytes(data))

    def _send_datagrams(self) -> None:
        fabric = self.network.fabric
        leaving = list(self._datagrams)
        self._datagrams.clear()
        other = self.wire.other(self)
        for data in leaving:
            fabric.sent(self.network.node_id, self._peer, len(data))
            fabric.trace.add(
                fabric.loop.time(), "datagram", self.network.node_id[:8], self._peer[:8], len(data), fingerprint(data)
            )
            copies = 2 if fabric.chance.chance(fabric.weather.duplicate) else 1
            for _ in range(copies):
                if not fabric.chance.chance(fabric.weather.loss):
                    fabric.later(self.wire.delay_s(), partial(other.datagram_came, data))

    async def open_stream(self, flow: Flow, header: bytes) -> WorldStream:
        """Open a stream."""
        if len(header) > STREAM_HEADER_BYTES_MAX:
            raise ValueError("a stream's header is at most 64 KiB")
        if not self.up:
            raise Unavailable(f"link to {self._peer[:8]} is gone")
        if self.relay is not None and flow is Flow.LIVE:
            raise Refused(f"live goes from node to node, not by way of {self.relay[:8]}")
        other = self.wire.other(self)
        number = self.wire.number()
        out, back = Lane(), Lane()
        mine = WorldStream(self, f"stream/{number}", back, out)
        theirs = WorldStream(other, f"stream/{number}", out, back)
        mine.other, theirs.other = theirs, mine
        self.streams[mine] = None
        other.streams[theirs] = None
        fabric = self.network.fabric
        name = (self.network.node_id[:8], self._peer[:8], int(flow), number, fingerprint(header))
        fabric.trace.add(fabric.loop.time(), "stream", *name)
        self.wire.transmit(self, mine.name, lambda: other.stream_came(flow, bytes(header), theirs))
        return mine

    # ------------------------------------------------------------ what comes

    def begin(self) -> None:
        """Come up: tell the handler, then take frames."""
        network = self.network

        def up() -> None:
            if self.up or self.wire.down:
                return
            self.up = True
            network.standing[self._peer] = self
            network.copied = ""
            network.fabric.trace.add(network.fabric.loop.time(), "link-up", network.node_id[:8], self._peer[:8])
            network.handler.on_link_up(self)
            for channel in Channel:
                self._own(self._take_frames(channel))
            self.came_up.set()
            self.wire.flush(self)

        network.in_life(up)

    def frame_came(self, channel: Channel, frame: bytes) -> None:
        """Put a frame before the handler's task."""
        self._frames[channel].append(frame)
        self.network.in_life(self._frame_came[channel].set)

    def datagram_came(self, data: bytes) -> None:
        """Give a datagram to the handler, when the way is still there."""
        network = self.network

        def tell() -> None:
            if self.up:
                network.handler.on_datagram(self, data)

        if self.up and self.wire.open_to(network.node_id):
            network.in_life(tell)

    def credit_came(self, channel: Channel) -> None:
        """Let the sender go on."""
        self._credit[channel] += 1
        self.network.in_life(self._credit_came[channel].set)

    def stream_came(self, flow: Flow, header: bytes, stream: WorldStream) -> None:
        """Give a stream to the handler in a task of its own."""
        network = self.network

        async def serve() -> None:
            try:
                await network.handler.on_stream(self, flow, header, stream)
            except asyncio.CancelledError:
                stream.reset()
                raise
            except Malformed:
                stream.reset()
                network.misbehaved += 1
                self.wire.end("malformed stream header")
            except Exception as error:  # noqa: BLE001 - the port says: the stream is reset if this raises
                network.fabric.trace.add(
                    network.fabric.loop.time(), "stream-failed", network.node_id[:8], type(error).__name__
                )
                stream.reset()

        network.in_life(lambda: self._own(serve()))

    async def _take_frames(self, channel: Channel) -> None:
        frames = self._frames[channel]
        other = self.wire.other(self)
        while True:
            while frames:
                try:
                    await self.network.handler.on_frame(self, channel, frames.popleft())
                except Malformed as error:
                    self.network.misbehaved += 1
                    self.wire.end(f"malformed frame: {error}")
                    return
                self.wire.transmit(self, "credit", partial(other.credit_came, channel))
            self._frame_came[channel].clear()
            await self._frame_came[channel].wait()

    def _own(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks[task] = None
        task.add_done_callback(self._disown)

    def _disown(self, task: asyncio.Task[None]) -> None:
        self.tasks.pop(task, None)

    def end(self, reason: str) -> None:
        """Go down: reset streams, wake who waits, tell the handler."""
        network = self.network

        def down() -> None:
            if not self.up:
                self.came_up.set()
                return
            self.up = False
            if network.standing.get(self._peer) is self:
                del network.standing[self._peer]
            network.fabric.trace.add(
                network.fabric.loop.time(), "link-down", network.node_id[:8], self._peer[:8], reason
            )
            for stream in list(self.streams):
                stream.cut()
            for event in self._credit_came.values():
                event.set()
            current = asyncio.current_task()
            for task in list(self.tasks):
                if task is not current:
                    task.cancel()
            network.handler.on_link_down(self, reason)

        network.in_life(down)


class Wire:
    """A link with its two ends. ``tunnels``: the ways they have by another node, that of the first end first."""

    def __init__(
        self, fabric: Fabric, one: WorldNetwork, other: WorldNetwork, tunnels: tuple[Tunnel, ...] = ()
    ) -> None:
        self.fabric = fabric
        self.down = False
        self.tunnels = tunnels
        self.relay = tunnels[0].relay if tunnels else None
        self.hops = 2 if tunnels else 1
        self.ends = (WorldLink(self, one, other.node_id, other.host), WorldLink(self, other, one.node_id, one.host))
        self._last: dict[tuple[int, str], float] = {}
        self._stalled: tuple[deque[Callable[[], None]], deque[Callable[[], None]]] = (deque(), deque())
        self._broken_since: float | None = None
        self._count = 0
        self.key = wire_key(one.node_id, other.node_id)

    def number(self) -> int:
        """Give a new number for a stream."""
        self._count += 1
        return self._count

    def other(self, end: WorldLink) -> WorldLink:
        """Give the other end."""
        return self.ends[1] if end is self.ends[0] else self.ends[0]

    def end_of(self, node: NodeId) -> WorldLink:
        """Give the end a node holds."""
        return self.ends[0] if self.ends[0].network.node_id == node else self.ends[1]

    def stands(self) -> bool:
        """Tell whether both ends belong to lives that go on."""
        return not self.down and all(end.network.current() for end in self.ends)

    def open_to(self, target: NodeId) -> bool:
        """Tell whether packets pass this way."""
        source = self.ends[0].peer if target == self.ends[1].peer else self.ends[1].peer
        if self.relay is None:
            return self.fabric.open(source, target)
        return self.fabric.open(source, self.relay) and self.fabric.open(self.relay, target)

    def answers(self) -> bool:
        """Tell whether the two ends can hold this link."""
        one, other = (end.network.node_id for end in self.ends)
        if self.relay is None:
            return self.fabric.answers(one, other)
        return self.fabric.answers(one, self.relay) and self.fabric.answers(self.relay, other)

    def delay_s(self) -> float:
        """Draw how long a packet is under way."""
        return sum(self.fabric.delay_s() for _ in range(self.hops))

    def transmit(self, end: WorldLink, order: str, arrives: Callable[[], None]) -> None:
        """Bring something to the other end, reliably and in order within ``order``."""
        if self.down:
            return
        side = 0 if end is self.ends[0] else 1
        fabric = self.fabric
        name = (side, order)
        delay_s = sum(fabric.reliable_delay_s() for _ in range(self.hops))
        at = max(fabric.loop.time() + delay_s, self._last.get(name, 0.0) + 1e-7)
        self._last[name] = at
        fabric.at(at, lambda: self._arrive(side, arrives))

    def _arrive(self, side: int, arrives: Callable[[], None]) -> None:
        if self.down:
            return
        target = self.ends[1 - side]
        way = self.open_to(target.network.node_id)
        if self._stalled[side] or not way or not target.up:
            self._stalled[side].append(arrives)
        else:
            arrives()

    def flush(self, target: WorldLink) -> None:
        """Bring what waited for the way, or for the end to come up."""
        side = 1 if target is self.ends[0] else 0
        waiting = self._stalled[side]
        if not waiting or not target.up or not self.open_to(target.network.node_id):
            return
        ready = list(waiting)
        waiting.clear()
        for arrives in ready:
            arrives()

    def look(self) -> None:
        """See after a change whether the link still has both ways."""
        if self.down:
            return
        now = self.fabric.loop.time()
        if self.answers() and all(end.network.current() for end in self.ends):
            self._broken_since = None
            for end in self.ends:
                self.fabric.later(self.fabric.delay_s() + 0.02, partial(self.flush, end))
        elif self._broken_since is None:
            self._broken_since = now
            self.fabric.later(LINK_TIMEOUT_S, lambda: self._give_up(now))

    def _give_up(self, since: float) -> None:
        if not self.down and self._broken_since == since:
            self.end("no answer from the peer")

    def end(self, reason: str) -> None:
        """Take both ends down at once."""
        if self.down:
            return
        self.down = True
        if self.fabric.wires.get(self.key) is self:
            del self.fabric.wires[self.key]
        for end in self.ends:
            end.end(reason)
        for tunnel in self.tunnels:
            tunnel.close()


class WorldNetwork:
    """One life of a node on the fabric; a ``ports.Network``."""

    def __init__(self, fabric: Fabric, node_id: NodeId, mesh: MeshId, host: Host, life: str) -> None:
        self.fabric = fabric
        self.node_id = node_id
        self.mesh = mesh
        self.host = host
        self.life = life
        self.standing: dict[NodeId, WorldLink] = {}
        self.doorway = Doorway(node_id, self._way_lost)
        self.misbehaved = 0
        """How often a peer was dropped for what it sent."""
        self.strangers_refused = 0
        """Nobody is a stranger here."""
        self.revoked: Callable[[NodeId], str | None] = lambda _: None
        self.copied = ""
        """What to tell while another machine has this node's key and is taken for it."""
        self.handler: LinkHandler
        self._context = fabric.loop.context_of(life)

    def current(self) -> bool:
        """Tell whether this life goes on and listens."""
        return self.fabric.networks.get(self.host) is self

    def in_life(self, what: Callable[[], None]) -> None:
        """Run something soon in this node's name."""
        self.fabric.loop.call_soon(what, context=self._context.copy())

    async def start(self, handler: LinkHandler) -> None:
        """Listen."""
        if self.host in self.fabric.networks:
            raise Unavailable(f"port {self.host[1]} of {self.host[0]} is taken")
        self.handler = handler
        self.fabric.networks[self.host] = self

    async def dial(self, host: Host, expect: NodeId | None = None, timeout_s: float = 5.0) -> WorldLink:
        """Reach a node."""
        if host == self.host:
            raise RefusedHere("this is the node itself")
        try:
            async with asyncio.timeout(timeout_s):
                return await self._dial(host, expect)
        except TimeoutError as error:
            raise Unavailable(f"nobody answered at {host[0]}:{host[1]} within {timeout_s:g} s") from error

    async def _dial(self, host: Host, expect: NodeId | None) -> WorldLink:
        fabric = self.fabric
        await asyncio.sleep(2 * fabric.reliable_delay_s() + 0.006)
        there = fabric.networks.get(host)
        while there is None or not fabric.answers(self.node_id, there.node_id):
            await asyncio.sleep(0.25)
            there = fabric.networks.get(host)
        if expect is not None and there.node_id != expect:
            raise Refused(f"at {host[0]}:{host[1]} is {there.node_id[:8]}, not {expect[:8]}")
        return await self._stand(there, f"{host[0]}:{host[1]}")

    async def dial_through(self, tunnel: Tunnel, timeout_s: float = 5.0) -> WorldLink:
        """Reach a node by way of another."""
        way = f"by way of {tunnel.relay[:8]}"
        try:
            async with asyncio.timeout(timeout_s):
                await self.doorway.knock(tunnel, timeout_s)
                there = next((one for one in self.fabric.networks.values() if one.node_id == tunnel.peer), None)
                theirs = there.doorway.take(self.node_id) if there is not None else None
                if there is None or theirs is None:
                    raise Unavailable(f"{tunnel.peer[:8]} went away")
                link = await self._stand(there, way, (tunnel, theirs))
        except TimeoutError as error:
            tunnel.close()
            raise Unavailable(f"nobody answered {way} within {timeout_s:g} s") from error
        except BaseException:
            tunnel.close()
            raise
        if tunnel not in link.wire.tunnels:
            tunnel.close()
        return link

    def enter(self, tunnel: Tunnel) -> None:
        """Listen to a tunnel that leads here."""
        self.doorway.enter(tunnel)

    def _way_lost(self, tunnel: Tunnel) -> None:
        for link in list(self.standing.values()):
            if tunnel in link.wire.tunnels:
                link.wire.end("the node in between carries it no more")

    async def _stand(self, there: WorldNetwork, at: str, tunnels: tuple[Tunnel, ...] = ()) -> WorldLink:
        fabric = self.fabric
        if there.mesh != self.mesh:
            raise Refused(f"the node at {at} is of another mesh")
        if self.revoked(there.node_id) or there.revoked(self.node_id):
            raise Refused(f"{there.node_id[:8]} does not accept this node")
        key = wire_key(self.node_id, there.node_id)
        wire = fabric.wires.get(key)
        if wire is not None and (not wire.stands() or (wire.relay is not None and not tunnels)):
            wire.end("replaced by a newer link")
            wire = None
        if wire is not None and wire.end_of(self.node_id).network is not self:
            # Both live and have one key. As ``mesh.adapters.quic.twins`` has it, the one that stands is the elder here.
            first = wire.end_of(self.node_id).network.host
            self.copied = sentence(where(*first, 0))
            raise Refused(self.copied)
        if wire is None:
            wire = fabric.wires[key] = Wire(fabric, self, there, tunnels)
            fabric.carried += bool(tunnels)
            wire.ends[1].begin()
        mine = wire.end_of(self.node_id)
        if not mine.up:
            try:
                await asyncio.sleep(fabric.reliable_delay_s())
                mine.begin()
                await mine.came_up.wait()
            except asyncio.CancelledError:
                if not mine.up:
                    wire.end("the dialler gave up")
                raise
        if not mine.up:
            raise Unavailable(f"the link to {at} went down at once")
        return mine

    def links(self) -> Mapping[NodeId, WorldLink]:
        """Give the links that stand."""
        return {peer: self.standing[peer] for peer in sorted(self.standing)}

    def drop(self, peer: NodeId, reason: str) -> None:
        """Close the link to a peer."""
        link = self.standing.get(peer)
        if link is not None:
            link.wire.end(reason)

    def listening(self) -> Sequence[Host]:
        """Give this node's address."""
        return (self.host,)

    async def close(self) -> None:
        """Close every link, stop listening."""
        for link in list(self.standing.values()):
            link.wire.end("the node is closing")
        with contextlib.suppress(KeyError):
            if self.current():
                del self.fabric.networks[self.host]
        await asyncio.sleep(0)

    def vanish(self) -> None:
        """Be gone without a word: the process was killed."""
        if self.current():
            del self.fabric.networks[self.host]


def wire_key(one: NodeId, other: NodeId) -> tuple[NodeId, NodeId]:
    """Give the name of the wire between two nodes."""
    return (one, other) if one < other else (other, one)
