"""One take: a camera's track to durable parts and manifest pages, while it runs.

Decides when a page is written: at once for a new configuration, then every PAGE_EVERY_S. A part is durable here before
it is in a page. Decides where something is missing on the source's own sequence (epoch, group, number in the group):
what comes goes on being recorded, and what is missing between is asked of the camera's node, which keeps the last
seconds (``roles.daemon.backfill``). A group is always cut from its first unit on, so that whoever cuts it makes the
same parts; one of which only the end came is left to be filled.

Invariant: what is not recorded is stated: a gap of the source, or one that could not be filled, is a gap of the
timeline, what a full disk kept from being recorded is told with the take (the set ``lost``, and its error), and groups
lost on the way are counted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import assert_never

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks, reference
from mesh.actors.live import Ended, Gap, GroupStart, Item, LiveHub, Object, Subscription
from mesh.core.recording import Unwritten
from mesh.core.rows import Change
from mesh.ports import Clock, DiskFull, ReadOnly
from proto.codec import Malformed, Value
from proto.ids import AssetId, CameraId, ChunkId
from roles.daemon.backfill import EVERYTHING, Place, Refill
from roles.media.segmenter import Part, Segmenter
from roles.media.timeline import DISK_FULL, GAP_US, Entry, Loss, Page, Placer
from roles.media.units import AccessUnit, GroupInfo, MediaKind

PAGE_EVERY_S = 1.0
"""With a part under way this is what a node lost for good takes with it: others find parts through pages only."""
SOURCE_POLL_S = 0.1
RECENT_PARTS = 128
SETTLED_PARTS = 8
LOSSES_MAX = 256
"""Stretches lost to a full disk that are told one by one; of further ones only how long they were in all."""
WAITING_AFTER_S = 2.0
"""How long nothing comes until the take's row says that it waits."""
SAFE_AFTER_S = 2.0
"""How old what is on other disks too must be, so that its page has reached others as well."""
BEGUN_MAX = 512
"""Groups remembered with the time they began, of which one is safe; with longer lags an older one is told."""
CUT_MAX = 1024
"""Parts remembered as stored, so that a group that is cut again is not counted twice."""
FILLS_WAIT_S = 4.0
"""How long an ending take waits for what is being filled."""

_log = structlog.get_logger("daemon")


class Take:
    """Records until ``stop``; ``run`` may be run again after a failure and goes on with the same take.

    ``refill`` gives what is missing, when there is somebody to ask. ``place``: where another recorder, or an earlier
    run, may have left a hole: what comes is filled up from there.
    """

    def __init__(
        self,
        take: AssetId,
        camera: CameraId,
        live: LiveHub,
        chunks: Chunks,
        catalogue: Catalogue,
        clock: Clock,
        refill: Refill | None = None,
        place: Place | None = None,
    ) -> None:
        self.take = take
        self.camera = camera
        self._track = f"{camera}/main"
        self._live = live
        self._chunks = chunks
        self._catalogue = catalogue
        self._clock = clock
        self._refill = refill
        self._stopping = asyncio.Event()
        self._following: Subscription | None = None
        self.ended = asyncio.Event()
        self._segmenter = Segmenter(take)
        self._keeping = asyncio.Lock()
        self._fills: set[asyncio.Task[None]] = set()
        self._place = place
        """The group that was being recorded last; None before anything was."""
        self._whole = False
        """Whether everything since ``_place`` has come."""
        self._next = 0
        """The number of the unit of the group that comes next."""
        self._skipping = True
        self._began: deque[tuple[float, Place]] = deque(maxlen=BEGUN_MAX)
        self._cut: dict[tuple[int, int, int], int] = {}
        self._open: list[Entry] = []
        self._page: Page | None = None
        self._page_at = 0.0
        self._came_s = clock.monotonic()
        self._filmed: tuple[float, int] | None = None
        """When the last unit came, and when it was filmed."""
        self.stopped_us = 0
        """When it was stopped, on its source's clock (UTC microseconds); 0 while it runs, or where nothing came."""
        self.waiting = ""
        """What it waits for while nothing comes, in words."""
        self.error = ""
        """What is wrong now, in words."""
        self.counter = 0
        """Of the epoch under which this node holds the recording; 0: nobody has granted it yet."""
        self.granted = False
        """Whether the camera's node has said in this run that this node records."""
        self.figures_known = True
        """Whether its figures hold what others, and earlier runs, recorded of it."""
        self.made_ms = self.started_ms = int(clock.wall() * 1000)
        self.parts = 0
        self.parts_lost = 0
        self.lost_us = 0
        """What could not be stored, in microseconds of the track."""
        self.groups_lost = 0
        self.filled = 0
        """Parts that were made of what the camera's node gave again."""
        self.bytes = 0
        self.duration_us = 0
        """What is recorded, without the holes."""
        self._line = Placer()
        self._before_us = 0
        self._first: Entry | None = None
        self._lost: list[Loss] = []
        self._why_lost = DISK_FULL
        self._left = False
        """Whether another goes on with it, who may have what was lost here."""
        self.unwritten = Unwritten()
        self._lost_told = 0
        self.first: tuple[int, int, int] | None = None
        """Epoch, group and part this run began with."""
        self._recent: deque[tuple[float, ChunkId]] = deque(maxlen=RECENT_PARTS)

    def stop(self, *, filled: bool = True) -> None:
        """Ask it to end with what has come so far; ``run`` returns when everything is durable.

        Not ``filled``: what is missing is left to another that goes on with it.
        """
        if not filled:
            self._refill, self._left = None, True
        if self._filmed is not None:
            came_s, captured_us = self._filmed
            self.stopped_us = captured_us + int((self._clock.monotonic() - came_s) * 1e6)
        self._stopping.set()
        if self._following is not None:
            self._following.offer(Ended("stopped"))

    def goes_on(self, parts: int, size_bytes: int, duration_us: int, started_ms: int, line: Placer) -> None:
        """Add what an earlier run of the node, or another, has recorded of this take; it may be running by now.

        ``line`` has placed what it recorded.
        """
        if self._first is None:
            self._line = line
        else:
            self._before_us = line.place(self._first)[0]
        self.parts += parts
        self.bytes += size_bytes
        self.duration_us += duration_us
        self.started_ms = started_ms or self.started_ms
        self.figures_known = True

    def missing_from(self, place: Place) -> None:
        """Say from which group on what was recorded before may be missing; told when this may already be running."""
        if self._place is None:
            self._place = place
        elif self._began and place < self._began[0][1]:
            self._fill(place, self._began[0][1])

    def place(self, lag_s: float) -> Place:
        """Give the group from which on what is recorded here may be on no other disk; ``lag_s`` as Chunks tells it."""
        before = self._clock.monotonic() - lag_s - SAFE_AFTER_S
        found = self._began[0][1] if self._began else (0, 0)
        for began_s, place in self._began:
            if began_s > before:
                break
            found = place
        return self.unwritten.before(found)

    def settled(self, age_s: float) -> list[ChunkId]:
        """Give the newest parts that were stored at least so long ago."""
        before = self._clock.monotonic() - age_s
        return [chunk for at, chunk in self._recent if at <= before][-SETTLED_PARTS:]

    @property
    def bytes_per_s(self) -> float:
        """How fast it grows; 0 before that is known."""
        return self.bytes / (self.duration_us / 1e6) if self.duration_us else 0.0

    @property
    def length_us(self) -> int:
        """How long it is on its timeline, holes included, in microseconds."""
        return self._before_us + self._line.end_us

    async def run(self) -> None:
        """Record; returns once stopped and whole."""
        while not self._stopping.is_set():
            if self._track in self._live.tracks():
                await self._follow()
            else:
                await self._mind_waiting()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SOURCE_POLL_S):
                        await self._stopping.wait()
        await self._flush()
        if not self._whole and self._place is not None:
            self._fill(self._place, EVERYTHING)
        await self._fills_end()
        async with self._keeping:
            await self._write_page()
        await self._tell_losses(ended=True)
        if self._left:
            await self._tell_error("")
        elif self.lost_us:
            await self._tell_error(f"{self.lost_us / 1e6:.1f} s of this take were not recorded: {self._why_lost}")
        await self._tell_waiting("")
        self.ended.set()

    async def _follow(self) -> None:
        async with self._live.subscribe(self._track, lossless=True) as subscription:
            self._following = subscription
            try:
                async for item in subscription:
                    await self._item(item)
            finally:
                self._following = None
                # What comes after a stop is not wanted; after anything else it is, and some of it may not come.
                self._whole = self._whole and self._stopping.is_set()

    async def _mind_waiting(self) -> None:
        if self._clock.monotonic() - self._came_s > WAITING_AFTER_S:
            await self._tell_waiting("no picture comes from its camera")

    async def _item(self, item: Item) -> None:
        match item:
            case GroupStart():
                await self._begin(GroupInfo.unpack(item.header))
            case Object():
                try:
                    unit = AccessUnit.unpack(item.data)
                except Malformed as error:
                    _log.warning("unit not recorded", take=self.take, error=str(error))
                    return
                await self._unit(unit)
            case Gap():
                self.groups_lost += item.groups
                self._whole = False
                self._skipping = True
            case Ended():
                await self._flush()
                async with self._keeping:
                    await self._write_page()
            case _:
                assert_never(item)

    async def _begin(self, info: GroupInfo) -> None:
        here, before = (info.epoch, info.group), self._place
        if before is not None and here < before:
            self._skipping = True  # it came before, by another way
            return
        if before is not None and not (self._whole and here == (before[0], before[1] + 1)):
            await self._flush()
            if before < here:
                self._fill(before, here)
            self._segmenter = Segmenter(self.take)
        self._place, self._whole, self._next, self._skipping = here, True, 0, False
        self._began.append((self._clock.monotonic(), here))
        self._came_s = self._clock.monotonic()
        await self._tell_waiting("")
        await self._keep(self._segmenter.begin(info))

    async def _unit(self, unit: AccessUnit) -> None:
        if self._skipping or unit.index < self._next:
            return
        if unit.index > self._next:
            # The rest of the group is of no use before the whole of it has been asked for again.
            self._skipping, self._whole = True, False
            return
        self._next += 1
        self._came_s = self._clock.monotonic()
        self._filmed = (self._came_s, unit.captured_us)
        await self._keep(self._segmenter.push(unit))

    async def _flush(self) -> None:
        await self._keep(self._segmenter.flush())

    # ------------------------------------------------------------ what is missing

    def _fill(self, start: Place, until: Place) -> None:
        """Have what lies between two groups given again, beside what comes now."""
        if self._refill is None:
            return
        refill = self._refill

        async def fill() -> None:
            segmenter = Segmenter(self.take)

            async def take(item: GroupInfo | AccessUnit) -> None:
                parts = segmenter.begin(item) if isinstance(item, GroupInfo) else segmenter.push(item)
                self.filled += await self._keep(parts, placed=False)

            await refill(start, until, take)
            # Of the group before which it ends one unit came, for the length of the last one before.
            left = [part for part in segmenter.flush() if until == EVERYTHING or (part.epoch, part.group) < until]
            self.filled += await self._keep(left, placed=False)
            async with self._keeping:
                await self._write_page()

        made = asyncio.get_running_loop().create_task(fill(), name=f"take/{self.take}/fill")
        self._fills.add(made)
        made.add_done_callback(self._filled)

    def _filled(self, task: asyncio.Task[None]) -> None:
        self._fills.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("a hole was not filled", take=self.take, exc_info=task.exception())

    async def _fills_end(self) -> None:
        if not self._fills:
            return
        _, late = await asyncio.wait(self._fills, timeout=FILLS_WAIT_S)
        for task in late:
            task.cancel()

    # ------------------------------------------------------------ what is stored

    async def _keep(self, parts: list[Part], *, placed: bool = True) -> int:
        """Store parts; gives how many were not there before. Not ``placed``: they lie before what came last."""
        stored = 0
        for part in parts:
            async with self._keeping:
                name = (part.epoch, part.group, part.part)
                if self._cut.get(name, 0) >= part.samples:
                    continue  # cut again
                try:
                    await self._keep_part(part, placed=placed)
                except DiskFull as error:
                    # The take so far is whole; recording goes on as soon as there is room again.
                    self.parts_lost += 1
                    self.lost_us += part.duration_us
                    self._lose(part)
                    self.unwritten.failed((part.epoch, part.group), self._clock.monotonic())
                    self._why_lost = "the disk took no writes" if isinstance(error, ReadOnly) else DISK_FULL
                    await self._tell_error(f"not recording: {error}")
                else:
                    stored += 1
                    self.unwritten.written(self._clock.monotonic())
                    self._cut[name] = part.samples
                    if len(self._cut) > CUT_MAX:
                        del self._cut[next(iter(self._cut))]
                    await self._tell_error("")
                    await self._tell_losses()
        return stored

    def _lose(self, part: Part) -> None:
        end_us = part.start_us + part.duration_us
        last = self._lost[-1] if self._lost else None
        if last is not None and last.epoch == part.epoch and abs(part.start_us - last.end_us) <= GAP_US:
            self._lost[-1] = Loss(last.epoch, last.start_us, end_us)
        elif len(self._lost) < LOSSES_MAX:
            self._lost.append(Loss(part.epoch, part.start_us, end_us))

    async def _tell_losses(self, *, ended: bool = False) -> None:
        """Tell what is known to be lost, once it goes on or has ended: a stretch is told when it is whole."""
        if self._lost_told == len(self._lost):
            return
        told = tuple(loss.text() for loss in self._lost[self._lost_told :])
        try:
            await self._catalogue.write(Change("assets", self.take, add={"lost": told}))
        except DiskFull as error:
            if ended:
                _log.error("what is lost could not be written", take=self.take, error=str(error))
            return
        self._lost_told = len(self._lost)

    async def _keep_part(self, part: Part, *, placed: bool) -> None:
        init = part.init()
        page = self._page
        if page is None or page.tracks != part.tracks or (self._open and self._open[-1].epoch != part.epoch):
            await self._write_page()
            chunk = await self._chunks.keep(init, self.take)
            page = self._page = Page(self.take, chunk, len(init), part.tracks, ())
            self._page_at = 0.0
        chunk = await self._chunks.keep(part.data, self.take)
        self._recent.append((self._clock.monotonic(), chunk))
        entry = Entry.of(part, chunk)
        self._open.append(entry)
        if placed:
            self._first = self._first or entry
            self._line.place(entry)
        self.first = min(self.first or (part.epoch, part.group, part.part), (part.epoch, part.group, part.part))
        self.parts += 1
        self.bytes += len(part.data)
        self.duration_us += part.duration_us
        now = self._clock.monotonic()
        if now - self._page_at >= PAGE_EVERY_S:
            self._page_at = now
            await self._write_page()

    async def _write_page(self) -> None:
        """Write the parts that are in no page yet as one."""
        if self._page is None or not self._open:
            return
        base = self._page
        page = Page(base.take, base.init, base.init_size, base.tracks, tuple(self._open))
        fields: dict[str, Value] = {}
        if self.figures_known:
            fields = {
                "size_bytes": self.bytes,
                "duration_s": self.length_us / 1e6,
                "recorded_s": self.duration_us / 1e6,
            }
        video = next((track for track in base.tracks if track.kind is MediaKind.VIDEO), None)
        if video is not None:
            fields |= {
                "codec": video.codec,
                "width": video.width,
                "height": video.height,
                "frame_rate": video.frame_rate,
            }
        chunks = {base.init: base.init_size} | {entry.chunk: entry.size for entry in page.entries}
        await self._catalogue.write(
            *(reference(chunk, self.take, size) for chunk, size in chunks.items()),
            Change("pages", self.take, page.name(), set={"body": page.pack()}),
            Change("assets", self.take, set=fields),
        )
        self._open = []

    async def _tell_waiting(self, waiting: str) -> None:
        if waiting != self.waiting:
            self.waiting = waiting
            try:
                await self._catalogue.write(Change("assets", self.take, set={"waiting": waiting}))
            except DiskFull as error:
                _log.error("its state could not be written", take=self.take, error=str(error))

    async def _tell_error(self, error: str) -> None:
        if error != self.error:
            self.error = error
            try:
                await self._catalogue.write(Change("assets", self.take, set={"error": error}))
            except DiskFull as full:
                _log.error("its state could not be written", take=self.take, error=str(full))
