"""The catalogue as every node has it: writes anywhere, reads of the whole mesh.

A write is stamped, durable here, and then scattered to the holders of its partition; until they confirm, this node
keeps it and lays it over what it reads. A read asks one present holder of each partition and fails over to the next.

Invariant: a write that returned is in every later answer of this node, and is never forgotten before the holders have
it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

import structlog

from mesh.actors.placement import LayoutView
from mesh.actors.rowstore import RowStore, partition_for
from mesh.actors.system import ActorSystem
from mesh.core.hlc import HybridClock
from mesh.core.query import Key, Page, Query, bits_of, first_page, matches, page_text, partitions_in, sort_key
from mesh.core.rows import MESH_TABLES, Change, Entry, Row, apply, merge, unpack
from mesh.ports import Clock, PortError, Unavailable
from proto.ids import PARTITIONS, NodeId, PartitionId
from proto.messages.catalogue import GetRows, PutRows, Rows, RowsTaken, Scan, Scanned

ACTOR = "catalogue"
PUSH_ROWS_MAX = 128
PUSH_AGAIN_S = 1.0
READ_TIMEOUT_S = 2.0
KEPT_SCAN_MAX = 512

_log = structlog.get_logger("catalogue")


class Catalogue:
    """The catalogue's face on one node."""

    def __init__(self, system: ActorSystem, store: RowStore, view: LayoutView, clock: Clock) -> None:
        self._system = system
        self._store = store
        self._view = view
        self._clock = clock
        self._hlc = HybridClock()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._writers: list[Callable[[tuple[Change, ...]], None]] = []

    async def open(self) -> None:
        """Take up where the node left off, and start pushing what is kept."""
        last = await self._store.meta("hlc")
        if last is not None:
            self._hlc = HybridClock(int(last))
        self._system.supervisor.run("catalogue/push", self._push)

    # ------------------------------------------------------------ writing

    async def write(self, *changes: Change) -> str:
        """Write rows; durable here on return, then scattered. Gives a cursor."""
        async with self._writing:
            stamps = [self._hlc.tick(int(self._clock.wall() * 1000)) for _ in changes]
            node = self._system.node_id

            def make(get: Callable[[str, str, str], Entry | None]) -> list[Entry]:
                made: dict[tuple[str, str, str], Entry] = {}
                for change, stamp in zip(changes, stamps, strict=True):
                    key = (change.table, change.pk, change.sk)
                    made[key] = apply(made.get(key) or get(*key), change, (stamp, node))
                return list(made.values())

            await self._store.update(make, kept=True)
            await self._store.set_meta("hlc", str(self._hlc.last).encode())
        self._wake.set()
        for handler in self._writers:
            handler(changes)
        return f"{stamps[-1]:x}.{node}" if stamps else ""

    def watch(self, table: str, handler: Callable[[Row], None]) -> None:
        """Tell ``handler`` of rows that change on this node, or come to it."""
        self._store.watch(table, lambda entry: handler(entry.row()))

    def on_write(self, handler: Callable[[tuple[Change, ...]], None]) -> None:
        """Tell ``handler`` of what this node itself wrote, once each; it must not wait."""
        self._writers.append(handler)

    async def _push(self) -> None:
        while True:
            self._wake.clear()
            if not await self.push_once():
                try:
                    async with asyncio.timeout(PUSH_AGAIN_S if await self._store.kept(1) else None):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def push_once(self) -> bool:
        """Bring kept rows to their holders; tells whether some were confirmed."""
        kept = await self._store.kept(PUSH_ROWS_MAX)
        wanted: dict[NodeId, list[bytes]] = defaultdict(list)
        missing: dict[bytes, int] = {}
        mine = self._system.node_id
        done: list[bytes] = []
        for packed, partition in kept:
            others = [node for node in self._view.holders(partition) if node != mine]
            present = set(self._view.present(partition))
            missing[packed] = len(others)
            for node in others:
                if node in present:
                    wanted[node].append(packed)
            if not self._view.holders(partition):
                missing[packed] = 1  # no storage node yet: this node keeps it
        for node, rows in wanted.items():
            try:
                await self._system.ask(node, ACTOR, PutRows(tuple(rows)), RowsTaken, timeout_s=5.0)
            except PortError as error:
                _log.debug("rows not taken", peer=node[:8], error=str(error))
                continue
            for packed in rows:
                missing[packed] -= 1
        done = [packed for packed, count in missing.items() if count == 0]
        if done:
            await self._store.confirmed(done, lambda part: mine not in self._view.holders(part))
        return bool(done)

    # ------------------------------------------------------------ reading

    async def get(self, table: str, pk: str, sk: str = "") -> Row | None:
        """Give a row, or None; Unavailable when no holder of its partition answers and it is not here."""
        found = [entry for entry in await self._entries(table, pk, sk) if entry.alive]
        return found[0].row() if found else None

    async def rows(self, table: str, pk: str) -> list[Row]:
        """Give the rows of a key, by sort key."""
        return [entry.row() for entry in await self._entries(table, pk, None) if entry.alive]

    async def rows_of(self, table: str) -> list[Row]:
        """Give every row of a mesh table, which is whole here."""
        assert table in MESH_TABLES, table
        return [entry.row() for entry in await self._store.every(table)]

    async def counts(self) -> tuple[int, int]:
        """Give how many rows are on this node, and how many of its writes no holder has confirmed."""
        return await self._store.count(), await self._store.count_kept()

    async def _entries(self, table: str, pk: str, sk: str | None) -> list[Entry]:
        mine = await self._store.get(table, pk, sk)
        partition = partition_for(table, pk)
        present = self._view.present(partition)
        if table in MESH_TABLES or self._system.node_id in present[:1] or not self._view.layout.places:
            return mine
        failure: PortError = Unavailable(f"no node that holds partition {partition} is reachable")
        for node in present:
            try:
                answer = await self._system.ask(node, ACTOR, GetRows(table, pk, sk), Rows, timeout_s=READ_TIMEOUT_S)
            except PortError as error:
                failure = error
                continue
            return _overlay([unpack(data) for data in answer.rows], mine)
        if mine:
            return mine
        raise failure

    async def scan(self, query: Query) -> Page:
        """Answer a query over the whole mesh. What no holder answers for is missing, and counted."""
        # Before the holders are asked: a row they confirm meanwhile is in this list or in their answer.
        kept = await self._store.kept(KEPT_SCAN_MAX)
        asked: dict[NodeId, list[int]] = defaultdict(list)
        choices: dict[int, list[NodeId]] = {}
        for number in range(PARTITIONS):
            present = self._view.present(PartitionId(number))
            choices[number] = present
            if present:
                asked[present[0]].append(number)
        keyed: dict[tuple[str, str], tuple[Key, Row]] = {}
        total, answered = 0, 0
        tried = 0
        while asked and tried < 4:
            tried += 1
            nodes = list(asked)
            answers = await asyncio.gather(*(self._ask_scan(node, asked[node], query) for node in nodes))
            again: dict[NodeId, list[int]] = defaultdict(list)
            for node, answer in zip(nodes, answers, strict=True):
                failed = asked[node] if answer is None else partitions_in(answer.unsynced)
                if answer is not None:
                    total += answer.total
                    answered += len(asked[node]) - len(failed)
                    for packed, rank in answer.rows:
                        row = unpack(packed).row()
                        keyed[row.pk, row.sk] = (sort_key(row, query.order, rank), row)
                for number in failed:
                    rest = choices[number] = [other for other in choices[number] if other != node]
                    if rest:
                        again[rest[0]].append(number)
            asked = again
        total += await self._lay_over(query, keyed, [packed for packed, _ in kept])
        chosen = first_page(keyed.values(), query)
        following = page_text(chosen[-1][0]) if len(chosen) == query.limit and chosen else ""
        stores = bool(self._view.layout.places)
        return Page(tuple(row for _, row in chosen), following, total, answered if stores else PARTITIONS, PARTITIONS)

    async def _ask_scan(self, node: NodeId, partitions: Sequence[int], query: Query) -> Scanned | None:
        message = Scan(
            query.table,
            bits_of(partitions),
            tuple((where.field, where.op, where.value) for where in query.where),
            query.text,
            query.order,
            query.descending,
            query.limit,
            query.page.encode(),
        )
        try:
            return await self._system.ask(node, ACTOR, message, Scanned, timeout_s=READ_TIMEOUT_S)
        except PortError as error:
            _log.info("scan not answered", peer=node[:8], error=str(error))
            return None

    async def _lay_over(
        self, query: Query, keyed: dict[tuple[str, str], tuple[Key, Row]], kept: Sequence[bytes]
    ) -> int:
        """Lay this node's unconfirmed writes over an answer; gives how many rows it did not have."""
        ranks = await self._store.matching(query.table, query.text) if query.text else {}
        added = 0
        for packed in kept:
            entry = unpack(packed)
            if entry.table != query.table:
                continue
            row, key = entry.row(), (entry.pk, entry.sk)
            known = keyed.pop(key, None)
            if entry.alive and matches(row, query.where) and (not query.text or row.pk in ranks):
                keyed[key] = (sort_key(row, query.order, ranks.get(row.pk, 0.0)), row)
                added += known is None and self._system.node_id not in self._view.holders(
                    partition_for(entry.table, entry.pk)
                )
        return added


def _overlay(entries: list[Entry], mine: list[Entry]) -> list[Entry]:
    known = {entry.sk: entry for entry in entries}
    for entry in mine:
        standing = known.get(entry.sk)
        known[entry.sk] = entry if standing is None else merge(standing, entry)
    return [known[sk] for sk in sorted(known)]
