"""The recordings of this node's cameras: performs what ``mesh.core.recording`` decides, and says who records what.

The actor ``recordings`` of a node with the role proxy. Recorders ask it for their leases; a stop goes through it, so
that one asked while a take changes hands ends it on both nodes. Invariant: a lease is written down before anybody is
told of a new one, so that this node's restart does not give a lower epoch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, assert_never

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.system import ActorSystem, Context
from mesh.core.member import Member
from mesh.core.query import Query, Where
from mesh.core.recording import (
    Accepted,
    Answer,
    Asked,
    Candidate,
    Declined,
    Ended,
    Event,
    Lost,
    Offer,
    Persist,
    RecordingBook,
    Restored,
    State,
    Tick,
    TookOver,
    Unattended,
    in_order,
)
from mesh.core.rows import Change
from mesh.ports import ByteStream, Clock, NotFound, PortError, Refused
from proto import codec
from proto.codec import Malformed, Max, Value
from proto.ids import AssetId, CameraId, NodeId
from proto.messages.cameras import (
    Done,
    HoldRecording,
    LeaveRecording,
    RecordingEnded,
    RecordingHeld,
    Replay,
    StopRecording,
    TakeIs,
    TakeOver,
)
from proto.messages.membership import State as Life
from roles.proxy.replaying import Replaying

ACTOR = "recordings"
RECORDER = "recorder"
OFFER_TIMEOUT_S = 1.0
STOP_ASK_S = 6.0
STOP_WITHIN_S = 9.0
"""How long a stop looks for somebody who ends the take; then the rows say that it is over."""
LEAVE_WITHIN_S = 3.0
POLL_S = 0.05
DROP_AFTER_S = 30.0
"""How long what was kept of a camera stays once this node records it itself, or nobody does."""
ROWS_AGAIN_S = 2.0
ROWS_WAIT_S = 0.5
LEASES_MAX = 256
NOTE = "proxy/recordings"

_log = structlog.get_logger("recordings")


@dataclass(frozen=True, slots=True)
class _Noted:
    camera: Annotated[str, Max(26)]
    take: Annotated[str, Max(26)]
    holder: Annotated[str, Max(64)]
    counter: int
    place: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Notes:
    leases: Annotated[tuple[_Noted, ...], Max(1024)]


def _unpack(note: bytes | None) -> tuple[_Noted, ...]:
    try:
        return () if note is None else codec.decode(_Notes, note).leases
    except Malformed as error:
        _log.error("who records this node's cameras is not known", error=str(error))
        return ()


class Recordings:
    """The leases of this node's cameras, and what is kept to be given again."""

    def __init__(
        self,
        system: ActorSystem,
        catalogue: Catalogue,
        members: Callable[[], Mapping[NodeId, Member]],
        replaying: Replaying,
        clock: Clock,
    ) -> None:
        self._system = system
        self._catalogue = catalogue
        self._members = members
        self._replaying = replaying
        self._clock = clock
        self._book = RecordingBook()
        self._wake = asyncio.Event()
        self._stopping: dict[CameraId, asyncio.Lock] = {}
        self._written: bytes | None = None
        self._writing = asyncio.Lock()
        self.takeovers = 0

    async def open(self) -> None:
        """Go on with the leases of before; whoever holds one has some seconds to be heard from."""
        self._written = await self._catalogue.noted(NOTE)
        for one in _unpack(self._written):
            event = Restored(
                CameraId(one.camera), AssetId(one.take), NodeId(one.holder), one.counter, (one.place[0], one.place[1])
            )
            await self._do(event)
        self._system.spawn(ACTOR, self, concurrency=32)
        self._system.supervisor.run("recordings/time", self._mind_time)
        self._system.supervisor.run("recordings/agree", self._agree)

    def told_of(self, member: Member) -> None:
        """Take note of what became of a node: one that is dead or left holds nothing."""
        if member.state in (Life.DEAD, Life.LEFT):
            self._system.supervisor.once("recordings/lost", self._lost(NodeId(member.id)))

    async def _lost(self, node: NodeId) -> None:
        await self._do(Lost(node))

    async def _agree(self) -> None:
        """Take up what the rows say is recorded and nobody wrote down here, once all of them can be seen."""
        mine = Query(
            "cameras", (Where("node", "eq", self._system.node_id), Where("record", "ne", "")), limit=LEASES_MAX
        )
        while True:
            page = await self._catalogue.scan(mine)
            for row in page.rows:
                camera, take = CameraId(row.pk), AssetId(_text(row.fields, "record"))
                if self._book.lease(camera) is None and take and not await self._is_over(take):
                    holder = NodeId(_text(row.fields, "recorder") or self._system.node_id)
                    await self._do(Restored(camera, take, holder, 1))
            if page.partitions_ok == page.partitions_total:
                break
            await asyncio.sleep(ROWS_AGAIN_S)
        for lease in self._book.leases():
            if await self._is_over(lease.take):
                await self._do(Ended(lease.camera, lease.take))

    async def _is_over(self, take: AssetId) -> bool:
        """Tell whether a take's row says that it ended; one that cannot be read does not."""
        try:
            async with asyncio.timeout(ROWS_WAIT_S):
                row = await self._catalogue.get("assets", take)
        except (PortError, TimeoutError):
            return False
        return row is not None and bool(row.fields.get("stopped_ms") or row.fields.get("ended_ms"))

    # ------------------------------------------------------------ the core and its effects

    async def _mind_time(self) -> None:
        while True:
            wake_s = self._book.wake_at()
            self._wake.clear()
            now = self._clock.monotonic()
            if wake_s is None or wake_s > now:
                try:
                    async with asyncio.timeout(None if wake_s is None else wake_s - now):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                else:
                    continue
            await self._do(Tick())

    def _able(self) -> list[NodeId]:
        found = [
            Candidate(node, "storage" in member.info.roles, member.info.capacity_bytes, member.state is not Life.ALIVE)
            for node, member in self._members().items()
            if "daemon" in member.info.roles and member.state in (Life.ALIVE, Life.SUSPECT)
        ]
        return in_order(self._system.node_id, found)

    async def _do(self, event: Event) -> Answer | None:
        answer: Answer | None = None
        effects = self._book.handle(event, self._clock.monotonic(), self._able())
        for effect in effects:
            match effect:
                case Answer():
                    answer = effect
                case Persist():
                    pass
                case Offer():
                    self._system.supervisor.once("recordings/offer", self._offer(effect))
                case TookOver(camera, take, before, holder, after_s):
                    self.takeovers += 1
                    _log.info(
                        "a take was taken over",
                        camera=camera,
                        take=take,
                        before=before[:8],
                        recorder=holder[:8],
                        after_s=round(after_s, 3),
                    )
                case Unattended(camera, take, before):
                    _log.warning("nobody takes over a take", camera=camera, take=take, recorder=before[:8])
                case _:
                    assert_never(effect)
        self._wake.set()
        if any(isinstance(effect, Persist) for effect in effects):
            self._keep_what_is_needed()
            await self._write()
        return answer

    async def _drop_later(self, camera: CameraId) -> None:
        """Let go of what was kept of a camera, once whoever took over has had the time to take it."""
        await asyncio.sleep(DROP_AFTER_S)
        lease = self._book.lease(camera)
        if lease is None or lease.holder == self._system.node_id:
            await self._replaying.drop(camera)

    def _keep_what_is_needed(self) -> None:
        standing = {lease.camera: lease.holder for lease in self._book.leases()}
        for camera in self._replaying.cameras():
            if standing.get(camera, self._system.node_id) == self._system.node_id:
                self._system.supervisor.once("recordings/drop", self._drop_later(camera))
        for camera, holder in standing.items():
            if holder != self._system.node_id:
                self._replaying.keep(camera)

    async def _write(self) -> None:
        async with self._writing:
            noted = tuple(
                _Noted(lease.camera, lease.take, lease.holder, lease.counter, lease.place)
                for lease in self._book.leases()
            )
            packed = codec.encode(_Notes(noted))
            if packed != self._written:
                await self._catalogue.note(NOTE, packed)
                self._written = packed

    async def _offer(self, offer: Offer) -> None:
        lease = self._book.lease(offer.camera)
        if lease is not None and await self._is_over(offer.take):
            await self._do(Ended(offer.camera, offer.take))
            return
        before = lease.holder if lease is not None else ""
        message = TakeOver(offer.camera, offer.take, offer.counter, *offer.place, before)
        try:
            await self._system.ask(offer.node, RECORDER, message, Done, timeout_s=OFFER_TIMEOUT_S)
        except PortError as error:
            _log.info("a take was not taken over", camera=offer.camera, by=offer.node[:8], error=str(error))
            await self._do(Declined(offer.camera, offer.counter))
        else:
            await self._do(Accepted(offer.camera, offer.counter))

    # ------------------------------------------------------------ what is asked

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Give and renew leases; end takes."""
        match message:
            case HoldRecording():
                return await self._hold(context.sender, message)
            case LeaveRecording():
                return await self._leave(context.sender, CameraId(message.camera), AssetId(message.take))
            case RecordingEnded():
                await self._do(Ended(CameraId(message.camera), AssetId(message.take)))
                return Done()
            case StopRecording():
                return TakeIs(await self._stop(CameraId(message.camera)))
            case _:
                raise NotFound(f"recordings take no {type(message).__name__} from {context.sender[:8]}")

    async def serve(self, message: Any, stream: ByteStream, context: Context) -> None:
        """Give again what was kept."""
        del context
        if not isinstance(message, Replay):
            raise Refused(f"recordings know no {type(message).__name__}")
        await self._replaying.give(message, stream)

    async def _hold(self, node: NodeId, message: HoldRecording) -> RecordingHeld:
        camera, take = CameraId(message.camera), AssetId(message.take)
        lease = self._book.lease(camera)
        wanted = ""
        if lease is not None and lease.take != take:
            try:
                async with asyncio.timeout(ROWS_WAIT_S):
                    row = await self._catalogue.get("cameras", camera)
            except (PortError, TimeoutError):
                row = None
            wanted = _text(row.fields, "record") if row is not None else ""
        place = (message.epoch, message.group)
        answer = await self._do(Asked(camera, node, take, message.counter, place, wanted))
        assert answer is not None, "whoever asks is answered"
        return RecordingHeld(answer.verdict, answer.take, answer.holder, answer.counter, *answer.place)

    async def _leave(self, node: NodeId, camera: CameraId, take: AssetId) -> Done:
        """Have somebody else go on; Refused when nobody does."""
        lease = self._book.lease(camera)
        if lease is None or lease.take != take:
            raise Refused("this take is not known here")
        if all(able == node for able in self._able()):
            raise Refused("there is nobody else who could record this camera")
        await self._do(Lost(node, camera))
        deadline = self._clock.monotonic() + LEAVE_WITHIN_S
        while self._clock.monotonic() < deadline:
            lease = self._book.lease(camera)
            if lease is None or (lease.holder != node and lease.state is State.HELD):
                return Done()
            await asyncio.sleep(POLL_S)
        raise Refused("nobody else records this camera")

    async def _stop(self, camera: CameraId) -> AssetId:
        """End a camera's take wherever it runs by now; its holder silent, somebody else is made to end it."""
        async with self._stopping.setdefault(camera, asyncio.Lock()):
            lease = self._book.lease(camera)
            if lease is None:
                raise NotFound("this camera is not being recorded")
            take, deadline = lease.take, self._clock.monotonic() + STOP_WITHIN_S
            while self._clock.monotonic() < deadline:
                lease = self._book.lease(camera)
                if lease is None:
                    return take  # its recorder ended it meanwhile
                holder = lease.holder
                if lease.state is State.HELD:
                    try:
                        await self._system.ask(holder, RECORDER, StopRecording(camera), TakeIs, timeout_s=STOP_ASK_S)
                    except (Refused, NotFound):
                        await asyncio.sleep(POLL_S)  # it is about to begin, or has ended
                        await self._do(Lost(holder, camera))
                    except PortError as error:
                        _log.info("a recorder does not stop", camera=camera, recorder=holder[:8], error=str(error))
                        await self._do(Lost(holder, camera))
                    else:
                        await self._do(Ended(camera, take))
                        return take
                await asyncio.sleep(POLL_S)
            await self._do(Ended(camera, take))
            told = f"node {self._called(holder)}, which recorded it, did not answer when it was stopped"
            fields: dict[str, Value] = {
                "state": "interrupted",
                "error": told,
                "stopped_ms": int(self._clock.wall() * 1000),
            }
            await self._catalogue.write(
                Change("assets", take, set=fields), Change("cameras", camera, set={"record": ""})
            )
            return take

    def _called(self, node: NodeId) -> str:
        member = self._members().get(node)
        return (member.info.name if member is not None else "") or node[:8]


def _text(fields: Mapping[str, Value], name: str) -> str:
    found = fields.get(name)
    return found if isinstance(found, str) else ""
