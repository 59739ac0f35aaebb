"""A machine's disk that survives its node's crash, with faults.

A write takes time, and is there as a whole or not at all: what a crash interrupts leaves nothing under the final name.
Faults: errors of writes and reads, a disk that takes no writes, a full one, bits that flip while nobody looks, sectors
that cannot be read, writes that land in the place of another file, writes that a crash tears (half a file under its
final name, as a disk leaves it that lies about its order), a wiped disk.

Invariant: what ``write`` returned for is there after a crash, unless a fault was put in; the real folder passes the
same contract tests (``tests/contracts/test_disk.py``).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import PurePosixPath

from mesh.ports import Corrupt, DiskFull, DiskUsage, NotFound, ReadOnly, Unavailable
from simulations.world.entropy import SeededEntropy

WRITE_S = (0.0005, 0.004)
READ_S = (0.00005, 0.0005)
BYTES_A_SECOND = 400_000_000.0


@dataclass(slots=True)
class DiskFaults:
    """What is wrong with a disk. Shares are 0.0 to 1.0; ``torn``: of the writes under way when its node is killed."""

    write_errors: float = 0.0
    read_errors: float = 0.0
    misdirected: float = 0.0
    torn: float = 0.0
    slow_factor: float = 1.0
    read_only: bool = False
    capacity_bytes: int = 1 << 40


class FakeDisk:
    """A ``ports.Disk`` in memory."""

    def __init__(self, chance: SeededEntropy, capacity_bytes: int = 1 << 40) -> None:
        self.files: dict[str, bytes] = {}
        self.faults = DiskFaults(capacity_bytes=capacity_bytes)
        self.unreadable: dict[str, None] = {}
        self.folders: dict[str, None] = {}
        self.writes = 0
        self.misdirected = 0
        self.torn = 0
        self._under_way: dict[int, tuple[str, bytes]] = {}
        self._chance = chance
        self._capacity_bytes = capacity_bytes
        self._used = 0

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        """Read bytes of a file."""
        name = _inside(path)
        await self._takes(READ_S, size or 0)
        data = self._file(name)
        if name in self.unreadable or self._chance.chance(self.faults.read_errors):
            raise Corrupt(f"the disk cannot read {name}")
        return data[offset:] if size is None else data[offset : offset + size]

    async def write(self, path: str, data: bytes) -> None:
        """Write a whole file durably."""
        name = _inside(path)
        whole = bytes(data)
        self._check_place(name)
        self.check_room(len(whole) - len(self.files.get(name, b"")))
        number = self.writes = self.writes + 1
        self._under_way[number] = (name, whole)
        try:
            await self._takes(WRITE_S, len(whole))
            self.check_write()
            self.check_room(len(whole) - len(self.files.get(name, b"")))
            self._check_place(name)
            self._put(self._landing(name), whole)
        finally:
            self._under_way.pop(number, None)

    async def delete(self, path: str) -> None:
        """Remove a file."""
        name = _inside(path)
        await self._takes(WRITE_S, 0)
        if name in self.files and self.faults.read_only:
            raise ReadOnly("the file system is read-only")
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
            for pure in map(PurePosixPath, (*self.files, *self.folders))
            if len(pure.parts) > depth and pure.parts[:depth] == parts
        }
        return sorted(names)

    async def usage(self) -> DiskUsage:
        """Give the room on the disk."""
        return DiskUsage(self.faults.capacity_bytes, max(0, self.faults.capacity_bytes - self._used))

    # ------------------------------------------------------------ faults

    def check_write(self) -> None:
        """Fail as the disk would; the tables on it ask too."""
        if self.faults.read_only:
            raise ReadOnly("the file system is read-only")
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

    def crash(self) -> None:
        """Have the node killed: a write under way leaves nothing, or where the disk tears, a piece of the file."""
        under_way, self._under_way = self._under_way, {}
        for number in sorted(under_way):
            name, whole = under_way[number]
            if self._chance.chance(self.faults.torn) and name not in self.files and whole:
                self._put(name, whole[: self._chance.below(len(whole))])
                self.torn += 1

    def well(self) -> None:
        """Have no faults any more; what they left stays as it is."""
        faults = self.faults
        faults.write_errors = faults.read_errors = faults.misdirected = faults.torn = 0.0
        faults.slow_factor = 1.0
        faults.read_only = False

    def wipe(self) -> None:
        """Lose everything."""
        self.files.clear()
        self.folders.clear()
        self._under_way.clear()
        self.unreadable.clear()
        self._used = 0

    async def _takes(self, span: tuple[float, float], size: int) -> None:
        seconds = self._chance.uniform(*span) + size / BYTES_A_SECOND
        await asyncio.sleep(seconds * self.faults.slow_factor)

    def _landing(self, name: str) -> str:
        """Give where a write goes: its own place, or that of another file beside it."""
        if self._chance.chance(self.faults.misdirected):
            folder = name.rpartition("/")[0].partition("/")[0]
            beside = [other for other in sorted(self.files) if other != name and other.startswith(f"{folder}/")]
            if folder and beside:
                self.misdirected += 1
                return beside[self._chance.below(len(beside))]
        return name

    def _put(self, name: str, data: bytes) -> None:
        self._used += len(data) - len(self.files.get(name, b""))
        self.files[name] = data
        self.unreadable.pop(name, None)
        for folder in PurePosixPath(name).parents:
            if folder.parts:
                self.folders[str(folder)] = None

    def _check_place(self, name: str) -> None:
        """Refuse a name that is a folder, or lies in a file."""
        if name in self.folders:
            raise Unavailable(f"cannot write {name}: is a directory")
        if any(str(folder) in self.files for folder in PurePosixPath(name).parents):
            raise Unavailable(f"cannot write {name}: not a directory")

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
