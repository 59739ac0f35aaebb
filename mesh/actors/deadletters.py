"""Dead letters: messages that nobody handled in time, counted by reason.

Decides who counts, so that each is counted exactly once in the whole mesh. A tell and a stream are counted where they
ended: by the sender when no link took them, else by the node that had no actor or no room for them. An ask is counted
where it was asked, by what became of it, because only the asker learns of every end. An ask whose asker left by itself
(cancelled) is none; nor is one that an actor refused: it was handled.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from mesh.ports import Unavailable


class Reason(enum.StrEnum):
    """Why a message was not handled."""

    NO_ACTOR = "no_actor"
    """There is no actor of that name on that node."""
    FULL = "full"
    """The actor's mailbox, or its room for streams, was full."""
    NODE_GONE = "node_gone"
    """There was no link to the node, or it was lost before the answer."""
    LATE = "late"
    """The answer did not come before the asker's deadline."""
    UNKNOWN = "unknown"
    """A message of another release, which nobody here can read."""


class Undelivered(Unavailable):
    """A message did not reach its actor; ``reason`` says why. Where it is answered or raised it is counted."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(slots=True)
class DeadLetters:
    """The counts of one node since it started; ``last`` is the actor of the last one of each reason."""

    counts: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(Reason, 0))
    last: dict[Reason, str] = field(default_factory=lambda: dict.fromkeys(Reason, ""))

    def count(self, reason: Reason, actor: str) -> None:
        """Take note of one."""
        self.counts[reason] += 1
        self.last[reason] = actor

    @property
    def total(self) -> int:
        """Give how many there were."""
        return sum(self.counts.values())
