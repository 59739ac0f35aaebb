"""Versions of the layout: the same everywhere, whatever the order they came in; and what a change moves."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.core.layouts import (
    History,
    Order,
    Version,
    evened,
    joined,
    merged,
    movement,
    ordered,
    replacing,
    reverting,
    unpack,
)
from mesh.ports import Refused
from proto.codec import Malformed
from proto.ids import NodeId

TB = 10**12


def named(number):
    return NodeId(f"n{number:02d}")


def mesh_of(places, copies=3):
    """A layout of nodes that came by themselves, at once, and met."""
    heads = [joined(None, node, size, zone, (1_800_000_000_000 << 16, node)) for node, (size, zone) in places.items()]
    return evened(heads, copies)


def dot(stamp, node="n00"):
    return ((1_800_000_000_000 << 16) + 100 + stamp, node)


def test_a_version_reads_back_as_what_it_was_and_rubbish_is_refused():
    version = mesh_of({named(n): (TB, f"z{n}") for n in range(4)})
    again = unpack(version.packed)
    assert (again.id, again.packed, again.seats) == (version.id, version.packed, version.seats)
    with pytest.raises(Malformed):
        unpack(b"\x80")
    with pytest.raises(Malformed):
        unpack(version.packed.replace(b"active", b"acting"))


orders = st.builds(
    Order,
    st.integers(0, 4).map(named),
    capacity_bytes=st.none() | st.integers(1, 4).map(lambda n: n * TB),
    zone=st.none() | st.sampled_from(["a", "b", ""]),
    state=st.sampled_from([None, "active", "draining"]),
)


@given(st.lists(st.tuples(st.integers(0, 3), orders, st.booleans()), max_size=8), st.randoms())
@settings(max_examples=60, deadline=None)
def test_all_who_know_the_same_versions_have_the_same_layout_and_the_last_order_wins(steps, chance):
    known = [joined(None, named(n), TB, "", (n + 1, named(n))) for n in range(5)]
    standing = {}
    sides = [History({one.id: one for one in known}) for _ in range(4)]
    for stamp, (side, order, meet) in enumerate(steps, 1000):
        base = evened(sides[side].heads, 2)
        try:
            version = ordered(base, [order], (stamp, f"s{side}"), 2)
        except Refused:
            continue
        known += [base, version]
        sides[side] = History({**sides[side].versions, base.id: base, version.id: version})
        standing.update(
            {
                (order.node, part): getattr(order, part)
                for part in ("capacity_bytes", "zone", "state")
                if getattr(order, part) is not None
            }
        )
        if meet:
            other = chance.randrange(4)
            both = {**sides[side].versions, **sides[other].versions}
            sides[side] = sides[other] = History(both)
    chance.shuffle(known)
    one, other = (History({each.id: each for each in order}) for order in (known, list(reversed(known))))
    assert (one.now.id, one.token) == (other.now.id, other.token)
    for (node, part), value in standing.items():
        assert getattr(one.now.layout.places[node], part) == value


def test_versions_that_are_over_are_over_for_good_and_one_without_its_parents_waits_for_them():
    first = mesh_of({named(n): (TB, "") for n in range(3)})
    second = ordered(first, [Order(named(0), state="draining")], dot(1), 2)
    third = ordered(second, [Order(named(1), zone="a")], dot(2), 2)
    early = History({third.id: third, first.id: first}, frozenset({first.id}))
    assert early.now.id == first.id
    versions = {one.id: one for one in (first, second, third)}
    moving = History(versions, frozenset({first.id}))
    assert ([base.id for base in moving.bases], moving.now.id, moving.moving) == ([first.id], third.id, True)
    synced = dict.fromkeys((named(1), named(2)), third.id)
    reached = History(versions, frozenset({first.id}), synced)
    assert reached.may_settle(2, frozenset())
    assert not History(versions, frozenset({first.id}), {named(1): third.id}).may_settle(2, frozenset())
    assert not History(versions, frozenset({first.id}), {named(1): third.id}).may_settle(1, frozenset({named(2)})), (
        "of some partitions nobody who is there has anything"
    )
    over = History(versions, frozenset({first.id, third.id}))
    assert ([base.id for base in over.bases], over.moving) == ([third.id], False)


def test_two_heads_are_merged_to_one_version_whoever_does_it():
    first = mesh_of({named(n): (TB, "") for n in range(3)})
    one = ordered(first, [Order(named(0), zone="a"), Order(named(1), zone="x")], dot(1, "a"), 2)
    other = ordered(first, [Order(named(1), zone="b")], dot(2, "b"), 2)
    both = merged([one, other])
    assert both.id == merged([other, one]).id
    assert [both.layout.places[named(n)].zone for n in range(3)] == ["a", "b", ""]
    assert set(both.parents) == {one.id, other.id}
    assert evened([one, other], 2).id == evened([other, one], 2).id


def test_orders_that_cannot_be_carried_out_are_refused_in_a_sentence():
    first = mesh_of({named(n): (TB, "") for n in range(2)})
    for wrong in (
        [Order(named(7), state="draining")],
        [Order(named(0), capacity_bytes=0)],
        [Order(named(0), zone="z" * 65)],
        [Order(named(0), state="draining"), Order(named(1), state="removed")],
        [Order(named(0), state="active", seed="nobody")],
    ):
        with pytest.raises(Refused):
            ordered(first, wrong, dot(1), 2)


def test_going_back_puts_everything_as_it_was_and_keeps_those_that_came_since():
    first = mesh_of({named(n): (TB, "") for n in range(3)})
    changed = ordered(first, [Order(named(0), state="draining"), Order(named(1), capacity_bytes=5 * TB)], dot(1), 2)
    more = joined(changed, named(3), TB, "", dot(2, named(3)))
    back = reverting(more, first, dot(3))
    assert {node: place for node, place in back.layout.places.items() if node != named(3)} == first.layout.places
    assert named(3) in back.layout.places


def test_a_node_that_takes_anothers_place_moves_nothing_but_that():
    first = mesh_of({named(n): (TB, f"z{n % 3}") for n in range(6)})
    fresh = ordered(first, [Order(named(9), capacity_bytes=3 * TB, zone="z9", state="active")], dot(1), 3)
    fresh = ordered(fresh, [Order(named(9), state="draining")], dot(2), 3)
    after = ordered(fresh, replacing(named(2), named(9)), dot(3), 3)
    told = movement(fresh.layout, after.layout, 3)
    lost = next(one.before for one in told.nodes if one.node == named(2))
    assert told.moved == told.least == lost > 0
    assert next(one.comes for one in told.nodes if one.node == named(9)) == lost


def random_mesh(chance):
    count = chance.choice([4, 6, 9, 15, 30])
    zones = chance.choice([0, 3, 4])
    sizes = chance.choice([(1,), (1, 2), (1, 2, 4)])
    return {named(n): (chance.choice(sizes) * TB, f"z{n % zones}" if zones else "") for n in range(count)}


def random_change(chance, version):
    node = chance.choice(list(version.seats))
    kind = chance.randrange(4)
    if kind == 0:
        return [
            Order(named(60 + chance.randrange(30)), chance.choice([1, 2]) * TB, version.seats[node].zone[1], "active")
        ]
    if kind == 1:
        return [Order(node, state="draining")]
    if kind == 2:
        return [Order(node, state="removed")]
    return [Order(node, capacity_bytes=chance.choice([1, 2, 3]) * TB)]


def test_over_many_random_layouts_zones_hold_loads_are_even_and_little_more_moves_than_must():
    """The figures the design is measured by. Loads are told for 30 nodes, where chance alone gives 1.2 to 1.3."""
    moved = least = 0
    at_thirty = []
    for seed in range(24):
        chance = random.Random(seed)
        places = {named(n): (TB, f"z{n % 3}") for n in range(30)} if seed < 6 else random_mesh(chance)
        version = mesh_of(places)
        for step in range(3):
            try:
                after = ordered(version, random_change(chance, version), dot(step), 3)
            except Refused:
                continue
            told = movement(version.layout, after.layout, 3)
            assert told.violations == 0
            moved, least = moved + told.moved, least + told.least
            if len(places) == 30:
                at_thirty.append(told.uneven)
            version = after
    assert moved / least <= 1.05, (moved, least)
    assert max(at_thirty) <= 1.10, sorted(at_thirty)


def test_a_version_is_the_same_bytes_on_every_machine():
    version = Version((), mesh_of({named(n): (TB, "z") for n in range(2)}, 1).seats)
    assert version.id == Version((), dict(reversed(version.seats.items()))).id


def decided(history):
    return (
        [head.id for head in history.heads],
        history.now.id,
        list(history.live),
        [base.id for base in history.bases],
        history.token,
    )


@given(st.lists(orders, min_size=3, max_size=9), st.data())
@settings(max_examples=25, deadline=None)
def test_a_version_that_is_pruned_is_missed_by_nobody(changes, data):
    """Whatever was pruned, and whatever else is known: everything decided is as with all versions there ever were."""
    version = mesh_of({named(n): (TB, "") for n in range(5)})
    line = [version]
    for stamp, order in enumerate(changes, 1):
        try:
            line.append(ordered(line[-1], [order], dot(stamp), 2))
        except Refused:
            continue
    known = {one.id: one for one in line}
    settled = frozenset([line[0].id, line[-1].id])
    synced = {named(n): line[data.draw(st.integers(0, len(line) - 1))].id for n in range(5)}
    whole = History(known, settled, synced)
    may = whole.prunable()
    behind = min(line.index(known[name]) for name in synced.values())
    assert {known[name] for name in may} == set(line[:behind]) - {known[name] for name in whole.now.parents}, (
        "what a node may still go by stays, and so does what one can go back to"
    )
    gone = data.draw(st.sets(st.sampled_from(may))) if may else set()
    pruned = {name: known[name].parents for name in gone}
    left = {name: one for name, one in known.items() if name not in gone}
    assert decided(History(left, settled, synced, pruned=pruned)) == decided(whole)
    # One that was removed long ago comes back with an order of its own on a version that is pruned.
    base = line[data.draw(st.integers(0, len(line) - 1))]
    late = ordered(base, [Order(named(0), zone="late")], dot(500, "late"), 2)
    assert decided(History({**left, late.id: late}, settled, synced, pruned=pruned)) == decided(
        History({**known, late.id: late}, settled, synced)
    )
    # It heard that the version it goes by is pruned, and not yet why.
    early = {one.id: one for one in line[: line.index(base) + 1]}
    stubs = {name: parents for name, parents in pruned.items() if name in early}
    assert History(early, frozenset([line[0].id]), {}, pruned=stubs).now.id == base.id


def test_a_node_that_is_away_holds_pruning_up_and_one_that_was_removed_does_not():
    nodes = [named(n) for n in range(3)]
    line = [mesh_of(dict.fromkeys(nodes, (TB, "")))]
    for stamp in (1, 2, 3):
        line.append(ordered(line[-1], [Order(nodes[0], capacity_bytes=stamp * TB)], dot(stamp), 2))
    known, settled = {one.id: one for one in line}, frozenset([line[0].id, line[-1].id])
    told = dict.fromkeys(nodes[:2], line[-1].id)
    assert History(known, settled, told).prunable() == ()
    assert History(known, settled, {**told, nodes[2]: line[1].id}).prunable() == (line[0].id,)
    out = ordered(line[-1], [Order(nodes[2], state="removed")], dot(4), 2)
    known[out.id] = out
    gone = History(known, settled | {out.id}, dict.fromkeys(nodes[:2], out.id)).prunable()
    assert set(gone) == {one.id for one in line[:3]}
    assert not History(known, settled, dict.fromkeys(nodes[:2], out.id)).prunable(), "not while anything moves"
