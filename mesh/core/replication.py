"""Which replicas of a partition can be believed, and who copies what to whom.

``SyncState`` holds DESIGN.md's rule: a replica counts only once it has compared itself with a replica that counts, or
with every owner that is not away, since it got the partition or was last cut off. ``plan_copies`` and ``plan_rows`` say
what this node has to give, and what it need not keep.

Invariant: nobody gives up bytes or rows unless every owner has confirmed them; of several nodes that could copy one
chunk, one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from proto.ids import ChunkId, NodeId, PartitionId


@dataclass(frozen=True, slots=True)
class Share:
    """Who has to do with a partition: its owners by layout, and those who hold it now (owners or stand-ins)."""

    owners: tuple[NodeId, ...]
    holders: tuple[NodeId, ...]


class SyncState:
    """What this node has compared, partition by partition.

    ``had`` are the partitions it counted for before it was started again. Of a partition it has never counted for, it
    must see a replica that counts, or every owner; of one it had, every owner that is not away. It had a partition too
    that went from it to younger nodes only and whose rows it has not given up: where an owner is lost before it has
    passed them on, nobody else knows them all.
    """

    def __init__(self, me: NodeId, had: Set[PartitionId] = frozenset()) -> None:
        self._me = me
        self._had = had
        self._owners: dict[PartitionId, tuple[NodeId, ...]] = {}
        self._must: dict[PartitionId, set[NodeId]] = {}
        self._waits: dict[PartitionId, set[NodeId]] = {}
        self._left: dict[PartitionId, tuple[NodeId, ...]] = {}
        """Partitions it counted for and holds no longer, with their owners then; their rows are still here."""

    def refresh(self, shares: Mapping[PartitionId, Share], away: Set[NodeId], elders: Set[NodeId]) -> None:
        """Take note of a new layout, or of nodes that went away or came back.

        ``elders`` are the nodes that were in the layout before this one: what they hold it cannot do without.
        """
        for partition, share in shares.items():
            if self._me not in share.holders:
                if partition in self._owners and self.counts(partition):
                    self._left[partition] = self._owners[partition]
                if any(node in elders and node not in self._left.get(partition, ()) for node in share.owners):
                    self._left.pop(partition, None)
                for state in (self._owners, self._must, self._waits):
                    state.pop(partition, None)
                continue
            others = {node for node in share.owners if node != self._me}
            known = self._owners.get(partition)
            if known is None:
                left = self._left.pop(partition, None)
                had = partition in self._had or (left is not None and not (others - set(left)) & elders)
                self._must[partition] = set() if had else set(others)
                self._waits[partition] = others - away if had else set()
            else:
                new = {node for node in others if node not in known}
                self._must[partition] = (self._must[partition] & others) | (new & elders)
                self._waits[partition] = (self._waits[partition] & (others - away)) | (new - elders - away)
            self._owners[partition] = share.owners
        self._had = frozenset()

    def gave_up(self, partition: PartitionId) -> None:
        """Take note that rows of a partition went from here, once its holders had confirmed them."""
        self._left.pop(partition, None)

    def returned(self, peer: NodeId) -> None:
        """Take note that a peer is back after this node, or it, was cut off: what it wrote alone is not here yet."""
        for partition, owners in self._owners.items():
            if peer in owners and peer != self._me:
                self._waits[partition].add(peer)

    def cut_off(self, away: Set[NodeId]) -> None:
        """Take note that this node stood still or alone: all it holds may be behind."""
        for partition, owners in self._owners.items():
            self._waits[partition] |= {node for node in owners if node != self._me and node not in away}

    def compared(self, peer: NodeId, partitions: Iterable[PartitionId], counting: Set[PartitionId]) -> None:
        """Take note that this node has all that ``peer`` had of ``partitions``; those ``counting`` counted there."""
        for partition in partitions:
            if partition not in self._owners:
                continue
            for state in (self._must, self._waits):
                if partition in counting:
                    state[partition].clear()
                else:
                    state[partition].discard(peer)

    def counts(self, partition: PartitionId) -> bool:
        """Tell whether this node's replica of a partition may answer for it."""
        return partition in self._owners and not self._must[partition] and not self._waits[partition]

    def counting(self) -> frozenset[PartitionId]:
        """Give all partitions this node may answer for."""
        return frozenset(partition for partition in self._owners if self.counts(partition))

    def behind(self) -> int:
        """Count partitions held here that do not count yet."""
        return len(self._owners) - len(self.counting())


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What to do about a batch of chunks held here.

    ``give``: bring a chunk to a node. ``done``: all who should hold it do. ``waiting``: somebody who should hold it
    cannot be reached, or another node brings it.
    """

    give: tuple[tuple[ChunkId, NodeId], ...]
    done: tuple[ChunkId, ...]
    waiting: tuple[ChunkId, ...]


def plan_copies(
    me: NodeId,
    chunks: Sequence[tuple[ChunkId, PartitionId]],
    shares: Mapping[PartitionId, Share],
    have: Mapping[NodeId, Set[ChunkId]],
) -> CopyPlan:
    """Plan for chunks held here; ``have`` tells of every node that answered which of them it holds.

    The first holder that answered and has the chunk brings it to those that lack it; a node that is no holder does so
    only while no holder has it.
    """
    give: list[tuple[ChunkId, NodeId]] = []
    done: list[ChunkId] = []
    waiting: list[ChunkId] = []
    for chunk, partition in chunks:
        holders = shares[partition].holders
        others = [node for node in holders if node != me]
        lacking = [node for node in others if chunk not in have.get(node, frozenset())]
        if not holders:
            waiting.append(chunk)
        elif not lacking:
            done.append(chunk)
        else:
            waiting.append(chunk)
            first = next((n for n in holders if n == me or chunk in have.get(n, frozenset())), me)
            if first == me:
                give += [(chunk, node) for node in lacking if node in have]
    return CopyPlan(tuple(give), tuple(done), tuple(waiting))


def may_drop(
    me: NodeId,
    chunks: Sequence[tuple[ChunkId, PartitionId]],
    shares: Mapping[PartitionId, Share],
    have: Mapping[NodeId, Set[ChunkId]],
) -> tuple[ChunkId, ...]:
    """Give the chunks this node need not keep: it is no holder, and every owner has just confirmed its own copy."""
    return tuple(
        chunk
        for chunk, partition in chunks
        if shares[partition].owners
        and me not in shares[partition].holders
        and all(chunk in have.get(owner, frozenset()) for owner in shares[partition].owners)
    )


Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What two replicas of a partition have to exchange: keys to fetch from the peer, and to give to it."""

    fetch: tuple[Key, ...]
    give: tuple[Key, ...]


def plan_rows(mine: Mapping[Key, int], theirs: Mapping[Key, int]) -> RowPlan:
    """Compare the digests of two replicas' rows."""
    return RowPlan(
        tuple(key for key, value in theirs.items() if mine.get(key) != value),
        tuple(key for key, value in mine.items() if theirs.get(key) != value),
    )
