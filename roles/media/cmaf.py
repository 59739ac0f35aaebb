"""CMAF: initialisation segments and media parts (ISO/IEC 23000-19 over ISO/IEC 14496-12), made from access units alone.

Invariant: the bytes depend on nothing but the units, their tracks and the part's name, so two recorders of one source
make the same parts. Each part's moof ends with a ``uuid`` box that names it, so that an orphan found after a crash can
be put back. ``tfdt`` counts from the source's epoch; whoever serves a part elsewhere moves it with ``move_part``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from proto import codec
from proto.codec import Malformed, Max
from roles.media.boxes import Found, box, find, full_box, walk
from roles.media.codecs import h264_config, h265_config
from roles.media.units import AccessUnit, MediaKind, TrackInfo

NAME_UUID = bytes.fromhex("7468617464616d2d706172742d6e616d")
"""Type of the box that names a part ("thatdam-part-nam")."""
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_SYNC, _NO_SYNC = 0x02000000, 0x01010000
RECORDABLE = ("h264", "hevc", "aac", "opus")


@dataclass(frozen=True, slots=True)
class PartName:
    """What a part is: which take, source epoch, group, number in the group."""

    take: Annotated[str, Max(26)]
    epoch: int
    group: int
    part: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A unit with the duration it has in the part, in ticks of its track."""

    unit: AccessUnit
    duration: int


def timescale(track: TrackInfo) -> int:
    """Give a track's ticks a second; Malformed unless its time base is 1/n."""
    numerator, denominator = track.time_base
    if numerator != 1 or denominator <= 0:
        raise Malformed("a recorded track's time base is 1/n")
    return denominator


def recorded_tracks(tracks: Sequence[TrackInfo]) -> tuple[TrackInfo, ...]:
    """Give the tracks that go into parts: every video, and one audio, AAC before Opus."""
    video = [track for track in tracks if track.kind is MediaKind.VIDEO and track.codec in RECORDABLE]
    audio = [track for track in tracks if track.kind is MediaKind.AUDIO and track.codec in RECORDABLE]
    audio.sort(key=lambda track: track.codec != "aac")
    return (*video, *audio[:1])


def init_segment(tracks: Sequence[TrackInfo], duration_ms: int = 0) -> bytes:
    """Give ftyp and moov for tracks; ``duration_ms`` is stated in mehd when known."""
    moov = [full_box(b"mvhd", 0, 0, struct.pack(">IIII", 0, 0, 1000, 0), _movie_rest())]
    moov += [_trak([track]) for track in tracks]
    moov.append(_mvex(tracks, duration_ms))
    return box(b"ftyp", b"iso6", struct.pack(">I", 1), b"iso6cmfcmp41") + box(b"moov", *moov)


def merged_init(inits: Sequence[Sequence[TrackInfo]], duration_ms: int) -> bytes:
    """Give one moov for stretches of different configuration: a sample entry each, in order."""
    tracks = list(inits[0])
    moov = [full_box(b"mvhd", 0, 0, struct.pack(">IIII", 0, 0, 1000, 0), _movie_rest())]
    for track in tracks:
        same = [other for one in inits for other in one if other.number == track.number]
        moov.append(_trak(same))
    moov.append(_mvex(tracks, duration_ms))
    return box(b"ftyp", b"iso6", struct.pack(">I", 1), b"iso6mp41") + box(b"moov", *moov)


def _movie_rest() -> bytes:
    return struct.pack(">IHHII", 0x10000, 0x100, 0, 0, 0) + _MATRIX + bytes(24) + struct.pack(">I", 0xFFFFFFFF)


def _mvex(tracks: Sequence[TrackInfo], duration_ms: int) -> bytes:
    boxes = [full_box(b"mehd", 1, 0, struct.pack(">Q", duration_ms))] if duration_ms else []
    boxes += [full_box(b"trex", 0, 0, struct.pack(">IIIII", track.number, 1, 0, 0, 0)) for track in tracks]
    return box(b"mvex", *boxes)


def _trak(configurations: Sequence[TrackInfo]) -> bytes:
    track = configurations[0]
    video = track.kind is MediaKind.VIDEO
    width, height = (_size(track)) if video else (0, 0)
    tkhd = full_box(
        b"tkhd",
        0,
        7,
        struct.pack(">IIIII", 0, 0, track.number, 0, 0),
        struct.pack(">IIHHHH", 0, 0, 0, 0 if video else 1, 0 if video else 0x100, 0),
        _MATRIX,
        struct.pack(">II", width << 16, height << 16),
    )
    mdhd = full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, timescale(track), 0, 0x55C4, 0))
    handler = b"vide" if video else b"soun"
    hdlr = full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(12), b"ThatDAM\0")
    media = full_box(b"vmhd", 0, 1, bytes(8)) if video else full_box(b"smhd", 0, 0, bytes(4))
    dinf = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
    entries = [_sample_entry(configuration) for configuration in configurations]
    stbl = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", len(entries)), *entries),
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )
    return box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, box(b"minf", media, dinf, stbl)))


def _size(track: TrackInfo) -> tuple[int, int]:
    if track.width and track.height:
        return track.width, track.height
    config = h264_config(track.extradata) if track.codec == "h264" else h265_config(track.extradata)
    return config.width, config.height


def _sample_entry(track: TrackInfo) -> bytes:
    if track.kind is MediaKind.VIDEO:
        width, height = _size(track)
        kind, configuration = (b"avc1", b"avcC") if track.codec == "h264" else (b"hvc1", b"hvcC")
        head = bytes(6) + struct.pack(">H", 1) + bytes(16) + struct.pack(">HHIII", width, height, 0x480000, 0x480000, 0)
        head += struct.pack(">H", 1) + bytes(32) + struct.pack(">Hh", 0x18, -1)
        return box(kind, head, box(configuration, track.extradata), box(b"pasp", struct.pack(">II", 1, 1)))
    rate = track.sample_rate if track.sample_rate < 65536 else 0
    head = bytes(6) + struct.pack(">H", 1) + bytes(8)
    head += struct.pack(">HHIHH", track.channels or 2, 16, 0, rate, 0)
    if track.codec == "opus":
        return box(b"Opus", head, box(b"dOps", _dops(track)))
    return box(b"mp4a", head, full_box(b"esds", 0, 0, _esds(track.extradata, track.bit_rate)))


def _dops(track: TrackInfo) -> bytes:
    extra = track.extradata
    if len(extra) >= 19 and extra[:8] == b"OpusHead":
        skip, rate, gain = struct.unpack_from("<HIh", extra, 10)
        return struct.pack(">BBHIhB", 0, extra[9], skip, rate, gain, 0)
    return struct.pack(">BBHIhB", 0, track.channels or 2, 312, 48000, 0, 0)


def _descriptor(tag: int, payload: bytes) -> bytes:
    size = len(payload)
    return bytes([tag, 0x80 | size >> 21 & 127, 0x80 | size >> 14 & 127, 0x80 | size >> 7 & 127, size & 127]) + payload


def _esds(config: bytes, bit_rate: int) -> bytes:
    decoder = bytes([0x40, 0x15]) + bytes(3) + struct.pack(">II", bit_rate, bit_rate) + _descriptor(5, config)
    return _descriptor(3, struct.pack(">HB", 1, 0) + _descriptor(4, decoder) + _descriptor(6, b"\x02"))


def media_part(name: PartName, sequence: int, runs: Mapping[int, Sequence[Sample]]) -> bytes:
    """Give one part: its name, moof and mdat. ``runs`` maps track numbers to samples in decoding order, none empty."""
    named = box(b"uuid", NAME_UUID, codec.encode(name))
    moof_size = len(_moof(sequence, runs, 0, named))
    moof = _moof(sequence, runs, moof_size + 8, named)
    return moof + box(b"mdat", *(sample.unit.data for samples in runs.values() for sample in samples))


def _moof(sequence: int, runs: Mapping[int, Sequence[Sample]], offset: int, named: bytes) -> bytes:
    trafs = []
    for number, samples in runs.items():
        tfhd = full_box(b"tfhd", 0, 0x020002, struct.pack(">II", number, 1))
        tfdt = full_box(b"tfdt", 1, 0, struct.pack(">Q", samples[0].unit.dts))
        rows = b"".join(
            struct.pack(
                ">IIIi",
                sample.duration,
                len(sample.unit.data),
                _SYNC if sample.unit.key else _NO_SYNC,
                sample.unit.pts - sample.unit.dts,
            )
            for sample in samples
        )
        trun = full_box(b"trun", 1, 0xF01, struct.pack(">Ii", len(samples), offset), rows)
        trafs.append(box(b"traf", tfhd, tfdt, trun))
        offset += sum(len(sample.unit.data) for sample in samples)
    return box(b"moof", full_box(b"mfhd", 0, 0, struct.pack(">I", sequence)), *trafs, named)


def name_of_part(data: bytes) -> PartName | None:
    """Give the name a part carries, or None when these bytes are no part of ours."""
    try:
        found = find(data, b"moof", b"uuid")
        if found is None or data[found.body : found.body + 16] != NAME_UUID:
            return None
        return codec.decode(PartName, data[found.body + 16 : found.end])
    except Malformed:
        return None


def move_part(
    data: bytes,
    shift_us: int,
    timescales: Mapping[int, int],
    *,
    entry: int = 1,
    sequence: int = 0,
    not_before_us: int | None = None,
) -> bytes:
    """Give a part ``shift_us`` microseconds later, using sample entry ``entry``, with a sequence number if not 0.

    What starts before ``not_before_us``, as sound from before a stretch's first picture does, is left out of the
    index: it would overlap what comes before. The part keeps its size.
    """
    moved = bytearray(data)
    moof = find(data, b"moof")
    if moof is None:
        raise Malformed("a part without moof")
    for child in walk(data, moof.body, moof.end):
        if child.kind == b"mfhd" and sequence:
            struct.pack_into(">I", moved, child.body + 4, sequence)
        if child.kind != b"traf":
            continue
        number = base = first = decode_at = 0
        for inner in walk(data, child.body, child.end):
            if inner.kind == b"tfhd":
                (number,) = struct.unpack_from(">I", data, inner.body + 4)
                struct.pack_into(">I", moved, inner.body + 8, entry)
                first = (not_before_us or 0) * timescales[number] // 1_000_000
            elif inner.kind == b"tfdt":
                (base,) = struct.unpack_from(">Q", data, inner.body + 4)
                base += shift_us * timescales[number] // 1_000_000
                decode_at = inner.body + 4
            elif inner.kind == b"trun" and not_before_us is not None:
                base = _leave_out(moved, inner, base, first - timescales[number] // 1000)
        if decode_at:
            struct.pack_into(">Q", moved, decode_at, max(0, base))
    return bytes(moved)


_ROW = struct.Struct(">IIIi")


def _leave_out(moved: bytearray, run: Found, base: int, first: int) -> int:
    """Take the samples that start before ``first`` out of a run, but not the last; gives when the next one starts.

    Their rows' room becomes a free box behind the run, so that nothing else moves.
    """
    count, offset = struct.unpack_from(">Ii", moved, run.body + 4)
    rows = run.body + 12
    if rows + _ROW.size * count > run.end:
        raise Malformed("a run cut short")
    gone = 0
    while gone < count - 1 and base < first:
        duration, size, _, _ = _ROW.unpack_from(moved, rows + _ROW.size * gone)
        base, offset, gone = base + duration, offset + size, gone + 1
    if gone:
        freed = _ROW.size * gone
        moved[rows : run.end] = moved[rows + freed : run.end] + box(b"free", bytes(freed - 8))
        struct.pack_into(">I", moved, run.start, run.end - run.start - freed)
        struct.pack_into(">Ii", moved, run.body + 4, count - gone, offset)
    return base


@dataclass(frozen=True, slots=True)
class Described:
    """What a part's own bytes say of one track's run: ticks, and whether it starts with a key frame."""

    dts: int
    duration: int
    samples: int
    key: bool


def describe_part(data: bytes) -> dict[int, Described]:
    """Read a part of ours; Malformed when it is none."""
    moof = find(data, b"moof")
    if moof is None:
        raise Malformed("a part without moof")
    told: dict[int, Described] = {}
    for traf in walk(data, moof.body, moof.end):
        if traf.kind != b"traf":
            continue
        number = dts = 0
        for inner in walk(data, traf.body, traf.end):
            if inner.kind == b"tfhd":
                (number,) = struct.unpack_from(">I", data, inner.body + 4)
            elif inner.kind == b"tfdt":
                (dts,) = struct.unpack_from(">Q", data, inner.body + 4)
            elif inner.kind == b"trun":
                (count,) = struct.unpack_from(">I", data, inner.body + 4)
                if inner.body + 12 + 16 * count > inner.end:
                    raise Malformed("a run cut short")
                rows = [struct.unpack_from(">IIIi", data, inner.body + 12 + 16 * row) for row in range(count)]
                duration = sum(row[0] for row in rows)
                told[number] = Described(dts, duration, count, bool(rows) and rows[0][2] == _SYNC)
    return told
