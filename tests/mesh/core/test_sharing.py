"""Who has to do with a partition, and what is known of many partitions at once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.core import partitionset
from mesh.core.layouts import ALL, History, Seat, Version
from mesh.core.placement import PLAIN
from mesh.core.query import bits_of
from mesh.core.replication import SyncState
from mesh.core.sharing import Circle, Share, Shares, circles_of
from proto.ids import NodeId, PartitionId

A, B, C, D = (NodeId(name) for name in "abcd")
SOME = tuple(PartitionId(number) for number in (0, 1, 7, 8, 500, 1023))
nodes = st.sampled_from([A, B, C, D])


def version(owners, *parents, since=1):
    at = (since << 20, "")
    seat = Seat(at, (at, 1 << 30), (at, ""), (at, "active"), (at, ""), (at, PLAIN))
    return Version([one.id for one in parents], dict.fromkeys(owners, seat))


def history(*versions, settled=()):
    return History({one.id: one for one in versions}, frozenset(one.id for one in settled))


@given(st.sets(st.integers(0, 1023)))
def test_a_set_of_partitions_is_the_bits_that_messages_carry(those):
    bits = partitionset.bits(map(PartitionId, those))
    assert partitionset.packed(bits) == bits_of(those)
    assert partitionset.unpacked(bits_of(those)) == bits
    assert set(partitionset.partitions(bits)) == partitionset.as_set(bits) == those
    assert partitionset.unpacked(b"\xff" * 200) == partitionset.EVERY


def test_while_a_mesh_forms_all_partitions_are_one_circle_and_no_placement_is_worked_out():
    forming = history(version([A]), version([B], since=2), version([C], since=3))
    shares = Shares(forming, forming.now.layout, 2, frozenset())
    everybody = frozenset({A, B, C})
    assert shares.circles == {Circle(everybody, everybody): partitionset.EVERY}
    assert not forming.now.layout._orders
    assert circles_of(shares) == shares.circles, "as counted one by one"
    assert shares.taken_by(B) == shares.concerning(B) == partitionset.EVERY


@given(st.lists(st.sets(nodes, min_size=1), min_size=1, max_size=4), st.integers(1, 3), st.sets(nodes, max_size=2))
@settings(max_examples=30, deadline=None)
def test_who_takes_and_owns_what_is_told_of_all_partitions_at_once_as_of_each(owners, copies, away):
    known = history(*(version(sorted(one), since=at + 1) for at, one in enumerate(owners)))
    shares = Shares(known, known.now.layout, copies, frozenset(away))
    for node in (A, B, C, D):
        taken = {part for part in ALL if node in shares[part].takers}
        owned = {part for part in ALL if node in shares[part].owners}
        assert partitionset.as_set(shares.taken_by(node)) == taken
        assert partitionset.as_set(shares.owned_by(node)) == owned
        assert partitionset.as_set(shares.concerning(node)) == taken | owned


events = st.lists(
    st.one_of(
        st.tuples(st.just("compared"), nodes, st.sets(st.sampled_from(SOME)), st.sets(st.sampled_from(SOME))),
        st.tuples(st.just("returned"), nodes, st.none(), st.none()),
        st.tuples(st.just("away"), st.sets(nodes, max_size=2), st.none(), st.none()),
        st.tuples(st.just("version"), st.sets(nodes, min_size=1), st.booleans(), st.none()),
        st.tuples(st.just("gave up"), st.sampled_from(SOME), st.none(), st.none()),
        st.tuples(st.just("cut off"), st.none(), st.none(), st.none()),
    ),
    max_size=12,
)


@given(st.sets(nodes, min_size=1), st.sets(st.sampled_from(SOME)), events)
@settings(max_examples=150, deadline=None)
def test_what_is_known_of_partitions_together_is_what_is_known_of_each_alone(first, had, happened):
    """Partitions of which the same is known are kept together; that they are changes nothing."""
    root = version(sorted(first))
    versions, settled, away = [root], [], frozenset()
    together = SyncState(A, frozenset(had), [root.id])
    alone = {part: SyncState(A, frozenset(had & {part}), [root.id]) for part in SOME}
    for state in alone.values():
        state._suspect = together._suspect  # of peers, not of partitions
    shares = {}

    def refresh():
        known = history(*versions, settled=settled)
        now = known.now.layout
        for part in SOME:
            former = known.former(part, 2, away)
            shares[part] = Share(now.owners(part, 2), now.holders(part, 2, away), former)
            alone[part].refresh({part: shares[part]}, known, 2, away)
        together.refresh(dict(shares), known, 2, away)

    refresh()
    for what, one, two, three in happened:
        for part, state in [(None, together), *alone.items()]:
            mine = {part} if part is not None else set(SOME)
            match what:
                case "compared":
                    state.compared(one, two & mine, three & mine)
                case "returned":
                    state.returned(one)
                case "gave up" if one in mine:
                    state.give_up(one)
                    state.gave_up(one, away)
                case "cut off":
                    state.cut_off(away)
                case _:
                    pass
        if what == "away":
            away = frozenset(one)
        elif what == "version":
            came = version(sorted(one), *(versions[-1:] if two else ()), since=len(versions) + 1)
            if came.id not in [known.id for known in versions]:
                if two and not three:
                    settled = [versions[-1], *settled]
                versions.append(came)
        refresh()
        for part in SOME:
            assert together.counts(part) == alone[part].counts(part)
            assert (part in together.counting()) == alone[part].counts(part)
            for peer in (A, B, C, D):
                assert (part in together.awaits(peer)) == bool(alone[part].awaits(peer))
        assert together.behind() == sum(state.behind() for state in alone.values())
