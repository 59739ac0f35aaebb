"""A worker's end of the pipes: frames in and out, and the file it works on, read from its node block by block.

Invariant: a worker opens no path. What it reads came through the pipe, and libav sees only a handle.
"""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Callable

from roles.encoder.adapters.wire import DONE, FAILED, pack_read
from roles.libav.policy import CannotOpenError

BLOCK_BYTES = 1 << 20
BLOCKS_MAX = 8
FAILED_STATUS = 3


def read_frame() -> bytes | None:
    """Take the next frame, or None when the node has ended it."""
    head = sys.stdin.buffer.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "big")
    body = sys.stdin.buffer.read(size)
    return body if len(body) == size else None


def write_frame(frame: bytes) -> None:
    """Give the node a frame."""
    sys.stdout.buffer.write(len(frame).to_bytes(4, "big") + frame)
    sys.stdout.buffer.flush()


def serve(work: Callable[[bytes], None]) -> None:
    """Run a worker: its first frame is its task; a sentence says why it failed. Ends the process."""
    try:
        first = read_frame()
        if first is not None:
            try:
                work(first)
                write_frame(DONE)
            except CannotOpenError as error:
                write_frame(FAILED + str(error)[:2000].encode())
        sys.stdout.flush()
    except BrokenPipeError:
        pass
    os._exit(0)  # libav and the models have threads of their own; nothing here needs an orderly end


class RemoteFile:
    """The file of a media worker: a handle over reads that the node answers. Eight blocks are kept."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    def read(self, size: int = -1) -> bytes:
        """Give up to ``size`` bytes; empty at the end."""
        end = self._size if size < 0 else min(self._size, self._at + size)
        pieces = []
        while self._at < end:
            number, offset = divmod(self._at, BLOCK_BYTES)
            piece = self._block(number)[offset : offset + end - self._at]
            if not piece:
                break
            pieces.append(piece)
            self._at += len(piece)
        return b"".join(pieces)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; gives the new place."""
        base = 0 if whence == 0 else self._at if whence == 1 else self._size
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Give the place."""
        return self._at

    def _block(self, number: int) -> bytes:
        block = self._blocks.get(number)
        if block is None:
            start = number * BLOCK_BYTES
            write_frame(pack_read(start, min(BLOCK_BYTES, self._size - start)))
            given = read_frame()
            if given is None:
                os._exit(0)  # the node is gone
            block = self._blocks[number] = given
            if len(self._blocks) > BLOCKS_MAX:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return block
