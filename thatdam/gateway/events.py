"""The event feed: what changes anywhere in the mesh, told to everyone signed in who listens on this node.

Decides what is told of a change: that it happened, and a few harmless fields; whoever wants more asks again. A node
tells of its own writes, gathered for ``GATHER_S`` so that a row that changes often is told a few times a second.

Invariant: nobody waits for a listener. One that falls ``FEED_WAITING_MAX`` events behind is told so and closed; it
comes back and looks again. A listener whose session ended is closed within ``CHECK_S``.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from mesh.actors.catalogue import Catalogue
from mesh.actors.membership import Members
from mesh.actors.system import ActorSystem, Context
from mesh.core.access import Denied
from mesh.core.member import Member
from mesh.core.rows import Change
from mesh.ports import PortError
from proto.messages.events import RowChanged
from proto.messages.membership import State
from thatdam.gateway import shapes
from thatdam.gateway.answers import Answer
from thatdam.gateway.answers.events import (
    AssetEvent,
    AssetTold,
    CameraEvent,
    CameraTold,
    CaptureEvent,
    CaptureMoved,
    CaptureMovedTold,
    CaptureTold,
    CaptureWaits,
    CaptureWaitsTold,
    Event,
    JobEvent,
    JobTold,
    MissedEvent,
    MissedTold,
    NodeEvent,
    NodeTold,
)
from thatdam.gateway.guard import Guard
from thatdam.gateway.problems import Problem, problem_response
from thatdam.gateway.traffic import Traffic

TOPIC = "rows"
FEED_WAITING_MAX = 256
"""Events that wait for one listener."""
FEEDS_MAX = 256
"""Listeners of one node; one more is asked to come back later."""
GATHERED_MAX = 1024
"""Changed rows waiting to be told; the oldest is let go."""
GATHER_S = 0.1
CHECK_S = 30.0
TEXT_TOLD_MAX = 120
CLOSE_SLOW = 4008
CLOSE_OVER = 4401
_MODELS: dict[str, type[Answer]] = {"cameras": CameraTold, "assets": AssetTold, "jobs": JobTold}
TOLD = {table: tuple(name for name in model.model_fields if name != "id") for table, model in _MODELS.items()}
"""What of each watched table's fields is told."""


class Feed:
    """One listener's queue."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[str] = asyncio.Queue(FEED_WAITING_MAX)
        self.missed = 0

    def offer(self, event: str) -> None:
        """Queue an event, or count it as missed."""
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self.missed += 1

    async def next(self) -> str:
        """Give the next event."""
        return await self._waiting.get()


class Events:
    """Gathers what this node writes, tells the mesh, and passes on what the mesh tells."""

    def __init__(
        self, system: ActorSystem, catalogue: Catalogue, members: Members, now_ms: Callable[[], int], traffic: Traffic
    ) -> None:
        self._system = system
        self._now_ms = now_ms
        self._traffic = traffic
        self._feeds: set[Feed] = set()
        self._gathered: OrderedDict[tuple[str, str], RowChanged] = OrderedDict()
        self._wake = asyncio.Event()
        catalogue.on_write(self._wrote)
        members.watch(self._member)
        system.subscribe(TOPIC, self._heard)
        system.supervisor.run("gateway/events", self._tell)

    def open(self) -> Feed:
        """Begin to listen; Problem when too many do."""
        if len(self._feeds) >= FEEDS_MAX:
            raise Problem(503, f"{FEEDS_MAX} event feeds are open on this node; close some, or ask another node")
        feed = Feed()
        self._feeds.add(feed)
        self._traffic.event_clients = len(self._feeds)
        return feed

    def close(self, feed: Feed) -> None:
        """Stop listening."""
        self._feeds.discard(feed)
        self._traffic.event_clients = len(self._feeds)

    def emit(self, event: Event) -> None:
        """Tell every listener of this node."""
        if not self._feeds:
            return
        text = event.model_dump_json(exclude_unset=True)
        for feed in self._feeds:
            feed.offer(text)

    def missed(self, count: int) -> str:
        """Give the last event of a feed that was too slow."""
        lost = MissedEvent(topic="feed.missed", at=self._now(), data=MissedTold(missed=count))
        return lost.model_dump_json()

    def _now(self) -> str:
        return shapes.moment(self._now_ms()) or shapes.BEGINNING

    def _wrote(self, changes: tuple[Change, ...]) -> None:
        for change in changes:
            if change.table not in TOLD:
                continue
            key = (change.table, change.pk)
            before = self._gathered.pop(key, None)
            told = dict(before.told) if before else {}
            for name in TOLD[change.table]:
                if name in change.set:
                    told[name] = str(change.set[name] or "")[:TEXT_TOLD_MAX]
            self._gathered[key] = RowChanged(change.table, change.pk, change.delete, told)
            if len(self._gathered) > GATHERED_MAX:
                self._gathered.popitem(last=False)
            self._wake.set()

    async def _tell(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_S)
            self._wake.clear()
            while self._gathered:
                _, changed = self._gathered.popitem(last=False)
                await self._system.publish(TOPIC, changed)

    async def _heard(self, _: str, event: Any, context: Context) -> None:
        if not isinstance(event, RowChanged) or event.table not in TOLD:
            return
        del context
        told = {name: value or None for name, value in event.told.items() if name in TOLD[event.table]}
        at, pk, removed = self._now(), event.pk, event.removed
        match event.table:
            case "cameras":
                topic: Literal["camera.changed", "camera.removed"] = "camera.removed" if removed else "camera.changed"
                self.emit(CameraEvent(topic=topic, at=at, data=CameraTold(id=pk, **told)))
                if "record" in told:
                    began: Literal["capture.started", "capture.stopped"]
                    began = "capture.started" if told["record"] else "capture.stopped"
                    self.emit(CaptureEvent(topic=began, at=at, data=CaptureTold(camera=pk, take=told["record"])))
                elif recorder := told.get("recorder"):
                    moved = CaptureMovedTold(camera=pk, recorder=recorder)
                    self.emit(CaptureMoved(topic="capture.moved", at=at, data=moved))
            case "assets":
                asset = AssetTold(id=pk, **told)
                self.emit(AssetEvent(topic="asset.removed" if removed else "asset.changed", at=at, data=asset))
                if "waiting" in told:
                    waits: Literal["capture.waiting", "capture.resumed"]
                    waits = "capture.waiting" if told["waiting"] else "capture.resumed"
                    waiting = CaptureWaitsTold(take=pk, waiting_for=told["waiting"])
                    self.emit(CaptureWaits(topic=waits, at=at, data=waiting))
            case "jobs":
                job = JobTold(id=pk, **told)
                self.emit(JobEvent(topic="job.removed" if removed else "job.changed", at=at, data=job))

    def _member(self, member: Member) -> None:
        told = NodeTold(id=member.id, name=member.info.name)
        self.emit(NodeEvent(topic=_BELIEVED[member.state], at=self._now(), data=told))


_BELIEVED: dict[State, Literal["node.alive", "node.suspect", "node.dead", "node.left"]] = {
    State.ALIVE: "node.alive",
    State.SUSPECT: "node.suspect",
    State.DEAD: "node.dead",
    State.LEFT: "node.left",
}


def install(app: FastAPI, events: Events, guard: Guard, traffic: Traffic) -> None:
    """Add the route."""

    @app.websocket("/api/v1/events")
    async def listen(socket: WebSocket) -> None:
        """Tell what happens, as JSON `{topic, at, data}`: `camera.*`, `asset.*`, `node.*`, `job.*`, `capture.*`."""
        try:
            await guard.who(socket)
            feed = events.open()
        except Problem as error:
            await socket.send_denial_response(problem_response(error.status, error.detail))
            return
        except (Denied, PortError) as error:
            await socket.send_denial_response(problem_response(401 if isinstance(error, Denied) else 503, str(error)))
            return
        try:
            await socket.accept()
            async with asyncio.TaskGroup() as group:
                watching = [
                    group.create_task(_hear(socket)),
                    group.create_task(_send(socket, feed, events, traffic)),
                    group.create_task(_still_known(socket, guard)),
                ]
                await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
                for task in watching:
                    task.cancel()
        except* (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            events.close(feed)


async def _hear(socket: WebSocket) -> None:
    """Wait for the other end to close; what it says is none of this feed's business."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        continue


async def _send(socket: WebSocket, feed: Feed, events: Events, traffic: Traffic) -> None:
    while True:
        event = await feed.next()
        if feed.missed:
            traffic.events_missed += 1
            events.close(feed)
            await socket.send_text(events.missed(feed.missed))
            await socket.close(CLOSE_SLOW, "you were too slow and missed events; connect again and look anew")
            return
        await socket.send_text(event)


async def _still_known(socket: WebSocket, guard: Guard) -> None:
    while True:
        await asyncio.sleep(CHECK_S)
        try:
            await guard.who(socket)
        except (Denied, Problem):
            await socket.close(CLOSE_OVER, "your session has ended; sign in again")
            return
