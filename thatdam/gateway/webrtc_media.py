"""What WebRTC can show of a live track unchanged, and when its packets are to be shown.

Decides whether a source can go to browsers without being encoded again (H.264 without B-frames; a reason in words when
not), how its units look on the way (Annex B, parameter sets before each key frame), and what RTP times they carry.

A viewer begins with the current group from its start, so the first pictures are older than those that follow at once.
Their RTP times are drawn together to end at the present, or the browser would keep that age as its delay for ever.
Invariant: RTP times only grow, and never say that more time has passed than has.

Sources: RFC 6184 (H.264 over RTP), RFC 7742 (what browsers must take), RFC 7587 (Opus).
"""

from __future__ import annotations

from collections.abc import Sequence

from proto.codec import Malformed
from roles.media.codecs import avcc_sets, length_units
from roles.media.units import AccessUnit, MediaKind, TrackInfo

VIDEO_HZ = 90_000
AUDIO_HZ = 48_000
STEP_S = 0.001
"""Least time between two pictures on the RTP clock."""
SETTLED_S = 0.3
"""Pictures that came on time for this long are live."""
EARLY_S = 0.1
"""Once live, pictures that come earlier than this begin a new catching up: the path became shorter."""


def video_track(tracks: Sequence[TrackInfo]) -> TrackInfo | None:
    """Give the track with pictures, if any."""
    return next((track for track in tracks if track.kind is MediaKind.VIDEO), None)


def opus_track(tracks: Sequence[TrackInfo]) -> TrackInfo | None:
    """Give the Opus track, if any."""
    return next((track for track in tracks if track.codec == "opus"), None)


def webrtc_reason(tracks: Sequence[TrackInfo]) -> str:
    """Say why a source has no WebRTC preview, for the one who watches; empty when it has."""
    video = video_track(tracks)
    if video is None:
        return "This source has no pictures to show over WebRTC."
    if video.codec == "hevc":
        return NO_H265
    if video.codec != "h264":
        return f"WebRTC shows H.264, and this source is {video.codec}."
    try:
        sps, pps = avcc_sets(video.extradata)
    except Malformed:
        return "The source has not told its H.264 configuration."
    return "" if sps and pps else "The source has not told its H.264 configuration."


NO_H265 = "WebRTC has no H.265 preview; HLS plays it where the browser can."
B_FRAMES = "This H.264 source has B-frames, which WebRTC cannot show without encoding it again; HLS plays it."


class Order:
    """Watches for pictures that are shown in another order than they come."""

    def __init__(self) -> None:
        self._last: int | None = None

    def reordered(self, unit: AccessUnit) -> bool:
        """Take the next picture; tell whether it is shown before an earlier one."""
        before = self._last is not None and unit.pts < self._last and not unit.key
        self._last = unit.pts
        return before


class AnnexB:
    """Makes byte-stream units of a track's length-prefixed ones."""

    def __init__(self, track: TrackInfo) -> None:
        sps, pps = avcc_sets(track.extradata)
        self._sets = b"".join(b"\x00\x00\x00\x01" + unit for unit in (*sps, *pps))

    def convert(self, unit: AccessUnit) -> bytes:
        """Give a unit as Annex B, a key frame with its parameter sets in front; Malformed when it is none."""
        units = list(length_units(unit.data))
        body = b"".join(b"\x00\x00\x00\x01" + one for one in units)
        own_sets = any(one[0] & 31 == 7 for one in units)
        return self._sets + body if unit.key and not own_sets else body


class RtpTimes:
    """Gives pictures and sound their times on the RTP clocks. Times in seconds; ``now`` never goes back."""

    def __init__(self) -> None:
        self._shift_s: float | None = None
        self._least_s = 0.0
        self._last_s = -STEP_S
        self._early_at_s = 0.0

    @property
    def catching_up_since_s(self) -> float:
        """When the last picture came that was older than live."""
        return self._early_at_s

    def live(self, now: float) -> bool:
        """Tell whether what comes now is live, not the beginning that is caught up with."""
        return self._shift_s is not None and now - self._early_at_s >= SETTLED_S

    def video(self, at_s: float, now: float) -> int:
        """Give the RTP time of a picture whose own time is ``at_s``, in 1/90000 s."""
        if self._shift_s is None:
            self._shift_s, self._least_s, self._early_at_s = -at_s, now, now
        tolerance_s = EARLY_S if self.live(now) else 0.0
        due_s = at_s + self._shift_s
        if now - due_s < self._least_s - tolerance_s:
            # It came earlier than those before it: they were late, and this is nearer to live.
            if self._least_s - (now - due_s) > STEP_S * 5:
                self._early_at_s = now
            due_s = now - self._least_s
        due_s = max(due_s, self._last_s + STEP_S)
        self._shift_s = due_s - at_s
        self._last_s = due_s
        return round(due_s * VIDEO_HZ)

    def audio(self, at_s: float, now: float) -> int | None:
        """Give the RTP time of a sound packet, in 1/48000 s; None while it would only be old."""
        if self._shift_s is None or not self.live(now):
            return None
        return max(0, round((at_s + self._shift_s) * AUDIO_HZ))
