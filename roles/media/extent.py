"""Whether a file is all there, by what its own container states: RIFF and box sizes, the end marks of JPEG and PNG.

A reader plays the half of a file that is there and says nothing; this says it. Invariant: reads a few bytes a box, and
at most TAIL_BYTES at the end; what it does not know it calls whole.
"""

from __future__ import annotations

from collections.abc import Callable

BOXES_MAX = 100_000
TAIL_BYTES = 1 << 20
_RIFF_OPEN = (0, 0xFFFFFFFF)
"""Sizes that a writer leaves when it streams and cannot go back."""


def is_cut_short(read: Callable[[int, int], bytes], size: int) -> bool:
    """Tell whether bytes are missing at the end; ``read`` gives up to so many bytes from an offset on."""
    head = read(0, 16)
    if head[:4] == b"RIFF":
        stated = int.from_bytes(head[4:8], "little")
        return stated not in _RIFF_OPEN and 8 + stated > size
    if head[4:8] == b"ftyp":
        return _boxes_cut(read, size)
    tail = read(max(0, size - TAIL_BYTES), TAIL_BYTES)
    if head[:3] == b"\xff\xd8\xff":
        return b"\xff\xd9" not in tail
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return b"IEND" not in tail
    return False


def _boxes_cut(read: Callable[[int, int], bytes], size: int) -> bool:
    at = 0
    for _ in range(BOXES_MAX):
        head = read(at, 16)
        if len(head) < 8:
            return len(head) > 0
        length = int.from_bytes(head[:4], "big")
        if length == 0:
            return False  # "to the end of the file"
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:
            return False  # no box: what follows is not ours to judge
        at += length
        if at > size:
            return True
    return False
