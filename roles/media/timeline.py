"""The timeline of a take: immutable manifest pages, their union, where parts lie, and where there is a hole.

A take's manifest is an observed-remove set of pages, each of at most PAGE_S. Two pages over the same minute are both
kept; a part is what ``(epoch, group, part)`` names, whoever recorded it. Invariant: the timeline depends on the set of
pages, not on their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from blake3 import blake3

from proto import codec
from proto.codec import Exactly, Max
from roles.media.units import TrackInfo

PAGE_S = 60.0
GAP_US = 250_000
"""A hole shorter than this between two parts is the source's jitter, not a gap."""
CLOCK_SET_US = 1_793_491_200_000_000
"""1 November 2026, UTC: a machine that shows an earlier time has lost it, and its times say nothing."""


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
    def size_bytes(self) -> int:
        """Bytes of all parts."""
        return sum(placed.entry.size for placed in self.parts)


def timeline(pages: Iterable[Page]) -> Timeline:
    """Give the union of pages as one timeline."""
    known: dict[tuple[int, int, int], tuple[Entry, Page]] = {}
    # A packed copy (in a chunk with others) and a single part hold the same bytes; the packed one will stay.
    for page in sorted(pages, key=lambda one: (len({e.chunk for e in one.entries}) == len(one.entries), one.pack())):
        for entry in page.entries:
            known.setdefault((entry.epoch, entry.group, entry.part), (entry, page))
    placed: list[Placed] = []
    gaps: list[Gap] = []
    end_us = 0
    shift_us = 0
    epoch: int | None = None
    ended_us = 0
    for key in sorted(known):
        entry, page = known[key]
        after_gap = False
        if entry.epoch != epoch:
            # How long a source was gone only its machine's clock can tell, from the part before to this one.
            away_us = entry.captured_us - ended_us if min(entry.captured_us, ended_us) >= CLOCK_SET_US else None
            at_us = end_us + max(0, away_us or 0)
            shift_us = at_us - entry.start_us
            if epoch is not None:
                after_gap = True
                if away_us is None or away_us < -GAP_US:
                    gaps.append(Gap(end_us, end_us, "the source was gone; its clock cannot tell how long"))
                elif away_us > GAP_US:
                    gaps.append(Gap(end_us, at_us, "the source was gone"))
            epoch = entry.epoch
        at_us = entry.start_us + shift_us
        if not after_gap and placed and at_us - end_us > GAP_US:
            gaps.append(Gap(end_us, at_us, "parts are missing"))
            after_gap = True
        placed.append(Placed(entry, page, at_us, shift_us, after_gap))
        end_us = at_us + entry.duration_us
        ended_us = entry.captured_us + entry.duration_us
    return Timeline(tuple(placed), tuple(gaps))


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
