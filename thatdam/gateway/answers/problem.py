"""Every failure, as RFC 9457 has it."""

from __future__ import annotations

from pydantic import ConfigDict

from thatdam.gateway.answers import Answer


class ProblemDetails(Answer):
    """Why a request was not done, for programs by ``status`` and for people by ``detail`` (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    """Always about:blank: the status tells the kind."""
    title: str
    """The status in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What was wrong and what to do, in a sentence."""
    correlation_id: str
    """What to look for in the logs of every node."""
    state: str | None = None
    """Of a camera that cannot be shown: its state; absent in other problems."""
