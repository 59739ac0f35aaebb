"""Frames on a long-lived stream: a 4-byte big-endian length, then that many bytes.

Invariant: a frame over the reader's bound is refused from its first four bytes, before anything is buffered for it.
"""

from __future__ import annotations

from proto.codec import Malformed

FRAME_BYTES_MAX = 1 << 20
"""Bytes of one frame on a proven connection. Larger things travel on streams of their own."""
PROOF_FRAME_BYTES_MAX = 4096
"""Bytes of the one frame that an unproven peer may send."""

_HEAD = 4


def pack_frame(payload: bytes) -> bytes:
    """Give payload with its length in front; ValueError when it is over the bound."""
    if len(payload) > FRAME_BYTES_MAX:
        raise ValueError(f"frame of {len(payload)} bytes is over {FRAME_BYTES_MAX}")
    return len(payload).to_bytes(_HEAD, "big") + payload


class FrameReader:
    """Cuts a byte stream into frames; holds at most one unfinished frame."""

    __slots__ = ("_buffer", "bytes_max")

    def __init__(self, bytes_max: int = FRAME_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self._buffer = bytearray()

    @property
    def buffered_bytes(self) -> int:
        """Bytes held for a frame that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, give the frames they complete; Malformed when one is announced over the bound."""
        self._buffer += data
        frames: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= _HEAD:
            size = int.from_bytes(self._buffer[start : start + _HEAD], "big")
            if size > self.bytes_max:
                raise Malformed(f"frame of {size} bytes is over {self.bytes_max}")
            end = start + _HEAD + size
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[start + _HEAD : end]))
            start = end
        if start:
            del self._buffer[:start]
        return frames
