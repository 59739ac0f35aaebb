"""Where live tracks come from: announcements hop by hop, the best next hop, and one upstream subscription a track.

Decides, for every track of the mesh, through which linked neighbour this node would take it, what it tells each
neighbour about that, and which one upstream subscription stands while somebody here or further down wants the track.
A path-vector protocol as BGP has it (RFC 4271): each announcement carries the whole path, so a node never takes a track
through itself. A neighbour is told of a change when it is ready for the next announcement, so changes in between melt
into one.

Invariant: a chosen path never holds this node, never a node twice, and has at most HOPS_MAX nodes; there is at most one
upstream a track, however many want it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from proto.ids import NodeId
from proto.messages.live import HOPS_MAX, ROUTES_MAX, Route

TRACKS_MAX = 4096
"""Tracks taken from one neighbour; further ones are not heard, and counted."""
GRACE_S = 3.0
"""How long subscribers wait for another path once the last one broke."""
STALL_S = 2.0
"""An upstream silent for this long is asked whether it is still there."""
BLOCK_FIRST_S = 0.5
BLOCK_MAX_S = 30.0
"""How long a neighbour that failed as upstream is not used for the track: doubled at each failure in a row."""

Path = tuple[NodeId, ...]

# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A neighbour is there."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A neighbour is gone, and with it all it announced."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class Offered:
    """This node publishes a track."""

    track: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """This node publishes a track no more."""

    track: str
    reason: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A neighbour announced routes."""

    peer: NodeId
    routes: tuple[Route, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody here or further down wants a track; told again when ``lossless`` changes."""

    track: str
    lossless: bool


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Nobody wants a track any more."""

    track: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Something of the track came from upstream."""

    track: str


@dataclass(frozen=True, slots=True)
class UpstreamFailed:
    """The upstream of this number did not answer, or refused."""

    track: str
    number: int


@dataclass(frozen=True, slots=True)
class UpstreamEnded:
    """The upstream of this number says that it has the track no more."""

    track: str
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class NotTold:
    """An announcement did not reach the neighbour: everything will be told again."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went on; see ``wake_at``."""


Event = (
    LinkUp
    | LinkDown
    | Offered
    | Withdrawn
    | Heard
    | Wanted
    | Unwanted
    | Progress
    | UpstreamFailed
    | UpstreamEnded
    | NotTold
    | Tick
)

# ---------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class News:
    """There is something to tell this neighbour: take it with ``news`` when it is ready."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Ask a neighbour for a track; also sent again, with the same number, to see whether it is still there."""

    peer: NodeId
    track: str
    number: int
    lossless: bool


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Tell a neighbour that the subscription of this number is over."""

    peer: NodeId
    track: str
    number: int


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no way to the track: who waits for it is told so."""

    track: str
    reason: str


Effect = News | Subscribe | Unsubscribe | Lost


@dataclass(slots=True)
class _Neighbour:
    heard: dict[str, Path] = field(default_factory=dict)
    told: dict[str, Path] = field(default_factory=dict)
    changed: dict[str, None] = field(default_factory=dict)
    whole: bool = True


@dataclass(slots=True)
class _Upstream:
    peer: NodeId
    number: int
    heard_s: float


@dataclass(slots=True)
class _Demand:
    lossless: bool
    upstream: _Upstream | None = None
    lost_at_s: float | None = None


@dataclass(slots=True)
class _Blocked:
    until_s: float
    failures: int


@dataclass(frozen=True, slots=True)
class Way:
    """How a track is reached: ``path`` from this node (first) to its source (last)."""

    path: Path

    @property
    def hops(self) -> int:
        """Links to the source."""
        return len(self.path) - 1


class LiveRoutes:
    """The routes and upstream subscriptions of one node."""

    def __init__(self, me: NodeId) -> None:
        self.me = me
        self._neighbours: dict[NodeId, _Neighbour] = {}
        self._offered: dict[str, None] = {}
        self._best: dict[str, Path] = {}
        self._demands: dict[str, _Demand] = {}
        self._blocked: dict[tuple[str, NodeId], _Blocked] = {}
        self._number = 0
        self._now = 0.0
        self.refused_routes = 0
        """Routes not taken: malformed paths, and tracks beyond TRACKS_MAX."""

    # ------------------------------------------------------------ what is known

    def ways(self) -> dict[str, Way]:
        """Give how every known track is reached, by name."""
        return {track: Way(self._best[track]) for track in sorted(self._best)}

    def way(self, track: str) -> Way | None:
        """Give how a track is reached."""
        path = self._best.get(track)
        return None if path is None else Way(path)

    def upstream(self, track: str) -> tuple[NodeId, int] | None:
        """Give whom the track comes from, and the subscription's number."""
        demand = self._demands.get(track)
        up = demand.upstream if demand else None
        return None if up is None else (up.peer, up.number)

    def news(self, peer: NodeId) -> tuple[tuple[Route, ...], bool] | None:
        """Take what is to be told to a neighbour now: routes, and whether they are all; None when nothing is."""
        neighbour = self._neighbours.get(peer)
        if neighbour is None or not (neighbour.changed or neighbour.whole):
            return None
        whole, neighbour.whole = neighbour.whole, False
        if whole:
            neighbour.told.clear()
            neighbour.changed = dict.fromkeys(sorted(self._best))
        routes: list[Route] = []
        for track in list(neighbour.changed):
            if len(routes) == ROUTES_MAX:
                break
            del neighbour.changed[track]
            path = self._for(peer, track)
            if path != neighbour.told.get(track, ()):
                routes.append(Route(track, path))
                if path:
                    neighbour.told[track] = path
                else:
                    neighbour.told.pop(track, None)
        return (tuple(routes), whole) if routes or whole else None

    def wake_at(self) -> float | None:
        """Give when the next Tick is due."""
        times = [blocked.until_s for blocked in self._blocked.values() if blocked.until_s > self._now]
        for demand in self._demands.values():
            if demand.lost_at_s is not None:
                times.append(demand.lost_at_s)
            if demand.upstream is not None:
                times.append(demand.upstream.heard_s + STALL_S)
        return min(times, default=None)

    # ------------------------------------------------------------ what happens

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event at ``now`` (seconds that never go back); give what is to be done, in order."""
        self._now = max(self._now, now)
        match event:
            case LinkUp(peer):
                self._neighbours[peer] = _Neighbour()
                return [News(peer)]
            case LinkDown(peer):
                return self._link_down(peer)
            case Offered(track):
                self._offered[track] = None
                return self._reconsider([track])
            case Withdrawn(track, reason):
                self._offered.pop(track, None)
                return self._reconsider([track], ended=reason)
            case Heard(peer, routes, whole):
                return self._heard(peer, routes, whole)
            case Wanted(track, lossless):
                return self._wanted(track, lossless)
            case Unwanted(track):
                demand = self._demands.pop(track, None)
                return self._let_go(track, demand.upstream if demand else None)
            case Progress(track):
                self._progress(track)
                return []
            case UpstreamFailed(track, number):
                return self._failed(track, number)
            case UpstreamEnded(track, number, reason):
                found = self._current(track, number)
                if found is None:
                    return []
                neighbour = self._neighbours.get(found.peer)
                if neighbour is not None:
                    neighbour.heard.pop(track, None)
                self._demands[track].upstream = None
                return self._reconsider([track], ended=reason)
            case NotTold(peer):
                neighbour = self._neighbours.get(peer)
                if neighbour is None:
                    return []
                neighbour.whole = True
                return [News(peer)]
            case Tick():
                return self._tick()
            case _:
                assert_never(event)

    def _link_down(self, peer: NodeId) -> list[Effect]:
        gone = self._neighbours.pop(peer, None)
        if gone is None:
            return []
        self._blocked = {key: blocked for key, blocked in self._blocked.items() if key[1] != peer}
        touched = dict.fromkeys(gone.heard)
        for track, demand in self._demands.items():
            if demand.upstream is not None and demand.upstream.peer == peer:
                demand.upstream = None
                touched[track] = None
        return self._reconsider(list(touched))

    def _heard(self, peer: NodeId, routes: Sequence[Route], whole: bool) -> list[Effect]:
        neighbour = self._neighbours.get(peer)
        if neighbour is None:
            return []
        touched: dict[str, None] = {}
        if whole:
            touched |= dict.fromkeys(neighbour.heard)
            neighbour.heard.clear()
        for route in routes:
            path = tuple(NodeId(node) for node in route.path)
            if path and not self._sound(peer, path):
                self.refused_routes += 1
                path = ()
            if path and route.track not in neighbour.heard and len(neighbour.heard) >= TRACKS_MAX:
                self.refused_routes += 1
                continue
            if path:
                neighbour.heard[route.track] = path
            else:
                neighbour.heard.pop(route.track, None)
            touched[route.track] = None
        return self._reconsider(list(touched))

    def _sound(self, peer: NodeId, path: Path) -> bool:
        return path[0] == peer and self.me not in path and len(set(path)) == len(path) and len(path) < HOPS_MAX

    def _wanted(self, track: str, lossless: bool) -> list[Effect]:
        demand = self._demands.get(track)
        if demand is None:
            self._demands[track] = _Demand(lossless)
        else:
            changed, demand.lossless = demand.lossless != lossless, lossless
            if changed and demand.upstream is not None:
                up = demand.upstream
                return [Subscribe(up.peer, track, up.number, lossless)]
        return self._steer(track)

    def _progress(self, track: str) -> None:
        demand = self._demands.get(track)
        if demand is not None and demand.upstream is not None:
            demand.upstream.heard_s = self._now
            self._blocked.pop((track, demand.upstream.peer), None)

    def _failed(self, track: str, number: int) -> list[Effect]:
        found = self._current(track, number)
        if found is None:
            return []
        key = (track, found.peer)
        failures = self._blocked[key].failures + 1 if key in self._blocked else 0
        pause_s = min(BLOCK_MAX_S, BLOCK_FIRST_S * 2 ** min(failures, 10))
        self._blocked[key] = _Blocked(self._now + pause_s, failures)
        self._demands[track].upstream = None
        # It may be there after all, just slow: it shall not go on sending.
        return [Unsubscribe(found.peer, track, number), *self._reconsider([track])]

    def _tick(self) -> list[Effect]:
        effects: list[Effect] = []
        free = [key for key, blocked in self._blocked.items() if blocked.until_s <= self._now]
        effects += self._reconsider(list(dict.fromkeys(track for track, _ in free)))
        for track, demand in list(self._demands.items()):
            if demand.lost_at_s is not None and demand.lost_at_s <= self._now:
                demand.lost_at_s = None
                effects += self._let_go(track, demand.upstream)
                demand.upstream = None
                effects.append(Lost(track, "there is no way to its source now"))
            elif demand.upstream is not None and demand.upstream.heard_s + STALL_S <= self._now:
                demand.upstream.heard_s = self._now
                effects.append(Subscribe(demand.upstream.peer, track, demand.upstream.number, demand.lossless))
        return effects

    # ------------------------------------------------------------ choosing

    def _current(self, track: str, number: int) -> _Upstream | None:
        demand = self._demands.get(track)
        up = demand.upstream if demand else None
        return up if up is not None and up.number == number else None

    def _choose(self, track: str) -> Path | None:
        if track in self._offered:
            return (self.me,)
        standing = self._best.get(track)
        hop = standing[1] if standing is not None and len(standing) > 1 else None
        found: tuple[int, bool, NodeId, Path] | None = None
        for peer, neighbour in self._neighbours.items():
            path = neighbour.heard.get(track)
            blocked = self._blocked.get((track, peer))
            if path is None or (blocked is not None and blocked.until_s > self._now):
                continue
            # The shortest; of equals the one in use, then the lowest id.
            candidate = (len(path), peer != hop, peer, path)
            if found is None or candidate < found:
                found = candidate
        return None if found is None else (self.me, *found[3])

    def _reconsider(self, tracks: Sequence[str], ended: str = "") -> list[Effect]:
        effects: list[Effect] = []
        changed: dict[str, None] = {}
        for track in tracks:
            best = self._choose(track)
            if best != self._best.get(track):
                changed[track] = None
                if best is None:
                    del self._best[track]
                else:
                    self._best[track] = best
            if best is None and ended and track in self._demands:
                demand = self._demands[track]
                demand.lost_at_s = None
                effects += self._let_go(track, demand.upstream)
                demand.upstream = None
                effects.append(Lost(track, ended))
            else:
                effects += self._steer(track)
        if changed:
            for peer, neighbour in self._neighbours.items():
                neighbour.changed |= changed
                effects.append(News(peer))
        return effects

    def _steer(self, track: str) -> list[Effect]:
        """Have the one upstream of a wanted track be the chosen next hop."""
        demand = self._demands.get(track)
        if demand is None:
            return []
        best = self._best.get(track)
        up = demand.upstream
        if best is None:
            # What still comes is still passed on, while another path or an end is awaited.
            if demand.lost_at_s is None:
                demand.lost_at_s = self._now + GRACE_S
            return []
        demand.lost_at_s = None
        if len(best) == 1:
            demand.upstream = None
            return self._let_go(track, up)
        if up is not None and up.peer == best[1]:
            return []
        self._number += 1
        demand.upstream = _Upstream(best[1], self._number, self._now)
        return [*self._let_go(track, up), Subscribe(best[1], track, self._number, demand.lossless)]

    def _let_go(self, track: str, up: _Upstream | None) -> list[Effect]:
        return [Unsubscribe(up.peer, track, up.number)] if up is not None and up.peer in self._neighbours else []

    def _for(self, peer: NodeId, track: str) -> Path:
        path = self._best.get(track, ())
        return () if peer in path or len(path) >= HOPS_MAX else path
