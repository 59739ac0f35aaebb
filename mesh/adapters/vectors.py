"""Vector indexes: exact over a numpy matrix, and HNSW (Malkov and Yashunin, 2016) where hnswlib is importable.

Vectors are made unit long as they come, so that the inner product is the cosine. HNSW is built by one thread, so equal
adds in equal order give equal graphs, and hands over to exact search whenever a filter leaves under EXACT_UNDER of the
vectors or no more than EXACT_MOST, where a graph is slower and finds less.

Invariant: adds and queries take turns (a lock); a key is in an index at most once.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
import numpy.typing as npt

from mesh.ports import Neighbour

Matrix = npt.NDArray[np.float32]
Allowed = Callable[[int], bool] | AbstractSet[int]

EXACT_UNDER = 0.05
EXACT_MOST = 16_384
"""Vectors compared one by one rather than walking a graph that asks for each whether it is allowed."""
SAMPLE = 1000
"""Keys looked at to guess how many a filter leaves, when it is a function."""
CAPACITY_FIRST = 1024
M, EF_CONSTRUCTION, EF_MIN = 16, 120, 64
SEED = 100


def best_index(dimension: int) -> ExactIndex | HnswIndex:
    """Give the best index there is on this machine, empty."""
    return HnswIndex(dimension) if importlib.util.find_spec("hnswlib") is not None else ExactIndex(dimension)


def unit_rows(vectors: bytes, dimension: int) -> Matrix:
    """Read little-endian float32 vectors as unit rows; ValueError when the bytes are no whole number of them."""
    if len(vectors) % (4 * dimension):
        raise ValueError(f"{len(vectors)} bytes are no vectors of {dimension} float32")
    raw = np.frombuffer(vectors, dtype="<f4").reshape(-1, dimension).astype(np.float32)
    raw = np.where(np.isfinite(raw), raw, np.float32(0))
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    rows: Matrix = raw / np.maximum(lengths, np.float32(1e-12))
    return rows


def _paired(keys: Sequence[int], rows: Matrix) -> tuple[list[int], Matrix]:
    """Check that each key has its vector, and keep the last where a key comes twice."""
    if len(keys) != len(rows):
        raise ValueError(f"{len(keys)} keys for {len(rows)} vectors")
    last = {key: at for at, key in enumerate(keys)}
    if len(last) == len(keys):
        return list(keys), rows
    return list(last), rows[list(last.values())]


def _top(keys: npt.NDArray[np.int64], similar: npt.NDArray[np.float32], k: int) -> list[Neighbour]:
    if k <= 0 or not len(keys):
        return []
    if len(keys) > k:
        best = np.argpartition(-similar, k - 1)[:k]
        keys, similar = keys[best], similar[best]
    order = np.lexsort((keys, -similar))
    return [Neighbour(int(keys[at]), float(similar[at])) for at in order]


class ExactIndex:
    """Every vector is compared with the query; a ``ports.VectorIndex``. 4 bytes of memory a number."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._matrix: Matrix = np.zeros((CAPACITY_FIRST, dimension), dtype=np.float32)
        self._keys = np.zeros(CAPACITY_FIRST, dtype=np.int64)
        self._place: dict[int, int] = {}
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self._dimension

    def __len__(self) -> int:
        return len(self._place)

    def add(self, keys: Sequence[int], vectors: bytes) -> None:
        """Add or replace vectors."""
        self.put(*_paired(keys, unit_rows(vectors, self._dimension)))

    def put(self, keys: Sequence[int], rows: Matrix) -> None:
        """Add or replace unit rows, one a key."""
        with self._lock:
            self._grow(len(self._place) + len(keys))
            for key, row in zip(keys, rows, strict=True):
                at = self._place.setdefault(key, len(self._place))
                self._matrix[at] = row
                self._keys[at] = key

    def remove(self, keys: Sequence[int]) -> None:
        """Forget vectors; the last one takes the place of a removed one."""
        with self._lock:
            for key in keys:
                at = self._place.pop(key, None)
                last = len(self._place)
                if at is not None and at != last:
                    self._matrix[at] = self._matrix[last]
                    self._keys[at] = self._keys[last]
                    self._place[int(self._keys[at])] = at

    def search(self, query: bytes, k: int, allowed: Allowed | None = None) -> list[Neighbour]:
        """Give up to ``k`` nearest of those allowed."""
        return self.nearest(unit_rows(query, self._dimension)[0], k, allowed)

    def nearest(self, wanted: npt.NDArray[np.float32], k: int, allowed: Allowed | None) -> list[Neighbour]:
        """Give the same for a unit row."""
        with self._lock:
            count = len(self._place)
            if allowed is None:
                return _top(self._keys[:count].copy(), self._matrix[:count] @ wanted, k)
            if isinstance(allowed, AbstractSet):
                places = [self._place[key] for key in allowed if key in self._place]
            else:
                places = [at for key, at in self._place.items() if allowed(key)]
            chosen = np.array(sorted(places), dtype=np.int64)
            return _top(self._keys[chosen], self._matrix[chosen] @ wanted, k)

    def _grow(self, count: int) -> None:
        if count <= len(self._keys):
            return
        room = max(count, 2 * len(self._keys))
        matrix = np.zeros((room, self._dimension), dtype=np.float32)
        matrix[: len(self._matrix)] = self._matrix
        keys = np.zeros(room, dtype=np.int64)
        keys[: len(self._keys)] = self._keys
        self._matrix, self._keys = matrix, keys


class HnswIndex:
    """A graph of near neighbours; a ``ports.VectorIndex``. Needs hnswlib; ImportError says so.

    The vectors are kept beside the graph as well, since hnswlib takes some 50 microseconds to give one back: 8 bytes of
    memory a number in all.
    """

    def __init__(self, dimension: int) -> None:
        import hnswlib

        self._dimension = dimension
        self._graph: Any = hnswlib.Index(space="ip", dim=dimension)
        self._graph.init_index(max_elements=CAPACITY_FIRST, M=M, ef_construction=EF_CONSTRUCTION, random_seed=SEED)
        self._graph.set_num_threads(1)
        self._live: dict[int, None] = {}
        self._dead: dict[int, None] = {}
        self._rows = ExactIndex(dimension)
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self._dimension

    def __len__(self) -> int:
        return len(self._live)

    def add(self, keys: Sequence[int], vectors: bytes) -> None:
        """Add or replace vectors, one after another."""
        chosen, rows = _paired(keys, unit_rows(vectors, self._dimension))
        if not chosen:
            return
        with self._lock:
            for key in chosen:
                if key in self._dead:
                    self._graph.unmark_deleted(key)
                    del self._dead[key]
            known = len(self._live) + len(self._dead)
            needed = known + sum(1 for key in chosen if key not in self._live)
            room = self._graph.get_max_elements()
            if needed > room:
                self._graph.resize_index(max(needed, 2 * room))
            self._graph.add_items(rows, np.array(chosen, dtype=np.uint64), num_threads=1)
            self._live.update(dict.fromkeys(chosen))
            self._rows.put(chosen, rows)

    def remove(self, keys: Sequence[int]) -> None:
        """Forget vectors; their nodes stay in the graph as way marks."""
        with self._lock:
            for key in keys:
                if key in self._live:
                    del self._live[key]
                    self._dead[key] = None
                    self._graph.mark_deleted(key)
            self._rows.remove(keys)

    def search(self, query: bytes, k: int, allowed: Allowed | None = None) -> list[Neighbour]:
        """Give up to ``k`` nearest of those allowed."""
        wanted = unit_rows(query, self._dimension)
        with self._lock:
            count = len(self._live)
            if k <= 0 or not count:
                return []
            if allowed is None:
                return self._walk(wanted, min(k, count), None) or self._rows.nearest(wanted[0], k, None)
            share = self._share(allowed)
            if share < EXACT_UNDER or share * count <= max(2 * k, EXACT_MOST):
                return self._rows.nearest(wanted[0], k, allowed)
            among = allowed.__contains__ if isinstance(allowed, AbstractSet) else allowed
            return self._walk(wanted, k, among) or self._rows.nearest(wanted[0], k, allowed)

    def _walk(self, wanted: Matrix, k: int, allowed: Callable[[int], bool] | None) -> list[Neighbour]:
        """Ask the graph; empty when it cannot reach ``k`` of them."""
        self._graph.set_ef(max(EF_MIN, 2 * k))
        try:
            labels, distances = self._graph.knn_query(wanted, k=k, num_threads=1, filter=allowed)
        except RuntimeError:  # hnswlib's way to say that it found fewer than k
            return []
        return _top(labels[0].astype(np.int64), (1.0 - distances[0]).astype(np.float32), k)

    def _share(self, allowed: Allowed) -> float:
        if isinstance(allowed, AbstractSet):
            return len(allowed) / len(self._live)
        step = max(1, len(self._live) // SAMPLE)
        sample = list(self._live)[::step]
        return sum(1 for key in sample if allowed(key)) / len(sample)
