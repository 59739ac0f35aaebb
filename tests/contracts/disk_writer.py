"""A process that writes files to a folder disk and tells which it was told are durable, until it is killed."""

import asyncio
import sys
from pathlib import Path

from mesh.adapters.disk import FolderDisk
from mesh.adapters.executor import ThreadExecutor


def content(name, turn):
    return f"{name}/{turn}/".encode() * (1 + turn % 7 * 3000)


async def write_all(disk, acknowledged):
    """Write a few files again and again, several at once; ``acknowledged`` hears (name, turn)."""

    async def keep(name):
        for turn in range(1, 100_000):
            await disk.write(name, content(name, turn))
            acknowledged(name, turn)

    await asyncio.gather(*(keep(f"f{number % 3}/{number}") for number in range(6)))


def tell(name, turn):
    sys.stdout.write(f"{name} {turn}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(write_all(FolderDisk(Path(sys.argv[1]), ThreadExecutor()), tell))
