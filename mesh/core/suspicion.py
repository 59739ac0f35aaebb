"""How long a suspicion lasts, and how far a node trusts itself (Lifeguard: Dadgar, Phillips and Currey, 2018).

A suspicion starts with the longest time and shrinks with each independent confirmation: who alone suspects may be the
one whose links are bad. Invariant: it never ends before ``min_s``, and confirmations never lengthen it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from proto.ids import NodeId

SUSPICION_MULT = 3.0
SUSPICION_MAX_MULT = 5.0
CONFIRMATIONS = 2
AWARENESS_MAX = 7


@dataclass(slots=True)
class Suspicion:
    """One node under suspicion since ``began``. Seconds."""

    began: float
    min_s: float
    max_s: float
    wanted: int
    by: dict[NodeId, None] = field(default_factory=dict)

    @classmethod
    def start(cls, now: float, nodes: int, interval_s: float, by: NodeId) -> Suspicion:
        """Begin one in a mesh of ``nodes``; where nobody else could confirm it is as short as it may be."""
        min_s = SUSPICION_MULT * max(1.0, math.log10(max(1, nodes))) * interval_s
        wanted = CONFIRMATIONS if nodes - 2 >= CONFIRMATIONS else 0
        return cls(now, min_s, min_s * SUSPICION_MAX_MULT if wanted else min_s, wanted, {by: None})

    def confirm(self, by: NodeId) -> bool:
        """Count another accuser; tells whether it was news."""
        if by in self.by or len(self.by) > self.wanted:
            return False
        self.by[by] = None
        return True

    def ends_at(self) -> float:
        """Give when the suspect is declared dead."""
        if not self.wanted:
            return self.began + self.min_s
        share = math.log(len(self.by)) / math.log(self.wanted + 1)
        return self.began + max(self.min_s, self.max_s - share * (self.max_s - self.min_s))


class Awareness:
    """A node's measure of its own health: 0 is well; timeouts are multiplied by ``factor``."""

    __slots__ = ("score",)

    def __init__(self) -> None:
        self.score = 0

    @property
    def factor(self) -> int:
        """By how much timeouts are stretched."""
        return self.score + 1

    def add(self, delta: int) -> None:
        """Change the score within its bounds."""
        self.score = max(0, min(AWARENESS_MAX, self.score + delta))
