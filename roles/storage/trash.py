"""The trash is emptied: what lay in it for long enough goes for good, and so do references that lead to no asset.

Of the nodes that hold an asset's partition the first that is alive, and has caught up, does it. An asset whose time is
over is emptied only once every node has been settled since, so that a restore in time is always seen; ``emptied_ms``
marks one that is being emptied, and is not taken back. A reference to an asset of which there is no row, as an upload
leaves it that was cut off, is taken back after the grace; one to an asset that was deleted, at once. What else comes
late of an asset that is deleted for good goes as soon as it is seen: pages of a recorder that had not heard of it, what
jobs found.

Invariant: the asset's own row goes last, so that whatever stops this half way is taken up again; each step may be done
twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import dereference
from mesh.actors.files import Files
from mesh.actors.placement import LayoutView
from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem
from mesh.core.placement import partition_of
from mesh.core.query import Query, Where
from mesh.core.rows import Change, Row
from mesh.core.sharing import Share
from mesh.ports import Clock, PortError, Refused
from proto.codec import Malformed
from proto.ids import AssetId, ChunkId, PartitionId
from roles.storage.collector import Collector
from roles.storage.named import is_hash, named_by

EMPTIED_AT_ONCE = 100
CHANGES_AT_ONCE = 256
LISTED_AT_ONCE = 1000
LOOKED_AT_ONCE = 10_000
KNOWN_ASSETS_MAX = 100_000
"""Assets of one pass whose rows are remembered; further ones are asked for again."""
PASS_S = (1.0, 600.0)
OWN_TABLES = ("pages", "scenes", "vectors", "jobs")
"""Tables whose rows belong to an asset and go with it."""

_log = structlog.get_logger("storage.trash")


class Trash:
    """Empties the trash of one storage node's partitions. ``keep_ms``: how long things lie in it."""

    def __init__(
        self,
        system: ActorSystem,
        rows: RowStore,
        catalogue: Catalogue,
        files: Files,
        view: LayoutView,
        collector: Collector,
        clock: Clock,
        keep_ms: int,
    ) -> None:
        self._system = system
        self._rows = rows
        self._catalogue = catalogue
        self._files = files
        self._view = view
        self._collector = collector
        self._clock = clock
        self.keep_ms = keep_ms
        self.assets_emptied = 0
        self.references_dropped = 0
        self.late_rows_dropped = 0

    def open(self) -> None:
        """Begin."""
        self._system.supervisor.run("trash/empty", self._run)

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)

    async def _run(self) -> None:
        graces = self._collector.graces
        shortest_s = min(self.keep_ms, graces.idle_ms, graces.carried_ms) / 1000
        pause_s = min(PASS_S[1], max(PASS_S[0], shortest_s / 4))
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self.empty_once()
                await self.drop_late_once()
                await self.drop_dangling_once()
            except PortError as error:
                _log.info("the trash is not emptied now", error=str(error))

    def _first(self, shares: Mapping[PartitionId, Share]) -> set[PartitionId]:
        """Give the partitions of which this node is the first alive holder and counts."""
        alive = frozenset(self._view.stores())
        me, counting = self._system.node_id, self._view.counting()
        return {part for part in counting if next((one for one in shares[part].holders if one in alive), None) == me}

    # ------------------------------------------------------------ assets

    def lies_too_long(self, row: Row) -> bool:
        """Tell whether an asset's time in the trash is over, or it is being emptied."""
        trashed = row.fields.get("trashed_ms")
        if row.fields.get("emptied_ms"):
            return True
        return isinstance(trashed, int) and trashed > 0 and trashed + self.keep_ms <= self._now_ms()

    async def empty_once(self) -> int:
        """Empty what is over, in this node's partitions; gives how many assets went."""
        mine = self._first(self._view.shares())
        emptied = 0
        for field in ("emptied_ms", "trashed_ms"):
            where = tuple(Where(one, "ge", 1) for one in dict.fromkeys((field, "trashed_ms")))
            query = Query("assets", where, order=field, descending=False, limit=EMPTIED_AT_ONCE)
            for entry, _, _ in (await self._rows.scan(query, sorted(mine))).rows:
                row = entry.row()
                if not self.lies_too_long(row) or not self._seen_by_all(row):
                    continue
                try:
                    await self.empty(AssetId(row.pk))
                except (PortError, Malformed) as error:
                    _log.info("not emptied yet", asset=row.pk, error=str(error))
                    continue
                emptied += 1
        return emptied

    def _seen_by_all(self, row: Row) -> bool:
        trashed = row.fields.get("trashed_ms")
        if row.fields.get("emptied_ms") or not isinstance(trashed, int):
            return True
        return self._collector.settled_ms() > trashed + self.keep_ms

    async def empty(self, asset: AssetId) -> None:
        """Delete an asset that is in the trash, for good. Refused when it is not there."""
        entry = await self._catalogue.surely("assets", asset)
        if entry is None or not entry.alive:
            return
        row = entry.row()
        if not row.fields.get("trashed_ms"):
            raise Refused("only what is in the trash can be deleted for good")
        if not row.fields.get("emptied_ms"):
            await self._catalogue.write(Change("assets", asset, set={"emptied_ms": self._now_ms()}))
        chunks = await self._chunks_of(row)
        changes: list[Change] = []
        for table in OWN_TABLES:
            found = await self._catalogue.surely_all(table, asset)
            chunks += [chunk for one in found for _, chunk, _ in named_by(one.table, one.fields)]
            changes += [Change(table, asset, one.sk, delete=True) for one in found]
        await self._write(changes)
        await self._write([dereference(chunk, asset) for chunk in dict.fromkeys(chunks)])
        await self._catalogue.write(Change("assets", asset, delete=True))
        self.assets_emptied += 1
        _log.info("deleted for good", asset=asset, chunks=len(set(chunks)))

    async def _write(self, changes: Sequence[Change]) -> None:
        for at in range(0, len(changes), CHANGES_AT_ONCE):
            await self._catalogue.write(*changes[at : at + CHANGES_AT_ONCE])

    async def _chunks_of(self, row: Row) -> list[ChunkId]:
        """Give the chunks an asset's own row names; those that cannot be found out now are found as dangling later."""
        named = {name: value for name, value in row.fields.items() if name != "manifest"}
        found = [chunk for _, chunk, _ in named_by(row.table, named)]
        try:
            manifest = await self._files.manifest(row.fields)
        except (PortError, Malformed) as error:
            _log.info("an asset's manifest cannot be read", asset=row.pk, error=str(error))
            return found
        return found + (manifest.ids() if manifest is not None else [])

    async def drop_late_once(self) -> int:
        """Delete rows that came late, of assets which are deleted for good; gives how many."""
        mine = self._first(self._view.shares())
        after, dropped = "", 0
        while True:
            found, after = await self._rows.left_over(OWN_TABLES, after, LOOKED_AT_ONCE)
            for asset in found:
                if partition_of(asset) in mine:
                    late = [
                        Change(table, asset, row.sk, delete=True)
                        for table in OWN_TABLES
                        for row in await self._catalogue.surely_all(table, asset)
                    ]
                    await self._write(late)
                    dropped += len(late)
                    _log.info("what came late of an asset that was deleted for good is dropped", asset=asset)
            if not after:
                self.late_rows_dropped += dropped
                return dropped

    # ------------------------------------------------------------ references that lead nowhere

    async def drop_dangling_once(self) -> int:
        """Take back references to assets there are not; gives how many."""
        mine = self._first(self._view.shares())
        known: dict[str, bool | None] = {}
        after: tuple[str, str] = ("", "")
        dropped = 0
        while rows := await self._rows.living("references", after, LISTED_AT_ONCE):
            after = rows[-1][:2]
            gone = [
                dereference(bytes.fromhex(pk), AssetId(asset))
                for pk, asset, part, made_ms in rows
                if part in mine and is_hash(pk) and await self._leads_nowhere(asset, made_ms, known)
            ]
            await self._write(gone)
            dropped += len(gone)
        self.references_dropped += dropped
        return dropped

    async def _leads_nowhere(self, asset: str, made_ms: int, known: dict[str, bool | None]) -> bool:
        """Tell whether a reference leads to no asset. In ``known`` an asset is there, deleted, or (None) unheard of."""
        if asset not in known:
            if len(known) >= KNOWN_ASSETS_MAX:
                known.clear()
            try:
                entry = await self._catalogue.surely("assets", asset)
            except PortError:
                known[asset] = True  # nobody knows now: another time
            else:
                known[asset] = None if entry is None else entry.alive
        there = known[asset]
        if there is None:
            over = made_ms + self._collector.graces.idle_ms <= self._now_ms()
            return over and self._collector.settled_ms() > made_ms
        return not there
