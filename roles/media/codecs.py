"""What codec configurations say: sizes and profiles from parameter sets, avcC, hvcC and AAC configs, and their strings.

Sources: ITU-T H.264 (7.3.2.1), ITU-T H.265 (7.3.2), ISO/IEC 14496-15 (avcC, hvcC), ISO/IEC 14496-3
(AudioSpecificConfig), RFC 6381 (codec strings). Invariant: parameter sets come from cameras, so everything here checks
its lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proto.codec import Malformed


def annexb_units(data: bytes) -> Iterator[bytes]:
    """Give the NAL units of an Annex B byte stream, without start codes or trailing zeros."""
    start = data.find(b"\x00\x00\x01")
    while start >= 0:
        following = data.find(b"\x00\x00\x01", start + 3)
        unit = data[start + 3 : following if following >= 0 else len(data)].rstrip(b"\x00")
        if unit:
            yield unit
        start = following


def is_annexb(data: bytes) -> bool:
    """Tell whether bytes begin with a start code."""
    return data[:3] == b"\x00\x00\x01" or data[:4] == b"\x00\x00\x00\x01"


def length_units(data: bytes, size: int = 4) -> Iterator[bytes]:
    """Give the NAL units of a length-prefixed access unit; Malformed when a length leaves it."""
    at = 0
    while at + size <= len(data):
        length = int.from_bytes(data[at : at + size], "big")
        at += size
        if at + length > len(data):
            raise Malformed("a NAL unit leaves its access unit")
        if length:
            yield data[at : at + length]
        at += length


def join_units(units: Iterator[bytes] | list[bytes]) -> bytes:
    """Give NAL units with 4-byte lengths."""
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def to_annexb(data: bytes) -> bytes:
    """Give a length-prefixed access unit as Annex B."""
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in length_units(data))


class _Bits:
    def __init__(self, unit: bytes) -> None:
        # Emulation prevention: 00 00 03 stands for 00 00.
        self._data = unit.replace(b"\x00\x00\x03", b"\x00\x00")
        self._at = 0

    def read(self, count: int) -> int:
        end = self._at + count
        if end > len(self._data) * 8:
            raise Malformed("a parameter set cut short")
        first, last = self._at // 8, (end + 7) // 8
        value = int.from_bytes(self._data[first:last], "big") >> (last * 8 - end)
        self._at = end
        return value & ((1 << count) - 1)

    def ue(self) -> int:
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise Malformed("an Exp-Golomb code too long")
        return (1 << zeros) - 1 + (self.read(zeros) if zeros else 0)

    def se(self) -> int:
        value = self.ue()
        return (value + 1) // 2 if value % 2 else -(value // 2)


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """What a video configuration says: size in pixels and the RFC 6381 string."""

    width: int
    height: int
    codec_string: str


def h264_config(avcc: bytes) -> VideoConfig:
    """Read an avcC record."""
    sets, _ = avcc_sets(avcc)
    if not sets:
        raise Malformed("avcC without a sequence parameter set")
    width, height = _h264_size(sets[0])
    return VideoConfig(width, height, f"avc1.{avcc[1]:02x}{avcc[2]:02x}{avcc[3]:02x}")


def avcc_sets(avcc: bytes) -> tuple[list[bytes], list[bytes]]:
    """Give the sequence and picture parameter sets of an avcC record."""
    if len(avcc) < 7 or avcc[0] != 1:
        raise Malformed("not an avcC record")
    sps, at = _sets(avcc, 6, avcc[5] & 31)
    pps, _ = _sets(avcc, at + 1, avcc[at] if at < len(avcc) else 0)
    return sps, pps


def _sets(data: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    units: list[bytes] = []
    for _ in range(count):
        length = int.from_bytes(data[at : at + 2], "big")
        unit = data[at + 2 : at + 2 + length]
        if len(unit) != length or not length:
            raise Malformed("a parameter set cut short")
        units.append(unit)
        at += 2 + length
    return units, at


def make_avcc(sps: list[bytes], pps: list[bytes]) -> bytes:
    """Give the avcC record of parameter sets; Malformed when there are none."""
    if not sps or not pps or len(sps[0]) < 4:
        raise Malformed("H.264 without parameter sets")
    first = sps[0]
    out = bytearray([1, first[1], first[2], first[3], 0xFF, 0xE0 | len(sps)])
    for unit in sps:
        out += len(unit).to_bytes(2, "big") + unit
    out.append(len(pps))
    for unit in pps:
        out += len(unit).to_bytes(2, "big") + unit
    if first[1] in (100, 110, 122, 144):
        bits = _Bits(first[4:])
        bits.ue()
        chroma = bits.ue()
        if chroma == 3:
            bits.read(1)
        out += bytes([0xFC | chroma, 0xF8 | bits.ue(), 0xF8 | bits.ue(), 0])
    return bytes(out)


def _h264_size(sps: bytes) -> tuple[int, int]:
    bits = _Bits(sps[1:])
    profile = bits.read(8)
    bits.read(16)
    bits.ue()
    chroma = 1
    if profile in (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135):
        chroma = bits.ue()
        if chroma == 3:
            bits.read(1)
        bits.ue()
        bits.ue()
        bits.read(1)
        if bits.read(1):
            _skip_scaling(bits, 8 if chroma != 3 else 12)
    bits.ue()
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.read(1)
        bits.se()
        bits.se()
        for _ in range(bits.ue()):
            bits.se()
    bits.ue()
    bits.read(1)
    width = (bits.ue() + 1) * 16
    rows = bits.ue() + 1
    frames_only = bits.read(1)
    height = rows * 16 * (2 - frames_only)
    if not frames_only:
        bits.read(1)
    bits.read(1)
    if bits.read(1):
        step_x = 2 if chroma in (1, 2) else 1
        step_y = (2 if chroma == 1 else 1) * (2 - frames_only)
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width -= (left + right) * step_x
        height -= (top + bottom) * step_y
    return width, height


def _skip_scaling(bits: _Bits, lists: int) -> None:
    for index in range(lists):
        if bits.read(1):
            last = following = 8
            for _ in range(16 if index < 6 else 64):
                if following:
                    following = (last + bits.se() + 256) % 256
                last = following or last


def hvcc_sets(hvcc: bytes) -> dict[int, list[bytes]]:
    """Give the parameter sets of an hvcC record by NAL unit type (32 VPS, 33 SPS, 34 PPS)."""
    if len(hvcc) < 23 or hvcc[0] != 1:
        raise Malformed("not an hvcC record")
    sets: dict[int, list[bytes]] = {}
    at = 23
    for _ in range(hvcc[22]):
        kind = hvcc[at] & 63 if at < len(hvcc) else 0
        units, at = _sets(hvcc, at + 3, int.from_bytes(hvcc[at + 1 : at + 3], "big"))
        sets.setdefault(kind, []).extend(units)
    return sets


def make_hvcc(vps: list[bytes], sps: list[bytes], pps: list[bytes]) -> bytes:
    """Give the hvcC record of parameter sets; Malformed when they are missing."""
    if not vps or not sps or not pps:
        raise Malformed("H.265 without parameter sets")
    bits = _Bits(sps[0][2:])
    bits.read(4)
    layers = bits.read(3)
    nested = bits.read(1)
    profile = bits.read(96).to_bytes(12, "big")
    _skip_sub_layers(bits, layers)
    bits.ue()
    chroma, _, _ = _h265_size(bits)
    luma_bits, chroma_bits = bits.ue(), bits.ue()
    out = bytearray([1]) + profile
    out += bytes([0xF0, 0, 0xFC, 0xFC | chroma, 0xF8 | luma_bits, 0xF8 | chroma_bits, 0, 0])
    out.append((layers + 1) << 3 | nested << 2 | 3)
    out.append(3)
    for kind, units in ((32, vps), (33, sps), (34, pps)):
        out.append(0x80 | kind)
        out += len(units).to_bytes(2, "big")
        for unit in units:
            out += len(unit).to_bytes(2, "big") + unit
    return bytes(out)


def _skip_sub_layers(bits: _Bits, layers: int) -> None:
    present = [(bits.read(1), bits.read(1)) for _ in range(layers)]
    if layers:
        bits.read(2 * (8 - layers))
    for profile, level in present:
        if profile:
            bits.read(88)
        if level:
            bits.read(8)


def _h265_size(bits: _Bits) -> tuple[int, int, int]:
    chroma = bits.ue()
    if chroma == 3:
        bits.read(1)
    width, height = bits.ue(), bits.ue()
    if bits.read(1):
        step_x = 2 if chroma in (1, 2) else 1
        step_y = 2 if chroma == 1 else 1
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width -= (left + right) * step_x
        height -= (top + bottom) * step_y
    return chroma, width, height


def h265_config(hvcc: bytes) -> VideoConfig:
    """Read an hvcC record."""
    sps = hvcc_sets(hvcc).get(33)
    if not sps:
        raise Malformed("hvcC without a sequence parameter set")
    bits = _Bits(sps[0][2:])
    bits.read(4)
    layers = bits.read(3)
    bits.read(1)
    bits.read(96)
    _skip_sub_layers(bits, layers)
    bits.ue()
    _, width, height = _h265_size(bits)
    space = ("", "A", "B", "C")[hvcc[1] >> 6]
    compatible = int(f"{int.from_bytes(hvcc[2:6], 'big'):032b}"[::-1], 2)
    tier = "H" if hvcc[1] & 0x20 else "L"
    constraints = hvcc[6:12].rstrip(b"\x00")
    tail = "".join(f".{byte:X}" for byte in constraints)
    return VideoConfig(width, height, f"hvc1.{space}{hvcc[1] & 31}.{compatible:X}.{tier}{hvcc[12]}{tail}")


def codec_string(codec: str, extradata: bytes) -> str:
    """Give the RFC 6381 string of a track's codec and configuration."""
    match codec:
        case "h264":
            return h264_config(extradata).codec_string
        case "hevc":
            return h265_config(extradata).codec_string
        case "aac":
            kind = extradata[0] >> 3 if extradata else 2
            return f"mp4a.40.{kind}"
        case "opus":
            return "opus"
        case _:
            raise Malformed(f"{codec} has no place in a part")
