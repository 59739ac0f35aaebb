"""What a report shows of a world over time: who thought what of whom, copies at risk, traffic, faults.

Times are virtual seconds since the world began. Invariant: keeping it changes nothing in the world: it reads, and draws
no chance; it is always kept, so that a world that is looked at is the one that was not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SAMPLE_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """At one moment, for each machine in order: its state, and chunks only it is known to have (-1: it is down)."""

    at_s: float
    states: tuple[str, ...]
    alone: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Belief:
    """From ``at_s`` on, ``machine`` believes ``peer`` to be ``state``."""

    at_s: float
    machine: str
    peer: str
    state: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, in a sentence; ``until_s`` is None for what was not ended by itself."""

    at_s: float
    kind: str
    text: str
    machines: tuple[str, ...] = ()
    until_s: float | None = None


@dataclass
class Chronicle:
    """All of it, in order."""

    machines: tuple[str, ...]
    samples: list[Sample] = field(default_factory=list)
    beliefs: list[Belief] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    traffic: dict[tuple[int, str, str], list[int]] = field(default_factory=dict)
    """(second, from, to) -> [frames and datagrams, bytes]."""
    events: list[tuple[float, str]] = field(default_factory=list)
