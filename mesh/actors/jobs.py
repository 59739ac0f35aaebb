"""Work on every node: queueing jobs, and a runner that asks storage nodes for leases and does what they give.

Invariant: at most ``slots`` jobs run here at once; each is renewed while it runs, and is cancelled as soon as a storage
node says that its lease is over.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from mesh.actors.placement import LayoutView
from mesh.actors.system import ActorSystem, Context
from mesh.core.jobs import Work, fields_of, job_id, new_job
from mesh.core.placement import partition_of
from mesh.core.rows import Change, Row
from mesh.ports import Clock, NotFound, PortError, Refused
from proto.codec import Value
from proto.ids import AssetId, NodeId
from proto.messages.jobs import AskJobs, FinishJob, GiveBack, JobState, Lease, Leases, Renewed, RenewLease

ACTOR = "jobs"
POLL_S = 2.0
RENEW_PART = 3
"""A lease is renewed when a third of it has gone."""
ERROR_CHARS_MAX = 500
GIVE_BACK_S = 4.0
"""How long an orderly stop waits until the work has ended and its leases are given back; then they run out."""

_log = structlog.get_logger("jobs")


class HopelessError(Exception):
    """The work cannot be done by anyone: the asset itself is the reason. Told as a sentence."""


Handler = Callable[[Lease], Awaitable[None]]
"""Does one job; HopelessError when no other try can help, any PortError when one may."""


class Rows(Protocol):
    """The part of the catalogue that jobs need."""

    async def write(self, *changes: Change) -> str:
        """Write rows, durably."""

    async def get(self, table: str, pk: str, sk: str = "") -> Row | None:
        """Give a row."""


class Jobs:
    """Queues work, from any node."""

    def __init__(self, system: ActorSystem, catalogue: Rows, clock: Clock) -> None:
        self._system = system
        self._catalogue = catalogue
        self._clock = clock

    async def enqueue(self, asset: AssetId, works: Sequence[Work], near: Sequence[NodeId] = ()) -> None:
        """Queue work on an asset; what is queued, running or done already stays as it is."""
        changes = []
        for work in works:
            if await self._catalogue.get("jobs", asset, job_id(asset, work)) is None:
                job = new_job(asset, work, int(self._clock.wall() * 1000), near)
                changes.append(Change("jobs", asset, job.job, set=fields_of(job)))
        if changes:
            await self._catalogue.write(*changes)
            await self._system.publish("job.queued", JobState(asset, changes[0].sk, works[0].kind, "queued"))

    async def retry(self, asset: AssetId, work: Work) -> bool:
        """Queue a failed job once more, with all its tries; False when it has not failed."""
        found = await self._catalogue.get("jobs", asset, job_id(asset, work))
        if found is None or found.fields.get("state") != "failed":
            return False
        again: dict[str, Value] = {"state": "queued", "attempts": 0, "after_ms": 0, "tried": ()}
        await self._catalogue.write(Change("jobs", asset, found.sk, set=again))
        await self._system.publish("job.queued", JobState(asset, found.sk, work.kind, "queued"))
        return True


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """A job this node is doing, since ``started_s`` of the monotonic clock."""

    lease: Lease
    started_s: float


class JobRunner:
    """Does jobs on this node: as many at once as there are ``slots``."""

    def __init__(
        self, system: ActorSystem, view: LayoutView, clock: Clock, handlers: Mapping[Work, Handler], slots: int
    ) -> None:
        self._system = system
        self._view = view
        self._clock = clock
        self._handlers = dict(handlers)
        self._slots = slots
        self._wake = asyncio.Event()
        self._running: dict[str, Running] = {}
        self._turn = 0
        self._hinted: dict[NodeId, None] = {}
        """Nodes that are to give work that was just queued."""
        self._all_again_at = 0.0
        self._closing = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.done = 0
        self.failed = 0

    def open(self) -> None:
        """Start to ask for work."""
        self._system.subscribe("job.queued", self._told)
        self._system.supervisor.run("jobs/run", self._run)

    async def close(self) -> None:
        """Stop the work and give back its leases, so that others have it at once and not when the leases run out."""
        self._closing.set()
        try:
            async with asyncio.timeout(GIVE_BACK_S):
                await self._idle.wait()
        except TimeoutError:
            _log.warning("jobs not given back", jobs=len(self._running))

    def running(self) -> list[Running]:
        """Give what this node is doing."""
        return list(self._running.values())

    def able(self) -> tuple[Work, ...]:
        """Give what this node can do."""
        return tuple(self._handlers)

    def offer(self, handlers: Mapping[Work, Handler]) -> None:
        """Add what this node can do, once a model is there."""
        self._handlers.update(handlers)
        self._ask_all()

    async def _told(self, topic: str, event: Any, context: Context) -> None:
        del topic, context
        if isinstance(event, JobState):
            # The first of those that hold it gives it out: in a large mesh not everybody is asked for every job.
            alive = dict.fromkeys(self._view.stores())
            present = [node for node in self._view.holders(partition_of(event.asset)) if node in alive]
            self._hinted.update(dict.fromkeys(present[:1]))
            self._wake.set()

    def _ask_all(self) -> None:
        self._all_again_at = 0.0
        self._wake.set()

    async def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            hinted, self._hinted = list(self._hinted), {}
            now = self._clock.monotonic()
            if now >= self._all_again_at:
                self._all_again_at = now + POLL_S
                got = await self.ask_once()
            else:
                got = await self._ask(hinted)
            if got:
                self._all_again_at = 0.0  # where there was work there may be more
                if len(self._running) < self._slots:
                    continue
            try:
                async with asyncio.timeout(POLL_S if got else self._all_again_at - self._clock.monotonic()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def ask_once(self) -> int:
        """Ask each storage node in turn until all slots are full; gives how many jobs came."""
        stores = self._view.stores()
        self._turn += 1
        at = self._turn % max(1, len(stores))
        return await self._ask([*stores[at:], *stores[:at]])

    async def _ask(self, stores: Sequence[NodeId]) -> int:
        got = 0
        for node in stores:
            free = self._slots - len(self._running)
            if free <= 0 or not self._handlers or self._closing.is_set():
                break
            able = tuple((work.kind, work.version) for work in self._handlers)
            try:
                answer = await self._system.ask(node, ACTOR, AskJobs(able, min(free, 64)), Leases)
            except PortError as error:
                _log.debug("no work asked", peer=node[:8], error=str(error))
                continue
            for lease in answer.leases:
                if lease.job not in self._running:
                    got += 1
                    self._running[lease.job] = Running(lease, self._clock.monotonic())
                    self._idle.clear()
                    self._system.supervisor.once(f"jobs/{lease.kind}", self._do(node, lease))
        return got

    async def _do(self, granter: NodeId, lease: Lease) -> None:
        try:
            handler = self._handlers[Work(lease.kind, lease.version)]
            work = asyncio.create_task(self._attempt(handler, lease), name=f"job/{lease.job[:8]}")
            renewing = asyncio.create_task(self._renew(granter, lease), name=f"renew/{lease.job[:8]}")
            closing = asyncio.create_task(self._closing.wait(), name=f"closing/{lease.job[:8]}")
            ended = False
            try:
                await asyncio.wait((work, renewing, closing), return_when=asyncio.FIRST_COMPLETED)
                ended = work.done()
            finally:
                for task in (work, renewing, closing):
                    task.cancel()
                await asyncio.gather(work, renewing, closing, return_exceptions=True)
            if not ended and self._closing.is_set():
                await self._give_back(granter, lease)
                return
            if not ended:
                _log.info("lease lost", job=lease.job[:8], kind=lease.kind)
                return
            error, again = work.result()
            self.done += not error
            self.failed += bool(error)
            if error:
                _log.warning("job failed", kind=lease.kind, asset=lease.asset, error=error, again=again)
            finish = FinishJob(lease.asset, lease.job, lease.counter, lease.granter, error[:ERROR_CHARS_MAX], again)
            await self._finish(granter, finish)
        finally:
            self._running.pop(lease.job, None)
            if not self._running:
                self._idle.set()
            self._ask_all()

    async def _attempt(self, handler: Handler, lease: Lease) -> tuple[str, bool]:
        try:
            await handler(lease)
        except HopelessError as error:
            return str(error) or "this cannot be done", False
        except PortError as error:
            return str(error) or type(error).__name__, True
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one handler fails that job, and is told with it
            _log.error("job handler broke", kind=lease.kind, asset=lease.asset, exc_info=error)
            return f"{type(error).__name__}: {error}", True
        return "", False

    async def _renew(self, granter: NodeId, lease: Lease) -> None:
        """Renew until the lease is lost."""
        lease_s = lease.lease_ms / 1000
        until_s = self._clock.monotonic() + lease_s
        message = RenewLease(lease.asset, lease.job, lease.counter, lease.granter)
        while True:
            await asyncio.sleep(lease_s / RENEW_PART)
            for node in self._holders(granter, lease.asset):
                try:
                    answer = await self._system.ask(node, ACTOR, message, Renewed, timeout_s=3.0)
                except Refused:
                    return
                except PortError:
                    continue
                until_s = self._clock.monotonic() + answer.lease_ms / 1000
                break
            else:
                if self._clock.monotonic() > until_s:
                    # Nobody who could give the work to another is in reach: results are idempotent, so go on.
                    _log.debug("lease not renewed", job=lease.job[:8])

    async def _finish(self, granter: NodeId, message: FinishJob) -> None:
        for attempt in range(5):
            for node in self._holders(granter, message.asset):
                try:
                    await self._system.ask(
                        node, ACTOR, message, JobState, idempotency_key=f"{message.job}/{message.counter}"
                    )
                except (Refused, NotFound) as error:
                    _log.info("result not taken", job=message.job[:8], error=str(error))
                    return
                except PortError as error:
                    _log.debug("result not told", peer=node[:8], error=str(error))
                    continue
                return
            await asyncio.sleep(2.0**attempt)
        _log.warning("nobody took the result; the lease will run out", job=message.job[:8])

    async def _give_back(self, granter: NodeId, lease: Lease) -> None:
        message = GiveBack(lease.asset, lease.job, lease.counter, lease.granter)
        for node in self._holders(granter, lease.asset):
            try:
                await self._system.ask(node, ACTOR, message, JobState, timeout_s=GIVE_BACK_S / 2)
            except PortError as error:
                _log.info("lease not given back", job=lease.job[:8], peer=node[:8], error=str(error))
                continue
            return

    def _holders(self, granter: NodeId, asset: str) -> list[NodeId]:
        present = self._view.present(partition_of(asset))
        return [granter, *(node for node in present if node != granter)]
