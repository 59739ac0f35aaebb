"""A vector index of plain Python: exact, in order, the same on every machine; for worlds of some thousand vectors.

Invariant: ties are broken by the key, so that equal vectors come in one order whatever was added first. The adapters
that ship pass the same contract tests (``tests/contracts/test_vector_index.py``).
"""

from __future__ import annotations

import math
import sys
import threading
from array import array
from collections.abc import Callable, Sequence, Set

from mesh.ports import Neighbour


class PlainIndex:
    """A ``ports.VectorIndex``."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._rows: dict[int, list[float]] = {}
        self._turn = threading.Lock()

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self._dimension

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, keys: Sequence[int], vectors: bytes) -> None:
        """Add or replace vectors."""
        size = self._dimension * 4
        if len(vectors) % size:
            raise ValueError(f"{len(vectors)} bytes are no vectors of {self._dimension} float32")
        if len(vectors) // size != len(keys):
            raise ValueError(f"{len(keys)} keys for {len(vectors) // size} vectors")
        with self._turn:
            for number, key in enumerate(keys):
                self._rows[key] = _unit(vectors[number * size : (number + 1) * size])

    def remove(self, keys: Sequence[int]) -> None:
        """Forget vectors."""
        with self._turn:
            for key in keys:
                self._rows.pop(key, None)

    def search(self, query: bytes, k: int, allowed: Callable[[int], bool] | Set[int] | None = None) -> list[Neighbour]:
        """Give up to ``k`` nearest, the nearest first."""
        wanted = _unit(query)
        with self._turn:
            if allowed is None:
                rows = list(self._rows.items())
            elif callable(allowed):
                rows = [(key, row) for key, row in self._rows.items() if allowed(key)]
            else:
                rows = [(key, self._rows[key]) for key in sorted(allowed) if key in self._rows]
        near = [(sum(map(float.__mul__, wanted, row)), key) for key, row in rows]
        near.sort(key=lambda pair: (-pair[0], pair[1]))
        return [Neighbour(key, max(-1.0, min(1.0, similarity))) for similarity, key in near[:k]]


def _unit(data: bytes) -> list[float]:
    """Give a vector one long; what is no number counts as 0."""
    row = array("f", data)
    if sys.byteorder == "big":
        row.byteswap()
    values = [value if math.isfinite(value) else 0.0 for value in row]
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    return [value / length for value in values]
