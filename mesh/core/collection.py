"""Which bytes nobody needs any more, and when they may go.

Only an owner of a chunk's partition collects, and only while its replica of the references counts. A chunk is *idle*
when no asset refers to it. It is *due* when the owner has seen it idle for the grace time, and it may go when, beyond
that, every node not removed by order has been settled since it became idle (all the node had written was where it
belongs), and every node that is there, asked at that moment, says that it knows no need for it. A chunk that packing
made needless is *carried*: its bytes are in other chunks too, and while every owner of those confirms them, the shorter
grace is enough. The time guards bytes whose reference is still on its way; that carried bytes could be lost with it no
longer follows.

Invariant: nothing is collected while a reference to it is known to any node that is there, or could be known to one
that is not. Observed times are of this node's own clock, so that no other's clock shortens a grace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from mesh.core.hlc import stamp_ms
from mesh.core.rows import Entry
from mesh.core.sharing import Share
from proto.ids import ChunkId, NodeId, PartitionId

CARRIED = "carried"
"""The field of a reference that names the chunk which packing put the bytes into."""
SIZE = "size"
SLACK_MS = 2_000
"""How long a write may be on its way into a node's journal: by so much is a node settled less than it says."""


@dataclass(frozen=True, slots=True)
class Graces:
    """How long a chunk stays without a reference, in ms: any, and one whose bytes are carried by packed chunks."""

    idle_ms: int
    carried_ms: int


@dataclass(frozen=True, slots=True)
class Need:
    """What the references to a chunk say: whether one lives, when the last ended (UTC ms), what carries the bytes."""

    alive: bool
    ended_ms: int
    carried: tuple[ChunkId, ...]


@dataclass(frozen=True, slots=True)
class Idle:
    """A chunk here that nobody refers to, as first seen at ``since_ms`` of this node's clock."""

    chunk: ChunkId
    partition: PartitionId
    size: int
    since_ms: int
    carried: tuple[ChunkId, ...] = ()


def need_of(entries: Iterable[Entry]) -> Need:
    """Read a chunk's references, tombstones among them.

    The bytes are carried when every one of the references was taken back by packing, after it was last made.
    """
    alive, ended, carriers, whole = False, 0, set(), True
    for entry in entries:
        alive = alive or entry.alive
        if entry.dead is not None:
            ended = max(ended, stamp_ms(entry.dead[0]))
        by = entry.fields.get(CARRIED)
        made = entry.fields.get(SIZE)
        if by is not None and isinstance(by[1], bytes) and len(by[1]) == 32 and (made is None or made[0] < by[0]):
            carriers.add(ChunkId(by[1]))
        else:
            whole = False
    return Need(alive, ended, tuple(sorted(carriers)) if whole else ())


def is_due(idle: Idle, now_ms: int, graces: Graces, *, carried: bool) -> bool:
    """Tell whether a chunk's grace is over; ``carried``: the owners of what carries its bytes confirm them."""
    grace_ms = min(graces.carried_ms, graces.idle_ms) if carried and idle.carried else graces.idle_ms
    return now_ms - idle.since_ms >= grace_ms


def settled_at(asked_ms: int, behind_ms: int) -> int:
    """Give up to when a node's writes are where they belong, by the asker's clock.

    ``behind_ms`` is the age, by that node's own clock, of the oldest of its writes that some holder lacks.
    """
    return asked_ms - max(0, behind_ms) - SLACK_MS


@dataclass(frozen=True, slots=True)
class Held:
    """What of the due chunks may be asked for, and which nodes hold the others up, in order, with how many bytes."""

    free: tuple[Idle, ...]
    by: Mapping[NodeId, int]


def hold_up(due: Sequence[Idle], nodes: Iterable[NodeId], settled: Mapping[NodeId, int]) -> Held:
    """Part the due chunks by whether every node has been settled since they became idle."""
    at = {node: settled.get(node, 0) for node in sorted(nodes)}
    last = min(at.values(), default=0)
    by: dict[NodeId, int] = {}
    for node, settled_ms in at.items():
        waiting = sum(one.size for one in due if one.since_ms >= settled_ms)
        if any(one.since_ms >= settled_ms for one in due):
            by[node] = waiting
    return Held(tuple(one for one in due if one.since_ms < last) if at else (), by)


def agreed(
    me: NodeId,
    asked: Sequence[Idle],
    shares: Mapping[PartitionId, Share],
    counting: Set[PartitionId],
    words: Mapping[NodeId, Set[ChunkId] | None],
) -> tuple[Idle, ...]:
    """Give the chunks that may go now.

    ``words`` has every node that is there: the chunks it knows no need for, or None when it did not answer. One that
    is there and does not answer may know a need.
    """
    if any(said is None for said in words.values()):
        return ()
    return tuple(
        one
        for one in asked
        if me in shares[one.partition].owners
        and one.partition in counting
        and all(said is not None and one.chunk in said for said in words.values())
    )


def needless(
    one: Idle | None, now_ms: int, graces: Graces, *, here: bool, owner: bool, counts: bool, needed: bool
) -> bool:
    """Say, when asked, whether this node knows no need for a chunk.

    ``needed``: a living reference is among its rows, own writes included. An owner whose replica does not count cannot
    know; one that has the chunk agrees only once its own grace is over. Who has the bytes and is no owner keeps them
    until the owners confirm theirs, so its word need not hold up theirs.
    """
    if needed or (owner and not counts):
        return False
    if not (owner and here):
        return True
    return one is not None and is_due(one, now_ms, graces, carried=True)
