"""The events that one node knows of: its own, and those it heard of others, each origin's numbered in runs.

Decides what is kept and for how long, which run of an origin is its present one, and what is given to who asks. What
is not kept any more leaves a hole in the numbers, so that whoever reads here sees that something is missing.

Invariant: at most ``own_max`` of this node's events, ``LOCAL_KEPT_MAX`` of those it tells on itself alone, and
``heard_max`` of the others' are held, of ``ORIGINS_MAX`` origins; the oldest go first. Nothing outlives the process:
a start begins a new run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from mesh.core.eventcursor import LaneTag, tag_of
from proto.ids import NodeId, is_node_id
from proto.messages.events import (
    EVENTS_GIVEN_MAX,
    LANES_TOLD_MAX,
    NUMBER_MAX,
    AskEvents,
    EventsGiven,
    EventsStand,
    EventsTold,
    Happened,
    LaneStand,
)

OWN_KEPT_MAX = 4096
HEARD_KEPT_MAX = 16384
LOCAL_KEPT_MAX = 512
ORIGINS_MAX = 512
GIVEN_BYTES_MAX = 256 << 10
"""About what an answer may weigh: a quarter of a frame."""
_EVENT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Lane:
    """One run of an origin; ``local``: of what it tells on itself alone."""

    origin: NodeId
    run: int
    local: bool = False

    @property
    def tag(self) -> LaneTag:
        """Give the lane's name in a cursor."""
        return LaneTag(tag_of(self.origin), self.local)


@dataclass(slots=True)
class _Run:
    started_ms: int
    last: int = 0
    events: dict[int, Happened] = field(default_factory=dict)
    teller: NodeId | None = None


@dataclass(slots=True)
class _Origin:
    node: NodeId
    run: int
    sure: bool
    runs: dict[int, _Run]


@dataclass(frozen=True, slots=True)
class Present:
    """An origin's present run; ``sure``: by its own word."""

    lane: Lane
    sure: bool


class Journal:
    """What one node knows of the mesh's events."""

    def __init__(self, node: NodeId, own_max: int = OWN_KEPT_MAX, heard_max: int = HEARD_KEPT_MAX) -> None:
        self._node = node
        self._own_max = own_max
        self._heard_max = heard_max
        self._origins: dict[LaneTag, _Origin] = {}
        self._arrived: deque[tuple[LaneTag, int, int]] = deque()
        self._run = 0

    # ------------------------------------------------------------ this node's own

    def begin(self, run: int, started_ms: int) -> None:
        """Begin this node's run, a higher one than ever before."""
        self._run = min(run, NUMBER_MAX)
        for local in (False, True):
            tag = LaneTag(tag_of(self._node), local)
            self._origins[tag] = _Origin(self._node, self._run, True, {self._run: _Run(started_ms)})

    def tell(self, topic: str, data: Mapping[str, str], at_ms: int, *, local: bool = False) -> Happened:
        """Number an event of this node and keep it."""
        run = self._origins[LaneTag(tag_of(self._node), local)].runs[self._run]
        run.last += 1
        event = run.events[run.last] = Happened(run.last, at_ms, topic, dict(data))
        if len(run.events) > (LOCAL_KEPT_MAX if local else self._own_max):
            del run.events[next(iter(run.events))]
        return event

    def own_stand(self) -> EventsStand:
        """Tell how far this node's own run is; nothing before its first event."""
        mine = self._origins.get(LaneTag(tag_of(self._node)))
        return EventsStand(() if mine is None else tuple(_stand(mine)))

    # ------------------------------------------------------------ what others say

    def heard(self, teller: NodeId, origin: NodeId, told: EventsTold) -> list[LaneTag]:
        """Take what an origin told, from itself or passed on by ``teller``; gives the lanes that changed."""
        if not self._of_another(origin):
            return []
        tag = self._present(origin, told.run, told.started_ms, sure=teller == origin)
        for event in told.events:
            self._keep(tag, told.run, event)
        return [tag]

    def stood(self, teller: NodeId, stand: EventsStand) -> list[LaneTag]:
        """Take how far others are, as ``teller`` knows; gives the lanes that changed."""
        changed = []
        for lane in stand.lanes:
            if not self._of_another(lane.origin):
                continue
            tag = self._present(lane.origin, lane.run, lane.started_ms, sure=teller == lane.origin)
            run = self._origins[tag].runs.get(lane.run)
            if run is None:
                continue
            if teller == lane.origin:
                run.last = lane.last
            elif lane.last > run.last:
                run.last, run.teller = lane.last, teller
            changed.append(tag)
        return changed

    def given(self, lane: Lane, given: EventsGiven) -> list[LaneTag]:
        """Take the answer to what was asked of a lane; gives the lanes that changed."""
        known = self._origins.get(lane.tag)
        if known is None or lane.local:
            return []
        if lane.run not in known.runs and given.events:
            known.runs[lane.run] = _Run(given.started_ms, given.last)
        run = known.runs.get(lane.run)
        if run is None:
            return []
        run.last = max(run.last, given.last)
        for event in given.events:
            self._keep(lane.tag, lane.run, event)
        return [lane.tag]

    # ------------------------------------------------------------ what others ask

    def stand(self) -> EventsStand:
        """Tell how far everybody is, this node first, then those heard of last."""
        mine = LaneTag(tag_of(self._node))
        rest = [tag for tag in reversed(self._origins) if tag != mine and not tag.local]
        lanes: list[LaneStand] = []
        for tag in ([mine] if mine in self._origins else []) + rest:
            lanes += _stand(self._origins[tag])
        return EventsStand(tuple(lanes[:LANES_TOLD_MAX]))

    def give(self, asked: AskEvents) -> EventsGiven:
        """Answer with the first unbroken stretch of what is asked for, as far as it is kept here."""
        lane = Lane(asked.origin, asked.run)
        run = self._of(lane)
        if run is None:
            return EventsGiven(0, 0, False, ())
        if asked.since_ms:
            first, whole = self.since(lane, asked.since_ms)
        else:
            following = self.next(lane, asked.after)
            first = run.last + 1 if following is None else following
            whole = first == asked.after + 1
        events: list[Happened] = []
        weight = 0
        while len(events) < EVENTS_GIVEN_MAX and (event := run.events.get(first + len(events))) is not None:
            weight += _EVENT_BYTES + sum(4 * (len(name) + len(value)) for name, value in event.data.items())
            if weight > GIVEN_BYTES_MAX and events:
                break
            events.append(event)
        return EventsGiven(run.started_ms, run.last, whole, tuple(events))

    # ------------------------------------------------------------ what readers see

    def lanes(self) -> list[LaneTag]:
        """Give every lane there is something of."""
        return list(self._origins)

    def present(self, tag: LaneTag) -> Present | None:
        """Give an origin's present run, as far as known."""
        known = self._origins.get(tag)
        return None if known is None else Present(Lane(known.node, known.run, tag.local), known.sure)

    def run_after(self, tag: LaneTag, run: int) -> int | None:
        """Give the origin's first run after one, as far as known."""
        known = self._origins.get(tag)
        return None if known is None else min((one for one in known.runs if one > run), default=None)

    def started_ms(self, lane: Lane) -> int:
        """Tell when a run began (UTC milliseconds); 0 when that is not known."""
        run = self._of(lane)
        return 0 if run is None else run.started_ms

    def last(self, lane: Lane) -> int:
        """Give the number of a run's last event that is known of."""
        run = self._of(lane)
        return 0 if run is None else run.last

    def event(self, lane: Lane, seq: int) -> Happened | None:
        """Give an event, if it is kept here."""
        run = self._of(lane)
        return None if run is None else run.events.get(seq)

    def next(self, lane: Lane, after: int) -> int | None:
        """Give the lowest number above one that is kept here."""
        run = self._of(lane)
        if run is None:
            return None
        if after + 1 in run.events:
            return after + 1
        return min((seq for seq in run.events if seq > after), default=None)

    def since(self, lane: Lane, since_ms: int) -> tuple[int, bool]:
        """Give the number of a run's first event kept that is not older than a time, or the one after the last.

        And whether that is sure: whether the one before it is kept too, and older, or there is none.
        """
        run = self._of(lane)
        if run is None:
            return 1, False
        first = min((seq for seq, event in run.events.items() if event.at_ms >= since_ms), default=run.last + 1)
        return first, first == 1 or first - 1 in run.events

    def teller(self, lane: Lane) -> NodeId | None:
        """Give who else said last how far a run is."""
        run = self._of(lane)
        return None if run is None else run.teller

    # ------------------------------------------------------------

    def _of(self, lane: Lane) -> _Run | None:
        known = self._origins.get(lane.tag)
        return None if known is None or known.node != lane.origin else known.runs.get(lane.run)

    def _of_another(self, origin: NodeId) -> bool:
        return origin != self._node and is_node_id(origin)

    def _present(self, origin: NodeId, run: int, started_ms: int, *, sure: bool) -> LaneTag:
        """Take note of a run; the origin's own word of which is the present one counts for more than others'."""
        tag = LaneTag(tag_of(origin))
        known = self._origins.pop(tag, None)
        if known is None or known.node != origin:
            known = _Origin(origin, run, sure, {})
        self._origins[tag] = known
        if run > known.run or (sure and run != known.run):
            known.run, known.sure = run, sure
        elif sure and run == known.run:
            known.sure = True
        if run == known.run:
            known.runs.setdefault(run, _Run(started_ms))
        for old in [one for one, state in known.runs.items() if one != known.run and not state.events]:
            del known.runs[old]
        if len(self._origins) > ORIGINS_MAX:
            del self._origins[next(one for one, state in self._origins.items() if state.node != self._node)]
        return tag

    def _keep(self, tag: LaneTag, number: int, event: Happened) -> None:
        run = self._origins[tag].runs.get(number)
        if run is None or event.seq in run.events or not event.seq:
            return
        run.last = max(run.last, event.seq)
        run.events[event.seq] = event
        self._arrived.append((tag, number, event.seq))
        while len(self._arrived) > self._heard_max:
            gone, of, seq = self._arrived.popleft()
            known = self._origins.get(gone)
            if known is not None and of in known.runs:
                known.runs[of].events.pop(seq, None)


def _stand(known: _Origin) -> list[LaneStand]:
    run = known.runs.get(known.run)
    return [LaneStand(known.node, known.run, run.started_ms, run.last)] if run is not None and run.last else []
