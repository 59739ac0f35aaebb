"""Sets of partitions as the bits of an int, the lowest partition the lowest: a thousand are joined or parted at once.

The same bits, the lowest first, are what messages carry (``mesh.core.query.bits_of``).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from mesh.core.query import partitions_in
from proto.ids import PARTITIONS, PartitionId

EVERY = (1 << PARTITIONS) - 1
"""All partitions of rows that lie on the ring; the mesh tables' is none of them."""
BYTES = PARTITIONS // 8
SETS_KEPT_MAX = 4096


def bits(partitions: Iterable[PartitionId]) -> int:
    """Give a set of partitions as bits; the mesh tables' partition, and what is none, are left out."""
    found = bytearray(BYTES)
    for partition in partitions:
        if 0 <= partition < PARTITIONS:
            found[partition >> 3] |= 1 << (partition & 7)
    return int.from_bytes(found, "little")


def packed(those: int) -> bytes:
    """Give bits as messages carry them."""
    return those.to_bytes(BYTES, "little")


def unpacked(data: bytes) -> int:
    """Read bits from a message; what is beyond the last partition is nobody's."""
    return int.from_bytes(data, "little") & EVERY


@lru_cache(maxsize=SETS_KEPT_MAX)
def partitions(those: int) -> tuple[PartitionId, ...]:
    """Give the partitions whose bit is set, in order."""
    return tuple(map(PartitionId, partitions_in(packed(those))))


@lru_cache(maxsize=SETS_KEPT_MAX)
def as_set(those: int) -> frozenset[PartitionId]:
    """Give the same as a set."""
    return frozenset(partitions(those))
