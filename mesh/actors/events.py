"""The events of the mesh on one node: what happens here is told to all, and followers are told what happens anywhere.

Decides whom to ask for events that did not come: their own node, else somebody who heard them. An event is sent once
to every linked node; that one was lost is seen from the numbers, and the last number is told again a little later and
whenever a link comes up. Only who has followers asks. What nodes without a link to each other told comes by way of
the others' journals.

Invariant: nobody waits for a follower, and a follower's place outlives any loss of a message (``mesh.core.following``).
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mesh.actors.system import ActorSystem, Context
from mesh.core import eventcursor
from mesh.core.eventcursor import Cursor, LaneTag
from mesh.core.following import Follower, Gap, Told, Want, Why
from mesh.core.journal import Journal, Lane
from mesh.ports import Clock, Network, NotFound, PortError, Unavailable
from proto.ids import MeshId, NodeId
from proto.messages.events import AskEvents, AskStand, EventsGiven, EventsStand, EventsTold, Happened

ACTOR = "events"
TOPIC = "events/"
"""How the actor system's topics begin that carry them. The origin's id follows: a large mesh passes them on."""
PENDING_MAX = 1024
"""Events about to be sent; the oldest is not sent then, but asked for by who follows."""
BATCH_MAX = 32
TOLD_AGAIN_S = (1.0, 8.0)
"""After how long without an event the last number is told again, and then once more."""
ASK_TIMEOUT_S = 2.0
ASKED_MAX = 3
"""Nodes asked for one stretch of events."""
BEHIND_S = 5.0
"""How often a follower asks anew for what could not be had."""
OTHERS_S = 3.0
"""How often others are asked about nodes that this one has no link to, while anybody follows."""
ENDED = EventsGiven(0, 0, False, ())
"""The answer for a run that nobody keeps anything of."""


class EventLog:
    """Tells, keeps and follows events on one node; an actor named ``events``."""

    def __init__(
        self, system: ActorSystem, network: Network, mesh: MeshId, alive: Callable[[], Sequence[NodeId]], clock: Clock
    ) -> None:
        self.mesh = mesh
        self.gaps: Counter[Why] = Counter()
        """Gaps told to followers, by why."""
        self.missed = 0
        """Events that those gaps counted."""
        self._system = system
        self._network = network
        self._alive = alive
        self._clock = clock
        self._journal = Journal(system.node_id)
        self._run = 0
        self._started_ms = 0
        self._pending: deque[Happened] = deque(maxlen=PENDING_MAX)
        self._wake = asyncio.Event()
        self._followings: set[Following] = set()
        self._followed = asyncio.Event()
        self._asking: dict[Want, list[Following]] = {}
        self._turn = 0
        system.spawn(ACTOR, self)  # others say how far they are as soon as there is a link
        system.subscribe(TOPIC + "*", self._heard)
        system.watch_links(self._link)

    def open(self, run: int) -> None:
        """Begin to tell, and to be followed. ``run`` is a number higher than at any start before."""
        self._run, self._started_ms = run, self._now_ms()
        self._journal.begin(run, self._started_ms)
        self._system.supervisor.run("events/tell", self._tell)
        self._system.supervisor.run("events/others", self._ask_around)

    # ------------------------------------------------------------ telling

    def tell(self, topic: str, data: Mapping[str, str]) -> None:
        """Tell the mesh that something happened here."""
        self._pending.append(self._journal.tell(topic, data, self._now_ms()))
        self._wake.set()
        self._changed([Lane(self._system.node_id, self._run).tag])

    def note(self, topic: str, data: Mapping[str, str]) -> None:
        """Tell those who follow on this node what it believes; others have beliefs of their own."""
        self._journal.tell(topic, data, self._now_ms(), local=True)
        self._changed([Lane(self._system.node_id, self._run, local=True).tag])

    async def _tell(self) -> None:
        again: tuple[float, ...] = ()
        while True:
            try:
                async with asyncio.timeout(again[0] if again else None):
                    await self._wake.wait()
            except TimeoutError:
                again = again[1:]
                await self._system.publish(TOPIC + self._system.node_id, self._journal.own_stand())
                continue
            self._wake.clear()
            while self._pending:
                events = tuple(self._pending.popleft() for _ in range(min(BATCH_MAX, len(self._pending))))
                told = EventsTold(self._run, self._started_ms, events)
                await self._system.publish(TOPIC + self._system.node_id, told)
            again = TOLD_AGAIN_S

    # ------------------------------------------------------------ following

    @property
    def followers(self) -> int:
        """Count those who follow on this node."""
        return len(self._followings)

    def follow(self, topics: Sequence[str] = (), *, after: str = "", since_ms: int | None = None) -> Following:
        """Follow events whose topic matches one of the shell patterns ``topics`` (none: all).

        From now on, from a cursor (``after``; CursorError when it is none), or from a time (UTC milliseconds).
        """
        cursor = eventcursor.read(after, self.mesh) if after else None
        now = asyncio.get_running_loop().time()
        core = Follower(self._journal, self._system.node_id, topics, now, self._now_ms(), since_ms, cursor)
        following = Following(self, core)
        self._followings.add(following)
        self._followed.set()
        return following

    def forget(self, following: Following) -> None:
        """Let a follower go."""
        self._followings.discard(following)
        if not self._followings:
            self._followed.clear()

    def want(self, following: Following, want: Want) -> None:
        """Have events asked for; those who want the same are told of one answer."""
        waiting = self._asking.setdefault(want, [])
        waiting.append(following)
        if len(waiting) == 1:
            self._system.supervisor.once("events/ask", self._fetch(want))

    async def _fetch(self, want: Want) -> None:
        given: EventsGiven | None = None
        by_origin = False
        try:
            given, by_origin = await self._given(want)
        finally:
            if given is not None:
                self._changed(self._journal.given(want.lane, given))
            now = asyncio.get_running_loop().time()
            for following in self._asking.pop(want):
                following.answered(want, given, now, origin=by_origin)

    async def _given(self, want: Want) -> tuple[EventsGiven | None, bool]:
        """Ask who may have it. None: nobody answered who could have; and whether the events' own node did."""
        lane, here = want.lane, self._system.node_id
        asked = AskEvents(lane.origin, lane.run, want.after, want.since_ms)
        found, answered = ENDED, False
        peers = self._whom(lane)
        for peer in peers:
            try:
                given = await self._system.ask(peer, ACTOR, asked, EventsGiven, timeout_s=ASK_TIMEOUT_S)
            except PortError:
                continue
            if peer == lane.origin and given.last:
                return given, True
            if given.whole and (given.events or want.since_ms):
                return given, False
            answered = answered or peer == lane.origin
            if given.events and (not found.events or given.events[0].seq < found.events[0].seq):
                found = given
        final = answered or (lane.origin == here and (bool(peers) or len(self._alive()) <= 1))
        return (found if final else None), False

    def _whom(self, lane: Lane) -> list[NodeId]:
        links = self._network.links()
        rest = sorted(links)
        self._turn += 1
        turned = rest[self._turn % len(rest) :] + rest[: self._turn % len(rest)] if rest else []
        teller = self._journal.teller(lane)
        within = lane.origin in links or (self._system.crowd and lane.origin in self._alive())
        first = [lane.origin] if within and lane.origin != self._system.node_id else []
        first += [teller] if teller is not None and teller in links else []
        return list(dict.fromkeys((*first, *turned)))[:ASKED_MAX]

    async def _ask_around(self) -> None:
        while True:
            await self._followed.wait()
            await asyncio.sleep(OTHERS_S)
            links = self._network.links()
            peers = sorted(links)
            here = self._system.node_id
            if not self._followings or not peers or self._system.crowd:
                continue  # in a crowd everybody passes on what it hears
            if all(node in links or node == here for node in self._alive()):
                continue
            self._turn += 1
            peer = peers[self._turn % len(peers)]
            try:
                stand = await self._system.ask(peer, ACTOR, AskStand(), EventsStand, timeout_s=ASK_TIMEOUT_S)
            except PortError:
                continue
            self._changed(self._journal.stood(peer, stand))

    # ------------------------------------------------------------ what others say and ask

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Answer another node, or take how far it is."""
        match message:
            case AskEvents():
                return self._journal.give(message)
            case AskStand():
                return self._journal.stand()
            case EventsStand():
                self._changed(self._journal.stood(context.sender, message))
                return None
        raise NotFound(f"nobody takes a {type(message).__name__} here, sent by {context.sender[:8]}")

    async def _heard(self, topic: str, message: Any, context: Context) -> None:
        match message:
            case EventsTold():
                origin = NodeId(topic.removeprefix(TOPIC))
                self._changed(self._journal.heard(context.sender, origin, message))
            case EventsStand():
                self._changed(self._journal.stood(context.sender, message))

    def _link(self, peer: NodeId, up: bool) -> None:
        if not up:
            return
        if self._journal.stand().lanes:
            self._system.supervisor.once("events/stand", self._introduce(peer))
        for following in self._followings:
            following.again()

    async def _introduce(self, peer: NodeId) -> None:
        try:
            await self._system.tell(peer, ACTOR, self._journal.stand())
        except Unavailable:
            return  # its link went again; the next one is told

    def _changed(self, lanes: Sequence[LaneTag]) -> None:
        for following in self._followings:
            following.look(lanes)

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)


class Following:
    """One follower of a node; ``next`` is for one task."""

    def __init__(self, log: EventLog, core: Follower) -> None:
        self._log = log
        self._core = core
        self._wake = asyncio.Event()

    def cursor(self, cursor: Cursor | None = None) -> str:
        """Give where it is as text, or where it was with something it was told."""
        return (self._core.cursor if cursor is None else cursor).text(self._log.mesh)

    async def next(self, timeout_s: float) -> tuple[Told | Gap, ...]:
        """Wait for what is next; nothing when nothing came in time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while True:
            self._wake.clear()
            taken = self._core.take(loop.time())
            for want in taken.wants:
                self._log.want(self, want)
            if taken.items:
                gaps = [item for item in taken.items if isinstance(item, Gap)]
                self._log.gaps.update(gap.why for gap in gaps)
                self._log.missed += sum(gap.missed or 0 for gap in gaps)
                return taken.items
            if taken.more:
                await asyncio.sleep(0)
                continue
            times = [end] if taken.wake_at is None else [end, taken.wake_at]
            behind = self._core.behind()
            if behind:
                times.append(loop.time() + BEHIND_S)
            try:
                async with asyncio.timeout_at(min(times)):
                    await self._wake.wait()
            except TimeoutError:
                if loop.time() >= end:
                    return ()
                if behind and taken.wake_at is None:
                    self._core.again()

    def look(self, lanes: Sequence[LaneTag]) -> None:
        """Look at what came."""
        if self._core.look(lanes):
            self._wake.set()

    def again(self) -> None:
        """Ask anew for what could not be had."""
        self._core.again()
        self._wake.set()

    def answered(self, want: Want, given: EventsGiven | None, now: float, *, origin: bool) -> None:
        """Take the answer to what it wanted."""
        self._core.answered(want, given, now, origin=origin)
        self._wake.set()

    def close(self) -> None:
        """Follow no more."""
        self._log.forget(self)
