"""A machine's disk that survives its node's crash, with faults.

A write takes time, and is there as a whole or not at all: what a crash interrupts leaves nothing under the final name.
Faults: errors of writes, a full disk, bits that flip while nobody looks, sectors that cannot be read, a wiped disk.

Invariant: what ``write`` returned for is there after a crash, unless a fault was put in; the real folder passes the
same contract tests.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import PurePosixPath

from mesh.ports import Corrupt, DiskFull, DiskUsage, NotFound, Unavailable
from simulations.world.entropy import SeededEntropy

WRITE_S = (0.0005, 0.004)
READ_S = (0.00005, 0.0005)
BYTES_A_SECOND = 400_000_000.0


@dataclass(slots=True)
class DiskFaults:
    """What is wrong with a disk. Shares are 0.0 to 1.0."""

    write_errors: float = 0.0
    slow_factor: float = 1.0
    capacity_bytes: int = 1 << 40


class FakeDisk:
    """A ``ports.Disk`` in memory."""

    def __init__(self, chance: SeededEntropy, capacity_bytes: int = 1 << 40) -> None:
        self.files: dict[str, bytes] = {}
        self.faults = DiskFaults(capacity_bytes=capacity_bytes)
        self.unreadable: dict[str, None] = {}
        self.writes = 0
        self._chance = chance
        self._capacity_bytes = capacity_bytes
        self._used = 0

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        """Read bytes of a file."""
        name = _inside(path)
        await self._takes(READ_S, size or 0)
        data = self._file(name)
        if name in self.unreadable:
            raise Corrupt(f"the disk cannot read {name}")
        return data[offset:] if size is None else data[offset : offset + size]

    async def write(self, path: str, data: bytes) -> None:
        """Write a whole file durably."""
        name = _inside(path)
        whole = bytes(data)
        self.check_room(len(whole) - len(self.files.get(name, b"")))
        await self._takes(WRITE_S, len(whole))
        self.check_write()
        grows = len(whole) - len(self.files.get(name, b""))
        self.check_room(grows)
        self.files[name] = whole
        self.unreadable.pop(name, None)
        self._used += grows
        self.writes += 1

    async def delete(self, path: str) -> None:
        """Remove a file."""
        name = _inside(path)
        await self._takes(WRITE_S, 0)
        self._used -= len(self._file(name))
        del self.files[name]

    async def size(self, path: str) -> int:
        """Give a file's size in bytes."""
        return len(self._file(_inside(path)))

    async def list(self, folder: str) -> list[str]:
        """Give the names directly in a folder, sorted."""
        parts = () if folder in ("", ".") else PurePosixPath(_inside(folder)).parts
        depth = len(parts)
        names = {
            pure.parts[depth]: None
            for pure in map(PurePosixPath, self.files)
            if len(pure.parts) > depth and pure.parts[:depth] == parts
        }
        return sorted(names)

    async def usage(self) -> DiskUsage:
        """Give the room on the disk."""
        return DiskUsage(self.faults.capacity_bytes, max(0, self.faults.capacity_bytes - self._used))

    # ------------------------------------------------------------ faults

    def check_write(self) -> None:
        """Fail as the disk would; the tables on it ask too."""
        if self._chance.chance(self.faults.write_errors):
            raise Unavailable("cannot write: input/output error")

    def check_room(self, grows_bytes: int) -> None:
        """Fail when so many more bytes do not fit; the tables on it ask too."""
        if grows_bytes > 0 and self._used + grows_bytes > self.faults.capacity_bytes:
            raise DiskFull("the disk is full")

    async def write_time(self, size: int) -> None:
        """Wait as long as a durable write of ``size`` bytes takes."""
        await self._takes(WRITE_S, size)

    def fill(self) -> None:
        """Have no room left, as when something else fills the disk."""
        self.faults.capacity_bytes = self._used

    def make_room(self) -> None:
        """Have as much room as at first."""
        self.faults.capacity_bytes = self._capacity_bytes

    def flip(self, prefix: str = "") -> str | None:
        """Flip a bit of some file under a prefix; gives which, or None when there is none."""
        names = [name for name in sorted(self.files) if name.startswith(prefix) and self.files[name]]
        if not names:
            return None
        name = names[self._chance.below(len(names))]
        data = bytearray(self.files[name])
        at = self._chance.below(len(data))
        data[at] ^= 1 << self._chance.below(8)
        self.files[name] = bytes(data)
        return name

    def wipe(self) -> None:
        """Lose everything."""
        self.files.clear()
        self.unreadable.clear()
        self._used = 0

    async def _takes(self, span: tuple[float, float], size: int) -> None:
        seconds = self._chance.uniform(*span) + size / BYTES_A_SECOND
        await asyncio.sleep(seconds * self.faults.slow_factor)

    def _file(self, name: str) -> bytes:
        try:
            return self.files[name]
        except KeyError:
            raise NotFound(f"no file {name}") from None


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or not pure.parts or ".." in pure.parts or "\\" in path or "\0" in path:
        raise ValueError(f"not a path inside the data folder: {path!r}")
    return str(pure)
