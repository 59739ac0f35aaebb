"""Counts of what the gateway answered, for the metrics. Bounded: methods by name, statuses by number."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

BUCKETS_S = (0.005, 0.025, 0.1, 0.5, 2.0, 10.0)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET")


@dataclass(slots=True)
class Traffic:
    """How many requests were answered, how, and how long they took in seconds."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    took: Counter[float] = field(default_factory=Counter)
    took_s: float = 0.0

    def answered(self, method: str, status: int, took_s: float) -> None:
        """Take note of one answer; status 0 is a client that left before it."""
        self.answers[method if method in METHODS else "other", status] += 1
        self.took[next((bound for bound in BUCKETS_S if took_s <= bound), float("inf"))] += 1
        self.took_s += took_s
