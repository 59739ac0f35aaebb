"""The rate at which something moves: never over what is set, and close to it while there is something to move."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.core.pacing import Bucket


def gone(bucket, sizes, until_s):
    """Let pieces go as soon as they may; gives when each went and how large it was."""
    now, found = 0.0, []
    for size in sizes:
        now += bucket.wait_s(now)
        assert bucket.wait_s(now) < 1e-6
        if now > until_s:
            break
        bucket.spend(size)
        found.append((now, size))
    return found


@given(
    rate=st.integers(1_000, 10**9),
    burst_s=st.floats(0, 5),
    sizes=st.lists(st.integers(1, 4 << 20), min_size=1, max_size=60),
)
def test_no_stretch_of_time_has_more_than_its_rate_the_burst_and_a_piece(rate, burst_s, sizes):
    went = gone(Bucket(rate, burst_s), sizes, 1e9)
    for first, (begin, _) in enumerate(went):
        for last in range(first, len(went)):
            end, piece = went[last]
            total = sum(size for _, size in went[first : last + 1])
            assert total <= rate * (end - begin + burst_s) * (1 + 1e-6) + piece + 1


def test_what_always_has_something_to_move_comes_out_at_the_rate():
    went = gone(Bucket(1_000_000, 2.0), [300_000] * 1000, 60.0)
    assert sum(size for _, size in went) == pytest.approx(60_000_000, rel=0.02)


def test_what_was_not_used_is_saved_for_the_burst_only():
    bucket = Bucket(1_000, 2.0)
    assert bucket.wait_s(0.0) == 0
    bucket.wait_s(100.0)
    bucket.spend(2_000)
    assert bucket.wait_s(100.0) == 0
    bucket.spend(500)
    assert bucket.wait_s(100.0) == pytest.approx(0.5)


def test_without_a_rate_nothing_waits():
    bucket = Bucket(0, 2.0)
    bucket.spend(1 << 40)
    assert bucket.wait_s(0.0) == 0
    assert not bucket.limited


def test_a_clock_that_goes_back_gives_nothing():
    bucket = Bucket(1_000, 2.0)
    bucket.wait_s(10.0)
    bucket.spend(1_000)
    assert bucket.wait_s(5.0) == pytest.approx(1.0)
