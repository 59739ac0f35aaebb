"""Segments of records give back what was put into them, whatever happens to their bytes and their folder."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.core import records
from mesh.core.records import Record, Segment, cut, folder_of, latest, mark_name, pack_segment, read_segment, to_join
from proto.ids import MeshId

MESH = MeshId("m" * 52)
SOME = [Record(place, "assets", f"k{place % 7}", "", b"row %d" % place) for place in range(40)]


def test_a_segment_gives_back_its_records():
    read = read_segment(MESH, pack_segment(MESH, SOME))
    assert (read.records, read.damaged, read.foreign) == (tuple(SOME), False, False)


def test_of_another_mesh_nothing_is_taken():
    read = read_segment(MeshId("n" * 52), pack_segment(MESH, SOME))
    assert (read.records, read.foreign) == ((), True)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_costs_records_and_never_makes_one(data):
    packed = bytearray(pack_segment(MESH, SOME))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    packed = packed[: data.draw(st.integers(len(packed) - 200, len(packed)))]
    read = read_segment(MESH, bytes(packed))
    assert set(read.records) <= set(SOME)
    # What was cut off where a record ends looks like a segment that is shorter.
    assert read.damaged or read.foreign or read.records == tuple(SOME)[: len(read.records)]


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data):
    assert read_segment(MESH, data).records == ()
    read_segment(MESH, records._MAGIC + data)


def test_one_damaged_record_costs_itself_alone():
    packed = bytearray(pack_segment(MESH, SOME))
    at = packed.index(b"row 20")
    packed[at] ^= 1
    read = read_segment(MESH, bytes(packed))
    assert [one.place for one in read.records] == [place for place in range(40) if place != 20]
    assert read.damaged


@given(st.permutations(SOME))
def test_the_latest_record_of_a_row_counts_whatever_the_order(mixed):
    assert [one.place for one in latest(mixed)] == list(range(33, 40))


def test_a_folder_is_read_by_the_names_that_are_its_own():
    names = [
        Segment(1, 4).name,
        mark_name(1),
        Segment(2, 5).name,
        Segment(2, 7).name,
        mark_name(2),
        Segment(3, 8).name,
        "holiday.jpg",
        "0000000003-1.records",
        ".DS_Store",
    ]
    found = folder_of(names)
    assert (found.whole, found.segments) == (2, (Segment(2, 5), Segment(2, 7)))
    assert set(found.over) == {Segment(1, 4).name, mark_name(1), Segment(3, 8).name}


def test_while_no_generation_is_whole_every_segment_counts():
    found = folder_of([Segment(1, 1).name, Segment(1, 2).name])
    assert (found.whole, len(found.segments), found.over) == (0, 2, ())


@pytest.mark.parametrize("size", [100, 20_000, 400_000])
def test_segments_of_one_size_are_joined_once_they_are_many(size):
    sizes = {Segment(1, number): size for number in range(records.FAN)}
    assert to_join(sizes) == sorted(sizes)
    assert to_join(dict(list(sizes.items())[1:])) == []
    assert to_join(dict.fromkeys(sizes, records.SEGMENT_BYTES_MAX)) == [], "large ones are left as they are"


def test_however_many_changes_come_there_are_few_segments_and_little_is_written_twice():
    sizes, written, number = {}, 0, 0
    for change in range(3000):
        number += 1
        sizes[Segment(1, number)] = 400
        while joined := to_join(sizes):
            number += 1
            size = sum(sizes.pop(one) for one in joined)
            sizes[Segment(1, number)] = size
            written += size
        assert len(sizes) <= 5 * records.FAN, change
    assert written < 3000 * 400 * 6


def test_records_are_shared_out_so_that_none_is_too_large():
    many = [Record(place, "pages", "a", str(place), bytes(500_000)) for place in range(40)]
    groups = cut(many)
    assert [one for group in groups for one in group] == many
    assert all(sum(len(one.packed) for one in group) < records.SEGMENT_BYTES_MAX + 600_000 for group in groups)
