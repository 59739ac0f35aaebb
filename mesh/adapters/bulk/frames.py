"""What travels on a connection of the lane: streams of bytes, one after another.

A frame is 8 bytes of head (kind, zero, number of the stream modulo 65536, length of what follows; big-endian) and what
follows. The dialler opens a stream; from then on each side sends pieces until it has ended its direction or reset it.
The next stream may be opened once both sides have.

Invariant: of a frame that is not whole at most an opening's ``HEADER_BYTES_MAX`` bytes are held; a length over the
bound of its kind is refused from the head.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from mesh.ports import Flow
from proto.codec import Malformed

HEADER_BYTES_MAX = 64 << 10
"""Bytes of the header that opens a stream."""
PIECE_BYTES_MAX = 256 << 10
"""Bytes of one piece."""
NUMBERS = 1 << 16
FLOWS = (Flow.RECORD, Flow.BULK)
"""Classes of traffic that the lane carries."""
_HEAD = struct.Struct(">BBHI")


class Kind(enum.IntEnum):
    """Kinds of frames. The values are on the wire."""

    OPEN = 1
    PIECE = 2
    END = 3
    RESET = 4


@dataclass(frozen=True, slots=True)
class Opened:
    """The dialler opened a stream."""

    number: int
    flow: Flow
    header: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of the stream, in order."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """No more bytes follow in this direction."""

    number: int


@dataclass(frozen=True, slots=True)
class WasReset:
    """The sender reads no more of the stream, and unless it had ended its direction, sends no more either."""

    number: int


Event = Opened | Piece | Ended | WasReset


def head(kind: Kind, number: int, length: int) -> bytes:
    """Give a frame's head."""
    return _HEAD.pack(kind, 0, number, length)


def opening(number: int, flow: Flow, header: bytes) -> bytes:
    """Give the frame that opens a stream."""
    return head(Kind.OPEN, number, 1 + len(header)) + bytes([flow]) + header


class Cutter:
    """Cuts what comes into events."""

    __slots__ = ("_held", "_left", "_number", "_wanted")

    def __init__(self) -> None:
        self._held = bytearray()
        self._wanted = _HEAD.size
        self._number = 0
        self._left = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._held)

    def feed(self, data: memoryview) -> list[Event]:
        """Take bytes, give what they say; Malformed when they are no frames. ``data`` may be used again afterwards."""
        events: list[Event] = []
        at, size = 0, len(data)
        while at < size:
            if self._left:
                end = min(size, at + self._left)
                events.append(Piece(self._number, bytes(data[at:end])))
                self._left -= end - at
                at = end
                continue
            end = min(size, at + self._wanted - len(self._held))
            self._held += data[at:end]
            at = end
            if len(self._held) == self._wanted:
                self._whole(events)
        return events

    def _whole(self, events: list[Event]) -> None:
        kind, zero, number, length = _HEAD.unpack_from(self._held)
        if zero or not Kind.OPEN <= kind <= Kind.RESET:
            raise Malformed(f"there is no frame of kind {kind} on the bulk lane")
        if self._wanted > _HEAD.size:
            flow = self._held[_HEAD.size]
            if flow not in FLOWS:
                raise Malformed("a stream of a class that the bulk lane does not carry")
            events.append(Opened(number, Flow(flow), bytes(self._held[_HEAD.size + 1 :])))
        elif kind == Kind.OPEN:
            if not 1 <= length <= 1 + HEADER_BYTES_MAX:
                raise Malformed(f"a stream's header of {length - 1} bytes is over {HEADER_BYTES_MAX}")
            self._wanted += length
            return
        elif kind == Kind.PIECE:
            if not 1 <= length <= PIECE_BYTES_MAX:
                raise Malformed(f"a piece of {length} bytes is not within 1 and {PIECE_BYTES_MAX}")
            self._number, self._left = number, length
        elif length:
            raise Malformed("an end with something behind it")
        else:
            events.append(Ended(number) if kind == Kind.END else WasReset(number))
        self._held.clear()
        self._wanted = _HEAD.size
