"""Records of assets: their rows in files beside the chunks, from which a catalogue is made again that was lost.

A file, called a segment, holds records in no order. A record is a row as it stood at a place in this node's history of
changes; of several records of a row the one with the greatest place counts, and one without bytes says that the row is
no longer this node's. Segments are of a *generation*: all rows as they stood when it began, then what changed since. A
generation counts once it is marked as whole; those before it are over then.

Invariant: whatever stands in a folder of segments, and whatever part of it is damaged, what is read of it are records
to the byte as they were written, of this mesh.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from blake3 import blake3

from mesh.core.rows import KEY_MAX, ROW_BYTES_MAX, TABLE_MAX
from proto import codec
from proto.codec import Malformed, Max
from proto.ids import MeshId

RECORDED = ("assets", "pages", "scenes", "cameras")
"""Tables whose rows nothing else can give back. Vectors and jobs are made again of the assets; people are not kept."""
SEGMENT_BYTES_MAX = 8 << 20
"""Bytes of a segment, but for one row more."""
FAN = 8
"""Segments of about one size that are joined into one."""
TIER_BYTES = 16 << 10
"""Up to which size segments are of the first tier; each further tier goes FAN times as far."""
GONE_MAX = 50_000
"""Records without bytes after which a new generation is due: they are held in memory while a folder is read."""
_MAGIC = b"thatdam records 1\n"
_FRAME = struct.Struct(">I8s")
_SEGMENT = re.compile(r"([0-9]{10})-([0-9]{12})\.records\Z")
_WHOLE = re.compile(r"([0-9]{10})\.whole\Z")

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """A row at a place in the history of changes; ``packed`` is empty when it is no longer this node's."""

    place: int
    table: Annotated[str, Max(TABLE_MAX)]
    pk: Annotated[str, Max(KEY_MAX)]
    sk: Annotated[str, Max(KEY_MAX)]
    packed: Annotated[bytes, Max(ROW_BYTES_MAX)]

    @property
    def key(self) -> Key:
        """Table, partition key and sort key."""
        return (self.table, self.pk, self.sk)


@dataclass(frozen=True, slots=True)
class Read:
    """What a segment gave. ``damaged``: something in it was not as it was written; ``foreign``: of another mesh."""

    records: tuple[Record, ...]
    damaged: bool = False
    foreign: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A segment by its name."""

    generation: int
    number: int

    @property
    def name(self) -> str:
        """Its file's name."""
        return f"{self.generation:010d}-{self.number:012d}.records"


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds by its names: the segments that count, in order, and the files that do not any more.

    ``whole``: the generation that counts; 0 while none is whole, and all segments that are there count then.
    """

    whole: int
    segments: tuple[Segment, ...]
    over: tuple[str, ...]

    @property
    def next_number(self) -> int:
        """The number of the next segment."""
        return max((segment.number for segment in self.segments), default=0) + 1


def mark_name(generation: int) -> str:
    """Give the name of the file that says that a generation is whole."""
    return f"{generation:010d}.whole"


def folder_of(names: Iterable[str]) -> Folder:
    """Read the names in a folder; those of nobody's making are left alone."""
    segments: dict[str, Segment] = {}
    marks: dict[str, int] = {}
    for name in sorted(names):
        if found := _SEGMENT.match(name):
            segments[name] = Segment(int(found[1]), int(found[2]))
        elif found := _WHOLE.match(name):
            marks[name] = int(found[1])
    whole = max(marks.values(), default=0)
    kept = tuple(sorted(one for one in segments.values() if one.generation == whole or not whole))
    over = [name for name, one in segments.items() if one not in kept]
    over += [name for name, generation in marks.items() if generation != whole]
    return Folder(whole, kept, tuple(over))


def pack_segment(mesh: MeshId, records: Iterable[Record]) -> bytes:
    """Give a segment's bytes: whose it is, then each record with its length and hash."""
    parts = [_MAGIC, _framed(mesh.encode())]
    parts += [_framed(codec.encode(record)) for record in records]
    return b"".join(parts)


def _framed(data: bytes) -> bytes:
    return _FRAME.pack(len(data), blake3(data).digest(8)) + data


def read_segment(mesh: MeshId, data: bytes) -> Read:
    """Read a segment as far as it is whole; a damaged record is left out, and what follows it is read."""
    if not data.startswith(_MAGIC):
        return Read((), damaged=True)
    records: list[Record] = []
    at, damaged, owner = len(_MAGIC), False, False
    while at < len(data):
        if at + _FRAME.size > len(data):
            return Read(tuple(records), damaged=True)
        size, digest = _FRAME.unpack_from(data, at)
        body = data[at + _FRAME.size : at + _FRAME.size + size]
        if len(body) < size:  # a length that is damaged, or the end is missing: nothing after it can be found
            return Read(tuple(records), damaged=True)
        at += _FRAME.size + size
        good = blake3(body).digest(8) == digest
        if not owner:
            if not good:
                return Read((), damaged=True)
            if body != mesh.encode():
                return Read((), foreign=True)
            owner = True
            continue
        try:
            if not good:
                raise Malformed("the record's hash is wrong")
            records.append(codec.decode(Record, body))
        except (Malformed, ValueError):
            damaged = True
    return Read(tuple(records), damaged or not owner)


def latest(records: Iterable[Record]) -> list[Record]:
    """Give the record of each row that counts, in the order of their places."""
    found: dict[Key, Record] = {}
    for record in records:
        standing = found.get(record.key)
        if standing is None or record.place >= standing.place:
            found[record.key] = record
    return sorted(found.values(), key=lambda record: record.place)


def cut(records: Sequence[Record]) -> list[list[Record]]:
    """Share records out over segments, in order."""
    groups: list[list[Record]] = [[]]
    size = 0
    for record in records:
        if size > SEGMENT_BYTES_MAX:
            groups.append([])
            size = 0
        groups[-1].append(record)
        size += len(record.packed) + 128
    return groups


def to_join(sizes: Mapping[Segment, int]) -> list[Segment]:
    """Give the segments to be joined into one now: FAN of one tier, the smallest tier first; none while no tier has.

    So there are at most some FAN segments a tier, and a row is written again once a tier.
    """
    tiers: dict[int, list[Segment]] = {}
    for segment, size in sorted(sizes.items()):
        if size < SEGMENT_BYTES_MAX // 2:
            tiers.setdefault(_tier(size), []).append(segment)
    return next((those[:FAN] for _, those in sorted(tiers.items()) if len(those) >= FAN), [])


def _tier(size: int) -> int:
    tier, reach = 0, TIER_BYTES
    while size > reach:
        tier, reach = tier + 1, reach * FAN
    return tier


def is_stale(size_now: int, size_then: int, gone: int) -> bool:
    """Tell whether a new generation is due: half of what there is, or more, has been written anew since it began."""
    return size_now > 2 * size_then + 4 * SEGMENT_BYTES_MAX or gone > GONE_MAX
