"""Copies follow: what is on this node's disk is brought to all who should hold it, and let go where it need not be.

New chunks are looked after first, in the order they came; when the layout changes, or a node goes away or comes back,
every chunk is looked at again. Who brings what is ``mesh.core.replication``'s plan; a holder whose disk is full or
takes no writes has the next node in the order hold its copy meanwhile. Invariants: a chunk leaves this disk only right
after every owner has said that it is durable there; what is short of copies waits for nothing, what only moves goes at
the rate that is set.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from mesh.actors.chunkstore import ChunkStore, Held
from mesh.actors.chunkwire import ACTOR, give_chunk
from mesh.actors.placement import LayoutView, Peers
from mesh.actors.system import ActorSystem
from mesh.core.copies import Told, tell
from mesh.core.pacing import Bucket
from mesh.core.replication import left_behind, may_drop, plan_copies
from mesh.core.sharing import Share
from mesh.ports import Clock, DiskFull, Flow, PortError
from proto.ids import AssetId, ChunkId, NodeId, PartitionId
from proto.messages.chunks import Have, HaveChunks

BATCH = 256
MOVED_AT_ONCE = 32
"""Chunks looked at together while a rate is set: how far it is, and that others hold them now, is seen after each."""
MOVE_LOOK_S = 1.0
"""How long a chunk waits for its turn to move until it is looked whether it is to move still."""
COPIES_AT_ONCE = 4
FRESH_WAIT_S = 0.05
AGAIN_S = 2.0
"""How long until chunks that could not be copied are tried again."""
DROP_EVERY_S = 15.0
ALONE_FEW, ALONE_EVERY_S = 1000, 5.0
"""Of so many chunks without a second copy it is looked at every turn which are needed; of more, this often."""
HAVE_TIMEOUT_S = 5.0
FULL_AGAIN_S = 30.0
"""How long until a node whose disk was full, or that was read-only, is offered chunks again."""
COUNT_EVERY_S = 2.0
SAFE_COPIES = 2
"""Below so many copies nothing waits, whatever was wanted before: the next loss may be the last."""
_SWEPT, _SWEPT_COPIES = "chunks_swept", "chunks_swept_copies"

_log = structlog.get_logger("chunks.copier")


@dataclass(frozen=True, slots=True)
class Lag:
    """What was kept on this node and is on no other yet; ``seconds`` since the oldest of it came."""

    chunks: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Moving:
    """How far this node is in bringing what it has to those that hold it since others came to hold partitions.

    ``looked_at``: the part of its chunks that was looked after, from 0 to 1; ``moved_bytes``: what it gave, since it
    started, of chunks that had all their copies.
    """

    looked_at: float
    moved_bytes: int


class Turn(enum.Enum):
    """When a chunk that only moves is given: as soon as the rate allows, now if it does, or not by this look."""

    WAIT = "wait"
    NOW = "now"
    LATER = "later"


class Copier:
    """Copies this node's chunks to their holders. ``keep_s``: how long bytes stay here that need not.

    ``move_bytes_s``: what it gives a second of chunks that have all their copies, and only lie elsewhere than they
    should, or are to have more copies than were wanted before; 0: no limit.
    """

    def __init__(
        self,
        system: ActorSystem,
        store: ChunkStore,
        view: LayoutView,
        peers: Peers,
        clock: Clock,
        *,
        keep_s: float,
        move_bytes_s: float = 0.0,
    ) -> None:
        self._system = system
        self._store = store
        self._view = view
        self._peers = peers
        self._clock = clock
        self._keep_s = keep_s
        self._pace = Bucket(move_bytes_s, AGAIN_S)
        self._turn = asyncio.Lock()
        self._moved_bytes = 0
        self._place: tuple[int, bytes] = (0, b"")
        self._again_at = 0.0
        self._drop_at = 0.0
        self._oldest_ms = 0
        self._spare = [0, 0]
        """Chunks, and their bytes, that are here alone and that nobody needs: they need no second copy."""
        self._alone_at = 0.0
        self._gate = asyncio.Semaphore(COPIES_AT_ONCE)
        self._full_until: dict[NodeId, float] = {}
        self._swept = ""
        self._swept_to = b""
        self._swept_copies = 0
        """How many copies were wanted when all chunks had last been looked at; 0: that is not known."""
        self._raised_ms = 0
        self._swept_shares: Mapping[PartitionId, Share] | None = None
        self._counted: Told = Told()
        self._counted_at = -COUNT_EVERY_S
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
        chunks, size = self._store.alone_chunks - self._spare[0], self._store.alone_bytes - self._spare[1]
        if not others or chunks <= 0:
            return Lag(0, 0, 0.0)
        now_ms = self._clock.wall() * 1000
        age_s = max(0.0, now_ms - self._oldest_ms) / 1000 if self._oldest_ms else 0.0
        return Lag(chunks, max(0, size), age_s)

    @property
    def giving(self) -> bool:
        """Whether others may lack what is here only because it comes to them at the rate that is set."""
        return self._pace.limited and (self.backlog > 0 or self._looked() is not None)

    def moving(self) -> Moving:
        """Tell how far it is in following the layout."""
        looked = self._looked()
        # Chunks are in the order of their hashes, which are spread evenly.
        part = 1.0 if looked is None else int.from_bytes(looked[:4].ljust(4, b"\0"), "big") / (1 << 32)
        return Moving(part, self._moved_bytes)

    # ------------------------------------------------------------ how many copies

    def _looked(self) -> bytes | None:
        """Give the last chunk looked at since others came to hold partitions; None when all were."""
        return None if self._swept == self._view.placed() else self._swept_to

    async def told(self, asset: AssetId) -> Told:
        """Say how the chunks of an asset that are here stand."""
        standings, damaged = await self._store.standings(asset, self._looked())
        me, view = self._system.node_id, self._view
        alive = frozenset(self._peers.alive_ids())
        return tell(me, standings, damaged, view.shares(), self._swept_shares, alive, view.copies())

    async def told_of_all(self) -> Told:
        """Say the same of all chunks of which this node is the first that can be asked; at most COUNT_EVERY_S old."""
        now = self._clock.monotonic()
        if now - self._counted_at >= COUNT_EVERY_S:
            self._counted_at = now
            me, view = self._system.node_id, self._view
            shares, alive = view.shares(), frozenset(self._peers.alive_ids())
            first = {
                part: next((node for node in share.holders if node in alive), me) for part, share in shares.items()
            }
            wanted, looked = view.copies(), self._looked()
            whole = looked is None and all(
                sum(1 for node in share.holders if node in alive) >= wanted for share in shares.values()
            )
            mine = [
                one
                for one in await self._store.all_standings(looked, settled=not whole)
                if first[one.partition] == me or (one.pending and not one.elsewhere)
            ]
            self._counted = tell(me, mine, (), shares, self._swept_shares, alive, wanted)
        return self._counted

    # ------------------------------------------------------------ copying

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
            if self._store.alone_chunks <= ALONE_FEW or now >= self._alone_at:
                self._alone_at = now + ALONE_EVERY_S
                *self._spare, self._oldest_ms = await self._store.alone_told()
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
        await self._look_after(batch, Turn.NOW)
        return True

    async def _look_after(self, batch: Sequence[Held], moving: Turn) -> list[ChunkId]:
        """Copy what holders lack; gives the chunks somebody may still lack, but for those that may move later.

        What nobody needs any more is not copied; the collector has it looked after again should somebody.
        """
        placed = self._view.placed()
        spent = await self._store.spent([one.chunk for one in batch])
        if spent:
            await self._store.mark(done=sorted(spent))
            batch = [one for one in batch if one.chunk not in spent]
        shares = self._view.shares()
        have = await self._ask(batch, owners=False)
        held = {one.chunk: one for one in batch}
        pairs = [(one.chunk, one.partition) for one in batch]
        plan = plan_copies(self._system.node_id, pairs, shares, have)
        elsewhere = {chunk: sum(1 for there in have.values() if chunk in there) for chunk in held}
        missing = {
            chunk: len(_lacking(self._system.node_id, held[chunk].chunk, shares[held[chunk].partition], have))
            for chunk in plan.waiting
        }
        moves = await self._only_move([held[chunk] for chunk in dict(plan.give)], shares, elsewhere)
        later = frozenset(chunk for chunk in plan.waiting if chunk in moves or chunk not in dict(plan.give))
        later = later if moving is Turn.LATER else frozenset()
        gives = [(chunk, node) for chunk, node in plan.give if chunk not in later]
        given = await asyncio.gather(
            *(
                self._move(node, held[chunk], moving, placed) if chunk in moves else self._give(node, held[chunk])
                for chunk, node in gives
            )
        )
        for (chunk, _), ok in zip(gives, given, strict=True):
            if ok:
                missing[chunk] -= 1
                elsewhere[chunk] += 1
        short = [chunk for chunk in dict(gives) if 1 + elsewhere[chunk] < self._view.copies()]
        for chunk in await self._spill([held[chunk] for chunk in short], shares):
            elsewhere[chunk] += 1
        done = [
            *plan.done,
            *(chunk for chunk, count in missing.items() if count == 0 and shares[held[chunk].partition].holders),
        ]
        looked = {chunk: count for chunk, count in elsewhere.items() if chunk not in later}
        await self._store.mark(done=done, elsewhere=looked)
        return [chunk for chunk in plan.waiting if chunk not in later and chunk not in set(done)]

    def note_full(self, node: NodeId) -> None:
        """Take note that a node's disk takes no more, or that it is read-only: it is asked again after a while."""
        self._full_until[node] = self._clock.monotonic() + FULL_AGAIN_S

    def is_full(self, node: NodeId) -> bool:
        """Tell whether a node said lately that its disk takes no more, or that it is read-only."""
        return self._full_until.get(node, 0.0) > self._clock.monotonic()

    async def _spill(self, batch: Sequence[Held], shares: Mapping[PartitionId, Share]) -> list[ChunkId]:
        """Have the next node in the order hold what a holder that takes nothing cannot; gives what is there now."""
        me, alive = self._system.node_id, set(self._peers.alive_ids())
        wanted: dict[NodeId, dict[ChunkId, Held]] = {}
        for one in batch:
            holders = shares[one.partition].holders
            if not any(self.is_full(node) for node in holders):
                continue
            rest = (node for node in self._view.layout.order(one.partition) if node not in holders)
            following = next((node for node in rest if node in alive and node != me and not self.is_full(node)), None)
            if following is not None:
                wanted.setdefault(following, {})[one.chunk] = one
        there: list[ChunkId] = []
        for node, chunks in wanted.items():
            have = await self._have(node, list(chunks)) or frozenset()
            lacking = [one for chunk, one in chunks.items() if chunk not in have]
            given = await asyncio.gather(*(self._give(node, one) for one in lacking))
            there += [*have, *(one.chunk for one, ok in zip(lacking, given, strict=True) if ok)]
        return there

    async def _have(self, node: NodeId, chunks: Sequence[ChunkId]) -> frozenset[ChunkId] | None:
        """Ask a node which of these chunks it has; None when it does not answer."""
        try:
            answer = await self._system.ask(node, ACTOR, HaveChunks(tuple(chunks)), Have, timeout_s=HAVE_TIMEOUT_S)
        except PortError as error:
            _log.debug("not asked", peer=node[:8], error=str(error))
            return None
        return frozenset(chunk for chunk, there in zip(chunks, answer.there, strict=False) if there)

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

        answers = await asyncio.gather(*(self._have(node, chunks) for node, chunks in wanted.items()))
        return {node: there for node, there in zip(wanted, answers, strict=True) if there is not None}

    async def _only_move(
        self, batch: Sequence[Held], shares: Mapping[PartitionId, Share], elsewhere: Mapping[ChunkId, int]
    ) -> frozenset[ChunkId]:
        """Give which of these have all their copies, if need be on nodes that should hold them no longer.

        While more copies are wanted than before, what was here then needs no more for this than were wanted then.
        """
        wanted, me, alive = self._view.copies(), self._system.node_id, set(self._peers.alive_ids())
        before = min(wanted, max(SAFE_COPIES, self._swept_copies)) if self._swept_copies else wanted
        enough = {one.chunk: before if one.added_ms < self._raised_ms else wanted for one in batch}
        count = {one.chunk: 1 + elsewhere[one.chunk] for one in batch}
        asked: dict[NodeId, list[ChunkId]] = {}
        for one in batch:
            # What is alone came just now, and waits for nobody.
            if count[one.chunk] < enough[one.chunk] and not one.alone:
                for node in left_behind(self._view.layout, one.partition, shares[one.partition].holders, wanted):
                    if node != me and node in alive:
                        asked.setdefault(node, []).append(one.chunk)
        for there in await asyncio.gather(*(self._have(node, chunks) for node, chunks in asked.items())):
            for chunk in there or ():
                count[chunk] += 1
        return frozenset(chunk for chunk, copies in count.items() if copies >= enough[chunk])

    async def _move(self, node: NodeId, held: Held, turn: Turn, placed: str) -> bool:
        """Give a chunk that has all its copies, in its turn; False when it is not there after that.

        ``placed``: how things were placed when this was found out; what waits is given up when that has changed.
        """
        if self._pace.limited:
            if turn is Turn.NOW and (self._turn.locked() or self._pace.wait_s(self._clock.monotonic()) > 0):
                return False
            async with self._turn:
                while True:
                    if self._view.placed() != placed or self.is_full(node):
                        return False
                    wait_s = self._pace.wait_s(self._clock.monotonic())
                    if wait_s <= 0:
                        break
                    await asyncio.sleep(min(wait_s, MOVE_LOOK_S))
                self._pace.spend(held.size)
        given = await self._give(node, held)
        self._moved_bytes += held.size if given else 0
        return given

    async def _give(self, node: NodeId, held: Held) -> bool:
        async with self._gate:
            if self.is_full(node):
                return False
            try:
                data = await self._store.read(held.chunk)
                flow = Flow.RECORD if held.alone else Flow.BULK
                await give_chunk(self._system, node, held.chunk, data, AssetId(held.asset), flow)
            except DiskFull as error:
                self.note_full(node)
                _log.warning("a node takes no chunks now", peer=node[:8], error=str(error))
                return False
            except PortError as error:
                _log.info("not copied", chunk=held.chunk.hex()[:12], peer=node[:8], error=str(error))
                return False
        return True

    async def _sweep(self) -> None:
        """Look at every chunk again whenever others have come to hold it."""
        self._swept = (await self._store.meta(_SWEPT) or b"").decode()
        self._swept_copies = int(await self._store.meta(_SWEPT_COPIES) or b"0")
        looking = ""
        while True:
            token, copies = self._view.placed(), self._view.copies()
            if token not in (self._swept, looking):
                looking = token
                self._raised_ms = int(self._clock.wall() * 1000) if copies > self._swept_copies else 0
            if token != self._swept and await self.sweep_once(token):
                self.backlog = await self._store.pending_count()
                await self._store.set_meta(_SWEPT, token.encode())
                await self._store.set_meta(_SWEPT_COPIES, str(copies).encode())
                self._swept, self._swept_copies = token, copies
            if self._swept == self._view.placed():
                self._swept_shares = self._view.shares()
            await asyncio.sleep(1.0)

    async def sweep_once(self, token: str) -> bool:
        """Look at every chunk once; what somebody may lack is tried again until they have it.

        While a rate is set it is looked first for what has too few copies: that does not queue behind what only moves.
        """
        after = self._swept_to = b""
        if self._pace.limited and not await self._mend(token):
            return False
        while batch := await self._store.page(after, MOVED_AT_ONCE if self._pace.limited else BATCH):
            after = batch[-1].chunk
            await self._store.mark(pending=await self._look_after(batch, Turn.WAIT))
            self._swept_to = after
            if self._view.placed() != token:
                return False
        return True

    async def _mend(self, token: str) -> bool:
        after = b""
        while batch := await self._store.page(after, BATCH):
            after = batch[-1].chunk
            await self._store.mark(pending=await self._look_after(batch, Turn.LATER))
            if self._view.placed() != token:
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


def _lacking(me: NodeId, chunk: ChunkId, share: Share, have: Mapping[NodeId, frozenset[ChunkId]]) -> list[NodeId]:
    return [node for node in share.holders if node != me and chunk not in have.get(node, frozenset())]
