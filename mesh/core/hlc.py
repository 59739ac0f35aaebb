"""Hybrid logical clock (Kulkarni et al., 2014): stamps that follow wall time and never run backwards.

A stamp is one integer: UTC milliseconds since 1970, 16 bits of counter below. Invariant: ``tick`` and ``seen`` only
grow.
"""

from __future__ import annotations

from mesh.ports import Refused

AHEAD_MS_MAX = 60_000
"""A stamp further ahead of this node's own time is not taken into the clock: a clock in the future cannot be undone."""
_COUNTER_BITS = 16


def stamp_ms(stamp: int) -> int:
    """Give a stamp's UTC milliseconds since 1970."""
    return stamp >> _COUNTER_BITS


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
        if stamp_ms(stamp) > max(now_ms, stamp_ms(self.last)) + AHEAD_MS_MAX:
            raise Refused(f"a stamp {stamp_ms(stamp) - now_ms} ms ahead of this node's time")
        self.last = max(self.last, stamp)
