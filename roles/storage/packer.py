"""Packs the small parts of takes once a stretch of one closes: bytes first, then the page, then the old pages go.

Of the nodes that hold a take's partition the first that is alive, and has caught up, does it; were two to do it, both
packed pages carry the same parts. Invariant: a page is removed only by the write that adds pages, made after it was
read, that carry its every part; the new chunks are durable and referenced before that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from mesh.actors.catalogue import CHANGES_MAX, Catalogue
from mesh.actors.chunks import Chunks, carry, reference
from mesh.actors.placement import LayoutView
from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem
from mesh.core.placement import partition_of
from mesh.core.query import Query, Where, page_text, sort_key
from mesh.core.rows import Change, Entry
from mesh.ports import Clock, PortError, Refused
from proto.codec import Malformed
from proto.ids import AssetId, ChunkId
from roles.media.packing import Stretch, plan
from roles.media.timeline import Page

PACK_EVERY_S = 5.0
RUNNING_EVERY_S = 60.0
"""How often a take that is being recorded is looked at."""
AGAIN_S = 30.0
COPIES_WAITED = 2
TAKES_MAX = 10_000
"""Takes waiting to be looked at; further ones are when a page of theirs changes, or who holds what."""
SETTLED_TAKES_MAX = 256
REFERENCES_AT_ONCE = 256

_log = structlog.get_logger("storage.packer")


class Packer:
    """Packs the takes of one storage node's partitions."""

    def __init__(
        self, system: ActorSystem, rows: RowStore, catalogue: Catalogue, chunks: Chunks, view: LayoutView, clock: Clock
    ) -> None:
        self._system = system
        self._rows = rows
        self._catalogue = catalogue
        self._chunks = chunks
        self._view = view
        self._clock = clock
        self._due: dict[AssetId, float] = {}
        self._settled: dict[AssetId, set[str]] = {}
        self._seen: tuple[str, int] = ("", -1)
        self.stretches_packed = 0

    def open(self) -> None:
        """Begin."""
        self._rows.watch("pages", self._changed)
        self._rows.watch("assets", self._changed)
        self._system.supervisor.run("takes/pack", self._run)

    @property
    def waiting(self) -> int:
        """How many takes wait to be looked at."""
        return len(self._due)

    def _changed(self, entry: Entry) -> None:
        take = AssetId(entry.pk)
        if take in self._due or len(self._due) >= TAKES_MAX:
            return
        self._due[take] = self._clock.monotonic() + PACK_EVERY_S

    async def _run(self) -> None:
        while True:
            await self._find()
            now = self._clock.monotonic()
            for take in [take for take, at in self._due.items() if at <= now]:
                del self._due[take]
                try:
                    await self.pack(take)
                except (PortError, Malformed) as error:
                    _log.info("not packed yet", take=take, error=str(error))
                    self._due[take] = self._clock.monotonic() + AGAIN_S
            await asyncio.sleep(PACK_EVERY_S)

    async def _find(self) -> None:
        """Look for takes that nobody has packed, whenever it may be this node's turn to."""
        seen = (self._view.token(), self._view.sync.behind())
        alive = len(self._view.stores())
        if self._seen == (f"{seen[0]}/{alive}", seen[1]):
            return
        page = ""
        while len(self._due) < TAKES_MAX:
            query = Query("assets", (Where("kind", "eq", "take"), Where("packed", "missing")), limit=1000, page=page)
            rows = (await self._rows.scan(query)).rows
            for entry, _, _ in rows:
                self._due.setdefault(AssetId(entry.pk), self._clock.monotonic())
            if len(rows) < query.limit:
                break
            page = page_text(sort_key(rows[-1][0].row(), query.order, 0.0))
        self._seen = (f"{seen[0]}/{alive}", seen[1])

    def _is_mine(self, take: AssetId) -> bool:
        partition = partition_of(take)
        alive = frozenset(self._view.stores())
        first = next((node for node in self._view.holders(partition) if node in alive), None)
        return first == self._system.node_id and self._view.sync.counts(partition)

    async def pack(self, take: AssetId) -> int:
        """Pack what is closed of a take; gives how many stretches."""
        if not self._is_mine(take):
            return 0
        found = await self._rows.get("assets", take, "")
        row = found[0].row() if found and found[0].alive else None
        if row is None or row.fields.get("kind") != "take":
            return 0
        ended = row.fields.get("state") in ("ready", "interrupted")
        settled = self._settled.setdefault(take, set())
        while len(self._settled) > SETTLED_TAKES_MAX:
            self._settled.pop(next(iter(self._settled)))
        pages: dict[str, Page] = {}
        for entry in await self._rows.get("pages", take, None):
            body = entry.row().fields.get("body") if entry.alive and entry.sk not in settled else None
            if isinstance(body, bytes):
                pages[entry.sk] = Page.unpack(body)
        stretches = plan(pages, ended=ended)
        for stretch in stretches:
            settled.add((await self._pack_stretch(take, stretch, pages)).name())
        if ended and not row.fields.get("packed"):
            await self._catalogue.write(Change("assets", take, set={"packed": True}))
        elif not ended:
            self._due[take] = self._clock.monotonic() + RUNNING_EVERY_S
        self.stretches_packed += len(stretches)
        return len(stretches)

    async def _pack_stretch(self, take: AssetId, stretch: Stretch, pages: Mapping[str, Page]) -> Page:
        made: dict[int, bytes] = {}
        copies = min(COPIES_WAITED, self._view.copies())
        for number, run in enumerate(stretch.chunks):
            if len(run) > 1:
                parts = [await self._chunks.get(ChunkId(one.chunk), one.offset, one.size) for one in run]
                if [len(part) for part in parts] != [one.size for one in run]:
                    raise Refused("a part is shorter than its page says")
                data = b"".join(parts)
                made[number] = await self._chunks.put(data, take, copies=copies)
                await self._catalogue.write(reference(made[number], take, len(data)))
        page = stretch.packed(made)
        name = page.name()
        removed = [Change("pages", take, old, delete=True) for old in stretch.names if old != name]
        # In one write: a crash leaves either the old pages with what they name, or nothing that nobody names.
        old_pages = [pages[old] for old in stretch.names if old != name]
        let_go = await self._let_go(take, stretch, page, old_pages)
        at_once = CHANGES_MAX - len(removed) - 1
        await self._catalogue.write(Change("pages", take, name, set={"body": page.pack()}), *removed, *let_go[:at_once])
        for at in range(at_once, len(let_go), REFERENCES_AT_ONCE):
            await self._catalogue.write(*let_go[at : at + REFERENCES_AT_ONCE])
        _log.info("packed", take=take, parts=len(page.entries), chunks=len(stretch.chunks))
        return page

    async def _let_go(self, take: AssetId, stretch: Stretch, packed: Page, old: Sequence[Page]) -> list[Change]:
        """Take back the references of what no other page names any more; each says what carries its bytes now."""
        carriers = {(entry.epoch, entry.group, entry.part): entry.chunk for entry in packed.entries}
        named = {entry.chunk for entry in packed.entries}
        for row in await self._rows.get("pages", take, None):
            body = row.row().fields.get("body") if row.alive and row.sk not in stretch.names else None
            if isinstance(body, bytes):
                named |= {one.chunk for one in Page.unpack(body).entries}
        carried = {
            entry.chunk: carriers[entry.epoch, entry.group, entry.part]
            for page in old
            for entry in page.entries
            if entry.chunk not in named
        }
        return [change for chunk in sorted(carried) for change in carry(chunk, take, carried[chunk])]
