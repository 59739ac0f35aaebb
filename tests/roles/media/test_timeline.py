"""The timeline of a take over several openings of its source, with clocks that are right, wrong, and set meanwhile."""

from dataclasses import replace

import pytest

from roles.media.timeline import Entry, Loss, Page, Placer, explained, stopped_at, timeline
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


def without(whole, *lost):
    """Give a page without some of its parts."""
    kept = tuple(entry for entry in whole.entries if entry.part not in lost)
    return Page(whole.take, whole.init, whole.init_size, whole.tracks, kept)


def test_a_hole_that_a_full_disk_made_says_so_and_others_do_not():
    line = timeline([without(page(1, NOW_US, 12), 2, 3, 7), page(2, NOW_US + 9_000_000)])
    assert [gap.why for gap in line.gaps] == ["parts are missing", "parts are missing", "the source was gone"]
    told = explained(line, [Loss(1, 1_000_000, 2_000_000), Loss(2, 3_500_000, 4_000_000)])
    assert [gap.why for gap in told] == ["the disk was full", "parts are missing", "the source was gone"]
    assert [(gap.start_us, gap.end_us) for gap in told] == [(gap.start_us, gap.end_us) for gap in line.gaps]
    assert explained(line, []) == line.gaps


def test_a_hole_that_a_full_disk_made_in_part_says_of_how_much():
    line = timeline([without(page(1, NOW_US, 12), 2, 3, 4)])
    (gap,) = explained(line, [Loss(1, 1_000_000, 1_500_000), Loss(1, 1_200_000, 1_500_000)])
    assert gap.why == "the disk was full for 0.5 s of it, and parts are missing"


def ending(stopped_after_s, *losses, captured_us=NOW_US):
    """Give the holes stated of a take of 2 s that was stopped so long after its first part, in seconds."""
    stopped_us = None if stopped_after_s is None else captured_us + int(stopped_after_s * 1e6)
    told = explained(timeline([page(1, captured_us)]), losses, stopped_us)
    return [(gap.start_us / 1e6, gap.end_us / 1e6, gap.why) for gap in told]


def test_what_is_missing_up_to_the_stop_is_a_hole_at_the_end():
    assert ending(12.0) == [(2.0, 12.0, "nothing was recorded any more before it was stopped")]
    assert ending(12.0, Loss(1, 2_000_000, 11_500_000)) == [(2.0, 12.0, "the disk was full")]
    partly = "the disk was full for 3.0 s of it, and parts are missing"
    assert ending(12.0, Loss(1, 2_000_000, 3_000_000), Loss(2, 0, 2_000_000)) == [(2.0, 12.0, partly)]


def test_the_last_group_that_was_under_way_at_the_stop_is_no_hole_and_neither_is_the_end_of_what_runs():
    assert ending(4.0) == ending(1.0) == ending(None) == []


def test_what_a_full_disk_kept_from_being_recorded_at_the_end_is_stated_whatever_the_clocks_say():
    for stopped in (3.0, -3600.0):
        assert ending(stopped, Loss(1, 2_000_000, 3_500_000)) == [(2.0, 3.5, "the disk was full")]
        assert ending(stopped, Loss(2, 0, 1_500_000)) == [(2.0, 3.5, "the disk was full")]


def test_a_clock_that_is_lost_or_was_set_meanwhile_makes_no_hole_at_the_end():
    assert ending(3600.0, captured_us=12_000_000) == []
    assert explained(timeline([page(1, 12_000_000)]), (), NOW_US) == ()


def test_what_a_full_disk_kept_from_being_recorded_at_the_beginning_is_stated_before_the_first_part():
    late = without(page(2, NOW_US, 6), 0, 1)
    told = explained(timeline([late]), [Loss(1, 0, 2_000_000), Loss(2, 0, 1_000_000)])
    assert [(gap.start_us, gap.end_us, gap.why) for gap in told] == [
        (0, 0, "the disk was full for 3.0 s before its first picture")
    ]


def test_a_stop_is_told_by_the_source_s_clock_where_that_is_known():
    assert stopped_at({"stopped_us": 7_000, "stopped_ms": 9}) == 7_000
    assert stopped_at({"stopped_ms": 9}) == 9_000
    assert stopped_at({}) is None


@pytest.mark.parametrize("text", ["", "1/2", "1/2/3/4", "a/b/c", "-1/2/3", "1/2/" + "9" * 30, "١/٢/٣"])
def test_a_loss_that_is_none_is_passed_over(text):
    assert Loss.read(text) is None


def test_a_loss_is_read_as_it_was_written():
    assert Loss.read(Loss(3, 1_000, 2_000).text()) == Loss(3, 1_000, 2_000)


def test_what_is_recorded_and_how_long_it_is_differ_by_the_holes():
    pages = [without(page(1, NOW_US, 6), 2, 3), page(2, NOW_US + 7_000_000)]
    line, placer = timeline(pages), Placer()
    for placed in line.parts:
        placer.place(placed.entry)
    assert (line.duration_us, line.recorded_us) == (9_000_000, 4_000_000)
    assert placer.end_us == line.duration_us


def test_of_two_parts_of_one_name_the_fuller_counts_whichever_page_comes_first():
    """A recorder that loses its source within a part cuts it short; another has the whole of it."""
    whole = page(1, NOW_US)
    short = replace(whole.entries[-1], chunk=b"s" * 32, duration_us=200_000, samples=5)
    whole = replace(whole, entries=(*whole.entries[:-1], replace(whole.entries[-1], samples=12)))
    cut = replace(whole, entries=(short,))
    for pages in ([whole, cut], [cut, whole]):
        line = timeline(pages)
        assert line.duration_us == 2_000_000
        assert line.parts[-1].entry.samples == 12
