"""Starts and stops takes, takes over what another recorder left, and takes up after a restart what was being recorded.

Desired state is in the camera's row: ``record`` names the take that shall run; what runs here is also noted on this
node, for recording waits for nobody who could tell. Who records is for the camera's node to say
(``mesh.core.recording``): a recorder asks it all the while for its lease, goes on while it is not answered, and gives
way when it hears that another has the lease or that the take is over. Invariant: a take that was acknowledged as
started is in the catalogue; one that is stopped is acknowledged only when its last part and page are durable; giving
way writes nothing of a take but its pages.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks, dereference, reference
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.live import LiveHub
from mesh.actors.system import ActorSystem, Context
from mesh.core.query import Page as QueryPage
from mesh.core.query import Query, Where
from mesh.core.recording import RENEW_EVERY_S
from mesh.core.rows import Change, Row
from mesh.ports import Clock, Corrupt, DiskFull, Entropy, NotFound, PortError, ReadOnly, Refused, Unavailable
from proto import codec
from proto.codec import Malformed, Max, Value
from proto.ids import AssetId, CameraId, ChunkId, NodeId, short_id
from proto.messages.cameras import (
    Done,
    HoldRecording,
    LeaveRecording,
    ListRecordings,
    Recording,
    RecordingEnded,
    RecordingHeld,
    Recordings,
    StartRecording,
    StopRecording,
    TakeIs,
    TakeOver,
    Verdict,
)
from roles.daemon.backfill import ACTOR as KEEPER
from roles.daemon.backfill import Place, refill_of
from roles.daemon.take import Take
from roles.media.cmaf import PartName, describe_part, name_of_part, timescale
from roles.media.recorders import place_text
from roles.media.timeline import STOPPED, UNTIL, Entry, Page, Placer, taken_until, timeline
from roles.media.units import MediaKind

ACTOR = "recorder"
PUT_BACK_MAX = 2000
"""Chunks of a take that are looked into after a restart, the latest: some ten minutes of it."""
STOP_TIMEOUT_S = 10.0
RECORDED_MAX = 1000
CAMERA_WAIT_S, CAMERA_LOOK_S = 3.0, 0.1
"""How long a recorder waits for the row of a camera it is to record, and how often it looks."""
COPIES_EVERY_S = 2.0
SETTLED_S = 5.0
"""How old a part is whose copies are counted: younger ones are still on their way."""
START_FREE_BYTES_MIN = 16 << 20
"""Room under which no take is begun."""
AGREE_AGAIN_S = 2.0
STOPS_EVERY_S = 5.0
STOPS_AT_FIRST_S = 0.5
"""The same for the first looks of a node that starts: what it goes on with may have been stopped long ago."""
STOPS_AT_FIRST = 40
CLOCKS_APART_MS = 1000
NOTHING_CAME = "nothing was recorded: the camera gave no picture all the while"
OPEN_WAIT_S = 0.5
"""How long a node that starts waits for the rows before it goes on by its note."""
_RUNNING = Query("cameras", (Where("record", "ne", ""),), limit=RECORDED_MAX)
ASK_WITHIN_S = 1.0
"""How long the camera's node may take to say whether this node may go on; a take that begins waits for no longer."""
LEAVE_WITHIN_S = 5.0
FIGURES_WITHIN_S = 3.0
PUT_BACK_AGAIN_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)
NOTE = "recorder/takes"
HOMES = "recorder/homes"

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
        self._homes: dict[CameraId, NodeId] = {}
        """The nodes that have the cameras that are recorded here."""
        self._cameras: dict[CameraId, Row] = {}
        """The rows of those cameras, as they were last seen."""
        self._turns: dict[CameraId, asyncio.Lock] = {}
        self._before: dict[CameraId, AssetId] = {}
        """What ran here when this node ended, until it is known that nothing of it is missing."""
        self._counted: dict[CameraId, int] = {}
        self._counted_at = -COPIES_EVERY_S

    async def open(self) -> None:
        """Go on with what was being recorded when this node ended: as the rows say, or at once as its note does."""
        noted = _unpack(await self._catalogue.noted(NOTE))
        homes = {camera: NodeId(home) for camera, home in _unpack(await self._catalogue.noted(HOMES)).items()}
        self._before = dict(noted)
        try:
            async with asyncio.timeout(OPEN_WAIT_S):
                page = await self._catalogue.scan(_RUNNING)
        except (TimeoutError, PortError):
            page = None
        if page is None or not await self._agree_with(page):
            elsewhere = {row.pk for row in page.rows if _recorder(row) != self._system.node_id} if page else set()
            for camera, take in noted.items():
                if camera not in self._takes and camera not in elsewhere:
                    await self._go_on(camera, take, homes.get(camera))
            self._system.supervisor.run("recorder/agree", self._agree)
        self._system.supervisor.run("recorder/stops", self._mind_stops)
        self._system.spawn(ACTOR, self, concurrency=8)

    async def _mind_stops(self) -> None:
        """End what was stopped while this node could not be asked: the take's own row says so, once and for good."""
        looks = 0
        while True:
            await asyncio.sleep(STOPS_EVERY_S if looks >= STOPS_AT_FIRST else STOPS_AT_FIRST_S)
            looks += 1
            for camera, running in list(self._takes.items()):
                try:
                    entry = await self._catalogue.state("assets", running.take)
                    if entry is not None and not entry.alive:
                        await self._end_purged(camera, running)
                        continue
                except PortError:
                    continue
                row = entry.row() if entry is not None else None
                if row is None or not (row.fields.get("stopped_ms") or row.fields.get("ended_ms")):
                    continue
                async with self._turns.setdefault(camera, asyncio.Lock()):
                    if self._takes.get(camera) is running:
                        _log.info("a take was stopped while this node was cut off", camera=camera, take=running.take)
                        await self._end(camera, running)
                        stopped_ms = _stopped_ms(row)
                        ended_ms = int(self._clock.wall() * 1000)
                        if 0 < stopped_ms < running.made_ms:
                            # This run began after the stop: nobody wanted what it recorded.
                            await self._drop_after(running.take, stopped_ms)
                            ended_ms = stopped_ms
                        ended = await self._figures(running.take) | {
                            "state": "ready",
                            "ended_ms": ended_ms,
                            "error": "",
                        }
                        await self._tell_ended(camera, running.take)
                        await self._catalogue.write(Change("assets", running.take, set=ended))

    async def _end_purged(self, camera: CameraId, running: Take) -> None:
        """End a take that was stopped and then deleted for good while this node was cut off; nothing of it is kept.

        The camera records no more: who deleted it had ended it, or another take of the camera runs.
        """
        async with self._turns.setdefault(camera, asyncio.Lock()):
            if self._takes.get(camera) is not running:
                return
            row = await self._catalogue.get("cameras", camera)
            _log.warning("a take was deleted for good while it was recorded here", camera=camera, take=running.take)
            await self._end(camera, running, filled=False)
            await self._tell_ended(camera, running.take)
            if row is not None and _text(row, "record") == running.take:
                await self._catalogue.write(Change("cameras", camera, set={"record": ""}))

    async def _as_stopped(self, take: AssetId) -> None:
        """Have a take that somebody stopped end where it was stopped: what this node recorded of it later goes, and its
        figures are those of what is left, whoever wrote them last."""
        row = await self._catalogue.get("assets", take)
        stopped_ms = _stopped_ms(row)
        if row is None or not stopped_ms:
            return
        await self._drop_after(take, stopped_ms)
        figures = await self._figures(take)
        if any(row.fields.get(name) != value for name, value in figures.items()):
            await self._catalogue.write(Change("assets", take, set=figures))

    async def _drop_after(self, take: AssetId, stopped_ms: int) -> None:
        """Take out of a take the pages whose every part was filmed after it was stopped."""
        rows = await self._catalogue.rows("pages", take)
        after_us = (stopped_ms + CLOCKS_APART_MS) * 1000
        late = {row.sk: [entry.captured_us > after_us for entry in _page(row).entries] for row in rows}
        if not any(map(any, late.values())):
            return
        unwanted = [row for row in rows if all(late[row.sk])]
        _log.info("what was recorded after a take was stopped is dropped", take=take, pages=len(unwanted))
        # The row says it first: another node may be packing these parts into a page that comes after this one's look.
        await self._catalogue.write(
            Change("assets", take, set={UNTIL: after_us}),
            *(Change("pages", take, row.sk, delete=True) for row in unwanted),
        )
        # Only then may the chunks go that no other page names: a reference too many costs disk, one too few the take.
        kept = {entry.chunk for row in rows if row not in unwanted for entry in _page(row).entries}
        chunks = {entry.chunk for row in unwanted for entry in _page(row).entries} - kept
        if chunks:
            await self._catalogue.write(*(dereference(chunk, take) for chunk in sorted(chunks)))

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
            if _text(row, "record") and _recorder(row) == self._system.node_id
        }
        for row in page.rows:
            self._homes[CameraId(row.pk)] = NodeId(_text(row, "node"))
            if row.pk in mine:
                self._cameras[CameraId(row.pk)] = row
        for camera, take in mine.items():
            async with self._turns.setdefault(camera, asyncio.Lock()):
                if camera not in self._takes and camera not in began:
                    await self._go_on(camera, take)
                    await self._note()
        if page.partitions_ok < page.partitions_total:
            return False
        for camera, made in began.items():
            # One that was taken over while it was asked about is known to its camera's node, not to the rows yet.
            if mine.get(camera) != made.take and self._takes.get(camera) is made and not made.granted:
                _log.info("a take was ended while this node was gone", camera=camera, take=made.take)
                await self._end(camera, made)
        await self._end_what_others_took_over()
        return True

    async def _go_on(self, camera: CameraId, take: AssetId, home: NodeId | None = None) -> None:
        if home:
            self._homes[camera] = home
        before = await self._latest(take)
        made = self._make(camera, take)
        made.figures_known = False
        self._run(camera, made, went_on=True)
        self._system.supervisor.run(f"take/{take}/put-back", lambda: self._restore(camera, made, before))

    async def _restore(self, camera: CameraId, made: Take, before: Sequence[ChunkId]) -> None:
        """Put back what the pages miss of an earlier run. Again, for the pages may be where nobody answers yet."""
        for pause_s in PUT_BACK_AGAIN_S:
            try:
                missed = (await self._put_back(made.take, before))[1]
                if not made.figures_known:
                    await self._add_earlier(camera, made)
            except PortError as error:
                _log.info("what was recorded before cannot be seen yet", take=made.take, error=str(error))
            else:
                if not missed:
                    break
            await asyncio.sleep(pause_s)

    async def _add_earlier(self, camera: CameraId, made: Take) -> None:
        """Add to a take's figures what others, and earlier runs, recorded of it."""
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
        row = await self._look(camera)
        started = row.fields.get("record_ms") if row is not None else 0
        made.goes_on(
            len(earlier),
            sum(entry.size for entry in earlier),
            sum(entry.duration_us for entry in earlier),
            started if isinstance(started, int) else 0,
            line,
        )

    async def _note(self) -> None:
        # What ran here before is noted until its parts are with the others: it is this node that has them.
        running = {**self._before, **{camera: take.take for camera, take in self._takes.items()}}
        homes = {camera: AssetId(self._homes[camera]) for camera in self._takes if camera in self._homes}
        await self._catalogue.note(HOMES, codec.encode(_Noted(tuple(homes.items()))))
        await self._catalogue.note(NOTE, codec.encode(_Noted(tuple(running.items()))))

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
        for camera, take in list(self._before.items()):
            # What another node goes on with, or ended: its rows are others' to write, its parts are here.
            if all(running.take != take for running in self._takes.values()):
                await self._hand_over(camera, take)
            elif self._before.get(camera) == take:
                del self._before[camera]
        await self._note()

    async def _hand_over(self, camera: CameraId, take: AssetId) -> None:
        """Put what is on this disk, and in no page, into the take that another node goes on with."""
        found = await self.put_back(take)
        if found:
            _log.info("parts of a take were handed over", camera=camera, take=take, parts=found)
        await self._as_stopped(take)
        if self._before.get(camera) == take:
            del self._before[camera]
            await self._note()

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Start, stop, and tell of what runs."""
        match message:
            case StartRecording():
                return TakeIs(await self.start(CameraId(message.camera)))
            case StopRecording():
                return TakeIs(await self.stop(CameraId(message.camera)))
            case TakeOver():
                await self.take_over(message)
                return Done()
            case ListRecordings():
                told = tuple(await self.told())
                waiting = {take.take: take.waiting[:512] for take in self._takes.values()}
                return Recordings(told, tuple(waiting.get(AssetId(one.take), "") for one in told))
            case _:
                raise NotFound(f"recorder takes no {type(message).__name__} from {context.sender[:8]}")

    def running(self) -> dict[CameraId, Take]:
        """Give the takes that run here."""
        return dict(self._takes)

    def cameras(self) -> list[Row]:
        """Give the cameras that are recorded here, as they were last seen; of one that never was, what is known."""
        found = []
        for camera, take in self._takes.items():
            seen = self._cameras.get(camera)
            known: Mapping[str, Value] = {"node": self._homes.get(camera, "")} if seen is None else seen.fields
            runs: Mapping[str, Value] = {
                "record": take.take,
                "recorder": self._system.node_id,
                "record_ms": take.started_ms,
            }
            found.append(Row("cameras", camera, "", {**known, **runs}, {}, 0 if seen is None else seen.updated_ms))
        return found

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

    async def _row_of(self, camera: CameraId) -> Row:
        """Give a camera's row; one that was added elsewhere a moment ago, while nodes meet, is waited for."""
        until = self._clock.monotonic() + CAMERA_WAIT_S
        while (row := await self._look(camera)) is None:
            if self._clock.monotonic() >= until:
                raise NotFound(f"there is no camera {camera}")
            await asyncio.sleep(CAMERA_LOOK_S)
        return row

    async def _look(self, camera: CameraId) -> Row | None:
        row = await self._catalogue.get("cameras", camera)
        if row is not None:
            self._cameras[camera] = row
        return row

    async def _check_takes(self) -> None:
        if why := self._store.refuses():
            raise ReadOnly(f"{why}; have another node record")
        free = (await self._store.usage()).free_bytes
        if free < START_FREE_BYTES_MIN:
            raise DiskFull(f"this node's disk has {free >> 20} MiB left to record to; make room first")

    async def _start(self, camera: CameraId) -> AssetId:
        row = await self._row_of(camera)
        await self._check_takes()
        take = AssetId(short_id(self._entropy.token(16)))
        home = self._homes[camera] = NodeId(_text(row, "node"))
        try:
            held = await self._ask(home, camera, take, 0, (0, 0))
        except PortError as error:
            # Recording waits for nobody: if another take runs, this one gives way as soon as that is heard.
            held = None
            _log.info("the camera's node was not asked", camera=camera, home=home[:8], error=str(error))
        if held is not None and held.verdict is Verdict.OTHER:
            return AssetId(held.take)
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
            told = "its recorder did not answer; another take was started"
            changes.append(Change("assets", AssetId(before), set={"state": "interrupted", "error": told}))
        try:
            await self._catalogue.write(*changes)
        except PortError:
            await self._tell_ended(camera, take)  # or others would be asked to go on with it
            raise
        made = self._make(camera, take)
        made.counter = held.counter if held is not None else 0
        made.granted = held is not None
        self._run(camera, made)
        await self._note()
        return take

    def _make(self, camera: CameraId, take: AssetId, place: Place | None = None) -> Take:
        home = self._homes.get(camera, self._system.node_id)
        # What this node's own camera gave while this node recorded it is kept nowhere else.
        elsewhere = home != self._system.node_id or place is not None
        refill = refill_of(self._system, home, camera) if elsewhere else None
        return Take(take, camera, self._live, self._chunks, self._catalogue, self._clock, refill, place)

    def _run(self, camera: CameraId, take: Take, *, went_on: bool = False) -> None:
        self._takes[camera] = take
        self._system.supervisor.run(f"take/{take.take}", take.run)
        self._system.supervisor.run(f"take/{take.take}/hold", lambda: self._hold(camera, take, went_on))

    # ------------------------------------------------------------ who records

    async def _ask(self, home: NodeId, camera: CameraId, take: AssetId, counter: int, place: Place) -> RecordingHeld:
        message = HoldRecording(camera, take, counter, *place)
        return await self._system.ask(home, KEEPER, message, RecordingHeld, timeout_s=ASK_WITHIN_S)

    async def _hold(self, camera: CameraId, made: Take, went_on: bool) -> None:
        """Ask for the lease again and again; give way when another has it, or when the take is over."""
        while True:
            home = self._homes.get(camera)
            refuses = bool(self._store.refuses())
            if home and made.unwritten.gives_up(self._clock.monotonic(), refuses=refuses):
                # What cannot be stored here another node stores; it has what was lost meanwhile given again.
                await self._offer_away(home, camera, made.take)
            if home:
                place = made.place(self._chunks.lag().seconds)
                try:
                    held = await self._ask(home, camera, made.take, made.counter, place)
                except PortError as error:
                    _log.debug("lease not renewed", camera=camera, error=str(error))
                else:
                    if held.verdict is not Verdict.HELD:
                        # On its own: giving way ends this very task.
                        giving = f"take/{made.take}/give-way"
                        await self._system.supervisor.stop(giving)
                        self._system.supervisor.run(giving, partial(self._give_way, camera, made, held))
                        return
                    made.counter, made.granted = held.counter, True
                    if went_on and (held.epoch, held.group) != (0, 0):
                        made.missing_from((held.epoch, held.group))
                    went_on = False
            await asyncio.sleep(RENEW_EVERY_S)

    async def _offer_away(self, home: NodeId, camera: CameraId, take: AssetId) -> None:
        try:
            await self._system.ask(home, KEEPER, LeaveRecording(camera, take), Done, timeout_s=LEAVE_WITHIN_S)
        except PortError as error:
            _log.info("nobody takes over", camera=camera, take=take, error=str(error))

    async def _give_way(self, camera: CameraId, made: Take, held: RecordingHeld) -> None:
        async with self._turns.setdefault(camera, asyncio.Lock()):
            if self._takes.get(camera) is not made:
                return
            _log.info(
                "a take is given up here",
                camera=camera,
                take=made.take,
                why=str(held.verdict),
                recorder=held.holder[:8],
            )
            await self._end(camera, made, filled=False)
            self._before[camera] = made.take
            await self._note()
            self._system.supervisor.run(f"take/{made.take}/hand-over", lambda: self._hand_over(camera, made.take))
            if held.verdict is Verdict.OTHER:
                now_ms = int(self._clock.wall() * 1000)
                ended: dict[str, Value] = {
                    "state": "interrupted",
                    "ended_ms": now_ms,
                    "stopped_ms": now_ms,
                    "error": "another take of this camera ran already",
                }
                if not made.parts:
                    ended["trashed_ms"] = now_ms
                await self._catalogue.write(Change("assets", made.take, set=ended))

    async def take_over(self, message: TakeOver) -> None:
        """Go on with a take that another node recorded; Refused, DiskFull or ReadOnly when this one cannot."""
        camera, take = CameraId(message.camera), AssetId(message.take)
        async with self._turns.setdefault(camera, asyncio.Lock()):
            running = self._takes.get(camera)
            if running is not None and running.take == take:
                running.counter = max(running.counter, message.counter)
                if message.before == self._system.node_id:
                    return  # nobody else could go on
            elif running is not None:
                raise Refused("this node records another take of this camera")
            else:
                await self._check_takes()
                before = await self._latest(take)
                row = await self._look(camera) if camera not in self._homes else None
                self._homes[camera] = (
                    NodeId(_text(row, "node")) if row is not None else self._homes.get(camera, NodeId(""))
                )
                made = self._make(camera, take, (message.epoch, message.group))
                made.counter, made.granted, made.figures_known = message.counter, True, False
                self._run(camera, made)
                self._system.supervisor.run(f"take/{take}/put-back", lambda: self._restore(camera, made, before))
            now_ms = int(self._clock.wall() * 1000)
            moved = f"{now_ms:014d} {message.before} {self._system.node_id}"
            place = place_text(now_ms, message.epoch, message.group)
            await self._catalogue.write(
                Change("cameras", camera, set={"recorder": self._system.node_id}),
                Change(
                    "assets",
                    take,
                    set={"node": self._system.node_id, "state": "recording"},
                    add={"takeovers": (moved,), "took_over": (place,)},
                ),
            )
            await self._note()

    async def leave(self, camera: CameraId) -> bool:
        """Have another node go on with a take, for this one stops; tells whether one does."""
        made, home = self._takes.get(camera), self._homes.get(camera)
        if made is None or not home or home == self._system.node_id or not made.granted:
            return False
        try:
            await self._system.ask(home, KEEPER, LeaveRecording(camera, made.take), Done, timeout_s=LEAVE_WITHIN_S)
        except PortError as error:
            _log.info("nobody takes over", camera=camera, take=made.take, error=str(error))
            return False
        async with self._turns.setdefault(camera, asyncio.Lock()):
            if self._takes.get(camera) is made:
                await self._end(camera, made, filled=False)
        return True

    async def _tell_ended(self, camera: CameraId, take: AssetId) -> None:
        home = self._homes.get(camera)
        if not home:
            return
        try:
            await self._system.ask(home, KEEPER, RecordingEnded(camera, take), Done, timeout_s=ASK_WITHIN_S)
        except PortError as error:
            _log.debug("the camera's node does not know that a take ended", camera=camera, error=str(error))

    async def _figures(self, take: AssetId) -> dict[str, Value]:
        """Give what all who recorded a take made of it together, if their pages can be seen."""
        try:
            async with asyncio.timeout(FIGURES_WITHIN_S):
                row = await self._catalogue.get("assets", take)
                pages = [_page(page) for page in await self._catalogue.rows("pages", take)]
                line = timeline(pages, None if row is None else taken_until(row.fields))
        except (PortError, TimeoutError, Malformed):
            return {}
        if not line.parts:
            return {}
        return {
            "size_bytes": line.size_bytes,
            "duration_s": line.duration_us / 1e6,
            "recorded_s": line.recorded_us / 1e6,
        }

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
        ended: dict[str, Value] = {"state": "ready", "ended_ms": now_ms, "stopped_ms": now_ms}
        if running.stopped_us:
            ended[STOPPED] = running.stopped_us
        ended |= await self._figures(running.take)
        if not running.parts and not running.lost_us and "size_bytes" not in ended:
            # Nothing to play, to copy or to understand: it goes to the trash, and says why.
            ended |= {"state": "interrupted", "error": NOTHING_CAME, "trashed_ms": now_ms}
        await self._catalogue.write(
            Change("assets", running.take, set=ended), Change("cameras", camera, set={"record": ""})
        )
        await self._tell_ended(camera, running.take)
        return running.take

    async def _end(self, camera: CameraId, running: Take, *, filled: bool = True) -> None:
        running.stop(filled=filled)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await running.ended.wait()
        except TimeoutError as error:
            raise Unavailable("the take does not end; its disk may not answer. What it has is kept") from error
        for task in ("", "/hold", "/put-back"):
            await self._system.supervisor.stop(f"take/{running.take}{task}")
        self._takes.pop(camera, None)
        self._before.pop(camera, None)
        self._cameras.pop(camera, None)
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

        What was packed is in a page under its part's name, though its own chunk is not. A take that was deleted for
        good gets nothing back.
        """
        pages = [_page(row) for row in await self._catalogue.rows("pages", take)]
        known = {entry.chunk for page in pages for entry in page.entries} | {page.init for page in pages}
        parts = {(entry.epoch, entry.group, entry.part) for page in pages for entry in page.entries}
        entry = await self._catalogue.state("assets", take)
        if entry is not None and not entry.alive:
            return 0, 0
        stopped_ms = _stopped_ms(entry.row() if entry is not None else None)
        until_us = (stopped_ms + CLOCKS_APART_MS) * 1000 if stopped_ms else None
        found = missed = 0
        for chunk in chunks:
            if chunk not in known:
                put = await self._put_back_chunk(take, chunk, pages, parts, until_us)
                found += put is True
                missed += put is None
        return found, missed

    async def _put_back_chunk(
        self,
        take: AssetId,
        chunk: ChunkId,
        pages: list[Page],
        parts: Collection[tuple[int, int, int]],
        until_us: int | None,
    ) -> bool | None:
        """Tell whether it was put back; None for a part of an opening of which no page is known. What was filmed after
        ``until_us`` (UTC microseconds), when the take was stopped, is not of it."""
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
        if until_us is not None and entry.captured_us > until_us:
            return False
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


def _stopped_ms(row: Row | None) -> int:
    """Give when somebody stopped a take, UTC ms; 0 while nobody has."""
    stopped_ms = row.fields.get("stopped_ms") if row is not None else 0
    return stopped_ms if isinstance(stopped_ms, int) else 0


def _recorder(row: Row) -> str:
    return _text(row, "recorder") or _text(row, "node")


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
