"""What a node carries between others that cannot reach each other: whom for, how much, in which order.

Decides who is carried, and which datagram goes next. The node gives so many bytes a second to all it carries, both
directions of all pairs together; the directions in which something waits take turns, so that a pair that sends much
does not hold up the others. What does not fit into a direction's short queue is dropped, as a slow path drops it: the
two ends' own congestion control finds the rate.

Invariant: at most ``bytes_s`` pass, and at most ``WAITING_BYTES`` a direction and ``PAIRS_MAX`` pairs are held.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from proto.ids import NodeId

PAIRS_MAX = 256
"""Pairs of nodes carried at once."""
WAITING_BYTES = 64 << 10
"""Of one direction; some seven datagrams, which at the usual rate leave within 20 ms."""
BURST_S = 0.05
"""So many seconds' bytes may pass at once after a pause."""
BURST_BYTES_LEAST = 32 << 10


@dataclass(eq=False, slots=True)
class Direction:
    """One direction of a pair, and what waits in it."""

    waiting: deque[bytes] = field(default_factory=deque)
    waiting_bytes: int = 0
    passed_bytes: int = 0


@dataclass(eq=False, slots=True)
class Pair:
    """Two nodes whose datagrams are carried: from the one that asked (``there``), and ``back`` to it."""

    asked: NodeId
    other: NodeId
    there: Direction = field(default_factory=Direction)
    back: Direction = field(default_factory=Direction)

    @property
    def passed_bytes(self) -> int:
        """Bytes carried so far, both ways."""
        return self.there.passed_bytes + self.back.passed_bytes


class Relaying:
    """The pairs one node carries. ``bytes_s``: for all of them together; 0: none. ``pairs_a_node``: of one asker."""

    def __init__(self, bytes_s: float, pairs_a_node: int) -> None:
        self._bytes_s = bytes_s
        self._pairs_a_node = pairs_a_node
        self._burst = max(BURST_BYTES_LEAST, bytes_s * BURST_S)
        self._tokens = self._burst
        self._as_of = 0.0
        self._turns: OrderedDict[Direction, None] = OrderedDict()
        self.pairs: dict[Pair, None] = {}
        self.dropped = 0
        """Datagrams dropped because more came than may pass."""

    def begin(self, asked: NodeId, other: NodeId) -> Pair | str:
        """Take a pair; a sentence says why not."""
        if self._bytes_s <= 0:
            return "this node carries nothing for others (mesh.relay_mb_s is 0)"
        if sum(1 for pair in self.pairs if pair.asked == asked) >= self._pairs_a_node:
            return f"this node carries {self._pairs_a_node} connections for {asked[:8]} already (mesh.relay_links)"
        if len(self.pairs) >= PAIRS_MAX:
            return f"this node carries {PAIRS_MAX} connections already"
        pair = Pair(asked, other)
        self.pairs[pair] = None
        return pair

    def end(self, pair: Pair) -> None:
        """Forget a pair and what waits in it."""
        self.pairs.pop(pair, None)
        for direction in (pair.there, pair.back):
            self._turns.pop(direction, None)
            direction.waiting.clear()
            direction.waiting_bytes = 0

    def offer(self, pair: Pair, direction: Direction, datagram: bytes) -> bool:
        """Have a datagram wait for its turn; False: it was dropped."""
        if pair not in self.pairs:
            return False
        if direction.waiting and direction.waiting_bytes + len(datagram) > WAITING_BYTES:
            self.dropped += 1
            return False
        direction.waiting.append(datagram)
        direction.waiting_bytes += len(datagram)
        self._turns.setdefault(direction)
        return True

    def due(self, now: float) -> list[tuple[Direction, bytes]]:
        """Give what may pass now, in turns of the directions."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._as_of) * self._bytes_s)
        self._as_of = now
        passing = []
        while self._turns:
            direction = next(iter(self._turns))
            if self._tokens + 1e-6 < min(len(direction.waiting[0]), self._burst):
                break
            datagram = direction.waiting.popleft()
            direction.waiting_bytes -= len(datagram)
            direction.passed_bytes += len(datagram)
            self._tokens -= len(datagram)
            if direction.waiting:
                self._turns.move_to_end(direction)
            else:
                del self._turns[direction]
            passing.append((direction, datagram))
        return passing

    def next_at(self) -> float | None:
        """Give when the next datagram may pass, after ``due``; None: nothing waits."""
        if not self._turns:
            return None
        wanted = min(len(next(iter(self._turns)).waiting[0]), self._burst)
        return self._as_of + max(0.0, wanted - self._tokens) / self._bytes_s
