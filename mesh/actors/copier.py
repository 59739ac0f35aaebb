"""Copies follow: what is on this node's disk is brought to all who should hold it, and let go where it need not be.

New chunks are looked after first, in the order they came; when the layout changes, or a node goes away or comes back,
every chunk is looked at again. Who brings what is ``mesh.core.replication``'s plan. Invariant: a chunk leaves this disk
only right after every owner has said that it is durable there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from mesh.actors.chunkstore import ChunkStore, Held
from mesh.actors.chunkwire import ACTOR, give_chunk
from mesh.actors.placement import LayoutView, Peers
from mesh.actors.system import ActorSystem
from mesh.core.replication import may_drop, plan_copies
from mesh.ports import Clock, Flow, PortError
from proto.ids import AssetId, ChunkId, NodeId
from proto.messages.chunks import Have, HaveChunks

BATCH = 256
COPIES_AT_ONCE = 4
FRESH_WAIT_S = 0.05
AGAIN_S = 2.0
"""How long until chunks that could not be copied are tried again."""
DROP_EVERY_S = 15.0
HAVE_TIMEOUT_S = 5.0
_SWEPT = "chunks_swept"

_log = structlog.get_logger("chunks.copier")


@dataclass(frozen=True, slots=True)
class Lag:
    """What was kept on this node and is on no other yet; ``seconds`` since the oldest of it came."""

    chunks: int
    bytes: int
    seconds: float


class Copier:
    """Copies this node's chunks to their holders. ``keep_s``: how long bytes stay here that need not."""

    def __init__(
        self,
        system: ActorSystem,
        store: ChunkStore,
        view: LayoutView,
        peers: Peers,
        clock: Clock,
        *,
        keep_s: float,
    ) -> None:
        self._system = system
        self._store = store
        self._view = view
        self._peers = peers
        self._clock = clock
        self._keep_s = keep_s
        self._place: tuple[int, bytes] = (0, b"")
        self._again_at = 0.0
        self._drop_at = 0.0
        self._oldest_ms = 0
        self._gate = asyncio.Semaphore(COPIES_AT_ONCE)
        self.backlog = 0
        """Chunks that somebody who should hold them may lack, as of the last look."""

    def open(self) -> None:
        """Begin."""
        self._system.watch_links(self._on_link)
        self._system.supervisor.run("chunks/copy", self._run)
        self._system.supervisor.run("chunks/sweep", self._sweep)

    def _on_link(self, peer: NodeId, up: bool) -> None:
        del peer
        if up:
            self._again_at = 0.0
            self._store.changed.set()

    def lag(self) -> Lag:
        """Tell what was kept here and has no second copy, though there is a node that could have it."""
        others = [node for node in self._view.layout.places if node != self._system.node_id]
        if not others or not self._store.alone_chunks:
            return Lag(0, 0, 0.0)
        now_ms = self._clock.wall() * 1000
        age_s = max(0.0, now_ms - self._oldest_ms) / 1000 if self._oldest_ms else 0.0
        return Lag(self._store.alone_chunks, self._store.alone_bytes, age_s)

    async def _run(self) -> None:
        while True:
            self._store.changed.clear()
            now = self._clock.monotonic()
            if now >= self._again_at:
                self._place = (0, b"")
                self._again_at = now + AGAIN_S
            while await self.step():
                pass
            self.backlog = await self._store.pending_count()
            self._oldest_ms = await self._store.oldest_alone_ms()
            if now >= self._drop_at:
                self._drop_at = now + DROP_EVERY_S
                await self.drop_once()
            wait_s = AGAIN_S if self.backlog else DROP_EVERY_S
            try:
                async with asyncio.timeout(wait_s):
                    await self._store.changed.wait()
                    await asyncio.sleep(FRESH_WAIT_S)
            except TimeoutError:
                self._again_at = 0.0

    async def step(self) -> bool:
        """Look after the next chunks that came; False when there are none further."""
        batch = await self._store.pending(self._place, BATCH)
        if not batch:
            return False
        self._place = (batch[-1].added_ms, batch[-1].chunk)
        await self._look_after(batch)
        return True

    async def _look_after(self, batch: Sequence[Held]) -> list[ChunkId]:
        """Copy what holders lack; gives the chunks somebody may still lack."""
        shares = self._view.shares()
        have = await self._ask(batch, owners=False)
        held = {one.chunk: one for one in batch}
        pairs = [(one.chunk, one.partition) for one in batch]
        plan = plan_copies(self._system.node_id, pairs, shares, have)
        copied = [chunk for chunk in held if any(chunk in there for there in have.values())]
        missing = {chunk: len(_lacking(self._system.node_id, held[chunk], self._view, have)) for chunk in plan.waiting}
        given = await asyncio.gather(*(self._give(node, held[chunk]) for chunk, node in plan.give))
        for (chunk, _), ok in zip(plan.give, given, strict=True):
            if ok:
                missing[chunk] -= 1
                copied.append(chunk)
        done = [
            *plan.done,
            *(chunk for chunk, count in missing.items() if count == 0 and shares[held[chunk].partition].holders),
        ]
        await self._store.mark(done=done, copied=[chunk for chunk in copied if held[chunk].alone])
        return [chunk for chunk in plan.waiting if chunk not in set(done)]

    async def _ask(self, batch: Sequence[Held], *, owners: bool) -> dict[NodeId, frozenset[ChunkId]]:
        """Ask the holders (or the owners) which of these chunks they have."""
        me, alive = self._system.node_id, set(self._peers.alive_ids())
        shares = self._view.shares()
        wanted: dict[NodeId, list[ChunkId]] = {}
        for one in batch:
            share = shares[one.partition]
            for node in share.owners if owners else share.holders:
                if node != me and node in alive:
                    wanted.setdefault(node, []).append(one.chunk)

        async def ask(node: NodeId, chunks: Sequence[ChunkId]) -> tuple[NodeId, frozenset[ChunkId]] | None:
            try:
                answer = await self._system.ask(node, ACTOR, HaveChunks(tuple(chunks)), Have, timeout_s=HAVE_TIMEOUT_S)
            except PortError as error:
                _log.debug("not asked", peer=node[:8], error=str(error))
                return None
            return node, frozenset(chunk for chunk, there in zip(chunks, answer.there, strict=False) if there)

        answers = await asyncio.gather(*(ask(node, chunks) for node, chunks in wanted.items()))
        return dict(answer for answer in answers if answer is not None)

    async def _give(self, node: NodeId, held: Held) -> bool:
        async with self._gate:
            try:
                data = await self._store.read(held.chunk)
                flow = Flow.RECORD if held.alone else Flow.BULK
                await give_chunk(self._system, node, held.chunk, data, AssetId(held.asset), flow)
            except PortError as error:
                _log.info("not copied", chunk=held.chunk.hex()[:12], peer=node[:8], error=str(error))
                return False
        return True

    async def _sweep(self) -> None:
        """Look at every chunk again whenever others have come to hold it."""
        done = (await self._store.meta(_SWEPT) or b"").decode()
        while True:
            token = self._view.token()
            if token != done and await self.sweep_once(token):
                done = token
                await self._store.set_meta(_SWEPT, token.encode())
            await asyncio.sleep(1.0)

    async def sweep_once(self, token: str) -> bool:
        """Look at every chunk once; what somebody may lack is tried again until they have it."""
        after = b""
        while batch := await self._store.page(after, BATCH):
            after = batch[-1].chunk
            await self._store.mark(pending=await self._look_after(batch))
            if self._view.token() != token:
                return False
        return True

    async def drop_once(self) -> int:
        """Let go of bytes this node need not hold; gives how many chunks went."""
        before_ms = int((self._clock.wall() - self._keep_s) * 1000)
        me, gone = self._system.node_id, 0
        alive = set(self._peers.alive_ids())
        for partition in self._store.partitions():
            share = self._view.shares()[partition]
            if me in share.holders or not share.owners:
                continue
            if not alive.issuperset(share.owners):
                continue  # an owner that is away cannot confirm
            batch = await self._store.settled_of(partition, before_ms, BATCH)
            if not batch:
                continue
            have = await self._ask(batch, owners=True)
            pairs = [(one.chunk, one.partition) for one in batch]
            dropped = may_drop(me, pairs, self._view.shares(), have)
            for chunk in dropped:
                await self._store.remove(chunk)
            gone += len(dropped)
            lacking = [one.chunk for one in batch if any(one.chunk not in there for there in have.values())]
            await self._store.mark(pending=lacking)
        return gone


def _lacking(me: NodeId, held: Held, view: LayoutView, have: dict[NodeId, frozenset[ChunkId]]) -> list[NodeId]:
    holders = view.shares()[held.partition].holders
    return [node for node in holders if node != me and held.chunk not in have.get(node, frozenset())]
