"""One live track on one node: its current group, and subscribers that never hold it up.

Decides what a subscriber that falls behind lets go. A live one loses whole groups, the oldest first, once what waits
for it is older than ``LATE_S`` or larger than its bounds, and hears so (Gap). A lossless one loses nothing until
``LOSSLESS_BYTES_MAX`` wait for it; then it hears of that too.

Invariant: whoever gives a track its objects never waits; what a subscriber gets is whole groups in order, but for the
end of a group that a Gap follows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

GROUP_CACHE_BYTES_MAX = 32 << 20
"""Bytes of the current group kept for new subscribers; a larger group is passed on, but not kept."""
CACHE_STALE_S = 3.0
"""A current group to which nothing was added for this long is no beginning for a new subscriber."""
LATE_S = 1.0
LATE_BYTES_MAX = 16 << 20
LATE_OBJECTS_MAX = 4096
LOSSLESS_BYTES_MAX = 256 << 20


@dataclass(frozen=True, slots=True)
class GroupStart:
    """A group begins. ``publisher`` names one opening of the source, ``serial`` counts its groups without holes."""

    group: int
    header: bytes = field(repr=False)
    publisher: int = 0
    serial: int = 0


@dataclass(frozen=True, slots=True)
class Object:
    """The next object of the group that began last."""

    group: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gap:
    """So many groups were lost on the way to this subscriber, in whole or at their end."""

    groups: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The track is gone."""

    reason: str


Item = GroupStart | Object | Gap | Ended


class Subscription:
    """What one subscriber gets; use it as an async context manager and iterate. Ends after Ended."""

    def __init__(self, track: str, lossless: bool, leave: Callable[[Subscription], None]) -> None:
        self.track = track
        self.lossless = lossless
        self._leave = leave
        self._items: deque[tuple[float, Item]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._skipping = False
        self._shortened = False
        self._lost = 0
        self.groups_lost = 0
        """Groups this subscriber lost, in whole or in part."""

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the track. Safe to call more than once."""
        self._leave(self)

    async def __aiter__(self) -> AsyncIterator[Item]:
        while True:
            item = await self.next()
            yield item
            if isinstance(item, Ended):
                return

    async def next(self) -> Item:
        """Wait for the next item."""
        while not self._items:
            self._wake.clear()
            await self._wake.wait()
        item = self._items.popleft()[1]
        if isinstance(item, Object):
            self._bytes -= len(item.data)
        return item

    @property
    def waiting(self) -> int:
        """Items that wait to be taken."""
        return len(self._items)

    def offer(self, item: Item) -> None:
        """Put an item in; decides what is let go when the subscriber is late."""
        match item:
            case GroupStart():
                if self._late():
                    self._drop_waiting()
                self._skipping = self._shortened = False
                self._tell_lost()
            case Object():
                if self._skipping:
                    return
                if self._full():
                    self._skipping = self._shortened = True  # the rest of this group is of no use
                    self._lose(1)
                    return
                self._bytes += len(item.data)
            case Gap():
                self._skipping = True
                self._lose(item.groups)
                return
            case Ended():
                self._tell_lost()
        self._put(item)

    def _put(self, item: Item) -> None:
        self._items.append((asyncio.get_running_loop().time(), item))
        self._wake.set()

    def _tell_lost(self) -> None:
        if self._lost:
            self._put(Gap(self._lost))
            self._lost = 0

    def _full(self) -> bool:
        if self.lossless:
            return self._bytes > LOSSLESS_BYTES_MAX
        return self._bytes > LATE_BYTES_MAX or len(self._items) > LATE_OBJECTS_MAX

    def _late(self) -> bool:
        if self.lossless or not self._items:
            return False
        return self._full() or asyncio.get_running_loop().time() - self._items[0][0] > LATE_S

    def _drop_waiting(self) -> None:
        items = [item for _, item in self._items]
        told = sum(item.groups for item in items if isinstance(item, Gap))
        starts = sum(1 for item in items if isinstance(item, GroupStart))
        # Objects in front belong to a group the subscriber has begun: it loses that one's end. The last group is
        # counted already when its end was not let in.
        begun = isinstance(items[0], Object)
        self._items.clear()
        self._bytes = 0
        self._lost += told
        self._lose(starts + begun - self._shortened)

    def _lose(self, groups: int) -> None:
        self._lost += groups
        self.groups_lost += groups


class Fan:
    """A track's current group and its subscribers on this node."""

    def __init__(self, track: str) -> None:
        self.track = track
        self.subscribers: list[Subscription] = []
        self.publisher = 0
        self.serial = -1
        self.objects = 0
        """Objects of the current group so far: where to go on when it comes again by another path."""
        self._cut = False
        self._current: list[GroupStart | Object] = []
        self._kept = True
        self._bytes = 0
        self._touched_s = 0.0

    @property
    def lossless(self) -> bool:
        """Whether one of the subscribers is."""
        return any(subscriber.lossless for subscriber in self.subscribers)

    def begin(self, start: GroupStart) -> int | None:
        """Begin a group; gives how many of its objects are there already, or None when it is an older one."""
        if start.publisher == self.publisher:
            if start.serial < self.serial:
                return None
            if start.serial == self.serial:
                self._cut = False
                return self.objects
            lost = start.serial - self.serial - 1 + self._cut
        else:
            lost = int(self._cut)
        self.publisher, self.serial = start.publisher, start.serial
        self.objects = 0
        self._cut = False
        self._current, self._kept, self._bytes = [], True, 0
        if lost:
            for subscriber in self.subscribers:
                subscriber.offer(Gap(lost))
        self._pass_on(start)
        return 0

    def object(self, data: bytes) -> None:
        """Give the current group its next object."""
        self.objects += 1
        self._bytes += len(data)
        self._pass_on(Object(self._group(), data))

    def cut(self) -> None:
        """Say that the current group came to an end too early; it may yet go on by another path."""
        self._cut = self.serial >= 0

    def join(self, subscriber: Subscription) -> None:
        """Add a subscriber, beginning with the current group from its start."""
        fresh = asyncio.get_running_loop().time() - self._touched_s <= CACHE_STALE_S
        if fresh and self._kept:
            for item in self._current:
                subscriber.offer(item)
        self.subscribers.append(subscriber)

    def end(self, reason: str) -> None:
        """Tell every subscriber that the track is gone."""
        subscribers, self.subscribers = self.subscribers, []
        for subscriber in subscribers:
            subscriber.offer(Ended(reason))

    def _group(self) -> int:
        return self._current[0].group if self._current else self.serial

    def _pass_on(self, item: GroupStart | Object) -> None:
        self._touched_s = asyncio.get_running_loop().time()
        if self._kept and self._bytes <= GROUP_CACHE_BYTES_MAX:
            self._current.append(item)
        elif self._kept:
            self._kept = False
            del self._current[1:]
        for subscriber in self.subscribers:
            subscriber.offer(item)
