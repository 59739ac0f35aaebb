"""A worker's end of the pipes: frames in and out, and the file it works on, read from its node block by block.

A worker takes one task after another. Where processes can fork safely (Linux) each is done by a child, which has the
worker's limits for itself alone and of which nothing is left for the next; elsewhere by the worker itself, as long as
it has used little of its time.

Invariant: a worker opens no path. What it reads came through the pipe, and libav sees only a handle. A worker whose
child ended badly ends as the child did.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Callable

from roles.encoder.adapters.wire import DONE, FAILED, pack_read
from roles.libav.policy import CannotOpenError

BLOCK_BYTES = 1 << 20
BLOCKS_MAX = 8
FAILED_STATUS = 3
USED_S_MAX = 10.0
"""Processor time after which a worker without children takes no other task."""
_PR_SET_PDEATHSIG = 1


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
    """Run a worker: its frames are its tasks, one at a time; a sentence says why one failed. Ends the process."""
    try:
        while (task := read_frame()) is not None:
            if sys.platform == "linux":
                _apart(work, task)
            else:
                _do(work, task)
                if time.process_time() > USED_S_MAX:
                    break
    except BrokenPipeError:
        pass
    os._exit(0)  # libav and the models have threads of their own; nothing here needs an orderly end


def _do(work: Callable[[bytes], None], task: bytes) -> None:
    try:
        work(task)
        write_frame(DONE)
    except CannotOpenError as error:
        write_frame(FAILED + str(error)[:2000].encode())


def _apart(work: Callable[[bytes], None], task: bytes) -> None:
    """Do a task in a child; end as it did when that was not well: what the node sent it last may be unread."""
    child = os.fork()
    if child == 0:
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            _do(work, task)
        except BrokenPipeError:
            pass
        except Exception as error:  # noqa: BLE001 - the child ends here, and its trouble is told as Python tells it
            sys.excepthook(type(error), error, error.__traceback__)
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    if status:
        os._exit(status)


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
