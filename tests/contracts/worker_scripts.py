"""What a worker may do, twice: as a process of its own, and as a script of the simulator, by the same names."""

import asyncio
import os
import sys

from mesh.ports import WORKER_FRAME_BYTES_MAX

NAMES = ("echo", "configured", "fails", "exits", "floods", "deaf", "stubborn", "giant")


def read_frame():
    head = sys.stdin.buffer.read(4)
    return sys.stdin.buffer.read(int.from_bytes(head, "big")) if len(head) == 4 else None


def write_frame(frame):
    sys.stdout.buffer.write(len(frame).to_bytes(4, "big") + frame)
    sys.stdout.buffer.flush()


def main(name):
    """Be a process that does as it is named."""
    import time

    config = read_frame()
    match name:
        case "echo":
            while (frame := read_frame()) is not None:
                write_frame(frame)
        case "configured":
            write_frame(b"config: " + config)
        case "fails":
            raise RuntimeError("as the test wants")
        case "exits":
            os._exit(7)
        case "floods":
            for number in range(4000):
                write_frame(number.to_bytes(4, "big") * 1024)
        case "deaf":
            time.sleep(600)
        case "stubborn":
            while read_frame() is not None:
                pass
            time.sleep(600)
        case "giant":
            sys.stdout.buffer.write((WORKER_FRAME_BYTES_MAX + 1).to_bytes(4, "big") + b"...")
            sys.stdout.buffer.flush()
            time.sleep(600)


async def script(name, pipe):
    """Be a script that does as it is named."""
    match name:
        case "echo":
            while (frame := await pipe.receive()) is not None:
                await pipe.send(frame)
        case "configured":
            await pipe.send(b"config: " + pipe.config)
        case "fails":
            raise RuntimeError("as the test wants")
        case "exits":
            raise SystemExit(7)
        case "floods":
            for number in range(4000):
                await pipe.send(number.to_bytes(4, "big") * 1024)
        case "deaf":
            await asyncio.sleep(600)
        case "stubborn":
            while await pipe.receive() is not None:
                pass
            await asyncio.sleep(600)
        case "giant":
            await pipe.send(bytes(WORKER_FRAME_BYTES_MAX + 1))
            await asyncio.sleep(600)
