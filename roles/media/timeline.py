"""The timeline of a take: immutable manifest pages, their union, where parts lie, and where there is a hole.

A take's manifest is an observed-remove set of pages, each of at most PAGE_S. Two pages over the same minute are both
kept; a part is what ``(epoch, group, part)`` names, whoever recorded it. Invariant: the timeline depends on the set of
pages, not on their order. Of two parts of one name, as two recorders make where one of them lost its source within the
part, the one with more in it counts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from blake3 import blake3

from proto import codec
from proto.codec import Exactly, Max
from roles.media.segmenter import Part
from roles.media.units import TrackInfo

PAGE_S = 60.0
GAP_US = 250_000
"""A hole shorter than this between two parts is the source's jitter, not a gap."""
CLOCK_SET_US = 1_793_491_200_000_000
"""1 November 2026, UTC: a machine that shows an earlier time has lost it, and its times say nothing."""
UNTIL = "until_us"
"""The field of a take's row that ``taken_until`` reads."""
STOPPED = "stopped_us"
"""The field of a take's row that says when it was stopped, on its source's clock; see ``stopped_at``."""
END_US = 2_000_000
"""A take that ends up to so long before it was stopped is whole: its last group was under way, and clocks differ."""
MISSING = "parts are missing"
DISK_FULL = "the disk was full"
NOTHING_CAME = "nothing was recorded any more before it was stopped"


@dataclass(frozen=True, slots=True)
class Entry:
    """A part in a page: its chunk (bytes ``offset`` to ``offset + size`` of it) and its place. Microseconds."""

    chunk: Annotated[bytes, Exactly(32)]
    size: int
    epoch: int
    group: int
    part: int
    key: bool
    start_us: int
    duration_us: int
    captured_us: int
    samples: int = 0
    offset: int = 0

    @classmethod
    def of(cls, part: Part, chunk: bytes) -> Entry:
        """Give the place of a part that is stored as a chunk of its own."""
        return cls(
            chunk,
            len(part.data),
            part.epoch,
            part.group,
            part.part,
            part.key,
            part.start_us,
            part.duration_us,
            part.captured_us,
            part.samples,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Parts of one configuration that follow each other."""

    take: Annotated[str, Max(26)]
    init: Annotated[bytes, Exactly(32)]
    init_size: int
    tracks: Annotated[tuple[TrackInfo, ...], Max(8)]
    entries: Annotated[tuple[Entry, ...], Max(4096)]

    def pack(self) -> bytes:
        """Give the page as CBOR."""
        return codec.encode(self)

    @classmethod
    def unpack(cls, data: bytes) -> Page:
        """Read a page; Malformed when it is none."""
        return codec.decode(cls, data)

    def name(self) -> str:
        """Give the page's name: the first 26 hex digits of the hash of its bytes, after its first part's time."""
        start = self.entries[0].captured_us // 1000 if self.entries else 0
        return f"{start:014d}-{blake3(self.pack()).hexdigest()[:26]}"


@dataclass(frozen=True, slots=True)
class Placed:
    """A part on the take's timeline: ``at_us`` from the take's start; ``shift_us`` is added to its own times."""

    entry: Entry
    page: Page
    at_us: int
    shift_us: int
    after_gap: bool

    def not_before_us(self, *, first: bool) -> int | None:
        """Give where a stretch begins with this part, before which nothing of it may lie; None within a stretch."""
        return self.at_us if first or self.after_gap else None


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in a take, in microseconds from its start; it ends where it starts when nobody knows how long it was."""

    start_us: int
    end_us: int
    why: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """All parts of a take in order, and its holes."""

    parts: tuple[Placed, ...]
    gaps: tuple[Gap, ...]

    @property
    def duration_us(self) -> int:
        """Microseconds from the first part's start to the last one's end, holes included."""
        return self.parts[-1].at_us + self.parts[-1].entry.duration_us if self.parts else 0

    @property
    def recorded_us(self) -> int:
        """Microseconds that are kept, holes left out."""
        return sum(placed.entry.duration_us for placed in self.parts)

    @property
    def size_bytes(self) -> int:
        """Bytes of all parts."""
        return sum(placed.entry.size for placed in self.parts)


def fuller(one: Entry, other: Entry) -> bool:
    """Tell whether a part holds more than another of the same name."""
    return (one.samples, one.duration_us) > (other.samples, other.duration_us)


def taken_until(fields: Mapping[str, object]) -> int | None:
    """Give until when (UTC microseconds) what was filmed is of a take whose row has these fields; None: all of it is.

    It is written where parts were found that were recorded after the take was stopped: a page of them may come late.
    """
    until = fields.get(UNTIL)
    return until if isinstance(until, int) else None


def stopped_at(fields: Mapping[str, object]) -> int | None:
    """Give when a take whose row has these fields was stopped (UTC microseconds); None: it was not, or nobody knows.

    On the clock of its source where its recorder could tell that, else on that of whoever stopped it.
    """
    stopped_us, stopped_ms = fields.get(STOPPED), fields.get("stopped_ms")
    if isinstance(stopped_us, int) and stopped_us:
        return stopped_us
    return stopped_ms * 1000 if isinstance(stopped_ms, int) and stopped_ms else None


def timeline(pages: Iterable[Page], until: int | None = None) -> Timeline:
    """Give the union of pages as one timeline; of what was filmed after ``until`` (UTC microseconds), nothing."""
    known: dict[tuple[int, int, int], tuple[Entry, Page]] = {}
    # A packed copy (in a chunk with others) and a single part hold the same bytes; the packed one will stay.
    for page in sorted(pages, key=lambda one: (len({e.chunk for e in one.entries}) == len(one.entries), one.pack())):
        for entry in page.entries:
            if until is not None and entry.captured_us > until:
                continue
            name = (entry.epoch, entry.group, entry.part)
            if name not in known or fuller(entry, known[name][0]):
                known[name] = (entry, page)
    placed: list[Placed] = []
    gaps: list[Gap] = []
    placer = Placer()
    for key in sorted(known):
        entry, page = known[key]
        at_us, gap, after_gap = placer.place(entry)
        if gap is not None:
            gaps.append(gap)
        placed.append(Placed(entry, page, at_us, placer.shift_us, after_gap))
    return Timeline(tuple(placed), tuple(gaps))


class Placer:
    """Says where each next part of a take lies on its timeline, all in microseconds."""

    def __init__(self) -> None:
        self.end_us = 0
        """Where the timeline ends so far, holes included."""
        self.shift_us = 0
        self._epoch: int | None = None
        self._ended_us = 0

    def place(self, entry: Entry) -> tuple[int, Gap | None, bool]:
        """Give where a part begins, the hole before it if any, and whether it begins a stretch of its own."""
        gap, after_gap = None, False
        if entry.epoch != self._epoch:
            # How long a source was gone only its machine's clock can tell, from the part before to this one.
            known = min(entry.captured_us, self._ended_us) >= CLOCK_SET_US
            away_us = entry.captured_us - self._ended_us if known else None
            at_us = self.end_us + max(0, away_us or 0)
            self.shift_us = at_us - entry.start_us
            if self._epoch is not None:
                after_gap = True
                if away_us is None or away_us < -GAP_US:
                    gap = Gap(self.end_us, self.end_us, "the source was gone; its clock cannot tell how long")
                elif away_us > GAP_US:
                    gap = Gap(self.end_us, at_us, "the source was gone")
            self._epoch = entry.epoch
        at_us = entry.start_us + self.shift_us
        if not after_gap and at_us - self.end_us > GAP_US:
            gap = Gap(self.end_us, at_us, MISSING)
            after_gap = True
        self.end_us = at_us + entry.duration_us
        self._ended_us = entry.captured_us + entry.duration_us
        return at_us, gap, after_gap


@dataclass(frozen=True, slots=True)
class Loss:
    """What a recorder could not store of a track because its disk was full, in microseconds on the epoch's clock."""

    epoch: int
    start_us: int
    end_us: int

    def text(self) -> str:
        """Give it as the asset's set ``lost`` has it."""
        return f"{self.epoch}/{self.start_us}/{self.end_us}"

    @classmethod
    def read(cls, text: str) -> Loss | None:
        """Read what ``text`` gave; None when it is none."""
        parts = text.split("/")
        if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) < 20 for part in parts):
            return None
        return cls(*(int(part) for part in parts))


def explained(line: Timeline, losses: Iterable[Loss], stopped_us: int | None = None) -> tuple[Gap, ...]:
    """Give all holes of a take, those that a full disk made said to be so.

    With what a full disk kept from being recorded before its first part, and what is missing from its last part to when
    it was stopped (``stopped_us``, UTC microseconds); where nothing says that it was stopped, its end is no hole.
    """
    told = sorted(losses, key=lambda one: (one.epoch, one.start_us, one.end_us))
    reasons: dict[int, str] = {}
    for before, after in itertools.pairwise(line.parts) if told else ():
        if after.after_gap and before.entry.epoch == after.entry.epoch:
            hole = (before.entry.start_us + before.entry.duration_us, after.entry.start_us)
            full_us = _covered_us(hole, [one for one in told if one.epoch == after.entry.epoch])
            if full_us >= hole[1] - hole[0] - GAP_US:
                reasons[after.at_us] = DISK_FULL
            elif full_us:
                reasons[after.at_us] = f"{DISK_FULL} for {full_us / 1e6:.1f} s of it, and {MISSING}"
    within = tuple(
        Gap(gap.start_us, gap.end_us, reasons.get(gap.end_us, gap.why)) if gap.why == MISSING else gap
        for gap in line.gaps
    )
    return (*_before_first(line, told), *within, *_after_last(line, told, stopped_us))


def _before_first(line: Timeline, losses: Sequence[Loss]) -> tuple[Gap, ...]:
    """Give what was lost before the take's first part. It has no place on the timeline, which that part begins."""
    if not line.parts:
        return ()
    first = line.parts[0].entry
    full_us = _lost_us(losses, (0, 0), (first.epoch, first.start_us))
    return (Gap(0, 0, f"{DISK_FULL} for {full_us / 1e6:.1f} s before its first picture"),) if full_us > GAP_US else ()


def _after_last(line: Timeline, losses: Sequence[Loss], stopped_us: int | None) -> tuple[Gap, ...]:
    """Give the hole at the take's end: as long as its source's clock says, or at least as what is known to be lost."""
    if not line.parts or stopped_us is None:
        return ()
    last = line.parts[-1].entry
    ended_us, filmed_us = last.start_us + last.duration_us, last.captured_us + last.duration_us
    full_us = _lost_us(losses, (last.epoch, ended_us), (math.inf, 0))
    missing_us = stopped_us - filmed_us if min(stopped_us, last.captured_us) >= CLOCK_SET_US else 0
    known_us = max((loss.end_us - ended_us for loss in losses if loss.epoch == last.epoch), default=0)
    length_us = max(full_us, known_us, missing_us if missing_us > END_US else 0)
    if length_us <= GAP_US:
        return ()
    why = NOTHING_CAME
    if full_us >= length_us - END_US:
        why = DISK_FULL
    elif full_us:
        why = f"{DISK_FULL} for {full_us / 1e6:.1f} s of it, and {MISSING}"
    return (Gap(line.duration_us, line.duration_us + length_us, why),)


def _lost_us(losses: Sequence[Loss], start: tuple[int, int], end: tuple[float, int]) -> int:
    """Give how much was lost from a place (epoch, microseconds on its clock) to another."""
    return sum(
        _covered_us(
            (start[1] if epoch == start[0] else 0, end[1] if epoch == end[0] else max(loss.end_us for loss in those)),
            those,
        )
        for epoch in sorted({loss.epoch for loss in losses})
        if start[0] <= epoch <= end[0] and (those := [loss for loss in losses if loss.epoch == epoch])
    )


def _covered_us(hole: tuple[int, int], losses: Sequence[Loss]) -> int:
    covered, at_us = 0, hole[0]
    for loss in losses:
        begin_us, end_us = max(at_us, loss.start_us), min(hole[1], loss.end_us)
        if end_us > begin_us:
            covered += end_us - begin_us
            at_us = end_us
    return covered


def consolidate(pages: Iterable[Page]) -> list[Page]:
    """Give the same entries in as few pages of at most PAGE_S as possible; order-independent."""
    line = timeline(pages)
    made: list[Page] = []
    entries: list[Entry] = []
    current: Page | None = None
    start_us = 0
    for placed in line.parts:
        page = placed.page
        fits = (
            current is not None
            and (page.init, page.tracks, page.take) == (current.init, current.tracks, current.take)
            and placed.at_us + placed.entry.duration_us - start_us <= PAGE_S * 1_000_000
        )
        if not fits:
            if current is not None:
                made.append(Page(current.take, current.init, current.init_size, current.tracks, tuple(entries)))
            current, entries, start_us = page, [], placed.at_us
        entries.append(placed.entry)
    if current is not None:
        made.append(Page(current.take, current.init, current.init_size, current.tracks, tuple(entries)))
    return made
