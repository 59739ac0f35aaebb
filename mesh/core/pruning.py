"""Which tombstones nobody needs any more, and when they may go.

A tombstone keeps a replica that missed a deletion from bringing the row back. So it may go once nobody can have missed
it: it has stood for the grace, by the clock of each owner; every node not removed by order has been settled since (all
it had written was where it belongs, and it holds no other's rows); and every owner of its partition, asked at that
moment, has this very tombstone or nothing. The first owner asks, then has all of them forget it; one that could not
brings it back to the others, and it is tried again. Assets' tombstones and the mesh tables' are kept for ever.

Invariant: no node has a state of a row from before a tombstone that is forgotten anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from mesh.core.rows import FINAL, MESH_TABLES
from proto.ids import NodeId, PartitionId

Key = tuple[str, str, str]
KEPT_FOR_EVER = frozenset({*FINAL, *MESH_TABLES})
"""Tables whose tombstones never go: the final ones', for they alone keep a late edit from reviving the row; the whole
mesh's."""


@dataclass(frozen=True, slots=True)
class Dead:
    """A tombstone here, as it has stood since ``since_ms`` of this node's clock."""

    key: Key
    partition: PartitionId
    digest: int
    since_ms: int


def is_due(dead: Dead, now_ms: int, grace_ms: int) -> bool:
    """Tell whether a tombstone's grace is over."""
    return 0 < dead.since_ms <= now_ms - grace_ms


def holding_up(dead: Sequence[Dead], nodes: Iterable[NodeId], settled: Mapping[NodeId, int]) -> tuple[NodeId, ...]:
    """Give the nodes that have not been settled since one of these tombstones came, in order."""
    last = max((one.since_ms for one in dead), default=0)
    return tuple(node for node in sorted(nodes) if settled.get(node, 0) <= last) if dead else ()


def seen_by_all(dead: Sequence[Dead], nodes: Iterable[NodeId], settled: Mapping[NodeId, int]) -> tuple[Dead, ...]:
    """Give the tombstones since which every node has been settled; none when there is no node to say so."""
    first = min((settled.get(node, 0) for node in nodes), default=0)
    return tuple(one for one in dead if one.since_ms < first)


def agreed(asked: Sequence[Dead], words: Mapping[NodeId, Set[Key] | None]) -> tuple[Dead, ...]:
    """Give the tombstones that every owner asked lets go; None: it did not answer, and may have an older row."""
    if any(said is None for said in words.values()):
        return ()
    return tuple(one for one in asked if all(said is not None and one.key in said for said in words.values()))
