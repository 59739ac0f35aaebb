"""One take: a camera's track to durable parts and manifest pages, while it runs.

Decides when a page is written: at once for a new configuration, then every PAGE_EVERY_S. A part is durable here before
it is in a page. Invariant: what is not recorded is stated: a gap of the source is a gap of the timeline, what a full
disk kept from being recorded is told with the take (the set ``lost``, and its error), and groups lost on the way are
counted.
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
from mesh.core.rows import Change
from mesh.ports import Clock, DiskFull
from proto.codec import Malformed, Value
from proto.ids import AssetId, CameraId, ChunkId
from roles.media.segmenter import Part, Segmenter
from roles.media.timeline import GAP_US, Entry, Loss, Page, Placer
from roles.media.units import AccessUnit, GroupInfo, MediaKind

PAGE_EVERY_S = 1.0
"""With a part under way this is what a node lost for good takes with it: others find parts through pages only."""
SOURCE_POLL_S = 0.1
RECENT_PARTS = 128
SETTLED_PARTS = 8
LOSSES_MAX = 256
"""Stretches lost to a full disk that are told one by one; of further ones only how long they were in all."""

_log = structlog.get_logger("daemon")


class Take:
    """Records until ``stop``; ``run`` may be run again after a failure and goes on with the same take."""

    def __init__(
        self, take: AssetId, camera: CameraId, live: LiveHub, chunks: Chunks, catalogue: Catalogue, clock: Clock
    ) -> None:
        self.take = take
        self._track = f"{camera}/main"
        self._live = live
        self._chunks = chunks
        self._catalogue = catalogue
        self._clock = clock
        self._stopping = asyncio.Event()
        self._following: Subscription | None = None
        self.ended = asyncio.Event()
        self._segmenter = Segmenter(take)
        self._open: list[Entry] = []
        self._page: Page | None = None
        self._page_at = 0.0
        self.error = ""
        """What is wrong now, in words."""
        self.started_ms = int(clock.wall() * 1000)
        self.parts = 0
        self.parts_lost = 0
        self.lost_us = 0
        """What could not be stored, in microseconds of the track."""
        self.groups_lost = 0
        self.bytes = 0
        self.duration_us = 0
        """What is recorded, without the holes."""
        self._line = Placer()
        self._before_us = 0
        self._began: Entry | None = None
        self._lost: list[Loss] = []
        self._lost_told = 0
        self.first: tuple[int, int, int] | None = None
        """Epoch, group and part this run began with."""
        self._recent: deque[tuple[float, ChunkId]] = deque(maxlen=RECENT_PARTS)

    def stop(self) -> None:
        """Ask it to end with what has come so far; ``run`` returns when everything is durable."""
        self._stopping.set()
        if self._following is not None:
            self._following.offer(Ended("stopped"))

    def goes_on(self, parts: int, size_bytes: int, duration_us: int, started_ms: int, line: Placer) -> None:
        """Add what an earlier run of the node has recorded of this take; it may be running again by now.

        ``line`` has placed what it recorded.
        """
        if self._began is None:
            self._line = line
        else:
            self._before_us = line.place(self._began)[0]
        self.parts += parts
        self.bytes += size_bytes
        self.duration_us += duration_us
        self.started_ms = started_ms

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
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SOURCE_POLL_S):
                        await self._stopping.wait()
        await self._keep(self._segmenter.flush())
        await self._write_page()
        await self._tell_losses(ended=True)
        if self.lost_us:
            await self._tell_error(f"{self.lost_us / 1e6:.1f} s of this take were not recorded: the disk was full")
        self.ended.set()

    async def _follow(self) -> None:
        async with self._live.subscribe(self._track, lossless=True) as subscription:
            self._following = subscription
            try:
                async for item in subscription:
                    await self._item(item)
            finally:
                self._following = None

    async def _item(self, item: Item) -> None:
        match item:
            case GroupStart():
                await self._keep(self._segmenter.begin(GroupInfo.unpack(item.header)))
            case Object():
                try:
                    unit = AccessUnit.unpack(item.data)
                except Malformed as error:
                    _log.warning("unit not recorded", take=self.take, error=str(error))
                    return
                await self._keep(self._segmenter.push(unit))
            case Gap():
                self.groups_lost += item.groups
            case Ended():
                await self._keep(self._segmenter.flush())
                await self._write_page()
            case _:
                assert_never(item)

    async def _keep(self, parts: list[Part]) -> None:
        for part in parts:
            try:
                await self._keep_part(part)
            except DiskFull as error:
                # The take so far is whole; recording goes on as soon as there is room again.
                self.parts_lost += 1
                self.lost_us += part.duration_us
                self._lose(part)
                await self._tell_error(f"not recording: {error}")
            else:
                await self._tell_error("")
                await self._tell_losses()

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
        except DiskFull:
            if ended:
                _log.error("the disk is full, and what is lost could not be written", take=self.take)
            return
        self._lost_told = len(self._lost)

    async def _keep_part(self, part: Part) -> None:
        init = part.init()
        page = self._page
        if page is None or page.tracks != part.tracks or (self._open and self._open[-1].epoch != part.epoch):
            await self._write_page()
            chunk = await self._chunks.keep(init, self.take)
            page = self._page = Page(self.take, chunk, len(init), part.tracks, ())
            self._page_at = 0.0
        chunk = await self._chunks.keep(part.data, self.take)
        self._recent.append((self._clock.monotonic(), chunk))
        entry = Entry(
            chunk,
            len(part.data),
            part.epoch,
            part.group,
            part.part,
            part.key,
            part.start_us,
            part.duration_us,
            part.captured_us,
            part.samples,
        )
        self._open.append(entry)
        self._began = self._began or entry
        self._line.place(entry)
        self.first = self.first or (part.epoch, part.group, part.part)
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
        fields: dict[str, Value] = {
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

    async def _tell_error(self, error: str) -> None:
        if error != self.error:
            self.error = error
            try:
                await self._catalogue.write(Change("assets", self.take, set={"error": error}))
            except DiskFull:
                _log.error("the disk is full, and its state could not be written", take=self.take)
