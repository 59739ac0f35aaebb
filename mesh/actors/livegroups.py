"""Groups on their way between neighbours: each on a stream of its own, in order.

Decides what a neighbour that subscribed gets (a Subscription's items, a stream a group; a group that was let go is
reset), and how the groups that come from upstream are put in order: they take turns as their streams came, and one that
waits too long for the end of the one before it goes first.

Invariant: at most ``DOWNSTREAMS_MAX`` subscriptions of neighbours are served; an object longer than OBJECT_BYTES_MAX is
refused from its first four bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from mesh.actors.livetrack import Ended, Fan, Gap, GroupStart, Item, Object, Subscription
from mesh.actors.system import ActorSystem
from mesh.ports import ByteStream, Channel, Flow, PortError, Unavailable
from proto.codec import Malformed
from proto.frames import FrameReader
from proto.ids import NodeId
from proto.messages.live import OBJECT_BYTES_MAX, LiveGroup, SubscribeTrack, TrackEnded

ACTOR = "live"
PREVIOUS_GROUP_WAIT_S = 0.5
"""How long a live group waits for the end of the one before it."""
DOWNSTREAMS_MAX = 1024
READ_BYTES = 256 * 1024


@dataclass(slots=True)
class _Downstream:
    number: int
    subscription: Subscription
    task: asyncio.Task[None]


class Downstreams:
    """The neighbours that take tracks from this node."""

    def __init__(self, system: ActorSystem | None, subscribe: Callable[..., Subscription]) -> None:
        self._system = system
        self._subscribe = subscribe
        self._standing: dict[tuple[NodeId, str], _Downstream] = {}

    def count(self, track: str) -> int:
        """Count the neighbours that take a track."""
        return sum(1 for _, name in self._standing if name == track)

    def stands(self, peer: NodeId, message: SubscribeTrack) -> bool:
        """Tell whether this very subscription is served already; takes note of whether it is lossless now."""
        down = self._standing.get((peer, message.track))
        if down is None or down.number != message.number or down.task.done():
            return False
        down.subscription.lossless = message.lossless
        return True

    def begin(self, peer: NodeId, message: SubscribeTrack) -> None:
        """Serve a neighbour, instead of what it subscribed to before; Unavailable when too many are served."""
        assert self._system is not None
        track = message.track
        if len(self._standing) >= DOWNSTREAMS_MAX:
            raise Unavailable(f"{DOWNSTREAMS_MAX} neighbours' subscriptions are served already")
        before = self._standing.get((peer, track))
        subscription = self._subscribe(track, lossless=message.lossless)
        task = self._system.supervisor.once(f"live/serve/{peer}", self._pass_on(peer, message.number, subscription))
        self._standing[peer, track] = _Downstream(message.number, subscription, task)
        if before is not None:
            before.task.cancel()
            before.subscription.close()

    def end(self, peer: NodeId, track: str, number: int) -> None:
        """Serve a neighbour no more, if this is the subscription that stands."""
        down = self._standing.get((peer, track))
        if down is not None and down.number == number:
            self._stop((peer, track))

    def link_down(self, peer: NodeId) -> None:
        """Serve a neighbour nothing more."""
        for key in [key for key in self._standing if key[0] == peer]:
            self._stop(key)

    def _stop(self, key: tuple[NodeId, str]) -> None:
        down = self._standing.pop(key)
        down.task.cancel()
        down.subscription.close()

    async def _pass_on(self, peer: NodeId, number: int, subscription: Subscription) -> None:
        track = subscription.track
        stream: ByteStream | None = None
        try:
            async for item in subscription:
                try:
                    stream = await self._pass_item(peer, number, track, stream, item)
                except Unavailable:
                    # This group's stream is gone; the link's end stops this task, a new group may fare better.
                    if stream is not None:
                        stream.reset()
                    stream = None
        finally:
            if stream is not None:
                stream.reset()
            subscription.close()
            down = self._standing.get((peer, track))
            if down is not None and down.subscription is subscription:
                del self._standing[peer, track]

    async def _pass_item(
        self, peer: NodeId, number: int, track: str, stream: ByteStream | None, item: Item
    ) -> ByteStream | None:
        assert self._system is not None
        match item:
            case GroupStart():
                if stream is not None:
                    await stream.finish()
                opening = LiveGroup(track, number, item.publisher, item.serial, item.group, item.header)
                return await self._system.stream(peer, ACTOR, opening, Flow.LIVE)
            case Object():
                if stream is not None:
                    await stream.write(len(item.data).to_bytes(4, "big") + item.data)
                return stream
            case Gap():
                if stream is not None:
                    stream.reset()
                return None
            case Ended():
                if stream is not None:
                    await stream.finish()
                with contextlib.suppress(PortError):
                    ended = TrackEnded(track, number, item.reason[:512])
                    await self._system.tell(peer, ACTOR, ended, channel=Channel.CONTROL)
                return None
            case _:
                assert_never(item)


@dataclass(slots=True)
class _Relay:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    stream: ByteStream | None = None
    number: int = 0


class GroupReader:
    """Reads the groups of tracks from their upstreams."""

    def __init__(self) -> None:
        self._relays: dict[str, _Relay] = {}

    def abandon(self, track: str, number: int) -> None:
        """Stop reading for a subscription: the next upstream's group shall not wait for the end of this one's."""
        relay = self._relays.get(track)
        if relay is not None and relay.stream is not None and relay.number == number:
            relay.stream.reset()

    def forget(self, track: str) -> None:
        """Nobody wants the track."""
        self._relays.pop(track, None)

    async def read(
        self,
        fan: Fan,
        message: LiveGroup,
        stream: ByteStream,
        *,
        stands: Callable[[], bool],
        progress: Callable[[], None],
    ) -> None:
        """Read one group into ``fan`` when it is its turn, as long as its subscription ``stands``.

        Malformed when what comes is no group. ``progress`` is told of everything that comes.
        """
        relay = self._relays.setdefault(message.track, _Relay())
        await self._take_turn(relay, fan)
        try:
            if not stands():
                stream.reset()
                return
            relay.stream, relay.number = stream, message.number
            await self._read_group(fan, message, stream, progress)
        except Malformed:
            fan.cut()
            stream.reset()
            raise
        finally:
            relay.stream = None
            relay.turn.release()

    async def _take_turn(self, relay: _Relay, fan: Fan) -> None:
        if relay.turn.locked() and not fan.lossless:
            try:
                async with asyncio.timeout(PREVIOUS_GROUP_WAIT_S):
                    await relay.turn.acquire()
            except TimeoutError:
                if relay.stream is not None:
                    relay.stream.reset()
            else:
                return
        await relay.turn.acquire()

    async def _read_group(self, fan: Fan, message: LiveGroup, stream: ByteStream, progress: Callable[[], None]) -> None:
        progress()
        skip = fan.begin(GroupStart(message.group, message.header, message.publisher, message.serial))
        if skip is None:
            stream.reset()
            return
        reader = FrameReader(OBJECT_BYTES_MAX)
        mine = (message.publisher, message.serial)
        try:
            while data := await stream.read(READ_BYTES):
                progress()
                for item in reader.feed(data):
                    if skip:
                        skip -= 1
                    elif (fan.publisher, fan.serial) == mine:
                        fan.object(item)
        except Unavailable:
            fan.cut()
        else:
            if reader.buffered_bytes:
                fan.cut()
