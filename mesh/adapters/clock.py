"""The machine's clocks and chance."""

from __future__ import annotations

import random
import secrets  # noqa: TID251 - this is the Entropy port's real adapter
import time


class SystemClock:
    """The machine's clock; a ``ports.Clock``."""

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.monotonic()

    def wall(self) -> float:
        """Give UTC seconds since 1970 as the machine believes them."""
        return time.time()  # noqa: TID251 - this is the Clock port's real adapter


class SystemEntropy:
    """The machine's chance; a ``ports.Entropy``."""

    def __init__(self) -> None:
        self._jitter = random.SystemRandom()

    def token(self, size: int) -> bytes:
        """Give ``size`` bytes nobody can guess."""
        return secrets.token_bytes(size)

    def uniform(self, low: float, high: float) -> float:
        """Give a number between low and high."""
        return self._jitter.uniform(low, high)
