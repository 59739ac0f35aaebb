"""Putting answers together: top k over shards, moments out of neighbouring frames, words and vectors fused.

Every shard is asked for the full k, so the best k of the union are the best k of all. Two lists of different scores
are fused by rank alone (reciprocal rank fusion, Cormack, Clarke and Buettcher, 2009).

Invariant: the answer depends on the set of shard answers, not on their order, and no moment is in it twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mesh.core.rows import Row
from proto.codec import Value

RRF_K = 60.0
MOMENT_GAP_MS = 8_000
"""Frames closer than this belong to one moment."""
FRAME_MS = 1_000
SHORT_SCENE_MS = 15_000
"""A moment is the whole scene it lies in up to this; in a longer one, as a fixed camera gives, only its own frames."""
MOMENTS_OF_ASSET_MAX = 3
"""Moments of one asset in an answer, so that one long take does not push out the rest."""
SHARD_K_MIN, SHARD_K_FACTOR, SHARD_K_MAX = 96, 6, 1000

LOOKS_SURE = 0.5
"""Similarity from which a frame is said to look like what was asked; below it may be chance."""

_STOP = frozenset(
    (
        *("a", "an", "and", "are", "at", "by", "for", "from", "in", "into", "is", "it", "its", "of", "on", "or"),
        *("the", "their", "there", "this", "to", "was", "were", "with"),
    )
)
_WORD_FIELDS = ("name", "meta", "camera_name", "words")
_WORD_SETS = (("tags", "its tags"), ("auto_tags", "what was seen in it"))


@dataclass(frozen=True, slots=True)
class Found:
    """A frame that a shard found. Times are milliseconds into the asset; the scene's when ``scene_end_ms`` is set."""

    asset: str
    at_ms: int
    similarity: float
    name: str = ""
    kind: str = ""
    camera: str = ""
    poster: str = ""
    scene_start_ms: int = 0
    scene_end_ms: int = 0
    hero: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Worded:
    """An asset whose words match, or a scene of one: then ``at_ms`` to ``end_ms``, and ``hero`` shows it."""

    asset: str
    name: str = ""
    kind: str = ""
    camera: str = ""
    poster: str = ""
    why: str = ""
    at_ms: int | None = None
    end_ms: int | None = None
    hero: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: a moment of an asset, or the whole of it (``at_ms`` None). ``score`` orders hits of one answer only.

    ``why`` says in words what matched; ``poster`` is the hex id of the chunk that shows the moment.
    """

    asset: str
    name: str
    kind: str
    at_ms: int | None
    end_ms: int | None
    score: float
    why: tuple[str, ...]
    camera: str
    poster: str


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What a search found, how much of the mesh answered, and what is missing from it and how to add that.

    ``recording`` takes still run and ``waiting`` assets are still to be looked at: what they show is not searched yet.
    Of shards that did not answer, nothing is counted.
    """

    hits: tuple[Hit, ...]
    shards_ok: int
    shards_total: int
    model: str
    missing: str
    recording: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """Neighbouring frames of one asset, told by the best of them."""

    best: Found
    start_ms: int
    end_ms: int


def shard_k(limit: int) -> int:
    """Give how many frames every shard is asked for."""
    return max(SHARD_K_MIN, min(SHARD_K_MAX, limit * SHARD_K_FACTOR))


def merge_top(answers: Iterable[Iterable[Found]], k: int, floor: float = -1.0) -> list[Found]:
    """Give the ``k`` best frames of all shards, each once; those under ``floor`` are noise and left out."""
    known: dict[tuple[str, int], Found] = {}
    for answer in answers:
        for found in answer:
            key = (found.asset, found.at_ms)
            standing = known.get(key)
            if found.similarity >= floor and (standing is None or _order(found) < _order(standing)):
                known[key] = found
    return sorted(known.values(), key=_order)[:k]


def moments(frames: Sequence[Found]) -> list[Moment]:
    """Group frames of one asset that lie in one scene or close together; the best moment first."""
    by_asset: dict[str, list[Found]] = {}
    for found in frames:
        by_asset.setdefault(found.asset, []).append(found)
    made: list[Moment] = []
    for group in by_asset.values():
        runs: list[list[Found]] = []
        for found in sorted(group, key=lambda one: one.at_ms):
            if runs and _together(runs[-1][-1], found):
                runs[-1].append(found)
            else:
                runs.append([found])
        of_asset = []
        for run in runs:
            best = min(run, key=_order)
            start_ms, end_ms = run[0].at_ms, run[-1].at_ms
            if 0 < best.scene_end_ms - best.scene_start_ms <= SHORT_SCENE_MS:
                start_ms, end_ms = min(start_ms, best.scene_start_ms), max(end_ms, best.scene_end_ms)
            of_asset.append(Moment(best, start_ms, end_ms))
        of_asset.sort(key=lambda one: _order(one.best))
        made += of_asset[:MOMENTS_OF_ASSET_MAX]
    return sorted(made, key=lambda one: _order(one.best))


@dataclass(slots=True)
class _Answer:
    """A hit in the making: a moment, a worded asset or scene, or both."""

    score: float = 0.0
    why: list[str] = field(default_factory=list)
    moment: Moment | None = None
    worded: Worded | None = None

    def at(self, asset: str, start_ms: int, end_ms: int) -> bool:
        """Tell whether this is about that stretch of that asset."""
        if self.moment is not None:
            mine = (self.moment.best.asset, self.moment.start_ms, self.moment.end_ms)
        elif self.worded is not None and self.worded.at_ms is not None:
            mine = (self.worded.asset, self.worded.at_ms, self.worded.end_ms or self.worded.at_ms)
        else:
            return False
        # Stretches that only touch are neighbours: a scene ends where the next one begins. A lone frame stands for
        # what is around it.
        my_end_ms, end_ms = max(mine[2], mine[1] + FRAME_MS), max(end_ms, start_ms + FRAME_MS)
        return mine[0] == asset and mine[1] < end_ms and start_ms < my_end_ms

    def hit(self) -> Hit:
        """Give it as it is told."""
        why = tuple(dict.fromkeys(self.why))
        if self.moment is None:
            one = self.worded
            assert one is not None
            poster = one.hero or one.poster
            return Hit(one.asset, one.name, one.kind, one.at_ms, one.end_ms, self.score, why, one.camera, poster)
        best = self.moment.best
        still = best.kind == "image"
        at_ms, end_ms = (None, None) if still else (best.at_ms, max(self.moment.end_ms, best.at_ms))
        poster = best.hero or best.poster
        return Hit(best.asset, best.name, best.kind, at_ms, end_ms, self.score, why, best.camera, poster)


def fuse(seen: Sequence[Sequence[Moment]], worded: Sequence[Worded], limit: int) -> tuple[Hit, ...]:
    """Fuse lists of moments (one a model) with the assets and scenes whose words match, all best first."""
    answers: list[_Answer] = []
    by_asset: dict[str, list[_Answer]] = {}

    def add(asset: str) -> _Answer:
        made = _Answer()
        answers.append(made)
        by_asset.setdefault(asset, []).append(made)
        return made

    for ranking in seen:
        ranked: list[_Answer] = []
        for rank, moment in enumerate(ranking, 1):
            asset = moment.best.asset
            same = (one for one in by_asset.get(asset, ()) if one.at(asset, moment.start_ms, moment.end_ms))
            answer = next(same, None) or add(asset)
            if any(one is answer for one in ranked):
                continue  # one list counts once
            ranked.append(answer)
            answer.moment = answer.moment or moment
            answer.score += 1.0 / (RRF_K + rank)
            answer.why.append(_looks(moment.best))
    for rank, one in enumerate(worded, 1):
        known = by_asset.get(one.asset, [])
        if one.at_ms is None:
            answer = known[0] if known else add(one.asset)  # its best moment opens it
        else:
            end_ms = one.end_ms or one.at_ms
            answer = next((each for each in known if each.at(one.asset, one.at_ms, end_ms)), None) or add(one.asset)
        answer.worded = answer.worded or one
        answer.score += 1.0 / (RRF_K + rank)
        answer.why.append(one.why or "words in its name or tags")
    hits = [answer.hit() for answer in answers]
    hits.sort(key=lambda one: (-one.score, one.asset, one.at_ms or 0))
    return tuple(hits[:limit])


def lexical_words(text: str) -> str:
    """Give the words worth looking up: lower case, without those that are in every sentence."""
    words = ["".join(c for c in word if c.isalnum()) for word in text.casefold().replace("-", " ").split()]
    kept = [word for word in words if word and word not in _STOP]
    return " ".join(kept or [word for word in words if word])


def word_reason(row: Row, words: str) -> tuple[int, str]:
    """Tell how well a row's words match: (0, why) for whole words, (1, why) where only their beginnings do."""
    wanted = words.split()
    sources = [(told, " ".join(row.sets.get(name, ()))) for name, told in _WORD_SETS]
    sources += [("its name" if name == "name" else "its details", _flat(row.fields.get(name))) for name in _WORD_FIELDS]
    everything: set[str] = set()
    why: list[str] = []
    for source, text in sources:
        there = _tokens(text)
        everything |= there
        if any(_in(word, there) for word in wanted) and source not in why:
            why.append(source)
    whole = all(_in(word, everything) for word in wanted)
    return (0 if whole else 1, "words in " + " and ".join(why) if why else "words that begin alike")


def _in(word: str, there: set[str]) -> bool:
    return word in there or word + "s" in there or (word.endswith("s") and word[:-1] in there)


def _tokens(text: str) -> set[str]:
    return set("".join(c if c.isalnum() else " " for c in text.casefold()).split())


def _flat(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_flat(item)}" for name, item in value.items())
    if isinstance(value, tuple):
        return " ".join(_flat(item) for item in value)
    return "" if value is None or isinstance(value, bytes) else str(value)


def _looks(best: Found) -> str:
    tags = f": {', '.join(best.tags[:3])}" if best.tags else ""
    told = "looks like it" if best.similarity >= LOOKS_SURE else "may show it"
    return f"{told} ({best.similarity:.2f}){tags}"


def _order(found: Found) -> tuple[float, str, int]:
    return (-found.similarity, found.asset, found.at_ms)


def _together(one: Found, other: Found) -> bool:
    same_scene = one.scene_end_ms > 0 and (one.scene_start_ms, one.scene_end_ms) == (
        other.scene_start_ms,
        other.scene_end_ms,
    )
    apart = one.scene_end_ms > 0 and other.scene_end_ms > 0 and not same_scene
    return other.at_ms - one.at_ms <= MOMENT_GAP_MS and not apart
