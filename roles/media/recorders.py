"""Who recorded which part of a take, when its recorder changed while it ran.

A part does not tell who made it: two recorders of one source make the same chunk, and both copies are kept as one. What
is known is from which group of the source on another node went on. Invariant: the stretches follow each other from the
take's start to its end, whatever is missing within them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from roles.media.timeline import Gap, Timeline


@dataclass(frozen=True, slots=True)
class Change:
    """Another node went on with a take at ``at_ms`` (UTC); an empty ``before`` is not known.

    ``place``: the source's epoch and the group from which on it records; None where that was not written down.
    """

    at_ms: int
    before: str
    after: str
    place: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one node recorded, in microseconds from the take's start; ``missing_us`` of it are not kept."""

    node: str
    start_us: int
    end_us: int
    missing_us: int


def place_text(at_ms: int, epoch: int, group: int) -> str:
    """Give what a take's set ``took_over`` says of a change of its recorder."""
    return f"{at_ms:014d} {epoch} {group}"


def changes_of(takeovers: Iterable[str], places: Iterable[str]) -> tuple[Change, ...]:
    """Read a take's sets ``takeovers`` and ``took_over``; what is of no known form is left out."""
    known: dict[int, tuple[int, int]] = {}
    for text in places:
        words = text.split(" ")
        if len(words) == 3 and all(word.isascii() and word.isdecimal() and len(word) < 20 for word in words):
            at_ms, epoch, group = map(int, words)
            known[at_ms] = (epoch, group)
    found = []
    for text in takeovers:
        match text.split(" "):
            case [ms, before, after] if ms.isascii() and ms.isdecimal() and len(ms) < 20:
                found.append(Change(int(ms), before, after, known.get(int(ms))))
    return tuple(sorted(found, key=lambda change: (change.at_ms, change.before, change.after)))


def stretches(line: Timeline, gaps: Sequence[Gap], changes: Sequence[Change], last: str) -> tuple[Stretch, ...]:
    """Give who recorded what of a take, in order. ``last``: who records it now, or did at its end.

    Nodes of which nothing is kept are left out; a hole counts as missing where it lies, also between two nodes. One at
    the take's end is of whoever was to record then.
    """
    if not line.parts:
        return ()
    nodes = [changes[0].before or last, *(change.after for change in changes)] if changes else [last]
    starts = [0]
    for change in changes:
        starts.append(max(starts[-1], _begins_us(line, change)))
    ends = [*starts[1:], max([line.duration_us, *(gap.end_us for gap in gaps)])]
    joined: list[Stretch] = []
    for node, start_us, end_us in zip(nodes, starts, ends, strict=True):
        if end_us <= start_us:
            continue
        missing_us = sum(max(0, min(end_us, gap.end_us) - max(start_us, gap.start_us)) for gap in gaps)
        if joined and joined[-1].node == node:
            joined[-1] = replace(joined[-1], end_us=end_us, missing_us=joined[-1].missing_us + missing_us)
        else:
            joined.append(Stretch(node, start_us, end_us, missing_us))
    return tuple(joined)


def _begins_us(line: Timeline, change: Change) -> int:
    """Give where what a node recorded begins, a hole before it included: where the one before it ended."""
    for before, placed in itertools.pairwise((None, *line.parts)):
        assert placed is not None
        entry = placed.entry
        if change.place is not None:
            later = (entry.epoch, entry.group) >= change.place
        else:
            later = entry.captured_us + entry.duration_us > change.at_ms * 1000
        if later:
            return before.at_us + before.entry.duration_us if before is not None else 0
    return line.duration_us
