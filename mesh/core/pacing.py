"""At what rate something may go on: a token bucket, which says how long to wait.

Invariant: over any stretch of time no more goes than the rate allows, what was saved up in ``burst_s`` before it, and
one piece, for a piece larger than all that is saved goes too, and is made up for afterwards.
"""

from __future__ import annotations


class Bucket:
    """Tokens are bytes; it begins empty. ``rate_bytes_s``: how many come a second; 0: there is no limit.

    ``burst_s``: for how many seconds they are saved up while nothing goes.
    """

    def __init__(self, rate_bytes_s: float, burst_s: float) -> None:
        if rate_bytes_s < 0 or burst_s < 0:
            raise ValueError("a rate and its burst are not below zero")
        self._rate_bytes_s = rate_bytes_s
        self._full_bytes = rate_bytes_s * burst_s
        self._level_bytes = 0.0
        self._at_s: float | None = None

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self._rate_bytes_s > 0

    def wait_s(self, now_s: float) -> float:
        """Give how many seconds it is until something may go; 0: now."""
        if not self.limited:
            return 0.0
        if self._at_s is not None:
            come = max(0.0, now_s - self._at_s) * self._rate_bytes_s
            self._level_bytes = min(self._full_bytes, self._level_bytes + come)
        self._at_s = now_s
        return max(0.0, -self._level_bytes / self._rate_bytes_s)

    def spend(self, size_bytes: int) -> None:
        """Take note that so much goes now."""
        if self.limited:
            self._level_bytes -= size_bytes
