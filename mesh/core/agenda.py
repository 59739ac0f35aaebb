"""Named deadlines of a core: what is to happen when, as values.

Invariant: a name has one deadline at most; those due come out in the order of their time, then of their setting.
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

K = TypeVar("K")


class Agenda(Generic[K]):
    """Deadlines by name, in seconds of whatever clock the core is given."""

    __slots__ = ("_at", "_count", "_heap", "_names")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._names: dict[int, K] = {}
        self._at: dict[K, tuple[float, int]] = {}
        self._count = 0

    def set(self, name: K, at: float) -> None:
        """Set or move a deadline."""
        self.cancel(name)
        self._count += 1
        self._at[name] = (at, self._count)
        self._names[self._count] = name
        heapq.heappush(self._heap, (at, self._count))

    def cancel(self, name: K) -> None:
        """Forget a deadline, if there is one."""
        standing = self._at.pop(name, None)
        if standing is not None:
            del self._names[standing[1]]

    def at(self, name: K) -> float | None:
        """Give when something is due, or None."""
        standing = self._at.get(name)
        return None if standing is None else standing[0]

    def pop(self, now: float) -> K | None:
        """Take the next name that is due, or None."""
        self._skip()
        if not self._heap or self._heap[0][0] > now:
            return None
        name = self._names[heapq.heappop(self._heap)[1]]
        self.cancel(name)
        return name

    def next_at(self) -> float | None:
        """Give when the next thing is due, or None."""
        self._skip()
        return self._heap[0][0] if self._heap else None

    def shift(self, by_s: float) -> None:
        """Move every deadline into the future: time passed in which this node could not act."""
        self._heap = []
        for name, (at, count) in self._at.items():
            self._at[name] = (at + by_s, count)
            self._heap.append((at + by_s, count))
        heapq.heapify(self._heap)

    def _skip(self) -> None:
        while self._heap and self._heap[0][1] not in self._names:
            heapq.heappop(self._heap)
