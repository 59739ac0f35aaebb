"""Live tracks on this node: publishers, the current group of each, and subscribers that never hold them up.

Tracks carry groups, groups carry objects (as in Media over QUIC); headers and objects are bytes here. A subscriber
begins with the current group from its start, so that a picture is there at once.

Invariant: a publisher never waits. A subscriber that is late loses whole groups, the oldest first, and is told (Gap); a
lossless one loses nothing until ``LOSSLESS_BYTES_MAX`` wait for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

GROUP_CACHE_BYTES_MAX = 64 << 20
"""Bytes of the current group kept for new subscribers; a larger group is passed on, but not kept."""
LATE_BYTES_MAX = 16 << 20
LATE_OBJECTS_MAX = 600
LOSSLESS_BYTES_MAX = 256 << 20


@dataclass(frozen=True, slots=True)
class GroupStart:
    """A group begins."""

    group: int
    header: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Object:
    """The next object of the group that began last."""

    group: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gap:
    """Groups were lost on the way to this subscriber."""

    groups: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The track is gone."""

    reason: str


Item = GroupStart | Object | Gap | Ended


@dataclass(frozen=True, slots=True)
class LiveTrack:
    """A track of the mesh: ``hops`` away, 0 for one published here."""

    name: str
    hops: int


class Subscription:
    """What one subscriber gets; use it as an async context manager and iterate."""

    def __init__(self, track: str, lossless: bool, leave: Callable[[Subscription], None]) -> None:
        self.track = track
        self._lossless = lossless
        self._leave = leave
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._skipping = False
        self._lost = 0
        self.groups_lost = 0

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leave(self)

    async def __aiter__(self) -> AsyncIterator[Item]:
        while True:
            while not self._items:
                self._wake.clear()
                await self._wake.wait()
            item = self._items.popleft()
            if isinstance(item, Object):
                self._bytes -= len(item.data)
            yield item
            if isinstance(item, Ended):
                return

    def offer(self, item: Item) -> None:
        """Put an item in; decides what is let go when the subscriber is late."""
        match item:
            case GroupStart():
                self._skipping = False
                if self._late():
                    self._drop_oldest()
                if self._lost:
                    self._items.append(Gap(self._lost))
                    self._lost = 0
            case Object():
                if self._skipping:
                    return
                if self._late():
                    self._skipping = True  # the rest of this group is of no use
                    self._lose(1)
                    return
                self._bytes += len(item.data)
            case Gap():
                self._lose(item.groups)
                return
            case Ended():
                pass
        self._items.append(item)
        self._wake.set()

    def _late(self) -> bool:
        if self._lossless:
            return self._bytes > LOSSLESS_BYTES_MAX
        return self._bytes > LATE_BYTES_MAX or len(self._items) > LATE_OBJECTS_MAX

    def _drop_oldest(self) -> None:
        if self._lossless:
            return
        starts = sum(1 for item in self._items if isinstance(item, GroupStart))
        self._lose(starts)
        self._items.clear()
        self._bytes = 0

    def _lose(self, groups: int) -> None:
        self._lost += groups
        self.groups_lost += groups


class _Track:
    def __init__(self, name: str, demand: Callable[[bool], None]) -> None:
        self.name = name
        self.demand = demand
        self.current: list[Item] = []
        self.current_bytes = 0
        self.subscribers: list[Subscription] = []


class Publisher:
    """Gives a track its groups and objects."""

    def __init__(self, track: _Track, close: Callable[[str], None]) -> None:
        self._track = track
        self._close = close
        self._group = 0

    def begin(self, group: int, header: bytes) -> None:
        """Begin a group."""
        self._group = group
        self._track.current = []
        self._track.current_bytes = 0
        self._pass_on(GroupStart(group, header))

    def object(self, data: bytes) -> None:
        """Give the next object of the group."""
        self._track.current_bytes += len(data)
        self._pass_on(Object(self._group, data))

    def close(self, reason: str = "the source is gone") -> None:
        """End the track."""
        self._close(reason)

    def _pass_on(self, item: GroupStart | Object) -> None:
        if self._track.current_bytes <= GROUP_CACHE_BYTES_MAX:
            self._track.current.append(item)
        else:
            self._track.current = []
        for subscriber in self._track.subscribers:
            subscriber.offer(item)


class LiveHub:
    """The live tracks of one node."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}

    def announce(self, track: str, demand: Callable[[bool], None]) -> Publisher:
        """Offer a track; ``demand`` hears True at the first subscriber and False after the last."""
        made = _Track(track, demand)
        old = self._tracks.get(track)
        if old is not None:
            self._end(old, "the source was opened again")
        self._tracks[track] = made
        return Publisher(made, lambda reason: self._withdraw(made, reason))

    def tracks(self) -> dict[str, LiveTrack]:
        """Give every track known."""
        return {name: LiveTrack(name, 0) for name in sorted(self._tracks)}

    def subscribers(self, track: str) -> int:
        """Count a track's subscribers here."""
        found = self._tracks.get(track)
        return len(found.subscribers) if found else 0

    def subscribe(self, track: str, *, lossless: bool = False) -> Subscription:
        """Get a track from its current group on; one that nobody offers yields Ended at once."""
        found = self._tracks.get(track)
        if found is None:
            missing = Subscription(track, lossless, lambda _: None)
            missing.offer(Ended("no such track now"))
            return missing
        made = Subscription(track, lossless, lambda subscription: self._leave(found, subscription))
        for item in found.current:
            made.offer(item)
        found.subscribers.append(made)
        if len(found.subscribers) == 1:
            found.demand(True)
        return made

    def _leave(self, track: _Track, subscription: Subscription) -> None:
        if subscription in track.subscribers:
            track.subscribers.remove(subscription)
            if not track.subscribers:
                track.demand(False)

    def _withdraw(self, track: _Track, reason: str) -> None:
        if self._tracks.get(track.name) is track:
            del self._tracks[track.name]
        self._end(track, reason)

    def _end(self, track: _Track, reason: str) -> None:
        subscribers, track.subscribers = track.subscribers, []
        for subscriber in subscribers:
            subscriber.offer(Ended(reason))
