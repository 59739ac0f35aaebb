"""What the encoder's workers and their node say to each other over the worker's pipes: one letter, then the content.

A media worker reads its file from the node: ``R`` (offset, size) asks, the next frame to the worker is the bytes, empty
at the end. It tells ``I`` (Probed), ``P`` (Picture), ``S`` (Scene), ``D`` (progress: milliseconds done), and ends with
``E`` (a sentence why not) or ``Z`` (all done). An embedding worker begins with ``M`` (Model), ``E`` (a sentence what
is missing) or ``W`` (the same, but to try again may help); it is sent ``T`` (a text) or ``F`` (Frames), and answers
``V`` (a vector), ``L`` (Looks) or ``E``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Annotated, TypeVar

from proto import codec
from proto.codec import Malformed, Max, Value

READ, PROBED, PICTURE, SCENE, PROGRESS, FAILED, DONE = b"R", b"I", b"P", b"S", b"D", b"E", b"Z"
MODEL, LATER, TEXT, FRAMES, VECTOR, LOOKS = b"M", b"W", b"T", b"F", b"V", b"L"

JPEG_BYTES_MAX = 4 << 20
READ_BYTES_MAX = 4 << 20
_READ = struct.Struct(">QI")

_Jpeg = Annotated[bytes, Max(JPEG_BYTES_MAX)]
_Text = Annotated[str, Max(512)]


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """A media worker's task: the file's size and name, and for sampling its least interval and most pictures."""

    name: Annotated[str, Max(1024)]
    size: int
    interval_ms: int = 1000
    pictures_max: int = 1200


@dataclass(frozen=True, slots=True)
class Probed:
    """What a file is. Zero or empty: unknown or none. ``kind`` is video, image or audio.

    ``note`` tells how it was looked at, ``error`` what is wrong with it though it is that kind.
    """

    kind: _Text
    mime: _Text
    codec: _Text = ""
    audio: _Text = ""
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    duration_ms: int = 0
    bit_rate: int = 0
    meta: Annotated[tuple[tuple[_Text, Value], ...], Max(64)] = ()
    poster: _Jpeg = b""
    note: _Text = ""
    error: _Text = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A sampled frame."""

    at_ms: int
    jpeg: _Jpeg


@dataclass(frozen=True, slots=True)
class Scene:
    """What lies between two cuts, and the frame that shows it best."""

    start_ms: int
    end_ms: int
    hero_ms: int
    hero: _Jpeg


@dataclass(frozen=True, slots=True)
class EmbedConfig:
    """An embedding worker's task: the model's name (empty: the offline one), and the folder for what is kept."""

    model: Annotated[str, Max(1024)]
    cache: Annotated[str, Max(4096)]


@dataclass(frozen=True, slots=True)
class Model:
    """The model a worker has loaded."""

    model: _Text
    dimension: int
    floor: float


@dataclass(frozen=True, slots=True)
class Frames:
    """JPEG pictures to look at."""

    jpegs: Annotated[tuple[_Jpeg, ...], Max(64)]


@dataclass(frozen=True, slots=True)
class Look:
    """What one picture shows."""

    vector: bytes
    tags: Annotated[tuple[tuple[str, float], ...], Max(64)]


@dataclass(frozen=True, slots=True)
class Looks:
    """What the pictures show, in order."""

    looks: Annotated[tuple[Look, ...], Max(64)]


T = TypeVar("T")


def pack(letter: bytes, content: object) -> bytes:
    """Give a frame of a letter and a dataclass."""
    return letter + codec.encode(content)


def unpack(kind: type[T], frame: bytes) -> T:
    """Read a frame's content; Malformed when it is no ``kind``."""
    return codec.decode(kind, frame[1:])


def pack_read(offset: int, size: int) -> bytes:
    """Give the frame that asks for bytes of the file."""
    return READ + _READ.pack(offset, size)


def unpack_read(frame: bytes) -> tuple[int, int]:
    """Read (offset, size); Malformed when it asks for too much."""
    if len(frame) != 1 + _READ.size:
        raise Malformed("not a read")
    offset, size = _READ.unpack(frame[1:])
    if size > READ_BYTES_MAX:
        raise Malformed(f"a read of {size} bytes is over {READ_BYTES_MAX}")
    return offset, size
