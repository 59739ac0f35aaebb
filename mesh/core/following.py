"""One follower's way through the events of the mesh: what it is told next, and what it must be told is lost.

Decides, lane by lane, whether the next number is here, has to be asked for, or is gone. Events come in the order of
their lane; between lanes by when they happened, as far as they are here at once.

Invariant: a follower's place in a lane only goes forward, by one with each event or by what a ``Gap`` counts: nothing
comes twice, and nothing is missing that no gap told of. Nothing waits here for a follower: one that is slow falls
behind what is kept, and is told so.
"""

from __future__ import annotations

import enum
import fnmatch
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from mesh.core.eventcursor import Cursor, LaneTag, Place, tag_of
from mesh.core.journal import Journal, Lane, Present
from proto.ids import NodeId
from proto.messages.events import LANES_TOLD_MAX, EventsGiven, Happened

TAKEN_MAX = 64
"""Events given at once."""
LOOKED_MAX = 1024
"""Events looked at at once, those of other topics included."""
PATIENCE_S = 3.0
"""How long a follower that comes back waits for what lies further back, to be told all in order."""
GIVE_UP_S = 10.0
"""How long something missing is asked for while nobody answers, before what comes after it is told."""
RETRY_S = 1.0


class Why(enum.StrEnum):
    """Why events are lost to a follower."""

    RING = "ring"
    """Their origin keeps them no longer."""
    RESTART = "restart"
    """Their origin started anew: what it had told before and nobody else heard is gone."""
    UNREACHABLE = "unreachable"
    """Their origin could not be asked."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and where the follower is with it."""

    origin: NodeId
    event: Happened
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Gap:
    """``missed`` events of an origin, of any topic, are lost; None: nobody knows how many, maybe none."""

    origin: NodeId
    missed: int | None
    why: Why
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Want:
    """Events of a lane that are to be asked for: after a number, or those since a time (UTC milliseconds)."""

    lane: Lane
    after: int
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """What a follower is told now, what is wanted for it, and when (monotonic seconds) to look again by itself.

    ``more``: there is more at once.
    """

    items: tuple[Told | Gap, ...]
    wants: tuple[Want, ...]
    wake_at: float | None
    more: bool


@dataclass(frozen=True, slots=True)
class _Hole:
    missed: int | None
    why: Why
    to: Place


class Follower:
    """One follower. ``now`` is monotonic seconds."""

    def __init__(
        self,
        journal: Journal,
        node: NodeId,
        topics: Sequence[str],
        now: float,
        now_ms: int,
        since_ms: int | None = None,
        cursor: Cursor | None = None,
    ) -> None:
        """Follow what matches one of ``topics`` (shell patterns; none: all), from now, a time, or a cursor on."""
        self._journal = journal
        self._topics = tuple(topics)
        self._node = node
        self._here = LaneTag(tag_of(node), local=True)
        self._looks_back = since_ms is not None
        self._since_ms = self._told_ms = self._local_ms = now_ms if since_ms is None else since_ms
        self._places: dict[LaneTag, Place] = {}
        self._heard_ms: dict[LaneTag, int] = {}
        self._dirty: dict[LaneTag, None] = {}
        self._asked: dict[LaneTag, Want] = {}
        self._tried: dict[LaneTag, tuple[Want, Why]] = {}
        self._entered: dict[LaneTag, _Hole] = {}
        self._failing: dict[LaneTag, tuple[float, float]] = {}
        """By lane: when nobody answered first, and when to ask again."""
        self._patient_until: float | None = None
        if cursor is not None:
            self._since_ms, self._told_ms, self._local_ms = cursor.since_ms, cursor.told_ms, cursor.told_ms + 1
            self._places = {tag: place for tag, place in cursor.places.items() if self._mine(tag)}
            self._heard_ms = dict.fromkeys(self._places, cursor.told_ms)
        elif since_ms is None:
            for tag in journal.lanes():
                if self._mine(tag) and (present := journal.present(tag)) is not None:
                    self._move(tag, Place(present.lane.run, journal.last(present.lane)), now_ms)
        if cursor is not None or since_ms is not None:
            self._patient_until = now + PATIENCE_S
        self.look(journal.lanes())

    # ------------------------------------------------------------ what happens to it

    def look(self, lanes: Sequence[LaneTag]) -> bool:
        """Take note that lanes changed; tells whether any is this follower's."""
        mine = [tag for tag in lanes if self._mine(tag)]
        self._dirty.update(dict.fromkeys(mine))
        return bool(mine)

    def again(self) -> None:
        """Ask anew for what could not be had: somebody came, or time has passed."""
        self._tried.clear()
        self._failing.clear()
        self.look(self._journal.lanes())

    def answered(self, want: Want, given: EventsGiven | None, now: float, *, origin: bool) -> None:
        """Take note of what became of a want, after the journal took it; None: nobody answered.

        ``origin``: it was the events' own node that answered.
        """
        tag = want.lane.tag
        if self._asked.get(tag) != want:
            return
        del self._asked[tag]
        self._dirty[tag] = None
        if given is None:
            first, _ = self._failing.get(tag, (now, now))
            self._failing[tag] = (first, now + RETRY_S)
            if now - first < GIVE_UP_S:
                return
        self._failing.pop(tag, None)
        why = Why.RING if origin else Why.UNREACHABLE
        if want.since_ms:
            self._entered[tag] = self._begin(want.lane, given, why)
        elif given is None or not given.events or given.events[0].seq != want.after + 1:
            self._tried[tag] = (want, why)

    @property
    def cursor(self) -> Cursor:
        """Give where the follower is. The lanes that were quiet longest are left out of one that were too long."""
        places, since_ms = self._places, self._since_ms
        if len(places) > LANES_TOLD_MAX:
            by_time = sorted(places, key=lambda tag: (self._heard_ms[tag], tag))
            gone = by_time[: len(places) - LANES_TOLD_MAX]
            since_ms = max(since_ms, self._heard_ms[gone[-1]] + 1)
            places = {tag: places[tag] for tag in by_time[len(gone) :]}
        return Cursor(since_ms, self._told_ms, dict(places))

    # ------------------------------------------------------------ what it is told

    def take(self, now: float) -> Taken:
        """Give what is next."""
        items: list[Told | Gap] = []
        wants: list[Want] = []
        heads: list[tuple[int, LaneTag, NodeId, Happened]] = []
        self._dirty.update((tag, None) for tag, (_, again) in self._failing.items() if again <= now)
        for tag in list(self._dirty):
            self._head(tag, now, heads, items, wants)
        patient = self._patient_until is not None and bool(self._asked) and now < self._patient_until
        looked = 0
        while heads and not patient and len(items) < TAKEN_MAX and looked < LOOKED_MAX:
            _, tag, origin, event = heapq.heappop(heads)
            looked += 1
            self._move(tag, Place(self._places[tag].run, event.seq), event.at_ms)
            if not self._topics or any(fnmatch.fnmatchcase(event.topic, pattern) for pattern in self._topics):
                self._told_ms = max(self._told_ms, event.at_ms)
                items.append(Told(origin, event, self.cursor))
            self._head(tag, now, heads, items, wants)
        if not self._asked and not heads:
            self._patient_until = None
        times = [again for tag, (_, again) in self._failing.items() if tag not in self._asked]
        if patient and self._patient_until is not None:
            times.append(self._patient_until)
        return Taken(tuple(items), tuple(wants), min(times, default=None), bool(heads) and not patient)

    def behind(self) -> bool:
        """Tell whether something is known of that could not be had so far."""
        return bool(self._tried) or bool(self._failing)

    # ------------------------------------------------------------

    def _mine(self, tag: LaneTag) -> bool:
        return not tag.local or tag == self._here

    def _move(self, tag: LaneTag, place: Place, at_ms: int) -> None:
        self._places[tag] = place
        self._heard_ms[tag] = max(at_ms, self._heard_ms.get(tag, 0))
        self._tried.pop(tag, None)
        self._failing.pop(tag, None)

    def _head(
        self,
        tag: LaneTag,
        now: float,
        heads: list[tuple[int, LaneTag, NodeId, Happened]],
        items: list[Told | Gap],
        wants: list[Want],
    ) -> None:
        """Find what is next in a lane: an event waits in ``heads``; a lane with nothing to do is not dirty any more."""
        while True:
            present = self._journal.present(tag)
            found = None if present is None else self._next(tag, present, now)
            match found:
                case None:
                    self._dirty.pop(tag, None)
                    if self._failing.get(tag, (now, now + 1.0))[1] <= now:
                        del self._failing[tag]  # it was to be asked for again, and there is no need
                    return
                case Want():
                    self._dirty.pop(tag, None)
                    if tag not in self._asked:
                        self._asked[tag] = found
                        wants.append(found)
                    return
                case Happened():
                    self._dirty[tag] = None
                    assert present is not None
                    heapq.heappush(heads, (found.at_ms, tag, present.lane.origin, found))
                    return
                case _Hole():
                    assert present is not None
                    self._move(tag, found.to, self._told_ms)
                    if found.missed != 0:
                        items.append(Gap(present.lane.origin, found.missed, found.why, self.cursor))
                case _:
                    assert_never(found)

    def _next(self, tag: LaneTag, present: Present, now: float) -> Happened | Want | _Hole | None:
        place = self._places.get(tag)
        if place is None:
            return self._entering(tag, present, now)
        if place.run > present.lane.run and not present.sure:
            return None  # those who told of it have not heard of the run yet
        lane = Lane(present.lane.origin, place.run, tag.local)
        event = self._journal.event(lane, place.seq + 1)
        if event is not None:
            return event
        over = place.run != present.lane.run
        if not over and self._journal.last(lane) <= place.seq:
            return None
        tried, why = self._tried.get(tag, (None, Why.RING))
        want = Want(lane, place.seq)
        if not tag.local and tried != want and (over or lane.origin != self._node):
            return self._asking(tag, want, now)
        following = self._journal.next(lane, place.seq)
        if following is not None:
            return _Hole(following - place.seq - 1, why, Place(place.run, following - 1))
        if over:
            run = self._journal.run_after(tag, place.run)
            missed = 0 if tag.local else None  # what a node believes it finds out anew
            return _Hole(missed, Why.RESTART, Place(present.lane.run if run is None else run, 0))
        if why is Why.RING:  # its own node has it no longer, and nothing after it is here
            last = self._journal.last(lane)
            return _Hole(last - place.seq, why, Place(place.run, last))
        return None

    def _entering(self, tag: LaneTag, present: Present, now: float) -> Want | _Hole | None:
        lane = present.lane
        begun = self._entered.pop(tag, None)
        if begun is not None and begun.to.run == lane.run:
            return begun
        since_ms = self._local_ms if tag.local else self._since_ms
        if self._journal.started_ms(lane) >= since_ms:
            earlier = self._looks_back and lane.run > 1 and not tag.local
            return _Hole(None if earlier else 0, Why.RESTART, Place(lane.run, 0))
        first, whole = self._journal.since(lane, since_ms)
        if lane.origin == self._node or (whole and first <= self._journal.last(lane)):
            return _Hole(0 if whole else None, Why.RING, Place(lane.run, first - 1))
        return self._asking(tag, Want(lane, 0, since_ms), now)

    def _asking(self, tag: LaneTag, want: Want, now: float) -> Want | None:
        _, again = self._failing.get(tag, (now, now))
        return want if now >= again else None

    def _begin(self, lane: Lane, given: EventsGiven | None, why: Why) -> _Hole:
        """Begin in a lane where the answer to a look back begins; what cannot be known to be whole is a gap."""
        if given is None:
            return _Hole(None, why, Place(lane.run, self._journal.last(lane)))
        first = given.events[0].seq if given.events else given.last + 1
        return _Hole(0 if given.whole else None, why, Place(lane.run, first - 1))
