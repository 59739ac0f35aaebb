"""The timeline of a take over several openings of its source, with clocks that are right, wrong, and set meanwhile."""

from roles.media.timeline import Entry, Page, timeline
from roles.media.units import MediaKind, TrackInfo

NOW_US = 1_795_000_000_000_000
TRACKS = (TrackInfo(1, MediaKind.VIDEO, "h264", b"", (1, 90000)),)


def page(epoch, captured_us, parts=4):
    entries = tuple(
        Entry(
            bytes([epoch]) * 31 + bytes([n]), 10, epoch, 0, n, n == 0, n * 500_000, 500_000, captured_us + n * 500_000
        )
        for n in range(parts)
    )
    return Page("t", bytes(32), 1, TRACKS, entries)


def gaps(*pages):
    return [(gap.start_us, gap.end_us) for gap in timeline(pages).gaps]


def test_how_long_a_source_was_gone_is_told_by_its_clock():
    assert gaps(page(1, NOW_US), page(2, NOW_US + 7_000_000)) == [(2_000_000, 7_000_000)]


def test_a_source_that_came_back_with_a_lost_clock_states_a_hole_of_unknown_length():
    line = timeline([page(1, NOW_US), page(2, 12_000_000)])
    assert [(gap.start_us, gap.end_us) for gap in line.gaps] == [(2_000_000, 2_000_000)]
    assert line.duration_us == 4_000_000
    assert [placed.entry.epoch for placed in line.parts] == [1] * 4 + [2] * 4


def test_a_clock_that_was_set_during_a_take_makes_no_hole_of_decades():
    assert timeline([page(1, 12_000_000), page(2, NOW_US)]).duration_us == 4_000_000


def test_a_clock_that_was_put_back_between_two_openings_states_a_hole_too():
    assert gaps(page(1, NOW_US), page(2, NOW_US - 3_600_000_000)) == [(2_000_000, 2_000_000)]


def test_the_hole_after_a_lost_clock_was_set_is_measured_from_the_part_before():
    line = timeline([page(1, 12_000_000), page(2, NOW_US), page(3, NOW_US + 5_000_000)])
    assert [(gap.start_us, gap.end_us) for gap in line.gaps] == [(2_000_000, 2_000_000), (4_000_000, 7_000_000)]
