"""Whether this node's clock can be believed: the median over itself and its peers.

A node more than ``AHEAD_MS_MAX`` from the median stamps with the median and says so. Clocks are kept as offsets from
each node's monotonic clock, so that a jump of this machine's time is seen at once. A clock before the release's date
was never set and does not count; of an even number the lower middle one is taken, so of two the lower.

Invariant: the correction is a function of what was heard, whatever the order it came in.
"""

from __future__ import annotations

from mesh.core.hlc import AHEAD_MS_MAX, RELEASE_MS
from proto.ids import NodeId

CLOCKS_MAX = 64
"""Peers whose clocks are kept; the one heard longest ago is let go."""


class ClockGuard:
    """The clocks a node has heard of. All times are milliseconds."""

    def __init__(self) -> None:
        self._offsets: dict[NodeId, int] = {}

    def heard(self, peer: NodeId, peer_wall_ms: int, monotonic_ms: int) -> None:
        """Take note of what a peer's own clock showed at this node's ``monotonic_ms``."""
        self._offsets.pop(peer, None)
        self._offsets[peer] = peer_wall_ms - monotonic_ms
        while len(self._offsets) > CLOCKS_MAX:
            self._offsets.pop(next(iter(self._offsets)))

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
