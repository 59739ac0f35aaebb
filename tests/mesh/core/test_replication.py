"""Who counts, who copies, who may let go; and which clock is believed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.core.clockguard import ClockGuard
from mesh.core.hlc import AHEAD_MS_MAX, RELEASE_MS, HybridClock, believable, stamp_ms
from mesh.core.layouts import History, Seat, Version
from mesh.core.placement import PLAIN
from mesh.core.replication import SyncState, may_drop, plan_copies, plan_rows
from mesh.core.sharing import Share
from proto.ids import ChunkId, NodeId, PartitionId

A, B, C, D = (NodeId(name) for name in "abcd")
P = PartitionId(7)
NOBODY: frozenset[NodeId] = frozenset()
ALL_P = frozenset({P})
NOTHING: frozenset[PartitionId] = frozenset()


def share(owners, holders=None, former=()):
    return {P: Share(tuple(owners), tuple(holders or owners), tuple(former))}


def version(owners, *parents, since=1, known=None):
    """A version in which these nodes own everything."""
    at = (since << 20, "")
    told = {node: Seat(at, (at, 1 << 30), (at, ""), (at, "active"), (at, ""), (at, PLAIN)) for node in owners}
    away = {node: Seat(at, (at, 1 << 30), (at, ""), (at, "draining"), (at, ""), (at, PLAIN)) for node in known or ()}
    return Version([one.id for one in parents], away | told)


def history(*versions, settled=()):
    return History({one.id: one for one in versions}, frozenset(one.id for one in settled))


def refresh(state, known, away=NOBODY, copies=3):
    now = known.now.layout
    state.refresh(
        {P: Share(now.owners(P, copies), now.holders(P, copies, away), known.former(P, copies, away))},
        known,
        copies,
        away,
    )


def test_a_lone_node_counts_at_once():
    state = SyncState(A)
    refresh(state, history(version([A])))
    assert state.counts(P)


def test_when_every_owner_changes_at_once_the_new_ones_do_not_count_by_comparing_with_each_other():
    """They compared with each other, or with nobody, and then said that there was nothing."""
    old = version([A, B])
    new = version([C, D], old, known=[A, B])
    state, known = SyncState(C), history(old, new)
    refresh(state, known)
    assert not state.counts(P)
    state.compared(D, [P], NOTHING)
    assert not state.counts(P)
    state.compared(A, [P], NOTHING)
    assert not state.counts(P)
    state.compared(B, [P], NOTHING)
    assert state.counts(P), "it has seen all that held it before"
    alone, known = SyncState(C), history(old, version([C], old, known=[A, B]))
    refresh(alone, known)
    assert not alone.counts(P)
    alone.compared(B, [P], ALL_P)
    assert alone.counts(P)


def test_a_former_owner_counts_until_the_new_version_is_settled_and_the_new_owner_after_it_too():
    old = version([A])
    new = version([B], old, known=[A])
    former, owner = SyncState(A), SyncState(B)
    refresh(former, history(old))
    for state in (former, owner):
        refresh(state, history(old, new))
    assert (former.counts(P), owner.counts(P)) == (True, False)
    owner.compared(A, [P], ALL_P)
    for state in (former, owner):
        refresh(state, history(old, new, settled=[new]))
    assert (former.counts(P), owner.counts(P)) == (False, True)


def test_one_that_slept_through_a_change_has_to_see_an_owner_of_what_came_of_it():
    old = version([A])
    new = version([B], old, known=[A])
    newer = version([B, C], new, known=[A])
    state, known = SyncState(C), history(old, new, newer, settled=[new])
    refresh(state, known, frozenset({B}))
    state.compared(A, [P], ALL_P)
    assert state.counts(P), "one that counts has all"
    state = SyncState(C)
    refresh(state, known, frozenset({B}))
    state.compared(A, [P], NOTHING)
    assert not state.counts(P), "B is away, and B alone has what was written since"


def test_a_stand_in_for_owners_that_are_all_away_does_not_count():
    known = history(version([A, B, D]))
    first = known.now.owners(P, 2)
    stand_in = next(node for node in (A, B, D) if node not in first)
    state = SyncState(stand_in)
    refresh(state, known, frozenset(first), copies=2)
    assert not state.counts(P)
    state.compared(first[0], [P], ALL_P)
    assert state.counts(P)


def test_a_lone_node_that_joins_an_older_mesh_does_not_count_before_it_has_seen_one_of_it():
    state = SyncState(B)
    mine, theirs = version([B], since=5), version([A], since=1)
    refresh(state, history(mine))
    refresh(state, history(mine, theirs), frozenset({A}))
    assert not state.counts(P)
    state.compared(A, [P], ALL_P)
    assert state.counts(P)


def test_an_older_node_does_not_wait_for_a_newcomer_that_is_away():
    state = SyncState(A)
    mine, theirs = version([A], since=1), version([B], since=5)
    refresh(state, history(mine))
    refresh(state, history(mine, theirs))
    assert not state.counts(P)
    refresh(state, history(mine, theirs), frozenset({B}))
    assert state.counts(P)


def test_a_former_owner_answers_when_its_heir_was_never_told_and_the_other_owner_is_lost():
    """A machine was wiped: its new node came into the layout before the old one was away (scenario wiped, seed 1)."""
    old, came = version([A, B]), version([C], since=9)
    former, heir = SyncState(B), SyncState(C)
    refresh(former, history(old))
    refresh(heir, history(came))
    for state in (former, heir):
        refresh(state, history(old, came), copies=2)  # A is dead and not away yet
        refresh(state, history(old, came), frozenset({A}), copies=2)
    assert not heir.counts(P)
    former.compared(C, [P], NOTHING)
    assert former.counts(P)
    heir.compared(B, [P], ALL_P)
    assert heir.counts(P)


def test_all_owners_started_again_at_once_count_after_comparing_with_each_other():
    first = version([A, B, C])
    state, known = SyncState(A, ALL_P, [first.id]), history(first)
    refresh(state, known)
    assert not state.counts(P)
    state.compared(B, [P], NOTHING)
    refresh(state, known, frozenset({C}))
    assert state.counts(P), "C is away: it is not waited for"
    state.returned(C)
    assert not state.counts(P), "C is back and may know more"


def test_two_sides_of_a_partition_that_changed_the_layout_see_each_other_before_they_count():
    old = version([A, B])
    one, other = version([A, C], old, since=1), version([B, D], old, since=1)
    state = SyncState(A)
    refresh(state, history(old))
    refresh(state, history(old, one), frozenset({B, D}))
    refresh(state, history(old, one, settled=[one]), frozenset({B, D}))
    assert state.counts(P)
    both = history(old, one, other, settled=[one, other])
    refresh(state, both)
    assert not state.counts(P)
    assert state.awaits(D) == ALL_P
    refresh(state, both, frozenset({B, D}))
    assert state.counts(P), "they are gone again: each side goes on"


def test_rows_that_are_let_go_while_a_node_comes_back_as_an_owner_are_compared_again_before_it_counts():
    """It had compared itself while it still had them, and then called lists whole that lacked them."""
    first = version([A, B])
    drained = version([B, C], first, known=[A])
    state, settled = SyncState(A), history(first, drained, settled=[drained])
    refresh(state, settled, copies=2)
    state.give_up(P)
    back = version([A, B], drained, since=2, known=[C])
    refresh(state, history(first, drained, back, settled=[drained]), copies=2)
    state.compared(B, [P], ALL_P)
    assert not state.counts(P)
    assert state.counting() == NOTHING
    state.gave_up(P, NOBODY)
    assert not state.counts(P)
    state.compared(B, [P], ALL_P)
    assert state.counting() == ALL_P


def test_a_node_that_stood_still_does_not_count_until_it_has_compared():
    state = SyncState(A)
    refresh(state, history(version([A, B])))
    assert state.counts(P)
    state.cut_off(NOBODY)
    assert (state.counts(P), state.behind()) == (False, 1)


def test_who_comes_back_while_a_peer_is_asked_is_still_to_be_compared_with():
    """The peer counted, and had not heard that the other is back, nor what it took alone."""
    state, known = SyncState(A), history(version([A, B, C]))
    refresh(state, known)
    for whole in (ALL_P, NOTHING):
        asked = state.returns
        state.returned(C)
        state.compared(B, [P], whole, asked)
        assert not state.counts(P)
        assert state.awaits(C) == ALL_P
        state.compared(C, [P], NOTHING, asked)
        assert not state.counts(P), "it was asked before it came back"
        state.compared(C, [P], NOTHING, state.returns)
        assert state.counts(P)


nodes = st.sampled_from([A, B, C, D])
X = ChunkId(b"x" * 32)


@given(st.permutations([A, B, C, D]), st.integers(1, 4), st.sets(nodes, min_size=1), st.sets(nodes))
@settings(max_examples=200)
def test_a_chunk_reaches_every_holder_that_answers_and_is_brought_once(order, copies, having, reachable):
    """One round of every node's own plan, each seeing what the others have."""
    shares = {P: Share(tuple(order[:copies]), tuple(order[:copies]))}
    given_to = []
    for me in sorted(having):
        have = {node: frozenset({X}) if node in having else frozenset() for node in reachable if node != me}
        plan = plan_copies(me, [(X, P)], shares, have)
        assert plan.done == ((X,) if set(order[:copies]) <= (having & reachable) | {me} else ())
        if me in reachable:
            given_to += [node for _, node in plan.give]
    holders_having = [node for node in order[:copies] if node in having]
    if set(having) <= set(reachable) and holders_having:
        assert len(given_to) == len(set(given_to)), "two nodes brought the same chunk"
        assert set(given_to) == {node for node in order[:copies] if node in reachable and node not in having}


@given(st.permutations([A, B, C, D]), st.sets(nodes))
def test_nobody_lets_go_unless_every_owner_confirmed(order, confirmed):
    owners = tuple(order[:2])
    have = {node: frozenset({X}) for node in confirmed}
    dropped = may_drop(order[3], [(X, P)], {P: Share(owners, owners)}, have)
    assert dropped == ((X,) if set(owners) <= confirmed else ())
    assert may_drop(owners[0], [(X, P)], {P: Share(owners, owners)}, have) == ()
    assert may_drop(A, [(X, P)], {P: Share((), ())}, have) == ()


keys = st.tuples(st.just("t"), st.sampled_from("abc"), st.just(""))


@given(st.dictionaries(keys, st.integers(0, 2)), st.dictionaries(keys, st.integers(0, 2)))
def test_two_replicas_exchange_exactly_what_differs(mine, theirs):
    plan = plan_rows(mine, theirs)
    assert set(plan.fetch) == {key for key in theirs if mine.get(key) != theirs[key]}
    assert set(plan.give) == {key for key in mine if mine[key] != theirs.get(key)}


# ---------------------------------------------------------------- clocks

NOW = RELEASE_MS + 10**9


def guard_of(*clocks):
    guard = ClockGuard()
    for number, clock in enumerate(clocks):
        guard.heard(NodeId(f"n{number}"), clock, 1000)
    return guard


def test_a_node_booted_in_1970_takes_its_peers_time():
    assert guard_of(NOW).correction_ms(0, 1000) == NOW
    assert guard_of(NOW, NOW + 5).correction_ms(0, 1000) == NOW
    assert guard_of(5).correction_ms(0, 1000) == 0, "no clock counts: it has only its own"


def test_one_clock_in_the_future_is_corrected_and_the_others_are_not():
    day = 86_400_000
    assert guard_of(NOW, NOW + 3).correction_ms(NOW + day, 1000) == 3 - day
    assert guard_of(NOW, NOW + day).correction_ms(NOW, 1000) == 0
    assert guard_of(NOW + day).correction_ms(NOW, 1000) == 0, "of two, the lower"
    assert guard_of(NOW).correction_ms(NOW + AHEAD_MS_MAX, 1000) == 0


@given(st.lists(st.integers(0, 2 * NOW), max_size=6), st.integers(0, 2 * NOW), st.randoms())
def test_the_corrected_clock_is_one_that_counts_whatever_the_order(clocks, own, random):
    guard = guard_of(*clocks)
    corrected = own + guard.correction_ms(own, 1000)
    shuffled = list(enumerate(clocks))
    random.shuffle(shuffled)
    again = ClockGuard()
    for number, clock in shuffled:
        again.heard(NodeId(f"n{number}"), clock, 1000)
    assert corrected == own + again.correction_ms(own, 1000)
    if any(clock >= RELEASE_MS for clock in (*clocks, own)):
        assert corrected >= RELEASE_MS - AHEAD_MS_MAX
        assert corrected in (*clocks, own)


@given(st.lists(st.tuples(st.booleans(), st.integers(NOW, NOW + 100_000)), max_size=20))
def test_stamps_only_grow_and_the_future_is_not_taken(events):
    clock = HybridClock()
    last = 0
    for ticks, given_ms in events:
        if ticks:
            assert clock.tick(given_ms) > last
        elif believable(given_ms << 16, NOW):
            clock.seen(given_ms << 16, NOW)
        assert clock.last >= last
        last = clock.last
    clock.last = (NOW + 10**8) << 16
    assert clock.runs_ahead(NOW)
    clock.pull_back(NOW)
    assert stamp_ms(clock.tick(NOW)) == NOW
