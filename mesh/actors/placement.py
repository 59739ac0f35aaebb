"""The layout as this node sees it, put together from the mesh table ``layout`` and from who is alive.

Invariant: membership never changes the layout; it only says which of its nodes are away, so that stand-ins come in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import structlog

from mesh.actors.rowstore import RowStore
from mesh.core.hlc import stamp_ms
from mesh.core.placement import Layout, Place, State
from mesh.core.replication import Share, SyncState
from mesh.core.rows import Change, Entry
from proto.codec import Value
from proto.ids import MESH_PARTITION, PARTITIONS, NodeId, PartitionId

_HAD = "synced"
_log = structlog.get_logger("placement")
_ALL = tuple(PartitionId(number) for number in range(PARTITIONS))


class Peers(Protocol):
    """Who is there."""

    def alive_ids(self) -> list[NodeId]:
        """Give the nodes believed alive, this one included, in a stable order."""

    def away(self) -> frozenset[NodeId]:
        """Give the nodes dead for longer than the mesh waits before stand-ins take over."""


class LayoutView:
    """Who holds which partition, and for which of them this node's replica counts.

    ``grants`` tells whether a node may be storage: to one that may not (its ticket did not say so, or it was revoked)
    nothing is given, whatever its row says.
    """

    def __init__(
        self, node: NodeId, peers: Peers, copies_wanted: int, grants: Callable[[NodeId], bool] = lambda _: True
    ) -> None:
        self._node = node
        self._grants = grants
        self._ungranted: set[NodeId] = set()
        self._peers = peers
        self.copies_wanted = copies_wanted
        self._entries: dict[NodeId, Entry] = {}
        self.layout = Layout({})
        self._sync = SyncState(node)
        self._shares: dict[PartitionId, Share] = {}
        self._shares_of: tuple[object, ...] | None = None
        self._token = ""
        self._present: dict[PartitionId, list[NodeId]] = {}
        self._present_of: tuple[object, ...] | None = None
        self._alive: tuple[NodeId, ...] = ()
        self._seen: set[NodeId] = set()
        self.returned: set[NodeId] = set()
        """Peers that came back and were not compared with since."""

    @property
    def sync(self) -> SyncState:
        """Give which replicas of this node count, as of the layout and the peers there are now."""
        self._refresh()
        return self._sync

    async def open(self, store: RowStore) -> None:
        """Read the layout and follow its changes; recall which partitions counted when the node last ran."""
        had = await store.meta(_HAD)
        if had is not None:
            bits = int.from_bytes(had, "little")
            self._sync = SyncState(self._node, frozenset(part for part in _ALL if bits >> part & 1))
        for entry in await store.every("layout"):
            self._take(entry)
        store.watch("layout", self._take)

    async def keep_counting(self, store: RowStore) -> None:
        """Keep, durably, which partitions count."""
        bits = sum(1 << partition for partition in self._sync.counting()).to_bytes(PARTITIONS // 8, "little")
        if bits != await store.meta(_HAD):
            await store.set_meta(_HAD, bits)

    def _take(self, entry: Entry) -> None:
        self._entries[NodeId(entry.pk)] = entry
        self.reconsider()

    def reconsider(self) -> None:
        """Put the layout together anew: a row came, or the mesh grants other nodes the role of storage now."""
        places: dict[NodeId, Place] = {}
        for node, known in self._entries.items():
            if known.alive:
                place = _place(known)
                granted = self._grants(node)
                if not granted and node not in self._ungranted:
                    _log.warning("layout without a node", claimed=node[:8], reason="it may not be storage in this mesh")
                (self._ungranted.discard if granted else self._ungranted.add)(node)
                places[node] = place if granted else replace(place, state="removed")
        if places != self.layout.places:
            self.layout = Layout(places)

    def cut_off(self) -> None:
        """Take note that this node stood still or was alone: what it holds may be behind until it has compared."""
        self._sync.cut_off(self._peers.away())
        self.returned.update(node for node in self._alive if node != self._node)

    def joining(self, capacity_bytes: int, zone: str) -> Change | None:
        """Give the change that puts this node into the layout, or None when it stands there already."""
        if self._node in self.layout.places:
            return None
        fields: dict[str, Value] = {"capacity_bytes": capacity_bytes, "zone": zone, "state": "active", "joined": True}
        return Change("layout", self._node, set=fields)

    def copies(self) -> int:
        """Give how many copies are wanted: the setting, or as many as there are storage nodes."""
        active = sum(1 for place in self.layout.places.values() if place.state == "active")
        return max(1, min(self.copies_wanted, active))

    def token(self) -> str:
        """Name what decides who holds what: the layout, the copies wanted and who is away."""
        self._refresh()
        return self._token

    def shares(self) -> Mapping[PartitionId, Share]:
        """Give who owns and who holds each partition (mesh tables left out)."""
        self._refresh()
        return self._shares

    def counting(self) -> frozenset[PartitionId]:
        """Give the partitions for which this node's replica may answer."""
        return self.sync.counting()

    def held(self) -> frozenset[PartitionId]:
        """Give the partitions this node holds now (mesh tables left out)."""
        return frozenset(part for part, share in self.shares().items() if self._node in share.holders)

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

    def present(self, partition: PartitionId) -> list[NodeId]:
        """Give the holders that are alive, this node first."""
        self._refresh()
        if partition == MESH_PARTITION:
            return sorted(self._alive, key=lambda node: node != self._node)
        return self._present[partition]

    def heir(self, node: NodeId, partition: PartitionId) -> bool:
        """Tell whether this node does what ``node``, which is away, should have done for what is in a partition."""
        alive = frozenset(self._peers.alive_ids())
        present = [one for one in self.holders(partition) if one in alive]
        return node in self._peers.away() and present[:1] == [self._node]

    def gone(self) -> list[NodeId]:
        """Give the nodes that are away, in order."""
        return sorted(self._peers.away())

    def presence(self) -> Mapping[PartitionId, list[NodeId]]:
        """Give the same for every partition (mesh tables left out)."""
        self._refresh()
        return self._present

    def stores(self) -> list[NodeId]:
        """Give the alive nodes of the layout, in a stable order."""
        alive = set(self._peers.alive_ids())
        return [node for node in self.layout.places if node in alive]

    def _refresh(self) -> None:
        alive = tuple(self._peers.alive_ids())
        away = self._peers.away()
        decides = (self.layout, self.copies_wanted, away)
        if self._shares_of != decides:
            wanted, layout = self.copies_wanted, self.layout
            self._shares = {
                part: Share(layout.owners(part, wanted), layout.holders(part, wanted, away)) for part in _ALL
            }
            self._shares_of = decides
            self._token = f"{layout.version}/{wanted}/{','.join(sorted(away & set(layout.places)))}"
            if layout.places:
                self._sync.refresh(self._shares, away, layout.elders(self._node))
        if self._present_of != (decides, alive):
            for peer in alive:
                if peer not in self._alive and peer in self._seen:
                    self._sync.returned(peer)
                    self.returned.add(peer)
            self._alive = alive
            self._seen.update(alive)
            living = set(alive)
            self._present = {
                part: sorted((node for node in share.holders if node in living), key=lambda node: node != self._node)
                for part, share in self._shares.items()
            }
            self._present_of = (decides, alive)


def _place(entry: Entry) -> Place:
    fields = entry.row().fields
    capacity, zone, state = fields.get("capacity_bytes"), fields.get("zone"), fields.get("state")
    known: State = "draining" if state == "draining" else "removed" if state == "removed" else "active"
    joined = entry.fields.get("joined")  # written once: its stamp tells since when
    return Place(
        capacity if isinstance(capacity, int) else 0,
        zone if isinstance(zone, str) else "",
        known,
        stamp_ms(joined[0][0]) if joined is not None else 0,
    )
