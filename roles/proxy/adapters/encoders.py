"""Encoders: raw video once to H.264 without B-frames, audio once to AAC and once to Opus, pictures to JPEG.

Hardware is used only where a real encode of a real picture worked; the software encoder is always there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
import av.logging
import numpy as np

from roles.media.codecs import annexb_units, is_annexb, join_units, make_avcc
from roles.media.units import MediaKind, TrackInfo

VIDEO_CLOCK = 90000
GOP_S = 2.0
HARDWARE_H264 = ("h264_nvenc", "h264_qsv", "h264_videotoolbox", "h264_v4l2m2m")
JPEG_WIDTH_MAX = 960


@dataclass(frozen=True, slots=True)
class Coded:
    """A coded unit; times in the track's time base."""

    pts: int
    dts: int
    duration: int
    key: bool
    data: bytes


def _make(name: str, width: int, height: int, rate: float, bit_rate: int) -> av.VideoCodecContext:
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, VIDEO_CLOCK)
    context.framerate = Fraction(rate).limit_denominator(1001)
    context.gop_size = max(1, round(rate * GOP_S))
    context.max_b_frames = 0
    context.bit_rate = bit_rate
    if name == "libx264":
        context.thread_count = 2
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "profile": "baseline",
            "maxrate": str(bit_rate * 2),
            "bufsize": str(bit_rate),
            "forced-idr": "1",
        }
    return context


@functools.cache
def h264_encoder() -> str:
    """Give the name of the H.264 encoder that works here: hardware when a real encode did, else libx264."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.PANIC)  # that hardware is missing is no news
    try:
        return next((name for name in HARDWARE_H264 if _works(name)), "libx264")
    finally:
        av.logging.set_level(level)


def _works(name: str) -> bool:
    try:
        context = _make(name, 640, 360, 25, 1_000_000)
        frame = av.VideoFrame.from_ndarray(np.full((540, 640), 128, np.uint8), "yuv420p")
        frame.pts, frame.time_base = 0, Fraction(1, VIDEO_CLOCK)
        return bool([*context.encode(frame), *context.encode(None)])
    except (av.error.FFmpegError, ValueError, av.codec.codec.UnknownCodecError):
        return False


class H264Encoder:
    """Encodes pictures once; the track's configuration is known after the first."""

    def __init__(self, number: int, width: int, height: int, rate: float) -> None:
        self._number = number
        self._rate = rate or 25.0
        self._size = (width // 2 * 2, height // 2 * 2)
        pixels = self._size[0] * self._size[1] * self._rate
        self._bit_rate = int(min(20e6, max(400e3, pixels * 0.1)))
        self.encoder = h264_encoder()
        self._context = _make(self.encoder, *self._size, self._rate, self._bit_rate)
        self._last = -1
        self.track: TrackInfo | None = None

    def encode(self, frame: av.VideoFrame, pts: int) -> Iterator[Coded]:
        """Encode a picture at ``pts`` (1/90000 s)."""
        if frame.format.name != "yuv420p" or (frame.width, frame.height) != self._size:
            frame = frame.reformat(*self._size, format="yuv420p")
        frame.pts = self._last = max(pts, self._last + 1)
        frame.time_base = Fraction(1, VIDEO_CLOCK)
        frame.pict_type = av.video.frame.PictureType.NONE
        for packet in self._context.encode(frame):
            units = list(annexb_units(bytes(packet)))
            if self.track is None:
                self._configure(units)
            data = join_units([unit for unit in units if unit[0] & 31 not in (7, 8, 9)])
            at = packet.pts if packet.pts is not None else frame.pts
            yield Coded(at, at, round(VIDEO_CLOCK / self._rate), packet.is_keyframe, data)

    def _configure(self, units: list[bytes]) -> None:
        extra = self._context.extradata or b""
        units = [*(annexb_units(extra) if is_annexb(extra) else ()), *units]
        sps = [unit for unit in units if unit[0] & 31 == 7][:1]
        pps = [unit for unit in units if unit[0] & 31 == 8][:1]
        self.track = TrackInfo(
            self._number,
            MediaKind.VIDEO,
            "h264",
            make_avcc(sps, pps),
            (1, VIDEO_CLOCK),
            *self._size,
            frame_rate=self._rate,
            bit_rate=self._bit_rate,
        )


class AudioEncoder:
    """Encodes sound once to ``codec`` (aac or libopus) at 48 kHz, mono or stereo."""

    RATE = 48000

    def __init__(self, number: int, codec: str, channels: int) -> None:
        layout = "mono" if channels == 1 else "stereo"
        self._opus = codec == "libopus"
        context = av.CodecContext.create(codec, "w")
        assert isinstance(context, av.AudioCodecContext)
        context.sample_rate, context.layout = self.RATE, layout
        context.format = "s16" if self._opus else "fltp"
        context.bit_rate = 64000 if self._opus else 96000 * min(channels, 2)
        context.time_base = Fraction(1, self.RATE)
        if self._opus:
            context.options = {"application": "audio", "frame_duration": "20"}
        context.open()
        self._context = context
        self._size = context.frame_size or 960
        self._resampler = av.AudioResampler("s16" if self._opus else "fltp", layout, self.RATE, self._size)
        self._next: int | None = None
        self.track = TrackInfo(
            number,
            MediaKind.AUDIO,
            "opus" if self._opus else "aac",
            bytes(context.extradata or b""),
            (1, self.RATE),
            sample_rate=self.RATE,
            channels=min(channels, 2),
            bit_rate=context.bit_rate or 0,
        )

    def encode(self, frame: av.AudioFrame, at_s: float) -> Iterator[Coded]:
        """Encode a frame captured ``at_s`` seconds after the epoch's start."""
        if self._next is None:
            self._next = max(0, round(at_s * self.RATE))
        frame.pts = None
        for whole in self._resampler.resample(frame):
            whole.pts = None
            for packet in self._context.encode(whole):
                yield Coded(self._next, self._next, self._size, True, bytes(packet))
                self._next += self._size


def jpeg(frame: av.VideoFrame, width_max: int = JPEG_WIDTH_MAX) -> bytes:
    """Give a picture as JPEG, at most ``width_max`` pixels wide."""
    width = min(frame.width, width_max) // 2 * 2
    height = max(2, round(frame.height * width / frame.width) // 2 * 2)
    context = av.CodecContext.create("mjpeg", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuvj420p"
    context.time_base = Fraction(1, 25)
    context.options = {"qmin": "2", "qmax": "8"}
    small = frame.reformat(width, height, "yuvj420p", dst_color_range="JPEG")
    small.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(small), *context.encode(None)])
