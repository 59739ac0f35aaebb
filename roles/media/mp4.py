"""A take as one MP4 file whose every byte can be asked for, though no such file exists.

ftyp, moov and sidx are made from the timeline; then come the parts with their times moved so that the take starts at
zero. Sizes are known from the pages alone, so a Range reads only the parts it touches.

Invariant: the bytes of a position never change while the timeline does not.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass

from roles.media.boxes import full_box
from roles.media.cmaf import merged_init, move_part, timescale
from roles.media.timeline import Placed, Timeline
from roles.media.units import TrackInfo

_SIDX_ENTRIES_MAX = 65535


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes ``start`` to ``end`` of the head (``placed`` is None), or of a part once it is moved."""

    placed: Placed | None
    number: int
    start: int
    end: int


class VirtualMp4:
    """The layout of a take's file; ValueError when the timeline is empty."""

    def __init__(self, line: Timeline) -> None:
        if not line.parts:
            raise ValueError("this take has no parts yet")
        self._parts = line.parts
        inits: dict[bytes, tuple[TrackInfo, ...]] = {}
        for placed in line.parts:
            inits.setdefault(placed.page.init, placed.page.tracks)
        self._entries = {init: number for number, init in enumerate(inits, 1)}
        self._scales = {track.number: timescale(track) for tracks in inits.values() for track in tracks}
        self._head = merged_init(list(inits.values()), line.duration_us // 1000) + self._sidx()
        self._starts: list[int] = []
        at = len(self._head)
        for placed in line.parts:
            self._starts.append(at)
            at += placed.entry.size
        self.size = at
        self.duration_us = line.duration_us

    @property
    def head(self) -> bytes:
        """The bytes before the first part."""
        return self._head

    def plan(self, start: int, end: int) -> list[Slice]:
        """Give the slices that make up bytes ``start`` to ``end`` (exclusive)."""
        slices: list[Slice] = []
        if start < len(self._head):
            slices.append(Slice(None, 0, start, min(end, len(self._head))))
        number = max(0, bisect_right(self._starts, start) - 1)
        while number < len(self._parts) and self._starts[number] < end:
            first = self._starts[number]
            size = self._parts[number].entry.size
            if first + size > start:
                slices.append(Slice(self._parts[number], number, max(0, start - first), min(size, end - first)))
            number += 1
        return slices

    def render(self, piece: Slice, part: bytes) -> bytes:
        """Give a slice's bytes; ``part`` is the whole stored part it belongs to (empty for the head)."""
        if piece.placed is None:
            return self._head[piece.start : piece.end]
        moved = move_part(
            part,
            piece.placed.shift_us,
            self._scales,
            entry=self._entries[piece.placed.page.init],
            sequence=piece.number + 1,
            not_before_us=piece.placed.not_before_us(first=piece.number == 0),
        )
        return moved[piece.start : piece.end]

    def _sidx(self) -> bytes:
        reference = min(self._scales)
        # The track's own time scale: FFmpeg takes the sidx's end for ticks of the track.
        scale = self._scales[reference]
        groups: list[list[Placed]] = []
        step = len(self._parts) // _SIDX_ENTRIES_MAX + 1
        for placed in self._parts:
            fresh = placed.entry.part == 0 or placed.after_gap
            if not groups or (fresh and len(groups[-1]) >= step):
                groups.append([])
            groups[-1].append(placed)
        rows = b""
        for number, group in enumerate(groups):
            end_us = (
                groups[number + 1][0].at_us
                if number + 1 < len(groups)
                else (group[-1].at_us + group[-1].entry.duration_us)
            )
            length = _ticks(end_us, scale) - _ticks(group[0].at_us, scale)
            size = sum(placed.entry.size for placed in group)
            sap = 0x90000000 if group[0].entry.key else 0
            rows += struct.pack(">III", size, max(1, length), sap)
        start = _ticks(self._parts[0].at_us, scale)
        head = struct.pack(">IIQQHH", reference, scale, start, 0, 0, len(groups))
        return full_box(b"sidx", 1, 0, head, rows)


def _ticks(at_us: int, scale: int) -> int:
    return at_us * scale // 1_000_000
