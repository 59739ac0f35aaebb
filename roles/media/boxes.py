"""ISO base media file format boxes (ISO/IEC 14496-12), written and walked.

Invariant: a box is its 32-bit size, its four-character type, its payload; a walk never leaves the bytes it was given.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from proto.codec import Malformed

_HEAD = struct.Struct(">I4s")


def box(kind: bytes, *payload: bytes) -> bytes:
    """Give a box around its payload."""
    body = b"".join(payload)
    return _HEAD.pack(8 + len(body), kind) + body


def full_box(kind: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    """Give a box with version and flags in front of its payload."""
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


@dataclass(frozen=True, slots=True)
class Found:
    """A box in a buffer: where it starts, where its payload starts, where it ends (bytes)."""

    kind: bytes
    start: int
    body: int
    end: int


def walk(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Found]:
    """Give the boxes that lie one after another; Malformed when one leaves the buffer."""
    stop = len(data) if end is None else end
    while start < stop:
        if stop - start < 8:
            raise Malformed("a box cut short")
        size, kind = _HEAD.unpack_from(data, start)
        body = start + 8
        if size == 1:
            if stop - start < 16:
                raise Malformed("a box cut short")
            size = int.from_bytes(data[body : body + 8], "big")
            body += 8
        if size < body - start or start + size > stop:
            raise Malformed(f"box {kind!r} of {size} bytes leaves its place")
        yield Found(kind, start, body, start + size)
        start += size


def find(data: bytes, *path: bytes, start: int = 0, end: int | None = None) -> Found | None:
    """Give the first box along a path of types, or None."""
    for found in walk(data, start, end):
        if found.kind == path[0]:
            return found if len(path) == 1 else find(data, *path[1:], start=found.body, end=found.end)
    return None
