"""Whether this node's clock can be believed: the median over itself and its peers.

A node more than ``AHEAD_MS_MAX`` from the median stamps with the median and says so. Clocks are kept as offsets from
each node's monotonic clock, so that a jump of this machine's time is seen at once. A clock before the release's date
was never set and does not count; of an even number the lower middle one is taken, so of two the lower.

Whether something has expired is judged by a stricter clock. It leaves this node's own only where more than half of all
clocks heard of, its own among them, are on one side of it and farther than ``SKEW_MS``; then it goes to the nearest
that half can vouch for. So one peer, or a half, cannot bring back to life what is over. Whoever may have no link
because its certificate is over by this clock has a say only together with others, more than half of the mesh.

Invariant: the correction is a function of what was heard, whatever the order it came in; a clock that was never set, or
is put back, never judges by a time before one that was agreed on.
"""

from __future__ import annotations

from mesh.core.hlc import AHEAD_MS_MAX, RELEASE_MS
from proto.ids import NodeId

CLOCKS_MAX = 64
"""Peers whose clocks are kept; the one heard longest ago is let go."""


SKEW_MS = 600_000
"""How far clocks may disagree about whether something has expired."""
CONTRADICTED_MS = 600_000
"""How long it counts that somebody who was refused as expired said that it is earlier."""


class ClockGuard:
    """The clocks a node has heard of. All times are milliseconds."""

    def __init__(self) -> None:
        self._offsets: dict[NodeId, int] = {}
        self._contradicted: dict[NodeId, tuple[int, int]] = {}

    def heard(self, peer: NodeId, peer_wall_ms: int, monotonic_ms: int) -> None:
        """Take note of what a peer's own clock showed at this node's ``monotonic_ms``."""
        self._offsets.pop(peer, None)
        self._offsets[peer] = peer_wall_ms - monotonic_ms
        while len(self._offsets) > CLOCKS_MAX:
            self._offsets.pop(next(iter(self._offsets)))

    def contradicted(self, peer: NodeId, peer_wall_ms: int, monotonic_ms: int) -> None:
        """Take note of what the clock of a node showed whose certificate is over by this node's."""
        self._contradicted.pop(peer, None)
        self._contradicted[peer] = (peer_wall_ms - monotonic_ms, monotonic_ms)
        while len(self._contradicted) > CLOCKS_MAX:
            self._contradicted.pop(next(iter(self._contradicted)))

    def contradicting(self, monotonic_ms: int) -> list[int]:
        """Give what the clocks show of those who said so lately, in order."""
        return sorted(
            offset + monotonic_ms
            for offset, heard_ms in self._contradicted.values()
            if monotonic_ms - heard_ms <= CONTRADICTED_MS
        )

    def judged_ms(self, own_wall_ms: int, monotonic_ms: int, floor_ms: int, members: int) -> int:
        """Give the time by which expiry is judged; ``members`` are the mesh's, this one too.

        A clock that was never set says nothing: without it the others' upper median counts, or else ``floor_ms``, which
        was once agreed on.
        """
        heard = sorted(
            wall for wall in (offset + monotonic_ms for offset in self._offsets.values()) if wall >= RELEASE_MS
        )
        if own_wall_ms < RELEASE_MS:
            judged = heard[len(heard) // 2] if heard else floor_ms
        else:
            judged = own_wall_ms
            clocks = sorted([own_wall_ms, *heard])
            low, high = clocks[(len(clocks) - 1) // 2], clocks[len(clocks) // 2]
            if low > own_wall_ms + SKEW_MS:
                return low
            if high < own_wall_ms - SKEW_MS:
                judged = high
        others = [wall for wall in self.contradicting(monotonic_ms) if wall >= RELEASE_MS]
        if 2 * len(others) > max(2, members):
            judged = min(judged, max(others))
        return judged if judged == own_wall_ms else max(judged, floor_ms)

    def agreed_ms(self, own_wall_ms: int, monotonic_ms: int) -> int | None:
        """Give a time that this clock and more than half of the linked peers' agree has been reached, or None."""
        heard = sorted(offset + monotonic_ms for offset in self._offsets.values())
        if own_wall_ms < RELEASE_MS or not heard:
            return None
        near = [wall for wall in heard if abs(wall - own_wall_ms) <= SKEW_MS]
        return min(own_wall_ms, *near) if 2 * len(near) > len(heard) else None

    def median_ms(self, own_wall_ms: int, monotonic_ms: int) -> int | None:
        """Give the median of the clocks that count, or None when none does."""
        clocks = [own_wall_ms, *(offset + monotonic_ms for offset in self._offsets.values())]
        counting = sorted(clock for clock in clocks if clock >= RELEASE_MS)
        return counting[(len(counting) - 1) // 2] if counting else None

    def correction_ms(self, own_wall_ms: int, monotonic_ms: int) -> int:
        """Give what must be added to this node's clock: 0 while it is within bounds."""
        median = self.median_ms(own_wall_ms, monotonic_ms)
        if median is None or abs(own_wall_ms - median) <= AHEAD_MS_MAX:
            return 0
        return median - own_wall_ms
