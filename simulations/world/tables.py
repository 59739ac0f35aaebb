"""A node's SQLite database, the real one, in memory on the fake disk.

A transaction waits as long as its fsync would take, then runs and commits at one moment of virtual time: a crash comes
before it or after it, and what it interrupts was never begun. Disk faults reach it. The real adapter passes the same
contract tests (``tests/contracts/test_tables.py``); errors of SQLite become errors of the port by its own code.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Callable
from typing import TypeVar

from mesh.adapters.tables import WRITING, port_error, transact
from mesh.ports import Sql
from simulations.world.disk import FakeDisk

T = TypeVar("T")

_COMMIT_BYTES = 4096
_numbers = itertools.count(1)


class FakeTables:
    """A ``ports.Tables``. It belongs to the machine: the next life of the node opens what the last one committed."""

    def __init__(self, disk: FakeDisk) -> None:
        self._disk = disk
        self._name = f"file:world{next(_numbers)}?mode=memory&cache=shared"
        self._connection, self._reader = self._open(), self._open()
        self._reader.execute("PRAGMA query_only=1")
        self._turn = asyncio.Lock()
        self.commits = 0

    async def write(self, work: Callable[[Sql], T]) -> T:
        """Run ``work`` in one durable transaction."""
        async with self._turn:
            await self._disk.write_time(_COMMIT_BYTES)
            self._disk.check_write()
            self._disk.check_room(_COMMIT_BYTES)
            given = transact(self._connection, WRITING, work)
            self.commits += 1
            return given

    async def read(self, work: Callable[[Sql], T]) -> T:
        """Run ``work`` over a consistent snapshot."""
        await asyncio.sleep(0.0001)
        # It runs at one moment and nobody else does, so that it needs no transaction to see a snapshot.
        try:
            return work(self._reader)
        except sqlite3.DatabaseError as error:
            raise port_error(None, error) from error

    def crash(self) -> None:
        """Forget who waited: the process that did is gone."""
        self._turn = asyncio.Lock()

    def wipe(self) -> None:
        """Lose everything."""
        self._reader.close()
        self._connection.close()
        self._connection, self._reader = self._open(), self._open()
        self._reader.execute("PRAGMA query_only=1")
        self.crash()

    def close(self) -> None:
        """Nothing to do: the machine keeps what was committed."""

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._name, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys=ON")
        return connection
