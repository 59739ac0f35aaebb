"""Starts and stops takes, and takes up after a restart what was being recorded.

Desired state is in the camera's row: ``record`` names the take that shall run; what runs here is also noted on this
node, for recording waits for nobody who could tell. Invariant: a take that was acknowledged as started is in the
catalogue; one that is stopped is acknowledged only when its last part and page are durable.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks, reference
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.live import LiveHub
from mesh.actors.system import ActorSystem, Context
from mesh.core.query import Page as QueryPage
from mesh.core.query import Query, Where
from mesh.core.rows import Change, Row
from mesh.ports import Clock, Corrupt, DiskFull, Entropy, NotFound, PortError, Refused, Unavailable
from proto import codec
from proto.codec import Malformed, Max, Value
from proto.ids import AssetId, CameraId, ChunkId, short_id
from proto.messages.cameras import ListRecordings, Recording, Recordings, StartRecording, StopRecording, TakeIs
from roles.daemon.take import Take
from roles.media.cmaf import PartName, describe_part, name_of_part, timescale
from roles.media.timeline import Entry, Page, Placer, timeline
from roles.media.units import MediaKind

ACTOR = "recorder"
PUT_BACK_MAX = 2000
"""Chunks of a take that are looked into after a restart, the latest: some ten minutes of it."""
STOP_TIMEOUT_S = 10.0
RECORDED_MAX = 1000
COPIES_EVERY_S = 2.0
SETTLED_S = 5.0
"""How old a part is whose copies are counted: younger ones are still on their way."""
START_FREE_BYTES_MIN = 16 << 20
"""Room under which no take is begun."""
AGREE_AGAIN_S = 2.0
STOPS_EVERY_S = 5.0
NOTHING_CAME = "nothing was recorded: the camera gave no picture all the while"
OPEN_WAIT_S = 0.5
"""How long a node that starts waits for the rows before it goes on by its note."""
_RUNNING = Query("cameras", (Where("record", "ne", ""),), limit=RECORDED_MAX)
PUT_BACK_AGAIN_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)
NOTE = "recorder/takes"

_log = structlog.get_logger("recorder")


class Recorder:
    """The actor ``recorder`` of a node with the daemon role."""

    def __init__(
        self,
        system: ActorSystem,
        catalogue: Catalogue,
        chunks: Chunks,
        store: ChunkStore,
        live: LiveHub,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._system = system
        self._catalogue = catalogue
        self._chunks = chunks
        self._store = store
        self._live = live
        self._clock = clock
        self._entropy = entropy
        self._takes: dict[CameraId, Take] = {}
        self._turns: dict[CameraId, asyncio.Lock] = {}
        self._counted: dict[CameraId, int] = {}
        self._counted_at = -COPIES_EVERY_S

    async def open(self) -> None:
        """Go on with what was being recorded when this node ended: as the rows say, or at once as its note does."""
        try:
            async with asyncio.timeout(OPEN_WAIT_S):
                page = await self._catalogue.scan(_RUNNING)
        except (TimeoutError, PortError):
            page = None
        if page is None or not await self._agree_with(page):
            for camera, take in _unpack(await self._catalogue.noted(NOTE)).items():
                if camera not in self._takes:
                    await self._go_on(camera, take)
            self._system.supervisor.run("recorder/agree", self._agree)
        self._system.supervisor.run("recorder/stops", self._mind_stops)
        self._system.spawn(ACTOR, self, concurrency=8)

    async def _mind_stops(self) -> None:
        """End what was stopped while this node could not be asked: the take's own row says so, once and for good."""
        while True:
            await asyncio.sleep(STOPS_EVERY_S)
            for camera, running in list(self._takes.items()):
                try:
                    row = await self._catalogue.get("assets", running.take)
                except PortError:
                    continue
                if row is None or not row.fields.get("stopped_ms"):
                    continue
                async with self._turns.setdefault(camera, asyncio.Lock()):
                    if self._takes.get(camera) is running:
                        _log.info("a take was stopped while this node was cut off", camera=camera, take=running.take)
                        await self._end(camera, running)
                        ended: dict[str, Value] = {
                            "state": "ready",
                            "ended_ms": int(self._clock.wall() * 1000),
                            "error": "",
                        }
                        await self._catalogue.write(Change("assets", running.take, set=ended))

    async def _agree(self) -> None:
        """Hold what runs here against the cameras' rows, until all of them could be seen: they are what is wanted."""
        while True:
            began = dict(self._takes)
            if await self._agree_with(await self._catalogue.scan(_RUNNING), began):
                return
            await asyncio.sleep(AGREE_AGAIN_S)

    async def _agree_with(self, page: QueryPage, began: Mapping[CameraId, Take] = MappingProxyType({})) -> bool:
        """Begin what the rows want of this node; end what they do not want any more of what had ``began`` before they
        were asked for. Tells whether no row was missing."""
        mine = {
            CameraId(row.pk): AssetId(_text(row, "record"))
            for row in page.rows
            if _text(row, "record") and (_text(row, "recorder") or _text(row, "node")) == self._system.node_id
        }
        for camera, take in mine.items():
            async with self._turns.setdefault(camera, asyncio.Lock()):
                if camera not in self._takes and camera not in began:
                    await self._go_on(camera, take)
                    await self._note()
        if page.partitions_ok < page.partitions_total:
            return False
        for camera, made in began.items():
            if mine.get(camera) != made.take and self._takes.get(camera) is made:
                _log.info("a take was ended while this node was gone", camera=camera, take=made.take)
                await self._end(camera, made)
        await self._end_what_others_took_over()
        return True

    async def _go_on(self, camera: CameraId, take: AssetId) -> None:
        before = await self._latest(take)
        made = self._make(camera, take)
        self._run(camera, made)
        self._system.supervisor.run(f"take/{take}/put-back", lambda: self._restore(camera, made, before))

    async def _restore(self, camera: CameraId, made: Take, before: Sequence[ChunkId]) -> None:
        """Put back what the pages miss of an earlier run. Again, for the pages may be where nobody answers yet."""
        for pause_s in PUT_BACK_AGAIN_S:
            if not (await self._put_back(made.take, before))[1]:
                break
            await asyncio.sleep(pause_s)
        pages = [_page(page) for page in await self._catalogue.rows("pages", made.take)]
        first = made.first
        earlier = [
            placed.entry
            for placed in timeline(pages).parts
            if first is None
            or placed.entry.epoch != first[0]
            or (placed.entry.group, placed.entry.part) < (first[1], first[2])
        ]
        line = Placer()
        for entry in earlier:
            line.place(entry)
        row = await self._catalogue.get("cameras", camera)
        started = row.fields.get("record_ms") if row is not None else 0
        made.goes_on(
            len(earlier),
            sum(entry.size for entry in earlier),
            sum(entry.duration_us for entry in earlier),
            started if isinstance(started, int) else 0,
            line,
        )

    async def _note(self) -> None:
        running = tuple((camera, take.take) for camera, take in self._takes.items())
        await self._catalogue.note(NOTE, codec.encode(_Noted(running)))

    async def _end_what_others_took_over(self) -> None:
        """Put back what takes miss that this node recorded when it ended, and that do not go on."""
        for state in ("recording", "interrupted"):
            mine = (Where("node", "eq", self._system.node_id), Where("kind", "eq", "take"), Where("state", "eq", state))
            for row in (await self._catalogue.scan(Query("assets", mine, limit=RECORDED_MAX))).rows:
                async with self._turns.setdefault(CameraId(_text(row, "camera")), asyncio.Lock()):
                    if all(take.take != row.pk for take in self._takes.values()):
                        await self.put_back(AssetId(row.pk))
                        if state == "recording":
                            await self._catalogue.write(Change("assets", AssetId(row.pk), set={"state": "interrupted"}))

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Start, stop, and tell of what runs."""
        match message:
            case StartRecording():
                return TakeIs(await self.start(CameraId(message.camera)))
            case StopRecording():
                return TakeIs(await self.stop(CameraId(message.camera)))
            case ListRecordings():
                return Recordings(tuple(await self.told()))
            case _:
                raise NotFound(f"recorder takes no {type(message).__name__} from {context.sender[:8]}")

    def running(self) -> dict[CameraId, Take]:
        """Give the takes that run here."""
        return dict(self._takes)

    async def told(self) -> list[Recording]:
        """Tell how the takes that run here are doing."""
        if not self._takes:
            return []
        lag = self._chunks.lag()
        rate = sum(take.bytes_per_s for take in self._takes.values())
        left_s = int((await self._store.usage()).free_bytes / rate) if rate else -1
        copies = await self._copies()
        return [
            Recording(
                camera,
                take.take,
                take.started_ms,
                take.bytes,
                lag.bytes,
                int(lag.seconds * 1000),
                copies.get(camera, min(1, take.parts)),
                take.lost_us // 1000,
                left_s,
                take.error[:512],
            )
            for camera, take in self._takes.items()
        ]

    async def _copies(self) -> dict[CameraId, int]:
        """Count the copies of what was recorded some seconds ago; asked anew when the last answer is old."""
        now = self._clock.monotonic()
        if now - self._counted_at >= COPIES_EVERY_S:
            self._counted_at = now
            settled = {camera: take.settled(SETTLED_S) for camera, take in self._takes.items()}
            counts = await self._chunks.copies([chunk for chunks in settled.values() for chunk in chunks])
            self._counted = {
                camera: min(counts.get(chunk, 0) for chunk in chunks) for camera, chunks in settled.items() if chunks
            }
        return self._counted

    async def start(self, camera: CameraId) -> AssetId:
        """Begin a take; gives the running one when the camera is being recorded already."""
        async with self._turns.setdefault(camera, asyncio.Lock()):
            standing = self._takes.get(camera)
            return standing.take if standing is not None else await self._start(camera)

    async def _start(self, camera: CameraId) -> AssetId:
        row = await self._catalogue.get("cameras", camera)
        if row is None:
            raise NotFound(f"there is no camera {camera}")
        free = (await self._store.usage()).free_bytes
        if free < START_FREE_BYTES_MIN:
            raise DiskFull(f"this node's disk has {free >> 20} MiB left to record to; make room first")
        take = AssetId(short_id(self._entropy.token(16)))
        now_ms = int(self._clock.wall() * 1000)
        changes = [
            Change(
                "assets",
                take,
                set={
                    "kind": "take",
                    "name": _name(row, now_ms),
                    "camera": camera,
                    "node": self._system.node_id,
                    "state": "recording",
                    "created_ms": now_ms,
                    "started_ms": now_ms,
                    "mime": "video/mp4",
                    "size_bytes": 0,
                },
            ),
            Change("cameras", camera, set={"record": take, "recorder": self._system.node_id, "record_ms": now_ms}),
        ]
        before = _text(row, "record")
        if before:
            # Another node was to record it, and did not answer whoever asked for this take.
            error = "its recorder did not answer; another take was started"
            changes.append(Change("assets", AssetId(before), set={"state": "interrupted", "error": error}))
        await self._catalogue.write(*changes)
        self._run(camera, self._make(camera, take))
        await self._note()
        return take

    def _make(self, camera: CameraId, take: AssetId) -> Take:
        return Take(take, camera, self._live, self._chunks, self._catalogue, self._clock)

    def _run(self, camera: CameraId, take: Take) -> None:
        self._takes[camera] = take
        self._system.supervisor.run(f"take/{take.take}", take.run)

    async def stop(self, camera: CameraId) -> AssetId:
        """End a take; every part of it is durable on return."""
        async with self._turns.setdefault(camera, asyncio.Lock()):
            return await self._stop(camera)

    async def _stop(self, camera: CameraId) -> AssetId:
        running = self._takes.get(camera)
        if running is None:
            raise Refused("this camera is not being recorded")
        await self._end(camera, running)
        now_ms = int(self._clock.wall() * 1000)
        ended: dict[str, Value] = {"state": "ready", "ended_ms": now_ms}
        if not running.parts and not running.lost_us:
            # Nothing to play, to copy or to understand: it goes to the trash, and says why.
            ended |= {"state": "interrupted", "error": NOTHING_CAME, "trashed_ms": now_ms}
        await self._catalogue.write(
            Change("assets", running.take, set=ended), Change("cameras", camera, set={"record": ""})
        )
        return running.take

    async def _end(self, camera: CameraId, running: Take) -> None:
        running.stop()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await running.ended.wait()
        except TimeoutError as error:
            raise Unavailable("the take does not end; its disk may not answer. What it has is kept") from error
        await self._system.supervisor.stop(f"take/{running.take}")
        self._takes.pop(camera, None)
        self._turns.pop(camera, None)
        await self._note()

    async def put_back(self, take: AssetId) -> int:
        """Put parts that a crash left out of every page back into one; gives how many."""
        return (await self._put_back(take, await self._latest(take)))[0]

    async def _latest(self, take: AssetId) -> list[ChunkId]:
        """Give the chunks among which those are that a crash left out: a page is written every few seconds."""
        return list(reversed(await self._store.latest_of(take, PUT_BACK_MAX)))

    async def _put_back(self, take: AssetId, chunks: Sequence[ChunkId]) -> tuple[int, int]:
        """Put what no page has into one; gives how many parts, and how many found no place.

        What was packed is in a page under its part's name, though its own chunk is not.
        """
        pages = [_page(row) for row in await self._catalogue.rows("pages", take)]
        known = {entry.chunk for page in pages for entry in page.entries} | {page.init for page in pages}
        parts = {(entry.epoch, entry.group, entry.part) for page in pages for entry in page.entries}
        found = missed = 0
        for chunk in chunks:
            if chunk not in known:
                put = await self._put_back_chunk(take, chunk, pages, parts)
                found += put is True
                missed += put is None
        return found, missed

    async def _put_back_chunk(
        self, take: AssetId, chunk: ChunkId, pages: list[Page], parts: Collection[tuple[int, int, int]]
    ) -> bool | None:
        """Tell whether it was put back; None for a part of an opening of which no page is known."""
        try:
            data = await self._store.read(chunk)
            name = name_of_part(data)
            if name is None or (name.epoch, name.group, name.part) in parts:
                return False
            entry, page = _entry(chunk, data, name, pages)
        except (Corrupt, NotFound, Malformed):
            return False
        if entry is None or page is None:
            return None
        made = Page(take, page.init, page.init_size, page.tracks, (entry,))
        await self._catalogue.write(
            reference(page.init, take, page.init_size),
            reference(chunk, take, len(data)),
            Change("pages", take, made.name(), set={"body": made.pack()}),
        )
        return True


@dataclass(frozen=True, slots=True)
class _Noted:
    takes: Annotated[tuple[tuple[CameraId, AssetId], ...], Max(RECORDED_MAX)]


def _unpack(note: bytes | None) -> dict[CameraId, AssetId]:
    try:
        return {} if note is None else dict(codec.decode(_Noted, note).takes)
    except Malformed as error:
        _log.error("what was being recorded is not known", error=str(error))
        return {}


def _text(row: Row, field: str) -> str:
    found = row.fields.get(field)
    return found if isinstance(found, str) else ""


def _page(row: Row) -> Page:
    body = row.fields.get("body")
    return Page.unpack(body if isinstance(body, bytes) else b"")


def _entry(chunk: ChunkId, data: bytes, name: PartName, pages: list[Page]) -> tuple[Entry | None, Page | None]:
    """Make the entry of an orphan from its own bytes and the pages of its epoch, which know its wall clock."""
    same = [(page, entry) for page in pages for entry in page.entries if entry.epoch == name.epoch]
    if not same:
        return None, None
    page, near = max(same, key=lambda pair: (pair[1].group, pair[1].part))
    track = next((one for one in page.tracks if one.kind is MediaKind.VIDEO), page.tracks[0])
    told = describe_part(data).get(track.number)
    if told is None:
        return None, None
    start_us = told.dts * 1_000_000 // timescale(track)
    duration_us = told.duration * 1_000_000 // timescale(track)
    captured_us = near.captured_us + start_us - near.start_us
    entry = Entry(
        chunk, len(data), name.epoch, name.group, name.part, told.key, start_us, duration_us, captured_us, told.samples
    )
    return entry, page


def _name(row: Row, now_ms: int) -> str:
    moment = datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC)
    camera = row.fields.get("name")
    return f"{camera if isinstance(camera, str) else 'Camera'} {moment:%Y-%m-%d %H.%M.%S}"
