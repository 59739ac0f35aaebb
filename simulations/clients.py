"""People who use the mesh, one at each machine: they write, tag, edit, put, list and search, whatever goes wrong.

They ask the actors a gateway would ask. What they were told goes into the ledger. Invariant: what a person asks depends
on the seed alone, not on what others do.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from blake3 import blake3

from mesh.core.query import Page, Query, Where
from mesh.core.rows import Change, Row
from mesh.ports import DiskFull, PortError, ReadOnly, Unavailable
from proto.codec import Value
from proto.ids import AssetId
from simulations.ledger import Answer, Ledger, Refusal, Search, Write
from simulations.nodes import Mesh
from simulations.world.entropy import SeededEntropy
from simulations.world.eyes import picture_of
from simulations.world.world import Machine
from thatdam.node import Node

T = TypeVar("T")

PAUSE_S = (0.4, 1.6)
WRITE_LIMIT_S = 5.0
LIST_LIMIT_S = 10.0
FILE_LIMIT_S = 45.0
SEARCH_LIMIT_S = 40.0
SHARED = "shared".ljust(26, "0")
REGISTER = "register".ljust(26, "0")
NOTE_KIND = "note"
PAGE_ROWS = 500
FILE_BYTES = (2_000, 300_000)
PICTURE_BYTES = (500, 20_000)
WORDS = ("coffee", "horse", "bridge", "rain", "violin", "harbour")
HITS_MAX = 100


class _Died(Exception):
    """The machine died or stood still under the asker's hands: nobody knows what became of what was asked."""


class Person:
    """One person at one machine."""

    def __init__(self, mesh: Mesh, machine: Machine[Node], ledger: Ledger, *, searching: bool = False) -> None:
        self._mesh = mesh
        self._machine = machine
        self._ledger = ledger
        self._chance = SeededEntropy(mesh.seed, f"person {machine.number}")
        self._count = 0
        self._searching = searching
        self._unseen: list[Write] = []
        self.working = True

    async def live(self) -> None:
        """Use the mesh until ``working`` is taken away."""
        while self.working:
            await asyncio.sleep(self._chance.uniform(*PAUSE_S))
            wish = self._chance.uniform(0.0, 1.0)
            if self._machine.state != "up" or not self.working:
                continue
            self._count += 1
            with contextlib.suppress(_Died):
                await self._do(wish)

    async def _do(self, wish: float) -> None:
        if self._searching:
            await (self._picture() if wish < 0.35 else self._search() if wish < 0.9 else self._note())
            return
        if wish < 0.40:
            await self._note()
        elif wish < 0.60:
            await self._tag()
        elif wish < 0.70:
            await self._edit()
        elif wish < 0.76:
            await self._file()
        elif wish < 0.81:
            await self._picture()
        elif wish < 0.88:
            await self._search()
        else:
            await self._list()

    # ------------------------------------------------------------ wishes

    async def _note(self) -> None:
        name = f"{self._machine.name}-{self._count}"
        write = self._asked("note", f"{name}".ljust(26, "x"), name)
        fields: dict[str, Value] = {"kind": NOTE_KIND, "name": name, "created_ms": self._count}
        await self._write(write, lambda node: node.catalogue.write(Change("assets", write.key, set=fields)))

    async def _tag(self) -> None:
        write = self._asked("tag", SHARED, f"tag-{self._machine.name}-{self._count}")
        change = Change("assets", SHARED, set={"kind": "other"}, add={"tags": (write.value,)})
        await self._write(write, lambda node: node.catalogue.write(change))

    async def _edit(self) -> None:
        """Read what the shared asset is called and call it otherwise: a later edit must not lose to what it read."""
        try:
            row: Row | None = await self._on(lambda node: node.catalogue.get("assets", REGISTER), LIST_LIMIT_S)
        except Unavailable as error:
            self._unavailable("read", error)
            return
        except (PortError, TimeoutError) as error:
            self._refused("read", error)
            return
        write = self._asked("register", REGISTER, f"{self._machine.name}-{self._count}")
        write.read = str(row.fields.get("name") or "") if row is not None else ""
        change = Change("assets", REGISTER, set={"kind": "other", "name": write.value})
        await self._write(write, lambda node: node.catalogue.write(change))

    async def _file(self) -> None:
        size = int(self._chance.uniform(*FILE_BYTES))
        name = f"{self._machine.name}-{self._count}.bin"
        write = self._asked("file", "", f"{name}:{size}")

        async def take_in(node: Node) -> None:
            write.key = await node.ingest.take_in(name, (), _blocks(content_of(write.value)))

        await self._write(write, take_in, FILE_LIMIT_S)

    async def _picture(self) -> None:
        word = WORDS[int(self._chance.uniform(0, len(WORDS)))]
        write = self._asked("picture", "", word)
        content = picture_of(word, int(self._chance.uniform(*PICTURE_BYTES)))
        name = f"{self._machine.name}-{self._count}.jpg"

        async def take_in(node: Node) -> None:
            write.key = await node.ingest.take_in(name, (), _blocks(content))

        await self._write(write, take_in, FILE_LIMIT_S)
        if write.acked_s is not None:
            self._unseen.append(write)

    async def _search(self) -> None:
        """See whether the first of one's own pictures can be found by now, then search for a word."""
        word = WORDS[int(self._chance.uniform(0, len(WORDS)))]
        asked_s = self._mesh.loop.time()
        self._ledger.look(asked_s)
        try:
            if self._unseen:
                picture = self._unseen[0]
                rows = await self._on(lambda node: node.catalogue.rows("vectors", AssetId(picture.key)), LIST_LIMIT_S)
                if any("vector" in row.fields for row in rows):
                    seen_s = self._mesh.loop.time()
                    seen = Write("seen", self._machine.name, picture.key, picture.value, seen_s, acked_s=seen_s)
                    self._ledger.seen.append(seen)
                    del self._unseen[0]
            asked_s = self._mesh.loop.time()
            found = await self._on(lambda node: node.search.search(word, limit=HITS_MAX), SEARCH_LIMIT_S)
        except Unavailable as error:
            self._unavailable("search", error)
            return
        except (PortError, TimeoutError) as error:
            self._refused("search", error)
            return
        assets = frozenset(hit.asset for hit in found.hits)
        took_s = self._mesh.loop.time() - asked_s
        told = (found.shards_ok, found.shards_total, found.missing)
        self._ledger.searches.append(Search(self._machine.name, asked_s, took_s, word, assets, *told))

    async def _list(self) -> None:
        asked_s = self._mesh.loop.time()
        self._ledger.look(asked_s)
        try:
            keys, ok, total = await self._on(list_notes, LIST_LIMIT_S)
        except (PortError, TimeoutError) as error:
            self._refused("list", error)
            return
        took_s = self._mesh.loop.time() - asked_s
        self._ledger.answers.append(Answer(self._machine.name, asked_s, took_s, keys, ok, total))

    # ------------------------------------------------------------ asking

    def _asked(self, kind: str, key: str, value: str) -> Write:
        write = Write(kind, self._machine.name, key, value, self._mesh.loop.time())
        self._ledger.writes.append(write)
        return write

    async def _write(
        self, write: Write, work: Callable[[Node], Awaitable[object]], limit_s: float = WRITE_LIMIT_S
    ) -> None:
        try:
            await self._on(work, limit_s)
        except DiskFull as error:
            sick = isinstance(error, ReadOnly) and self._ledger.open(self._machine.name, "sick")
            if not sick and not self._ledger.open(self._machine.name, "full"):
                self._refused(f"write a {write.kind}", error)
        except (PortError, TimeoutError) as error:
            if not self._ledger.open(self._machine.name, "sick"):
                self._refused(f"write a {write.kind}", error)
        else:
            write.acked_s = self._mesh.loop.time()
            self._mesh.note("acked", self._machine.life, write.kind, write.key, write.value)

    async def _on(self, work: Callable[[Node], Awaitable[T]], limit_s: float) -> T:
        life, state = self._machine.life, self._machine.state
        if state == "stopping":
            raise _Died  # it takes nothing new, as a gateway that closes
        try:
            return await self._mesh.on(self._machine, work, limit_s)
        except TimeoutError:
            if (self._machine.life, self._machine.state) != (life, state):
                raise _Died from None
            raise

    def _unavailable(self, what: str, error: Unavailable) -> None:
        """Take note that who has what was asked for cannot be reached: said in time, and honest."""
        self._ledger.unavailable.append(Refusal(self._machine.name, what, self._mesh.loop.time(), str(error)))

    def _refused(self, what: str, error: BaseException) -> None:
        refusal = Refusal(self._machine.name, what, self._mesh.loop.time(), f"{type(error).__name__}: {error}")
        self._ledger.refusals.append(refusal)
        self._mesh.note("refused", self._machine.life, what, refusal.why)


def content_of(value: str) -> bytes:
    """Make the bytes of a file from its ``name:size``."""
    return blake3(value.encode()).digest(length=int(value.rpartition(":")[2]))


async def _blocks(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 65536):
        yield data[at : at + 65536]


async def list_notes(node: Node) -> tuple[frozenset[str], int, int]:
    """Have a node list all notes; gives their keys, and how many partitions of how many answered on every page."""
    keys: dict[str, None] = {}
    page_text = ""
    ok = total = 0
    while True:
        query = Query("assets", (Where("kind", "eq", NOTE_KIND),), order="created_ms", limit=PAGE_ROWS, page=page_text)
        page: Page = await node.catalogue.scan(query)
        ok = min(ok, page.partitions_ok) if page_text else page.partitions_ok
        total = page.partitions_total
        keys.update(dict.fromkeys(row.pk for row in page.rows))
        page_text = page.next
        if not page_text:
            return frozenset(keys), ok, total
