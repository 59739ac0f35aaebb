"""Chance from a seed: the same for the same seed and name, whatever else is drawn elsewhere.

Invariant: a stream of chance belongs to one name (a node, the network), so that one more draw by one party changes
nothing for the others.
"""

from __future__ import annotations

import random

from blake3 import blake3


class SeededEntropy:
    """A ``ports.Entropy``."""

    def __init__(self, seed: int, name: str) -> None:
        self._random = random.Random(blake3(f"{seed}/{name}".encode()).digest())  # noqa: S311 - a simulation's chance

    def token(self, size: int) -> bytes:
        """Give ``size`` bytes of this stream."""
        return self._random.randbytes(size)

    def uniform(self, low: float, high: float) -> float:
        """Give a number between low and high."""
        return self._random.uniform(low, high)

    def chance(self, share: float) -> bool:
        """Tell yes in ``share`` of the cases, 0.0 to 1.0."""
        return share > 0.0 and self._random.random() < share

    def below(self, limit: int) -> int:
        """Give an integer from 0 to ``limit`` - 1."""
        return self._random.randrange(limit)

    def shuffled(self, items: list[str]) -> list[str]:
        """Give the items in another order."""
        mixed = list(items)
        self._random.shuffle(mixed)
        return mixed
