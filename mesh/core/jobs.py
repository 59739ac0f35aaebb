"""Which work is wanted for an asset, and who may do it: jobs, leases and epochs.

A job's id follows from (asset, kind, version), so whoever wants the same work names the same job. A storage node leases
it under an epoch (counter, its node id); the holder renews, and work whose lease runs out is given to another node
after a back-off. Near the bytes: for a short while a job goes only to nodes that hold its bytes, if one of them works.

Invariant: a LeaseBook grants or renews no lease, and takes no result, under an epoch lower than the highest it has
seen for that job. During a partition two books may grant the same job: results are idempotent, so nothing depends on
there being one holder (Gray and Cheriton, "Leases", 1989, with fencing epochs).
"""

from __future__ import annotations

import dataclasses
import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from blake3 import blake3

from mesh.core.rows import Row
from mesh.ports import NotFound, Refused
from proto.codec import Value
from proto.ids import AssetId, JobId, ModelId, NodeId, short_id

State = Literal["queued", "leased", "done", "failed"]
Epoch = tuple[int, str]
"""Counter, then the node that granted: compared in that order."""

FRAMES, SCENES = "L1", "L2"
"""Frames sampled, embedded and tagged; scene boundaries with a hero frame each. L0, what the bytes are, is told by
whoever takes them in."""
SCENES_VERSION = "content-1"
PROBE_VERSION = "1"
"""Of L0, as an asset's field ``probed`` has it."""
LEASE_MS = 30_000
ATTEMPTS_MAX = 5
BACKOFF_FIRST_MS, BACKOFF_MAX_MS = 2_000, 300_000
NEAR_WAIT_MS = 3_000
"""How long a job waits for a node that holds its bytes."""
ELSEWHERE_WAIT_MS = 20_000
"""How long a job waits for a node that has not failed at it yet."""
ASKER_FRESH_MS = 15_000
"""A node that asked for work within this counts as working."""
ASKERS_MAX = 4096
GRANTS_MAX = 64

_PRIORITY = {SCENES: 10, FRAMES: 20}


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work in one version: of the program, or for L1 of the model."""

    kind: str
    version: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its row tells it. Times are UTC milliseconds; ``near`` held the bytes when it was queued."""

    asset: AssetId
    job: JobId
    kind: str
    version: str
    state: State = "queued"
    epoch: Epoch = (0, "")
    holder: str = ""
    until_ms: int = 0
    attempts: int = 0
    error: str = ""
    priority: int = 0
    created_ms: int = 0
    after_ms: int = 0
    near: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()

    @property
    def work(self) -> Work:
        """What is to be done."""
        return Work(self.kind, self.version)

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.state in ("queued", "leased")


def job_id(asset: str, work: Work) -> JobId:
    """Give the one id of this work on this asset."""
    return JobId(short_id(blake3(f"job\0{asset}\0{work.kind}\0{work.version}".encode()).digest(16)))


def new_job(asset: AssetId, work: Work, now_ms: int, near: Sequence[str] = ()) -> Job:
    """Give a queued job."""
    return Job(
        asset,
        job_id(asset, work),
        work.kind,
        work.version,
        priority=_PRIORITY.get(work.kind, 50),
        created_ms=now_ms,
        near=tuple(near),
    )


def wanted(fields: Mapping[str, Value], models: Sequence[ModelId]) -> list[Work]:
    """Give the work an asset should have had done, from its row; nothing while it is recorded or in the trash."""
    if fields.get("state") not in ("ready", "interrupted") or fields.get("trashed_ms"):
        return []
    kind = fields.get("kind")
    if kind != "take" and not fields.get("probed"):
        return []  # L0 says what a file is
    works: list[Work] = []
    if kind in ("take", "video"):
        works.append(Work(SCENES, SCENES_VERSION))
    if kind in ("take", "video", "image"):
        works += [Work(FRAMES, model) for model in sorted(models)]
    return works


def job_of(row: Row) -> Job:
    """Read a job's row; what is missing has its default."""
    fields = row.fields
    epoch = fields.get("epoch")
    counter, granter = epoch if isinstance(epoch, tuple) and len(epoch) == 2 else (0, "")
    state = fields.get("state")
    known: State = "queued"
    for one in ("leased", "done", "failed"):
        if state == one:
            known = one
    return Job(
        AssetId(row.pk),
        JobId(row.sk),
        _text(fields.get("kind")),
        _text(fields.get("version")),
        known,
        (_number(counter), _text(granter)),
        _text(fields.get("holder")),
        _number(fields.get("until_ms")),
        _number(fields.get("attempts")),
        _text(fields.get("error")),
        _number(fields.get("priority")),
        _number(fields.get("created_ms")),
        _number(fields.get("after_ms")),
        _texts(fields.get("near")),
        _texts(fields.get("tried")),
    )


def fields_of(job: Job) -> dict[str, Value]:
    """Give a job as the fields of its row."""
    told: dict[str, Value] = {
        item.name: getattr(job, item.name) for item in dataclasses.fields(job) if item.name not in ("asset", "job")
    }
    return told


def backoff_ms(attempts: int) -> int:
    """Give how long a job rests after this many attempts."""
    return min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS << min(max(0, attempts - 1), 20))


_Place = tuple[int, int, JobId]
"""A job's place in its queue: the most urgent and oldest first."""


def _place(job: Job) -> _Place:
    return (job.priority, job.created_ms, job.job)


@dataclass(slots=True)
class _Asker:
    at_ms: int
    able: tuple[Work, ...]


class LeaseBook:
    """The open jobs one storage node grants, and the highest epoch it has seen of each.

    A new model queues a job for every asset there is, so nothing here looks at all jobs when it is asked for some.
    """

    def __init__(self, node: NodeId) -> None:
        self._node = node
        self._jobs: dict[JobId, Job] = {}
        self._queues: dict[Work, list[_Place]] = {}
        self._leased: dict[JobId, None] = {}
        self._highest: dict[JobId, Epoch] = {}
        self._askers: dict[NodeId, _Asker] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def get(self, job: JobId) -> Job | None:
        """Give an open job."""
        return self._jobs.get(job)

    def take(self, job: Job) -> None:
        """Take in what a row says, written here or anywhere."""
        highest = self._highest.get(job.job, (0, ""))
        if job.epoch < highest and job.open:
            return  # an older lease, seen late
        if job.open:
            self._highest[job.job] = max(highest, job.epoch)
            self._line_up(job)
            self._jobs[job.job] = job
            if job.state == "leased":
                self._leased[job.job] = None
            else:
                self._leased.pop(job.job, None)
        else:
            # What is over needs no guard: its row still holds the epoch, should it be queued once more.
            self.forget(job.job)

    def forget(self, job: JobId) -> None:
        """Drop a job whose row is gone, or whose partition is another's."""
        standing = self._jobs.pop(job, None)
        self._highest.pop(job, None)
        self._leased.pop(job, None)
        if standing is not None:
            self._leave(standing)

    def _line_up(self, job: Job) -> None:
        standing = self._jobs.get(job.job)
        if standing is not None:
            if (standing.work, _place(standing)) == (job.work, _place(job)):
                return
            self._leave(standing)
        insort(self._queues.setdefault(job.work, []), _place(job))

    def _leave(self, job: Job) -> None:
        queue = self._queues[job.work]
        queue.pop(bisect_left(queue, _place(job)))
        if not queue:
            del self._queues[job.work]

    def ask(
        self, asker: NodeId, able: Sequence[Work], limit: int, now_ms: int, mine: Callable[[Job], bool] | None = None
    ) -> list[Job]:
        """Grant up to ``limit`` jobs to a node that can do ``able``, the most urgent and oldest first.

        ``mine`` says whether this node is a job's granter; None: of all. What is given is already leased: the caller
        makes it durable before it answers.
        """
        if asker in self._askers or len(self._askers) < ASKERS_MAX:
            self._askers[asker] = _Asker(now_ms, tuple(able))
        chosen: list[Job] = []
        queues = [self._queues[work] for work in dict.fromkeys(able) if work in self._queues]
        for _, _, number in heapq.merge(*queues):
            if len(chosen) >= min(limit, GRANTS_MAX):
                break
            job = self._jobs[number]
            if self._may_have(job, asker, now_ms) and (mine is None or mine(job)):
                chosen.append(job)
        granted: list[Job] = []
        for job in chosen:
            counter = max(self._highest.get(job.job, (0, "")), job.epoch)[0] + 1
            leased = dataclasses.replace(
                job,
                state="leased",
                epoch=(counter, self._node),
                holder=asker,
                until_ms=now_ms + LEASE_MS,
                attempts=job.attempts + 1,
            )
            self.take(leased)
            granted.append(leased)
        return granted

    def renew(self, job: JobId, epoch: Epoch, holder: NodeId, now_ms: int) -> Job:
        """Lengthen a lease, also one another book granted.

        Refused when a higher epoch has been seen, NotFound when there is no such open job.
        """
        standing = self._guard(job, epoch, holder)
        renewed = dataclasses.replace(standing, until_ms=now_ms + LEASE_MS)
        self.take(renewed)
        return renewed

    def finish(
        self, job: JobId, epoch: Epoch, holder: NodeId, now_ms: int, error: str = "", *, again: bool = True
    ) -> Job:
        """Take a result: done without ``error``, else queued again for another node, or failed when that is no use."""
        standing = self._guard(job, epoch, holder, late=not error)
        if not error:
            ended = dataclasses.replace(standing, state="done", until_ms=0, error="", after_ms=0)
        else:
            ended = self._failed(standing, now_ms, error, again=again)
        self.take(ended)
        return ended

    def give_back(self, job: JobId, epoch: Epoch, holder: NodeId) -> Job:
        """Queue a job again that its holder, which stops in good order, did not finish; nobody failed at it."""
        standing = self._guard(job, epoch, holder)
        self._askers.pop(holder, None)  # it works no more, so nobody waits for it
        returned = dataclasses.replace(
            standing, state="queued", holder="", until_ms=0, attempts=max(0, standing.attempts - 1), after_ms=0
        )
        self.take(returned)
        return returned

    def expire(self, now_ms: int, mine: Callable[[Job], bool] | None = None) -> list[Job]:
        """Give the jobs whose holder has been silent for too long, queued again or failed."""
        ended = []
        for job in [self._jobs[number] for number in self._leased]:
            if job.until_ms <= now_ms and (mine is None or mine(job)):
                why = f"node {job.holder[:8]} stopped while it worked on this"
                failed = self._failed(job, now_ms, why, again=True)
                self.take(failed)
                ended.append(failed)
        return ended

    def _failed(self, job: Job, now_ms: int, error: str, *, again: bool) -> Job:
        tried = (*(node for node in job.tried if node != job.holder), job.holder)[-8:]
        if again and job.attempts < ATTEMPTS_MAX:
            after_ms = now_ms + backoff_ms(job.attempts)
            return dataclasses.replace(job, state="queued", until_ms=0, error=error, after_ms=after_ms, tried=tried)
        return dataclasses.replace(job, state="failed", until_ms=0, error=error, tried=tried)

    def _guard(self, job: JobId, epoch: Epoch, holder: NodeId, *, late: bool = False) -> Job:
        """Give the job as it is leased under ``epoch``; ``late``: also when the lease ran out and nobody has it yet."""
        highest = self._highest.get(job, (0, ""))
        if epoch < highest:
            raise Refused(f"this lease is over: job {job[:8]} has been given out again (epoch {highest[0]})")
        standing = self._jobs.get(job)
        if standing is None:
            raise NotFound(f"no open job {job[:8]} here")
        if epoch == standing.epoch:
            if standing.holder != holder or (standing.state != "leased" and not late):
                raise Refused(f"this lease is over: job {job[:8]} is no longer yours")
            return standing
        # Granted by a book this one has not heard of since: what it granted counts here as well.
        attempts = max(standing.attempts, 1)
        return dataclasses.replace(standing, state="leased", epoch=epoch, holder=holder, attempts=attempts)

    def _may_have(self, job: Job, asker: NodeId, now_ms: int) -> bool:
        if job.state != "queued" or job.after_ms > now_ms:
            return False
        waited_ms = now_ms - max(job.created_ms, job.after_ms)
        if asker in job.tried and waited_ms < ELSEWHERE_WAIT_MS and self._others(job, now_ms, job.tried):
            return False
        near = [node for node in job.near if node not in job.tried]
        if asker in near or not near or waited_ms >= NEAR_WAIT_MS:
            return True
        return not any(self._works(NodeId(node), job, now_ms) for node in near)

    def _others(self, job: Job, now_ms: int, but: Sequence[str]) -> bool:
        return any(node not in but and self._works(node, job, now_ms) for node in self._askers)

    def _works(self, node: NodeId, job: Job, now_ms: int) -> bool:
        asker = self._askers.get(node)
        return asker is not None and now_ms - asker.at_ms <= ASKER_FRESH_MS and job.work in asker.able


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _texts(value: Value) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, tuple) else ()
