"""Who has to do with each partition: its owners, who holds it now, and who held it before the layout changed.

Invariant: all of it is a pure function of the versions of the layout that are known and of who is away. It is worked
out when it is asked for: while a mesh forms, every node that comes makes another answer that hardly anybody asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from mesh.core import partitionset
from mesh.core.layouts import ALL, History
from mesh.core.placement import Layout
from proto.ids import NodeId, PartitionId

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Share:
    """Who has to do with a partition: its owners by layout, and those who hold it now (owners or stand-ins).

    ``former`` held it before the present version of the layout, and have what its owners may still lack.
    """

    owners: tuple[NodeId, ...]
    holders: tuple[NodeId, ...]
    former: tuple[NodeId, ...] = ()
    takers: tuple[NodeId, ...] = field(init=False)
    """Who takes the rows written now, and may answer for them: holders first."""

    def __post_init__(self) -> None:
        takers = tuple(dict.fromkeys((*self.holders, *self.former))) if self.former else self.holders
        object.__setattr__(self, "takers", takers)


@dataclass(frozen=True, slots=True)
class Circle:
    """The nodes that take some partitions, and with their owners all who are concerned with them."""

    takers: frozenset[NodeId]
    concerned: frozenset[NodeId]


class Lazily(Mapping[PartitionId, T]):
    """Something of every partition (mesh tables left out), worked out when it is first looked at."""

    def __init__(self, work_out: Callable[[PartitionId], T]) -> None:
        self._work_out = work_out
        self._known: dict[PartitionId, T] = {}

    def __getitem__(self, partition: PartitionId) -> T:
        known = self._known.get(partition)
        if known is None:
            if not 0 <= partition < len(ALL):
                raise KeyError(partition)
            known = self._known[partition] = self._work_out(partition)
        return known

    def __iter__(self) -> Iterator[PartitionId]:
        return iter(ALL)

    def __len__(self) -> int:
        return len(ALL)


class Shares(Lazily[Share]):
    """The shares of all partitions."""

    def __init__(self, history: History, layout: Layout, copies: int, away: Set[NodeId]) -> None:
        super().__init__(self._share)
        self._history = history
        self._layout = layout
        self._copies = copies
        self._away = away
        self._alike = history.former(ALL[0], copies, away) if history.lone else None

    def _share(self, partition: PartitionId) -> Share:
        layout, copies, away = self._layout, self._copies, self._away
        former = self._history.former(partition, copies, away) if self._alike is None else self._alike
        return Share(layout.owners(partition, copies), layout.holders(partition, copies, away), former)

    @cached_property
    def circles(self) -> Mapping[Circle, int]:
        """Give the partitions of each circle, as bits."""
        if self._alike:
            # In a mesh that forms every node held everything by its own first layout: it is one circle.
            everybody = frozenset(self._alike)
            if all(node in everybody for node, place in self._layout.places.items() if place.stores):
                return {Circle(everybody, everybody): partitionset.EVERY}
        return circles_of(self)

    @cached_property
    def _of_nodes(self) -> Mapping[NodeId, tuple[int, int]]:
        """The partitions, as bits, that each node takes, and those that it takes or owns."""
        found: dict[NodeId, tuple[int, int]] = {}
        for circle, those in self.circles.items():
            for node in sorted(circle.concerned):
                taken, concerning = found.get(node, (0, 0))
                found[node] = taken | those if node in circle.takers else taken, concerning | those
        return found

    def taken_by(self, node: NodeId) -> int:
        """Give the partitions whose rows a node takes, as bits."""
        return self._of_nodes.get(node, (0, 0))[0]

    def concerning(self, node: NodeId) -> int:
        """Give the partitions that a node takes or owns, as bits."""
        return self._of_nodes.get(node, (0, 0))[1]

    @cached_property
    def _holding(self) -> Mapping[NodeId, int]:
        found: dict[NodeId, int] = {}
        for part in ALL:
            for node in self._layout.holders(part, self._copies, self._away):
                found[node] = found.get(node, 0) | 1 << part
        return found

    def held_by(self, node: NodeId) -> int:
        """Give the partitions that a node holds by the present layout, as owner or stand-in, as bits."""
        return self._holding.get(node, 0)

    def owned_by(self, node: NodeId) -> int:
        """Give the partitions that a node owns by the present layout, as bits."""
        return partitionset.bits(part for part in ALL if node in self._layout.owners(part, self._copies))


def circles_of(shares: Mapping[PartitionId, Share]) -> Mapping[Circle, int]:
    """Part partitions by who has to do with them; gives the partitions of each circle, as bits."""
    found: dict[Circle, int] = {}
    for partition, share in shares.items():
        takers = frozenset(share.takers)
        circle = Circle(takers, takers.union(share.owners))
        found[circle] = found.get(circle, 0) | 1 << partition
    return found
