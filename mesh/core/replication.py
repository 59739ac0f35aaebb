"""Which replicas of a partition can be believed, and who copies what to whom.

``SyncState`` holds the rule for answers: a replica counts only once it has what the owners before it held, and what was
written while it was cut off. ``plan_copies`` and ``plan_rows`` say
what this node has to give, and what it need not keep.

Invariant: nobody gives up bytes or rows unless every owner has confirmed them; of several nodes that could copy one
chunk, one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from blake3 import blake3

from mesh.core import partitionset
from mesh.core.layouts import ALL, History, Version
from mesh.core.placement import Layout
from mesh.core.sharing import Share, Shares, circles_of
from proto.ids import ChunkId, NodeId, PartitionId


@dataclass(frozen=True, slots=True)
class _Replica:
    """What the replicas here of some partitions have compared, the same of each.

    ``concerned``: who owns the partitions or takes their rows; ``met``: the versions of the layout they have everything
    of; ``must``: by version, the nodes to be seen before they have; ``waits``: those that may have taken something
    while they, or this node, were cut off.
    """

    concerned: frozenset[NodeId]
    met: frozenset[str] = frozenset()
    must: tuple[tuple[str, frozenset[NodeId]], ...] = ()
    waits: frozenset[NodeId] = frozenset()

    @property
    def counts(self) -> bool:
        """Whether they have everything they should have."""
        return not self.must and not self.waits

    def awaits(self, peer: NodeId) -> bool:
        """Tell whether a peer has to be seen before they count."""
        return peer in self.waits or any(peer in left for _, left in self.must)

    def compared(self, peer: NodeId, late: frozenset[NodeId], *, whole: bool) -> _Replica:
        """Give what comes of having all that a peer had; ``whole``: it lacked nothing itself. It may not have heard of
        what those who came back ``late``, since it was asked, took alone.
        """
        if whole:
            return replace(self, met=self.met.union(base for base, _ in self.must), must=(), waits=self.waits & late)
        left = tuple((base, nodes - {peer}) for base, nodes in self.must)
        return replace(
            self,
            met=self.met.union(base for base, nodes in left if not nodes),
            must=tuple((base, nodes) for base, nodes in left if nodes),
            waits=self.waits - (frozenset({peer}) - late),
        )


class SyncState:
    """What this node has compared, partition by partition.

    A replica counts once it has everything of every base of the layout: by having compared itself with a replica that
    counts, or with every owner in that base, whether away or not; and with all that came back since it, or they, were
    cut off. Comparing tells something only when both nodes know the same versions. ``had`` are the partitions it
    counted for before it was started again, ``known`` the versions known then.

    Partitions of which the same is known are kept together: in a mesh that forms all of them are.
    """

    def __init__(self, me: NodeId, had: Set[PartitionId] = frozenset(), known: Iterable[str] = ()) -> None:
        self._me = me
        self._had = partitionset.bits(had)
        self._known = frozenset(known)
        self._replicas: dict[_Replica, int] = {}
        """The partitions, as bits, of which each is known; every one taken here is in one of them."""
        self._suspect: set[NodeId] = set()
        """Peers that came back and were not compared with since."""
        self._leaving = 0
        """Partitions that were not this node's when it began to let their rows go; they may have become so since."""
        self._writable = True
        self.given_up = 0
        """How often rows were let go: what was compared before says nothing of what is here now."""
        self.returns = 0
        """How often somebody came back after this node, or it, was cut off."""
        self._returned: dict[NodeId, int] = {}
        """Which of these was each peer's last."""
        self._counting: int | None = None
        """What ``counting`` is, as long as nothing changed."""

    def refresh(self, shares: Mapping[PartitionId, Share], history: History, copies: int, away: Set[NodeId]) -> None:
        """Take note of new versions of the layout, or of nodes that went away or came back."""
        me = frozenset({self._me})
        removed = frozenset(node for node, place in history.now.layout.places.items() if place.state == "removed")
        following = Following(self._me, history, copies, removed)
        before, known = self._replicas, self._all()
        self._put({})
        for circle, here in (shares.circles if isinstance(shares, Shares) else circles_of(shares)).items():
            if self._me not in circle.takers:
                continue
            told: list[tuple[_Replica, int]] = []
            for replica, those in before.items():
                if those & here:
                    waits = replica.waits | ((circle.concerned - replica.concerned - me) & self._suspect)
                    told.append((replace(replica, concerned=circle.concerned, waits=waits), those & here))
            new = here & ~known
            told.append((_Replica(circle.concerned, self._known, (), circle.concerned - me), new & self._had))
            told.append((_Replica(circle.concerned), new & ~self._had))
            for replica, those in told:
                for one, parts in following.of(replica, those):
                    self._add(replace(one, waits=one.waits - away - removed), parts)
        self._had = 0

    def _all(self) -> int:
        """Give all partitions taken here."""
        return sum(self._replicas.values())

    def _put(self, replicas: dict[_Replica, int]) -> None:
        self._replicas = replicas
        self._counting = None

    def _add(self, replica: _Replica, those: int) -> None:
        if those:
            self._replicas[replica] = self._replicas.get(replica, 0) | those

    def _change(self, those: int, change: Callable[[_Replica], _Replica]) -> None:
        """Change what is known of some partitions."""
        before = self._replicas
        self._put({})
        for replica, parts in before.items():
            self._add(replica, parts & ~those)
            if parts & those:
                self._add(change(replica), parts & those)

    def returned(self, peer: NodeId) -> None:
        """Take note that a peer is back after this node, or it, was cut off: what it wrote alone is not here yet."""
        self._suspect.add(peer)
        self._came_back(peer)
        if peer != self._me:
            self._change(
                partitionset.EVERY,
                lambda one: replace(one, waits=one.waits | {peer}) if peer in one.concerned else one,
            )

    def _came_back(self, *peers: NodeId) -> None:
        self.returns += 1
        self._returned.update(dict.fromkeys(peers, self.returns))

    def caught_up(self, peer: NodeId) -> None:
        """Take note that all partitions this node has to do with were compared with a peer."""
        self._suspect.discard(peer)

    def cut_off(self, away: Set[NodeId]) -> None:
        """Take note that this node stood still or alone: all it holds may be behind."""
        me = {self._me}
        self._suspect.update(*(replica.concerned - me for replica in self._replicas))
        self._came_back(*self._suspect)
        self._change(partitionset.EVERY, lambda one: replace(one, waits=one.waits | (one.concerned - me - away)))

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
        self._leaving |= 1 << partition

    def gave_up(self, partition: PartitionId, away: Set[NodeId]) -> None:
        """Take note that they are gone. Should the partition be this node's by now, it has to be compared."""
        self._leaving &= ~(1 << partition)
        self.given_up += 1
        me = {self._me}
        self._change(1 << partition, lambda one: replace(one, waits=one.waits | (one.concerned - me - away)))

    def compared(
        self, peer: NodeId, partitions: Iterable[PartitionId], counting: Set[PartitionId], since: int | None = None
    ) -> None:
        """Take note that this node has all that ``peer`` had of ``partitions``; those ``counting`` counted there.

        Both must have known the same versions of the layout: a peer that knows fewer goes on taking rows by itself.
        ``since``: what ``returns`` was when the peer was asked.
        """
        self.compared_bits(peer, partitionset.bits(partitions), partitionset.bits(counting), since)

    def compared_bits(self, peer: NodeId, partitions: int, counting: int, since: int | None = None) -> None:
        """Take note of the same, with partitions as bits."""
        partitions &= ~self._leaving
        since = self.returns if since is None else since
        late = frozenset(node for node, at in self._returned.items() if at > since)
        self._change(partitions & counting, lambda one: one.compared(peer, late, whole=True))
        self._change(partitions & ~counting, lambda one: one.compared(peer, late, whole=False))

    def awaits(self, peer: NodeId) -> frozenset[PartitionId]:
        """Give the partitions that have to be compared with a peer before they count."""
        return partitionset.as_set(self.awaits_bits(peer))

    def awaits_bits(self, peer: NodeId) -> int:
        """Give the same as bits."""
        return sum(those for replica, those in self._replicas.items() if replica.awaits(peer))

    def counts(self, partition: PartitionId) -> bool:
        """Tell whether this node's replica of a partition may answer for it."""
        return bool(self.counting_bits() >> partition & 1)

    def counting(self) -> frozenset[PartitionId]:
        """Give all partitions this node may answer for."""
        return partitionset.as_set(self.counting_bits())

    def counting_bits(self) -> int:
        """Give the same as bits."""
        if self._counting is None:
            able = [
                those
                for replica, those in self._replicas.items()
                if replica.counts and (self._writable or len(replica.concerned) == 1)
            ]
            self._counting = sum(able) & ~self._leaving
        return self._counting

    def behind(self) -> int:
        """Count partitions held here that do not count yet."""
        return (self._all() & ~self.counting_bits()).bit_count()


class Following:
    """How replicas follow the bases of a history: what they have met of them, and whom they still have to see."""

    def __init__(self, me: NodeId, history: History, copies: int, removed: frozenset[NodeId]) -> None:
        self._me = me
        self._history = history
        self._copies = copies
        self._removed = removed
        self._bases = sorted(history.bases, key=lambda one: (one.born, one.id))
        self._learnt: dict[frozenset[str], frozenset[str]] = {}

    def of(self, replica: _Replica, those: int) -> Iterable[tuple[_Replica, int]]:
        """Give what is known now of some partitions, as bits, of which the same was known before."""
        if not those:
            return
        if replica.met not in self._learnt:
            self._learnt[replica.met] = self._history.learnt(replica.met)
        replica = replace(replica, met=self._learnt[replica.met])
        unmet = [base for base in self._bases if base.id not in replica.met]
        if not unmet:
            yield replace(replica, must=()), those
            return
        for owners, parts in self._parted(unmet, those).items():
            told = [(base, frozenset(nodes)) for base, nodes in zip(unmet, owners, strict=True)]
            yield self.follow_bases(replica, told), parts

    def follow_bases(self, replica: _Replica, unmet: Sequence[tuple[Version, frozenset[NodeId]]]) -> _Replica:
        """Give what is known once bases that were not met are followed; each with its owners of these partitions."""
        was = dict(replica.must)
        must: list[tuple[str, frozenset[NodeId]]] = []
        met, waits = set(replica.met), set(replica.waits)
        eldest = self._history.eldest_of(replica.met)
        for base, owners in unmet:
            known = was.get(base.id)
            if known and not self._removed and (eldest is None or eldest > base.born):
                must.append((base.id, known))  # as it was: only who is removed, or an older base met, changes that
                continue
            left = owners - {self._me} - self._removed
            if self._me in owners and not base.parents:
                met.add(base.id)  # owners in a mesh's first layout have what there is
                eldest = base.born if eldest is None else min(eldest, base.born)
            elif eldest is not None and eldest <= base.born:
                # Another side of this mesh, or a younger one: what it has comes when it is there.
                waits |= left
                met.add(base.id)
            elif left:
                must.append((base.id, left & was.get(base.id, left)))
            else:
                met.add(base.id)
        return replace(replica, met=frozenset(met), must=tuple(must), waits=frozenset(waits))

    def _parted(self, bases: Sequence[Version], those: int) -> Mapping[tuple[tuple[NodeId, ...], ...], int]:
        """Part partitions by their owners in each of the bases."""
        if all(len(base.layout.places) <= 1 for base in bases):
            return {tuple(base.owners(ALL[0], self._copies) for base in bases): those}
        found: dict[tuple[tuple[NodeId, ...], ...], int] = {}
        for part in partitionset.partitions(those):
            owners = tuple(base.owners(part, self._copies) for base in bases)
            found[owners] = found.get(owners, 0) | 1 << part
        return found


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
