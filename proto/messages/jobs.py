"""Job messages: a node with free hands asks storage nodes for leases, renews them, and tells how the work ended."""

from __future__ import annotations

from typing import Annotated

from proto.codec import Max, message

Id = Annotated[str, Max(52)]
Word = Annotated[str, Max(256)]


@message(700)
class AskJobs:
    """Give up to ``limit`` jobs of these (kind, version)."""

    able: Annotated[tuple[tuple[Word, Word], ...], Max(64)]
    limit: Annotated[int, Max(64)]


@message(701)
class Lease:
    """A job for the asker, for ``lease_ms`` milliseconds from now, under the epoch (counter, granter)."""

    asset: Id
    job: Id
    kind: Word
    version: Word
    counter: int
    granter: Id
    lease_ms: int
    attempt: int


@message(702)
class Leases:
    """What was granted; none when there is nothing to do for the asker."""

    leases: Annotated[tuple[Lease, ...], Max(64)]


@message(703)
class RenewLease:
    """I am still at it."""

    asset: Id
    job: Id
    counter: int
    granter: Id


@message(704)
class Renewed:
    """The lease now lasts ``lease_ms`` from now."""

    lease_ms: int


@message(705)
class FinishJob:
    """It is done (empty ``error``), or failed; ``again``: another try, elsewhere, may help."""

    asset: Id
    job: Id
    counter: int
    granter: Id
    error: Annotated[str, Max(1024)] = ""
    again: bool = True


@message(706)
class JobState:
    """The job's state now: queued, leased, done or failed. Also the event ``job.STATE``."""

    asset: Id
    job: Id
    kind: Word
    state: Word
    holder: Id = ""
    error: Annotated[str, Max(1024)] = ""


@message(707)
class GiveBack:
    """I stop in good order and do this no more: give it to another at once; it counts as no attempt."""

    asset: Id
    job: Id
    counter: int
    granter: Id
