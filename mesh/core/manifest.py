"""The manifest of a file: which chunks it is made of, in order, and the hash of the whole.

Invariant: the chunks' sizes add up to the file's size, and a manifest always fits into a catalogue row: chunks grow
from 4 to 16 MiB once a file is long.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated

from proto import codec
from proto.codec import Exactly, Malformed, Max
from proto.ids import ChunkId

CHUNK_BYTES = 4 << 20
LONG_CHUNK_BYTES = 16 << 20
LONG_FROM_CHUNKS = 4096
CHUNKS_MAX = 12_000
FILE_BYTES_MAX = LONG_FROM_CHUNKS * CHUNK_BYTES + (CHUNKS_MAX - LONG_FROM_CHUNKS) * LONG_CHUNK_BYTES
"""Bytes of the largest file one manifest holds: some 140 GiB."""

_Chunk = tuple[Annotated[bytes, Exactly(32)], int]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file: ``size`` bytes in ``chunks`` of (id, bytes); ``blake3`` is the hash of the whole."""

    size: int
    chunks: Annotated[tuple[_Chunk, ...], Max(CHUNKS_MAX)]
    blake3: Annotated[bytes, Exactly(32)]

    def __post_init__(self) -> None:
        if self.size != sum(size for _, size in self.chunks):
            raise ValueError("a manifest's chunks do not add up to its size")

    def pack(self) -> bytes:
        """Give it as CBOR, as the asset's row keeps it."""
        return codec.encode(self)

    @classmethod
    def unpack(cls, data: bytes) -> Manifest:
        """Read it; Malformed when it is none."""
        if not isinstance(data, bytes):
            raise Malformed("a manifest is bytes")
        return codec.decode(cls, data)

    def plan(self, start: int, end: int) -> list[tuple[ChunkId, int, int]]:
        """Give (chunk, offset in it, bytes) for bytes ``start`` to ``end`` (exclusive) of the file."""
        starts = [0, *accumulate(size for _, size in self.chunks)]
        pieces = []
        end = min(end, self.size)
        at = max(0, start)
        while at < end:
            number = bisect_right(starts, at) - 1
            chunk, size = self.chunks[number]
            offset = at - starts[number]
            take = min(size - offset, end - at)
            pieces.append((ChunkId(chunk), offset, take))
            at += take
        return pieces


def chunk_bytes(number: int) -> int:
    """Give the size at which a file's chunk ``number`` is cut."""
    return CHUNK_BYTES if number < LONG_FROM_CHUNKS else LONG_CHUNK_BYTES
