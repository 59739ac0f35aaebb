"""What a node tells of its own state when it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from proto.codec import Max, message

ACTORS_TOLD_MAX = 256
TASKS_TOLD_MAX = 1024
REASON_TOLD_MAX = 300


@message(900)
class AskReport:
    """How are you?"""


@message(901)
class NodeReport:
    """How a node is doing. ``None`` is what it cannot tell.

    ``cpu_percent`` is of one core, over the time since the last report; sizes are bytes; ``lag`` is what is here and
    on no other node yet; ``chunks_short`` have fewer copies than wanted (each is told by one node), of these those
    ``repairing`` are on their way; ``partitions_behind`` are catching up; ``idle`` is what nobody refers to,
    ``reclaimed_bytes`` what of it was deleted so far, ``held_up_by`` the nodes for whose word that waits;
    ``scrub_began_ms`` is when this round began, ``scrub_ended_ms`` when the last whole one ended (0: none yet),
    ``scrub_found`` how many damaged chunks were found, ``chunks_unfound`` how many of the damaged ones no node that can
    be reached has; ``looked_at`` is the part of its chunks, from 0 to 1, that were looked after since others came to
    hold partitions, ``moved_bytes`` what it gave since its start of chunks that only had to move; ``read_only`` is
    "setting" or "disk" where the node takes no chunks, by its operator's word or because its disk takes no writes, and
    then why and since when, and whether it takes rows; ``authority`` is the key, in hex, of the one it goes by. Times
    are UTC milliseconds since 1970.
    """

    started_ms: int
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    disk_total_bytes: int | None = None
    disk_free_bytes: int | None = None
    chunks: int | None = None
    chunk_bytes: int | None = None
    rows: int | None = None
    lag_chunks: int = 0
    lag_bytes: int = 0
    lag_s: float = 0.0
    loop_lag_ms: float | None = None
    role_reasons: Annotated[Mapping[str, str], Max(8)] = field(default_factory=dict)
    chunks_short: int = 0
    chunks_repairing: int = 0
    chunks_damaged: int = 0
    partitions_behind: int = 0
    idle_chunks: int = 0
    idle_bytes: int = 0
    reclaimed_bytes: int = 0
    held_up_by: Annotated[tuple[Annotated[str, Max(64)], ...], Max(1024)] = ()
    scrub_began_ms: int = 0
    scrub_ended_ms: int = 0
    scrub_found: int = 0
    chunks_unfound: int = 0
    looked_at: float | None = None
    moved_bytes: int = 0
    read_only: Annotated[str, Max(16)] = ""
    read_only_why: Annotated[str, Max(REASON_TOLD_MAX)] = ""
    read_only_since_ms: int = 0
    takes_rows: bool = True
    authority: Annotated[str, Max(64)] = ""


@message(910)
class AskActors:
    """How are your actors and tasks?"""


@message(911)
class ActorDoing:
    """How an actor is doing: ``busy`` of ``concurrency`` handle a message, ``waiting`` of ``mailbox_max`` wait.

    ``overflows`` were refused because it was full, ``errors`` failed by a bug of ours, the last of them at
    ``failed_ms`` (UTC milliseconds since 1970; 0: never); ``restarts`` are of its workers, ``failing`` of which
    are about to be started again. Counts are since the start.
    """

    name: Annotated[str, Max(64)]
    waiting: int
    mailbox_max: int
    busy: int
    concurrency: int
    streams: int
    handled: int
    overflows: int
    errors: int
    restarts: int
    failing: int = 0
    last_error: Annotated[str, Max(REASON_TOLD_MAX)] = ""
    failed_ms: int = 0


@message(912)
class TaskDoing:
    """How a supervised task is doing; ``state`` is running, waiting (to be run again), finished or stopped."""

    name: Annotated[str, Max(256)]
    state: Annotated[str, Max(16)]
    restarts: int
    errors: int
    last_error: Annotated[str, Max(REASON_TOLD_MAX)] = ""
    failed_ms: int = 0


@message(913)
class DeadLettersOf:
    """How many messages were not handled for one reason, and the actor of the last one."""

    reason: Annotated[str, Max(32)]
    count: int
    last_actor: Annotated[str, Max(64)] = ""


@message(914)
class ActorsReport:
    """What a node supervises, and what was not delivered. ``tasks_left_out`` did not fit."""

    actors: Annotated[tuple[ActorDoing, ...], Max(ACTORS_TOLD_MAX)]
    tasks: Annotated[tuple[TaskDoing, ...], Max(TASKS_TOLD_MAX)]
    dead_letters: Annotated[tuple[DeadLettersOf, ...], Max(32)]
    tasks_left_out: int = 0
    events_dropped: int = 0
