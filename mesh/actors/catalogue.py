"""The catalogue as every node has it: writes anywhere, reads of the whole mesh.

A write is stamped, durable here, and then passed on to the holders of its partition; until they confirm, this node
keeps it and lays it over what it reads. A read asks one present holder of each partition and fails over to the next.

Invariant: a write that returned is in every later answer of this node, and is never forgotten before the holders have
it. A row's stamps are later than all this node had read of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from mesh.actors.hedge import hedged
from mesh.actors.passing import ACTOR as WRITES
from mesh.actors.passing import READABLE_WAIT_S, Passing
from mesh.actors.placement import LayoutView
from mesh.actors.rowsql import Key, partition_for
from mesh.actors.rowstore import HLC, RowStore
from mesh.actors.scatter import ACTOR, Scatter
from mesh.actors.system import ActorSystem
from mesh.core.query import Page, Query
from mesh.core.rows import MESH_TABLES, Change, Entry, Row, apply, check, merge, unpack
from mesh.ports import Clock, PortError, Refused, Unavailable
from proto.ids import NodeId
from proto.messages.catalogue import GetRows, GetRowsOf, Rows, RowsOf, WaitForWrites, WritesReadable

READ_TIMEOUT_S = 5.0
READ_HEDGE_S = 0.4
SETTLE_EVERY_S = 5.0
WRITE_TRIES = 8
CHANGES_MAX = 4096
SEVERAL_MAX = 256
"""Keys asked for at once."""
_NOTE = "note "

__all__ = ["ACTOR", "Catalogue"]

_log = structlog.get_logger("catalogue")


class Catalogue:
    """The catalogue's face on one node."""

    def __init__(self, system: ActorSystem, store: RowStore, view: LayoutView, clock: Clock) -> None:
        self._system = system
        self._store = store
        self._view = view
        self._clock = clock
        self._passing = Passing(system, store, view, clock)
        self._scatter = Scatter(system, store, view, self._passing.has)
        self._writing = asyncio.Lock()
        self._writers: list[Callable[[tuple[Change, ...]], None]] = []

    async def open(self) -> None:
        """Start passing on what the journal holds, and minding the clock."""
        self._passing.open()
        self._system.supervisor.run("catalogue/clock", self._mind_clock)

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)

    # ------------------------------------------------------------ writing

    async def write(self, *changes: Change) -> str:
        """Write rows; durable here on return, then passed on. Gives a cursor that any node's reads may wait for.

        Refused when a change could not be a row. Unavailable when elements are to be removed from the set of a row that
        nobody who holds it can be asked for: they cannot be named without having been seen.
        """
        if len(changes) > CHANGES_MAX:
            raise Refused(f"{len(changes)} changes at once are over {CHANGES_MAX}")
        for change in changes:
            check(change)
        seen = await self._seen_of([change for change in changes if change.remove and not change.delete])
        node = self._system.node_id
        async with self._writing:
            await self._pull_back()
            for _ in range(WRITE_TRIES):
                stamps = [self._store.hlc.tick(self._now_ms()) for _ in changes]

                def make(get: Callable[[Key], Entry | None], stamps: list[int] = stamps) -> list[tuple[Entry, int]]:
                    made: dict[Key, tuple[Entry, int]] = {}
                    for change, stamp in zip(changes, stamps, strict=True):
                        key = (change.table, change.pk, change.sk)
                        base = made[key][0] if key in made else _joined(get(key), seen.get(key))
                        made[key] = (apply(base, change, (stamp, node)), stamp)
                    return list(made.values())

                behind = await self._store.write(make, {HLC: str(self._store.hlc.last).encode()})
                if behind is None:
                    break
                # A standing row is newer than this node's clock: the write must come after it.
                self._store.hlc.last = max(self._store.hlc.last, behind)
            else:
                raise Unavailable("the rows are being changed too often; try again")
        self._passing.wake()
        for handler in self._writers:
            handler(changes)
        return f"{stamps[-1]:x}.{node}" if stamps else ""

    async def _seen_of(self, changes: list[Change]) -> Mapping[Key, Entry]:
        """Give the standing rows that elements are removed from, where this node does not hold them."""
        found: dict[Key, Entry] = {}
        for change in changes:
            for entry in await self._entries(change.table, change.pk, change.sk):
                found[entry.key] = entry
        return found

    async def _pull_back(self) -> None:
        now_ms = self._now_ms()
        if self._store.hlc.runs_ahead(now_ms):
            count = await self._store.stamp_again(self._system.node_id, now_ms)
            _log.warning("this node's clock was ahead: rows no peer would take were stamped again", rows=count)

    async def _mind_clock(self) -> None:
        while True:
            await asyncio.sleep(SETTLE_EVERY_S)
            now_ms = self._now_ms()
            if self._store.hlc.runs_ahead(now_ms):
                async with self._writing:
                    await self._pull_back()
                self._passing.wake()
            await self._store.release(now_ms)

    async def note(self, name: str, value: bytes) -> None:
        """Keep a private note of this node, durably: what it must know when it starts and nobody answers."""
        await self._store.set_meta(_NOTE + name, value)

    async def noted(self, name: str) -> bytes | None:
        """Give a private note, or None."""
        return await self._store.meta(_NOTE + name)

    def watch(self, table: str, handler: Callable[[Row], None]) -> None:
        """Tell ``handler`` of rows that change on this node, or come to it."""
        self._store.watch(table, lambda entry: handler(entry.row()))

    def on_write(self, handler: Callable[[tuple[Change, ...]], None]) -> None:
        """Tell ``handler`` of what this node itself wrote, once each; it must not wait."""
        self._writers.append(handler)

    # ------------------------------------------------------------ reading

    async def get(self, table: str, pk: str, sk: str = "") -> Row | None:
        """Give a row, or None; Unavailable when no holder of its partition answers and it is not here."""
        found = await self.state(table, pk, sk)
        return found.row() if found is not None and found.alive else None

    async def state(self, table: str, pk: str, sk: str = "") -> Entry | None:
        """Give a row's whole state as ``get`` sees it, a tombstone too, or None."""
        found = await self._entries(table, pk, sk)
        return found[0] if found else None

    async def surely(self, table: str, pk: str, sk: str = "") -> Entry | None:
        """Give a row's whole state, a tombstone too, or None when there is surely none; as ``surely_all``."""
        found = await self._surely(table, pk, sk)
        return found[0] if found else None

    async def surely_all(self, table: str, pk: str) -> list[Row]:
        """Give all living rows of a key, by sort key.

        Unavailable when no replica that counts answers: an absence is believed of none that may be behind.
        """
        return [entry.row() for entry in await self._surely(table, pk, None) if entry.alive]

    async def _surely(self, table: str, pk: str, sk: str | None) -> list[Entry]:
        partition = partition_for(table, pk)
        me, here = self._system.node_id, await self._store.get(table, pk, sk)
        present = self._view.present(partition)
        if table in MESH_TABLES or (me in present and self._view.sync.counts(partition)):
            return here
        for node in present:
            if node == me:
                continue
            try:
                found, counts = await self._fetch(node, table, pk, sk)
            except PortError:
                continue
            if counts:
                known = {entry.sk: entry for entry in here}
                known.update({entry.sk: _joined(entry, known.get(entry.sk)) or entry for entry in found})
                return [known[key] for key in sorted(known)]
        raise Unavailable(f"no replica of partition {partition} that counts answers")

    async def rows(self, table: str, pk: str) -> list[Row]:
        """Give the rows of a key, by sort key."""
        return [entry.row() for entry in await self._entries(table, pk, None) if entry.alive]

    async def rows_of_several(self, table: str, pks: Sequence[str]) -> dict[str, list[Row]]:
        """Give the rows of several keys, by sort key: one ask a node. Keys nobody can be asked for are left out."""
        keys = list(dict.fromkeys(pks))
        mine = dict(zip(keys, await self._store.get_several(table, keys), strict=True))
        found: dict[str, list[Row]] = {}
        elsewhere: dict[NodeId, list[str]] = {}
        me = self._system.node_id
        for pk in keys:
            partition = partition_for(table, pk)
            present = self._view.present(partition) if self._view.layout.places else []
            here = me in present and self._view.sync.counts(partition)
            others = [node for node in present if node != me]
            if table in MESH_TABLES or here or not others:
                found[pk] = [entry.row() for entry in map(unpack, mine[pk]) if entry.alive]
            else:
                elsewhere.setdefault(others[0], []).append(pk)
        asked = [
            (node, pks[at : at + SEVERAL_MAX])
            for node, pks in elsewhere.items()
            for at in range(0, len(pks), SEVERAL_MAX)
        ]
        for told in await asyncio.gather(*(self._fetch_several(node, table, pks, mine) for node, pks in asked)):
            found |= told
        for pk in keys:
            if pk not in found:  # slow, behind, too large for one answer: by itself, of whoever has it
                with contextlib.suppress(PortError):
                    found[pk] = await self.rows(table, pk)
        return found

    async def _fetch_several(
        self, node: NodeId, table: str, pks: Sequence[str], mine: Mapping[str, Sequence[bytes]]
    ) -> dict[str, list[Row]]:
        """Ask one node for the rows of several keys, with what is known here over them; only what it surely knows."""
        try:
            message = GetRowsOf(table, tuple(pks), self._view.bases())
            answer = await self._system.ask(node, ACTOR, message, RowsOf, timeout_s=READ_HEDGE_S)
        except PortError:
            return {}
        if not answer.counts:
            return {}
        known: dict[str, dict[str, Entry]] = {
            pk: {entry.sk: entry for entry in map(unpack, mine[pk])} for pk in pks[: answer.keys]
        }
        for entry in map(unpack, answer.rows):
            if entry.pk in known:
                known[entry.pk][entry.sk] = _joined(entry, known[entry.pk].get(entry.sk)) or entry
        return {pk: [those[sk].row() for sk in sorted(those) if those[sk].alive] for pk, those in known.items()}

    async def rows_of(self, table: str) -> list[Row]:
        """Give every row of a mesh table, which is whole here."""
        assert table in MESH_TABLES, table
        return [entry.row() for entry in await self._store.every(table)]

    async def oldest_waiting_ms(self, table: str | None, peer: NodeId) -> int | None:
        """Give when this node wrote (UTC) the oldest row of a table, or of any, that a peer is to hold and lacks."""
        return await self._passing.oldest_waiting_ms(table, peer)

    async def counts(self) -> tuple[int, int]:
        """Give how many rows are on this node, and how many of its writes a holder has not confirmed."""
        return await self._store.count(), await self._store.journal_count()

    async def scan(self, query: Query) -> Page:
        """Answer a query over the whole mesh. What no holder answers for is missing, and counted.

        ``query.after``: a write's cursor that the answer must include; ``stale`` when it may not, after 1 s.
        """
        stale = bool(query.after) and not await self._includes(query.after)
        page = await self._scatter.scan(query)
        return replace(page, stale=stale or page.stale)

    async def _includes(self, cursor: str) -> bool:
        stamp, _, writer = cursor.partition(".")
        try:
            wanted = WaitForWrites(int(stamp, 16))
        except ValueError as error:
            raise Refused("not a cursor of a write") from error
        if writer == self._system.node_id:
            return True  # own writes are laid over
        try:
            answer = await self._system.ask(
                NodeId(writer), WRITES, wanted, WritesReadable, timeout_s=READABLE_WAIT_S + 0.5
            )
        except PortError:
            return False
        return answer.readable

    async def _entries(self, table: str, pk: str, sk: str | None) -> list[Entry]:
        mine = await self._store.get(table, pk, sk)
        partition = partition_for(table, pk)
        if table in MESH_TABLES or not self._view.layout.places:
            return mine
        present = self._view.present(partition)
        if self._system.node_id in present and self._view.sync.counts(partition):
            return mine
        others = [node for node in present if node != self._system.node_id]
        answers, failures = await hedged(
            others,
            lambda node: self._fetch(node, table, pk, sk),
            after_s=READ_HEDGE_S,
            enough=lambda answer: answer[1],
        )
        if not answers and not mine and self._system.node_id not in present:
            told = "; ".join(f"{node[:8]}: {error}" for node, error in failures.items())
            raise Unavailable(f"no node that holds partition {partition} is reachable ({told or 'none is there'})")
        known = {entry.sk: entry for entry in mine}
        for entries, _ in answers:
            self._store.seen(entries, self._now_ms())
            for entry in entries:
                known[entry.sk] = _joined(entry, known.get(entry.sk)) or entry
        return [known[key] for key in sorted(known)]

    async def _fetch(self, node: NodeId, table: str, pk: str, sk: str | None) -> tuple[list[Entry], bool]:
        """Give a node's rows of a key, and whether none can be missing."""
        found: list[Entry] = []
        counts, after, bases = True, "", self._view.bases()
        while True:
            message = GetRows(table, pk, sk, after, bases)
            answer = await self._system.ask(node, ACTOR, message, Rows, timeout_s=READ_TIMEOUT_S)
            found += [unpack(data) for data in answer.rows]
            counts = counts and answer.counts
            if not answer.more or not answer.rows:
                return found, counts
            after = found[-1].sk


def _joined(one: Entry | None, other: Entry | None) -> Entry | None:
    if one is None or other is None:
        return one or other
    return merge(one, other)
