"""The test source: bars, a moving mark, the wall clock and frame number to read, the same time as blocks for machines,
and a tone.

``test:?size=1280x720&rate=25&tone=440``. The blocks along the top are BLOCKS squares, white for 1: UTC milliseconds
since 1970, the lowest BLOCKS bits, the highest first; a picture that was decoded anywhere tells its age.
"""

from __future__ import annotations

import datetime
import time
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from roles.proxy.adapters.emitter import Emitter, wall_us
from roles.proxy.adapters.encoders import VIDEO_CLOCK, AudioEncoder, H264Encoder, jpeg
from roles.proxy.adapters.switch import Pictures
from roles.proxy.sources import TestPicture

BLOCKS = 32
_TONE_CHUNK_S = 0.02
_SEGMENTS = {
    "0": "abcdef",
    "1": "bc",
    "2": "abged",
    "3": "abgcd",
    "4": "fgbc",
    "5": "afgcd",
    "6": "afgedc",
    "7": "abc",
    "8": "abcdefg",
    "9": "abfgcd",
    "-": "g",
}
_BARS = ((180, 128, 128), (162, 44, 142), (131, 156, 44), (112, 72, 58), (84, 184, 198), (65, 100, 212), (35, 212, 114))
Plane = npt.NDArray[np.uint8]


def _glyph(letter: str, height: int) -> Plane:
    width, pen = height * 6 // 10, max(2, height // 8)
    if letter in ":.":
        picture = np.zeros((height, pen * 3), np.uint8)
        for at in [height // 3, height * 2 // 3] if letter == ":" else [height - pen]:
            picture[at : at + pen, pen : 2 * pen] = 1
        return picture
    picture = np.zeros((height, width + pen * 2), np.uint8)
    middle = height // 2
    places = {
        "a": (slice(0, pen), slice(0, width)),
        "g": (slice(middle - pen // 2, middle - pen // 2 + pen), slice(0, width)),
        "d": (slice(height - pen, height), slice(0, width)),
        "f": (slice(0, middle), slice(0, pen)),
        "e": (slice(middle, height), slice(0, pen)),
        "b": (slice(0, middle), slice(width - pen, width)),
        "c": (slice(middle, height), slice(width - pen, width)),
    }
    for segment in _SEGMENTS.get(letter, ""):
        picture[places[segment]] = 1
    return picture


class Pattern:
    """Draws the test picture into the planes of a YUV 4:2:0 frame."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._base = np.empty((height * 3 // 2, width), np.uint8)
        luma = self._base[:height]
        chroma = self._base[height:].reshape(2, height // 2, width // 2)
        edges = [width * bar // len(_BARS) // 2 * 2 for bar in range(len(_BARS) + 1)]
        for (y, u, v), left, right in zip(_BARS, edges, edges[1:], strict=False):
            luma[:, left:right] = y
            chroma[0, :, left // 2 : right // 2] = u
            chroma[1, :, left // 2 : right // 2] = v
        luma[height * 2 // 3 : height * 3 // 4] = np.linspace(16, 235, width).astype(np.uint8)
        chroma[:, height // 3 : height * 3 // 8] = 128
        self._letter = max(16, height // 12)
        self._glyphs = {letter: _glyph(letter, self._letter) for letter in "0123456789:.-"}

    def draw(self, number: int, now_us: int) -> Plane:
        """Give the planes (height * 3 / 2 rows of width bytes) of frame ``number`` captured at ``now_us``."""
        planes = self._base.copy()
        luma = planes[: self.height]
        self._blocks(luma, planes, now_us // 1000)
        size = self.height // 10
        left = number * 8 % max(1, self.width - size)
        luma[self.height * 4 // 5 : self.height * 4 // 5 + size, left : left + size] = 235
        moment = datetime.datetime.fromtimestamp(now_us / 1e6, datetime.UTC)
        self._text(luma, self.height // 3, f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}")
        self._text(luma, self.height // 3 + self._letter * 3 // 2, f"{number:07d}")
        return planes

    def _blocks(self, luma: Plane, planes: Plane, ms: int) -> None:
        size = self.width // BLOCKS
        bits = np.array([(ms >> (BLOCKS - 1 - bit)) & 1 for bit in range(BLOCKS)], np.uint8)
        luma[:size, : size * BLOCKS] = np.repeat(bits * 219 + 16, size)[None]
        chroma = planes[self.height :].reshape(2, self.height // 2, self.width // 2)
        chroma[:, : size // 2] = 128

    def _text(self, luma: Plane, top: int, text: str) -> None:
        glyphs = [self._glyphs[letter] for letter in text]
        line = np.hstack(glyphs)
        left = max(0, (self.width - line.shape[1]) // 2)
        line = line[:, : self.width - left]
        pad = self._letter // 4
        luma[top - pad : top + self._letter + pad, max(0, left - pad) : left + line.shape[1] + pad] = 16
        luma[top : top + self._letter, left : left + line.shape[1]] += line * 219


def read_clock(luma: Plane) -> int:
    """Give the lowest BLOCKS bits of the milliseconds a decoded test picture shows; ``luma`` is its rows of grey."""
    size = luma.shape[1] // BLOCKS
    ms = 0
    for bit in range(BLOCKS):
        ms = ms << 1 | int(luma[size // 2, bit * size + size // 2] > 125)
    return ms


def run(shown: TestPicture, emitter: Emitter, pictures: Pictures) -> None:
    """Give the test picture and tone until the process ends."""
    width, height = shown.width // 2 * 2, shown.height // 2 * 2
    rate, tone = shown.rate, shown.tone
    pattern = Pattern(width, height)
    video = H264Encoder(1, width, height, rate)
    sound = [AudioEncoder(2, "aac", 1), AudioEncoder(3, "libopus", 1)] if tone else []
    for encoder in sound:
        emitter.track(encoder.track)
    start_us, start = wall_us(), time.monotonic()
    number, sounded = 0, 0
    announced = False
    while True:
        due = start + number / rate
        pause = due - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        elif pause < -1.0:
            number = int((time.monotonic() - start) * rate)  # this machine is too slow: frames are left out, not queued
        now_us = wall_us()
        frame = av.VideoFrame.from_ndarray(pattern.draw(number, now_us), "yuv420p")
        if pictures.due():
            emitter.picture(jpeg(frame), now_us)
        for coded in video.encode(frame, round(number * VIDEO_CLOCK / rate)):
            if not announced and video.track is not None:
                emitter.track(video.track)
                emitter.state("online", encoder=video.encoder)
                announced = True
            emitter.unit(1, coded, now_us)
        until = int((number + 1) / rate / _TONE_CHUNK_S)
        for chunk in range(sounded, until if sound else sounded):
            samples = int(AudioEncoder.RATE * _TONE_CHUNK_S)
            at = np.arange(chunk * samples, (chunk + 1) * samples)
            wave = (np.sin(at * (tone * 2 * np.pi / AudioEncoder.RATE)) * 3276).astype(np.int16)
            for encoder in sound:
                heard = av.AudioFrame.from_ndarray(wave[None], "s16", "mono")
                heard.sample_rate, heard.time_base = AudioEncoder.RATE, Fraction(1, AudioEncoder.RATE)
                for coded in encoder.encode(heard, chunk * _TONE_CHUNK_S):
                    emitter.unit(encoder.track.number, coded, start_us + round(chunk * _TONE_CHUNK_S * 1e6))
        sounded = max(sounded, until)
        number += 1
