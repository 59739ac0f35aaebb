"""What happened, as lines, and one hash over all of them.

Invariant: the same seed gives the same hash, whatever PYTHONHASHSEED is: nothing enters a line that depends on memory
addresses, real time or the order of a set.
"""

from __future__ import annotations

from collections import deque

from blake3 import blake3

LINES_KEPT = 20_000


class Trace:
    """A growing record. Times are virtual seconds since the world began."""

    def __init__(self) -> None:
        self._hash = blake3()
        self.events = 0
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self.counts: dict[str, int] = {}

    def add(self, at: float, kind: str, *what: object) -> None:
        """Record an event; ``what`` is told as text."""
        line = f"{at:.6f} {kind} {' '.join(str(part) for part in what)}"
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        self.events += 1
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.lines.append(line)

    def hexdigest(self) -> str:
        """Give the hash over everything recorded."""
        return self._hash.hexdigest()
