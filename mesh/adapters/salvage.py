"""What can still be read of a damaged database is read, and it is put aside for the one made from that.

Damage is found when the database is opened, or while it is used: then a mark beside it has the next start do this.
Invariant: a damaged database stays where it is until a whole one can take its place, and is never deleted. What is read
of it may be anything: whoever reads it checks it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_FILES = ("", "-wal", "-shm")
_MARK = "-damaged"
SKIPPED_MAX = 1 << 40
"""Numbers of rows after which what follows damage is given up."""


def marked(path: Path) -> bool:
    """Tell whether damage was found in a database while it was used."""
    return path.with_name(path.name + _MARK).exists()


def is_gone(path: Path) -> bool:
    """Tell whether a data folder that was used before has no database any more."""
    return not path.exists() and (path.parent / "chunks").exists()


def mark(path: Path) -> None:
    """Have the next start put a database aside."""
    with contextlib.suppress(OSError):
        path.with_name(path.name + _MARK).touch()


def fresh(path: Path) -> Path:
    """Give where the database that is to take another's place is made; what an earlier try left there is removed."""
    made = path.with_name(f"{path.stem}.new{path.suffix}")
    for end in _FILES:
        made.with_name(made.name + end).unlink(missing_ok=True)
    return made


def take_place(path: Path) -> Path:
    """Put the closed database made at ``fresh(path)`` in the place of the damaged one; gives where that is now."""
    number = 1
    while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    for end in _FILES:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    finish(path)
    return aside


def finish(path: Path) -> None:
    """Go on where a crash came between putting the damaged one aside and the new one into its place."""
    made = path.with_name(f"{path.stem}.new{path.suffix}")
    if made.exists() and not path.exists():
        made.rename(path)
        path.with_name(path.name + _MARK).unlink(missing_ok=True)


class Salvage:
    """A damaged database, to be read as far as it goes."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def rows(self, table: str, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        """Give what can be read of a table whose first column is its number, in that order, past what is damaged."""
        last, step = 0, 1
        while step < SKIPPED_MAX:
            try:
                found = self._connection.execute(
                    f"SELECT {', '.join(columns)} FROM {table} WHERE {columns[0]} > ? ORDER BY {columns[0]}",  # noqa: S608
                    (last + (step if step > 1 else 0),),
                )
                for row in found:
                    last, step = row[0], 1
                    yield row
            except (sqlite3.DatabaseError, UnicodeDecodeError):
                step *= 2
                continue
            return

    def all(self, table: str, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        """Give what can be read of a small table, up to what is damaged."""
        with contextlib.suppress(sqlite3.DatabaseError, UnicodeDecodeError):
            yield from self._connection.execute(f"SELECT {', '.join(columns)} FROM {table}")  # noqa: S608 - own names
