"""Access units and the tracks they belong to, and their bytes as objects of a live group.

A source has one epoch a time it is opened. Within an epoch, video is cut into groups (one GOP each: a group starts at a
key frame); audio units ride in the group that is open when they come. ``(epoch, group, index)`` names a unit for ever,
so two recorders of one source cut the same parts.

Invariant: H.264 and H.265 units hold NAL units with 4-byte big-endian lengths (as in ISO 14496-15); parameter sets are
in ``TrackInfo.extradata`` (avcC, hvcC). AAC units are raw, with an AudioSpecificConfig; Opus units are raw packets,
with the dOps fields as an OpusHead; JPEG units are whole pictures.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, field
from typing import Annotated

from proto import codec
from proto.codec import Malformed, Max


class MediaKind(enum.StrEnum):
    """What a track carries."""

    VIDEO = "video"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """One elementary track: FFmpeg's codec name, its configuration, and what is known of it.

    ``time_base`` is (numerator, denominator) seconds a tick. Zero means unknown.
    """

    number: int
    kind: MediaKind
    codec: str
    extradata: Annotated[bytes, Max(65536)]
    time_base: tuple[int, int]
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    bit_rate: int = 0
    profile: str = ""


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """The header of a live group: which epoch and group of a source, and the tracks its objects belong to."""

    epoch: int
    group: int
    tracks: Annotated[tuple[TrackInfo, ...], Max(8)]

    def pack(self) -> bytes:
        """Give the header as CBOR."""
        return codec.encode(self)

    @classmethod
    def unpack(cls, data: bytes) -> GroupInfo:
        """Read a header; Malformed when it is none."""
        return codec.decode(cls, data)


_UNIT = struct.Struct(">BBIIqqIq")


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture or one audio packet.

    ``pts``, ``dts`` and ``duration`` count the track's time base from the epoch's start; ``captured_us`` is the
    source node's wall clock, UTC microseconds since 1970, when the unit was captured.
    """

    track: int
    group: int
    index: int
    pts: int
    dts: int
    duration: int
    key: bool
    captured_us: int
    data: bytes = field(repr=False)

    def pack(self) -> bytes:
        """Give the unit as one object of a live group."""
        head = _UNIT.pack(
            self.track, self.key, self.group, self.index, self.pts, self.dts, self.duration, self.captured_us
        )
        return head + self.data

    @staticmethod
    def index_of(data: bytes) -> int:
        """Read an object's number within its group; Malformed when it is too short."""
        if len(data) < _UNIT.size:
            raise Malformed("access unit cut short")
        return int(_UNIT.unpack_from(data)[3])

    @classmethod
    def unpack(cls, data: bytes) -> AccessUnit:
        """Read an object; Malformed when it is too short."""
        if len(data) < _UNIT.size:
            raise Malformed("access unit cut short")
        track, key, group, index, pts, dts, duration, captured_us = _UNIT.unpack_from(data)
        return cls(track, group, index, pts, dts, duration, bool(key), captured_us, data[_UNIT.size :])
