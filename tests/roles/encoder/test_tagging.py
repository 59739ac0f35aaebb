"""Which words of the frames count for a scene and for the whole asset."""

import pytest

from roles.encoder.tagging import (
    ASSET_WORDS_MAX,
    SCENE_WORDS_MAX,
    FrameTags,
    asset_words,
    packed,
    scene_words,
    unpacked,
)


def frame(second, **words):
    return FrameTags(second * 1000, tuple(words.items()))


def test_a_doubtful_word_of_one_frame_among_many_does_not_count_for_the_asset():
    frames = [frame(0, person=0.9), frame(1, person=0.8, kite=0.5), frame(2, person=0.7)]
    assert asset_words(frames) == ("person",)


def test_a_sure_word_of_one_frame_counts_and_so_does_a_doubtful_one_of_several():
    frames = [frame(0, cup=0.85), frame(1, dog=0.5), frame(2, dog=0.5), frame(3)]
    assert asset_words(frames) == ("dog", "cup")


def test_in_a_single_picture_every_word_counts():
    assert asset_words([frame(0, cat=0.6, lynx=0.3)]) == ("cat", "lynx")
    assert asset_words([]) == ()


def test_a_scene_has_the_words_of_its_own_frames():
    frames = [frame(0, cat=0.9), frame(3, cup=0.6), frame(4, cup=0.7, spoon=0.5), frame(6, motorcycle=0.9)]
    assert scene_words(frames, 3000, 6000) == ("cup", "spoon")
    assert scene_words(frames, 6000, 6000) == ("motorcycle",)


def test_words_are_bounded():
    many = frame(0, **{f"w{number}": 0.9 for number in range(50)})
    assert len(asset_words([many])) == ASSET_WORDS_MAX
    assert len(scene_words([many], 0, 1)) == SCENE_WORDS_MAX


def test_packed_words_come_back_and_anything_else_is_none():
    frames = (frame(0, cat=0.5), frame(1))
    assert unpacked(packed(frames)) == frames
    for wrong in (None, "text", b"", b"\xff\x00nothing"):
        assert unpacked(wrong) == ()


@pytest.mark.parametrize("count", [1, 1200])
def test_a_long_take_needs_more_than_two_frames_for_a_doubtful_word(count):
    frames = [frame(number, person=0.9) for number in range(count)]
    doubtful = [FrameTags(one.at_ms, (*one.words, ("kite", 0.5))) for one in frames[:2]]
    assert ("kite" in asset_words([*doubtful, *frames[2:]])) == (count == 1)
