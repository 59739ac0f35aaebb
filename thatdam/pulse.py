"""How late this node's event loop is: the one number that tells whether something blocks it.

Measured once, for what the node tells others, for whether it is ready and for its metrics.
"""

from __future__ import annotations

import asyncio
from collections import deque

BEAT_S = 0.5
BEATS_KEPT = 20
"""Lags are kept for ten seconds, so that a stall between two scrapes is seen."""


class Pulse:
    """Measures by sleeping: what a sleep took longer than asked is the lag, in seconds."""

    def __init__(self) -> None:
        self._lags: deque[float] = deque(maxlen=BEATS_KEPT)

    async def run(self) -> None:
        """Beat until stopped."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self._lags.append(max(0.0, loop.time() - due))

    @property
    def worst_s(self) -> float | None:
        """The longest lag of the last ten seconds; None before the first beat."""
        return max(self._lags) if self._lags else None

    @property
    def usual_s(self) -> float | None:
        """The median lag of the last ten seconds; None before the first beat."""
        return sorted(self._lags)[len(self._lags) // 2] if self._lags else None
