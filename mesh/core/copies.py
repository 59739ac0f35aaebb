"""How many copies there are: what one node can say of the chunks on its disk, and what follows from all nodes' words.

A holder knows of each of its chunks how many others were found to have it when it last looked, and that all did when
nothing of it is pending. It takes away who cannot be reached now. An asset has as many copies as the chunk of it that
has fewest. Invariant: the count is never higher than what is known: a chunk that was not looked at again since others
came to hold its partition counts only those who held it before, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from mesh.core.placement import partition_of
from mesh.core.sharing import Share
from proto.ids import ChunkId, NodeId, PartitionId


@dataclass(frozen=True, slots=True)
class Standing:
    """Some chunks here that stand alike.

    ``pending``: a holder may lack them. ``looked``: that was found out since others last came to hold the partition.
    ``elsewhere``: other nodes that were found to have them.
    """

    partition: PartitionId
    pending: bool
    looked: bool
    elsewhere: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Told:
    """What one node says: of how many chunks, the fewest copies of one, and how many have too few.

    ``damaged``: chunks that were here and must be fetched again; a look elsewhere does not know of that yet.
    """

    chunks: int = 0
    fewest: int = 0
    short: int = 0
    repairing: int = 0
    damaged: tuple[ChunkId, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """An asset's copies: ``copies`` of the chunk with fewest, None when that cannot be told; ``short`` chunks."""

    copies: int | None
    wanted: int
    short: int = 0
    repairing: int = 0


def tell(
    me: NodeId,
    standings: Iterable[Standing],
    damaged: Sequence[ChunkId],
    shares: Mapping[PartitionId, Share],
    before: Mapping[PartitionId, Share] | None,
    alive: Set[NodeId],
    wanted: int,
) -> Told:
    """Say what is known here. ``before``: who held the partitions when all chunks here had last been looked at."""
    chunks = short = repairing = 0
    fewest: int | None = None
    for one in standings:
        holders = shares[one.partition].holders
        others = [node for node in holders if node != me and node in alive]
        if one.pending:
            count = 1 + one.elsewhere
        elif one.looked:
            count = 1 + len(others)
        else:
            held = before[one.partition].holders if before is not None else ()
            count = 1 + sum(1 for node in others if node in held)
        chunks += one.chunks
        fewest = count if fewest is None else min(fewest, count)
        if count < wanted:
            short += one.chunks
            # A holder that can be reached and lacks it is being brought it; else nobody can do anything now.
            repairing += one.chunks if 1 + len(others) > count else 0
    return Told(chunks, fewest or 0, short, repairing, tuple(damaged))


def merge(
    told: Mapping[NodeId, Told], shares: Mapping[PartitionId, Share], alive: Set[NodeId], wanted: int, *, all_told: bool
) -> Counted:
    """Put what the nodes say together. ``all_told``: every holder of every partition could be asked.

    A node that has none of the asset says nothing of it.
    """
    having = [one for one in told.values() if one.chunks]
    counts = [one.fewest for one in having]
    lost: dict[ChunkId, int] = {}
    for one in told.values():
        for chunk in one.damaged:
            lost[chunk] = lost.get(chunk, 0) + 1
    for chunk, times in lost.items():
        present = sum(1 for node in shares[partition_of(chunk)].holders if node in alive)
        counts.append(max(0, present - times))
    short = max((one.short for one in having), default=0) + len(lost)
    repairing = max((one.repairing for one in having), default=0) + len(lost)
    if not counts:
        return Counted(0 if all_told else None, wanted)
    fewest = min(*counts, wanted)
    return Counted(fewest if all_told or fewest == 0 else None, wanted, short, repairing)
