"""One take: a camera's track to durable parts and manifest pages, while it runs.

Decides when a page is written: at once for a new configuration, then every PAGE_EVERY_S. A part is durable here before
it is in a page. Invariant: what is not recorded is stated: a gap of the source is a gap of the timeline, a full disk is
the take's error, and groups lost on the way are counted.
"""

from __future__ import annotations

import asyncio

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks, reference
from mesh.actors.live import Ended, Gap, GroupStart, LiveHub, Object
from mesh.core.rows import Change
from mesh.ports import Clock, DiskFull
from proto.codec import Malformed, Value
from proto.ids import AssetId, CameraId
from roles.media.segmenter import Part, Segmenter
from roles.media.timeline import Entry, Page
from roles.media.units import AccessUnit, GroupInfo, MediaKind

PAGE_EVERY_S = 2.0
SOURCE_POLL_S = 0.1

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
        self.ended = asyncio.Event()
        self._segmenter = Segmenter(take)
        self._open: list[Entry] = []
        self._page: Page | None = None
        self._page_at = 0.0
        self._error = ""
        self.parts = 0
        self.parts_lost = 0
        self.groups_lost = 0
        self.bytes = 0
        self.duration_us = 0

    def stop(self) -> None:
        """Ask it to end; ``run`` returns when everything is durable."""
        self._stopping.set()

    async def run(self) -> None:
        """Record; returns once stopped and whole."""
        stopping = asyncio.get_running_loop().create_task(self._stopping.wait())
        try:
            while not self._stopping.is_set():
                if self._track in self._live.tracks():
                    await self._follow(stopping)
                else:
                    await asyncio.wait([stopping], timeout=SOURCE_POLL_S)
            await self._keep(self._segmenter.flush())
            await self._write_page()
            self.ended.set()
        finally:
            stopping.cancel()

    async def _follow(self, stopping: asyncio.Task[bool]) -> None:
        async with self._live.subscribe(self._track, lossless=True) as subscription:
            items = aiter(subscription)
            following: asyncio.Task[object] | None = None
            try:
                while True:
                    following = asyncio.get_running_loop().create_task(anext(items))  # type: ignore[arg-type]
                    await asyncio.wait([following, stopping], return_when=asyncio.FIRST_COMPLETED)
                    if not following.done():
                        return
                    if not await self._item(following.result()):
                        return
            finally:
                if following is not None:
                    following.cancel()

    async def _item(self, item: object) -> bool:
        match item:
            case GroupStart():
                await self._keep(self._segmenter.begin(GroupInfo.unpack(item.header)))
            case Object():
                try:
                    unit = AccessUnit.unpack(item.data)
                except Malformed as error:
                    _log.warning("unit not recorded", take=self.take, error=str(error))
                    return True
                await self._keep(self._segmenter.push(unit))
            case Gap():
                self.groups_lost += item.groups
            case Ended():
                await self._keep(self._segmenter.flush())
                await self._write_page()
                return False
        return True

    async def _keep(self, parts: list[Part]) -> None:
        for part in parts:
            try:
                await self._keep_part(part)
            except DiskFull as error:
                # The take so far is whole; recording goes on as soon as there is room again.
                self.parts_lost += 1
                await self._tell_error(f"not recording: {error}")
            else:
                await self._tell_error("")

    async def _keep_part(self, part: Part) -> None:
        init = part.init()
        page = self._page
        if page is None or page.tracks != part.tracks or (self._open and self._open[-1].epoch != part.epoch):
            await self._write_page()
            chunk = await self._chunks.keep(init, self.take)
            page = self._page = Page(self.take, chunk, len(init), part.tracks, ())
            self._page_at = 0.0
        chunk = await self._chunks.keep(part.data, self.take)
        self._open.append(
            Entry(
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
        )
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
        fields: dict[str, Value] = {"size_bytes": self.bytes, "duration_s": self.duration_us / 1e6}
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
        if error != self._error:
            self._error = error
            try:
                await self._catalogue.write(Change("assets", self.take, set={"error": error}))
            except DiskFull:
                _log.error("the disk is full, and its state could not be written", take=self.take)
