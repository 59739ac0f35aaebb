"""Work that is done on assets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from thatdam.gateway.answers import Answer, Moment, StrictBody


class Job(Answer):
    """A piece of work on an asset."""

    id: str
    """The job's id."""
    asset: str
    """The id of the asset it is about."""
    asset_name: str | None
    """What people call that asset; null where that could not be told in time."""
    kind: str
    """The level of analysis: L1 or L2."""
    version: str
    """What does it: the model or method with its version."""
    state: Literal["queued", "leased", "done", "failed"]
    """How far it is; leased: a node is at work on it."""
    holder: str | None
    """The id of the node at work on it now."""
    node: str | None
    """The id of the node at work on it, or that did it."""
    node_name: str | None
    """What people call that node."""
    attempts: int
    """How often it was begun."""
    error: str | None
    """Why it failed last."""
    created_at: Moment | None
    """When it was first wanted."""
    retry_at: Moment | None
    """When it is tried again, while it waits for that."""


class Jobs(Answer):
    """Jobs: what is worked on first, then what failed, what waits, what is done."""

    jobs: list[Job]
    """At most as many as asked for."""
    partitions_ok: int | None
    """Partitions that answered; null where only one asset was asked for."""
    partitions_total: int | None
    """Partitions there are; null where only one asset was asked for."""


class JobsAgain(StrictBody):
    """Whose failed jobs are tried again."""

    asset: str = Field("", max_length=64)
    """The id of an asset; empty: of every asset."""
