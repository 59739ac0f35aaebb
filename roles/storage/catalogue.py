"""The catalogue's partitions on this node: takes rows, answers reads and scans, and compares itself with its peers.

A node without the storage role runs it too, for the mesh tables, which are whole everywhere. Invariant: a partition
counts as synced only after this node has compared it with another synced holder since it started or was cut off, or
when no other node has ever held it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from mesh.actors.catalogue import ACTOR
from mesh.actors.placement import LayoutView
from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem, Context
from mesh.core.hlc import AHEAD_MS_MAX, stamp_ms
from mesh.core.query import Query, bits_of, first_page, matches, partitions_in, sort_key, where_of
from mesh.core.rows import pack, unpack
from mesh.ports import Channel, Clock, NotFound, PortError, Refused
from proto.ids import MESH_PARTITION, PARTITIONS, NodeId, PartitionId
from proto.messages.catalogue import (
    Differing,
    Digests,
    FetchRows,
    GetRows,
    ListRows,
    PutRows,
    RowDigests,
    Rows,
    RowsTaken,
    Scan,
    Scanned,
)

COMPARE_EVERY_S = 10.0
LISTED_MAX = 2000
FETCHED_MAX = 64

_log = structlog.get_logger("storage.catalogue")


class CatalogueServer:
    """The actor ``catalogue`` of one node."""

    def __init__(self, system: ActorSystem, store: RowStore, view: LayoutView, clock: Clock) -> None:
        self._system = system
        self._store = store
        self._view = view
        self._clock = clock
        self.synced: set[PartitionId] = set()
        self._wake = asyncio.Event()
        self.held_rows = 0

    async def open(self, *, first_start: bool) -> None:
        """Begin to serve; on a node's first start in a mesh what it owns is synced, for it is new to all."""
        if first_start or not [node for node in self._view.layout.places if node != self._system.node_id]:
            self.synced = {PartitionId(number) for number in range(PARTITIONS + 1)}
        self._system.spawn(ACTOR, self, mailbox_max=512, concurrency=8)
        self._system.watch_links(self._on_link)
        self._system.supervisor.run("catalogue/compare", self._compare)

    def _on_link(self, peer: NodeId, up: bool) -> None:
        del peer
        if up:
            self._wake.set()

    def cut_off(self) -> None:
        """Take note that this node was alone, so that what it holds may be behind."""
        self.synced.clear()

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Handle one of the catalogue's messages."""
        match message:
            case PutRows():
                return await self._take(message.rows)
            case GetRows():
                entries = await self._store.get(message.table, message.pk, message.sk)
                return Rows(tuple(pack(entry) for entry in entries))
            case Scan():
                return await self._scan(message)
            case Digests():
                return await self._differing(message)
            case ListRows():
                rows = await self._store.listing(PartitionId(message.partition), message.after, LISTED_MAX)
                return RowDigests(tuple(rows), len(rows) == LISTED_MAX)
            case FetchRows():
                return Rows(tuple(await self._store.fetch(message.keys)))
            case _:
                raise NotFound(f"the catalogue takes no {type(message).__name__} from {context.sender[:8]}")

    async def _take(self, packed: tuple[bytes, ...]) -> RowsTaken:
        now_ms = int(self._clock.wall() * 1000)
        for data in packed:
            if stamp_ms(unpack(data).newest[0]) > now_ms + AHEAD_MS_MAX:
                self.held_rows += 1
                raise Refused("a row is stamped more than 60 s ahead of this node's time; its writer keeps it")
        await self._store.take(packed)
        return RowsTaken(len(packed))

    async def _scan(self, message: Scan) -> Scanned:
        asked = set(partitions_in(message.partitions))
        query = Query(
            message.table,
            where_of(message.where),
            message.text,
            message.order,
            message.descending,
            message.limit,
            message.page.decode(),
        )
        ranks = await self._store.matching(query.table, query.text) if query.text else {}
        found = []
        for entry in await self._store.every(query.table, asked.__contains__):
            if query.text and entry.pk not in ranks:
                continue
            row = entry.row()
            if matches(row, query.where):
                found.append((sort_key(row, query.order, ranks.get(row.pk, 0.0)), row, entry))
        chosen = first_page(((key, row) for key, row, _ in found), query)
        packed = {(row.pk, row.sk): pack(entry) for _, row, entry in found}
        unsynced = bits_of(number for number in sorted(asked) if number not in self.synced)
        return Scanned(
            tuple((packed[row.pk, row.sk], ranks.get(row.pk, 0.0)) for _, row in chosen), len(found), unsynced
        )

    # ------------------------------------------------------------ comparing with peers

    async def _differing(self, message: Digests) -> Differing:
        mine = await self._store.digests()
        different, synced = [], []
        for number, value, _ in message.digests:
            partition = PartitionId(number)
            if partition in self.synced:
                synced.append(number)
            if mine.get(partition, 0) != value:
                different.append(number)
        return Differing(tuple(different), tuple(synced))

    async def _compare(self) -> None:
        while True:
            self._wake.clear()
            await self.compare_once()
            try:
                async with asyncio.timeout(COMPARE_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def compare_once(self) -> None:
        """Compare every partition held here with each other present holder, and fetch and give what differs."""
        mine = self._system.node_id
        shared: dict[NodeId, list[PartitionId]] = {}
        alone: list[PartitionId] = []
        for number in (*range(PARTITIONS), MESH_PARTITION):
            partition = PartitionId(number)
            if mine not in self._view.holders(partition):
                self.synced.discard(partition)
                continue
            others = [node for node in self._view.present(partition) if node != mine]
            for node in others:
                shared.setdefault(node, []).append(partition)
            if not others and set(self._view.owners(partition)) <= {mine}:
                alone.append(partition)
        self.synced.update(alone)
        for node, partitions in shared.items():
            try:
                await self._compare_with(node, partitions)
            except PortError as error:
                _log.info("not compared", peer=node[:8], error=str(error))

    async def _compare_with(self, node: NodeId, partitions: list[PartitionId]) -> None:
        digests = await self._store.digests()
        told = Digests(tuple((part, digests.get(part, 0), part in self.synced) for part in partitions))
        answer = await self._system.ask(node, ACTOR, told, Differing, timeout_s=5.0, channel=Channel.CONTROL)
        theirs = set(answer.synced)
        for number in answer.partitions:
            await self._reconcile(node, PartitionId(number))
        for partition in partitions:
            # Two that both wait for a synced peer have now seen all there is between them.
            if partition in theirs or (partition not in self.synced and self._all_compared(partition, node)):
                self.synced.add(partition)

    def _all_compared(self, partition: PartitionId, node: NodeId) -> bool:
        owners = set(self._view.owners(partition))
        return owners <= {self._system.node_id, node}

    async def _reconcile(self, node: NodeId, partition: PartitionId) -> None:
        theirs: dict[tuple[str, str, str], int] = {}
        after: tuple[str, ...] = ()
        more = True
        while more:
            page = await self._system.ask(node, ACTOR, ListRows(partition, after), RowDigests)
            theirs.update({(table, pk, sk): value for table, pk, sk, value in page.rows})
            more = page.more
            after = page.rows[-1][:3] if page.rows else ()
        mine: dict[tuple[str, str, str], int] = {}
        after = ()
        while True:
            listed = await self._store.listing(partition, after, LISTED_MAX)
            mine.update({(table, pk, sk): value for table, pk, sk, value in listed})
            if len(listed) < LISTED_MAX:
                break
            after = listed[-1][:3]
        wanted = [key for key, value in theirs.items() if mine.get(key) != value]
        for at in range(0, len(wanted), FETCHED_MAX):
            rows = await self._system.ask(node, ACTOR, FetchRows(tuple(wanted[at : at + FETCHED_MAX])), Rows)
            await self._store.take(rows.rows)
        given = [key for key, value in mine.items() if theirs.get(key) != value]
        for at in range(0, len(given), FETCHED_MAX):
            packed = await self._store.fetch(given[at : at + FETCHED_MAX])
            await self._system.ask(node, ACTOR, PutRows(tuple(packed)), RowsTaken)
