"""A promise that was broken."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Broken:
    """Which promise (P1 to P8 of the design, or ``run``), and a sentence with what was seen.

    ``at_s``: the moment, where it has one, in virtual seconds.
    """

    promise: str
    why: str
    at_s: float | None = None


TOLD_MAX = 6
"""Cases told of one kind; more are counted."""


def few(items: list[str]) -> str:
    """Tell some of many."""
    told = ", ".join(items[:TOLD_MAX])
    return told if len(items) <= TOLD_MAX else f"{told} and {len(items) - TOLD_MAX} more"
