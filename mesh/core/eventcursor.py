"""A follower's place in the events of the whole mesh, as one opaque text that any node can read.

Layout (version 1), after ``e1.`` as base64url without padding: mesh (5 bytes), since and told (6 bytes each, UTC
milliseconds), an entry a lane (10 bytes of the origin's id, 1 byte: 1 for what a node tells on itself alone, 5 bytes
run, 5 bytes number), CRC-32 of all before it. Numbers are big-endian.

Invariant: what ``read`` gives was written by ``Cursor.text`` for this mesh, or ``CursorError`` says what is wrong.
Holding a cursor gives no right to anything.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType

from proto.ids import MeshId, NodeId
from proto.messages.events import LANES_TOLD_MAX, NUMBER_MAX

OriginTag = NewType("OriginTag", str)
"""The first 16 characters of a node id: 80 bits of its key."""

VERSION = 1
TAG_CHARS = 16
_MESH_CHARS = 8
_HEAD = struct.Struct(">5s6s6s")
_ENTRY = struct.Struct(">10sB5s5s")
_CRC = struct.Struct(">I")
CURSOR_CHARS_MAX = 3 + 4 * (-(-(_HEAD.size + LANES_TOLD_MAX * _ENTRY.size + _CRC.size) // 3))
"""Characters of the longest cursor."""
_MS_MAX = (1 << 48) - 1
_FORM = re.compile(r"e(\d{1,3})\.([A-Za-z0-9_-]*)\Z")


class CursorError(ValueError):
    """This text is no cursor of this mesh; the message is for the one who gave it."""


@dataclass(frozen=True, slots=True, order=True)
class LaneTag:
    """Whose events: an origin's, told in the whole mesh, or (``local``) those that it tells on itself alone."""

    origin: OriginTag
    local: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """How far a follower is in one lane: number ``seq`` of ``run`` was the last it had."""

    run: int
    seq: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a follower is. Of a lane that is not in ``places`` it has nothing that is older than ``since_ms``.

    ``told_ms`` is when what it had last happened. Both are UTC milliseconds.
    """

    since_ms: int
    told_ms: int
    places: Mapping[LaneTag, Place]

    def text(self, mesh: MeshId) -> str:
        """Give it as text; at most ``LANES_TOLD_MAX`` places, in order of their lanes."""
        if len(self.places) > LANES_TOLD_MAX:
            raise ValueError(f"a cursor holds at most {LANES_TOLD_MAX} places")
        parts = [_HEAD.pack(_mesh(mesh), _ms(self.since_ms), _ms(self.told_ms))]
        parts += [
            _ENTRY.pack(_raw(lane.origin), lane.local, place.run.to_bytes(5, "big"), place.seq.to_bytes(5, "big"))
            for lane, place in sorted(self.places.items())
        ]
        body = b"".join(parts)
        body += _CRC.pack(zlib.crc32(body))
        return f"e{VERSION}.{base64.urlsafe_b64encode(body).decode().rstrip('=')}"


def tag_of(node: NodeId) -> OriginTag:
    """Give what a cursor keeps of a node id."""
    return OriginTag(node[:TAG_CHARS])


def read(text: str, mesh: MeshId) -> Cursor:
    """Read a cursor; CursorError says in a sentence why it is none."""
    found = _FORM.match(text)
    if found is None:
        raise CursorError("that is no cursor of events: one begins with `e1.` and is copied whole")
    if int(found[1]) != VERSION:
        raise CursorError(f"that cursor is of version {int(found[1])}; this node reads version {VERSION}")
    if len(text) > CURSOR_CHARS_MAX:
        raise CursorError(f"a cursor has at most {CURSOR_CHARS_MAX} characters")
    try:
        raw = base64.urlsafe_b64decode(found[2] + "=" * (-len(found[2]) % 4))
    except (binascii.Error, ValueError):
        raise CursorError("the cursor is damaged or cut off") from None
    body = raw[: -_CRC.size]
    whole = len(body) >= _HEAD.size and (len(body) - _HEAD.size) % _ENTRY.size == 0
    if not whole or raw[-_CRC.size :] != _CRC.pack(zlib.crc32(body)):
        raise CursorError("the cursor is damaged or cut off")
    of, since, told = _HEAD.unpack_from(body)
    if of != _mesh(mesh):
        raise CursorError("the cursor is of another mesh")
    places: dict[LaneTag, Place] = {}
    for origin, local, run, seq in _ENTRY.iter_unpack(body[_HEAD.size :]):
        lane = LaneTag(OriginTag(base64.b32encode(origin).decode().lower()), local == 1)
        if local > 1 or lane in places:
            raise CursorError("the cursor is damaged or cut off")
        places[lane] = Place(int.from_bytes(run, "big"), int.from_bytes(seq, "big"))
    return Cursor(int.from_bytes(since, "big"), int.from_bytes(told, "big"), places)


def _mesh(mesh: MeshId) -> bytes:
    return base64.b32decode(mesh[:_MESH_CHARS].upper())


def _raw(origin: OriginTag) -> bytes:
    return base64.b32decode(origin.upper())


def _ms(value: int) -> bytes:
    return min(max(value, 0), _MS_MAX).to_bytes(6, "big")


assert NUMBER_MAX < 1 << 40
