"""Connections between nodes that cannot reach each other, carried by a third one; an actor named ``relay``.

``Relay.dial`` asks nodes that have a link with both; each node carries for others within what ``mesh.core.relaying``
allows. A way leads over one node: who carries has links of its own with both ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import structlog

from mesh.actors.chunkwire import read_framed, write_framed
from mesh.actors.system import ActorSystem, Context
from mesh.actors.tunnel import StreamTunnel
from mesh.core.relaying import Direction, Pair, Relaying
from mesh.ports import ByteStream, Clock, Flow, Link, Network, PortError, Refused, Unavailable
from proto.codec import Malformed
from proto.ids import NodeId
from proto.messages.relay import CarriedFrom, CarryAnswer, CarryTo

ACTOR = "relay"
ASK_TIMEOUT_S = 2.0
DIAL_TIMEOUT_S = 5.0
ENTERED_MAX = 64
"""Tunnels that others have opened to this node, used or not yet."""
REASON_MAX = 256
WHY_NOT_MAX = 256
"""Nodes of which it is known why they were not reached by way of another."""
LEAST_PAUSE_S = 0.001
_log = structlog.get_logger("relay")


class Relay:
    """What one node carries for others, and has others carry for it.

    ``reach`` dials a node that has no link, in a mesh too large for links with all; never by way of another.
    ``bytes_s`` and ``links_a_node``: what is carried in all, and connections for one asker.
    """

    def __init__(
        self,
        system: ActorSystem,
        network: Network,
        clock: Clock,
        reach: Callable[[NodeId], Awaitable[Link | None]],
        bytes_s: float,
        links_a_node: int,
    ) -> None:
        self._system = system
        self._network = network
        self._clock = clock
        self._reach = reach
        self._core = Relaying(bytes_s, links_a_node)
        self._outlets: dict[Direction, StreamTunnel] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._entered = 0
        self._why_not: dict[NodeId, tuple[NodeId, str]] = {}
        self.carried_bytes = 0
        """Bytes carried for others since the start."""

    def open(self) -> None:
        """Take part."""
        self._system.spawn(ACTOR, self, concurrency=1)

    @property
    def carrying(self) -> Sequence[Pair]:
        """The pairs of nodes this one carries."""
        return tuple(self._core.pairs)

    @property
    def dropped(self) -> int:
        """Datagrams dropped since the start, because more came than this node gives."""
        return self._core.dropped

    # ------------------------------------------------------------ asking others

    async def dial(self, node: NodeId, relays: Sequence[NodeId]) -> Link | None:
        """Reach a node by one of these, the first that can; None: by none."""
        for relay in relays:
            standing = self._network.links().get(node)
            if standing is not None:
                return standing
            try:
                tunnel = await self._tunnel(relay, node)
                link = await self._network.dial_through(tunnel, DIAL_TIMEOUT_S)
                self._why_not.pop(node, None)
                return link
            except PortError as error:
                self._why_not.pop(node, None)
                self._why_not[node] = (relay, str(error))
                if len(self._why_not) > WHY_NOT_MAX:
                    del self._why_not[next(iter(self._why_not))]
                _log.debug("not reached by way of another node", peer=node[:8], relay=relay[:8], error=str(error))
        return None

    def why_not(self) -> dict[NodeId, tuple[NodeId, str]]:
        """Give the nodes that could not be reached by way of others: whom that was tried with last, and why not."""
        links = self._network.links()
        return {node: why for node, why in self._why_not.items() if node not in links}

    async def _tunnel(self, relay: NodeId, node: NodeId) -> StreamTunnel:
        link = self._network.links().get(relay)
        if link is None or link.relay is not None:
            raise Unavailable("no link of its own to the node that shall carry")
        stream = await self._asked(relay, CarryTo(node))
        return StreamTunnel(relay, node, stream, self._system.supervisor)

    async def _asked(self, node: NodeId, message: CarryTo | CarriedFrom) -> ByteStream:
        """Open a stream to a node's relay; a port error if it does not take it."""
        stream = await self._system.stream(node, ACTOR, message, Flow.CONTROL)
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                answer = await read_framed(stream)
            if not isinstance(answer, CarryAnswer):
                raise Unavailable("answered something else")
            if not answer.taken:
                raise Unavailable(answer.reason or "does not carry it")
        except TimeoutError as error:
            stream.reset()
            raise Unavailable(f"no answer within {ASK_TIMEOUT_S:g} s") from error
        except Malformed as error:
            stream.reset()
            raise Unavailable(f"answered no message: {error}") from error
        except BaseException:
            stream.reset()
            raise
        return stream

    # ------------------------------------------------------------ asked by others

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Take no messages; streams only."""
        raise Refused(f"a relay takes no {type(message).__name__}")

    async def serve(self, message: Any, stream: ByteStream, context: Context) -> None:
        """Carry a stream, or take one that is carried, until it ends."""
        match message:
            case CarryTo(node):
                await self._carry(context.sender, node, stream)
            case CarriedFrom(node):
                await self._take(context.sender, node, stream)
            case _:
                raise Refused(f"a relay takes no {type(message).__name__}")

    async def _carry(self, asker: NodeId, node: NodeId, stream: ByteStream) -> None:
        """Carry between the asker's stream and one opened to the other node."""
        began = await self._begin(asker, node)
        if isinstance(began, str):
            await _refuse(stream, began)
            return
        ends: list[StreamTunnel] = []
        supervisor = self._system.supervisor
        try:
            try:
                onward = await self._asked(node, CarriedFrom(asker))
            except PortError as error:
                await _refuse(stream, str(error))
                return
            here = StreamTunnel(self._system.node_id, asker, stream, supervisor)
            there = StreamTunnel(self._system.node_id, node, onward, supervisor)
            ends += (here, there)
            await write_framed(stream, CarryAnswer(taken=True))
            _log.info("carrying for another node", asker=asker[:8], node=node[:8])
            self._outlets[began.there], self._outlets[began.back] = there, here
            here.listen(partial(self._offer, began, began.there), there.close)
            there.listen(partial(self._offer, began, began.back), here.close)
            await here.over()
            _log.info("carrying no more", asker=asker[:8], node=node[:8], bytes=began.passed_bytes)
        finally:
            self._core.end(began)
            self._outlets.pop(began.there, None)
            self._outlets.pop(began.back, None)
            for end in ends:
                end.close()

    async def _begin(self, asker: NodeId, node: NodeId) -> Pair | str:
        """Take a pair to carry; a sentence says why not."""
        links = self._network.links()
        if asker not in links or links[asker].relay is not None:
            return "a node that is carried itself is not carried on"
        if node in (asker, self._system.node_id):
            return "there is nothing between these two nodes to carry over"
        onward = links.get(node) or await self._reach(node)
        if onward is None or onward.relay is not None:
            return f"node {node[:8]} is not reached from here"
        return self._core.begin(asker, node)

    def _offer(self, pair: Pair, direction: Direction, datagram: bytes) -> None:
        self._core.offer(pair, direction, datagram)
        if self._timer is None:
            self._pass_on()

    def _pass_on(self) -> None:
        """Send on what may pass now, and come back when more may."""
        now = self._clock.monotonic()
        self._timer = None
        for direction, datagram in self._core.due(now):
            self.carried_bytes += len(datagram)
            outlet = self._outlets.get(direction)
            if outlet is not None:
                outlet.send(datagram)
        next_at = self._core.next_at()
        if next_at is not None:
            self._timer = asyncio.get_running_loop().call_later(max(LEAST_PAUSE_S, next_at - now), self._pass_on)

    async def _take(self, relay: NodeId, node: NodeId, stream: ByteStream) -> None:
        """Let a node that another carries dial this one."""
        link = self._network.links().get(relay)
        if link is None or link.relay is not None:
            await _refuse(stream, "a node that is carried itself does not carry")
            return
        if self._entered >= ENTERED_MAX:
            await _refuse(stream, f"{ENTERED_MAX} nodes are carried to this one already")
            return
        self._entered += 1
        tunnel = StreamTunnel(relay, node, stream, self._system.supervisor)
        try:
            await write_framed(stream, CarryAnswer(taken=True))
            self._network.enter(tunnel)
            await tunnel.over()
        finally:
            self._entered -= 1
            tunnel.close()


async def _refuse(stream: ByteStream, reason: str) -> None:
    await write_framed(stream, CarryAnswer(taken=False, reason=reason[:REASON_MAX]))
    await stream.finish()
