"""Which nodes hold what: key -> one of PARTITIONS -> N nodes, by weighted rendezvous (Thaler and Ravishankar, 1998).

A layout says which nodes store, how much each weighs and in which zone it is. Membership is not layout: a node that is
away keeps its place, and stand-ins come after the owners in the same order. Invariant: placement is a pure function of
the layout; the order of one partition's nodes does not depend on the others.

With PARTITIONS partitions, chance alone loads one of 30 nodes a fifth over the mean. ``tuned`` finds for each node by
how much its weight must differ from its capacity to come out even; what it finds is kept in the layout, so that the
next change begins there and moves little more than it must.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeVar

from blake3 import blake3

from proto.ids import PARTITIONS, NodeId, PartitionId

K = TypeVar("K")
State = Literal["active", "draining", "removed"]
PLAIN = 10_000
"""The tuning of a node whose weight is its capacity."""
TUNED_MIN, TUNED_MAX = 2_500, 40_000
EVEN = 1.03
"""How far over its share a newcomer is let come; it moves nothing that would stay otherwise."""
UNEVEN = 1.095
"""How far over its share a node that was there before is let come before something moves off it."""
EASED = 1.07
"""What is over UNEVEN is brought to."""
ROUNDS_MAX = 60
NODES_LUCKY_MAX = 256
"""Nodes whose luck in all partitions is kept for layouts to come, 8 KiB each."""
_ALL = tuple(PartitionId(number) for number in range(PARTITIONS))


def partition_of(key: str | bytes) -> PartitionId:
    """Give the partition of a key; it never changes."""
    raw = key.encode() if isinstance(key, str) else key
    return PartitionId(int.from_bytes(blake3(raw).digest(4), "big") % PARTITIONS)


@dataclass(frozen=True, slots=True)
class Place:
    """A node's place in the layout; ``since_ms`` (UTC) when it came.

    ``seed`` is the node it took the place of, whose partitions come to it; ``tuning`` its weight for a capacity, in
    parts of PLAIN.
    """

    capacity_bytes: int
    zone: str = ""
    state: State = "active"
    since_ms: int = 0
    seed: str = ""
    tuning: int = PLAIN

    @property
    def stores(self) -> bool:
        """Whether partitions may be placed here."""
        return self.state == "active" and self.capacity_bytes > 0


class Layout:
    """An immutable layout; ``version`` is its name: the hash of its content where none is given."""

    def __init__(self, places: Mapping[NodeId, Place], version: str = "") -> None:
        self.places = {node: places[node] for node in sorted(places)}
        self.version = version or blake3(repr(self.places).encode()).hexdigest()[:16]
        self._orders: dict[PartitionId, tuple[NodeId, ...]] = {}
        self._drawn: tuple[tuple[array[float], int, NodeId, str], ...] | None = None

    def order(self, partition: PartitionId) -> tuple[NodeId, ...]:
        """Give every active node in the order in which it comes for a partition, zones spread first."""
        known = self._orders.get(partition)
        if known is None:
            if self._drawn is None:
                self._drawn = tuple(
                    (_lucks(place.seed or node), place.capacity_bytes * place.tuning, node, place.zone)
                    for node, place in self.places.items()
                    if place.stores
                )
            scored = [(lucks[partition] / weight, node, zone) for lucks, weight, node, zone in self._drawn]
            known = self._orders[partition] = _spread(scored)
        return known

    def owners(self, partition: PartitionId, copies: int) -> tuple[NodeId, ...]:
        """Give the nodes that own a partition: ``copies``, or all there are."""
        return self.order(partition)[:copies]

    def holders(self, partition: PartitionId, copies: int, away: Set[NodeId]) -> tuple[NodeId, ...]:
        """Give those who hold a partition now: its owners that are not away, then stand-ins, ``copies`` in all."""
        order = self.order(partition)
        return tuple(node for node in order if node not in away)[:copies] if away else order[:copies]


def loads(layout: Layout, copies: int) -> dict[NodeId, int]:
    """Give how many partitions each node owns; those that own none too."""
    owned = dict.fromkeys(layout.places, 0)
    for part in _ALL:
        for node in layout.owners(part, copies):
            owned[node] += 1
    return owned


def shares_of(places: Mapping[NodeId, Place], copies: int) -> dict[NodeId, float]:
    """Give how many partitions each storing node should own: by capacity, as far as zones let it.

    No node has a partition twice, and no zone has a second copy before every zone has one.
    """
    stores = {node: place for node, place in places.items() if place.stores}
    wanted = min(copies, len(stores))
    groups: dict[str, dict[NodeId, int]] = {}
    for node, place in stores.items():
        groups.setdefault(place.zone or f"/{node}", {})[node] = place.capacity_bytes
    a_zone = math.ceil(wanted / max(1, len(groups)))
    limits = {zone: float(PARTITIONS * min(len(nodes), a_zone)) for zone, nodes in groups.items()}
    weights = {zone: sum(nodes.values()) for zone, nodes in groups.items()}
    found: dict[NodeId, float] = {}
    for zone, share in _filled(float(PARTITIONS * wanted), weights, limits).items():
        found.update(_filled(share, groups[zone], dict.fromkeys(groups[zone], float(PARTITIONS))))
    return found


def _filled(total: float, weights: Mapping[K, int], limits: Mapping[K, float]) -> dict[K, float]:
    """Divide a total by weight, none over its limit; what one cannot take the others do."""
    full: dict[K, float] = {}
    while True:
        rest = total - sum(full.values())
        open_ones = [key for key in weights if key not in full]
        weight = sum(weights[key] for key in open_ones)
        given = {key: rest * weights[key] / weight for key in open_ones}
        over = [key for key in open_ones if given[key] > limits[key] + 1e-9]
        if not over:
            return full | given
        full.update((key, limits[key]) for key in over)


def tuned(places: Mapping[NodeId, Place], copies: int, fresh: Set[NodeId] = frozenset()) -> dict[NodeId, Place]:
    """Give the places with such tunings that no node comes out far over its share.

    ``fresh`` nodes have nothing yet: theirs is found freely. Of the others only what is over UNEVEN is touched.
    """
    found = dict(places)
    shares = shares_of(places, copies)
    if not shares:
        return found
    columns = [(_lucks(places[node].seed or node), node) for node in shares]
    luck = [[(lucks[part], node) for lucks, node in columns] for part in _ALL]
    best, best_over = found, math.inf
    for _ in range(ROUNDS_MAX):
        owned = _loads(luck, found, copies)
        over = max(owned[node] / shares[node] for node in shares)
        if over < best_over:
            best, best_over = dict(found), over
        touched = False
        for node, share in shares.items():
            ratio = owned[node] / share
            if node in fresh:
                wrong = ratio > EVEN or (ratio < 2 - EVEN and owned[node] < PARTITIONS)
            else:
                wrong = ratio > UNEVEN
                ratio /= EASED
            if wrong and ratio > 0:
                known = found[node].tuning
                step = round(known * (min(2.0, max(0.5, 1 / ratio)) ** 0.7))
                step = step if step != known else known + (1 if ratio < 1 else -1)
                step = min(TUNED_MAX, max(TUNED_MIN, step))
                touched = touched or step != known
                found[node] = replace(found[node], tuning=step)
        if not touched:
            return found
    return best


def _loads(
    luck: Sequence[Sequence[tuple[float, NodeId]]], places: Mapping[NodeId, Place], copies: int
) -> dict[NodeId, int]:
    weights = {node: float(place.capacity_bytes * place.tuning) for node, place in places.items()}
    zones = {node: place.zone for node, place in places.items()}
    owned = dict.fromkeys(places, 0)
    for row in luck:
        for node in _spread([(chance / weights[node], node, zones[node]) for chance, node in row])[:copies]:
            owned[node] += 1
    return owned


def _luck(partition: PartitionId, seed: str) -> float:
    raw = int.from_bytes(blake3(f"{partition}/{seed}".encode()).digest(8), "big")
    return math.log((raw + 1) / (2**64 + 1))


@lru_cache(maxsize=NODES_LUCKY_MAX)
def _lucks(seed: str) -> array[float]:
    """Give a node's luck in every partition: it is the same in each layout that has the node."""
    return array("d", (_luck(partition, seed) for partition in _ALL))


def _spread(scored: list[tuple[float, NodeId, str]]) -> tuple[NodeId, ...]:
    """Order by score, the best of each zone first: copies spread over zones before any zone has two."""
    scored.sort(reverse=True)
    if not any(zone for _, _, zone in scored):
        return tuple([node for _, node, _ in scored])
    chosen: list[NodeId] = []
    rest = [(node, zone) for _, node, zone in scored]
    while rest:
        zones: set[str] = set()
        later = []
        for node, zone in rest:
            if zone and zone in zones:
                later.append((node, zone))
            else:
                zones.add(zone)
                chosen.append(node)
        rest = later
    return tuple(chosen)
