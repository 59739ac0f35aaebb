"""What the mesh was asked and what it promised, as its users saw it: the checkers know this and nothing of the code.

Times are true virtual seconds since the world began. Invariant: an entry is acknowledged only when the answer reached
the asker; what was asked and never answered may or may not be there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SETTLED_AFTER_S = 10.0
"""Calm seconds after which a write must be with all who shall hold it."""


@dataclass(slots=True)
class Write:
    """One thing a person wrote: a note, tag, register or file. ``read`` is the value a register had before."""

    kind: str
    node: str
    key: str
    value: str
    asked_s: float
    acked_s: float | None = None
    read: str | None = None
    settled_s: float | None = None
    """When it was seen to have had its calm seconds."""


@dataclass(slots=True)
class Answer:
    """One list of notes as a node gave it."""

    node: str
    asked_s: float
    took_s: float
    keys: frozenset[str]
    partitions_ok: int
    partitions_total: int


@dataclass(slots=True)
class Search:
    """One search by what pictures show. ``missing`` is what the answer said it was made without."""

    node: str
    asked_s: float
    took_s: float
    word: str
    assets: frozenset[str]
    shards_ok: int
    shards_total: int
    missing: str


@dataclass(slots=True)
class Refusal:
    """One thing a running node did not do, or not in time."""

    node: str
    what: str
    at_s: float
    why: str


@dataclass(slots=True)
class Take:
    """One recording. ``node`` is the machine with the camera; ``stop_asked_s`` is when a person ended it."""

    film: str
    node: str
    camera: str
    take: str
    started_s: float
    stop_asked_s: float | None = None


@dataclass(slots=True)
class Outage:
    """A stretch in which a machine was down (``crash``, ``pause``), cut off (``cut``) or had no room (``full``)."""

    node: str
    kind: str
    from_s: float
    until_s: float | None = None


@dataclass
class Ledger:
    """All of it, in the order it happened."""

    writes: list[Write] = field(default_factory=list)
    seen: list[Write] = field(default_factory=list)
    """Rows by which pictures are found, as a person saw them: ``key`` the asset, ``value`` the word it shows."""
    answers: list[Answer] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    unavailable: list[Refusal] = field(default_factory=list)
    """What could not be read or found because who has it could not be reached, and said so in time."""
    takes: list[Take] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    gone: dict[str, float] = field(default_factory=dict)
    """Machines that never come back, and since when."""
    wiped: dict[str, float] = field(default_factory=dict)
    """Machines that lost their disk, and when: what they alone had by then is gone."""
    wrong_clocks: dict[str, None] = field(default_factory=dict)
    """Machines whose clock was wrong at some time."""
    calm_since_s: float = 0.0
    troubled: bool = False
    troubles: list[list[float]] = field(default_factory=list)
    """Stretches [from, until] with any fault in them."""

    def trouble(self, now_s: float) -> None:
        """A fault begins: what was written in calm, long enough ago, had its time to settle."""
        self._settle(now_s)
        if not self.troubled:
            self.troubles.append([now_s, float("inf")])
        self.troubled = True

    def calm(self, now_s: float) -> None:
        """All faults are over."""
        if self.troubled:
            self.troubles[-1][1] = now_s
        self.troubled = False
        self.calm_since_s = now_s

    def troubled_at(self, from_s: float, until_s: float) -> bool:
        """Tell whether a fault began or lasted between two times."""
        return any(low < until_s and from_s < high for low, high in self.troubles)

    def look(self, now_s: float) -> None:
        """Take note of what has settled by now."""
        if not self.troubled:
            self._settle(now_s)

    def _settle(self, now_s: float) -> None:
        if self.troubled:
            return
        for write in (*self.writes, *self.seen):
            if write.acked_s is not None and write.node not in self.gone:
                calm_from_s = max(write.acked_s, self.calm_since_s)
                if write.settled_s is None and now_s - calm_from_s >= SETTLED_AFTER_S:
                    write.settled_s = now_s

    def lost_s(self, write: Write) -> float | None:
        """Give when the machine that took a write was lost with what it held, if it was."""
        wiped_s = self.wiped.get(write.node)
        if wiped_s is not None and write.asked_s <= wiped_s:
            return wiped_s
        return self.gone.get(write.node)

    def begin(self, node: str, kind: str, now_s: float) -> None:
        """An outage begins."""
        self.outages.append(Outage(node, kind, now_s))

    def end(self, node: str, kind: str, now_s: float) -> None:
        """An outage ends."""
        for outage in self.outages:
            if outage.node == node and outage.kind == kind and outage.until_s is None:
                outage.until_s = now_s

    def open(self, node: str, kind: str) -> bool:
        """Tell whether a machine has such an outage now."""
        return any(one.node == node and one.kind == kind and one.until_s is None for one in self.outages)
