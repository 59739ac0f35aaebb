"""Which nodes hold what: key -> one of PARTITIONS -> N nodes, by weighted rendezvous (Thaler and Ravishankar, 1998).

A layout says which nodes store, how much each weighs and in which zone it is. Membership is not layout: a node that is
away keeps its place, and stand-ins come after the owners in the same order. Invariant: placement is a pure function of
the layout; the order of one partition's nodes does not depend on the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Literal

from blake3 import blake3

from proto.ids import PARTITIONS, NodeId, PartitionId

State = Literal["active", "draining", "removed"]


def partition_of(key: str | bytes) -> PartitionId:
    """Give the partition of a key; it never changes."""
    raw = key.encode() if isinstance(key, str) else key
    return PartitionId(int.from_bytes(blake3(raw).digest(4), "big") % PARTITIONS)


@dataclass(frozen=True, slots=True)
class Place:
    """A node's place in the layout; ``since_ms`` (UTC) when it came."""

    capacity_bytes: int
    zone: str = ""
    state: State = "active"
    since_ms: int = 0


class Layout:
    """An immutable layout; ``version`` is the hash of its content."""

    def __init__(self, places: Mapping[NodeId, Place]) -> None:
        self.places = {node: places[node] for node in sorted(places)}
        told = ";".join(f"{n},{p.capacity_bytes},{p.zone!r},{p.state},{p.since_ms}" for n, p in self.places.items())
        self.version = blake3(told.encode()).hexdigest()[:16]
        self._orders: dict[PartitionId, tuple[NodeId, ...]] = {}

    def order(self, partition: PartitionId) -> tuple[NodeId, ...]:
        """Give every active node in the order in which it comes for a partition, zones spread first."""
        known = self._orders.get(partition)
        if known is None:
            known = self._orders[partition] = self._order(partition)
        return known

    def owners(self, partition: PartitionId, copies: int) -> tuple[NodeId, ...]:
        """Give the nodes that own a partition: ``copies``, or all there are."""
        return self.order(partition)[:copies]

    def holders(self, partition: PartitionId, copies: int, away: Set[NodeId]) -> tuple[NodeId, ...]:
        """Give those who hold a partition now: its owners that are not away, then stand-ins, ``copies`` in all."""
        return tuple(node for node in self.order(partition) if node not in away)[:copies]

    def elders(self, node: NodeId) -> frozenset[NodeId]:
        """Give the nodes that came into the layout before ``node``; all others when it is not in it."""
        mine = self.places.get(node)
        if mine is None:
            return frozenset(self.places)
        return frozenset(n for n, place in self.places.items() if (place.since_ms, n) < (mine.since_ms, node))

    def _order(self, partition: PartitionId) -> tuple[NodeId, ...]:
        scored = []
        for node, place in self.places.items():
            if place.state != "active" or place.capacity_bytes <= 0:
                continue
            raw = int.from_bytes(blake3(f"{partition}/{node}".encode()).digest(8), "big")
            scored.append((math.log((raw + 1) / (2**64 + 1)) / place.capacity_bytes, node, place.zone))
        scored.sort(reverse=True)
        chosen: list[NodeId] = []
        rest = [(node, zone) for _, node, zone in scored]
        while rest:
            # A round takes the best of each zone: copies spread over zones before any zone has two.
            zones: list[str] = []
            later = []
            for node, zone in rest:
                if zone and zone in zones:
                    later.append((node, zone))
                else:
                    zones.append(zone)
                    chosen.append(node)
            rest = later
        return tuple(chosen)
