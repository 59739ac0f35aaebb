"""The event feed: what happens anywhere in the mesh, told over a WebSocket to everyone signed in who listens.

Decides what of an event a listener may see: what is one of ``answers.events``, and nothing else. Each carries a cursor
with which any node goes on behind it.

Invariant: nobody waits for a listener. One that is slow falls behind what the mesh keeps and is told what it missed;
nothing is kept for it here. A listener whose session ended is closed within ``CHECK_S``.
"""

from __future__ import annotations

import asyncio
import fnmatch
import re
from typing import Any, get_args

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from pydantic import TypeAdapter, ValidationError

from mesh.actors.events import EventLog, Following
from mesh.core.access import Denied
from mesh.core.eventcursor import CursorError
from mesh.core.following import Gap, Told
from mesh.ports import PortError
from thatdam.gateway import shapes
from thatdam.gateway.answers.events import Event
from thatdam.gateway.assets import moment_ms
from thatdam.gateway.guard import Guard
from thatdam.gateway.problems import Problem, problem_response
from thatdam.node import Node

FEEDS_MAX = 256
"""Listeners of one node; one more is asked to come back later."""
PATTERNS_MAX = 16
POSITION_S = 5.0
"""How long nothing is told before a listener is told of a cursor that moved."""
CHECK_S = 30.0
CLOSE_MISTAKE = 4400
CLOSE_OVER = 4401
_CLOSE_CHARS_MAX = 120
_EVENT: TypeAdapter[Any] = TypeAdapter(Event)
_PATTERN = re.compile(r"[a-z.*?]{1,64}\Z")


def _topics() -> tuple[str, ...]:
    models = get_args(get_args(Event)[0])
    return tuple(topic for model in models for topic in get_args(model.model_fields["topic"].annotation))


TOPICS = tuple(topic for topic in _topics() if not topic.startswith("feed."))
"""Every topic that may be asked for."""


class MistakeError(Exception):
    """What the listener asked for cannot be, in a sentence for it."""


def follow(log: EventLog, topics: str, after: str, since: str) -> Following:
    """Begin a feed as its query says; MistakeError says what is wrong with it, Problem that there are too many."""
    patterns = [part.strip() for part in topics.split(",") if part.strip()]
    if len(patterns) > PATTERNS_MAX:
        raise MistakeError(f"at most {PATTERNS_MAX} topics can be asked for at once")
    for pattern in patterns:
        if not _PATTERN.match(pattern) or not any(fnmatch.fnmatchcase(topic, pattern) for topic in TOPICS):
            kinds = ", ".join(dict.fromkeys(f"{topic.partition('.')[0]}.*" for topic in TOPICS))
            raise MistakeError(f"no topic is called {pattern[:32]!r}; there are {kinds}")
    if after and since:
        raise MistakeError("say after or since, not both")
    if log.followers >= FEEDS_MAX:
        raise Problem(503, f"{FEEDS_MAX} event feeds are open on this node; close some, or ask another node")
    try:
        return log.follow(patterns, after=after, since_ms=moment_ms(since, "since") if since else None)
    except CursorError as error:
        raise MistakeError(str(error)) from None
    except Problem as error:
        raise MistakeError(error.detail) from None


def told(item: Told | Gap, following: Following, now: str) -> str | None:
    """Give what a listener is told as JSON; None for an event of another release, which nobody here knows."""
    cursor = following.cursor(item.cursor)
    match item:
        case Gap(origin, missed, why):
            gap = {"missed": missed, "node": origin, "why": why.value}
            return _json("feed.missed", now, origin, cursor, gap)
        case Told(origin, event):
            data = {name: value or None for name, value in event.data.items()}
            try:
                return _json(event.topic, shapes.moment(event.at_ms) or shapes.BEGINNING, origin, cursor, data)
            except ValidationError:
                return None


def _json(topic: str, at: str, node: str, cursor: str, data: dict[str, Any]) -> str:
    event = _EVENT.validate_python({"topic": topic, "at": at, "node": node, "cursor": cursor, "data": data})
    return str(event.model_dump_json(exclude_unset=True))


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the route."""

    @app.websocket("/api/v1/events")
    async def listen(socket: WebSocket) -> None:
        """Tell what happens, as JSON `{topic, at, node, cursor, data}`.

        Topics are `camera.*`, `asset.*`, `node.*`, `job.*`, `capture.*`, and of the feed itself `feed.*`.
        `?topics=capture.*,node.*` tells these alone. `?after=CURSOR` goes on behind an event that this or another node
        told; `?since=TIME` begins with what happened since then, as far as it is kept. A query that is wrong closes the
        socket with 4400 and a sentence.
        """
        asked = socket.query_params
        following: Following | None = None
        mistake = ""
        try:
            await guard.who(socket)
            following = follow(node.events, asked.get("topics", ""), asked.get("after", ""), asked.get("since", ""))
        except MistakeError as error:
            mistake = str(error)
        except Problem as error:
            await socket.send_denial_response(problem_response(error.status, error.detail))
            return
        except (Denied, PortError) as error:
            await socket.send_denial_response(problem_response(401 if isinstance(error, Denied) else 503, str(error)))
            return
        try:
            await socket.accept()
            if following is None:
                await socket.close(CLOSE_MISTAKE, mistake[:_CLOSE_CHARS_MAX])
                return
            async with asyncio.TaskGroup() as group:
                watching = [
                    group.create_task(_hear(socket)),
                    group.create_task(_send(socket, following, node)),
                    group.create_task(_still_known(socket, guard)),
                ]
                await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
                for task in watching:
                    task.cancel()
        except* (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            if following is not None:
                following.close()


async def _hear(socket: WebSocket) -> None:
    """Wait for the other end to close; what it says is none of this feed's business."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        continue


async def _send(socket: WebSocket, following: Following, node: Node) -> None:
    said = ""
    while True:
        cursor = following.cursor()
        if cursor != said:
            await socket.send_text(_json("feed.position", _now(node), node.node_id, cursor, {}))
            said = cursor
        while items := await following.next(POSITION_S):
            for item in items:
                text = told(item, following, _now(node))
                if text is not None:
                    await socket.send_text(text)
                    said = following.cursor(item.cursor)


def _now(node: Node) -> str:
    return shapes.moment(node.now_ms()) or shapes.BEGINNING


async def _still_known(socket: WebSocket, guard: Guard) -> None:
    while True:
        await asyncio.sleep(CHECK_S)
        try:
            await guard.who(socket)
        except (Denied, Problem):
            await socket.close(CLOSE_OVER, "your session has ended; sign in again")
            return
