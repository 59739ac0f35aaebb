"""Who recorded which part of a take that several nodes recorded, and what is missing of each part."""

from test_timeline import NOW_US, page, without

from roles.media.recorders import Change, Stretch, changes_of, place_text, stretches
from roles.media.timeline import Loss, explained, timeline

A, B, C = "a" * 52, "b" * 52, "c" * 52
S = 1_000_000


def told(pages, changes, last):
    line = timeline(pages)
    return [
        (one.node[:1], one.start_us / S, one.end_us / S, one.missing_us / S)
        for one in stretches(line, line.gaps, changes, last)
    ]


def test_a_take_with_one_recorder_is_one_stretch_with_its_holes():
    assert told([page(1, NOW_US)], [], A) == [("a", 0, 2, 0)]
    assert told([without(page(1, NOW_US, 8), 3, 4)], [], A) == [("a", 0, 4, 1)]
    assert told([], [], A) == []


def test_who_goes_on_begins_at_the_group_it_was_handed_whatever_the_clocks_say():
    pages = [page(1, NOW_US), page(2, NOW_US + 2 * S), page(3, NOW_US + 4 * S)]
    changes = [Change(5, A, B, (2, 0)), Change(9, B, C, (3, 0))]
    assert told(pages, changes, C) == [("a", 0, 2, 0), ("b", 2, 4, 0), ("c", 4, 6, 0)]


def test_a_hole_between_two_recorders_is_missing_of_the_second():
    pages = [page(1, NOW_US), page(2, NOW_US + 5 * S)]
    assert told(pages, [Change(5, A, B, (2, 0))], B) == [("a", 0, 2, 0), ("b", 2, 7, 3)]


def test_a_hole_at_the_end_is_missing_of_whoever_was_to_record_then():
    line = timeline([page(1, NOW_US)])
    gaps = explained(line, [Loss(1, 2 * S, 5 * S)], NOW_US + 5 * S)
    assert stretches(line, gaps, [], A) == (Stretch(A, 0, 5 * S, 3 * S),)
    taken_over = [Change(5, A, B, (1, 4))]
    assert stretches(line, gaps, taken_over, B) == (Stretch(A, 0, 2 * S, 0), Stretch(B, 2 * S, 5 * S, 3 * S))


def test_where_the_group_was_not_written_down_the_clock_tells():
    whole = page(1, NOW_US, 8)
    assert told([whole], [Change((NOW_US + 2 * S) // 1000, A, B)], B) == [("a", 0, 2, 0), ("b", 2, 4, 0)]


def test_nodes_of_which_nothing_is_kept_are_left_out_and_one_that_came_back_is_joined():
    pages = [page(1, NOW_US), page(2, NOW_US + 2 * S)]
    later = (9, 9)
    assert told(pages, [Change(1, A, B, later)], B) == [("a", 0, 4, 0)]
    assert told(pages, [Change(1, A, B, (2, 0)), Change(2, B, A, (2, 0))], A) == [("a", 0, 4, 0)]
    assert told(pages, [Change(1, "", B, (2, 0))], B) == [("b", 0, 4, 0)]


def test_changes_are_read_as_they_were_written_and_rubbish_is_passed_over():
    ms = 1_795_000_000_123
    first = f"{ms:014d} {A} {B}"
    assert changes_of([first], [place_text(ms, 3, 7)]) == (Change(ms, A, B, (3, 7)),)
    assert changes_of([f"{ms:014d}  {B}"], []) == (Change(ms, "", B),)
    rubbish = ["", "x y z", "1 2", "9" * 30 + f" {A} {B}", "1 2 3 4", "١ a b"]
    assert changes_of(rubbish, [*rubbish, "1 a 2", "-1 2 3"]) == ()
    both = changes_of([f"{ms + 5:014d} {B} {C}", first], [place_text(ms, 1, 2)])
    assert [(one.after, one.place) for one in both] == [(B, (1, 2)), (C, None)]
