"""The data folder on a real disk.

Decides how a write becomes durable: a file of its own name in ``tmp/``, fsync, rename, fsync of the folder that holds
it. Where a folder cannot be opened for fsync (Windows), the rename alone has to do.

Invariant: a file under its final name is whole; nothing outside the folder is ever touched.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from pathlib import Path, PurePosixPath

from mesh.ports import Corrupt, DiskFull, DiskUsage, Executor, NotFound, ReadOnly, Unavailable

TMP = "tmp"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class FolderDisk:
    """A folder of the machine; a ``ports.Disk``.

    ``reserve_bytes`` of the disk are left to others: a write that would use them is refused as DiskFull. Writes wait
    for the disk (fsync): with threads of their own, ``writers``, nothing else waits behind them.
    """

    def __init__(
        self, root: Path, executor: Executor, writers: Executor | None = None, *, reserve_bytes: int = 0
    ) -> None:
        self.root = root
        self._executor = executor
        self._writers = writers or executor
        self._reserve_bytes = reserve_bytes
        self._made = 0
        self._folders: set[Path] = set()
        tmp = root / TMP
        tmp.mkdir(parents=True, exist_ok=True)
        for left in tmp.iterdir():
            # What a crash left here was never acknowledged.
            with contextlib.suppress(OSError):
                left.unlink()

    def path(self, path: str) -> Path:
        """Give the real path of a relative one; ValueError when it would leave the folder."""
        pure = PurePosixPath(path)
        if pure.is_absolute() or not pure.parts or ".." in pure.parts or "\\" in path or "\0" in path:
            raise ValueError(f"not a path inside the data folder: {path!r}")
        return self.root.joinpath(*pure.parts)

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        """Read bytes of a file."""
        return await self._executor.run(_read, self.path(path), offset, size)

    async def write(self, path: str, data: bytes) -> None:
        """Write a whole file durably."""
        self._made += 1
        tmp = self.root / TMP / f"{os.getpid()}-{self._made}"
        await self._writers.run(self._write, tmp, self.path(path), data)

    async def delete(self, path: str) -> None:
        """Remove a file."""
        await self._executor.run(_delete, self.path(path))

    async def size(self, path: str) -> int:
        """Give a file's size in bytes."""
        return await self._executor.run(_size, self.path(path))

    async def list(self, folder: str) -> list[str]:
        """Give the names directly in a folder, sorted."""
        return await self._executor.run(_list, self.root if folder in ("", ".") else self.path(folder))

    async def usage(self) -> DiskUsage:
        """Give the room on the disk, less the reserve."""
        return await self._executor.run(self._usage)

    def _usage(self) -> DiskUsage:
        usage = shutil.disk_usage(self.root)
        return DiskUsage(usage.total, max(0, usage.free - self._reserve_bytes))

    def _write(self, tmp: Path, final: Path, data: bytes) -> None:
        try:
            if self._reserve_bytes and shutil.disk_usage(self.root).free < self._reserve_bytes + len(data):
                raise DiskFull(f"less than {self._reserve_bytes >> 20} MiB would be left on the disk of {self.root}")
            if final.parent not in self._folders:
                _make_folder(final.parent, self.root)
                self._folders.add(final.parent)
            descriptor = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(tmp, final)
            _fsync_folder(final.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                tmp.unlink()
            self._folders.discard(final.parent)
            if error.errno in _FULL:
                raise DiskFull(f"the disk of {self.root} is full") from error
            if error.errno == errno.EROFS:
                raise ReadOnly(f"the file system of {self.root} is read-only") from error
            raise Unavailable(f"cannot write {final}: {error.strerror}") from error


def _make_folder(folder: Path, root: Path) -> None:
    if folder.is_dir():
        return
    if folder != root:
        _make_folder(folder.parent, root)
    folder.mkdir(exist_ok=True)
    _fsync_folder(folder.parent)


def _fsync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path, offset: int, size: int | None) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read() if size is None else file.read(size)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise NotFound(f"no file {path.name}") from error
    except OSError as error:
        if error.errno == errno.EIO:
            raise Corrupt(f"the disk cannot read {path}") from error
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error


def _delete(path: Path) -> None:
    try:
        path.unlink()
        _fsync_folder(path.parent)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"no file {path.name}") from error
    except OSError as error:
        if path.is_dir():
            raise NotFound(f"{path.name} is a folder") from error
        if error.errno == errno.EROFS:
            raise ReadOnly(f"the file system of {path} is read-only") from error
        raise Unavailable(f"cannot remove {path}: {error.strerror}") from error


def _size(path: Path) -> int:
    try:
        told = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"no file {path.name}") from error
    if not stat.S_ISREG(told.st_mode):
        raise NotFound(f"{path.name} is a folder")
    return told.st_size


def _list(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
