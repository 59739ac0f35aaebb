"""Merging is commutative, associative and idempotent; equal entries have equal bytes."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.core.hlc import stamp_ms
from mesh.core.placement import Layout, Place, partition_of
from mesh.core.rows import (
    ROW_BYTES_MAX,
    Change,
    Entry,
    apply,
    check,
    digest,
    merge,
    pack,
    stamped_again,
    stamps_ahead,
    unpack,
)
from mesh.ports import Refused
from proto.ids import PARTITIONS, NodeId, PartitionId


def changes_of(table, deletes):
    return st.builds(
        Change,
        st.just(table),
        st.just("k"),
        st.just(""),
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 9) | st.text(max_size=3), max_size=2),
        st.dictionaries(st.just("tags"), st.tuples(st.sampled_from("xyz")), max_size=1),
        st.dictionaries(st.just("tags"), st.tuples(st.sampled_from("xyz")), max_size=1),
        deletes,
    )


def histories_of(table, deletes):
    writes = st.tuples(changes_of(table, deletes), st.integers(1, 50), st.sampled_from(["n1", "n2", "n3"]))
    return st.lists(writes, min_size=1, max_size=8)


histories = histories_of("t", st.booleans())


def entry_of(history):
    entry = None
    for change, stamp, node in history:
        entry = apply(entry, change, (stamp, node))
    return entry


@given(st.sampled_from(["t", "assets"]).flatmap(lambda table: st.tuples(*[histories_of(table, st.booleans())] * 3)))
def test_merge_is_a_join(told):
    one, two, three = told
    a, b, c = entry_of(one), entry_of(two), entry_of(three)
    assert pack(merge(a, b)) == pack(merge(b, a))
    assert pack(merge(a, merge(b, c))) == pack(merge(merge(a, b), c))
    assert pack(merge(a, a)) == pack(a)
    assert unpack(pack(a)) == a
    assert digest(pack(unpack(pack(a)))) == digest(pack(a))


def test_the_later_writer_of_a_field_wins_and_other_fields_stay():
    base = apply(None, Change("t", "k", set={"name": "old", "size": 1}), (1, "n1"))
    one = apply(base, Change("t", "k", set={"name": "one"}), (5, "n1"))
    two = apply(base, Change("t", "k", set={"name": "two", "size": 2}), (4, "n2"))
    assert merge(one, two).row().fields == {"name": "one", "size": 2}


def test_an_add_that_the_remover_had_not_seen_stays():
    base = apply(None, Change("t", "k", add={"tags": ("x",)}), (1, "n1"))
    removed = apply(base, Change("t", "k", remove={"tags": ("x",)}), (2, "n1"))
    added = apply(base, Change("t", "k", add={"tags": ("x",)}), (2, "n2"))
    assert removed.row().sets == {}
    assert merge(removed, added).row().sets == {"tags": ("x",)}


def test_a_late_replica_does_not_bring_a_deleted_row_back():
    old = apply(None, Change("t", "k", set={"name": "a"}), (1, "n1"))
    dead = apply(old, Change("t", "k", delete=True), (2, "n2"))
    assert not merge(old, dead).alive
    assert merge(apply(dead, Change("t", "k", set={"name": "b"}), (3, "n1")), old).row().fields == {"name": "b"}


def test_an_edit_that_had_not_heard_of_it_does_not_bring_an_asset_back_that_was_deleted_for_good():
    put = apply(None, Change("assets", "k", set={"name": "a"}, add={"tags": ("x",)}), (1, "n1"))
    purged = apply(put, Change("assets", "k", delete=True), (2, "n1"))
    edited = apply(put, Change("assets", "k", set={"name": "b"}, add={"tags": ("keepme",)}), (3, "n3"))
    for whole in (merge(purged, edited), merge(edited, purged)):
        assert not whole.alive
        assert (whole.row().fields, whole.row().sets) == ({}, {})
    assert apply(purged, Change("assets", "k", set={"state": "ready"}), (9, "n2")) == purged


@given(
    histories_of("assets", st.booleans()),
    st.lists(histories_of("assets", st.just(False)), max_size=3),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_deleted_for_good_wins_over_every_edit_in_whatever_order_they_are_merged(history, edits, bare, order):
    purged = apply(entry_of(history), Change("assets", "k", delete=True), (25, "n2"))
    if bare:  # all that is known of it is that it was deleted
        purged = Entry("assets", "k", "", {}, {}, purged.dead)
    rest = [entry_of(history), *map(entry_of, edits)]
    states = [purged, *rest, *(apply(one, Change("assets", "k", set={"late": True}), (99, "n3")) for one in rest)]
    packed = set()
    for _ in range(3):
        order.shuffle(states)
        whole = states[0]
        for one in states[1:]:
            whole = merge(whole, unpack(pack(one)))
        whole = apply(whole, Change("assets", "k", set={"state": "ready"}, add={"tags": ("x",)}), (100, "n1"))
        assert not whole.alive
        assert (whole.row().fields, whole.row().sets) == ({}, {})
        packed.add(pack(whole))
    assert len(packed) == 1


def test_owners_are_distinct_spread_over_zones_and_balanced():
    places = {NodeId(f"n{n}"): Place(1, f"z{n % 3}") for n in range(9)}
    layout = Layout(places)
    load = Counter()
    for partition in range(PARTITIONS):
        owners = layout.owners(PartitionId(partition), 3)
        assert len({places[node].zone for node in owners}) == 3
        load.update(owners)
    assert max(load.values()) / (PARTITIONS * 3 / 9) < 1.12


def test_a_node_that_leaves_moves_only_its_own():
    places = {NodeId(f"n{n}"): Place(1) for n in range(6)}
    before = Layout(places)
    after = Layout({node: place for node, place in places.items() if node != "n3"})
    for partition in map(PartitionId, range(PARTITIONS)):
        kept = [node for node in before.owners(partition, 2) if node != "n3"]
        assert [node for node in after.owners(partition, 2) if node in kept] == kept
        assert before.holders(partition, 2, {NodeId("n3")}) == after.owners(partition, 2)
    assert partition_of("a") == partition_of(b"a")


@given(histories, st.integers(1, 50), st.integers(100, 200))
def test_stamping_again_keeps_the_order_and_only_touches_the_late_stamps_of_one_writer(history, limit, base):
    entry = entry_of([(change, stamp << 16, node) for change, stamp, node in history])
    late = stamps_ahead(entry, "n1", limit)
    assert all(stamp_ms(stamp) > limit for stamp in late)
    anew = {stamp: base + place for place, stamp in enumerate(sorted(late))}
    again = stamped_again(entry, "n1", anew)
    assert stamps_ahead(again, "n1", limit) == frozenset()
    assert unpack(pack(again)) == again
    untouched = stamped_again(entry, "n1", {})
    assert pack(untouched) == pack(entry)


def test_an_add_that_a_later_removal_hides_is_stamped_again_with_it():
    marks = {"n1": (2 << 16, 3 << 16)}
    entry = Entry("t", "k", "", {}, {"tags": {"x": marks}})
    again = stamped_again(entry, "n1", {2 << 16: 100, 3 << 16: 101})
    assert stamps_ahead(entry, "n1", 1) == {2 << 16, 3 << 16}
    assert stamps_ahead(again, "n1", 1) == frozenset()
    assert again.row().sets == {}


def test_a_set_is_no_larger_for_a_long_history():
    entry = None
    for stamp in range(1, 200):
        change = Change("t", "k", add={"tags": ("x",)}) if stamp % 2 else Change("t", "k", remove={"tags": ("x",)})
        entry = apply(entry, change, (stamp, f"n{stamp % 3}"))
    assert len(pack(entry)) < 100
    assert entry.row().sets == {"tags": ("x",)}


def test_names_and_keys_that_could_not_travel_are_refused():
    for change in (
        Change("Bad Table", "k"),
        Change("t", ""),
        Change("t", "k" * 300),
        Change("t", "k", set={"no spaces": 1}),
        Change("t", "k", add={"tags": ("",)}),
    ):
        with pytest.raises(Refused):
            check(change)
    with pytest.raises(Refused):
        pack(apply(None, Change("t", "k", set={"body": b"x" * ROW_BYTES_MAX}), (1, "n1")))


places = st.dictionaries(
    st.integers(0, 30).map(lambda n: NodeId(f"n{n}")),
    st.builds(Place, st.sampled_from([1, 2, 4]), st.sampled_from(["", "z1", "z2", "z3"])),
    min_size=1,
    max_size=8,
)


@given(places, st.integers(0, PARTITIONS - 1), st.integers(1, 4), st.data())
@settings(max_examples=60, deadline=None)
def test_owners_are_distinct_and_a_node_that_goes_moves_only_its_own(nodes, number, copies, data):
    layout, partition = Layout(nodes), PartitionId(number)
    owners = layout.owners(partition, copies)
    assert len(set(owners)) == len(owners) == min(copies, len(nodes))
    assert Layout(dict(reversed(nodes.items()))).version == layout.version
    gone = data.draw(st.sampled_from(sorted(nodes)))
    holders = layout.holders(partition, copies, {gone})
    assert gone not in holders
    assert len(holders) == min(copies, len(nodes) - 1)
    if not any(place.zone for place in nodes.values()):
        assert [node for node in owners if node != gone] == list(holders[: len(owners) - (gone in owners)])


def test_weights_are_kept_within_the_measured_balance():
    nodes = {NodeId(f"n{n}"): Place(2 ** (n % 3), f"z{n % 3}") for n in range(30)}
    spread = {node: Place(place.capacity_bytes, f"z{n // 10}") for n, (node, place) in enumerate(nodes.items())}
    layout = Layout(spread)
    load = Counter()
    for partition in range(PARTITIONS):
        load.update(layout.owners(PartitionId(partition), 3))
    total = sum(place.capacity_bytes for place in spread.values())
    ratios = [load[node] / (PARTITIONS * 3 * place.capacity_bytes / total) for node, place in spread.items()]
    assert max(ratios) < 1.35
