"""What a source's worker and its node say to each other over the worker's pipes: one letter, then the content.

To the worker: its Config as the first frame, then ``J``/``j`` (pictures wanted / no more). From the worker: ``G`` a
group begins (GroupInfo), ``U`` an access unit, ``P`` a JPEG picture (8 bytes UTC microseconds, then JPEG), ``S`` a
Status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from proto import codec
from proto.codec import Max

GROUP, UNIT, PICTURE, STATUS = b"G", b"U", b"P", b"S"
PICTURES_ON, PICTURES_OFF = b"J", b"j"


@dataclass(frozen=True, slots=True)
class Config:
    """What a worker opens. ``url`` may hold credentials: it goes through the pipe, never an argument or a log.

    ``epoch_after``: the source's last epoch. The next one is greater, also on a machine that has lost the time.
    """

    url: Annotated[str, Max(4096)]
    name: Annotated[str, Max(4096)]
    folders: tuple[str, ...] = ()
    epoch_after: int = 0

    def pack(self) -> bytes:
        """Give it as CBOR."""
        return codec.encode(self)

    @classmethod
    def unpack(cls, data: bytes) -> Config:
        """Read it."""
        return codec.decode(cls, data)


@dataclass(frozen=True, slots=True)
class Status:
    """How a source is doing; ``state`` is connecting, online, ended or error. Zero or empty: unknown.

    ``jumps``: how often its times jumped since it was opened. ``reordered``: it has B-frames.
    """

    state: Annotated[str, Max(32)]
    detail: Annotated[str, Max(1024)] = ""
    codec: str = ""
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    bit_rate: int = 0
    units: int = 0
    jumps: int = 0
    encoder: str = ""
    reordered: bool = False

    def pack(self) -> bytes:
        """Give it as CBOR."""
        return codec.encode(self)

    @classmethod
    def unpack(cls, data: bytes) -> Status:
        """Read it; Malformed when it is none."""
        return codec.decode(cls, data)
