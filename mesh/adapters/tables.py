"""SQLite behind the Tables port: one writing connection with a thread of its own, a few reading ones.

WAL, ``synchronous=FULL``: what ``write`` returned for is on the disk. Readers see a consistent snapshot and never wait
for the writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from mesh.adapters import salvage
from mesh.ports import Corrupt, DiskFull, ReadOnly, Sql, Unavailable

T = TypeVar("T")

READERS = 3
BUSY_TIMEOUT_S = 10.0
WRITING = "BEGIN IMMEDIATE"


class SqliteTables:
    """A database file; a ``ports.Tables``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer_thread = ThreadPoolExecutor(1, thread_name_prefix="tables-write")
        self._reader_threads = ThreadPoolExecutor(READERS, thread_name_prefix="tables-read")
        self._writer = _open(path)
        self._readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        for _ in range(READERS):
            reader = _open(path)
            reader.execute("PRAGMA query_only=1")
            self._readers.put(reader)

    async def write(self, work: Callable[[Sql], T]) -> T:
        """Run ``work`` in one durable transaction."""
        return await self._run(self._writer_thread, self._write, work)

    async def read(self, work: Callable[[Sql], T]) -> T:
        """Run ``work`` over a consistent snapshot."""
        return await self._run(self._reader_threads, self._read, work)

    async def _run(
        self, threads: ThreadPoolExecutor, run: Callable[[Callable[[Sql], T]], T], work: Callable[[Sql], T]
    ) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, run, work)
        except Corrupt:
            salvage.mark(self._path)  # the next start makes a whole one of it
            raise

    def close(self) -> None:
        """Finish what runs, then close the file."""
        self._writer_thread.shutdown(wait=True)
        self._reader_threads.shutdown(wait=True)
        with contextlib.suppress(sqlite3.Error):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer.close()
        for _ in range(READERS):
            self._readers.get_nowait().close()

    def _write(self, work: Callable[[Sql], T]) -> T:
        return transact(self._writer, WRITING, work)

    def _read(self, work: Callable[[Sql], T]) -> T:
        connection = self._readers.get()
        try:
            return transact(connection, "BEGIN", work)
        finally:
            self._readers.put(connection)


def _open(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-8192")
    except sqlite3.DatabaseError as error:
        raise port_error(path, error) from error
    return connection


def transact(connection: sqlite3.Connection, begin: str, work: Callable[[Sql], T]) -> T:
    """Run ``work`` in a transaction that ``begin`` opens; an error rolls back, SQLite's own become the port's."""
    try:
        connection.execute(begin)
        try:
            given = work(connection)
        except BaseException:
            if connection.in_transaction:  # a full disk or a failed write has SQLite roll back by itself
                connection.execute("ROLLBACK")
            raise
        try:
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        raise port_error(None, error, writing=begin == WRITING) from error
    return given


def port_error(path: Path | None, error: sqlite3.Error, *, writing: bool = False) -> Exception:
    """Give what the port says to an error of SQLite; what is our own mistake stays as it is.

    ``writing``: in a transaction that may write; in another one that it may not says nothing of the disk.
    """
    name = getattr(error, "sqlite_errorname", "")
    where = f" {path}" if path else ""
    if name == "SQLITE_FULL":
        return DiskFull("the disk of the database is full")
    if writing and name.startswith("SQLITE_READONLY"):
        return ReadOnly(f"the database{where} cannot be written: {error}")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return Corrupt(f"the database{where} is damaged: {error}")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR")):
        return Unavailable(f"the database{where} cannot be used: {error}")
    return error
