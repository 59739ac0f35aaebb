"""Merging answers: the best k of all shards, moments out of frames, words and looks fused by rank."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.core.rows import Row
from mesh.core.search import (
    MOMENTS_OF_ASSET_MAX,
    Found,
    Worded,
    fuse,
    lexical_words,
    merge_top,
    moments,
    word_reason,
)

FOUND = st.builds(
    Found,
    asset=st.sampled_from("abc"),
    at_ms=st.integers(0, 20).map(lambda second: second * 1000),
    similarity=st.floats(-1, 1, allow_nan=False),
)


@given(st.lists(st.lists(FOUND, max_size=12), max_size=5), st.integers(0, 10), st.randoms())
def test_the_best_k_do_not_depend_on_who_answered_first_and_none_is_there_twice(answers, k, chance):
    merged = merge_top(answers, k)
    shuffled = [random.Random(1).sample(answer, len(answer)) for answer in answers]
    chance.shuffle(shuffled)
    assert merge_top(shuffled, k) == merged
    keys = [(found.asset, found.at_ms) for found in merged]
    assert len(keys) == len(set(keys)) <= k
    best = {}
    for found in (one for answer in answers for one in answer):
        key = (found.asset, found.at_ms)
        best[key] = max(best.get(key, -2.0), found.similarity)
    assert [found.similarity for found in merged] == sorted(best.values(), reverse=True)[:k]


def test_what_is_under_the_floor_is_left_out():
    frames = [Found("a", 0, 0.5), Found("a", 1000, 0.2)]
    assert merge_top([frames], 9, 0.3) == frames[:1]


def test_frames_of_one_scene_are_one_moment_and_those_of_two_are_not():
    def frame(at_ms, similarity, start_ms, end_ms):
        return Found("a", at_ms, similarity, scene_start_ms=start_ms, scene_end_ms=end_ms)

    made = moments([frame(1000, 0.5, 0, 3000), frame(2000, 0.6, 0, 3000), frame(3500, 0.4, 3000, 6000)])
    assert [(one.best.at_ms, one.start_ms, one.end_ms) for one in made] == [(2000, 0, 3000), (3500, 3000, 6000)]


def test_without_scenes_frames_close_together_are_one_moment():
    made = moments([Found("a", at_ms, 0.5) for at_ms in (0, 4000, 30_000)])
    assert sorted((one.start_ms, one.end_ms) for one in made) == [(0, 4000), (30_000, 30_000)]


def test_one_long_take_does_not_push_out_the_rest():
    made = moments([*(Found("a", at_ms * 60_000, 0.9) for at_ms in range(20)), Found("b", 0, 0.1)])
    assert [one.best.asset for one in made] == ["a"] * MOMENTS_OF_ASSET_MAX + ["b"]


def test_what_both_words_and_looks_find_comes_first():
    seen = moments([Found("a", 0, 0.9, name="A", kind="video"), Found("b", 5000, 0.8, name="B", kind="video")])
    hits = fuse([seen], [Worded("b", "B", "video", why="words of its name"), Worded("c", "C", "video")], 10)
    assert [(hit.asset, hit.at_ms) for hit in hits] == [("b", 5000), ("a", 0), ("c", None)]
    assert hits[0].why[0].startswith("looks like it")
    assert "words of its name" in hits[0].why


def test_a_weak_likeness_is_not_called_a_strong_one():
    seen = moments([Found("a", 0, 0.5), Found("b", 0, 0.49, tags=("boat",))])
    assert [hit.why for hit in fuse([seen], [], 10)] == [("looks like it (0.50)",), ("may show it (0.49): boat",)]


def test_two_models_that_see_one_moment_make_one_hit():
    one = moments([Found("a", 5000, 0.9)])
    other = moments([Found("a", 5500, 0.3)])
    apart = moments([Found("a", 60_000, 0.3)])
    assert len(fuse([one, other], [], 10)) == 1
    assert len(fuse([one, apart], [], 10)) == 2


def test_a_word_of_a_scene_opens_at_the_scene():
    hits = fuse([], [Worded("a", "A", "video", at_ms=4000, end_ms=9000, why="words of a scene")], 10)
    assert [(hit.at_ms, hit.end_ms) for hit in hits] == [(4000, 9000)]


def test_a_scene_found_by_word_and_by_look_is_one_hit_even_with_a_scene_of_another_rank_before_it():
    seen = moments(
        [Found("a", 1000, 0.9, scene_end_ms=3000), Found("a", 5000, 0.5, scene_start_ms=4000, scene_end_ms=9000)]
    )
    hits = fuse([seen], [Worded("a", "A", "video", at_ms=4000, end_ms=9000, why="words of a scene")], 10)
    assert [hit.at_ms for hit in hits] == [5000, 1000]
    assert "words of a scene" in hits[0].why


def test_a_picture_has_no_place_in_time():
    hits = fuse([moments([Found("a", 0, 0.9, kind="image")])], [], 10)
    assert (hits[0].at_ms, hits[0].end_ms) == (None, None)


@pytest.mark.parametrize(
    ("given_", "kept"),
    [("A man on the street", "man street"), ("the", "the"), ("low-light café!", "low light café"), ("  ", "")],
)
def test_words_that_are_in_every_sentence_are_not_looked_up(given_, kept):
    assert lexical_words(given_) == kept


def test_whole_words_come_before_beginnings_and_the_reason_says_where():
    row = Row("assets", "a", "", {"name": "red cars"}, {"tags": ("night",)}, 0)
    assert word_reason(row, "car night") == (0, "words in its tags and its name")
    assert word_reason(row, "ca") == (1, "words that begin alike")


def test_in_a_long_scene_a_moment_is_its_own_frames_and_one_list_counts_once():
    frames = [Found("a", at_ms, 0.3, scene_end_ms=79_000) for at_ms in (10_000, 12_000, 40_000, 70_000)]
    made = moments(frames)
    assert sorted((one.start_ms, one.end_ms) for one in made) == [(10_000, 12_000), (40_000, 40_000), (70_000, 70_000)]
    better = Found("b", 0, 0.9, kind="image")
    hits = fuse([moments([*frames, better])], [], 10)
    assert hits[0].asset == "b"
    overlapping = [moments([Found("a", 0, 0.3)])[0], moments([Found("a", 200, 0.2)])[0]]
    assert fuse([overlapping], [], 10)[0].score == fuse([overlapping[:1]], [], 10)[0].score
