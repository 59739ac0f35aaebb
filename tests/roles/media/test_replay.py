"""The last seconds of a source: whole groups, bounded, given again from a place on."""

from hypothesis import given
from hypothesis import strategies as st

from roles.media.replay import ReplayBuffer
from roles.media.units import AccessUnit, GroupInfo

EPOCH = 7


def header(group, epoch=EPOCH):
    return GroupInfo(epoch, group, ()).pack()


def unit(group, index, size=100):
    return AccessUnit(1, group, index, index, index, 1, index == 0, 0, bytes(size)).pack()


def fill(buffer, groups, *, units=3, size=100, every_s=1.0):
    for group in groups:
        buffer.begin(header(group), group * every_s)
        for index in range(units):
            buffer.unit(unit(group, index, size), group * every_s)


def places(kept):
    return [one.place for one in kept]


def test_groups_come_back_as_they_were_from_a_place_to_before_another_and_its_first_unit():
    buffer = ReplayBuffer(60, 1 << 20)
    fill(buffer, range(5))
    given_again = buffer.since((EPOCH, 1), (EPOCH, 3))
    assert places(given_again) == [(EPOCH, 1), (EPOCH, 2), (EPOCH, 3)]
    assert given_again[0].units == [unit(1, index) for index in range(3)]
    assert given_again[2].units == [unit(3, 0)]
    assert places(buffer.since((EPOCH, 3), None)) == [(EPOCH, 3), (EPOCH, 4)]
    assert places(buffer.since((EPOCH - 1, 99), None))[0] == (EPOCH, 0)


def test_another_opening_of_the_source_comes_after_all_of_the_one_before():
    buffer = ReplayBuffer(60, 1 << 20)
    fill(buffer, range(2))
    buffer.begin(header(0, EPOCH + 5), 3.0)
    assert not buffer.reaches((EPOCH + 5, 0))
    buffer.unit(unit(0, 0), 3.0)
    assert buffer.reaches((EPOCH + 5, 0))
    assert places(buffer.since((EPOCH, 1), (EPOCH + 5, 0))) == [(EPOCH, 1), (EPOCH + 5, 0)]


def test_what_is_too_old_or_too_much_is_let_go_whole():
    buffer = ReplayBuffer(2.0, 1 << 20)
    fill(buffer, range(6))
    assert places(buffer.since((0, 0), None)) == [(EPOCH, 3), (EPOCH, 4), (EPOCH, 5)]
    small = ReplayBuffer(60, 1500)
    fill(small, range(6))
    assert places(small.since((0, 0), None)) == [(EPOCH, 3), (EPOCH, 4), (EPOCH, 5)]


def test_a_group_that_alone_is_too_much_or_has_a_hole_is_not_kept():
    buffer = ReplayBuffer(60, 1000)
    fill(buffer, [0], units=20)
    assert buffer.groups == 0
    holed = ReplayBuffer(60, 1 << 20)
    fill(holed, [0])
    holed.begin(header(1), 1.0)
    holed.unit(unit(1, 0), 1.0)
    holed.unit(unit(1, 2), 1.0)
    holed.unit(unit(1, 3), 1.0)
    assert places(holed.since((0, 0), None)) == [(EPOCH, 0)]
    holed.cut()
    assert holed.groups == 1


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 400)), max_size=40),
    st.integers(200, 3000),
    st.floats(0.5, 10),
)
def test_what_is_kept_is_bounded_counted_and_whole(groups, bytes_max, seconds_max):
    buffer = ReplayBuffer(seconds_max, bytes_max)
    for group, (units, size) in enumerate(groups):
        fill(buffer, [group], units=units, size=size)
        kept = buffer.since((0, 0), None)
        assert buffer.size_bytes == sum(len(one.header) + sum(map(len, one.units)) for one in kept) <= bytes_max
        assert places(kept) == sorted(places(kept))
        for one in kept:
            assert [AccessUnit.index_of(data) for data in one.units] == list(range(groups[one.place[1]][0]))
            assert one is kept[-1] or group - one.at_s <= seconds_max
