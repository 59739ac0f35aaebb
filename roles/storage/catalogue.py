"""The actor ``catalogue`` of a node: takes rows, answers reads and scans, and lets its replicas be compared.

A node without the storage role runs it too, for the mesh tables, which are whole everywhere. Invariant: an answer never
passes for whole when this node's replica of a partition does not count (see ``mesh.core.replication.SyncState``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mesh.actors.placement import LayoutView
from mesh.actors.rowsql import Key
from mesh.actors.rowstore import RowStore, partition_for
from mesh.actors.scatter import ACTOR
from mesh.actors.system import ActorSystem, Context
from mesh.core import partitionset
from mesh.core.query import Query, bits_of, partitions_in, where_of
from mesh.core.replication import in_differing
from mesh.core.rows import MESH_TABLES
from mesh.ports import Clock, NotFound, Refused
from proto.ids import NodeId, PartitionId
from proto.messages.catalogue import (
    Compare,
    Compared,
    Differing,
    Digests,
    FetchRows,
    GetRows,
    GetRowsOf,
    ListDiffering,
    ListRows,
    PutRows,
    RowDigests,
    Rows,
    RowsOf,
    RowsTaken,
    Scan,
    Scanned,
)
from roles.storage.compare import Comparer, listed_here, summary_of

LISTED_MAX = 1000
ANSWER_BYTES_MAX = 448 * 1024
"""Bytes of rows after which an answer ends; with the largest row on top it still fits a frame."""


class CatalogueServer:
    """The actor ``catalogue`` of one node."""

    def __init__(self, system: ActorSystem, store: RowStore, view: LayoutView, clock: Clock) -> None:
        self._system = system
        self._store = store
        self._view = view
        self._clock = clock
        self.comparer = Comparer(system, store, view, clock)

    async def open(self) -> None:
        """Begin to serve, and to compare with peers.

        Whether a replica counts is told by the layout, and by what was kept of the last run.
        """
        self._system.spawn(ACTOR, self, mailbox_max=512, concurrency=8)
        self.comparer.open()

    async def held_rows(self) -> int:
        """Count rows held back because their stamps are too far ahead."""
        return await self._store.held()

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Handle one of the catalogue's messages."""
        match message:
            case PutRows():
                now_ms = int(self._clock.wall() * 1000)
                taken = await self._store.take(message.rows, now_ms=now_ms, sender=context.sender)
                if message.layout != self._view.history.token:
                    await self._pass_on(taken.keys)
                return RowsTaken(len(message.rows) - len(taken.held), taken.held, self._view.history.token)
            case GetRows():
                return await self._get(message)
            case GetRowsOf():
                return await self._get_several(message)
            case Scan():
                return await self._scan(message)
            case FetchRows():
                return Rows(tuple(await self._store.fetch(message.keys, ANSWER_BYTES_MAX)))
            case Compare():
                return await self._compare(message, context.sender)
            case Digests():
                mine, bits, layout = await self._digests()
                asked = [(PartitionId(part), value) for part, value in message.digests]
                counting = partitionset.as_set(bits)
                return Differing(
                    tuple(part for part, value in asked if mine.get(part, 0) != value),
                    tuple(part for part, _ in asked if part in counting),
                    layout,
                )
            case ListRows():
                rows = await self._store.listing(PartitionId(message.partition), message.after, LISTED_MAX)
                return RowDigests(tuple(rows), len(rows) == LISTED_MAX)
            case ListDiffering():
                return await self._list_differing(message)
            case _:
                raise NotFound(f"the catalogue takes no {type(message).__name__} from {context.sender[:8]}")

    async def _pass_on(self, keys: Sequence[Key]) -> None:
        """Pass on what came from a node that knows other versions of the layout: it may not know all who take it."""
        view, me = self._view, self._system.node_id
        parts = {key: partition_for(key[0], key[1]) for key in keys if key[0] not in MESH_TABLES}
        moving = view.history.moving
        await self._store.pass_on([key for key, part in parts.items() if moving or me not in view.takers(part)])

    async def _get(self, message: GetRows) -> Rows:
        packed = await self._store.get_packed(
            message.table, message.pk, message.sk, after=message.after, bytes_max=ANSWER_BYTES_MAX
        )
        more = message.sk is None and sum(map(len, packed)) > ANSWER_BYTES_MAX
        partition = partition_for(message.table, message.pk)
        counts = message.table in MESH_TABLES or partition in self._view.counting_by(message.bases)
        return Rows(tuple(packed), more, counts)

    async def _get_several(self, message: GetRowsOf) -> RowsOf:
        several = await self._store.get_several(message.table, message.pks, ANSWER_BYTES_MAX)
        counting = self._view.counting_by(message.bases)
        counts = message.table in MESH_TABLES or all(
            partition_for(message.table, pk) in counting for pk in message.pks[: len(several)]
        )
        return RowsOf(tuple(packed for rows in several for packed in rows), len(several), counts)

    async def _scan(self, message: Scan) -> Scanned:
        asked = [PartitionId(part) for part in partitions_in(message.partitions)]
        counting = self._view.counting_by(message.bases)
        unsynced = [part for part in asked if part not in counting]
        left_out = frozenset() if message.behind else frozenset(unsynced)
        query = Query(
            message.table,
            where_of(message.where),
            message.text,
            message.order,
            message.descending,
            message.limit,
            message.page,
        )
        found = await self._store.scan(query, [part for part in asked if part not in left_out])
        return Scanned(found.packed, found.total, bits_of(unsynced), found.cut, found.exact)

    async def _list_differing(self, message: ListDiffering) -> RowDigests:
        count = len(message.buckets)
        if not count or count & (count - 1):
            raise Refused(f"{count} buckets are no power of two")
        rows = in_differing(await listed_here(self._store, PartitionId(message.partition)), message.buckets)
        after = (*message.after,) if len(message.after) == 3 else ("", "", "")
        keys = sorted(key for key in rows if key > after)[:LISTED_MAX]
        return RowDigests(tuple((*key, rows[key]) for key in keys), len(keys) == LISTED_MAX)

    async def _compare(self, message: Compare, sender: NodeId) -> Compared:
        if message.returned:
            self._view.sync.returned(sender)
        digests, counting, layout = await self._digests()
        parts = partitionset.unpacked(message.partitions)
        same = summary_of(digests, parts, mesh=message.mesh) == message.summary
        if not same or message.returned:
            self.comparer.soon(sender)
        return Compared(same, partitionset.packed(counting & parts), layout=layout)

    async def _digests(self) -> tuple[dict[PartitionId, int], int, str]:
        """Give the digests of what is here, the partitions that count, as bits, and the token of the layout.

        Both as they were all the while the digests were read: else the token is empty, like nobody's. A row that came
        meanwhile was confirmed by what was known when it came, and is not in them.
        """
        layout, counting = self._view.history.token, self._view.sync.counting_bits()
        digests = await self._store.digests()
        counting &= self._view.sync.counting_bits()
        return digests, counting, layout if layout == self._view.history.token else ""
