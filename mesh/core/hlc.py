"""Hybrid logical clock (Kulkarni et al., 2014): stamps that follow wall time and never run backwards.

A stamp is one integer: UTC milliseconds since 1970, 16 bits of counter below. Invariant: ``tick`` and ``seen`` only
grow; only ``pull_back``, for a node whose clock was in the future, goes back.
"""

from __future__ import annotations

from mesh.ports import Refused

AHEAD_MS_MAX = 60_000
"""A stamp further ahead of the present is not taken into the clock: a clock in the future cannot be undone."""
RELEASE_MS = 1_793_491_200_000
"""1 November 2026, UTC: a clock that shows an earlier time has not been set, and judges nobody."""
_COUNTER_BITS = 16


def stamp_ms(stamp: int) -> int:
    """Give a stamp's UTC milliseconds since 1970."""
    return stamp >> _COUNTER_BITS


def believable(stamp: int, now_ms: int) -> bool:
    """Tell whether a stamp may be taken; a node whose clock was never set cannot tell, and takes all."""
    return now_ms < RELEASE_MS or stamp_ms(stamp) <= now_ms + AHEAD_MS_MAX


class HybridClock:
    """The clock of one node."""

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def tick(self, now_ms: int) -> int:
        """Give a new stamp, greater than any given or seen before."""
        self.last = max(self.last + 1, now_ms << _COUNTER_BITS)
        return self.last

    def seen(self, stamp: int, now_ms: int) -> None:
        """Take note of another node's stamp; Refused when it is too far ahead to be believed."""
        if not believable(stamp, now_ms):
            raise Refused(f"a stamp {stamp_ms(stamp) - now_ms} ms ahead of this node's time")
        self.last = max(self.last, stamp)

    def runs_ahead(self, now_ms: int) -> bool:
        """Tell whether the clock stands so far ahead that no peer would believe its stamps."""
        return not believable(self.last, now_ms)

    def pull_back(self, now_ms: int) -> None:
        """Begin again at ``now_ms``; what was stamped beyond it must be stamped again."""
        self.last = now_ms << _COUNTER_BITS
