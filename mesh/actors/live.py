"""Live tracks of the mesh on one node: published here or taken from a neighbour, once, however many want them.

Tracks carry groups, groups carry objects (as in Media over QUIC); headers and objects are bytes here. Each group goes
to a neighbour on a stream of its own, and only linked neighbours are ever asked, so a viewer's node needs no way to the
source's. A neighbour is served by a Subscription like any viewer's, so a slow link loses groups and holds nobody up.

Invariant: at most one upstream subscription a track (``mesh.core.live``); a group that comes again by another path goes
on where the first left off; groups that never came are told to every subscriber as a Gap.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import structlog

from mesh.actors.livegroups import ACTOR, Downstreams, GroupReader
from mesh.actors.livetrack import Ended, Fan, Gap, GroupStart, Item, Object, Subscription
from mesh.actors.system import ActorSystem, Context
from mesh.core.live import (
    Event,
    Heard,
    LinkDown,
    LinkUp,
    LiveRoutes,
    Lost,
    News,
    NotTold,
    Offered,
    Progress,
    Subscribe,
    Tick,
    Unsubscribe,
    Unwanted,
    UpstreamEnded,
    UpstreamFailed,
    Wanted,
    Withdrawn,
)
from mesh.ports import ByteStream, Channel, Entropy, NotFound, PortError, Refused, Unavailable
from proto.codec import Malformed
from proto.ids import NodeId
from proto.messages.live import (
    HEADER_BYTES_MAX,
    OBJECT_BYTES_MAX,
    Announce,
    Announced,
    LiveGroup,
    Route,
    Subscribed,
    SubscribeTrack,
    TrackEnded,
    UnsubscribeTrack,
)

ASK_TIMEOUT_S = 1.5
"""A neighbour that takes longer to answer is no upstream."""
ASIDE_MAX = 4096
"""Routes that are set aside until their source may publish; further ones are forgotten."""

_log = structlog.get_logger("live")


@dataclass(frozen=True, slots=True)
class LiveTrack:
    """A track of the mesh: ``hops`` away, 0 for one published here; ``next_hop`` is the neighbour it comes through."""

    name: str
    hops: int
    source: NodeId
    next_hop: NodeId | None = None


@dataclass(frozen=True, slots=True)
class TrackReport:
    """How a track is passed on here: local and downstream subscribers, the upstream if any, groups they lost."""

    name: str
    subscribers: int
    downstreams: int
    upstream: NodeId | None
    groups_lost: int


class Publisher:
    """Gives a track its groups and objects; never waits."""

    def __init__(self, fan: Fan, name: int, demand: Callable[[bool], None], close: Callable[[Publisher, str], None]):
        self.name = name
        self._demand = demand
        self._wanted = False
        self._fan = fan
        self._close = close
        self._serial = 0
        self._open = True

    def begin(self, group: int, header: bytes) -> None:
        """Begin a group; ``header`` has at most HEADER_BYTES_MAX bytes."""
        assert len(header) <= HEADER_BYTES_MAX, "a group's header is too large"
        if self._open:
            self._fan.begin(GroupStart(group, header, self.name, self._serial))
            self._serial += 1

    def object(self, data: bytes) -> None:
        """Give the next object of the group, of at most OBJECT_BYTES_MAX bytes."""
        assert len(data) <= OBJECT_BYTES_MAX, "an object is too large"
        if self._open:
            self._fan.object(data)

    def close(self, reason: str = "the source is gone") -> None:
        """End the track here. Safe to call more than once."""
        if self._open:
            self._open = False
            self._close(self, reason)

    def wanted(self, wanted: bool) -> None:
        """Tell the source whether anybody wants the track, when that changed."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._demand(wanted)

    def succeeded(self) -> None:
        """Give way to another publisher of the same track; subscribers stay."""
        self._open = False


class LiveHub:
    """The live tracks of one node. Without an actor system it serves this node alone."""

    def __init__(
        self,
        system: ActorSystem | None = None,
        entropy: Entropy | None = None,
        publishes: Callable[[NodeId], bool] = lambda _: True,
    ) -> None:
        self._system = system
        self._publishes = publishes
        self._set_aside: dict[tuple[NodeId, str], Route] = {}
        self._entropy = entropy
        self._routes = LiveRoutes(system.node_id if system else NodeId(""))
        self._fans: dict[str, Fan] = {}
        self._publishers: dict[str, Publisher] = {}
        self._groups = GroupReader()
        self._downstreams = Downstreams(system, self.subscribe)
        self._tellers: dict[NodeId, tuple[str, asyncio.Event]] = {}
        self._links = 0
        self._named = 0
        self._timer: asyncio.TimerHandle | None = None
        self.groups_lost = 0
        """Groups that subscribers here lost, as far as they have left."""

    async def open(self) -> None:
        """Take part in the mesh; to be called before the network starts."""
        assert self._system is not None, "a hub without an actor system has no mesh to take part in"
        self._system.spawn(ACTOR, self, concurrency=1)
        self._system.watch_links(self._on_link)

    def close(self) -> None:
        """Stop its timer; its tasks end with the actor system's."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ------------------------------------------------------------ for this node's own parts

    def announce(self, track: str, demand: Callable[[bool], None]) -> Publisher:
        """Offer a track; ``demand`` hears True at the first subscriber and False after the last.

        A track that is offered already changes hands: its subscribers stay.
        """
        fan = self._fan(track)
        standing = self._publishers.get(track)
        if standing is not None:
            standing.succeeded()
            fan.cut()
        publisher = self._publishers[track] = Publisher(fan, self._name(), demand, self._closed)
        self._do(Offered(track))
        publisher.wanted(bool(fan.subscribers))
        return publisher

    def tracks(self) -> dict[str, LiveTrack]:
        """Give every track of the mesh that can be reached, by name."""
        return {
            name: LiveTrack(name, way.hops, way.path[-1], way.path[1] if way.hops else None)
            for name, way in self._routes.ways().items()
        }

    def subscribers(self, track: str) -> int:
        """Count a track's subscribers here, neighbours among them."""
        fan = self._fans.get(track)
        return len(fan.subscribers) if fan else 0

    def report(self) -> list[TrackReport]:
        """Give how each track that is published or wanted here is passed on, by name."""
        rows = []
        for name, fan in sorted(self._fans.items()):
            upstream = self._routes.upstream(name)
            downstreams = self._downstreams.count(name)
            lost = sum(subscriber.groups_lost for subscriber in fan.subscribers)
            count = len(fan.subscribers)
            rows.append(TrackReport(name, count, downstreams, upstream[0] if upstream else None, lost))
        return rows

    def subscribe(self, track: str, *, lossless: bool = False) -> Subscription:
        """Get a track from its current group on; one that nobody offers now yields Ended at once."""
        if self._routes.way(track) is None:
            missing = Subscription(track, lossless, lambda _: None)
            missing.offer(Ended("no such track now"))
            return missing
        fan = self._fan(track)
        made = Subscription(track, lossless, lambda subscription: self._leave(fan, subscription))
        fan.join(made)
        self._demand(fan)
        return made

    def _fan(self, track: str) -> Fan:
        return self._fans.setdefault(track, Fan(track))

    def _name(self) -> int:
        """Give a name to a publisher that no other run of any node has used."""
        if self._entropy is not None:
            return int.from_bytes(self._entropy.token(7), "big")
        self._named += 1
        return self._named

    def _leave(self, fan: Fan, subscription: Subscription) -> None:
        if subscription in fan.subscribers:
            fan.subscribers.remove(subscription)
            self.groups_lost += subscription.groups_lost
            self._demand(fan)

    def _demand(self, fan: Fan) -> None:
        """Tell the publisher, or upstream, whether the track is wanted."""
        publisher = self._publishers.get(fan.track)
        if publisher is not None:
            publisher.wanted(bool(fan.subscribers))
        if fan.subscribers:
            self._do(Wanted(fan.track, fan.lossless))
            return
        self._do(Unwanted(fan.track))
        self._forget(fan)

    def _forget(self, fan: Fan) -> None:
        if not fan.subscribers and fan.track not in self._publishers:
            self._groups.forget(fan.track)
            if self._fans.get(fan.track) is fan:
                del self._fans[fan.track]

    def _closed(self, publisher: Publisher, reason: str) -> None:
        track = next((name for name, standing in self._publishers.items() if standing is publisher), None)
        if track is None:
            return
        del self._publishers[track]
        fan = self._fan(track)
        fan.cut()
        self._do(Withdrawn(track, reason or "the source is gone"))
        self._forget(fan)

    # ------------------------------------------------------------ the core and its effects

    def _do(self, event: Event) -> None:
        now = asyncio.get_running_loop().time()
        for effect in self._routes.handle(event, now):
            match effect:
                case News(peer):
                    if peer in self._tellers:
                        self._tellers[peer][1].set()
                case Subscribe(peer, track, number, lossless):
                    self._once("live/subscribe", self._subscribe(peer, track, number, lossless))
                case Unsubscribe(peer, track, number):
                    self._groups.abandon(track, number)
                    self._once("live/unsubscribe", self._send(peer, UnsubscribeTrack(track, number)))
                case Lost(track, reason):
                    fan = self._fans.get(track)
                    if fan is not None:
                        fan.end(reason)
                        self._do(Unwanted(track))
                        self._forget(fan)
                case _:
                    assert_never(effect)
        self._arm(now)

    def _arm(self, now: float) -> None:
        wake = self._routes.wake_at()
        if wake is None:
            return
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if not self._timer.cancelled() and now < self._timer.when() <= wake:
                return
            self._timer.cancel()
        self._timer = loop.call_at(max(wake, now + 0.01), self._ticked)

    def _ticked(self) -> None:
        self._timer = None
        self._do(Tick())

    def _once(self, name: str, task: Awaitable[None]) -> asyncio.Task[None]:
        assert self._system is not None
        return self._system.supervisor.once(name, task)

    def _on_link(self, peer: NodeId, up: bool) -> None:
        assert self._system is not None
        if up and self._system.carried(peer):
            return  # live goes hop by hop, along the links that nodes have of their own
        if up:
            if peer not in self._tellers:
                self._links += 1  # a link may be back before the task of the one before has ended
                name, wake = f"live/tell/{peer}/{self._links}", asyncio.Event()
                self._tellers[peer] = (name, wake)
                self._system.supervisor.run(name, lambda: self._tell(peer, wake))
            self._do(LinkUp(peer))
            return
        teller = self._tellers.pop(peer, None)
        if teller is not None:
            self._once("live/tell-end", self._system.supervisor.stop(teller[0]))
        self._forget_aside(peer)
        self._downstreams.link_down(peer)
        self._do(LinkDown(peer))

    async def _tell(self, peer: NodeId, wake: asyncio.Event) -> None:
        """Tell one neighbour what changed, one announcement at a time."""
        assert self._system is not None
        while True:
            await wake.wait()
            wake.clear()
            news = self._routes.news(peer)
            if news is None:
                continue
            try:
                await self._system.ask(
                    peer, ACTOR, Announce(*news), Announced, timeout_s=ASK_TIMEOUT_S, channel=Channel.CONTROL
                )
            except PortError as error:
                _log.debug("routes not told", peer=peer[:8], error=str(error))
                await asyncio.sleep(ASK_TIMEOUT_S / 3)
                self._do(NotTold(peer))
            else:
                wake.set()  # there may be more than one announcement holds

    async def _subscribe(self, peer: NodeId, track: str, number: int, lossless: bool) -> None:
        assert self._system is not None
        message = SubscribeTrack(track, number, lossless)
        try:
            await self._system.ask(peer, ACTOR, message, Subscribed, timeout_s=ASK_TIMEOUT_S, channel=Channel.CONTROL)
        except PortError as error:
            _log.info("no upstream", track=track, peer=peer[:8], error=str(error))
            self._do(UpstreamFailed(track, number))

    async def _send(self, peer: NodeId, message: object) -> None:
        assert self._system is not None
        with contextlib.suppress(PortError):
            await self._system.tell(peer, ACTOR, message, channel=Channel.CONTROL)

    # ------------------------------------------------------------ what neighbours ask

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Take a neighbour's announcement, or begin or end what it subscribed to."""
        peer = context.sender
        match message:
            case Announce(routes, whole):
                self._hear(peer, routes, whole)
                return Announced()
            case SubscribeTrack():
                return self._serve_neighbour(peer, message)
            case UnsubscribeTrack(track, number):
                self._downstreams.end(peer, track, number)
                return None
            case TrackEnded(track, number, reason):
                if self._routes.upstream(track) == (peer, number):
                    self._do(UpstreamEnded(track, number, reason or "the source is gone"))
                return None
            case _:
                raise Refused(f"live tracks know no {type(message).__name__}")

    def _hear(self, peer: NodeId, routes: Sequence[Route], whole: bool) -> None:
        """Take routes; those whose source may publish nothing are set aside, and are withdrawn as far as others go."""
        if whole:
            self._forget_aside(peer)
        taken = []
        for route in routes:
            self._set_aside.pop((peer, route.track), None)
            if route.path and not self._publishes(NodeId(route.path[-1])):
                if len(self._set_aside) < ASIDE_MAX:
                    self._set_aside[(peer, route.track)] = route
                taken.append(Route(route.track, ()))
            else:
                taken.append(route)
        self._do(Heard(peer, tuple(taken), whole))

    def reconsider(self) -> None:
        """Take the routes that were set aside and whose source may publish by now."""
        for (peer, track), route in list(self._set_aside.items()):
            if self._publishes(NodeId(route.path[-1])):
                del self._set_aside[(peer, track)]
                self._do(Heard(peer, (route,), False))

    def _forget_aside(self, peer: NodeId) -> None:
        for key in [key for key in self._set_aside if key[0] == peer]:
            del self._set_aside[key]

    def _serve_neighbour(self, peer: NodeId, message: SubscribeTrack) -> Subscribed:
        track = message.track
        if self._downstreams.stands(peer, message):
            self._demand(self._fan(track))
            return Subscribed()
        if self._routes.way(track) is None:
            raise NotFound(f"no track {track!r} can be reached from here")
        upstream = self._routes.upstream(track)
        if upstream is not None and upstream[0] == peer:
            raise Unavailable("the track comes from you")
        self._downstreams.begin(peer, message)
        return Subscribed()

    # ------------------------------------------------------------ what comes from upstream

    async def serve(self, message: Any, stream: ByteStream, context: Context) -> None:
        """Take one group from upstream."""
        if not isinstance(message, LiveGroup):
            raise Refused(f"live tracks know no {type(message).__name__}")
        track, upstream = message.track, (context.sender, message.number)
        fan = self._fans.get(track)
        if fan is None or self._routes.upstream(track) != upstream:
            stream.reset()
            # It did not hear that the subscription is over.
            await self._send(context.sender, UnsubscribeTrack(track, message.number))
            return
        try:
            await self._groups.read(
                fan,
                message,
                stream,
                stands=lambda: self._routes.upstream(track) == upstream,
                progress=lambda: self._do(Progress(track)),
            )
        except Malformed as error:
            _log.warning("an upstream sent what is no group", peer=context.sender[:8], error=str(error))
            self._do(UpstreamFailed(track, message.number))


__all__ = ["Ended", "Gap", "GroupStart", "Item", "LiveHub", "LiveTrack", "Object", "Publisher", "Subscription"]
