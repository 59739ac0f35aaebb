"""Anti-entropy between replicas: this node fetches what a peer has and it lacks, partition by partition.

One small ask says whether all partitions two nodes share are the same; only where they are not are digests of
partitions, then of buckets of rows, then of the rows in buckets that differ exchanged: bytes in proportion to what
differs, not to what there is. Invariant: a partition is told to ``SyncState`` as compared only after every row
the peer had of it when it was asked is durable here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from blake3 import blake3

from mesh.actors.placement import LayoutView
from mesh.actors.rowstore import RowStore
from mesh.actors.scatter import ACTOR
from mesh.actors.system import ActorSystem
from mesh.core import partitionset
from mesh.core.member import FULL_MESH_MAX
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
FEW_PARTITIONS = 64
"""Of so many the digests are told at once when something differs."""
STEP_S = 1.0
PASS_S_MIN = 0.05
CALM_S, STIR_S_MAX = 0.3, 2.0
"""How long the layout must have been the same before everybody is compared with because it changed, and how long that
waits for it at most: while a mesh forms every node that comes changes it, and comparing tells nothing before both know
the same."""

_DIGEST_BYTES = 8
_log = structlog.get_logger("storage.compare")


def summary_of(digests: Mapping[PartitionId, int], parts: int, *, mesh: bool) -> bytes:
    """Give the hash of what is held of some partitions, as bits: of each its digest, of ``mesh`` that of all tables."""
    told = bytearray(_DIGEST_BYTES * (parts.bit_count() + mesh))
    for part, digest in digests.items():
        if part != MESH_PARTITION and parts >> part & 1:
            at = _DIGEST_BYTES * (parts & ((1 << part) - 1)).bit_count()
            told[at : at + _DIGEST_BYTES] = digest.to_bytes(_DIGEST_BYTES, "big")
    if mesh:
        told[-_DIGEST_BYTES:] = digests.get(MESH_PARTITION, 0).to_bytes(_DIGEST_BYTES, "big")
    return blake3(told).digest()


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
        self._stirred_at: float | None = None
        """Since when the layout has been changing without having been calm."""
        self._calm_at = 0.0

    def open(self) -> None:
        """Begin."""
        self._system.watch_links(self._on_link)
        self._system.supervisor.run("catalogue/compare", self._run)

    def _on_link(self, peer: NodeId, up: bool) -> None:
        if up:
            self._linked[peer] = None
            self.soon(peer)  # until then a node that was away answers for nothing
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
                async with asyncio.timeout(self._until_due_s(ticked)):
                    await self._wake.wait()
                    await asyncio.sleep(0.02)  # several links often come up together
            except TimeoutError:
                continue

    def _until_due_s(self, now: float) -> float:
        """Give how long to wait when nothing comes: until the next comparison is due, at most STEP_S."""
        due = min((at for at in self._due.values() if at > now), default=now + STEP_S)
        due = due if self._stirred_at is None else min(due, self._calm_at)
        return min(STEP_S, max(PASS_S_MIN, due - now))

    async def compare_once(self) -> None:
        """Compare with every present peer now."""
        self._due.clear()
        self._token, self._stirred_at = self._view.token(), None
        await self._pass(self._clock.monotonic())

    def _look_at_layout(self, now: float) -> None:
        """Take note that the layout changed; when it has come to rest, everybody is due."""
        token = self._view.token()
        if token != self._token:
            self._token = token
            self._stirred_at = now if self._stirred_at is None else self._stirred_at
            self._calm_at = min(now + CALM_S, self._stirred_at + STIR_S_MAX)
        if self._stirred_at is not None and now >= self._calm_at:
            self._stirred_at = None
            self._due.clear()

    async def _pass(self, now: float) -> None:
        self._look_at_layout(now)
        peers = [node for node in self._view.present(MESH_PARTITION) if node != self._system.node_id]
        if len(peers) >= FULL_MESH_MAX:
            # In a large mesh what is whole on every node goes from neighbour to neighbour.
            shared = self._view.partners()
            peers = [
                peer for peer in peers if peer in self._linked or peer in shared or self._view.sync.awaits_bits(peer)
            ]
        unknown = 0.0 if self._stirred_at is None else self._calm_at
        due = [peer for peer in peers if self._due.get(peer, unknown) <= now]
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

    async def _compare_with(self, peer: NodeId) -> None:
        layout, given_up, returns = self._view.history.token, self._view.sync.given_up, self._view.sync.returns
        parts = self._view.shared_with(peer)
        summary = summary_of(await self._store.digests(), parts, mesh=True)
        returned = peer in self._view.returned
        message = Compare(partitionset.packed(parts), True, summary, returned)
        answer = await self._system.ask(
            peer, ACTOR, message, Compared, timeout_s=ASK_TIMEOUT_S, channel=Channel.CONTROL
        )
        self._view.returned.discard(peer)
        kept = given_up == self._view.sync.given_up
        if answer.same and kept and answer.layout == layout == self._view.history.token:
            self._view.sync.compared_bits(peer, parts, partitionset.unpacked(answer.counting), returns)
            self._view.sync.caught_up(peer)
        elif not answer.same:
            await self._fetch_differing(peer, layout, given_up, returns, parts)
        if not kept or answer.layout != layout or self._view.sync.awaits_bits(peer):
            self._due[peer] = self._clock.monotonic() + STEP_S  # there is more to it, once both know the same layout

    async def _fetch_differing(self, peer: NodeId, layout: str, given_up: int, returns: int, parts: int) -> None:
        digests = await self._store.digests()

        def compared(those: int, counting: int, there: str) -> bool:
            # Only nodes that know the same versions of the layout take and pass on the same rows.
            alike = there == layout == self._view.history.token and given_up == self._view.sync.given_up
            if alike:
                self._view.sync.compared_bits(peer, those, counting, returns)
            return alike

        if parts.bit_count() > FEW_PARTITIONS:
            # Most often only the mesh tables differ: that is one hash to ask, and not a digest of each partition.
            rest = Compare(partitionset.packed(parts), False, summary_of(digests, parts, mesh=False))
            same = await self._system.ask(peer, ACTOR, rest, Compared, timeout_s=ASK_TIMEOUT_S)
            if same.same:
                compared(parts, partitionset.unpacked(same.counting), same.layout)
                parts = 0
        those = (*partitionset.partitions(parts), MESH_PARTITION)
        told = Digests(tuple((part, digests.get(part, 0)) for part in those))
        answer = await self._system.ask(peer, ACTOR, told, Differing, timeout_s=ASK_TIMEOUT_S)
        counting = partitionset.bits(PartitionId(part) for part in answer.counting)
        differing = {PartitionId(part) for part in answer.partitions}
        compared(parts & ~partitionset.bits(differing), counting, answer.layout)
        # Mesh tables first: the layout is among them.
        alike = True
        for part in sorted(differing, reverse=True):
            await self._fetch_partition(peer, part)
            alike = compared(0 if part == MESH_PARTITION else 1 << part, counting, answer.layout)
        if alike and compared(0, 0, answer.layout):
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
