"""Changing the layout: orders become a version, versions meet and are merged, and one that is reached is settled.

Every node of the layout runs the keeper. Decides when a node tells that it has what it owns, and who of several nodes
writes what any of them could. Invariant: only an order changes where a node stands; the keeper writes what follows from
versions that are there, and two keepers that do it at once write the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.placement import NODE, TABLE, VERSION, LayoutView, stripped, written
from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem
from mesh.core.layouts import Dot, History, Order, Version, evened, ordered, reverting
from mesh.core.rows import Change
from mesh.ports import Executor, PortError, Refused

T = TypeVar("T")
STEP_S = 0.5
PRUNED_AT_ONCE = 256
MERGE_AFTER_S = 1.0
"""How long heads must have been the same before their merge is written: several nodes often start together."""

_log = structlog.get_logger("layout.keeper")


class LayoutKeeper:
    """Keeps the layout of one node going, and takes orders."""

    def __init__(
        self,
        system: ActorSystem,
        store: RowStore,
        catalogue: Catalogue,
        view: LayoutView,
        executor: Executor,
        now_ms: Callable[[], int],
    ) -> None:
        self._system = system
        self._store = store
        self._catalogue = catalogue
        self._view = view
        self._executor = executor
        self._now_ms = now_ms
        self._heads: tuple[str, ...] = ()
        self._heads_steps = 0
        self._ordering = asyncio.Lock()
        self._looked_at: History | None = None

    def open(self) -> None:
        """Begin."""
        self._system.supervisor.run("layout/keeper", self._run)

    async def _run(self) -> None:
        while True:
            try:
                await self.step()
            except PortError as error:
                _log.info("the layout cannot be carried on now", error=str(error))
            await asyncio.sleep(STEP_S)

    async def step(self) -> None:
        """Do what is to be done now: merge heads, tell what is synced, settle."""
        view = self._view
        history = view.history
        heads = tuple(head.id for head in history.heads)
        self._heads_steps = self._heads_steps + 1 if heads == self._heads else 0
        self._heads = heads
        if len(heads) > 1:
            if view.is_first() and self._heads_steps * STEP_S >= MERGE_AFTER_S:
                copies = view.copies_wanted
                version = await self._executor.run(lambda: evened(history.heads, copies))
                if view.history.heads == history.heads:
                    await self._catalogue.write(written(version))
            return
        if not history.moving:
            await self._prune(history)
            return
        me = self._system.node_id
        if view.announced() != history.now.id and history.now.layout.places.get(me) is not None and view.synced():
            # Kept first: told is told for good, whatever happens to this node.
            await view.keep_counting(self._store)
            if view.history.now.id == history.now.id:
                await self._catalogue.write(Change(TABLE, NODE, me, set={"synced": history.now.id}))
        if view.is_first() and view.may_settle():
            _log.info("the layout is settled", version=history.now.id)
            await self._catalogue.write(Change(TABLE, VERSION, history.now.id, set={"settled": True}))

    async def _prune(self, history: History) -> None:
        """Leave of versions that are over everywhere no more than which they came from."""
        if history is self._looked_at or not self._view.is_first():
            return
        self._looked_at = history
        over = history.prunable()[:PRUNED_AT_ONCE]
        if over:
            _log.info("versions of the layout are over everywhere", versions=len(over))
            await self._catalogue.write(*(stripped(history.versions[name]) for name in over))

    async def work(self, job: Callable[[], T]) -> T:
        """Do what takes a while off the loop."""
        return await self._executor.run(job)

    # ------------------------------------------------------------ orders

    def _dot(self) -> Dot:
        return (self._store.hlc.tick(self._now_ms()), self._system.node_id)

    async def plan(self, orders: Sequence[Order]) -> Version:
        """Give the version that orders would make; Refused, in a sentence, when they cannot be carried out."""
        if not orders:
            raise Refused("say at least one thing to change")
        base = await self._base()
        dot, copies = self._dot(), self._view.copies_wanted
        return await self._executor.run(lambda: ordered(base, orders, dot, copies))

    async def plan_back(self) -> Version:
        """Give the version that goes back to before the last change of the present one."""
        base = await self._base()
        before = [self._view.history.versions.get(name) for name in base.parents]
        then = next((version for version in before if version is not None), None)
        if then is None:
            raise Refused("there is no earlier version to go back to")
        return reverting(base, then, self._dot())

    async def _base(self) -> Version:
        history = self._view.history
        if not history.heads:
            raise Refused("no node stores anything yet")
        if not history.whole:
            copies = self._view.copies_wanted
            return await self._executor.run(lambda: evened(history.heads, copies))
        return history.now

    async def apply(self, version: Version) -> None:
        """Make a planned version the present one; durable here on return. Refused when it was planned on another."""
        async with self._ordering:
            history = self._view.history
            base = version.parents[0] if len(version.parents) == 1 else ""
            if base != history.now.id or not history.whole:
                if history.whole or base in history.versions:
                    raise Refused("the layout was changed meanwhile: plan again")
                merge = await self._base()
                if merge.id != base:
                    raise Refused("the layout was changed meanwhile: plan again")
                await self._catalogue.write(written(merge))
            await self._catalogue.write(written(version))
