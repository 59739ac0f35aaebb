"""The lease server of a storage node: grants the jobs of the partitions it is first to hold.

Of a partition's holders the first that is alive grants; the others take renewals and results as well, for they have the
rows. It also closes the gap between what an asset should have had done and the jobs there are, so that a take that
became ready, or a model that came to the mesh, is worked on without anyone asking.

Invariant: what a LeaseBook granted is durable before it is answered, and a node that is still catching up with a
partition neither queues nor grants its jobs: it would do again what is done already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.jobs import ACTOR
from mesh.actors.placement import LayoutView
from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem, Context
from mesh.core.jobs import LEASE_MS, Job, LeaseBook, Work, fields_of, job_id, job_of, new_job, wanted
from mesh.core.placement import partition_of
from mesh.core.query import Where
from mesh.core.rows import Change, Entry, Row, unpack
from mesh.ports import Clock, NotFound
from proto.ids import AssetId, JobId, ModelId, NodeId, PartitionId
from proto.messages.jobs import AskJobs, FinishJob, GiveBack, JobState, Lease, Leases, Renewed, RenewLease

TICK_S = 2.0
PAGE = 256
"""Rows read together."""
SWEEP_EVERY_S = 10.0
"""How often some of all the assets there are are looked at, round and round, whatever changed."""
ROUND_S_MIN = 60.0
DIRTY_MAX = 100_000
"""Assets waiting to be looked at; past that the whole table is looked at instead."""

_log = structlog.get_logger("storage.leases")

Models = Callable[[], Sequence[ModelId]]
"""Gives the models that nodes now alive can embed pictures with."""

_OPEN = ((Where("state", "ne", "done"), Where("state", "ne", "failed")),)


class LeaseServer:
    """The actor ``jobs`` of a storage node."""

    def __init__(
        self,
        system: ActorSystem,
        store: RowStore,
        catalogue: Catalogue,
        view: LayoutView,
        clock: Clock,
        models: Models,
        synced: Callable[[], AbstractSet[PartitionId]],
    ) -> None:
        self._system = system
        self._store = store
        self._catalogue = catalogue
        self._view = view
        self._clock = clock
        self._models = models
        self._synced = synced
        self._book = LeaseBook(system.node_id)
        self._dirty: dict[str, None] = {}
        self._all_dirty = True
        self._swept: tuple[str, str] | None = None
        self._seen: tuple[object, ...] = ()
        self._wake = asyncio.Event()

    async def open(self) -> None:
        """Read the jobs there are, and begin to serve."""
        self._store.watch("jobs", self._job_changed)
        self._store.watch("assets", self._asset_changed)
        after: tuple[str, str] | None = ("", "")
        while after is not None:
            found, after = await self._store.sift("jobs", _OPEN, after)
            for at in range(0, len(found), PAGE):
                for packed in await self._store.fetch([("jobs", *key) for key in found[at : at + PAGE]]):
                    self._job_changed(unpack(packed))
        self._system.spawn(ACTOR, self, mailbox_max=256)
        self._system.supervisor.run("jobs/reconcile", self._reconcile)

    @property
    def waiting(self) -> int:
        """How many jobs of this node's rows are not done."""
        return len(self._book)

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Handle one of the jobs' messages."""
        match message:
            case AskJobs():
                return await self._ask(context.sender, message)
            case RenewLease():
                epoch = (message.counter, message.granter)
                job = self._book.renew(JobId(message.job), epoch, context.sender, self._now_ms())
                await self._save(job, told=False)
                return Renewed(LEASE_MS)
            case FinishJob():
                epoch = (message.counter, message.granter)
                job = self._book.finish(
                    JobId(message.job), epoch, context.sender, self._now_ms(), message.error, again=message.again
                )
                await self._save(job)
                return _state(job)
            case GiveBack():
                job = self._book.give_back(JobId(message.job), (message.counter, message.granter), context.sender)
                await self._save(job)
                return _state(job)
            case _:
                raise NotFound(f"jobs takes no {type(message).__name__} from {context.sender[:8]}")

    async def _ask(self, asker: NodeId, message: AskJobs) -> Leases:
        able = [Work(kind, version) for kind, version in message.able]
        granted = self._book.ask(asker, able, message.limit, self._now_ms(), lambda job: self._grants(job.asset))
        if granted:
            await self._catalogue.write(*(_change(job) for job in granted))
            for job in granted:
                await self._system.publish("job.leased", _state(job))
        return Leases(
            tuple(
                Lease(job.asset, job.job, job.kind, job.version, *job.epoch, LEASE_MS, job.attempts) for job in granted
            )
        )

    def _grants(self, asset: str) -> bool:
        """Tell whether this node is the first alive holder of an asset's partition, and knows what is in it."""
        partition = partition_of(asset)
        alive = dict.fromkeys(self._view.stores())
        present = [node for node in self._view.holders(partition) if node in alive]
        if present[:1] != [self._system.node_id]:
            return False
        # Alone there is nobody to catch up with: whatever is left on this side goes on working.
        return len(present) == 1 or partition in self._synced()

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)

    async def _save(self, job: Job, *, told: bool = True) -> None:
        await self._catalogue.write(_change(job))
        if told:
            await self._system.publish(f"job.{job.state}", _state(job))

    # ------------------------------------------------------------ what should be there

    def _job_changed(self, entry: Entry) -> None:
        if not entry.alive:
            self._book.forget(JobId(entry.sk))
        else:
            self._book.take(job_of(entry.row()))

    def _asset_changed(self, entry: Entry) -> None:
        if len(self._dirty) < DIRTY_MAX:
            self._dirty[entry.pk] = None
        else:
            self._all_dirty = True
        self._wake.set()

    async def _reconcile(self) -> None:
        due_s, hurried, began_s = 0.0, False, 0.0
        while True:
            self._wake.clear()
            now_s = self._clock.monotonic()
            seen = (tuple(sorted(self._models())), frozenset(self._synced()), tuple(self._view.stores()))
            if self._all_dirty or seen != self._seen:
                self._all_dirty, self._seen = False, seen
                self._swept, hurried, due_s = None, True, now_s
            if now_s >= due_s:
                began_s = began_s if self._swept else now_s
                page, self._swept = await self._store.sift("assets", self._workable(), self._swept or ("", ""))
                hurried = hurried and bool(self._swept)
                due_s = now_s + SWEEP_EVERY_S if self._swept else max(began_s + ROUND_S_MIN, now_s + SWEEP_EVERY_S)
                self._dirty.update(dict.fromkeys(pk for pk, _ in page))
            await self.reconcile_once()
            if hurried:
                due_s = 0.0
                continue
            try:
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _workable(self) -> list[tuple[Where, ...]]:
        """Give what assets look like for which there is any work (see ``wanted``)."""
        over = (Where("state", "ne", "recording"), Where("trashed_ms", "missing"))
        return [
            (Where("kind", "eq", kind), *over) for kind in ("take", "video", *(("image",) if self._models() else ()))
        ]

    async def reconcile_once(self) -> int:
        """Queue what is wanted of changed assets, and what a silent holder left; gives how many jobs are new."""
        for job in self._book.expire(self._now_ms(), lambda job: self._grants(job.asset)):
            _log.info("lease ran out", kind=job.kind, asset=job.asset, holder=job.holder[:8])
            await self._save(job)
        models = list(self._models())
        queued = 0
        looking, self._dirty = list(self._dirty), {}
        for start in range(0, len(looking), PAGE):
            mine = [("assets", asset, "") for asset in looking[start : start + PAGE] if self._grants(asset)]
            for packed in await self._store.fetch(mine):
                entry = unpack(packed)
                if entry.alive:
                    queued += await self._complete(entry.row(), models)
        return queued

    async def _complete(self, row: Row, models: list[ModelId]) -> int:
        works = wanted(row.fields, models)
        if not works:
            return 0
        known = {entry.sk for entry in await self._store.get("jobs", row.pk, None)}
        node = row.fields.get("node")
        near = (node,) if isinstance(node, str) and node else ()
        fresh = [
            new_job(AssetId(row.pk), work, self._now_ms(), near) for work in works if job_id(row.pk, work) not in known
        ]
        if fresh:
            await self._catalogue.write(*(_change(job) for job in fresh))
            await self._system.publish("job.queued", _state(fresh[0]))
        return len(fresh)


def _change(job: Job) -> Change:
    return Change("jobs", job.asset, job.job, set=fields_of(job))


def _state(job: Job) -> JobState:
    return JobState(job.asset, job.job, job.kind, job.state, job.holder, job.error[:1000])
