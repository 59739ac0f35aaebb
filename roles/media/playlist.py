"""HLS playlists (RFC 8216) over CMAF parts.

A segment is the run of parts from one that starts with a key frame to the next such, at most ``SEGMENT_S`` where key
frames are rarer. Invariant: EXT-X-TARGETDURATION is at least every segment's rounded duration.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from roles.media.codecs import codec_string
from roles.media.timeline import Placed
from roles.media.units import MediaKind, TrackInfo

SEGMENT_S = 2.0
TARGET_S = 10
"""Longest GOP a segment can hold without a change of the target duration."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Parts that are served as one."""

    parts: tuple[Placed, ...]

    @property
    def duration_s(self) -> float:
        """Seconds it lasts."""
        return sum(placed.entry.duration_us for placed in self.parts) / 1e6

    @property
    def name(self) -> str:
        """Where it begins and how many parts it has: the same for ever once it is whole."""
        entry = self.parts[0].entry
        return f"{entry.epoch}-{entry.group}-{entry.part}-{len(self.parts)}"


def segments(parts: Sequence[Placed], *, whole: bool) -> list[Segment]:
    """Cut parts into segments; unless ``whole``, the last is left out, as it may still grow."""
    made: list[Segment] = []
    run: list[Placed] = []
    length_us = 0
    for placed in parts:
        starts = placed.after_gap or (placed.entry.key and placed.entry.part == 0 and length_us > 0)
        if run and ((starts and (placed.after_gap or length_us >= SEGMENT_S * 0.4e6)) or length_us >= TARGET_S * 0.9e6):
            made.append(Segment(tuple(run)))
            run, length_us = [], 0
        run.append(placed)
        length_us += placed.entry.duration_us
    if run and whole:
        made.append(Segment(tuple(run)))
    return made


def media_playlist(
    cut: Sequence[Segment],
    *,
    ended: bool,
    live: bool = False,
    sequence: int = 0,
    discontinuities: int = 0,
    target_s: int | None = None,
    segment_uri: Callable[[Segment], str],
    init_uri: Callable[[Placed], str],
) -> str:
    """Give a media playlist. ``live``: a window that slides; else it grows (EVENT) until ``ended``.

    ``target_s`` is the target duration where the segments to come are known not to be longer; players stay some three
    of it behind live.
    """
    least = TARGET_S if target_s is None else target_s
    target = max([least if not ended else 1, *(math.ceil(segment.duration_s) for segment in cut)])
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{target}", f"#EXT-X-MEDIA-SEQUENCE:{sequence}"]
    if discontinuities:
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}")
    if not live:
        lines.append(f"#EXT-X-PLAYLIST-TYPE:{'VOD' if ended else 'EVENT'}")
    lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    init: bytes | None = None
    for number, segment in enumerate(cut):
        first = segment.parts[0]
        if number and (first.after_gap or first.page.init != init):
            lines.append("#EXT-X-DISCONTINUITY")
            init = None
        if first.page.init != init:
            lines.append(f'#EXT-X-MAP:URI="{init_uri(first)}"')
            init = first.page.init
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{rfc3339(first.entry.captured_us)}")
        lines.append(f"#EXTINF:{segment.duration_s:.6f},")
        lines.append(segment_uri(segment))
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def rfc3339(wall_us: int) -> str:
    """Give UTC microseconds since 1970 as RFC 3339 text with milliseconds."""
    moment = datetime.datetime.fromtimestamp(wall_us // 1000 / 1000, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def multivariant(tracks: Sequence[TrackInfo], bandwidth: int, media_uri: str) -> str:
    """Give a multivariant playlist with one variant."""
    codecs = ",".join(codec_string(track.codec, track.extradata) for track in tracks)
    attributes = [f"BANDWIDTH={max(1, bandwidth)}", f'CODECS="{codecs}"']
    video = next((track for track in tracks if track.kind is MediaKind.VIDEO), None)
    if video is not None and video.width and video.height:
        attributes.append(f"RESOLUTION={video.width}x{video.height}")
    if video is not None and video.frame_rate:
        attributes.append(f"FRAME-RATE={video.frame_rate:.3f}")
    head = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
    return f"{head}#EXT-X-STREAM-INF:{','.join(attributes)}\n{media_uri}\n"
