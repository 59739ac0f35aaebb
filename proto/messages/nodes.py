"""What a node tells of its own state when it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from proto.codec import Max, message


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
    ``scrub_found`` how many damaged chunks were found. Times are UTC milliseconds since 1970.
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
