"""What membership keeps over a restart: the incarnation, and where the others could be reached.

Invariant: a damaged or missing file is an empty one; the incarnation on the disk never goes down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

from mesh.ports import Corrupt, Disk, Host, NotFound
from proto import codec
from proto.codec import Malformed, Max
from proto.ids import NodeId

INCARNATION_PATH = "membership/incarnation"
BOOK_PATH = "membership/book"
BOOK_MAX = 4096

AddressBook = tuple[tuple[NodeId, tuple[Host, ...]], ...]


class MembershipMemory(Protocol):
    """Where membership keeps what it must know after a restart."""

    async def load(self) -> tuple[int, AddressBook]:
        """Give the incarnation kept last (0: none), and the addresses of other nodes."""

    async def save_incarnation(self, incarnation: int) -> None:
        """Keep an incarnation, durably."""

    async def save_book(self, book: AddressBook) -> None:
        """Keep the addresses of other nodes."""


@dataclass(frozen=True, slots=True)
class _Incarnation:
    incarnation: int


@dataclass(frozen=True, slots=True)
class _Book:
    nodes: Annotated[tuple[tuple[NodeId, tuple[tuple[str, int], ...]], ...], Max(BOOK_MAX)]


class DiskMemory:
    """A ``MembershipMemory`` in the data folder."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    async def load(self) -> tuple[int, AddressBook]:
        """Give what was kept."""
        incarnation = 0
        book: AddressBook = ()
        try:
            incarnation = codec.decode(_Incarnation, await self._disk.read(INCARNATION_PATH)).incarnation
        except (NotFound, Corrupt, Malformed):
            incarnation = 0
        try:
            book = codec.decode(_Book, await self._disk.read(BOOK_PATH)).nodes
        except (NotFound, Corrupt, Malformed):
            book = ()
        return incarnation, book

    async def save_incarnation(self, incarnation: int) -> None:
        """Keep an incarnation."""
        await self._disk.write(INCARNATION_PATH, codec.encode(_Incarnation(incarnation)))

    async def save_book(self, book: AddressBook) -> None:
        """Keep the address book."""
        await self._disk.write(BOOK_PATH, codec.encode(_Book(book[:BOOK_MAX])))
