"""Collection: bytes that nobody needs any more leave this node's disk, when it is safe that they do.

A pass asks every node whether its references are where they belong, looks through the chunks of the partitions this
node owns for those nobody refers to, and deletes those that ``mesh.core.collection`` lets go, after asking every node
that is there once more. Every node answers these questions, whatever its roles. A take's pages have the last word: a
chunk that one still names is referred to again instead.

Invariant: a chunk is deleted only by ``ChunkStore.collect``, which looks at its references, and at whether it was noted
as needed, in the transaction that forgets it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import reference
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.chunkwire import ACTOR as CHUNKS
from mesh.actors.placement import LayoutView, Peers
from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem, Context
from mesh.core.collection import Graces, Idle, agreed, hold_up, is_due, needless, settled_at
from mesh.core.placement import partition_of
from mesh.ports import Clock, NotFound, PortError
from proto import codec
from proto.codec import Malformed, Max
from proto.ids import MESH_PARTITION, AssetId, ChunkId, NodeId, PartitionId
from proto.messages.catalogue import AllSettled, AskAllSettled
from proto.messages.chunks import AskNeedless, AskSettled, Have, HaveChunks, Needless, Settled
from roles.media.timeline import Page

ACTOR = "collector"
REVIEWED_AT_ONCE = 1000
COLLECTED_AT_ONCE = 512
PASS_S = (1.0, 300.0)
"""Shortest and longest time from one pass to the next; between them, a quarter of the shorter grace."""
ASK_TIMEOUT_S = 5.0
NODES_MAX = 10_000
"""Nodes whose last settled time is kept; beyond, the others hold nothing up that they would not anyway."""
_SETTLED = "collector/settled"
_RECLAIMED = "collector/reclaimed"

_log = structlog.get_logger("storage.collector")


@dataclass(frozen=True, slots=True)
class Reclaiming:
    """What a node can give back (bytes nobody refers to), what it has given back, and who holds it up."""

    chunks: int
    bytes: int
    reclaimed_bytes: int
    held_up_by: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class _Times:
    nodes: Annotated[tuple[tuple[str, int], ...], Max(NODES_MAX)]


class Collector:
    """The collector of one node. ``admitted`` gives every node not removed by order."""

    def __init__(
        self,
        system: ActorSystem,
        rows: RowStore,
        store: ChunkStore,
        view: LayoutView,
        peers: Peers,
        catalogue: Catalogue,
        admitted: Callable[[], Iterable[NodeId]],
        clock: Clock,
        graces: Graces,
    ) -> None:
        self._system = system
        self._rows = rows
        self._store = store
        self._view = view
        self._peers = peers
        self._catalogue = catalogue
        self._admitted = admitted
        self._clock = clock
        self.graces = graces
        self._settled: dict[NodeId, int] = {}
        self._held_up_by: tuple[NodeId, ...] = ()
        self.tombstones_held_up_by: tuple[NodeId, ...] = ()
        """Who holds up tombstones, as the pruner says."""
        self._reclaimed = 0
        self.chunks_collected = 0
        system.spawn(ACTOR, self, concurrency=2)

    async def open(self) -> None:
        """Begin to collect."""
        kept = await self._store.meta(_SETTLED)
        if kept is not None:
            try:
                self._settled = {NodeId(node): at for node, at in codec.decode(_Times, kept).nodes}
            except Malformed as error:
                _log.warning("when the nodes were settled is not known", error=str(error))
        self._reclaimed = int(await self._store.meta(_RECLAIMED) or b"0")
        self._system.supervisor.run("chunks/collect", self._run)

    async def report(self) -> Reclaiming:
        """Tell what can be given back, and who holds it up."""
        chunks, size = await self._store.idle_totals()
        held_up_by = tuple(sorted({*self._held_up_by, *self.tombstones_held_up_by}))
        return Reclaiming(chunks, size, self._reclaimed, held_up_by)

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)

    def nodes(self) -> list[NodeId]:
        """Give every node that may know of a need: admitted or in the layout, and not removed by order."""
        removed = {node for node, place in self._view.layout.places.items() if place.state == "removed"}
        return sorted({*self._admitted(), *self._view.layout.places, self._system.node_id} - removed)

    # ------------------------------------------------------------ answering

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Answer what is asked before anything is deleted."""
        match message:
            case AskSettled():
                return Settled(await self._behind_ms(context.sender, message.layout, "references"))
            case AskAllSettled():
                return AllSettled(await self._behind_ms(context.sender, message.layout, None))
            case AskNeedless():
                chunks = [ChunkId(chunk) for chunk in message.chunks]
                without = await self._without_need(chunks)
                return Needless(bytes(chunk in without for chunk in chunks))
            case _:
                raise NotFound(f"the collector takes no {type(message).__name__} from {context.sender[:8]}")

    async def _behind_ms(self, asker: NodeId, layout: str, table: str | None) -> int | None:
        """Give the age of the oldest row of a table, or of any, that the asker lacks; None when that cannot be told."""
        if asker in self._peers.away() or layout != self._view.layout.version:
            return None  # what this node wrote meanwhile went to others
        me, placed = self._system.node_id, bool(self._view.layout.places)
        parts, shares = await self._rows.digests(), self._view.shares()
        strange = [part for part in parts if part != MESH_PARTITION and placed and me not in shares[part].holders]
        found = [
            await self._catalogue.oldest_waiting_ms(table, asker),
            await self._rows.oldest_ms(table, strange),
        ]
        oldest_ms = min((ms for ms in found if ms is not None), default=None)
        return 0 if oldest_ms is None else max(0, self._now_ms() - oldest_ms)

    async def _without_need(self, chunks: Sequence[ChunkId]) -> set[ChunkId]:
        idle, needed = await self._store.idle_of(chunks)
        me, now_ms = self._system.node_id, self._now_ms()
        found = set()
        for chunk in chunks:
            part = partition_of(chunk)
            if needless(
                idle.get(chunk),
                now_ms,
                self.graces,
                here=chunk in self._store,
                owner=me in self._view.owners(part),
                counts=self._view.sync.counts(part),
                needed=chunk in needed,
            ):
                found.add(chunk)
        return found

    # ------------------------------------------------------------ passes

    async def _run(self) -> None:
        shorter_s = min(self.graces.idle_ms, self.graces.carried_ms) / 1000
        pause_s = min(PASS_S[1], max(PASS_S[0], shorter_s / 4))
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self.pass_once()
            except PortError as error:
                _log.info("not collected now", error=str(error))

    async def pass_once(self) -> int:
        """Ask, look and collect once; gives how many chunks went."""
        await self.ask_settled()
        await self.review()
        return await self.collect_once()

    async def ask_settled(self) -> None:
        """Ask every node that is there up to when its references are where they belong."""
        me = self._system.node_id
        others = [node for node in self._peers.alive_ids() if node != me]
        known = self.nodes()
        before = dict(self._settled)
        self._settled[me] = self._now_ms()  # what this node wrote is among its own rows

        asked = AskSettled(self._view.layout.version)

        async def one(node: NodeId) -> None:
            asked_ms = self._now_ms()
            try:
                told = await self._system.ask(node, ACTOR, asked, Settled, timeout_s=ASK_TIMEOUT_S)
            except PortError as error:
                _log.debug("not asked", peer=node[:8], error=str(error))
                return
            if told.behind_ms is not None:
                self._settled[node] = max(self._settled.get(node, 0), settled_at(asked_ms, told.behind_ms))

        await asyncio.gather(*(one(node) for node in others))
        self._settled = {node: at for node, at in self._settled.items() if node in known or node in others}
        if self._settled != before:
            times = _Times(tuple(sorted(self._settled.items())[:NODES_MAX]))
            await self._store.set_meta(_SETTLED, codec.encode(times))

    def settled_ms(self) -> int:
        """Give up to when every node not removed is known to have been settled."""
        return min((self._settled.get(node, 0) for node in self.nodes()), default=0)

    def _mine(self) -> set[PartitionId]:
        """Give the partitions this node owns and counts for: of these it may say that nobody refers to a chunk."""
        me, counting = self._system.node_id, self._view.counting()
        return {part for part, share in self._view.shares().items() if me in share.owners and part in counting}

    async def review(self) -> None:
        """Note which chunks nobody refers to, and which are needed again."""
        after = b""
        while True:
            after, _ = await self._store.review(after, REVIEWED_AT_ONCE, self._mine(), self._now_ms())
            if not after:
                return

    async def collect_once(self) -> int:
        """Delete what may go now; gives how many chunks went."""
        gone, held_up = 0, dict[NodeId, int]()
        after: tuple[int, bytes] = (0, b"")
        while True:
            now_ms = self._now_ms()
            before = (now_ms - self.graces.idle_ms, now_ms - min(self.graces.carried_ms, self.graces.idle_ms))
            batch = await self._store.idle(after, COLLECTED_AT_ONCE, *before)
            if not batch:
                break
            after = (batch[-1].since_ms, batch[-1].chunk)
            due = await self._due(batch, now_ms)
            held = hold_up(due, self.nodes(), self._settled)
            for node, size in held.by.items():
                held_up[node] = held_up.get(node, 0) + size
            gone += await self._collect(held.free)
        self._held_up_by = tuple(sorted(held_up))
        return gone

    async def _due(self, batch: Sequence[Idle], now_ms: int) -> list[Idle]:
        """Give those whose grace is over; of carried ones the carriers are asked for."""
        carriers = sorted({carrier for one in batch for carrier in one.carried})
        safe = await self._confirmed(carriers) if carriers else frozenset[ChunkId]()
        return [
            one
            for one in batch
            if is_due(one, now_ms, self.graces, carried=bool(one.carried) and safe.issuperset(one.carried))
        ]

    async def _confirmed(self, chunks: Sequence[ChunkId]) -> frozenset[ChunkId]:
        """Give the chunks that every owner says it has, durably."""
        shares = self._view.shares()
        wanted: dict[NodeId, list[ChunkId]] = {}
        for chunk in chunks:
            for node in shares[partition_of(chunk)].owners:
                wanted.setdefault(node, []).append(chunk)
        answers = await asyncio.gather(*(self._have(node, those) for node, those in wanted.items()))
        have = dict(zip(wanted, answers, strict=True))
        return frozenset(
            chunk
            for chunk in chunks
            if shares[partition_of(chunk)].owners
            and all(chunk in have[node] for node in shares[partition_of(chunk)].owners)
        )

    async def _have(self, node: NodeId, chunks: Sequence[ChunkId]) -> frozenset[ChunkId]:
        if node == self._system.node_id:
            return frozenset(chunk for chunk in chunks if chunk in self._store)
        try:
            answer = await self._system.ask(node, CHUNKS, HaveChunks(tuple(chunks)), Have, timeout_s=ASK_TIMEOUT_S)
        except PortError:
            return frozenset()
        return frozenset(chunk for chunk, there in zip(chunks, answer.there, strict=False) if there)

    async def _collect(self, batch: Sequence[Idle]) -> int:
        batch = await self._unnamed(batch)
        if not batch:
            return 0
        others = [node for node in self._peers.alive_ids() if node != self._system.node_id]
        words = dict(zip(others, await asyncio.gather(*(self._word(node, batch) for node in others)), strict=True))
        gone, freed = 0, 0
        for one in agreed(self._system.node_id, batch, self._view.shares(), self._mine(), words):
            if await self._store.collect(one):
                gone, freed = gone + 1, freed + one.size
        if gone:
            self._reclaimed += freed
            self.chunks_collected += gone
            await self._store.set_meta(_RECLAIMED, b"%d" % self._reclaimed)
            _log.info("collected", chunks=gone, bytes=freed)
        return gone

    async def _word(self, node: NodeId, batch: Sequence[Idle]) -> frozenset[ChunkId] | None:
        """Ask a node for which of these it knows no need; None when it does not answer."""
        message = AskNeedless(tuple(one.chunk for one in batch))
        try:
            answer = await self._system.ask(node, ACTOR, message, Needless, timeout_s=ASK_TIMEOUT_S)
        except PortError as error:
            _log.debug("not asked", peer=node[:8], error=str(error))
            return None
        return frozenset(one.chunk for one, said in zip(batch, answer.said, strict=False) if said)

    async def _unnamed(self, batch: Sequence[Idle]) -> list[Idle]:
        """Give those whose references have not changed since they were noted, and that no page of a take names."""
        needs, assets = await self._store.needs([one.chunk for one in batch])
        pages: dict[AssetId, frozenset[bytes] | None] = {}
        found = []
        for one in batch:
            need = needs[one.chunk]
            if need.alive or need.carried != one.carried or need.ended_ms > one.since_ms:
                # It was needed again since: it will be idle anew, from when that ended.
                await self._store.refer(one.chunk, AssetId(""))
                continue
            by = assets[one.chunk]
            for asset in by:
                if asset not in pages:
                    pages[asset] = await self._named_by(asset)
            if any(pages[asset] is None for asset in by):
                continue  # whoever holds its pages does not answer: nothing is deleted on a guess
            naming = [asset for asset in by if one.chunk in (pages[asset] or ())]
            if naming:
                _log.warning("a page names a chunk that nothing refers to", chunk=one.chunk.hex()[:12], take=naming[0])
                await self._catalogue.write(*(reference(one.chunk, asset, one.size) for asset in naming))
                continue
            found.append(one)
        return found

    async def _named_by(self, asset: AssetId) -> frozenset[bytes] | None:
        try:
            rows = await self._catalogue.surely_all("pages", asset)
        except PortError:
            return None
        named: set[bytes] = set()
        for row in rows:
            body = row.fields.get("body")
            if isinstance(body, bytes):
                page = Page.unpack(body)
                named |= {page.init, *(entry.chunk for entry in page.entries)}
        return frozenset(named)
