"""The layout as this node sees it, put together from the mesh table ``layout`` and from who is alive.

The table has the versions (key ``version``: body, settled; once they are over everywhere, parents alone) and what each
node told that it has synced with (key ``node``). Invariant: membership never changes the layout; it only says which of
its nodes are away, so that stand-ins come in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import structlog

from mesh.actors.rowstore import RowStore
from mesh.core import partitionset
from mesh.core.layouts import ALL, Dot, History, Version, joined, unpack
from mesh.core.placement import Layout
from mesh.core.replication import SyncState
from mesh.core.rows import Change, Entry
from mesh.core.sharing import Lazily, Share, Shares
from proto.codec import Malformed
from proto.ids import MESH_PARTITION, PARTITIONS, NodeId, PartitionId

TABLE, VERSION, NODE = "layout", "version", "node"
_HAD = "synced"
_NAME_BYTES = 32
_log = structlog.get_logger("layout")


class Peers(Protocol):
    """Who is there."""

    def alive_ids(self) -> Sequence[NodeId]:
        """Give the nodes believed alive, this one included, in a stable order."""

    def away(self) -> frozenset[NodeId]:
        """Give the nodes dead for longer than the mesh waits before stand-ins take over."""


class LayoutView:
    """Who holds which partition, and for which of them this node's replica counts.

    ``grants`` tells whether a node may be storage: to one that may not (its ticket did not say so, or it was revoked)
    nothing is given, whatever the layout says.
    """

    def __init__(
        self, node: NodeId, peers: Peers, copies_wanted: int, grants: Callable[[NodeId], bool] = lambda _: True
    ) -> None:
        self._node = node
        self._grants = grants
        self._barred: frozenset[NodeId] = frozenset()
        self._peers = peers
        self.copies_wanted = copies_wanted
        self._stamp = 0
        self._versions: dict[str, Version] = {}
        self._settled: set[str] = set()
        self._pruned: dict[str, tuple[str, ...]] = {}
        self._synced: dict[NodeId, str] = {}
        self._history = History()
        self._layout: Layout | None = self._history.now.layout
        self._news = False
        """Whether something was noted that the history does not have yet."""
        self._sync = SyncState(node)
        self._shares = Shares(self._history, self._history.now.layout, copies_wanted, frozenset())
        self._shares_of: tuple[object, ...] | None = None
        self._token = self._placed = ""
        self._present: Lazily[list[NodeId]] = Lazily(lambda _: [])
        self._present_of: tuple[object, ...] | None = None
        self._might: Lazily[tuple[NodeId, ...]] = Lazily(lambda _: ())
        self._aware: set[NodeId] = set()
        """Peers that have shown that they know the same versions."""
        # What the last look was at, compared as objects: most calls come while nothing changed at all.
        self._peers_of: Sequence[NodeId] | None = None
        self._away_of: frozenset[NodeId] | None = None
        self._history_of: History | None = None
        self._wanted_of = 0
        self._alive: tuple[NodeId, ...] = ()
        self._others: frozenset[NodeId] = frozenset()
        self._seen: set[NodeId] = set()
        self._had_a_life = False
        self.returned: set[NodeId] = set()
        """Peers that came back and were not compared with since."""

    @property
    def history(self) -> History:
        """The versions known: of what came since somebody last looked it is made once."""
        if self._news:
            self._put_together()
        return self._history

    @property
    def layout(self) -> Layout:
        """The present layout; it is the same object for as long as the same versions are live."""
        history = self.history
        if self._layout is None:
            self._layout = history.now.layout
        return self._layout

    @property
    def sync(self) -> SyncState:
        """Give which replicas of this node count, as of the layout and the peers there are now."""
        self._refresh()
        return self._sync

    async def open(self, store: RowStore) -> None:
        """Read the layout and follow its changes; recall which partitions counted when the node last ran."""
        had = await store.meta(_HAD)
        if had is not None:
            bits, names = int.from_bytes(had[: PARTITIONS // 8], "little"), had[PARTITIONS // 8 :].decode()
            known = [names[at : at + _NAME_BYTES] for at in range(0, len(names), _NAME_BYTES)]
            self._sync = SyncState(self._node, frozenset(part for part in ALL if bits >> part & 1), known)
            self._had_a_life = True
        self._stamp = store.hlc.last
        for entry in await store.every(TABLE):
            self._note(entry)
        self.reconsider()
        store.watch(TABLE, self._take)

    async def keep_counting(self, store: RowStore) -> None:
        """Keep, durably, which partitions count, and by which versions of the layout."""
        kept = partitionset.packed(self.sync.counting_bits()) + "".join(self.history.live).encode()
        if kept != await store.meta(_HAD):
            await store.set_meta(_HAD, kept)

    def _take(self, entry: Entry) -> None:
        self._note(entry)
        self.reconsider()

    def _note(self, entry: Entry) -> None:
        fields = entry.row().fields
        if entry.pk == NODE:
            synced = fields.get("synced")
            self._synced[NodeId(entry.sk)] = synced if isinstance(synced, str) else ""
        elif entry.pk == VERSION:
            body = fields.get("body")
            if entry.sk not in self._versions and isinstance(body, bytes):
                try:
                    version = unpack(body)
                except Malformed as error:
                    _log.warning("a version of the layout cannot be read", version=entry.sk, error=str(error))
                    return
                if version.id == entry.sk:
                    self._versions[version.id] = version
            parents = fields.get("parents")
            if isinstance(parents, tuple):
                self._pruned[entry.sk] = tuple(one for one in parents if isinstance(one, str))
            if fields.get("settled") is True:
                self._settled.add(entry.sk)

    def reconsider(self) -> None:
        """Put the layout together anew: a row came, or the mesh grants other nodes the role of storage now."""
        self._news = True

    def _put_together(self) -> None:
        self._news = False
        before = self._history
        seated = {node for version in self._versions.values() for node in version.seats}
        barred = frozenset(node for node in sorted(seated) if not self._grants(node))
        for node in sorted(barred - self._barred):
            _log.warning("layout without a node", claimed=node[:8], reason="it may not be storage in this mesh")
        self._barred = barred
        history = self._known()
        over = [name for name in self._pruned if name in self._versions and _is_over(history, name)]
        if over:
            for name in over:
                del self._versions[name]
            history = self._known()
        self._history = history
        if history.token != before.token:
            self._layout = None
            self._aware.clear()
            if not self._holds_all(before, history):
                # Who hears by this node's token that it knows gives it no more of what it holds no longer: that is not
                # to count again when the next version makes it a holder.
                self._refresh()

    def _holds_all(self, *histories: History) -> bool:
        """Tell whether this node held every partition all the while, as each node does while a mesh forms."""
        me = self._node
        return all(one.lone and any(me in base.layout.places for base in one.bases) for one in histories)

    def _known(self) -> History:
        return History(
            dict(self._versions), frozenset(self._settled), dict(self._synced), self._barred, dict(self._pruned)
        )

    def cut_off(self) -> None:
        """Take note that this node stood still or was alone: what it holds may be behind until it has compared."""
        self._sync.cut_off(self._peers.away())
        self.returned.update(node for node in self._alive if node != self._node)

    def writable(self, yes: bool) -> None:
        """Take note whether this node can write rows: what it has counts for no answer while others take more."""
        if self._sync.writable(yes, self._peers.away()) and yes:
            self.returned.update(node for node in self._alive if node != self._node)

    def joining(self, capacity_bytes: int, zone: str, now_ms: int) -> Change | None:
        """Give the change that puts this node into the layout, or None when it stands there already."""
        if self._node in self.layout.places or (self._pruned and not self.history.heads):
            return None  # or it has one, of which nothing but what came before it is known yet
        base = self.history.now if self.history.heads else None
        if base is not None and not self.history.whole:
            base = self.history.heads[0]  # the merge of the heads has no row yet
        dot: Dot = (max(self._stamp + 1, now_ms << 16), self._node)
        return written(joined(base, self._node, capacity_bytes, zone, dot))

    def copies(self) -> int:
        """Give how many copies are wanted: the setting, or as many as there are storage nodes."""
        active = sum(1 for place in self.layout.places.values() if place.state == "active")
        return max(1, min(self.copies_wanted, active))

    def token(self) -> str:
        """Name what decides who takes and answers for which rows: the live versions, copies, and who is away."""
        self._refresh()
        return self._token

    def placed(self) -> str:
        """Name what decides who holds which chunks: the present version, copies, and who is away."""
        self._refresh()
        return self._placed

    def shares(self) -> Mapping[PartitionId, Share]:
        """Give who owns and who holds each partition (mesh tables left out)."""
        self._refresh()
        return self._shares

    def counting(self) -> frozenset[PartitionId]:
        """Give the partitions for which this node's replica may answer."""
        return self.sync.counting()

    def bases(self) -> tuple[str, ...]:
        """Name the versions of the layout whose owners have all there was when this node last heard of a new one."""
        return tuple(base.id for base in self.history.bases)

    def counting_by(self, bases: Iterable[str]) -> frozenset[PartitionId]:
        """Give the partitions this node may answer for to one who goes by these versions of the layout.

        None when one of them is not known here: its owners have rows that this node never heard of.
        """
        return self.counting() if self.history.known.issuperset(bases) else frozenset()

    def held(self) -> frozenset[PartitionId]:
        """Give the partitions whose rows this node takes now (mesh tables left out)."""
        self._refresh()
        return partitionset.as_set(self._shares.taken_by(self._node))

    def shared_with(self, peer: NodeId) -> int:
        """Give the partitions taken here that a peer takes or owns, or may have something of, as bits."""
        self._refresh()
        shares = self._shares
        return self._sync.awaits_bits(peer) | (shares.taken_by(self._node) & shares.concerning(peer))

    def both_hold(self, peer: NodeId) -> tuple[PartitionId, ...]:
        """Give the partitions whose chunks both this node and a peer hold."""
        self._refresh()
        return partitionset.partitions(self._shares.held_by(self._node) & self._shares.held_by(peer))

    def partners(self) -> set[NodeId]:
        """Give all who are concerned with a partition that this node takes."""
        self._refresh()
        mine = [circle for circle in self._shares.circles if self._node in circle.takers]
        return {node for circle in mine for node in circle.concerned}

    def owners(self, partition: PartitionId) -> tuple[NodeId, ...]:
        """Give a partition's owners; everybody alive for mesh tables."""
        if partition == MESH_PARTITION:
            return tuple(self._peers.alive_ids())
        self._refresh()
        return self._shares[partition].owners

    def holders(self, partition: PartitionId) -> tuple[NodeId, ...]:
        """Give who holds a partition now: owners that are not away, then stand-ins."""
        if partition == MESH_PARTITION:
            return tuple(self._peers.alive_ids())
        self._refresh()
        return self._shares[partition].holders

    def takers(self, partition: PartitionId) -> tuple[NodeId, ...]:
        """Give who takes a partition's rows now: its holders, then who held it by a version that is not over."""
        if partition == MESH_PARTITION:
            return tuple(self._peers.alive_ids())
        self._refresh()
        return self._shares[partition].takers

    def present(self, partition: PartitionId) -> list[NodeId]:
        """Give the takers that are alive, this node first."""
        self._refresh()
        if partition == MESH_PARTITION:
            return sorted(self._alive, key=lambda node: node != self._node)
        return self._present[partition]

    def heard(self, peer: NodeId, token: str) -> None:
        """Take note of the versions that a peer has just shown that it knows; empty from one that cannot tell."""
        if token in ("", self.history.token):
            self._aware.add(peer)

    def unaware(self, partition: PartitionId) -> tuple[NodeId, ...]:
        """Give those alive who took a partition's rows by a version known here, and may not know of those after it.

        They take its rows no more, and until they have heard so they answer for it.
        """
        history = self.history
        if partition == MESH_PARTITION or not (history.lacking or len(history.usable) > 1):
            return ()
        self._refresh()
        might = sorted(self._others) if history.lacking else self._might[partition]
        return tuple(node for node in might if node not in self._aware and node in self._others)

    def heir(self, node: NodeId, partition: PartitionId) -> bool:
        """Tell whether this node does what ``node``, which is away, should have done for what is in a partition."""
        alive = frozenset(self._peers.alive_ids())
        present = [one for one in self.holders(partition) if one in alive]
        return node in self._peers.away() and present[:1] == [self._node]

    def gone(self) -> list[NodeId]:
        """Give the nodes that are away, in order."""
        return sorted(self._peers.away())

    def at_hand(self, partition: PartitionId) -> list[NodeId]:
        """Give the holders that are alive, this node first: where new chunks go."""
        alive = set(self._peers.alive_ids())
        return sorted((node for node in self.holders(partition) if node in alive), key=lambda node: node != self._node)

    def presence(self) -> Mapping[PartitionId, list[NodeId]]:
        """Give ``present`` for every partition (mesh tables left out)."""
        self._refresh()
        return self._present

    def stores(self) -> list[NodeId]:
        """Give the alive nodes that take partitions, in a stable order."""
        alive = set(self._peers.alive_ids())
        return [node for node, place in self.layout.places.items() if place.stores and node in alive]

    def synced(self) -> bool:
        """Tell whether this node has all it owns by the present version."""
        if not self.history.whole:
            return False
        counting = self.sync.counting_bits()
        return not self._shares.owned_by(self._node) & ~counting

    def announced(self) -> str:
        """Give the version that this node has told it has synced with."""
        return self._synced.get(self._node, "")

    def is_first(self) -> bool:
        """Tell whether this node is the first of the layout's that are alive: one does what any could."""
        return next(iter(self.stores()), None) == self._node

    def may_settle(self) -> bool:
        """Tell whether the versions before the present one are over."""
        return self.history.may_settle(self.copies_wanted, self._peers.away())

    def _refresh(self) -> None:
        peers, away = self._peers.alive_ids(), self._peers.away()
        history, wanted = self.history, self.copies_wanted
        same = (
            isinstance(peers, tuple)
            and peers is self._peers_of
            and away is self._away_of
            and history is self._history_of
        )
        if same and wanted == self._wanted_of:
            return
        known_before, self._history_of = self._history_of, history
        self._peers_of, self._away_of, self._wanted_of = peers, away, wanted
        alive = tuple(peers)
        decides = (history.token, wanted, away)
        if self._shares_of != decides:
            layout = self.layout
            self._shares = Shares(history, layout, wanted, away)
            self._shares_of = decides
            known = {node for version in (history.now, *history.bases) for node in version.layout.places}
            gone = f"{wanted}/{','.join(sorted(away & known))}"
            self._token, self._placed = f"{history.token}/{gone}", f"{layout.version}/{gone}"
            self._might = self._who_might(history, wanted, away)
            if layout.places:
                self._sync.refresh(self._shares, history, wanted, away)
        elif history is not known_before:
            self._might = self._who_might(history, wanted, away)
        if self._present_of != (decides, alive):
            for peer in alive:
                if peer not in self._alive and peer != self._node and (peer in self._seen or self._had_a_life):
                    self._sync.returned(peer)
                    if peer in self._seen:
                        self.returned.add(peer)
            self._alive = alive
            self._others = frozenset(alive) - {self._node}
            self._seen.update(alive)
            self._present = self._who_is_there()
            self._present_of = (decides, alive)

    def _who_is_there(self) -> Lazily[list[NodeId]]:
        shares, me, others = self._shares, self._node, self._others
        living = me in self._alive

        def present(partition: PartitionId) -> list[NodeId]:
            takers = shares[partition].takers
            here = [me] if living and me in takers else []
            return [*here, *[node for node in takers if node in others]]

        return Lazily(present)

    def _who_might(self, history: History, copies: int, away: frozenset[NodeId]) -> Lazily[tuple[NodeId, ...]]:
        shares = self._shares

        def might(partition: PartitionId) -> tuple[NodeId, ...]:
            takers = shares[partition].takers
            return tuple(node for node in history.may_hold(partition, copies, away) if node not in takers)

        return Lazily(might)


def _is_over(history: History, name: str) -> bool:
    """Tell whether nothing here goes by a version any more; a node that was removed may not know why it is over."""
    return name not in history.live and name != history.now.id and name not in history.now.parents


def stripped(version: Version) -> Change:
    """Give the change that leaves of a version what it came from."""
    return Change(TABLE, VERSION, version.id, set={"body": None, "parents": version.parents})


def written(version: Version) -> Change:
    """Give the change that makes a version known."""
    return Change(TABLE, VERSION, version.id, set={"body": version.packed})
