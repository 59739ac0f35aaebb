"""What every VectorIndex promises: the same cases over the exact and the HNSW adapter and the simulator's."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mesh.adapters.vectors import ExactIndex, HnswIndex, best_index
from mesh.ports import VectorIndex
from simulations.world.vectors import PlainIndex

PORTS = (VectorIndex,)
REAL = (ExactIndex, HnswIndex)
FAKE = (PlainIndex,)
DIMENSION = 24


def _vectors(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype("<f4")


def _brute(vectors: np.ndarray, query: np.ndarray, k: int, keys: list[int]) -> list[int]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similar = unit @ (query / np.linalg.norm(query))
    return sorted(keys, key=lambda key: (-similar[key], key))[:k]


@pytest.fixture(params=["exact", "hnsw", "fake"])
def index(request: pytest.FixtureRequest) -> VectorIndex:
    if request.param == "exact":
        return ExactIndex(DIMENSION)
    if request.param == "fake":
        return PlainIndex(DIMENSION)
    pytest.importorskip("hnswlib")
    return HnswIndex(DIMENSION)


def test_an_empty_index_finds_nothing(index: VectorIndex) -> None:
    assert len(index) == 0
    assert index.search(_vectors(1).tobytes(), 5) == []


def test_finds_the_nearest_first_and_at_most_k(index: VectorIndex) -> None:
    vectors = _vectors(3000)
    index.add(range(3000), vectors.tobytes())
    assert len(index) == 3000
    hit = 0
    for query in _vectors(20, seed=2):
        found = index.search(query.tobytes(), 10)
        assert len(found) == 10
        assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
        hit += len({one.key for one in found} & set(_brute(vectors, query, 10, list(range(3000)))))
    assert hit >= 0.95 * 200


def test_similarity_is_the_cosine_whatever_the_length(index: VectorIndex) -> None:
    one = np.zeros(DIMENSION, "<f4")
    one[0] = 5.0
    index.add([7], one.tobytes())
    assert index.search((one * 3).tobytes(), 1)[0].similarity == pytest.approx(1.0, abs=1e-5)
    assert index.search((-one).tobytes(), 1)[0].similarity == pytest.approx(-1.0, abs=1e-5)


def test_adding_a_key_again_replaces_it(index: VectorIndex) -> None:
    vectors = _vectors(50)
    index.add(range(50), vectors.tobytes())
    index.add([3], vectors[40].tobytes())
    assert len(index) == 50
    assert {one.key for one in index.search(vectors[40].tobytes(), 2)} == {3, 40}
    index.add([5, 5], np.stack([vectors[1], vectors[2]]).tobytes())
    assert {one.key for one in index.search(vectors[2].tobytes(), 2)} == {5, 2}


def test_removed_keys_are_not_found_and_can_come_back(index: VectorIndex) -> None:
    vectors = _vectors(200)
    index.add(range(200), vectors.tobytes())
    index.remove([4, 5, 999])
    assert len(index) == 198
    assert index.search(vectors[4].tobytes(), 1)[0].key != 4
    assert len(index.search(vectors[4].tobytes(), 500)) == 198
    index.add([4], vectors[4].tobytes())
    assert index.search(vectors[4].tobytes(), 1)[0].key == 4


@pytest.mark.parametrize("kept", [1, 20, 200, 1500])
@pytest.mark.parametrize("as_set", [True, False])
def test_a_filter_is_held_whatever_it_leaves(index: VectorIndex, kept: int, as_set: bool) -> None:
    vectors = _vectors(2000)
    index.add(range(2000), vectors.tobytes())
    allowed = set(range(0, 2000, 2000 // kept))
    hit = total = 0
    for query in _vectors(10, seed=3):
        found = index.search(query.tobytes(), 10, allowed if as_set else lambda key: key in allowed)
        assert all(one.key in allowed for one in found)
        wanted = _brute(vectors, query, 10, sorted(allowed))
        assert len(found) == len(wanted)
        hit += len({one.key for one in found} & set(wanted))
        total += len(wanted)
    assert hit >= 0.95 * total


def test_keys_that_are_not_held_may_be_allowed(index: VectorIndex) -> None:
    vectors = _vectors(10)
    index.add(range(10), vectors.tobytes())
    assert [one.key for one in index.search(vectors[2].tobytes(), 3, {2, 5000})] == [2]


def test_wrong_lengths_are_refused(index: VectorIndex) -> None:
    with pytest.raises(ValueError, match="no vectors"):
        index.add([1], b"12345")
    with pytest.raises(ValueError, match="keys"):
        index.add([1, 2], _vectors(1).tobytes())


def test_no_number_breaks_nothing(index: VectorIndex) -> None:
    broken = np.full(DIMENSION, np.nan, "<f4")
    vectors = _vectors(20)
    index.add(range(20), vectors.tobytes())
    index.add([20], broken.tobytes())
    assert index.search(vectors[3].tobytes(), 1)[0].key == 3
    assert len(index.search(broken.tobytes(), 3)) == 3


def test_adds_and_queries_from_many_threads_take_turns(index: VectorIndex) -> None:
    vectors = _vectors(2000)

    def add(start: int) -> None:
        for at in range(start, start + 500, 50):
            index.add(range(at, at + 50), vectors[at : at + 50].tobytes())

    def ask() -> None:
        for query in _vectors(50, seed=4):
            index.search(query.tobytes(), 5)

    with ThreadPoolExecutor(7) as pool:
        work = [pool.submit(add, start) for start in range(0, 2000, 500)] + [pool.submit(ask) for _ in range(3)]
        for one in work:
            one.result()
    assert len(index) == 2000


def test_building_twice_gives_the_same_answers(index: VectorIndex) -> None:
    vectors = _vectors(1500)
    other = type(index)(DIMENSION)  # type: ignore[call-arg]
    for at in range(0, 1500, 100):
        for one in (index, other):
            one.add(range(at, at + 100), vectors[at : at + 100].tobytes())
    for query in _vectors(10, seed=5):
        assert index.search(query.tobytes(), 10) == other.search(query.tobytes(), 10)


def test_the_best_index_is_one_of_them() -> None:
    assert best_index(8).dimension == 8
