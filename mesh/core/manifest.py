"""The manifest of a file: which chunks it is made of, in order, and the hash of the whole.

Decides where a file is cut: every CHUNK_BYTES, so that equal content has equal chunks wherever it came from, and where
a manifest is kept: in the asset's row while it is short, else in a chunk of its own that the row names, so that a list
of rows never carries megabytes.

Invariant: the chunks' sizes add up to the file's size, every chunk but the last has CHUNK_BYTES, and a packed manifest
fits into one chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from proto import codec
from proto.codec import Exactly, Malformed, Max
from proto.ids import ChunkId

CHUNK_BYTES = 4 << 20
CHUNKS_MAX = 100_000
FILE_BYTES_MAX = CHUNKS_MAX * CHUNK_BYTES
"""Bytes of the largest file one manifest holds: some 390 GiB."""
INLINE_CHUNKS_MAX = 64
"""Chunks up to which a manifest lies in the row: some 2 KiB, a file of 256 MiB."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes ``offset`` to ``offset + size`` of a chunk."""

    chunk: ChunkId
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file: ``size`` bytes in ``chunks``, and ``blake3``, the hash of the whole."""

    size: int
    chunks: Annotated[tuple[Annotated[bytes, Exactly(32)], ...], Max(CHUNKS_MAX)]
    blake3: Annotated[bytes, Exactly(32)]

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.chunks) != -(-self.size // CHUNK_BYTES):
            raise ValueError("a manifest's chunks do not add up to its size")

    def pack(self) -> bytes:
        """Give it as CBOR."""
        return codec.encode(self)

    @classmethod
    def unpack(cls, data: object) -> Manifest:
        """Read it; Malformed when it is none."""
        if not isinstance(data, bytes):
            raise Malformed("a manifest is bytes")
        try:
            return codec.decode(cls, data)
        except ValueError as error:
            raise Malformed(str(error)) from error

    @property
    def inline(self) -> bool:
        """Whether it is short enough to lie in the asset's row."""
        return len(self.chunks) <= INLINE_CHUNKS_MAX

    def ids(self) -> list[ChunkId]:
        """Give the chunks in order."""
        return [ChunkId(chunk) for chunk in self.chunks]

    def chunk_size(self, number: int) -> int:
        """Give the bytes of chunk ``number``."""
        return min(CHUNK_BYTES, self.size - number * CHUNK_BYTES)

    def plan(self, start: int, end: int) -> Iterator[Piece]:
        """Give the pieces that make up bytes ``start`` to ``end`` (exclusive) of the file, cut to what it has."""
        at, end = max(0, start), min(end, self.size)
        while at < end:
            number, offset = divmod(at, CHUNK_BYTES)
            size = min(self.chunk_size(number) - offset, end - at)
            yield Piece(ChunkId(self.chunks[number]), offset, size)
            at += size
