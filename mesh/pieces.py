"""Reading from a queue of byte pieces: what every ``ports.ByteStream`` does alike, whatever is under it."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from mesh.ports import Unavailable


def take_piece(pieces: deque[bytes], size_max: int) -> bytes:
    """Take the first piece, or its first ``size_max`` bytes, from a queue that is not empty."""
    piece = pieces.popleft()
    if len(piece) > size_max:
        pieces.appendleft(piece[size_max:])
        piece = piece[:size_max]
    return piece


async def gather_exactly(read: Callable[[int], Awaitable[bytes]], size: int) -> bytes:
    """Give exactly ``size`` bytes of a stream's ``read``; Unavailable when it ends before."""
    parts: list[bytes] = []
    missing = size
    while missing:
        part = await read(missing)
        if not part:
            raise Unavailable(f"stream ended {missing} bytes early")
        parts.append(part)
        missing -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
