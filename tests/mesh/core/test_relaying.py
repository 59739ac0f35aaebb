"""What is carried for others keeps to what the node gives, in turns, and holds little."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.core.relaying import BURST_BYTES_LEAST, BURST_S, PAIRS_MAX, WAITING_BYTES, Pair, Relaying
from proto.ids import NodeId

A, B, C = (NodeId(letter * 52) for letter in "abc")
BYTES_S = 1_000_000.0
BURST = max(BURST_BYTES_LEAST, BYTES_S * BURST_S)


def begun(core, asked=A, other=B):
    pair = core.begin(asked, other)
    assert isinstance(pair, Pair)
    return pair


def test_what_passes_in_any_time_is_what_the_node_gives():
    core, now, passed = Relaying(BYTES_S, 4), 0.0, 0
    pair = begun(core)
    while now < 3.0:
        while core.offer(pair, pair.there, bytes(1200)):
            pass
        passed += sum(len(datagram) for _, datagram in core.due(now))
        at = core.next_at()
        assert at > now
        now = at
    assert passed == pytest.approx(3.0 * BYTES_S + BURST, rel=0.01)


def test_directions_take_turns_whoever_sends_more():
    core = Relaying(BYTES_S, 4)
    loud, quiet = begun(core, A, B), begun(core, A, C)
    core.due(0.0)
    for _ in range(40):
        core.offer(loud, loud.there, bytes(1000))
    core.offer(quiet, quiet.back, b"small")
    first = [direction for direction, _ in core.due(0.0)][:2]
    assert first == [loud.there, quiet.back]


def test_a_direction_holds_little_and_drops_the_newest():
    core = Relaying(1000.0, 4)
    pair = begun(core)
    taken = sum(core.offer(pair, pair.there, bytes([number]) * 8000) for number in range(40))
    assert taken * 8000 <= WAITING_BYTES
    assert core.dropped == 40 - taken
    now, came = 0.0, []
    while len(came) < taken:
        came += [datagram[0] for _, datagram in core.due(now)]
        now = core.next_at() or now
    assert came == list(range(taken))


def test_a_datagram_larger_than_the_burst_passes_all_the_same():
    core = Relaying(10.0, 4)
    pair = begun(core)
    core.offer(pair, pair.there, bytes(BURST_BYTES_LEAST + 1))
    assert core.due(1e9)


def test_who_asks_for_too_many_is_told_so_and_others_are_not_affected():
    core = Relaying(BYTES_S, 2)
    pairs = [begun(core, A, B), begun(core, A, C)]
    assert "2 connections" in core.begin(A, B)
    begun(core, C, B)
    core.end(pairs[0])
    begun(core, A, B)


def test_a_node_that_gives_nothing_says_so_and_no_node_carries_without_bound():
    assert "relay_mb_s" in Relaying(0.0, 2).begin(A, B)
    core = Relaying(BYTES_S, PAIRS_MAX * 2)
    for _ in range(PAIRS_MAX):
        begun(core)
    assert isinstance(core.begin(A, B), str)


def test_a_pair_that_has_ended_takes_nothing_and_leaves_nothing():
    core = Relaying(BYTES_S, 2)
    pair = begun(core)
    core.offer(pair, pair.there, b"late")
    core.end(pair)
    core.end(pair)
    assert core.due(10.0) == []
    assert core.next_at() is None
    assert not core.offer(pair, pair.there, b"later")


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(1, 8192)), max_size=200), st.floats(100, 1e9))
def test_nothing_is_lost_but_what_was_dropped_and_order_holds(sent, bytes_s):
    core, now = Relaying(bytes_s, 8), 0.0
    pairs = [begun(core) for _ in range(4)]
    taken, passed = {}, {}
    for number, (which, back, size) in enumerate(sent):
        direction = pairs[which].back if back else pairs[which].there
        datagram = number.to_bytes(4, "big").ljust(size, b"x")
        if core.offer(pairs[which], direction, datagram):
            taken.setdefault(direction, []).append(datagram)
        assert direction.waiting_bytes == sum(map(len, direction.waiting))
    while core.next_at() is not None:
        for direction, datagram in core.due(now):
            passed.setdefault(direction, []).append(datagram)
        now = max(now, core.next_at() or now)
    assert passed == taken
