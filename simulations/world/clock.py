"""A node's clock: the world's time, as wrong as this machine has it."""

from __future__ import annotations

from collections.abc import Callable

WORLD_BEGAN = 1_795_000_000.0
"""UTC seconds since 1970 when a world begins: 2026-11-18."""


class FakeClock:
    """A ``ports.Clock``. ``offset_s`` is added to true time; ``drift`` is seconds gained a second."""

    def __init__(self, now: Callable[[], float], offset_s: float = 0.0, drift: float = 0.0) -> None:
        self._now = now
        self.offset_s = offset_s
        self.drift = drift

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return self._now()

    def wall(self) -> float:
        """Give UTC seconds since 1970 as this machine believes them."""
        now = self._now()
        return WORLD_BEGAN + now * (1.0 + self.drift) + self.offset_s

    def true(self) -> float:
        """Give UTC seconds since 1970 as they are."""
        return WORLD_BEGAN + self._now()

    def boot_in_1970(self) -> None:
        """Have lost the time, as a machine without a clock battery."""
        self.offset_s = 12.0 - self.true()

    def jump(self, by_s: float) -> None:
        """Set the clock forward or back."""
        self.offset_s += by_s
