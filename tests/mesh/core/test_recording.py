"""Who records a camera: one lease, passed on when its holder falls silent, never under a lower epoch."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.core.recording import (
    AGAIN_S,
    GIVE_UP_AGAIN_S,
    LEASE_S,
    OFFER_S,
    RESTORED_S,
    STALL_S,
    UNWRITTEN_S,
    WRITES_AGAIN_S,
    Accepted,
    Answer,
    Asked,
    Candidate,
    Declined,
    Ended,
    Lost,
    Offer,
    Persist,
    RecordingBook,
    Restored,
    State,
    Tick,
    TookOver,
    Unattended,
    Unwritten,
    in_order,
)
from proto.ids import AssetId, CameraId, NodeId
from proto.messages.cameras import Verdict

A, B, C, D = (NodeId(name * 52) for name in "abcd")
CAMERA = CameraId("c" * 26)
TAKE, OTHER = AssetId("t" * 26), AssetId("u" * 26)
ABLE = (A, C, B)


def asks(node, counter=0, place=(0, 0), take=TAKE, wanted=""):
    return Asked(CAMERA, node, take, counter, place, wanted)


def answer(effects):
    return next(effect for effect in effects if isinstance(effect, Answer))


def offer(effects):
    return next(effect for effect in effects if isinstance(effect, Offer))


def held_by_b():
    book = RecordingBook()
    told = answer(book.handle(asks(B, place=(7, 1)), 0.0, ABLE))
    assert (told.verdict, told.counter) == (Verdict.HELD, 1)
    return book


def seeking():
    book = held_by_b()
    assert book.wake_at() == LEASE_S
    return book, offer(book.handle(Tick(), LEASE_S, ABLE))


def test_the_first_that_asks_holds_the_lease_and_it_is_written_down():
    book = RecordingBook()
    effects = book.handle(asks(B), 0.0)
    assert Persist() in effects
    assert answer(effects).holder == B
    assert answer(book.handle(asks(C), 0.1)).verdict is Verdict.SUPERSEDED


def test_a_holder_that_renews_keeps_it_and_is_told_from_where_the_one_before_may_have_left_a_hole():
    book = held_by_b()
    assert answer(book.handle(asks(B, 1, (7, 4)), 2.0)).place == (7, 1)
    assert answer(book.handle(asks(B, 1, (7, 3)), 2.1)).place == (7, 4), "it never goes back"
    assert book.wake_at() == pytest.approx(2.1 + LEASE_S)


def test_silence_passes_it_on_to_the_first_that_could_from_the_place_that_was_told_last():
    book, told = seeking()
    assert (told.node, told.counter, told.place) == (A, 2, (7, 1))
    effects = book.handle(Accepted(CAMERA, 2), LEASE_S + 0.2, ABLE)
    assert TookOver(CAMERA, TAKE, B, A, LEASE_S + 0.2) in effects
    assert Persist() in effects
    assert answer(book.handle(asks(A, 2), LEASE_S + 0.3)).verdict is Verdict.HELD
    back = answer(book.handle(asks(B, 1), LEASE_S + 9))
    assert (back.verdict, back.holder) == (Verdict.SUPERSEDED, A)


def test_whoever_declines_or_is_silent_is_not_asked_again_before_all_were():
    book, _ = seeking()
    second = offer(book.handle(Declined(CAMERA, 2), LEASE_S + 0.1, ABLE))
    assert (second.node, second.counter) == (C, 3)
    assert book.wake_at() == pytest.approx(LEASE_S + 0.1 + OFFER_S)
    effects = book.handle(Tick(), LEASE_S + 0.1 + OFFER_S, ABLE)
    assert effects == [Unattended(CAMERA, TAKE, B)]
    again = offer(book.handle(Tick(), LEASE_S + 0.1 + OFFER_S + AGAIN_S, ABLE))
    assert (again.node, again.counter) == (A, 4)


def test_an_acceptance_that_comes_after_another_was_asked_is_superseded():
    book, _ = seeking()
    book.handle(Tick(), LEASE_S + OFFER_S, ABLE)
    assert book.handle(Accepted(CAMERA, 2), LEASE_S + OFFER_S + 0.1, ABLE) == []
    book.handle(Accepted(CAMERA, 3), LEASE_S + OFFER_S + 0.2, ABLE)
    assert answer(book.handle(asks(A, 2), LEASE_S + OFFER_S + 0.3)).verdict is Verdict.SUPERSEDED
    assert book.lease(CAMERA).holder == C


def test_a_holder_that_asked_for_another_goes_on_where_nobody_else_can_and_did_not_take_over():
    book = held_by_b()
    told = offer(book.handle(Lost(B, CAMERA), 1.0, (A, B)))
    book.handle(Declined(CAMERA, told.counter), 1.1, (A, B))
    told = offer(book.handle(Tick(), 1.1 + AGAIN_S, (A, B)))
    told = offer(book.handle(Declined(CAMERA, told.counter), 2.2, (A, B)))
    assert told.node == B
    assert book.handle(Accepted(CAMERA, told.counter), 2.3, (A, B)) == [Persist()]
    assert (book.lease(CAMERA).holder, book.lease(CAMERA).state) == (B, State.HELD)


def test_a_recorder_that_cannot_write_for_a_while_asks_for_another_and_again_only_now_and_then():
    unwritten = Unwritten()
    assert not unwritten.gives_up(5.0)
    unwritten.failed((7, 3), 10.0)
    unwritten.failed((7, 3), 10.0 + UNWRITTEN_S / 2)
    assert not unwritten.gives_up(10.0 + UNWRITTEN_S / 2)
    unwritten.failed((7, 4), 10.0 + UNWRITTEN_S)
    assert unwritten.gives_up(10.0 + UNWRITTEN_S)
    for tenths in range(1, 300):
        now = 10.0 + UNWRITTEN_S + tenths / 10
        unwritten.failed((7, 4 + tenths), now)
        assert unwritten.gives_up(now) == (tenths in (100, 200))
        assert unwritten.before((7, 4 + tenths)) == (7, 3), "whoever goes on has all of it given again"
        assert unwritten.before((7, 1)) == (7, 1)


def test_a_disk_that_takes_small_parts_and_no_large_ones_does_not_take_writes():
    unwritten = Unwritten()
    for half in range(4):
        unwritten.failed((7, half), float(half))
        unwritten.written(half + 0.5)
    assert unwritten.gives_up(3.5)
    assert unwritten.before((7, 9)) == (7, 0)


def test_a_disk_that_takes_writes_again_keeps_its_recording():
    unwritten = Unwritten()
    unwritten.failed((7, 3), 10.0)
    unwritten.written(10.0 + WRITES_AGAIN_S)
    assert not unwritten.gives_up(20.0)
    assert unwritten.before((7, 9)) == (7, 9)
    unwritten.failed((7, 12), 30.0)
    assert not unwritten.gives_up(30.5), "it has its time again"


def test_a_node_that_refuses_chunks_asks_at_once():
    unwritten = Unwritten()
    assert unwritten.gives_up(0.0, refuses=True)
    assert not unwritten.gives_up(GIVE_UP_AGAIN_S / 2, refuses=True)
    assert unwritten.gives_up(GIVE_UP_AGAIN_S, refuses=True)


def test_a_holder_that_is_back_in_time_goes_on():
    book, _ = seeking()
    assert answer(book.handle(asks(B, 1), LEASE_S + 0.1)).verdict is Verdict.HELD
    assert book.lease(CAMERA).state is State.HELD


def test_a_death_or_a_farewell_passes_it_on_at_once():
    assert offer(held_by_b().handle(Lost(B), 0.5, ABLE)).node == A
    assert offer(held_by_b().handle(Lost(B, CAMERA), 0.5, ABLE)).node == A
    assert held_by_b().handle(Lost(C), 0.5, ABLE) == []
    assert held_by_b().handle(Lost(B, CameraId("d" * 26)), 0.5, ABLE) == []


def test_a_take_that_ended_is_held_by_nobody_and_whoever_asks_hears_so():
    book = held_by_b()
    assert book.handle(Ended(CAMERA, TAKE), 1.0) == [Persist()]
    assert answer(book.handle(asks(B, 1), 1.1)).verdict is Verdict.OVER
    assert book.handle(Restored(CAMERA, TAKE, B, 1), 1.2) == []
    assert book.wake_at() is None
    assert answer(book.handle(asks(C, take=OTHER), 1.3)).verdict is Verdict.HELD


def test_a_second_take_is_told_of_the_first_unless_the_row_names_the_second():
    book = held_by_b()
    told = answer(book.handle(asks(C, take=OTHER, wanted=TAKE), 0.1))
    assert (told.verdict, told.take, told.holder) == (Verdict.OTHER, TAKE, B)
    assert answer(book.handle(asks(C, take=OTHER, wanted=OTHER), 0.2)).verdict is Verdict.HELD
    assert answer(book.handle(asks(B, 1), 0.3)).verdict is Verdict.OVER


def test_after_a_start_the_holder_of_before_has_time_to_be_heard():
    book = RecordingBook()
    book.handle(Restored(CAMERA, TAKE, B, 5, (7, 3)), 100.0)
    assert book.wake_at() == pytest.approx(100.0 + RESTORED_S)
    assert offer(book.handle(Tick(), 100.0 + RESTORED_S, ABLE)).counter == 6


def test_one_that_held_it_under_a_higher_epoch_than_is_remembered_here_holds_it():
    book = RecordingBook()
    book.handle(Restored(CAMERA, TAKE, B, 1), 0.0)
    effects = book.handle(asks(C, 4), 1.0)
    assert answer(effects).verdict is Verdict.HELD
    assert Persist() in effects
    assert answer(book.handle(asks(B, 1), 1.1)).verdict is Verdict.SUPERSEDED


def test_what_was_offered_is_void_once_a_higher_epoch_was_heard_of():
    book, told = seeking()
    book.handle(asks(C, told.counter + 1), LEASE_S + 0.1)
    assert book.handle(Accepted(CAMERA, told.counter), LEASE_S + 0.2) == []
    assert (book.lease(CAMERA).holder, book.lease(CAMERA).counter) == (C, told.counter + 1)


def test_a_node_that_stood_still_does_not_hold_it_against_the_others():
    book = held_by_b()
    assert book.wake_at() == LEASE_S
    late_s = LEASE_S + STALL_S + 3.0
    assert book.handle(Tick(), late_s, ABLE) == []
    assert book.wake_at() > late_s


def test_the_camera_s_node_is_asked_first_then_those_with_the_most_room():
    found = [
        Candidate(D, stores=False, capacity_bytes=9),
        Candidate(C, stores=True, capacity_bytes=1),
        Candidate(B, stores=True, capacity_bytes=5, suspected=True),
        Candidate(A, stores=False, capacity_bytes=0),
    ]
    assert in_order(A, found) == [A, C, D, B]


NODES = st.sampled_from([A, B, C, D])
TAKES = st.sampled_from([TAKE, OTHER])
COUNTERS = st.integers(0, 6)
EVENTS = st.one_of(
    st.builds(Asked, st.just(CAMERA), NODES, TAKES, COUNTERS, st.tuples(st.just(7), st.integers(0, 9))),
    st.builds(Accepted, st.just(CAMERA), COUNTERS),
    st.builds(Declined, st.just(CAMERA), COUNTERS),
    st.builds(Lost, NODES),
    st.builds(Ended, st.just(CAMERA), TAKES),
    st.builds(Restored, st.just(CAMERA), TAKES, NODES, st.integers(1, 6)),
    st.just(Tick()),
)


@settings(max_examples=400)
@given(st.lists(st.tuples(EVENTS, st.floats(0, 4)), max_size=40))
def test_an_epoch_never_goes_down_names_one_node_and_what_ended_stays_so(history):
    book = RecordingBook()
    now = 0.0
    granted: dict[tuple[str, int], str] = {}
    counters: dict[str, int] = {}
    ended: set[str] = set()
    for event, pause_s in history:
        now += pause_s
        book.wake_at()
        effects = book.handle(event, now, (A, B, C))
        if isinstance(event, Ended):
            ended.add(event.take)
        for effect in effects:
            if isinstance(effect, Answer) and effect.verdict is Verdict.HELD:
                assert effect.take not in ended
                assert granted.setdefault((effect.take, effect.counter), effect.holder) == effect.holder
            if isinstance(effect, Offer):
                assert effect.take not in ended
                assert effect.counter > counters.get(effect.take, 0)
        lease = book.lease(CAMERA)
        if lease is not None:
            assert lease.counter >= counters.get(lease.take, 0)
            counters[lease.take] = lease.counter
            assert book.wake_at() is not None
