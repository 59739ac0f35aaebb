"""What of this node's partitions is not in the index yet: takes that still run, files and frames to be looked at.

Counted as rows change, a partition at a time, so that a search asks for numbers and nothing is looked through. Every
searching node asks one replica a partition, hence nothing is counted twice.

Invariant: an asset counts once for a model, and no more once its job has ended, whether well or not.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem, Context
from mesh.core.jobs import FRAMES, job_of
from mesh.core.placement import partition_of
from mesh.core.query import Where, partitions_in
from mesh.core.rows import Entry, unpack
from mesh.ports import NotFound
from proto.ids import PartitionId
from proto.messages.search import AskWaiting, Waiting

ACTOR = "search/waiting"
PAGE = 256
"""Assets whose rows are read between two looks at whether others want the database."""
RECORDING, UNSEEN = "recording", "unseen"
"""What an asset may be before there is a job for it: still recorded, or not looked into (L0)."""

_OPEN = ((Where("kind", "eq", FRAMES), Where("state", "ne", "done"), Where("state", "ne", "failed")),)
_WAITING = ((Where("state", "eq", "recording"),), (Where("probed", "missing"), Where("kind", "ne", "take")))
"""What may count, among all jobs and assets there are."""


class WaitingCounts:
    """The actor ``search/waiting`` of a storage node."""

    def __init__(self, system: ActorSystem, store: RowStore) -> None:
        self._system = system
        self._store = store
        self._assets: dict[str, str] = {}
        self._jobs: dict[str, tuple[PartitionId, str]] = {}
        self._counts: dict[PartitionId, Counter[str]] = {}
        self._changed: set[tuple[str, str, str]] | None = set()

    def open(self) -> None:
        """Begin to answer; what there is already is counted behind the start, a page at a time."""
        self._store.watch("assets", self._told)
        self._store.watch("jobs", self._told)
        self._system.spawn(ACTOR, self, mailbox_max=256)
        self._system.supervisor.once("search/count", self._count())

    async def _count(self) -> None:
        for table, either in (("jobs", _OPEN), ("assets", _WAITING)):
            after: tuple[str, str] | None = ("", "")
            while after is not None:
                found, after = await self._store.sift(table, either, after)
                for at in range(0, len(found), PAGE):
                    for packed in await self._store.fetch([(table, *key) for key in found[at : at + PAGE]]):
                        entry = unpack(packed)
                        # What changed meanwhile has been taken already, perhaps newer than it was read here.
                        if self._changed is not None and entry.key not in self._changed:
                            self._take(entry)
        self._changed = None

    def _told(self, entry: Entry) -> None:
        if self._changed is not None:
            self._changed.add((entry.table, entry.pk, entry.sk))
        self._take(entry)

    def _take(self, entry: Entry) -> None:
        if entry.table == "jobs":
            self._job(entry)
        else:
            self._asset(entry)

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Handle a question."""
        match message:
            case AskWaiting():
                total: Counter[str] = Counter()
                asked = frozenset(partitions_in(message.partitions))
                for partition, counts in self._counts.items():
                    if partition in asked:
                        total.update(counts)
                frames = max((total[_of(model)] for model in message.models), default=0)
                return Waiting(total[RECORDING], total[UNSEEN] + frames)
            case _:
                raise NotFound(f"{ACTOR} takes no {type(message).__name__} from {context.sender[:8]}")

    def _asset(self, entry: Entry) -> None:
        partition = partition_of(entry.pk)
        before = self._assets.pop(entry.pk, "")
        now = _state(entry)
        if now:
            self._assets[entry.pk] = now
        self._move(partition, before, now)

    def _job(self, entry: Entry) -> None:
        partition, before = self._jobs.pop(entry.sk, (partition_of(entry.pk), ""))
        now = ""
        if entry.alive:
            job = job_of(entry.row())
            if job.kind == FRAMES and job.open:
                now = _of(job.version)
                self._jobs[entry.sk] = (partition, now)
        self._move(partition, before, now)

    def _move(self, partition: PartitionId, before: str, now: str) -> None:
        if before == now:
            return
        counts = self._counts.setdefault(partition, Counter())
        if before:
            counts[before] -= 1
            if not counts[before]:
                del counts[before]
        if now:
            counts[now] += 1
        if not counts:
            del self._counts[partition]


def _state(entry: Entry) -> str:
    if not entry.alive:
        return ""
    fields = entry.row().fields
    if fields.get("trashed_ms"):
        return ""
    if fields.get("state") == "recording":
        return RECORDING
    # A take is looked at whether L0 has run or not; of anything else L0 says whether there is something to look at.
    return UNSEEN if fields.get("kind") != "take" and not fields.get("probed") else ""


def _of(model: str) -> str:
    return f"frames/{model}"
