"""A peer that misbehaves is counted and has to wait, longer each time, but never long; and is forgiven."""

from mesh.adapters.quic.penalties import FORGIVEN_S, PEERS_MAX, WAIT_FIRST_S, WAIT_MAX_S, Penalties
from proto.ids import NodeId

BAD, GOOD = NodeId("b" * 52), NodeId("g" * 52)


def test_once_is_not_punished_and_whoever_goes_on_waits_longer_each_time_up_to_a_minute():
    made, now, waits = Penalties(), 100.0, []
    for _ in range(8):
        waits.append(made.drop(BAD, now))
        now += waits[-1]
        assert made.refused(BAD, now) is None
    assert waits == [0.0, WAIT_FIRST_S, 10.0, 20.0, 40.0, WAIT_MAX_S, WAIT_MAX_S, WAIT_MAX_S]
    assert made.total == 8
    assert made.refused(GOOD, now) is None


def test_while_it_waits_it_is_told_how_long():
    made = Penalties()
    made.drop(BAD, 0.0)
    made.drop(BAD, 1.0)
    assert made.refused(BAD, 2.0) == "it was dropped 2 times lately for what it sent; in 4 s it may try again"


def test_who_behaves_for_long_begins_anew():
    made = Penalties()
    for now in (0.0, 1.0, 2.0):
        made.drop(BAD, now)
    assert made.drop(BAD, 3.0 + FORGIVEN_S) == 0.0


def test_few_are_remembered():
    made = Penalties()
    for number in range(PEERS_MAX + 10):
        made.drop(NodeId(f"{number:052d}"), 0.0)
    assert len(made._records) == PEERS_MAX
