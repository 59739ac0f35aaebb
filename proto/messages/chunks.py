"""Chunk messages. Bytes travel on streams: after the opening message the sender's bytes, then a framed answer."""

from __future__ import annotations

from typing import Annotated

from proto.codec import Exactly, Max, message

Hash = Annotated[bytes, Exactly(32)]
CHUNK_BYTES_MAX = 16 << 20
"""Bytes of the largest chunk taken. Files are cut at 4 MiB; a part of a very high rate may be larger."""


@message(400)
class PutChunk:
    """Opens a stream: ``size`` bytes follow, of this hash, referenced by ``asset``. Answered by ChunkStored."""

    chunk: Hash
    size: Annotated[int, Max(CHUNK_BYTES_MAX)]
    asset: Annotated[str, Max(26)]


@message(401)
class ChunkStored:
    """The chunk is verified, referenced and durable here; ``known``: it was before, so no bytes were needed."""

    known: bool = False


@message(402)
class GetChunk:
    """Opens a stream: the node answers with ChunkFound, then the bytes."""

    chunk: Hash
    offset: int = 0
    size: int | None = None


@message(403)
class ChunkFound:
    """``size`` bytes follow; None: there is no such chunk here."""

    size: int | None


@message(404)
class ChunkNotStored:
    """The chunk was not stored, and why: ``full`` when there is no room for it, or the node is ``read_only``."""

    why: Annotated[str, Max(1000)]
    full: bool = False
    read_only: bool = False


@message(410)
class HaveChunks:
    """Which of these are durable on this node?"""

    chunks: Annotated[tuple[Hash, ...], Max(4096)]


@message(411)
class Have:
    """A byte a chunk asked for: 1 when it is here."""

    there: Annotated[bytes, Max(4096)]


@message(412)
class CountCopies:
    """How do the chunks of these assets stand there?"""

    assets: Annotated[tuple[Annotated[str, Max(26)], ...], Max(256)]


@message(413)
class CopiesTold:
    """An asset each, in the order asked: (chunks here, fewest copies of one, chunks short of copies, being repaired),
    and chunks that were there and are damaged or gone."""

    assets: Annotated[tuple[tuple[tuple[int, int, int, int], tuple[Hash, ...]], ...], Max(256)]


@message(420)
class CompareChunks:
    """(partition, XOR of the first 8 bytes of its chunk ids) of what the sender holds."""

    digests: Annotated[tuple[tuple[int, int], ...], Max(1024)]


@message(421)
class ChunksDiffer:
    """The partitions of which this node holds other chunks; ``giving``: it brings what others lack at its own rate."""

    partitions: Annotated[tuple[int, ...], Max(1024)]
    giving: bool = False


@message(422)
class ListChunks:
    """Give the chunks of a partition after one."""

    partition: Annotated[int, Max(1023)]
    after: Annotated[bytes, Max(32)] = b""


@message(423)
class ChunkIds:
    """Chunk ids in order; ``more`` when there are further ones."""

    chunks: Annotated[tuple[Hash, ...], Max(4096)]
    more: bool


@message(430)
class AskNeedless:
    """For which of these chunks does this node know no need? Asked before they are deleted."""

    chunks: Annotated[tuple[Hash, ...], Max(4096)]


@message(431)
class Needless:
    """A byte a chunk asked for: 1 when no need for it is known there."""

    said: Annotated[bytes, Max(4096)]


@message(432)
class AskSettled:
    """Have I all references you wrote that are mine to hold, by this version of the layout, and hold you no others'?"""

    layout: Annotated[str, Max(64)]


@message(433)
class Settled:
    """The age in ms of the oldest reference that is not where it belongs, 0: all are; None: that cannot be told now."""

    behind_ms: int | None
