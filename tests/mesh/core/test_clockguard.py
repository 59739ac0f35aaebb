"""By which time expiry is judged: a clock that is wrong is outvoted, and no half of the others can put it back."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.core.clockguard import CONTRADICTED_MS, SKEW_MS, ClockGuard
from mesh.core.hlc import RELEASE_MS

NOW = RELEASE_MS + 40 * 86_400_000
YEAR = 365 * 86_400_000
anytime = st.integers(0, NOW + 100 * YEAR)


def heard(*walls):
    guard = ClockGuard()
    for number, wall in enumerate(walls):
        guard.heard(f"p{number}", wall, 0)
    return guard


def judged(guard, own, floor=RELEASE_MS, members=3, at=0):
    return guard.judged_ms(own + at, at, floor, members)


@given(
    st.lists(st.integers(-SKEW_MS // 2, SKEW_MS // 2), max_size=6),
    st.lists(anytime, max_size=6),
    st.integers(RELEASE_MS, NOW),
)
def test_liars_who_are_no_more_than_half_move_nothing_past_the_skew(honest, lies, floor):
    if len(lies) > len(honest) + 1:
        lies = lies[: len(honest) + 1]
    guard = heard(*(NOW + apart for apart in honest), *lies)
    assert abs(judged(guard, NOW, floor) - NOW) <= SKEW_MS


@given(st.integers(RELEASE_MS, NOW + 100 * YEAR), st.integers(2, 6))
def test_a_clock_that_is_wrong_is_outvoted(own, others):
    guard = heard(*[NOW] * others)
    assert abs(judged(guard, own) - NOW) <= SKEW_MS


@given(anytime, st.integers(RELEASE_MS, NOW))
def test_of_two_that_differ_nobody_knows_who_is_wrong(peer, floor):
    assert judged(heard(peer), NOW, floor) == NOW


def test_a_clock_that_was_never_set_goes_by_what_was_agreed_on_and_then_by_the_others():
    assert judged(ClockGuard(), 0, NOW) == NOW
    assert judged(heard(NOW + YEAR), 0, NOW) == NOW + YEAR
    assert judged(heard(NOW - YEAR), 0, NOW) == NOW, "never before what was agreed on"
    assert judged(heard(NOW, NOW + YEAR), 0) == NOW + YEAR, "what may be over is over"


def test_what_was_agreed_on_wrongly_is_no_more_once_the_clock_is_set_right():
    assert judged(heard(NOW), NOW, NOW + YEAR) == NOW


def test_who_is_refused_as_expired_is_believed_only_with_more_than_half_of_the_mesh():
    ahead = NOW + 2 * YEAR
    guard = ClockGuard()
    guard.contradicted("p1", NOW, 0)
    for members in range(5):
        assert judged(guard, ahead, members=members) == ahead
    guard.contradicted("p1", NOW, 0)
    assert judged(guard, ahead, members=3) == ahead, "one is one, however often it says so"
    guard.contradicted("p2", NOW + 1000, 0)
    assert judged(guard, ahead, members=3) == NOW + 1000
    assert judged(guard, ahead, members=4) == ahead
    assert judged(guard, NOW - 86_400_000, members=3) == NOW - 86_400_000, "it is never put forward by them"
    assert judged(guard, ahead, members=3, at=CONTRADICTED_MS + 1) == ahead + CONTRADICTED_MS + 1


def test_what_is_agreed_on_takes_more_than_half_of_the_peers_and_a_clock_of_ones_own():
    assert heard(NOW + 5000).agreed_ms(NOW, 0) == NOW
    assert heard(NOW - 5000, NOW + YEAR).agreed_ms(NOW, 0) is None
    assert heard(NOW).agreed_ms(0, 0) is None
    assert ClockGuard().agreed_ms(NOW, 0) is None
