"""Versions of the layout: a change makes a new one, and data moves from the old to the new while both are live.

A version says where each node stands and which versions it came from; its name is the hash of both. Two sides of a
partition may each make one: every node merges the heads it knows, field by field, the last writer wins, to the same
version. A version is *settled* once every present owner in it has what those before it held; then those are over, for
good. Until then writes go to the owners of both, and whoever owned a partition before answers for it.

Invariants: the present version, its name and its placement are a pure function of the versions known. Of the versions
that are not over, the oldest (``bases``) hold everything that was ever confirmed: what is written later goes to them
too. Who knows a part of the versions holds no more than ``may_hold`` tells. (Lesson of Garage: its first layout
change lost writes until reads and writes spanned all live versions.)
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, TypeVar
from weakref import WeakValueDictionary

from blake3 import blake3

from mesh.core.hlc import RELEASE_MS, stamp_ms
from mesh.core.placement import PLAIN, TUNED_MAX, TUNED_MIN, Layout, Place, State, shares_of, tuned
from mesh.ports import Refused
from proto import codec
from proto.codec import Malformed, Max
from proto.ids import PARTITIONS, NodeId, PartitionId

NODES_MAX = 4096
PARENTS_MAX = 64
CAPACITY_MAX = 1 << 60
ZONE_MAX = 64
STATES: tuple[State, ...] = ("active", "draining", "removed")
ALL = tuple(PartitionId(number) for number in range(PARTITIONS))

T = TypeVar("T", int, str)
Dot = tuple[int, str]
"""A stamp and the node that gave it."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a node stands, and when each part of that was last ordered. ``since``: when it first came."""

    since: Dot
    capacity: tuple[Dot, int]
    zone: tuple[Dot, str]
    state: tuple[Dot, str]
    seed: tuple[Dot, str]
    tuning: tuple[Dot, int]

    def place(self) -> Place:
        """Give what placement needs of it."""
        state = self.state[1]
        known: State = "draining" if state == "draining" else "removed" if state == "removed" else "active"
        return Place(self.capacity[1], self.zone[1], known, stamp_ms(self.since[0]), self.seed[1], self.tuning[1])


def merge_seats(one: Seat, other: Seat) -> Seat:
    """Give what both say: of each part the later, of the coming the earlier."""
    return Seat(
        min(one.since, other.since),
        max(one.capacity, other.capacity),
        max(one.zone, other.zone),
        max(one.state, other.state),
        max(one.seed, other.seed),
        max(one.tuning, other.tuning),
    )


_WireDot = tuple[int, Annotated[str, Max(64)]]


@dataclass(frozen=True, slots=True)
class _WireSeat:
    node: Annotated[str, Max(64)]
    since: _WireDot
    capacity: tuple[_WireDot, int]
    zone: tuple[_WireDot, Annotated[str, Max(ZONE_MAX)]]
    state: tuple[_WireDot, Annotated[str, Max(16)]]
    seed: tuple[_WireDot, Annotated[str, Max(64)]]
    tuning: tuple[_WireDot, int]


@dataclass(frozen=True, slots=True)
class _Wire:
    parents: Annotated[tuple[Annotated[str, Max(64)], ...], Max(PARENTS_MAX)]
    seats: Annotated[tuple[_WireSeat, ...], Max(NODES_MAX)]


class Version:
    """One version; immutable. ``id`` is the hash of its content and parents."""

    def __init__(self, parents: Iterable[str], seats: Mapping[NodeId, Seat]) -> None:
        self.parents = tuple(sorted(parents))
        self.seats = {node: seats[node] for node in sorted(seats)}
        self.packed = codec.encode(
            _Wire(
                self.parents,
                tuple(
                    _WireSeat(node, seat.since, seat.capacity, seat.zone, seat.state, seat.seed, seat.tuning)
                    for node, seat in self.seats.items()
                ),
            )
        )
        self.id = blake3(self.packed).hexdigest()[:32]
        self.layout = Layout({node: seat.place() for node, seat in self.seats.items()}, self.id)
        self.born = min((_born(seat.since) for seat in self.seats.values()), default=(True, (0, "")))
        """When the oldest of its nodes came: versions of one mesh have it alike, and the older mesh has the lesser."""

    def without(self, barred: Set[NodeId]) -> Version:
        """Give the same version, with nothing placed on nodes that may not be storage, whatever it says."""
        if barred.isdisjoint(self.seats):
            return self
        same = copy.copy(self)
        places = {
            node: replace(place, state="removed") if node in barred else place
            for node, place in self.layout.places.items()
        }
        same.layout = Layout(places, self.id)
        return same

    def owners(self, partition: PartitionId, copies: int) -> tuple[NodeId, ...]:
        """Give a partition's owners in it."""
        return self.layout.owners(partition, copies)


def _born(since: Dot) -> tuple[bool, Dot]:
    """Order comings: one by a clock that was never set is the latest."""
    return (stamp_ms(since[0]) < RELEASE_MS, since)


_read: WeakValueDictionary[bytes, Version] = WeakValueDictionary()
_merged: WeakValueDictionary[tuple[str, ...], Version] = WeakValueDictionary()
"""Versions somebody has, by the hash of their bytes and by their heads: placement is worked out once for each."""


def unpack(packed: bytes) -> Version:
    """Read a version; Malformed when it is none."""
    name = blake3(packed).digest()
    known = _read.get(name)
    if known is None:
        known = _read[name] = _unpacked(packed)
    return known


def _unpacked(packed: bytes) -> Version:
    wire = codec.decode(_Wire, packed)
    for seat in wire.seats:
        if seat.state[1] not in STATES or not TUNED_MIN <= seat.tuning[1] <= TUNED_MAX:
            raise Malformed("a seat of a layout stands in no known state")
        if not 0 <= seat.capacity[1] <= CAPACITY_MAX:
            raise Malformed("a seat of a layout has an impossible capacity")
    return Version(
        wire.parents,
        {
            NodeId(seat.node): Seat(seat.since, seat.capacity, seat.zone, seat.state, seat.seed, seat.tuning)
            for seat in wire.seats
        },
    )


def merged(heads: Sequence[Version]) -> Version:
    """Give the version that comes of several; of one, that one."""
    if len(heads) == 1:
        return heads[0]
    names = tuple(version.id for version in heads[:PARENTS_MAX])
    known = _merged.get(names)
    if known is None:
        seats: dict[NodeId, Seat] = {}
        for version in heads[:PARENTS_MAX]:
            for node, seat in version.seats.items():
                seats[node] = merge_seats(seats[node], seat) if node in seats else seat
        known = _merged[names] = Version(names, seats)
    return known


# ---------------------------------------------------------------- orders


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of one node; None leaves a part as it is. ``seed``: the node whose partitions it takes over."""

    node: NodeId
    capacity_bytes: int | None = None
    zone: str | None = None
    state: State | None = None
    seed: str | None = None


def replacing(old: NodeId, new: NodeId) -> tuple[Order, ...]:
    """Give the orders that put a node in the place of another: the same partitions, nothing else moves."""
    return (Order(old, state="draining"), Order(new, state="active", seed=old))


def ordered(base: Version, orders: Sequence[Order], dot: Dot, copies: int) -> Version:
    """Give the version that carries orders out, its tunings found anew. Refused, in a sentence, when none can come."""
    seats = dict(base.seats)
    fresh: set[NodeId] = set()
    for order in orders:
        standing = seats.get(order.node)
        if standing is None:
            if order.state != "active" or not order.capacity_bytes:
                raise Refused(f"the node {order.node[:12]} does not stand in the layout")
            first = ((0, ""), "")
            standing = Seat(dot, ((0, ""), 0), first, ((0, ""), "removed"), first, ((0, ""), PLAIN))
        if order.capacity_bytes is not None and not 0 < order.capacity_bytes <= CAPACITY_MAX:
            raise Refused("a node's weight is its room in bytes, more than none")
        if order.zone is not None and len(order.zone) > ZONE_MAX:
            raise Refused(f"a zone's name has at most {ZONE_MAX} characters")
        # Whatever moves all of a node's partitions anyway lets its tuning be found freely.
        if order.capacity_bytes is not None or order.seed is not None or order.zone is not None:
            fresh.add(order.node)
        if order.state == "active" and standing.state[1] != "active":
            fresh.add(order.node)
        seats[order.node] = Seat(
            standing.since,
            standing.capacity if order.capacity_bytes is None else (dot, order.capacity_bytes),
            standing.zone if order.zone is None else (dot, order.zone),
            standing.state if order.state is None else (dot, order.state),
            standing.seed if order.seed is None else (dot, order.seed),
            standing.tuning,
        )
        if order.seed is not None:
            old = seats.get(NodeId(order.seed))
            if old is None:
                raise Refused(f"the node {order.seed[:12]}, whose place is to be taken, does not stand in the layout")
            mine = seats[order.node]
            # The same luck, weight and zone give the same partitions.
            seats[order.node] = replace(
                mine,
                seed=(dot, old.seed[1] or order.seed),
                zone=(dot, old.zone[1]),
                capacity=(dot, old.capacity[1]),
                tuning=(dot, old.tuning[1]),
            )
            fresh.discard(order.node)
    if not any(seat.place().stores for seat in seats.values()):
        raise Refused("no node would be left to store anything: add one first")
    return even(base, Version([base.id], seats), fresh, dot, copies)


def joined(base: Version | None, node: NodeId, capacity_bytes: int, zone: str, dot: Dot) -> Version:
    """Give the version a node makes that comes by itself: with no other known, a mesh of its own."""
    seat = Seat(dot, (dot, capacity_bytes), (dot, zone[:ZONE_MAX]), (dot, "active"), (dot, ""), (dot, PLAIN))
    known = {} if base is None else base.seats
    return Version([] if base is None else [base.id], {**known, node: seat})


def evened(heads: Sequence[Version], copies: int) -> Version:
    """Give the version that is to follow several heads: their merge, with tunings for those that came."""
    version = merged(heads)
    eldest = min(heads, key=lambda head: (head.born, -len(head.seats), head.id))
    stamp = max((dot for seat in version.seats.values() for dot in _dots(seat)), default=(0, ""))
    fresh = {node for node in version.seats if node not in eldest.seats}
    return even(eldest, version, fresh, stamp, copies)


def _dots(seat: Seat) -> tuple[Dot, ...]:
    return (seat.capacity[0], seat.zone[0], seat.state[0], seat.seed[0], seat.tuning[0])


def even(base: Version, version: Version, fresh: Set[NodeId], dot: Dot, copies: int) -> Version:
    """Give a version with its tunings found anew; ``fresh`` nodes have no data yet."""
    seats = dict(version.seats)
    found = tuned(version.layout.places, copies, fresh)
    for node, place in found.items():
        if place.tuning != seats[node].tuning[1]:
            seats[node] = replace(seats[node], tuning=(dot, place.tuning))
    return version if seats == version.seats else Version(version.parents or [base.id], seats)


def reverting(now: Version, then: Version, dot: Dot) -> Version:
    """Give the version that puts everything back to how it stood then; nodes that came since then stay."""
    seats = dict(now.seats)
    for node, was in then.seats.items():
        seat = seats[node]
        seats[node] = Seat(
            seat.since,
            _back(seat.capacity, was.capacity, dot),
            _back(seat.zone, was.zone, dot),
            _back(seat.state, was.state, dot),
            _back(seat.seed, was.seed, dot),
            _back(seat.tuning, was.tuning, dot),
        )
    return Version([now.id], seats)


def _back(is_now: tuple[Dot, T], was: tuple[Dot, T], dot: Dot) -> tuple[Dot, T]:
    return is_now if is_now[1] == was[1] else (dot, was[1])


# ---------------------------------------------------------------- the versions known


@dataclass(frozen=True)
class History:
    """The versions a node knows, which of them are settled, and what each node told that it has synced with."""

    versions: Mapping[str, Version] = field(default_factory=dict)
    settled: frozenset[str] = frozenset()
    synced: Mapping[NodeId, str] = field(default_factory=dict)
    barred: frozenset[NodeId] = frozenset()
    """Nodes that may not be storage."""
    pruned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of versions that are over everywhere what is left: the versions they came from."""

    def __post_init__(self) -> None:
        """Find heads, live versions and bases."""
        usable = self._usable()
        parents = {parent for version in usable.values() for parent in version.parents}
        parents.update(*self.pruned.values())
        heads = [version for name, version in sorted(usable.items()) if name not in parents]
        over = {one for name in sorted(self.settled & usable.keys()) for one in self.ancestors(name)}
        live = {name: version for name, version in sorted(usable.items()) if name not in over}
        bases = [version for version in live.values() if not any(parent in live for parent in version.parents)]
        put = object.__setattr__
        put(self, "heads", tuple(heads))
        put(self, "live", live)
        put(self, "usable", usable)
        put(self, "bases", tuple(bases))
        put(self, "known", frozenset({*usable, *self.pruned, *over}))
        put(self, "lacking", not parents <= self.versions.keys() | self.pruned.keys())

    heads: tuple[Version, ...] = field(init=False, repr=False, compare=False)
    live: Mapping[str, Version] = field(init=False, repr=False, compare=False)
    usable: Mapping[str, Version] = field(init=False, repr=False, compare=False)
    """The versions, over or not, of which is known where they place what."""
    bases: tuple[Version, ...] = field(init=False, repr=False, compare=False)
    """The live versions that come of no live one."""
    known: frozenset[str] = field(init=False, repr=False, compare=False)
    """The versions whose rows are reckoned with here, over or not."""
    lacking: bool = field(init=False, repr=False, compare=False)
    """Whether there is a version of which nothing is known yet but that others came of it."""

    @cached_property
    def now(self) -> Version:
        """The present version; a merge of the heads where there are several."""
        return merged(self.heads).without(self.barred) if self.heads else Version((), {})

    @cached_property
    def token(self) -> str:
        """Name what is known: two nodes with one token have the same versions live."""
        barred = sorted(self.barred & self.now.seats.keys()) if self.barred else ()
        told = ",".join((*self.live, *(f"!{base.id}" for base in self.bases), *barred))
        return blake3(told.encode()).hexdigest()[:16]

    @property
    def whole(self) -> bool:
        """Whether there is one head: nothing to merge."""
        return len(self.heads) == 1

    def _usable(self) -> dict[str, Version]:
        """Leave out versions whose parents are not known yet, unless they are settled: theirs is not needed then."""
        usable: dict[str, Version] = {}
        waiting = {name: version.without(self.barred) for name, version in sorted(self.versions.items())}
        while True:
            ready = [
                name
                for name, version in waiting.items()
                if name in self.settled or all(parent in usable or parent in self.pruned for parent in version.parents)
            ]
            if not ready:
                return usable
            for name in ready:
                usable[name] = waiting.pop(name)

    def ancestors(self, name: str) -> set[str]:
        """Give all versions a version came from."""
        found: set[str] = set()
        todo = list(self._parents(name))
        while todo:
            one = todo.pop()
            if one not in found:
                found.add(one)
                todo += self._parents(one)
        return found

    def _parents(self, name: str) -> tuple[str, ...]:
        known = self.versions.get(name)
        return known.parents if known is not None else self.pruned.get(name, ())

    def prunable(self) -> tuple[str, ...]:
        """Give the versions of which nobody needs more any more than which they came from.

        They are over, and every node of the present layout, away or not, has told that it has all of a version that
        came from them: so no node that may come back holds anything by them, or orders them. The present version's
        parents stay, for going back to them. What is left keeps those that came from them from becoming heads again.
        """
        if not self.whole or self.moving:
            return ()
        over = self.ancestors(self.now.id) - {*self.now.parents}
        for node, place in self.now.layout.places.items():
            if place.state != "removed":
                over &= self.ancestors(self.synced.get(node, ""))
        return tuple(name for name in sorted(over) if name in self.versions)

    def learnt(self, met: frozenset[str]) -> frozenset[str]:
        """Give which live versions a replica has everything of: ``met``, and those that came of nothing else.

        Not one that was settled without it: that was reached on another side, or while this node was not there.
        """
        found = set(met)
        grown = True
        while grown:
            grown = False
            for name, version in self.live.items():
                if name in found or name in self.settled or not version.parents:
                    continue
                if all(parent in found for parent in version.parents):
                    found.add(name)
                    grown = True
        return frozenset(found)

    @property
    def moving(self) -> bool:
        """Whether the present version's owners may still lack something."""
        return len(self.bases) != 1 or self.bases[0].id != self.now.id

    def eldest_of(self, names: frozenset[str]) -> tuple[bool, Dot] | None:
        """Give when the eldest of some versions was born; None when none of them is known."""
        if names not in self._eldest:
            born = (self.versions[one].born for one in names if one in self.versions)
            self._eldest[names] = min(born, default=None)
        return self._eldest[names]

    @cached_property
    def _eldest(self) -> dict[frozenset[str], tuple[bool, Dot] | None]:
        return {}

    @cached_property
    def lone(self) -> bool:
        """Whether each base is of one node, as in a mesh that forms: who held before is the same for all partitions."""
        return all(len(base.layout.places) <= 1 for base in self.bases)

    def former(self, partition: PartitionId, copies: int, away: Set[NodeId]) -> tuple[NodeId, ...]:
        """Give who holds a partition by the bases: they have whatever the present owners may still lack."""
        if not self.moving:
            return ()
        return tuple(
            dict.fromkeys(node for base in self.bases for node in base.layout.holders(partition, copies, away))
        )

    @cached_property
    def _chained(self) -> bool:
        """Whether of any two versions one came of the other, so that their merge is none of its own."""
        came_of = [tuple(one for one in version.parents if one in self.usable) for version in self.usable.values()]
        firsts = sum(not parents for parents in came_of)
        return firsts <= 1 and all(len(parents) <= 1 for parents in came_of) and len(set(came_of)) == len(came_of)

    def may_hold(self, partition: PartitionId, copies: int, away: Set[NodeId]) -> tuple[NodeId, ...]:
        """Give who may hold a partition by what they know, if they have not heard yet of all that is known here."""
        if not self._chained:
            # By a merge of a part of these versions, which nobody ever wrote, any of their nodes may.
            return tuple(dict.fromkeys(node for version in self.usable.values() for node in version.layout.places))
        return tuple(
            dict.fromkeys(
                node
                for version in self.usable.values()
                for node in (
                    *version.layout.owners(partition, copies),
                    *version.layout.holders(partition, copies, away),
                )
            )
        )

    def may_settle(self, copies: int, away: Set[NodeId]) -> bool:
        """Tell whether the present version is settled now: each partition has an owner with all there was before.

        Those away are not waited for; when they come back they have to catch up before they answer.
        """
        if not self.whole or not self.moving:
            return False
        has = {node for node, name in self.synced.items() if name == self.now.id}
        for part in ALL:
            owners = self.now.owners(part, copies)
            if not any(node in has for node in owners) or any(n not in has and n not in away for n in owners):
                return False
        return True


# ---------------------------------------------------------------- what a change moves


@dataclass(frozen=True, slots=True)
class NodeMove:
    """What a change does to one node, in partitions."""

    node: NodeId
    before: int
    after: int
    comes: int


@dataclass(frozen=True, slots=True)
class Movement:
    """What a change moves, in partitions a copy; ``least`` is what these loads cannot do without.

    ``violations``: partitions with two owners in one zone though another zone has room; ``uneven``: the greatest load
    over its share.
    """

    nodes: tuple[NodeMove, ...]
    moved: int
    least: int
    violations: int
    uneven: float


def movement(before: Layout, after: Layout, copies: int) -> Movement:
    """Compare two layouts."""
    counts: dict[NodeId, list[int]] = {node: [0, 0, 0] for node in {**before.places, **after.places}}
    violations = 0
    for part in ALL:
        was, now = before.owners(part, copies), after.owners(part, copies)
        for node in was:
            counts[node][0] += 1
        for node in now:
            counts[node][1] += 1
            counts[node][2] += node not in was
        violations += _crowded(after, now)
    nodes = tuple(NodeMove(node, *counts[node]) for node in sorted(counts))
    shares = shares_of(after.places, copies)
    uneven = max((counts[node][1] / share for node, share in shares.items() if share), default=1.0)
    return Movement(
        nodes,
        sum(one.comes for one in nodes),
        sum(max(0, one.after - one.before) for one in nodes),
        violations,
        uneven,
    )


def _crowded(layout: Layout, owners: Sequence[NodeId]) -> bool:
    """Tell whether two owners share a zone while another zone has none of them."""
    zones = [layout.places[node].zone for node in owners if layout.places[node].zone]
    if len(set(zones)) == len(zones):
        return False
    used = set(zones)
    return any(
        place.stores and (not place.zone or place.zone not in used) and node not in owners
        for node, place in layout.places.items()
    )
