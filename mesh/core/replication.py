"""Which replicas of a partition can be believed, and who copies what to whom.

``SyncState`` holds the rule for answers: a replica counts only once it has what the owners before it held, and what was
written while it was cut off. ``plan_copies`` and ``plan_rows`` say
what this node has to give, and what it need not keep.

Invariant: nobody gives up bytes or rows unless every owner has confirmed them; of several nodes that could copy one
chunk, one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from blake3 import blake3

from mesh.core.layouts import History, Version
from mesh.core.placement import Layout
from proto.ids import ChunkId, NodeId, PartitionId


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


@dataclass(slots=True)
class _Replica:
    """What one replica here has compared.

    ``concerned``: who owns the partition or takes its rows; ``met``: the versions of the layout it has everything of;
    ``must``: by version, the nodes it has to see before it has; ``waits``: those that may have taken something while
    they, or this node, were cut off.
    """

    concerned: frozenset[NodeId]
    met: frozenset[str]
    must: dict[str, set[NodeId]]
    waits: set[NodeId]


class SyncState:
    """What this node has compared, partition by partition.

    A replica counts once it has everything of every base of the layout: by having compared itself with a replica that
    counts, or with every owner in that base, whether away or not; and with all that came back since it, or they, were
    cut off. Comparing tells something only when both nodes know the same versions. ``had`` are the partitions it
    counted for before it was started again, ``known`` the versions known then.
    """

    def __init__(self, me: NodeId, had: Set[PartitionId] = frozenset(), known: Iterable[str] = ()) -> None:
        self._me = me
        self._had = had
        self._known = frozenset(known)
        self._replicas: dict[PartitionId, _Replica] = {}
        self._suspect: set[NodeId] = set()
        """Peers that came back and were not compared with since."""
        self._leaving: set[PartitionId] = set()
        """Partitions that were not this node's when it began to let their rows go; they may have become so since."""
        self._writable = True
        self.given_up = 0
        """How often rows were let go: what was compared before says nothing of what is here now."""
        self._counting: frozenset[PartitionId] | None = None
        """What ``counting`` gave, as long as nothing changed."""

    def refresh(self, shares: Mapping[PartitionId, Share], history: History, copies: int, away: Set[NodeId]) -> None:
        """Take note of new versions of the layout, or of nodes that went away or came back."""
        self._counting = None
        removed = {node for node, place in history.now.layout.places.items() if place.state == "removed"}
        bases = sorted(history.bases, key=lambda one: (one.born, one.id))
        learnt: dict[frozenset[str], frozenset[str]] = {}
        unmet_by: dict[frozenset[str], list[Version]] = {}
        for partition, share in shares.items():
            replica = self._replicas.get(partition)
            if self._me not in share.takers:
                if replica is not None:
                    del self._replicas[partition]
                continue
            concerned = frozenset(share.takers).union(share.owners)
            if replica is None:
                had = partition in self._had
                replica = _Replica(
                    concerned, self._known if had else frozenset(), {}, set(concerned - {self._me}) if had else set()
                )
                self._replicas[partition] = replica
            else:
                replica.waits |= (concerned - replica.concerned - {self._me}) & self._suspect
                replica.concerned = concerned
            if replica.met not in learnt:
                learnt[replica.met] = history.learnt(replica.met)
            replica.met = learnt[replica.met]
            unmet = unmet_by.get(replica.met)
            if unmet is None:
                unmet = unmet_by[replica.met] = [base for base in bases if base.id not in replica.met]
            if unmet:
                self._follow_bases(replica, partition, unmet, history, copies, removed)
            else:
                replica.must = {}
            replica.waits -= away
            replica.waits -= removed
        self._had = frozenset()

    def _follow_bases(
        self,
        replica: _Replica,
        partition: PartitionId,
        unmet: Sequence[Version],
        history: History,
        copies: int,
        removed: Set[NodeId],
    ) -> None:
        must: dict[str, set[NodeId]] = {}
        eldest = history.eldest_of(replica.met)
        for base in unmet:
            known = replica.must.get(base.id)
            if known and not removed and (eldest is None or eldest > base.born):
                must[base.id] = known  # as it was: only who is removed, or an older base met since, changes that
                continue
            owners = set(base.owners(partition, copies))
            left = owners - {self._me} - removed
            if self._me in owners and not base.parents:
                replica.met |= {base.id}  # owners in a mesh's first layout have what there is
                eldest = base.born if eldest is None else min(eldest, base.born)
            elif eldest is not None and eldest <= base.born:
                # Another side of this mesh, or a younger one: what it has comes when it is there.
                replica.waits |= left
                replica.met |= {base.id}
            elif left:
                must[base.id] = left & replica.must.get(base.id, left)
            else:
                replica.met |= {base.id}
        replica.must = must

    def returned(self, peer: NodeId) -> None:
        """Take note that a peer is back after this node, or it, was cut off: what it wrote alone is not here yet."""
        self._suspect.add(peer)
        self._counting = None
        for replica in self._replicas.values():
            if peer in replica.concerned and peer != self._me:
                replica.waits.add(peer)

    def caught_up(self, peer: NodeId) -> None:
        """Take note that all partitions this node has to do with were compared with a peer."""
        self._suspect.discard(peer)

    def cut_off(self, away: Set[NodeId]) -> None:
        """Take note that this node stood still or alone: all it holds may be behind."""
        self._counting = None
        for replica in self._replicas.values():
            replica.waits |= replica.concerned - {self._me} - away
            self._suspect |= replica.concerned - {self._me}

    def writable(self, yes: bool, away: Set[NodeId]) -> bool:
        """Take note whether rows can be written here, for where not, others take what this node does not; tells
        whether that changed.

        Until they can, a replica that others have too counts for nothing; then it has to be compared with them.
        """
        if yes == self._writable:
            return False
        self._writable = yes
        self._counting = None
        if yes:
            self.cut_off(away)
        return True

    def give_up(self, partition: PartitionId) -> None:
        """Take note that rows of a partition this node does not hold are about to go: until then nothing counts."""
        self._counting = None
        self._leaving.add(partition)

    def gave_up(self, partition: PartitionId, away: Set[NodeId]) -> None:
        """Take note that they are gone. Should the partition be this node's by now, it has to be compared."""
        self._counting = None
        self._leaving.discard(partition)
        self.given_up += 1
        replica = self._replicas.get(partition)
        if replica is not None:
            replica.waits |= replica.concerned - {self._me} - away

    def compared(self, peer: NodeId, partitions: Iterable[PartitionId], counting: Set[PartitionId]) -> None:
        """Take note that this node has all that ``peer`` had of ``partitions``; those ``counting`` counted there.

        Both must have known the same versions of the layout: a peer that knows fewer goes on taking rows by itself.
        """
        self._counting = None
        for partition in partitions:
            replica = self._replicas.get(partition)
            if replica is None or partition in self._leaving:
                continue
            whole = partition in counting
            for base, left in list(replica.must.items()):
                left.discard(peer)
                if whole or not left:
                    replica.met |= {base}
                    del replica.must[base]
            replica.waits.discard(peer)
            if whole:
                replica.waits.clear()

    def awaits(self, peer: NodeId) -> frozenset[PartitionId]:
        """Give the partitions that have to be compared with a peer before they count."""
        return frozenset(
            partition
            for partition, replica in self._replicas.items()
            if peer in replica.waits or any(peer in left for left in replica.must.values())
        )

    def counts(self, partition: PartitionId) -> bool:
        """Tell whether this node's replica of a partition may answer for it."""
        replica = self._replicas.get(partition)
        return (
            replica is not None
            and not replica.must
            and not replica.waits
            and partition not in self._leaving
            and (self._writable or len(replica.concerned) == 1)
        )

    def counting(self) -> frozenset[PartitionId]:
        """Give all partitions this node may answer for."""
        if self._counting is None:
            self._counting = frozenset(partition for partition in self._replicas if self.counts(partition))
        return self._counting

    def behind(self) -> int:
        """Count partitions held here that do not count yet."""
        return len(self._replicas) - len(self.counting())


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


def left_behind(layout: Layout, partition: PartitionId, holders: Sequence[NodeId], copies: int) -> tuple[NodeId, ...]:
    """Give the nodes that may have a partition's chunks from before though they hold it no longer.

    Those being drained, and as many as there are copies of those that come next in the order: a newcomer pushes the
    last of the holders there.
    """
    drained = [node for node, place in layout.places.items() if place.state == "draining"]
    following = [node for node in layout.order(partition) if node not in holders][:copies]
    return tuple(dict.fromkeys((*drained, *following)))


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


BUCKET_ROWS = 8
BUCKETS_MAX = 4096


def buckets_for(rows: int) -> int:
    """Give into how many buckets a replica of so many rows is parted to be compared: a power of two."""
    return min(BUCKETS_MAX, 1 << max(0, (rows // BUCKET_ROWS - 1).bit_length() if rows >= BUCKET_ROWS else 0))


def bucket_of(key: Key, count: int) -> int:
    """Give a row's bucket, of ``count``, a power of two: by its key alone, so that a change stays in its bucket."""
    hashed = blake3("\0".join(key).encode(errors="surrogatepass")).digest(4)
    return int.from_bytes(hashed, "big") & (count - 1)


def bucketed(rows: Mapping[Key, int], count: int) -> tuple[int, ...]:
    """Give the digest of each bucket of a replica: the XOR of its rows' (the leaves of a Merkle tree of depth two)."""
    digests = [0] * count
    for key, value in rows.items():
        digests[bucket_of(key, count)] ^= value
    return tuple(digests)


def in_differing(rows: Mapping[Key, int], theirs: Sequence[int]) -> dict[Key, int]:
    """Give the rows here that lie in buckets whose digests are others there. ``theirs``: as many as a power of two."""
    count = len(theirs)
    mine = bucketed(rows, count)
    return {key: value for key, value in rows.items() if mine[at := bucket_of(key, count)] != theirs[at]}
