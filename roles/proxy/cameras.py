"""The cameras of this node: one supervised worker each, published live, their rows kept true.

Decides when a source is given up and opened again: at its worker's end, and when no unit came for ``STALL_S``. Each
opening is a new epoch. Invariant: a source is open at most once; whatever its worker does, the node lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.live import LiveHub, Publisher
from mesh.actors.system import ActorSystem, Context
from mesh.core.query import Query, Where
from mesh.core.rows import Change, Row
from mesh.ports import Clock, Entropy, NotFound, PortError, Refused, Unavailable, Worker, Workers, WorkerSpec
from proto import codec
from proto.codec import Malformed, Max, Value
from proto.ids import CameraId, short_id
from proto.messages.cameras import AddCamera, CameraAdded, Devices, Done, ListDevices, RemoveCamera
from roles.media.units import GroupInfo, MediaKind
from roles.proxy.adapters.wire import GROUP, PICTURE, PICTURES_OFF, PICTURES_ON, STATUS, UNIT, Config, Status
from roles.proxy.devices import DeviceLister
from roles.proxy.sources import Source, SourceError, parse, stored

ACTOR = "proxy"
STALL_S = 10.0
OPENING_S = 20.0
WORKER_MODULE = "roles.proxy.adapters.worker"
WORKER_MEMORY_BYTES = 2 << 30
CAMERAS_MAX = 256
AGREE_AGAIN_S = 2.0
NOTE = "proxy/cameras"
"""What this node writes down of its cameras: filming waits for nobody who could tell."""

_log = structlog.get_logger("proxy")


class SourceFailedError(Exception):
    """A worker ended; the supervisor opens the source again."""


@dataclass(slots=True)
class _Camera:
    row: Row
    epoch: int = 0
    worker: Worker | None = None
    pictures: bool = False


@dataclass(frozen=True, slots=True)
class _Noted:
    camera: Annotated[str, Max(64)]
    source: Annotated[str, Max(4096)]
    epoch: int


@dataclass(frozen=True, slots=True)
class _Notes:
    cameras: Annotated[tuple[_Noted, ...], Max(1024)]


def _unpack(note: bytes | None) -> tuple[_Noted, ...]:
    try:
        return () if note is None else codec.decode(_Notes, note).cameras
    except Malformed as error:
        _log.error("which cameras this node has is not known", error=str(error))
        return ()


class CameraProxy:
    """The actor ``proxy`` of a node with that role."""

    def __init__(
        self,
        system: ActorSystem,
        catalogue: Catalogue,
        live: LiveHub,
        workers: Workers,
        devices: DeviceLister,
        clock: Clock,
        entropy: Entropy,
        file_folders: Sequence[str],
    ) -> None:
        self._system = system
        self._catalogue = catalogue
        self._live = live
        self._workers = workers
        self._devices = devices
        self._clock = clock
        self._entropy = entropy
        self._folders = tuple(file_folders)
        self._cameras: dict[CameraId, _Camera] = {}

    async def open(self) -> None:
        """Open at once the cameras this node has, whoever else is there."""
        for known in _unpack(await self._catalogue.noted(NOTE)):
            fields: dict[str, Value] = {"source": known.source, "node": self._system.node_id}
            self._start(Row("cameras", known.camera, "", fields, {}, 0), known.epoch)
        self._system.spawn(ACTOR, self, concurrency=4)
        self._system.supervisor.run("proxy/agree", self._agree)

    async def _agree(self) -> None:
        """Hold the cameras that are open against their rows, once all of them can be seen."""
        mine = Query("cameras", (Where("node", "eq", self._system.node_id),), limit=CAMERAS_MAX)
        while True:
            began = list(self._cameras)
            page = await self._catalogue.scan(mine)
            wanted = {CameraId(row.pk): row for row in page.rows}
            for camera, row in wanted.items():
                if camera not in self._cameras and camera not in began:
                    self._start(row)
                    await self._note()
            if page.partitions_ok == page.partitions_total:
                for camera in began:
                    if camera not in wanted and self._cameras.pop(camera, None) is not None:
                        _log.info("a camera was removed while this node was gone", camera=camera)
                        await self._system.supervisor.stop(f"camera/{camera}")
                        await self._note()
                        # What it told of itself meanwhile goes too.
                        await self._catalogue.write(Change("cameras", camera, delete=True))
                return
            await asyncio.sleep(AGREE_AGAIN_S)

    async def _note(self) -> None:
        known = tuple(
            _Noted(camera, str(state.row.fields.get("source")), state.epoch) for camera, state in self._cameras.items()
        )
        await self._catalogue.note(NOTE, codec.encode(_Notes(known)))

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Add, remove and list."""
        match message:
            case AddCamera():
                return await self._add(message)
            case RemoveCamera():
                return await self._remove(CameraId(message.camera))
            case ListDevices():
                devices, note = await self._devices.list()
                return Devices(tuple(devices), note)
            case _:
                raise NotFound(f"proxy takes no {type(message).__name__} from {context.sender[:8]}")

    async def _add(self, message: AddCamera) -> CameraAdded:
        try:
            source = parse(message.url)
            await self._devices.look(source, self._folders)
        except SourceError as error:
            raise Refused(str(error)) from error
        if len(self._cameras) >= CAMERAS_MAX:
            raise Refused(f"this node has {CAMERAS_MAX} cameras already")
        camera = CameraId(short_id(self._entropy.token(16)))
        fields: dict[str, Value] = {
            "name": message.name.strip() or source.default_name(),
            "node": self._system.node_id,
            "source": source.public,
            "state": "connecting",
            "record": "",
            "created_ms": int(self._clock.wall() * 1000),
        }
        changes = [Change("cameras", camera, set=fields)]
        if source.secret:
            changes.insert(0, Change("secrets", camera, set={"url": source.secret}))
        await self._catalogue.write(*changes)
        row = await self._catalogue.get("cameras", camera)
        assert row is not None
        self._start(row)
        await self._note()
        return CameraAdded(camera)

    async def _remove(self, camera: CameraId) -> Done:
        if self._cameras.pop(camera, None) is None:
            raise NotFound(f"there is no camera {camera} on this node")
        await self._system.supervisor.stop(f"camera/{camera}")
        await self._catalogue.write(Change("cameras", camera, delete=True), Change("secrets", camera, delete=True))
        await self._note()
        return Done()

    def _start(self, row: Row, epoch: int = 0) -> None:
        camera = CameraId(row.pk)
        state = self._cameras[camera] = _Camera(row, epoch)
        self._system.supervisor.run(f"camera/{camera}", lambda: self._run(camera, state))

    # ------------------------------------------------------------ one camera

    async def _run(self, camera: CameraId, state: _Camera) -> None:
        try:
            source = await self._source(camera, state)
        except SourceError as error:
            await self._told(camera, "error", f"{error}; remove this camera and add it again")
            return  # it can never be opened
        config = Config(source.url, source.public, self._folders, state.epoch)
        worker = await self._workers.spawn(WorkerSpec(WORKER_MODULE, config.pack(), WORKER_MEMORY_BYTES))
        state.worker = worker
        state.pictures = False
        publishers: dict[str, Publisher] = {}
        last = Status("connecting")
        try:
            last = await self._publish(camera, state, worker, publishers)
        finally:
            for publisher in publishers.values():
                publisher.close()
            state.worker = None
            await worker.stop(0.5)
        reason = last.detail or "the source's process ended"
        await self._told(camera, "error" if last.state == "error" else "offline", reason)
        if last.state == "ended" and source.kind == "file":
            return  # it was to be played once
        raise SourceFailedError(reason)

    async def _source(self, camera: CameraId, state: _Camera) -> Source:
        """Give what to open; what older rows show that nobody should see is put away first."""
        secret = await self._catalogue.get("secrets", camera)
        kept = {} if secret is None else secret.fields
        url, userinfo = (kept.get(field) for field in ("url", "userinfo"))
        shown = str(state.row.fields.get("source"))
        source = stored(shown, url if isinstance(url, str) else "", userinfo if isinstance(userinfo, str) else "")
        if source.public != shown:
            changes = [Change("cameras", camera, set={"source": source.public})]
            if source.secret:
                changes.insert(0, Change("secrets", camera, set={"url": source.secret}))
            await self._catalogue.write(*changes)
            state.row = replace(state.row, fields={**state.row.fields, "source": source.public})
            await self._note()
        return source

    async def _publish(
        self, camera: CameraId, state: _Camera, worker: Worker, publishers: dict[str, Publisher]
    ) -> Status:
        loop = asyncio.get_running_loop()
        last = Status("connecting")
        main: Publisher | None = None
        jpeg: Publisher | None = None
        groups = pictures = 0
        watched: frozenset[int] = frozenset()
        alive_until = loop.time() + OPENING_S
        while True:
            try:
                async with asyncio.timeout_at(alive_until):
                    frame = await worker.receive()
            except TimeoutError:
                waited = f"for {STALL_S:g} s" if main is not None else f"within {OPENING_S:g} s of opening it"
                reason = f"no picture {waited}"
                await self._told(camera, "stalled", f"{reason}; opening it again")
                return Status("offline", reason)
            if frame is None:
                return last
            kind, body = frame[:1], frame[1:]
            if kind == UNIT and main is not None:
                if body[0] in watched:
                    alive_until = loop.time() + STALL_S
                main.object(body)
            elif kind == GROUP:
                if main is None:
                    state.epoch = max(state.epoch, GroupInfo.unpack(body).epoch)
                    self._system.supervisor.once("camera/note", self._note())
                    main = publishers["main"] = self._live.announce(f"{camera}/main", lambda _: None)
                    jpeg = publishers["jpeg"] = self._live.announce(
                        f"{camera}/jpeg", lambda wanted: self._want_pictures(state, wanted)
                    )
                groups += 1
                watched = _watched(body)
                main.begin(groups, body)
            elif kind == PICTURE and jpeg is not None:
                pictures += 1
                jpeg.begin(pictures, b"")
                jpeg.object(body)
            elif kind == STATUS:
                status = Status.unpack(body)
                if _worth_telling(status, last):
                    await self._told(camera, status.state, status.detail, status)
                last = status

    def _want_pictures(self, state: _Camera, wanted: bool) -> None:
        worker = state.worker
        if worker is None or state.pictures == wanted:
            return
        state.pictures = wanted

        async def send() -> None:
            try:
                await worker.send(PICTURES_ON if wanted else PICTURES_OFF)
            except Unavailable as error:
                _log.debug("worker gone", error=str(error))

        self._system.supervisor.once("camera/pictures", send())

    async def _told(self, camera: CameraId, state: str, detail: str, status: Status | None = None) -> None:
        known = self._cameras.get(camera)
        if known is None:
            return
        fields: dict[str, Value] = {"state": state, "error": detail if state != "online" else ""}
        if status is not None and status.codec:
            fields |= {
                "codec": status.codec,
                "width": status.width,
                "height": status.height,
                "frame_rate": status.frame_rate,
                "bit_rate": status.bit_rate,
                "jumps": status.jumps,
                "reordered": status.reordered,
            }
        try:
            await self._catalogue.write(Change("cameras", camera, set=fields))
        except PortError as error:
            _log.warning("camera's row not written", camera=camera, error=str(error))


def _watched(header: bytes) -> frozenset[int]:
    """Give the tracks that must go on: the pictures, or of a source without any, all. Sound alone is a stall."""
    tracks = GroupInfo.unpack(header).tracks
    videos = frozenset(track.number for track in tracks if track.kind is MediaKind.VIDEO)
    return videos or frozenset(track.number for track in tracks)


def _worth_telling(status: Status, last: Status) -> bool:
    """Tell whether a row shall be written: at a change of state, picture or faults, and once the rate is known."""

    def told(one: Status) -> tuple[object, ...]:
        return one.state, one.codec, one.width, one.height, one.jumps, one.reordered

    return told(status) != told(last) or bool(status.bit_rate and not last.bit_rate)
