"""Words of frames, of the scenes they lie in, and of the whole asset: which are sure enough to be told. Pure.

A detector sees a thing in one frame that is not there; so a word counts for an asset when it is in more than one frame,
or very sure in one, and the surest and most frequent come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from proto import codec
from proto.codec import Malformed, Max, Value

ASSET_WORDS_MAX = 24
SCENE_WORDS_MAX = 12
SURE_ALONE = 0.8
"""Confidence from which a word of a single frame among many counts for the asset."""
SEEN_SHARE_MIN = 0.02
"""Share of the frames that a word must be in when it is never that sure."""
WORD_CHARS_MAX = 64


@dataclass(frozen=True, slots=True)
class FrameTags:
    """The words of one frame with their confidence, surest first."""

    at_ms: int
    words: Annotated[tuple[tuple[Annotated[str, Max(512)], float], ...], Max(64)]


@dataclass(frozen=True, slots=True)
class _Packed:
    frames: Annotated[tuple[FrameTags, ...], Max(4096)]


def packed(frames: Sequence[FrameTags]) -> bytes:
    """Give frames' words as bytes."""
    return codec.encode(_Packed(tuple(frames)))


def unpacked(data: Value) -> tuple[FrameTags, ...]:
    """Read frames' words; none when the bytes are something else."""
    if not isinstance(data, bytes):
        return ()
    try:
        return codec.decode(_Packed, data).frames
    except Malformed:
        return ()


def asset_words(frames: Sequence[FrameTags]) -> tuple[str, ...]:
    """Give the words of a whole asset, the best first."""
    least = max(2, round(SEEN_SHARE_MIN * len(frames))) if len(frames) > 1 else 1
    return _best(frames, ASSET_WORDS_MAX, least)


def scene_words(frames: Iterable[FrameTags], start_ms: int, end_ms: int) -> tuple[str, ...]:
    """Give the words of the frames from ``start_ms`` to ``end_ms`` (exclusive), the best first."""
    inside = [frame for frame in frames if start_ms <= frame.at_ms < max(end_ms, start_ms + 1)]
    return _best(inside, SCENE_WORDS_MAX, 1)


def _best(frames: Sequence[FrameTags], count_max: int, least: int) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    total: dict[str, float] = {}
    surest: dict[str, float] = {}
    for frame in frames:
        for word, confidence in frame.words:
            key = word[:WORD_CHARS_MAX]
            seen[key] = seen.get(key, 0) + 1
            total[key] = total.get(key, 0.0) + confidence
            surest[key] = max(surest.get(key, 0.0), confidence)
    kept = [word for word in seen if seen[word] >= least or surest[word] >= SURE_ALONE]
    return tuple(sorted(kept, key=lambda word: (-total[word], word))[:count_max])
