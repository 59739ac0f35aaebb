"""Whether a node lives and is ready."""

from __future__ import annotations

from typing import Literal

from thatdam.gateway.answers import Answer


class Health(Answer):
    """The process lives."""

    status: Literal["alive"]
    """Always alive: a process that does not live does not answer."""


class Readiness(Answer):
    """Whether the node can do its work."""

    status: Literal["ready", "not ready"]
    """Not ready comes with the HTTP status 503."""
    reasons: list[str]
    """Why it is not ready."""
    notes: list[str]
    """What fails beside that and is tried again."""
