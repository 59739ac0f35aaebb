"""Starts and stops takes, and takes up after a restart what was being recorded.

Desired state is in the camera's row: ``record`` names the take that shall run. Invariant: a take that was acknowledged
as started is in the catalogue; one that is stopped is acknowledged only when its last part and page are durable.
"""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks, reference
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.live import LiveHub
from mesh.actors.system import ActorSystem, Context
from mesh.core.query import Query, Where
from mesh.core.rows import Change, Row
from mesh.ports import Clock, Corrupt, Entropy, NotFound, Refused, Unavailable
from proto.codec import Malformed
from proto.ids import AssetId, CameraId, ChunkId, short_id
from proto.messages.cameras import StartRecording, StopRecording, TakeIs
from roles.daemon.take import Take
from roles.media.cmaf import PartName, describe_part, name_of_part, timescale
from roles.media.timeline import Entry, Page
from roles.media.units import MediaKind

ACTOR = "recorder"
STOP_TIMEOUT_S = 10.0


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

    async def open(self) -> None:
        """Go on with what was being recorded when this node ended, after putting back what its pages miss."""
        mine = Query("cameras", (Where("node", "eq", self._system.node_id), Where("record", "ne", "")), limit=256)
        for row in (await self._catalogue.scan(mine)).rows:
            take = AssetId(str(row.fields.get("record") or ""))
            if take:
                await self.put_back(take)
                self._run(CameraId(row.pk), take)
        self._system.spawn(ACTOR, self, concurrency=8)

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Start and stop."""
        match message:
            case StartRecording():
                return TakeIs(await self.start(CameraId(message.camera)))
            case StopRecording():
                return TakeIs(await self.stop(CameraId(message.camera)))
            case _:
                raise NotFound(f"recorder takes no {type(message).__name__} from {context.sender[:8]}")

    def running(self) -> dict[CameraId, Take]:
        """Give the takes that run here."""
        return dict(self._takes)

    async def start(self, camera: CameraId) -> AssetId:
        """Begin a take; gives the running one when the camera is being recorded already."""
        standing = self._takes.get(camera)
        if standing is not None:
            return standing.take
        row = await self._catalogue.get("cameras", camera)
        if row is None:
            raise NotFound(f"there is no camera {camera}")
        take = AssetId(short_id(self._entropy.token(16)))
        now_ms = int(self._clock.wall() * 1000)
        await self._catalogue.write(
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
            Change("cameras", camera, set={"record": take}),
        )
        self._run(camera, take)
        return take

    def _run(self, camera: CameraId, take: AssetId) -> None:
        running = Take(take, camera, self._live, self._chunks, self._catalogue, self._clock)
        self._takes[camera] = running
        self._system.supervisor.run(f"take/{take}", running.run)

    async def stop(self, camera: CameraId) -> AssetId:
        """End a take; every part of it is durable on return."""
        running = self._takes.get(camera)
        if running is None:
            raise Refused("this camera is not being recorded")
        running.stop()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await running.ended.wait()
        except TimeoutError as error:
            raise Unavailable("the take does not end; its disk may not answer. What it has is kept") from error
        await self._system.supervisor.stop(f"take/{running.take}")
        self._takes.pop(camera, None)
        now_ms = int(self._clock.wall() * 1000)
        await self._catalogue.write(
            Change("assets", running.take, set={"state": "ready", "ended_ms": now_ms}),
            Change("cameras", camera, set={"record": ""}),
        )
        return running.take

    async def put_back(self, take: AssetId) -> int:
        """Put parts that a crash left out of every page back into one; gives how many."""
        pages = [_page(row) for row in await self._catalogue.rows("pages", take)]
        known = {entry.chunk for page in pages for entry in page.entries} | {page.init for page in pages}
        found = 0
        for chunk in await self._store.of_asset(take):
            if chunk not in known and await self._put_back_chunk(take, chunk, pages):
                found += 1
        return found

    async def _put_back_chunk(self, take: AssetId, chunk: ChunkId, pages: list[Page]) -> bool:
        try:
            data = await self._store.read(chunk)
            name = name_of_part(data)
            entry, page = _entry(chunk, data, name, pages) if name is not None else (None, None)
        except (Corrupt, NotFound, Malformed):
            return False
        if entry is None or page is None:
            return False
        made = Page(take, page.init, page.init_size, page.tracks, (entry,))
        await self._catalogue.write(
            reference(page.init, take, page.init_size),
            reference(chunk, take, len(data)),
            Change("pages", take, made.name(), set={"body": made.pack()}),
        )
        return True


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
