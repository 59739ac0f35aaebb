"""Access units to parts of at most half a second, cut on the source's own sequence.

Decides where a part ends: at a new group, and within a group before the picture with which it would be longer than
``PART_S``. A sample lasts until the next one of its track; the last of a stretch lasts as long as its source said.

Invariant: parts depend on the units of their group (and the first of the next) alone, so segmenters that started at
different times cut the same parts. Decoding times never go back within a track: a unit that would is dropped and
counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from roles.media.cmaf import PartName, Sample, init_segment, media_part, recorded_tracks, timescale
from roles.media.units import AccessUnit, GroupInfo, MediaKind, TrackInfo

PART_S = 0.5
PARTS_PER_GROUP_MAX = 4096
"""Parts of one group; sequence numbers are group * this + part."""


@dataclass(frozen=True, slots=True)
class Part:
    """One CMAF part. ``start_us`` and ``duration_us`` are on the epoch's clock; ``init`` names its configuration."""

    epoch: int
    group: int
    part: int
    key: bool
    start_us: int
    duration_us: int
    captured_us: int
    tracks: tuple[TrackInfo, ...]
    samples: int
    data: bytes = field(repr=False)

    def init(self) -> bytes:
        """Give the initialisation segment it needs."""
        return init_segment(self.tracks)


class Segmenter:
    """Cuts one source's units into parts of one take."""

    def __init__(self, take: str) -> None:
        self._take = take
        self._info: GroupInfo | None = None
        self._tracks: tuple[TrackInfo, ...] = ()
        self._scales: dict[int, int] = {}
        self._primary = 0
        self._group_start: int | None = None
        self._part = 0
        self._open: dict[int, list[AccessUnit]] = {}
        self._last_dts: dict[int, int] = {}
        self.dropped = 0

    def begin(self, info: GroupInfo) -> list[Part]:
        """Take note of a new group. What was open of another epoch or configuration ends here."""
        done: list[Part] = []
        tracks = recorded_tracks(info.tracks)
        if self._info is not None and (self._info.epoch != info.epoch or tracks != self._tracks):
            done = self.flush()
            self._last_dts.clear()
        self._info = info
        self._tracks = tracks
        self._scales = {track.number: timescale(track) for track in tracks}
        video = next((track.number for track in tracks if track.kind is MediaKind.VIDEO), None)
        self._primary = video if video is not None else (tracks[0].number if tracks else 0)
        return done

    def push(self, unit: AccessUnit) -> list[Part]:
        """Take a unit; give the parts it completes."""
        if self._info is None or unit.track not in self._scales:
            return []
        last = self._last_dts.get(unit.track)
        if last is not None and unit.dts <= last:
            self.dropped += 1
            return []
        done: list[Part] = []
        if unit.track == self._primary and self._ends_part(unit):
            done = self._cut(unit)
        if self._group_start is None:
            if unit.track != self._primary:
                return done
            self._group_start = unit.dts
        self._last_dts[unit.track] = unit.dts
        self._open.setdefault(unit.track, []).append(unit)
        return done

    def flush(self) -> list[Part]:
        """End the stretch: give what is open."""
        done = self._cut(None)
        self._group_start = None
        self._part = 0
        return done

    def _ends_part(self, unit: AccessUnit) -> bool:
        waiting = self._open.get(self._primary)
        if not waiting or self._group_start is None:
            return False
        if waiting[0].group != unit.group:
            return True
        longest = int(PART_S * self._scales[self._primary])
        return unit.dts + unit.duration - waiting[0].dts > longest

    def _cut(self, following: AccessUnit | None) -> list[Part]:
        primary = self._open.get(self._primary)
        if not primary or self._info is None:
            return []
        group = primary[0].group
        runs: dict[int, list[Sample]] = {}
        for track in self._tracks:
            units = self._open.get(track.number)
            if units:
                end = following.dts if following is not None and track.number == self._primary else None
                runs[track.number] = _timed(units, end, self._scales[track.number])
        scale = self._scales[self._primary]
        run = runs[self._primary]
        length = sum(sample.duration for sample in run)
        name = PartName(self._take, self._info.epoch, group, self._part)
        sequence = (group * PARTS_PER_GROUP_MAX + self._part) % 0xFFFFFFFF + 1
        part = Part(
            self._info.epoch,
            group,
            self._part,
            primary[0].key,
            primary[0].dts * 1_000_000 // scale,
            (primary[0].dts + length) * 1_000_000 // scale - primary[0].dts * 1_000_000 // scale,
            primary[0].captured_us,
            self._tracks,
            sum(len(samples) for samples in runs.values()),
            media_part(name, sequence, runs),
        )
        self._open = {}
        if following is not None and following.group != group:
            self._group_start = following.dts
            self._part = 0
        else:
            self._part += 1
        return [part]


def _timed(units: list[AccessUnit], end: int | None, scale: int) -> list[Sample]:
    samples = [Sample(unit, following.dts - unit.dts) for unit, following in pairwise(units)]
    last = units[-1]
    duration = end - last.dts if end is not None else last.duration
    return [*samples, Sample(last, max(1, duration or scale // 25))]
