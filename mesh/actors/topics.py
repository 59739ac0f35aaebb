"""Events: who hears what on this node, and what waits to be told to each peer.

Never waits for a slow peer: what it cannot take is dropped, the oldest first, and counted. In a crowd, where an event
comes over several links, each is passed on and heard once.
"""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from mesh.actors.cells import Context
from mesh.actors.supervisor import Supervisor
from mesh.ports import Channel, Link, Unavailable
from proto.ids import NodeId

EVENTS_WAITING_MAX = 1024
"""Events waiting for one peer; the oldest is dropped, and counted."""
EVENTS_SEEN_MAX = 4096
"""Events of others whose coming again is known."""
EventHandler = Callable[[str, Any, Context], Awaitable[None]]
_log = structlog.get_logger("actors")


@dataclass(slots=True)
class _Outbox:
    task: str
    events: deque[bytes] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    dropped: int = 0


class Topics:
    """The events of one node."""

    def __init__(self, supervisor: Supervisor, links: Callable[[], Mapping[NodeId, Link]]) -> None:
        self._supervisor = supervisor
        self._links = links
        self._subscribers: list[tuple[str, EventHandler]] = []
        self._outboxes: dict[NodeId, _Outbox] = {}
        self._count = 0
        self._seen: OrderedDict[str, None] = OrderedDict()
        self.dropped = 0
        """Events that slow peers did not get."""

    def subscribe(self, pattern: str, handler: EventHandler) -> Callable[[], None]:
        """Hear events whose topic matches a shell-style pattern; gives what ends the subscription."""
        entry = (pattern, handler)
        self._subscribers.append(entry)

        def end() -> None:
            if entry in self._subscribers:
                self._subscribers.remove(entry)

        return end

    def link_up(self, peer: NodeId) -> None:
        """Begin to tell a peer."""
        if peer not in self._outboxes:
            # A name of its own each time: a link may be back before the pump of the last one has ended.
            self._count += 1
            outbox = self._outboxes[peer] = _Outbox(f"events/{peer}/{self._count}")
            self._supervisor.run(outbox.task, lambda: self._pump(peer, outbox))

    def link_down(self, peer: NodeId) -> None:
        """End telling a peer; what waited for it is gone."""
        outbox = self._outboxes.pop(peer, None)
        if outbox is not None:
            self._supervisor.once("events/end", self._supervisor.stop(outbox.task))

    def send(self, packed: bytes, source: NodeId | None) -> None:
        """Have an event told to every peer but the one it came from."""
        for peer, outbox in self._outboxes.items():
            if peer == source:
                continue
            if len(outbox.events) >= EVENTS_WAITING_MAX:
                outbox.events.popleft()
                outbox.dropped += 1
                self.dropped += 1
            outbox.events.append(packed)
            outbox.wake.set()

    def is_news(self, key: str) -> bool:
        """Take note of an event that may come again; tells whether it is the first time."""
        if not key:
            return True
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > EVENTS_SEEN_MAX:
            self._seen.popitem(last=False)
        return True

    async def hear(self, topic: str, event: Any, context: Context) -> None:
        """Tell an event to those on this node that subscribed to it."""
        for pattern, handler in list(self._subscribers):
            if fnmatch.fnmatchcase(topic, pattern):
                try:
                    await handler(topic, event, context)
                except Exception as error:  # noqa: BLE001 - one subscriber's bug is not the others'
                    _log.error("event handler failed", topic=topic, error=str(error), exc_info=error)

    async def _pump(self, peer: NodeId, outbox: _Outbox) -> None:
        while True:
            while outbox.events:
                link = self._links().get(peer)
                if link is None:
                    return
                with contextlib.suppress(Unavailable):
                    await link.send(Channel.EVENTS, outbox.events.popleft())
            outbox.wake.clear()
            await outbox.wake.wait()
