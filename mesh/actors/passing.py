"""Passing on what the journal holds: every row to all who take its partition's rows, then out of the journal.

Each peer has a place in the journal up to which it has confirmed; a slow or dead one holds up nobody else. Rows in the
journal are own writes, and rows of partitions this node no longer holds.

Who takes a partition's rows is what the layout says, and a peer may know another one than this node. One that knows
more may have brought a newcomer up to date before the row came, one that knows less may do so with others than those
this node gives it to: what it took counts once both know the same, for then both give what they have to the same.

A node that holds a partition by a version it knows and has not heard of those after it, or that it is over, goes on
answering, and gets no rows any more: so nothing is readable, either, before all such who are alive have shown that they
know the same.

Invariant: a row leaves the journal only once every taker of its partition has confirmed it, durably, and known the
same layout: the holders by every version that is live; and nobody who is alive answers without it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import structlog

from mesh.actors.placement import LayoutView
from mesh.actors.rowstore import Journaled, RowStore
from mesh.actors.system import ActorSystem, Context
from mesh.core.hlc import stamp_ms
from mesh.ports import Clock, NotFound, PortError
from proto.ids import MESH_PARTITION, NodeId, PartitionId
from proto.messages.catalogue import PutRows, RowsTaken, WaitForWrites, WritesReadable

ACTOR = "writes"
CATALOGUE = "catalogue"
PUSH_ROWS_MAX = 256
PUSH_BYTES_MAX = 384 * 1024
PUSH_AGAIN_S = 1.0
PUSH_TIMEOUT_S = 5.0
HELD_AGAIN_S = 30.0
"""How long until rows that a peer held for their stamps are offered to it again."""
CONFIRM_ROWS = 512
READABLE_WAIT_S = 1.0
UNLIKE_AGAIN_S = 0.2
"""How long until a peer that took rows while it knew another layout is asked whether it knows this one."""

_log = structlog.get_logger("catalogue.passing")


class Passing:
    """Passes the journal on; the actor ``writes`` tells others when this node's writes can be read elsewhere."""

    def __init__(self, system: ActorSystem, store: RowStore, view: LayoutView, clock: Clock) -> None:
        self._system = system
        self._store = store
        self._view = view
        self._clock = clock
        self._token = ""
        self._taken: dict[NodeId, int] = {}
        """Up to which place in the journal each peer has its rows, durably."""
        self._confirmed: dict[NodeId, int] = {}
        """The same for those that know the layout as it is known here."""
        self._unlike: dict[NodeId, float] = {}
        """Peers that took rows while they knew another layout, and when to ask them again."""
        self._taken_mesh: dict[NodeId, int] = {}
        """Up to which place each peer has the rows of mesh tables, which are everybody's by every layout."""
        self._held: dict[NodeId, set[int]] = {}
        self._held_since = 0.0
        self._again_at: dict[NodeId, float] = {}
        self._running: dict[NodeId, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()

    def open(self) -> None:
        """Begin."""
        self._system.spawn(ACTOR, self, concurrency=16)
        self._system.watch_links(self._on_link)
        self._store.on_journal(self.wake)
        self._system.supervisor.run("catalogue/passing", self._run)

    def wake(self) -> None:
        """Take note that there is more to pass on."""
        self._wake.set()

    def _on_link(self, peer: NodeId, up: bool) -> None:
        if up:
            self._again_at.pop(peer, None)
            self._wake.set()

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Answer whether this node's writes up to a stamp can be read from those who hold them."""
        if not isinstance(message, WaitForWrites):
            raise NotFound(f"writes takes no {type(message).__name__} from {context.sender[:8]}")
        return WritesReadable(await self.readable(message.stamp))

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            self._follow_layout()
            end = await self._store.journal_end()
            waits = False
            if end:
                self._start(end)
                waits = await self._confirm()
            now = self._clock.monotonic()
            again_s = UNLIKE_AGAIN_S if any(at > now for at in self._unlike.values()) else PUSH_AGAIN_S
            try:
                async with asyncio.timeout(again_s if waits else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _follow_layout(self) -> None:
        """Begin at the front again when others hold the rows now, or held rows may be believed by now."""
        token, now = self._view.token(), self._clock.monotonic()
        offered_again = bool(self._held) and now - self._held_since > HELD_AGAIN_S
        if token != self._token or offered_again:
            self._token = token
            for peer, place in self._taken.items():
                self._taken_mesh[peer] = max(place, self._taken_mesh.get(peer, 0))
            for peer in self._held:
                self._taken_mesh.pop(peer, None)
            self._taken.clear()
            self._confirmed.clear()
            self._unlike.clear()
            self._held.clear()

    def _start(self, end: int) -> None:
        now = self._clock.monotonic()
        for peer in self._view.holders(MESH_PARTITION):
            if peer == self._system.node_id or peer in self._running or self._confirmed.get(peer, 0) >= end:
                continue
            again_at = self._again_at if self._taken.get(peer, 0) < end else self._unlike
            if again_at.get(peer, 0.0) > now:
                continue
            self._running[peer] = self._system.supervisor.once(f"catalogue/to/{peer[:8]}", self._push_to(peer))

    async def _push_to(self, peer: NodeId) -> None:
        try:
            while True:
                token, place = self._token, self._taken.get(peer, 0)
                rows = await self._store.journal(place, PUSH_ROWS_MAX, PUSH_BYTES_MAX)
                if self._view.token() != token:
                    return  # others hold the rows now: what is this peer's is found from the front again
                if not rows and self._unlike.get(peer, math.inf) > self._clock.monotonic():
                    return
                theirs = [row for row in rows if self._is_for(peer, row)]
                telling = any(peer in self._answering(row) for row in rows if not _is_mesh(row))
                if (theirs or telling or not rows) and not await self._give(peer, theirs, telling=telling):
                    return
                if token != self._token:
                    return
                self._taken[peer] = place = rows[-1].seq if rows else place
                if peer not in self._unlike:
                    self._confirmed[peer] = place
                self._advanced()
        finally:
            self._running.pop(peer, None)
            self._wake.set()

    def _is_for(self, peer: NodeId, row: Journaled) -> bool:
        """Tell whether a peer is to have a row, and did not have it before the layout changed."""
        if _is_mesh(row):
            return row.seq > self._taken_mesh.get(peer, 0)
        return peer in self._view.takers(row.partition)

    async def _give(self, peer: NodeId, rows: Sequence[Journaled], *, telling: bool) -> bool:
        """Give a peer rows, or none, and hear which layout it knows. ``telling``: it has to know the same."""
        message = PutRows(tuple(row.packed for row in rows), self._view.history.token)
        try:
            taken = await self._system.ask(peer, CATALOGUE, message, RowsTaken, timeout_s=PUSH_TIMEOUT_S)
        except PortError as error:
            _log.debug("rows not taken", peer=peer[:8], error=str(error))
            again_at = self._again_at if rows or telling else self._unlike
            again_at[peer] = self._clock.monotonic() + PUSH_AGAIN_S
            return False
        self._view.heard(peer, taken.layout)
        if taken.layout in ("", message.layout):
            self._unlike.pop(peer, None)
        elif peer in self._unlike or telling:
            self._unlike[peer] = self._clock.monotonic() + UNLIKE_AGAIN_S
        for place in taken.held:
            if not self._held:
                self._held_since = self._clock.monotonic()
            if 0 <= place < len(rows):
                self._held.setdefault(peer, set()).add(rows[place].seq)
        return True

    def _advanced(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()
        self._wake.set()

    def _everybody_has(self, row: Journaled) -> bool:
        others = [node for node in self._answering(row) if node != self._system.node_id]
        return bool(self._view.takers(row.partition)) and all(self.has(node, row) for node in others)

    def _answering(self, row: Journaled) -> tuple[NodeId, ...]:
        """Give all who may answer for a row: who takes it, and who is there and took it before."""
        return (*self._view.takers(row.partition), *self._view.unaware(row.partition))

    def has(self, node: NodeId, row: Journaled) -> bool:
        """Tell whether a peer has confirmed a row of the journal, if it is the peer's to hold, or that it is not."""
        if self._view.token() != self._token or row.seq in self._held.get(node, ()):
            return False
        # Mesh tables are everybody's by every layout.
        places = self._taken if _is_mesh(row) else self._confirmed
        return places.get(node, 0) >= row.seq

    async def oldest_waiting_ms(self, table: str | None, peer: NodeId) -> int | None:
        """Give when the oldest row of a table, or of any, was written (UTC) that a peer is to hold and lacks."""
        known = self._view.token() == self._token and not self._held.get(peer)
        place = self._confirmed.get(peer, 0) if known else 0
        oldest: int | None = None
        while rows := await (
            self._store.journal(place, CONFIRM_ROWS, PUSH_BYTES_MAX)
            if table is None
            else self._store.journal_of(table, place, CONFIRM_ROWS, PUSH_BYTES_MAX)
        ):
            place = rows[-1].seq
            for row in rows:
                if peer in self._view.takers(row.partition) and not self.has(peer, row):
                    written_ms = stamp_ms(row.stamp)
                    oldest = written_ms if oldest is None else min(oldest, written_ms)
        return oldest

    async def _confirm(self) -> bool:
        """Take out what every holder has; tells whether something is left."""
        place, left = 0, False
        while rows := await self._store.journal(place, CONFIRM_ROWS, PUSH_BYTES_MAX):
            if self._view.token() != self._token:
                return True  # a place in the journal says nothing of rows that became a peer's only now
            place = rows[-1].seq
            done = [row for row in rows if self._everybody_has(row)]
            left = left or len(done) < len(rows)
            if done:
                strange = {row.partition for row in done if not self._holds(row.partition)}
                await self._store.confirmed(done, strange)
                self._advanced()
        return left

    def _holds(self, partition: PartitionId) -> bool:
        return self._system.node_id in self._view.takers(partition)

    async def readable(self, stamp: int) -> bool:
        """Wait until all who are there and may answer have this node's writes up to a stamp; False after
        READABLE_WAIT_S.
        """
        try:
            async with asyncio.timeout(READABLE_WAIT_S):
                while True:
                    progress = self._progress
                    if await self._reached(stamp):
                        return True
                    await progress.wait()
        except TimeoutError:
            return False

    async def _reached(self, stamp: int) -> bool:
        place = 0
        while rows := await self._store.journal(place, CONFIRM_ROWS, PUSH_BYTES_MAX):
            place = rows[-1].seq
            for row in rows:
                if row.stamp > stamp:
                    continue
                asked = (*self._view.present(row.partition), *self._view.unaware(row.partition))
                if not all(self.has(node, row) for node in asked if node != self._system.node_id):
                    return False
        return True


def _is_mesh(row: Journaled) -> bool:
    """Tell whether a row is of a mesh table: everybody's by every layout."""
    return row.partition == MESH_PARTITION
