"""Names what a source gives: groups at key frames, numbers within, one epoch a time it is opened; and writes it out.

Invariant: nothing is written before the first key frame; a group's header is written before its units, and again with
each change of configuration; decoding times only grow.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from roles.media.units import AccessUnit, GroupInfo, MediaKind, TrackInfo
from roles.proxy.adapters.encoders import VIDEO_CLOCK, Coded
from roles.proxy.adapters.wire import GROUP, PICTURE, STATUS, UNIT, Status

STATUS_EVERY_S = 1.0
AUDIO_GROUP_S = 1.0
"""How often a source without pictures begins a new group."""


def wall_us() -> int:
    """Give UTC microseconds since 1970: a worker stamps what it captures with the machine's clock."""
    return time.time_ns() // 1000


class Emitter:
    """Writes one epoch of one source to the node; it comes after ``epoch_after``. Safe to call from several threads."""

    def __init__(self, write: Callable[[bytes], None] | None = None, epoch_after: int = 0) -> None:
        self._write = write or _stdout
        self._lock = threading.Lock()
        self.epoch = max(wall_us() // 1000, epoch_after + 1)
        self._tracks: dict[int, TrackInfo] = {}
        self._announced: tuple[TrackInfo, ...] = ()
        self._group = -1
        self._index = 0
        self._group_dts = 0
        self._last: dict[int, int] = {}
        self._newest_pts = 0
        self._status = Status("connecting")
        self._told_at = 0.0
        self._video = True
        self._units = 0
        self._bytes = 0
        self._counted_at = time.monotonic()

    def expect_video(self, video: bool) -> None:
        """Say whether groups begin at key frames, or, of a source of sound alone, every AUDIO_GROUP_S."""
        self._video = video

    def track(self, info: TrackInfo) -> None:
        """Take note of a track, or of its new configuration; it is announced with the next group."""
        with self._lock:
            self._tracks[info.number] = info
            if info.kind is MediaKind.VIDEO:
                self._status = replace(
                    self._status, codec=info.codec, width=info.width, height=info.height, frame_rate=info.frame_rate
                )

    def unit(self, number: int, coded: Coded, captured_us: int) -> None:
        """Write one unit; what comes before the first key frame, or goes back in time, is let go."""
        with self._lock:
            info = self._tracks[number]
            video = info.kind is MediaKind.VIDEO
            only_audio = not self._video
            begins = (video and coded.key) or (
                only_audio
                and number == min(self._tracks)
                and (self._group < 0 or coded.dts - self._group_dts >= AUDIO_GROUP_S * info.time_base[1])
            )
            if begins:
                self._group += 1
                self._index = 0
                self._group_dts = coded.dts
                self._announced = tuple(self._tracks[key] for key in sorted(self._tracks))
                self._write(GROUP + GroupInfo(self.epoch, self._group, self._announced).pack())
            if self._group < 0 or all(track.number != number for track in self._announced):
                return
            if coded.dts <= self._last.get(number, -1):
                return
            self._last[number] = coded.dts
            if video:
                if coded.pts < self._newest_pts and not self._status.reordered:
                    self._status = replace(self._status, reordered=True)
                self._newest_pts = max(self._newest_pts, coded.pts)
            unit = AccessUnit(
                number,
                self._group,
                self._index,
                max(0, coded.pts),
                coded.dts,
                max(0, coded.duration),
                coded.key,
                captured_us,
                coded.data,
            )
            self._index += 1
            self._units += 1
            self._bytes += len(coded.data)
            self._write(UNIT + unit.pack())
            now = time.monotonic()
            if self._status.state != "online" or now - self._told_at >= STATUS_EVERY_S:
                self._tell(now)

    def _tell(self, now: float) -> None:
        span = now - self._counted_at
        rate = int(self._bytes * 8 / span) if span > 0.5 else self._status.bit_rate
        if span >= 5:
            self._bytes, self._counted_at = 0, now
        self._status = replace(self._status, state="online", detail="", units=self._units, bit_rate=rate)
        self._told_at = now
        self._write(STATUS + self._status.pack())

    def jumped(self, jumps: int) -> None:
        """Say how often the source's times have jumped since it was opened; told with the next status."""
        with self._lock:
            self._status = replace(self._status, jumps=jumps)
            self._told_at = 0.0

    def picture(self, jpeg: bytes, captured_us: int) -> None:
        """Write a JPEG picture."""
        with self._lock:
            self._write(PICTURE + captured_us.to_bytes(8, "big") + jpeg)

    def state(self, state: str, detail: str = "", **more: object) -> None:
        """Tell how the source is doing."""
        with self._lock:
            self._status = replace(self._status, state=state, detail=detail[:1000], **more)  # type: ignore[arg-type]
            self._write(STATUS + self._status.pack())


def _stdout(frame: bytes) -> None:
    out = sys.stdout.buffer
    out.write(len(frame).to_bytes(4, "big"))
    out.write(frame)
    out.flush()


class Steady:
    """Puts a source's own times on the epoch's clock, and takes out and counts the jumps they make.

    Times are 1/90000 s. ``resume`` gives where on the epoch's clock a source goes on that begins, or that jumped. A
    source whose times agree with that clock has made no jump, however long it was silent.
    """

    JUMP = 10 * VIDEO_CLOCK
    BACK = VIDEO_CLOCK

    def __init__(self, resume: Callable[[], int]) -> None:
        self._resume = resume
        self._offset: int | None = None
        self._last = 0
        self.jumps = 0

    def dts(self, ticks: int) -> int:
        """Give a decoding time on the epoch's clock."""
        if self._offset is None:
            self._last = self._resume()
            self._offset = self._last - ticks
        at = ticks + self._offset
        if not self._last - self.BACK <= at <= self._last + self.JUMP:
            resumed = self._resume()
            if abs(at - resumed) > self.BACK:
                self.jumps += 1
                at = max(self._last + 1, resumed)
                self._offset = at - ticks
        self._last = max(self._last, at)
        return at

    def beside(self, ticks: int) -> int | None:
        """Give a time of another track of the same clock; None when that track jumped and this one has yet to."""
        if self._offset is None:
            return None
        at = ticks + self._offset
        return at if at >= 0 and abs(at - self._last) <= self.JUMP else None


def since_start() -> Callable[[], int]:
    """Give a clock of 1/90000 s that starts now."""
    start = time.monotonic()
    return lambda: int((time.monotonic() - start) * VIDEO_CLOCK)
