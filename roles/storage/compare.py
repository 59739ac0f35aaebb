"""Anti-entropy between replicas: this node fetches what a peer has and it lacks, partition by partition.

One small ask says whether all partitions two nodes share are the same; only where they are not are digests of
partitions, then of buckets of rows, then of the rows in buckets that differ exchanged: bytes in proportion to what
differs, not to what there is. Invariant: a partition is told to ``SyncState`` as compared only after every row
the peer had of it when it was asked is durable here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog
from blake3 import blake3

from mesh.actors.placement import LayoutView
from mesh.actors.rowstore import RowStore
from mesh.actors.scatter import ACTOR
from mesh.actors.system import ActorSystem
from mesh.core.member import FULL_MESH_MAX
from mesh.core.query import bits_of, partitions_in
from mesh.core.replication import Key, bucketed, buckets_for, plan_rows
from mesh.core.rows import unpack
from mesh.ports import Channel, Clock, PortError
from proto.ids import MESH_PARTITION, NodeId, PartitionId
from proto.messages.catalogue import (
    Compare,
    Compared,
    Differing,
    Digests,
    FetchRows,
    ListDiffering,
    ListRows,
    RowDigests,
    Rows,
)

COMPARE_EVERY_S = 10.0
STOOD_STILL_S = 10.0
"""A node whose loop was silent for this long beyond its time stood still, and may have missed writes."""
ASK_TIMEOUT_S = 10.0
FETCHED_MAX = 256
LISTED_PAGES_MAX = 100_000
PEERS_AT_ONCE = 3
STEP_S = 1.0

_log = structlog.get_logger("storage.compare")


def summary_of(digests: Mapping[PartitionId, int], partitions: Iterable[PartitionId], *, mesh: bool) -> bytes:
    """Give the hash of what is held of some partitions."""
    hasher = blake3()
    for part in (*partitions, MESH_PARTITION) if mesh else partitions:
        hasher.update(digests.get(part, 0).to_bytes(8, "big"))
    return hasher.digest()


class Comparer:
    """Compares this node's replicas with those of its peers, again and again."""

    def __init__(self, system: ActorSystem, store: RowStore, view: LayoutView, clock: Clock) -> None:
        self._system = system
        self._store = store
        self._view = view
        self._clock = clock
        self._wake = asyncio.Event()
        self._due: dict[NodeId, float] = {}
        self._linked: dict[NodeId, None] = {}
        self._token = ""

    def open(self) -> None:
        """Begin."""
        self._system.watch_links(self._on_link)
        self._system.supervisor.run("catalogue/compare", self._run)

    def _on_link(self, peer: NodeId, up: bool) -> None:
        if up:
            self._linked[peer] = None
            self.soon(peer)
        else:
            self._linked.pop(peer, None)

    def soon(self, peer: NodeId) -> None:
        """Compare with a peer as soon as may be, at most once in STEP_S."""
        self._due[peer] = min(self._due.get(peer, 0.0), 0.0)
        self._wake.set()

    async def _run(self) -> None:
        ticked = self._clock.monotonic()
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            if now - ticked > STEP_S + STOOD_STILL_S:
                _log.warning("this node stood still", seconds=round(now - ticked, 1))
                self._view.cut_off()
                self._due.clear()
            await self._pass(now)
            ticked = self._clock.monotonic()
            try:
                async with asyncio.timeout(STEP_S):
                    await self._wake.wait()
                    await asyncio.sleep(0.02)  # several links often come up together
            except TimeoutError:
                continue

    async def compare_once(self) -> None:
        """Compare with every present peer now."""
        self._due.clear()
        await self._pass(self._clock.monotonic())

    async def _pass(self, now: float) -> None:
        token = self._view.token()
        if token != self._token:
            self._token = token
            self._due.clear()
        peers = [node for node in self._view.present(MESH_PARTITION) if node != self._system.node_id]
        if len(peers) >= FULL_MESH_MAX:
            # In a large mesh what is whole on every node goes from neighbour to neighbour.
            shared = self._partners()
            peers = [peer for peer in peers if peer in self._linked or peer in shared or self._view.sync.awaits(peer)]
        due = [peer for peer in peers if self._due.get(peer, 0.0) <= now]
        if not due:
            return
        gate = asyncio.Semaphore(PEERS_AT_ONCE)

        async def one(peer: NodeId) -> None:
            async with gate:
                try:
                    await self._compare_with(peer)
                except PortError as error:
                    _log.debug("not compared", peer=peer[:8], error=str(error))
                    self._due[peer] = self._clock.monotonic() + STEP_S

        for peer in due:
            self._due[peer] = now + COMPARE_EVERY_S
        await asyncio.gather(*(one(peer) for peer in due))
        try:
            await self._view.keep_counting(self._store)
        except PortError as error:
            _log.debug("what counts was not kept", error=str(error))  # after a restart all is compared anyway

    def _partners(self) -> set[NodeId]:
        """Give those with whom partitions are shared."""
        shares = [share for share in self._view.shares().values() if self._system.node_id in share.takers]
        return {node for share in shares for node in (*share.takers, *share.owners)}

    def _shared(self, peer: NodeId) -> list[PartitionId]:
        """Give the partitions taken here that a peer takes or owns, or may have something of, in order."""
        me, awaited = self._system.node_id, self._view.sync.awaits(peer)
        return [
            part
            for part, share in self._view.shares().items()
            if part in awaited or (me in share.takers and (peer in share.takers or peer in share.owners))
        ]

    async def _compare_with(self, peer: NodeId) -> None:
        layout, given_up = self._view.history.token, self._view.sync.given_up
        parts = self._shared(peer)
        summary = summary_of(await self._store.digests(), parts, mesh=True)
        returned = peer in self._view.returned
        message = Compare(bits_of(parts), True, summary, returned)
        answer = await self._system.ask(
            peer, ACTOR, message, Compared, timeout_s=ASK_TIMEOUT_S, channel=Channel.CONTROL
        )
        self._view.returned.discard(peer)
        kept = given_up == self._view.sync.given_up
        if answer.same and kept and answer.layout == layout == self._view.history.token:
            self._view.sync.compared(peer, parts, {PartitionId(part) for part in partitions_in(answer.counting)})
            self._view.sync.caught_up(peer)
        elif not answer.same:
            await self._fetch_differing(peer, layout, given_up, [*parts, MESH_PARTITION])
        if not kept or answer.layout != layout or self._view.sync.awaits(peer):
            self._due[peer] = self._clock.monotonic() + STEP_S  # there is more to it, once both know the same layout

    async def _fetch_differing(self, peer: NodeId, layout: str, given_up: int, parts: list[PartitionId]) -> None:
        digests = await self._store.digests()
        told = Digests(tuple((part, digests.get(part, 0)) for part in parts))
        answer = await self._system.ask(peer, ACTOR, told, Differing, timeout_s=ASK_TIMEOUT_S)
        counting = {PartitionId(part) for part in answer.counting}
        differing = {PartitionId(part) for part in answer.partitions}

        def compared(those: list[PartitionId]) -> bool:
            # Only nodes that know the same versions of the layout take and pass on the same rows.
            alike = answer.layout == layout == self._view.history.token and given_up == self._view.sync.given_up
            if alike:
                self._view.sync.compared(peer, those, counting)
            return alike

        compared([part for part in parts if part not in differing])
        # Mesh tables first: the layout is among them.
        alike = True
        for part in sorted(differing, reverse=True):
            await self._fetch_partition(peer, part)
            alike = compared([part])
        if alike and compared([]):
            self._view.sync.caught_up(peer)

    async def _fetch_partition(self, peer: NodeId, part: PartitionId) -> None:
        mine = await listed_here(self._store, part)
        there = await self._differing_there(peer, part, bucketed(mine, buckets_for(len(mine))))
        wanted = list(plan_rows(mine, there).fetch)
        while wanted:
            batch = tuple(wanted[:FETCHED_MAX])
            rows = await self._system.ask(peer, ACTOR, FetchRows(batch), Rows, timeout_s=ASK_TIMEOUT_S)
            if not rows.rows:
                break  # they are gone there: it gave the partition up meanwhile
            await self._store.take(rows.rows, now_ms=int(self._clock.wall() * 1000))
            # The answer ends where it is full, and leaves out what is unknown there: go on after its last row.
            last = unpack(rows.rows[-1]).key
            wanted = wanted[wanted.index(last) + 1 :] if last in batch else []

    async def _differing_there(self, peer: NodeId, part: PartitionId, buckets: tuple[int, ...]) -> dict[Key, int]:
        """Give the digests of the peer's rows in the buckets that differ from these, by key."""
        return await _paged(
            lambda after: self._system.ask(
                peer, ACTOR, ListDiffering(part, buckets, after), RowDigests, timeout_s=ASK_TIMEOUT_S
            )
        )


async def listed_here(store: RowStore, part: PartitionId) -> dict[Key, int]:
    """Give the digests of this node's rows of a partition, by key."""
    found: dict[Key, int] = {}
    after: tuple[str, ...] = ()
    while rows := await store.listing(part, after, FETCHED_MAX * 4):
        found.update({(table, pk, sk): value for table, pk, sk, value in rows})
        after = rows[-1][:3]
    return found


async def listed_there(system: ActorSystem, peer: NodeId, part: PartitionId) -> dict[Key, int]:
    """Give the digests of a peer's rows of a partition, by key."""
    return await _paged(
        lambda after: system.ask(peer, ACTOR, ListRows(part, after), RowDigests, timeout_s=ASK_TIMEOUT_S)
    )


async def _paged(ask: Callable[[tuple[str, ...]], Awaitable[RowDigests]]) -> dict[Key, int]:
    found: dict[Key, int] = {}
    after: tuple[str, ...] = ()
    for _ in range(LISTED_PAGES_MAX):
        page = await ask(after)
        found.update({(table, pk, sk): value for table, pk, sk, value in page.rows})
        if not page.more or not page.rows:
            break
        after = page.rows[-1][:3]
    return found
