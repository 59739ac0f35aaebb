"""The layout as this node sees it, put together from the mesh table ``layout`` and from who is alive.

Invariant: membership never changes the layout; it only says which of its nodes are away, so that stand-ins come in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mesh.actors.rowstore import RowStore
from mesh.core.placement import Layout, Place, State
from mesh.core.rows import Change, Entry
from proto.codec import Value
from proto.ids import MESH_PARTITION, NodeId, PartitionId


class Peers(Protocol):
    """Who is there."""

    def alive_ids(self) -> list[NodeId]:
        """Give the nodes believed alive, this one included, in a stable order."""

    def away(self) -> frozenset[NodeId]:
        """Give the nodes dead for longer than the mesh waits before stand-ins take over."""


class LayoutView:
    """Who holds which partition."""

    def __init__(self, node: NodeId, peers: Peers, copies_wanted: int) -> None:
        self._node = node
        self._peers = peers
        self.copies_wanted = copies_wanted
        self._entries: dict[NodeId, Entry] = {}
        self.layout = Layout({})

    async def open(self, store: RowStore) -> None:
        """Read the layout and follow its changes."""
        for entry in await store.every("layout"):
            self._take(entry)
        store.watch("layout", self._take)

    def _take(self, entry: Entry) -> None:
        self._entries[NodeId(entry.pk)] = entry
        places: dict[NodeId, Place] = {}
        for node, known in self._entries.items():
            if known.alive:
                places[node] = _place(known.row().fields)
        self.layout = Layout(places)

    def joining(self, capacity_bytes: int, zone: str) -> Change | None:
        """Give the change that puts this node into the layout, or None when it stands there already."""
        if self._node in self.layout.places:
            return None
        fields: dict[str, Value] = {"capacity_bytes": capacity_bytes, "zone": zone, "state": "active"}
        return Change("layout", self._node, set=fields)

    def copies(self) -> int:
        """Give how many copies are wanted: the setting, or as many as there are storage nodes."""
        active = sum(1 for place in self.layout.places.values() if place.state == "active")
        return max(1, min(self.copies_wanted, active))

    def owners(self, partition: PartitionId) -> tuple[NodeId, ...]:
        """Give a partition's owners; everybody alive for mesh tables."""
        if partition == MESH_PARTITION:
            return tuple(self._peers.alive_ids())
        return self.layout.owners(partition, self.copies_wanted)

    def holders(self, partition: PartitionId) -> tuple[NodeId, ...]:
        """Give who holds a partition now: owners that are not away, then stand-ins."""
        if partition == MESH_PARTITION:
            return tuple(self._peers.alive_ids())
        return self.layout.holders(partition, self.copies_wanted, self._peers.away())

    def present(self, partition: PartitionId) -> list[NodeId]:
        """Give the holders that are alive, this node first."""
        alive = set(self._peers.alive_ids())
        found = [node for node in self.holders(partition) if node in alive]
        return sorted(found, key=lambda node: node != self._node)

    def stores(self) -> list[NodeId]:
        """Give the alive nodes of the layout, in a stable order."""
        alive = set(self._peers.alive_ids())
        return [node for node in self.layout.places if node in alive]


def _place(fields: Mapping[str, object]) -> Place:
    capacity, zone, state = fields.get("capacity_bytes"), fields.get("zone"), fields.get("state")
    known: State = "draining" if state == "draining" else "removed" if state == "removed" else "active"
    return Place(capacity if isinstance(capacity, int) else 0, zone if isinstance(zone, str) else "", known)
