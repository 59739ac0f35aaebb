"""What nodes tell each other of what happened on them, and how they ask for what they did not hear.

Every node numbers its own events from 1, in a *run* of its own: the time between a start and the next. So (origin, run,
number) names an event in the whole mesh, and a number that is missing is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from proto.codec import Max, message
from proto.ids import NodeId

FIELDS_TOLD_MAX = 8
TEXT_TOLD_MAX = 128
EVENTS_GIVEN_MAX = 256
LANES_TOLD_MAX = 256
NUMBER_MAX = (1 << 40) - 1
"""The greatest number of a run or an event."""


@message(1000)
class RowChanged:
    """A row was written, as a node that does not number its events tells it; ``told`` are short texts of the row."""

    table: Annotated[str, Max(32)]
    pk: Annotated[str, Max(128)]
    removed: bool = False
    told: Annotated[Mapping[str, str], Max(FIELDS_TOLD_MAX)] = field(default_factory=dict)


@message(1001)
class Happened:
    """One event: its number, when it happened (UTC milliseconds since 1970 by its origin's clock), and of what topic.

    ``data`` are fields that anyone signed in may know, as short texts; an empty one was emptied.
    """

    seq: Annotated[int, Max(NUMBER_MAX)]
    at_ms: int
    topic: Annotated[str, Max(64)]
    data: Annotated[Mapping[Annotated[str, Max(32)], Annotated[str, Max(TEXT_TOLD_MAX)]], Max(FIELDS_TOLD_MAX)] = field(
        default_factory=dict
    )


@message(1002)
class EventsTold:
    """What happened on the sender just now: events of this run of it, which began at ``started_ms``, in order."""

    run: Annotated[int, Max(NUMBER_MAX)]
    started_ms: int
    events: Annotated[tuple[Happened, ...], Max(EVENTS_GIVEN_MAX)]


@message(1003)
class LaneStand:
    """How far one run of a node is: the number of its last event that the teller knows of."""

    origin: Annotated[NodeId, Max(64)]
    run: Annotated[int, Max(NUMBER_MAX)]
    started_ms: int
    last: Annotated[int, Max(NUMBER_MAX)]


@message(1004)
class EventsStand:
    """How far the runs are that the teller knows of, its own first."""

    lanes: Annotated[tuple[LaneStand, ...], Max(LANES_TOLD_MAX)]


@message(1005)
class AskStand:
    """How far are the runs that you know of? Answered by ``EventsStand``."""


@message(1006)
class AskEvents:
    """Give events of a run, from number ``after`` + 1 on; with ``since_ms`` from the first that is not older."""

    origin: Annotated[NodeId, Max(64)]
    run: Annotated[int, Max(NUMBER_MAX)]
    after: Annotated[int, Max(NUMBER_MAX)]
    since_ms: int = 0


@message(1007)
class EventsGiven:
    """Events of a run without a hole between them, in order, and its last number known here.

    ``whole``: nothing that was asked for lies before the first of them. More may follow: ask again.
    """

    started_ms: int
    last: Annotated[int, Max(NUMBER_MAX)]
    whole: bool
    events: Annotated[tuple[Happened, ...], Max(EVENTS_GIVEN_MAX)]
