"""Bugs put in on purpose, to see that a checker finds them. Each breaks one promise in one place, as a person might.

Invariant: what was replaced is put back when the block ends.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunkstore import ChunkStore
from mesh.core import rows
from mesh.core.membership import Membership
from mesh.ports import Unavailable
from roles.media import timeline
from simulations.checks import keeping
from simulations.world.tables import FakeTables

Undo = Callable[[], None]


def _swap(owner: Any, name: str, made: Any) -> Undo:
    before = owner.__dict__[name]
    setattr(owner, name, made)
    return lambda: setattr(owner, name, before)


def _acknowledged_before_durable() -> list[Undo]:
    """The database answers before its bytes are on the disk: a crash takes the last two seconds back."""
    real_write, real_crash = FakeTables.write, FakeTables.crash
    states: dict[FakeTables, list[tuple[float, bytes]]] = {}

    async def write(self: FakeTables, work: Any) -> Any:
        given = await real_write(self, work)
        now_s = asyncio.get_running_loop().time()
        kept = states.setdefault(self, [])
        if not kept or now_s - kept[-1][0] >= 0.25:
            kept.append((now_s, self._connection.serialize()))
        return given

    def crash(self: FakeTables) -> None:
        now_s = asyncio.get_running_loop().time()
        old = [state for at_s, state in states.get(self, []) if now_s - at_s >= 2.0]
        if old:
            self._connection.deserialize(old[-1])
        states[self] = []
        real_crash(self)

    return [_swap(FakeTables, "write", write), _swap(FakeTables, "crash", crash)]


def _merge_drops_the_older() -> list[Undo]:
    """Two versions of a row are merged by keeping the newer one whole: what only the other one held is lost."""

    def merge(one: rows.Entry, other: rows.Entry) -> rows.Entry:
        return max(one, other, key=lambda entry: entry.newest)

    return _everywhere("merge", rows.merge, merge)


def _writes_wait_for_the_others() -> list[Undo]:
    """A write answers only once another node has it: a node alone takes none."""
    real = Catalogue.write

    async def write(self: Catalogue, *changes: Any) -> str:
        cursor = await real(self, *changes)
        view: Any = self._view
        if len(view.stores()) < len(view.layout.places):
            raise Unavailable("not all storage nodes are there")
        return cursor

    return [_swap(Catalogue, "write", write)]


def _the_dead_are_never_dialled() -> list[Undo]:
    """A node forgets how to reach those it believes dead: the two sides of a partition never meet again."""
    real = Membership.handle

    def handle(self: Membership, event: Any, now: float) -> Any:
        effects = real(self, event, now)
        return [effect for effect in effects if type(effect).__name__ != "Dial" or now < 10.0]

    return [_swap(Membership, "handle", handle)]


def _holes_are_not_stated() -> list[Undo]:
    """The timeline joins what lies on both sides of a hole."""
    real = timeline.timeline

    def silent(pages: Any) -> timeline.Timeline:
        return timeline.Timeline(real(pages).parts, ())

    return [*_everywhere("timeline", real, silent), _swap(keeping, "timeline", silent)]


def _chunks_are_not_kept() -> list[Undo]:
    """Every fortieth chunk is acknowledged and never stored."""
    real = ChunkStore.add
    count = [0]

    async def add(self: ChunkStore, data: bytes, *rest: Any, **named: Any) -> Any:
        count[0] += 1
        chunk = await real(self, data, *rest, **named)
        if count[0] % 40 == 0:
            self._known.pop(chunk, None)
            await self._disk.delete(f"chunks/{chunk.hex()[:2]}/{chunk.hex()}")
        return chunk

    return [_swap(ChunkStore, "add", add)]


def _everywhere(name: str, real: Any, made: Any) -> list[Undo]:
    """Replace a function in every module of ours that imported it by name."""
    undo = []
    for module_name, module in sorted(sys.modules.items()):
        if module_name.split(".")[0] in ("mesh", "roles", "thatdam") and module.__dict__.get(name) is real:
            undo.append(_swap(module, name, made))
    return undo


BUGS: dict[str, Callable[[], list[Undo]]] = {
    "ack-before-durable": _acknowledged_before_durable,
    "merge-drops-the-older": _merge_drops_the_older,
    "writes-wait-for-the-others": _writes_wait_for_the_others,
    "the-dead-are-never-dialled": _the_dead_are_never_dialled,
    "holes-are-not-stated": _holes_are_not_stated,
    "chunks-are-not-kept": _chunks_are_not_kept,
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Have a bug in for as long as the block lasts."""
    undo = BUGS[name]()
    try:
        yield
    finally:
        for put_back in reversed(undo):
            put_back()
