"""When a disk counts as read-only: not for one failure, and not for longer than it is."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.core.diskguard import AGAIN_S, APART_S, DOUBT_S, FAILURES_MAX, DiskGuard, NotWritten, Written

FAILED = NotWritten("input/output error")


def test_one_failure_casts_doubt_that_the_next_write_clears():
    guard = DiskGuard()
    assert guard.trial_after_s() is None
    assert not guard.handle(FAILED, 0.0)
    assert guard.trial_after_s() == DOUBT_S
    assert not guard.handle(Written(), 0.5)
    assert guard.trial_after_s() is None
    assert not guard.read_only


def test_it_is_read_only_once_every_trial_failed_too():
    guard = DiskGuard()
    changes = [guard.handle(FAILED, at * DOUBT_S) for at in range(FAILURES_MAX)]
    assert changes == [False] * (FAILURES_MAX - 1) + [True]
    assert guard.why == "input/output error"
    assert guard.since_s == (FAILURES_MAX - 1) * DOUBT_S
    assert guard.trial_after_s() == AGAIN_S


def test_all_that_fails_in_one_moment_is_one_failure():
    guard = DiskGuard()
    for at in range(100):
        assert not guard.handle(FAILED, at * APART_S / 200)
    assert not guard.read_only


def test_a_file_system_that_says_so_is_read_only_at_once():
    guard = DiskGuard()
    assert guard.handle(NotWritten("the file system is read-only", outright=True), 0.0)
    assert guard.read_only


def test_only_a_trial_that_succeeds_ends_it():
    guard = DiskGuard()
    guard.handle(NotWritten("the file system is read-only", outright=True), 0.0)
    assert not guard.handle(Written(), 1.0), "it was under way before"
    assert not guard.handle(FAILED, 2.0)
    assert guard.read_only
    assert guard.handle(Written(trial=True), 3.0)
    assert not guard.read_only
    assert guard.trial_after_s() is None
    assert not guard.handle(FAILED, 4.0), "what comes after counts from the first"


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 3.0)), max_size=60))
def test_between_a_success_and_the_verdict_there_are_that_many_failures(story):
    guard, now, failures = DiskGuard(), 0.0, 0
    for succeeds, after_s in story:
        now += after_s
        changed = guard.handle(Written() if succeeds else FAILED, now)
        if guard.read_only:
            assert changed
            assert failures + 1 >= FAILURES_MAX
            break
        failures = 0 if succeeds else failures + 1
