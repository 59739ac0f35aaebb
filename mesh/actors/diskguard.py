"""Watches what becomes of this node's writes, and says when it is read-only: by its operator's word, or its disk's.

Every write of the node, to files and to the database, goes through ``disk`` and ``tables``, and is judged by
``mesh.core.diskguard``; two verdicts, for the two may lie on different disks. Read-only, a node takes no chunks: it
answers as one whose disk is full, so that the next node in the order stands in. Rows are another matter. The operator's
word is about room and wear, which rows hardly take, and a mesh whose rows an owner does not take would keep them all
waiting; so they are still taken. A database that cannot be written takes none, nothing is acknowledged, and what is in
it counts for no answer until it was compared again (``LayoutView.writable``).

Invariant: a write that returned is as durable as the port below says; nothing is kept back here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from mesh.actors.supervisor import Supervisor
from mesh.core.diskguard import DiskGuard, NotWritten, Written
from mesh.ports import Clock, Disk, DiskFull, DiskUsage, PortError, ReadOnly, Sql, Tables, Unavailable

T = TypeVar("T")

TRIAL = "chunks/trial"
"""A file that is written to see whether the disk takes it; where chunks lie, and no chunk by its name."""
_TRIED = "disk.tried"
BY_SETTING = "its operator has it take no new chunks (storage.read_only)"

_log = structlog.get_logger("storage.guard")


@dataclass(frozen=True, slots=True)
class ReadOnlyTold:
    """How a node is read-only. ``by``: setting or disk; ``rows``: whether it takes rows; ``since_ms``: UTC."""

    by: str
    why: str
    rows: bool
    since_ms: int


class StorageGuard:
    """What one node can write to. ``read_only``: its operator's word."""

    def __init__(self, disk: Disk, tables: Tables, clock: Clock, *, read_only: bool = False) -> None:
        self._clock = clock
        self._setting = read_only
        self._started_ms = int(clock.wall() * 1000)
        self._files, self._rows = DiskGuard(), DiskGuard()
        self._below, self._tables_below = disk, tables
        self._tried_s = {self._files: 0.0, self._rows: 0.0}
        self._doubt = asyncio.Event()
        self._since_ms = 0
        self._handlers: list[Callable[[], None]] = []
        self.disk: Disk = _WatchedDisk(disk, self._seen(self._files, "files"))
        self.tables: Tables = _WatchedTables(tables, self._seen(self._rows, "the database"))

    def open(self, supervisor: Supervisor) -> None:
        """Begin to try the disk whenever there is doubt."""
        supervisor.run("storage/guard", self._run)

    def watch(self, handler: Callable[[], None]) -> None:
        """Have ``handler`` called when the node becomes read-only, or is it no longer."""
        self._handlers.append(handler)

    def refuses_chunks(self) -> str:
        """Give why no chunk is taken now, in words; empty when they are."""
        if self._files.why or self._rows.why:
            return f"this node's disk takes no writes ({self._files.why or self._rows.why})"
        return f"this node is read-only: {BY_SETTING}" if self._setting else ""

    def refuses_rows(self) -> bool:
        """Tell whether the database cannot be written."""
        return self._rows.read_only

    def told(self) -> ReadOnlyTold | None:
        """Tell how this node is read-only; None when it is not."""
        why = self._files.why or self._rows.why
        if why:
            return ReadOnlyTold("disk", why, not self._rows.read_only, self._since_ms)
        return ReadOnlyTold("setting", BY_SETTING, True, self._started_ms) if self._setting else None

    # ------------------------------------------------------------ judging

    def _seen(self, guard: DiskGuard, what: str) -> Callable[[PortError | None], None]:
        def seen(error: PortError | None) -> None:
            self._note(guard, what, error, trial=False)

        return seen

    def _note(self, guard: DiskGuard, what: str, error: PortError | None, *, trial: bool) -> None:
        event: Written | NotWritten = Written(trial)
        match error:
            case None:
                pass
            case ReadOnly():
                event = NotWritten(str(error), outright=True)
            case Unavailable():
                event = NotWritten(str(error))
            case DiskFull() if trial:
                pass  # one that says that it has no room takes writes
            case _:
                return
        changed = guard.handle(event, self._clock.monotonic())
        if guard.trial_after_s() is not None:
            self._doubt.set()
        if not changed:
            return
        if guard.read_only:
            if not (self._files.read_only and self._rows.read_only):
                self._since_ms = int(self._clock.wall() * 1000)
            _log.error("this disk takes no writes: the node is read-only", what=what, error=guard.why)
        else:
            _log.warning("this disk takes writes again", what=what)
        for handler in self._handlers:
            handler()

    async def _run(self) -> None:
        while True:
            waits = [wait for guard in (self._files, self._rows) if (wait := guard.trial_after_s()) is not None]
            if not waits:
                self._doubt.clear()
                await self._doubt.wait()
                continue
            await asyncio.sleep(min(waits))
            await self._try(self._files, "files", self._try_files)
            await self._try(self._rows, "the database", self._try_rows)

    async def _try(self, guard: DiskGuard, what: str, attempt: Callable[[], Awaitable[None]]) -> None:
        after_s, now = guard.trial_after_s(), self._clock.monotonic()
        if after_s is None or now - self._tried_s[guard] < after_s:
            return
        self._tried_s[guard] = now
        error: PortError | None = None
        try:
            await attempt()
        except PortError as failed:
            error = failed
        self._note(guard, what, error, trial=True)

    async def _try_files(self) -> None:
        await self._below.write(TRIAL, b"\n")
        await self._below.delete(TRIAL)

    async def _try_rows(self) -> None:
        when = str(int(self._clock.wall() * 1000)).encode()
        await self._tables_below.write(
            lambda sql: sql.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_TRIED, when))
        )


class _WatchedDisk:
    """A ``Disk`` whose writes are seen."""

    def __init__(self, disk: Disk, seen: Callable[[PortError | None], None]) -> None:
        self._disk = disk
        self._seen = seen

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        """Read bytes of a file."""
        return await self._disk.read(path, offset, size)

    async def write(self, path: str, data: bytes) -> None:
        """Write a whole file durably."""
        try:
            await self._disk.write(path, data)
        except PortError as error:
            self._seen(error)
            raise
        self._seen(None)

    async def delete(self, path: str) -> None:
        """Remove a file."""
        await self._disk.delete(path)

    async def size(self, path: str) -> int:
        """Give a file's size in bytes."""
        return await self._disk.size(path)

    async def list(self, folder: str) -> list[str]:
        """Give the names directly in a folder, sorted."""
        return await self._disk.list(folder)

    async def usage(self) -> DiskUsage:
        """Give the room on the disk."""
        return await self._disk.usage()


class _WatchedTables:
    """A ``Tables`` whose writes are seen."""

    def __init__(self, tables: Tables, seen: Callable[[PortError | None], None]) -> None:
        self._tables = tables
        self._seen = seen

    async def write(self, work: Callable[[Sql], T]) -> T:
        """Run ``work`` in one durable transaction."""
        try:
            given = await self._tables.write(work)
        except PortError as error:
            self._seen(error)
            raise
        self._seen(None)
        return given

    async def read(self, work: Callable[[Sql], T]) -> T:
        """Run ``work`` over a consistent snapshot."""
        return await self._tables.read(work)
