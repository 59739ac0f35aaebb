"""A camera without a worker: H.264 encoded in the test, with the time in its blocks, published on a hub at its pace."""

import asyncio
import time
from fractions import Fraction

import av
import numpy as np

from roles.media.codecs import annexb_units, join_units, make_avcc
from roles.media.units import AccessUnit, GroupInfo, MediaKind, TrackInfo

BLOCKS = 32
SIZE = (640, 360)
RATE = 25


class Source:
    """Makes units as a source's worker would: 25 pictures a second, a group every ``gop`` of them."""

    def __init__(self, bframes=0, gop=50, profile="baseline", size=SIZE):
        self.size, self.gop = size, gop
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = *size, "yuv420p"
        context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
        context.gop_size = gop
        context.options = {"preset": "ultrafast", "profile": profile, "bf": str(bframes), "forced-idr": "1"}
        if not bframes:
            context.options |= {"tune": "zerolatency"}
        context.open()
        self.context = context
        units = list(annexb_units(context.extradata or b""))
        self.number = 0
        self.track = None
        self.group = -1
        self.index = 0
        if units:
            self._configure(units)

    def _configure(self, units):
        sps = [unit for unit in units if unit[0] & 31 == 7][:1]
        pps = [unit for unit in units if unit[0] & 31 == 8][:1]
        self.track = TrackInfo(1, MediaKind.VIDEO, "h264", make_avcc(sps, pps), (1, 90000), *self.size, RATE)

    def picture(self):
        width, height = self.size
        plane = np.full((height * 3 // 2, width), 128, np.uint8)
        plane[:height] = (np.arange(width) + self.number * 3) % 200 + 20
        stamp = time.time_ns() // 1_000_000 & (1 << BLOCKS) - 1
        edge = width // BLOCKS
        for bit in range(BLOCKS):
            white = stamp >> (BLOCKS - 1 - bit) & 1
            plane[:edge, bit * edge : (bit + 1) * edge] = 235 if white else 16
        frame = av.VideoFrame.from_ndarray(plane, "yuv420p")
        frame.pts, frame.time_base = self.number, Fraction(1, RATE)
        self.number += 1
        return frame

    def units(self):
        """Give the next units, with the header of the group each begins, if it does."""
        made = []
        for packet in self.context.encode(self.picture()):
            units = list(annexb_units(bytes(packet)))
            if self.track is None:
                self._configure(units)
            header = None
            if packet.is_keyframe:
                self.group, self.index = self.group + 1, 0
                header = GroupInfo(1, self.group, (self.track,)).pack()
            data = join_units([unit for unit in units if unit[0] & 31 in (1, 5)])
            ticks = 90000 // RATE
            unit = AccessUnit(
                1,
                self.group,
                self.index,
                packet.pts * ticks,
                packet.dts * ticks,
                ticks,
                packet.is_keyframe,
                time.time_ns() // 1000,
                data,
            )
            self.index += 1
            made.append((header, unit))
        return made

    def publish(self, publisher):
        for header, unit in self.units():
            if header is not None:
                publisher.begin(unit.group, header)
            publisher.object(unit.pack())

    async def run(self, publisher):
        start = asyncio.get_running_loop().time() - self.number / RATE
        while True:
            self.publish(publisher)
            await asyncio.sleep(max(0.0, start + self.number / RATE - asyncio.get_running_loop().time()))


def age_ms(luma, size):
    """Read the age of a decoded picture (rows of luma) from its blocks."""
    edge = size[0] // BLOCKS
    stamp = 0
    for bit in range(BLOCKS):
        stamp = stamp << 1 | int(luma[edge // 2][bit * edge + edge // 2] > 128)
    return (time.time_ns() // 1_000_000 & (1 << BLOCKS) - 1) - stamp
