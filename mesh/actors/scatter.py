"""Answering a query over the whole mesh: one replica a partition, one ask a node, sorted pages merged.

Decides whom to ask, whom next when one fails, is slow or does not count, and how this node's writes that are not
confirmed yet are laid over the answer. Invariants: each partition is answered for by exactly one replica, so nothing is
counted twice, and ``partitions_ok`` counts only replicas that count; what this node has written is in its answers, for
its unconfirmed writes are read before anybody is asked: one that is confirmed meanwhile is in both, never in neither.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from mesh.actors.placement import LayoutView
from mesh.actors.rowsql import Key as RowKey
from mesh.actors.rowsql import partition_for, words_match
from mesh.actors.rowstore import Journaled, RowStore
from mesh.actors.system import ActorSystem
from mesh.core.query import Key, Page, Query, bits_of, checked, matches, page_key, page_text, partitions_in, sort_key
from mesh.core.rows import Entry, Row, merge, unpack
from mesh.ports import PortError
from proto.ids import PARTITIONS, NodeId, PartitionId
from proto.messages.catalogue import FetchRows, Rows, Scan, Scanned

ACTOR = "catalogue"
SCAN_TIMEOUT_S = 5.0
HEDGE_S = 0.4
"""A node that has not answered by then has its partitions asked of the next replicas too."""
ROUNDS_MAX = 4
OVERLAY_ROWS_MAX = 4096
OVERLAY_BYTES_MAX = 8 << 20
"""Own writes laid over an answer; with more waiting, the oldest are, and the answer says that it is stale."""
JOURNAL_PAGE = 512
FETCH_MAX = 256

_log = structlog.get_logger("catalogue.scan")

Choices = Mapping[PartitionId, list[NodeId]]
Has = Callable[[NodeId, Journaled], bool]
"""Whether a node has confirmed a row of this node's journal."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A row as read once: its whole state, what readers see, its rank and its place in the order asked for."""

    entry: Entry
    row: Row
    rank: float
    place: Key


@dataclass(slots=True)
class _Gathered:
    bases: tuple[str, ...]
    """The versions of the layout by which those who are asked were chosen."""
    answers: list[Iterator[_Shown]] = field(default_factory=list)
    """Of each answer the rows, read as they are wanted: a page needs few of what all nodes sent."""
    total: int = 0
    exact: bool = True
    ok: int = 0
    more: bool = False
    bound: Key | None = None
    by: dict[PartitionId, NodeId] = field(default_factory=dict)


class Scatter:
    """Asks the mesh."""

    def __init__(self, system: ActorSystem, store: RowStore, view: LayoutView, has: Has) -> None:
        self._system = system
        self._store = store
        self._view = view
        self._has = has

    async def scan(self, query: Query) -> Page:
        """Answer a query. What no replica answers for is missing, and counted."""
        checked(query)
        presence = self._view.presence()
        gathered = _Gathered(self._view.bases())
        own, all_own = await self._own(query.table, presence)
        if self._view.layout.places:
            await self._gather(query, gathered, presence)
        else:
            gathered.ok = PARTITIONS  # nobody stores yet: what this node wrote is all there is
        mine = {row.key: unpack(row.packed) for row in own if gathered.by.get(row.partition) != self._system.node_id}
        if mine:
            found = iter(await self._laid_over(query, gathered, mine))
        else:
            found = heapq.merge(*gathered.answers, key=lambda one: one.place, reverse=query.descending)
        chosen = _page(found, query, gathered.bound)
        more = gathered.more or len(chosen) > query.limit
        chosen = chosen[: query.limit]
        following = page_text(chosen[-1].place) if more and chosen else ""
        rows = tuple(one.row for one in chosen)
        total = max(gathered.total, len(rows))
        return Page(rows, following, total, gathered.ok, PARTITIONS, not all_own, gathered.exact)

    # ------------------------------------------------------------ asking

    async def _gather(self, query: Query, gathered: _Gathered, presence: Choices) -> None:
        counting, me = self._view.counting(), self._system.node_id
        choices = {
            part: [*nodes[1:], me] if part not in counting and nodes[:1] == [me] else nodes
            for part, nodes in presence.items()
        }
        behind: list[PartitionId] = []
        todo = list(choices)
        for _ in range(ROUNDS_MAX):
            groups = _grouped(todo, choices)
            answers = await asyncio.gather(
                *(self._group(node, parts, choices, query, gathered.bases) for node, parts in groups.items())
            )
            todo = []
            for answer in answers:
                for node, parts, scanned in answer:
                    failed = parts if scanned is None else [PartitionId(p) for p in partitions_in(scanned.unsynced)]
                    if scanned is not None:
                        unanswered = set(failed)
                        answered = [part for part in parts if part not in unanswered]
                        self._add(query, gathered, node, answered, scanned)
                        gathered.ok += len(answered)
                        behind += failed
                    for part in failed:
                        choices[part] = [other for other in choices[part] if other != node]
                    todo += [part for part in failed if choices[part]]
            if not todo:
                break
        missing = [part for part in behind if part not in gathered.by]
        if missing:
            # No replica of these counts: what there is is shown, but not counted as an answer.
            groups = _grouped(missing, presence)
            late = await asyncio.gather(
                *(self._ask(node, parts, query, gathered.bases, behind=True) for node, parts in groups.items())
            )
            for (node, parts), scanned in zip(groups.items(), late, strict=True):
                if scanned is not None:
                    self._add(query, gathered, node, parts, scanned)

    def _add(
        self, query: Query, gathered: _Gathered, node: NodeId, parts: Sequence[PartitionId], scanned: Scanned
    ) -> None:
        gathered.total += scanned.total
        gathered.exact = gathered.exact and scanned.exact
        gathered.more = gathered.more or scanned.cut or len(scanned.rows) == query.limit
        gathered.by.update(dict.fromkeys(parts, node))
        gathered.answers.append(_shown(unpack(packed), rank, query) for packed, rank in scanned.rows)
        if scanned.cut and scanned.rows:
            packed, rank = scanned.rows[-1]
            last, standing = _shown(unpack(packed), rank, query).place, gathered.bound
            if standing is None or _follows(standing, last, query.descending):
                gathered.bound = last

    async def _group(
        self, node: NodeId, parts: list[PartitionId], choices: Choices, query: Query, bases: tuple[str, ...]
    ) -> list[tuple[NodeId, list[PartitionId], Scanned | None]]:
        """Ask a node; once it is slow, ask the next replicas of the same partitions too and take who is first."""
        first = asyncio.ensure_future(self._ask(node, parts, query, bases))
        second: asyncio.Future[list[Scanned | None]] | None = None
        try:
            await asyncio.wait([first], timeout=HEDGE_S)
            if first.done():
                return [(node, parts, first.result())]
            nexts = _grouped(parts, {part: [other for other in choices[part] if other != node] for part in parts})
            if sum(len(those) for those in nexts.values()) < len(parts):
                return [(node, parts, await first)]
            second = asyncio.ensure_future(self._ask_each(nexts, query, bases))
            either: list[asyncio.Future[Any]] = [first, second]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if first.done() and first.result() is not None:
                return [(node, parts, first.result())]
            given = await second
            if None not in given or first.done():
                return [(other, those, one) for (other, those), one in zip(nexts.items(), given, strict=True)]
            return [(node, parts, await first)]
        finally:
            for task in (first, second):
                if task is not None and not task.done():
                    task.cancel()

    async def _ask_each(
        self, parts: Mapping[NodeId, list[PartitionId]], query: Query, bases: tuple[str, ...]
    ) -> list[Scanned | None]:
        """Ask several nodes at once. A task of its own: a bare gather that is cancelled logs an error."""
        return await asyncio.gather(*(self._ask(node, those, query, bases) for node, those in parts.items()))

    async def _ask(
        self,
        node: NodeId,
        partitions: Sequence[PartitionId],
        query: Query,
        bases: tuple[str, ...],
        *,
        behind: bool = False,
    ) -> Scanned | None:
        message = Scan(
            query.table,
            bits_of(partitions),
            tuple((where.field, where.op, where.value) for where in query.where),
            query.text,
            query.order,
            query.descending,
            query.limit,
            query.page,
            behind,
            bases,
        )
        try:
            return await self._system.ask(node, ACTOR, message, Scanned, timeout_s=SCAN_TIMEOUT_S)
        except PortError as error:
            _log.info("scan not answered", peer=node[:8], error=str(error))
            return None

    # ------------------------------------------------------------ own writes

    async def _own(self, table: str, presence: Choices) -> tuple[list[Journaled], bool]:
        """Give this node's writes that one who may be asked has not confirmed, and whether these are all."""
        me = self._system.node_id
        found: list[Journaled] = []
        place, size = 0, 0
        while rows := await self._store.journal_of(table, place, JOURNAL_PAGE, OVERLAY_BYTES_MAX):
            place = rows[-1].seq
            for row in rows:
                present = presence.get(row.partition)
                if present and all(node == me or self._has(node, row) for node in present):
                    continue
                if len(found) >= OVERLAY_ROWS_MAX or size > OVERLAY_BYTES_MAX:
                    return found, False
                found.append(row)
                size += len(row.packed)
        return found, True

    async def _laid_over(self, query: Query, gathered: _Gathered, mine: Mapping[RowKey, Entry]) -> list[_Shown]:
        """Lay this node's unconfirmed writes over the answers; gives all rows in order."""
        rows = {one.entry.key: one for answer in gathered.answers for one in answer}
        theirs = await self._standing([key for key in mine if key not in rows], gathered)
        ranks = await self._store.matching(query.table, query.text) if query.text else {}
        for key, own in mine.items():
            shown = rows.pop(key, None)
            standing = shown.entry if shown is not None else theirs.get(key)
            whole = own if standing is None else merge(standing, own)
            before = standing is not None and _wanted(standing, query)
            now = _wanted(whole, query)
            gathered.total += int(now) - int(before)
            if now:
                rank = ranks.get((key[1], key[2]), shown.rank if shown is not None else 0.0)
                rows[key] = _shown(whole, rank, query)
        return sorted(rows.values(), key=lambda one: one.place, reverse=query.descending)

    async def _standing(self, keys: Sequence[RowKey], gathered: _Gathered) -> dict[RowKey, Entry]:
        """Give what the replicas that answered have of rows: an own write may be of one field alone."""
        wanted: dict[NodeId, list[RowKey]] = {}
        for key in keys:
            node = gathered.by.get(partition_for(key[0], key[1]))
            if node is not None:
                wanted.setdefault(node, []).append(key)
        found: dict[RowKey, Entry] = {}
        for node, those in wanted.items():
            try:
                for at in range(0, len(those), FETCH_MAX):
                    message = FetchRows(tuple(those[at : at + FETCH_MAX]))
                    answer = await self._system.ask(node, ACTOR, message, Rows, timeout_s=SCAN_TIMEOUT_S)
                    found.update((entry.key, entry) for entry in map(unpack, answer.rows))
            except PortError as error:
                _log.info("rows not fetched", peer=node[:8], error=str(error))
        return found


def _page(found: Iterator[_Shown], query: Query, bound: Key | None) -> list[_Shown]:
    """Give the first rows of a page, in order and once each, and one more if there is one; ``bound``: none beyond."""
    after = page_key(query.page)
    chosen: dict[RowKey, _Shown] = {}
    for one in found:
        if len(chosen) > query.limit or (bound is not None and _follows(one.place, bound, query.descending)):
            break
        if after is None or _follows(one.place, after, query.descending):
            chosen.setdefault(one.entry.key, one)
    return list(chosen.values())


def _shown(entry: Entry, rank: float, query: Query) -> _Shown:
    row = entry.row()
    return _Shown(entry, row, rank, sort_key(row, query.order, rank))


def _wanted(entry: Entry, query: Query) -> bool:
    row = entry.row()
    return entry.alive and matches(row, query.where) and (not query.text or words_match(row, query.text))


def _follows(key: Key, after: Key, descending: bool) -> bool:
    return key < after if descending else key > after


def _grouped(
    partitions: Sequence[PartitionId], choices: Mapping[PartitionId, list[NodeId]]
) -> dict[NodeId, list[PartitionId]]:
    groups: dict[NodeId, list[PartitionId]] = {}
    for part in partitions:
        if choices.get(part):
            groups.setdefault(choices[part][0], []).append(part)
    return groups
