"""Repair: what is damaged or missing here is fetched again, what is no longer this node's to hold is handed over.

Four slow loops in one: heal (chunks listed as damaged or wanted), compare (inventories with other holders, so that a
loss nobody noticed is found), hand over (rows of partitions this node no longer holds go to those who do, then from
here), scrub (every chunk is read and checked once in SCRUB_DAYS). Copying itself is ``mesh.actors.copier``.

Invariant: rows leave this node only when every holder of their partition has the same, or has confirmed them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

import structlog

from mesh.actors.chunks import Chunks
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.chunkwire import ACTOR
from mesh.actors.placement import LayoutView
from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem
from mesh.core.placement import partition_of
from mesh.core.replication import Key, plan_rows
from mesh.ports import Clock, Corrupt, NotFound, PortError
from proto import codec
from proto.codec import Malformed, Max
from proto.ids import MESH_PARTITION, AssetId, ChunkId, NodeId, PartitionId
from proto.messages.chunks import ChunkIds, ChunksDiffer, CompareChunks, ListChunks
from roles.storage.compare import listed_here, listed_there

HEAL_EVERY_S = 2.0
HEAL_BATCH = 64
UNFOUND_MAX = 65_536
"""How many chunks that nobody has are remembered as such, for what is told of them."""

COMPARE_EVERY_S = 60.0
HAND_OVER_EVERY_S = 5.0
HAND_OVER_PARTITIONS = 64
"""Partitions handed over in one go."""
SCRUB_DAYS = 7.0
SCRUB_WAIT_MAX_S = 600.0
SCRUB_WAIT_MIN_S = 0.01
SCRUB_KEPT_EVERY_S = 60.0
"""How much of a scrub is done again after a crash."""
ASK_TIMEOUT_S = 10.0
_SCRUB = "scrub"

_log = structlog.get_logger("storage.repair")


@dataclass(frozen=True, slots=True)
class Scrub:
    """Where the scrub is: the last chunk checked, when this round began, when the last whole one began and ended (UTC
    ms, 0: none yet), and how many damaged chunks all rounds found."""

    place: Annotated[bytes, Max(32)] = b""
    began_ms: int = 0
    last_began_ms: int = 0
    last_ended_ms: int = 0
    found: int = 0


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What repair has before it on this node; a chunk short of copies is told by one node alone.

    ``chunks_unfound``: how many of the damaged ones had no copy that could be reached when they were last looked for.
    """

    partitions_behind: int
    chunks_short: int
    chunks_repairing: int
    chunks_damaged: int
    chunks_unfound: int
    rows_held: int
    rows_to_pass_on: int
    scrub: Scrub


class Repair:
    """Repairs what one node holds."""

    def __init__(
        self,
        system: ActorSystem,
        rows: RowStore,
        store: ChunkStore,
        view: LayoutView,
        chunks: Chunks,
        clock: Clock,
        scrub_days: float = SCRUB_DAYS,
    ) -> None:
        self._system = system
        self._rows = rows
        self._store = store
        self._view = view
        self._chunks = chunks
        self._clock = clock
        self._compared: dict[NodeId, float] = {}
        self._scrub_s = scrub_days * 86_400
        self._scrub_kept_at = -SCRUB_KEPT_EVERY_S
        self.scrub = Scrub()
        self._looked_for = b""
        self._unfound: set[ChunkId] = set()
        self.chunks_healed = 0
        self.chunks_scrubbed = 0

    async def open(self) -> None:
        """Begin; the scrub goes on where it was."""
        kept = await self._store.meta(_SCRUB)
        if kept is not None:
            try:
                self.scrub = codec.decode(Scrub, kept)
            except Malformed as error:
                _log.warning("where the scrub was is not known: it begins anew", error=str(error))
        run = self._system.supervisor.run
        run("repair/heal", self._heal)
        run("repair/compare", self._compare)
        run("repair/hand-over", self._hand_over)
        run("repair/scrub", self._scrub)

    async def report(self) -> RepairReport:
        """Tell what is to be done."""
        told = await self._chunks.copier.told_of_all()
        damaged = await self._store.damaged_count()
        return RepairReport(
            self._view.sync.behind(),
            told.short,
            told.repairing,
            damaged,
            min(damaged, len(self._unfound)),
            await self._rows.held(),
            await self._rows.journal_count(),
            self.scrub,
        )

    # ------------------------------------------------------------ damaged and missing chunks

    async def _heal(self) -> None:
        while True:
            await self.heal_once()
            await asyncio.sleep(HEAL_EVERY_S)

    async def heal_once(self) -> int:
        """Fetch what is damaged or missing here, so many at once, those next that were not looked for lately; gives how
        many chunks came back."""
        if self._store.refuses():
            return 0  # others have what lacks a copy brought to stand-ins
        await self._store.put_rotten_aside()
        healed = 0
        batch = await self._store.damaged(HEAL_BATCH, self._looked_for)
        # What nobody has must not keep others from being looked for: after the last come the first again.
        self._looked_for = batch[-1][0] if len(batch) == HEAL_BATCH else b""
        for chunk, asset in batch:
            self._unfound.discard(chunk)
            holders = self._view.holders(partition_of(chunk))
            if chunk in self._store or (holders and self._system.node_id not in holders):
                await self._store.healed(chunk)
                continue
            try:
                data = await self._chunks.fetch(chunk)
                await self._store.add(data, AssetId(asset), chunk)
            except NotFound:
                if not await self._worth([chunk]):
                    await self._store.healed(chunk)  # nobody has it and nobody needs it: it was collected
                else:
                    self._note_unfound(chunk)
                continue
            except PortError as error:
                self._note_unfound(chunk)
                _log.debug("not healed", chunk=chunk.hex()[:12], error=str(error))
                continue
            healed += 1
        self.chunks_healed += healed
        return healed

    def _note_unfound(self, chunk: ChunkId) -> None:
        if len(self._unfound) < UNFOUND_MAX:
            self._unfound.add(chunk)

    # ------------------------------------------------------------ inventories

    async def _compare(self) -> None:
        while True:
            await asyncio.sleep(HEAL_EVERY_S)
            now = self._clock.monotonic()
            present = [node for node in self._view.present(MESH_PARTITION) if node != self._system.node_id]
            self._compared = {node: at for node, at in self._compared.items() if node in present}
            for peer in present:
                if now - self._compared.get(peer, -COMPARE_EVERY_S) >= COMPARE_EVERY_S:
                    self._compared[peer] = now
                    try:
                        await self.compare_with(peer)
                    except PortError as error:
                        _log.debug("inventories not compared", peer=peer[:8], error=str(error))

    async def compare_with(self, peer: NodeId) -> None:
        """Find chunks that only one of two holders has: the other is to get them."""
        told = tuple((part, self._store.digest(part)) for part in self._view.both_hold(peer))
        answer = await self._system.ask(peer, ACTOR, CompareChunks(told), ChunksDiffer, timeout_s=ASK_TIMEOUT_S)
        for number in answer.partitions:
            part = PartitionId(number)
            mine = set(await self._all_chunks(part))
            theirs = set(await self._listed(peer, part))
            more = sorted(mine - theirs)
            spent = await self._store.spent(more)
            await self._store.mark(pending=[chunk for chunk in more if chunk not in spent])
            if not self._store.refuses() and not answer.giving:
                await self._store.want(await self._worth(sorted(theirs - mine)))

    async def _worth(self, chunks: list[ChunkId]) -> list[ChunkId]:
        """Leave out what may have been collected here: an owner that counts wants only what is referred to."""
        me = self._system.node_id
        referred = await self._store.referred(chunks)
        return [
            chunk
            for chunk in chunks
            if chunk in referred
            or me not in self._view.owners(partition_of(chunk))
            or not self._view.sync.counts(partition_of(chunk))
        ]

    async def _all_chunks(self, part: PartitionId) -> list[ChunkId]:
        found: list[ChunkId] = []
        while page := await self._store.chunks_of(part, found[-1] if found else b"", 4096):
            found += page
        return found

    async def _listed(self, peer: NodeId, part: PartitionId) -> list[ChunkId]:
        found: list[ChunkId] = []
        while True:
            message = ListChunks(part, found[-1] if found else b"")
            page = await self._system.ask(peer, ACTOR, message, ChunkIds, timeout_s=ASK_TIMEOUT_S)
            found += [ChunkId(chunk) for chunk in page.chunks]
            if not page.more or not page.chunks:
                return found

    # ------------------------------------------------------------ rows of partitions given up

    async def _hand_over(self) -> None:
        while True:
            await asyncio.sleep(HAND_OVER_EVERY_S)
            try:
                await self.hand_over_once()
            except PortError as error:
                _log.debug("rows not handed over", error=str(error))

    async def hand_over_once(self) -> int:
        """Give rows of partitions this node does not hold to those who do; gives how many rows went from here."""
        gone = 0
        strange = [part for part in await self._rows.digests() if part != MESH_PARTITION and self._is_strange(part)]
        for part in strange[:HAND_OVER_PARTITIONS]:
            holders = self._view.takers(part)
            mine = await listed_here(self._rows, part)
            lacking: dict[Key, None] = {}
            for node in holders:
                theirs = await listed_there(self._system, node, part)
                lacking.update(dict.fromkeys(plan_rows(mine, theirs).give))
            # What a holder lacks goes the way of own writes: it leaves here when all have confirmed it.
            await self._rows.pass_on(list(lacking))
            if not self._is_strange(part):
                continue  # it has become this node's to hold while the others were asked
            sync = self._view.sync
            sync.give_up(part)
            try:
                gone += await self._rows.forget({key: value for key, value in mine.items() if key not in lacking})
            finally:
                sync.gave_up(part, frozenset(self._view.gone()))
        return gone

    def _is_strange(self, part: PartitionId) -> bool:
        holders = self._view.takers(part)
        present = self._view.present(part)
        return bool(holders) and self._system.node_id not in holders and len(present) == len(holders)

    # ------------------------------------------------------------ scrubbing

    async def _scrub(self) -> None:
        while True:
            wait_s = self._scrub_s / max(1, len(self._store))
            await asyncio.sleep(min(SCRUB_WAIT_MAX_S, max(SCRUB_WAIT_MIN_S, wait_s)))
            await self.scrub_once()
            if self._clock.monotonic() - self._scrub_kept_at >= SCRUB_KEPT_EVERY_S:
                await self._keep_scrub()

    async def _keep_scrub(self) -> None:
        """Keep where the scrub is, so that it goes on there after a restart."""
        self._scrub_kept_at = self._clock.monotonic()
        await self._store.set_meta(_SCRUB, codec.encode(self.scrub))

    async def scrub_once(self) -> bool:
        """Check the next chunk; False when it was damaged (it is put aside and fetched again)."""
        now_ms = int(self._clock.wall() * 1000)
        page = await self._store.page(self.scrub.place, 1)
        if not page:
            if self.scrub.place:
                self.scrub = Scrub(b"", now_ms, self.scrub.began_ms, now_ms, self.scrub.found)
                await self._keep_scrub()
            return True
        began_ms = self.scrub.began_ms if self.scrub.place else now_ms
        good = True
        try:
            await self._store.read(page[0].chunk)
        except Corrupt as error:
            _log.warning("a chunk was damaged on this disk", chunk=page[0].chunk.hex()[:12], error=str(error))
            good = False
        except NotFound:
            pass  # let go of meanwhile
        found = self.scrub.found + (0 if good else 1)
        self.scrub = Scrub(page[0].chunk, began_ms, self.scrub.last_began_ms, self.scrub.last_ended_ms, found)
        self.chunks_scrubbed += 1
        return good
