"""How large a datagram a path carries: packetization-layer path MTU discovery (RFC 8899; RFC 9000, section 14.3).

Decides when a padded probe of which size is sent, and what follows from its fate. The search goes up ``LADDER`` until a
size fails ``TRIES`` times; what failed is tried again after ``AGAIN_S``, for paths change. A size in use is doubted
when nothing of what was sent arrives any more: then it is probed too, and when that fails the path has become a black
hole for it, and the connection falls back to the size that every path carries.

Invariant: one probe is on its way at a time; a size in use that is larger than the base was acknowledged on this path.
"""

from __future__ import annotations

BASE_BYTES = 1200
"""What every path of QUIC carries (RFC 9000, section 14)."""
LADDER = (1350, 1452, 8952)
"""Through most tunnels; Ethernet with IPv6; jumbo frames of 9000 with IPv6."""
TRIES = 4
"""Probes of one size that must fail: under load a transport's timer gives up early what arrives a moment later."""
TRY_AGAIN_S = 0.2
"""How long after the first failure the next try comes; twice as long after each further one of a search."""
WAIT_S = 1.0
"""A probe that was not acknowledged by then is lost, whatever the transport still hopes for."""
AGAIN_S = 600.0
"""As RFC 8899 has it for its PMTU_RAISE_TIMER."""


class PathSize:
    """The datagram size of one connection. Sizes are bytes of UDP payload, times monotonic seconds."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        """The size in use."""
        self._base_bytes = min(size_bytes, BASE_BYTES)
        self._limit_bytes = 0
        self._probing = 0
        self._failed = 0
        self._doubted = False
        self._at: float | None = None
        self._lost_at = 0.0

    def begin(self, known_bytes: int, limit_bytes: int, at: float) -> None:
        """Search from some time on for the largest size up to a limit, from one that another connection found."""
        self.size_bytes = max(self.size_bytes, known_bytes)
        self._limit_bytes = limit_bytes
        self._at = at if self._next() else None

    def next_at(self) -> float | None:
        """Give when a probe is due, or the one on its way is lost; None: none is wanted."""
        return self._lost_at if self._probing else self._at

    def due(self, now: float) -> int:
        """Give the size to probe now, which counts as sent; 0: none."""
        if self._probing or self._at is None or now < self._at:
            return 0
        size = self.size_bytes if self._doubted else self._next()
        self._at = None
        self._probing, self._lost_at = size, now + WAIT_S
        return size

    def overdue(self, now: float) -> int:
        """Give the size of the probe that is lost, because nothing came of it; 0: none is."""
        return self._probing if now >= self._lost_at else 0

    def told(self, size_bytes: int, now: float, *, arrived: bool) -> bool:
        """Take the fate of a probe; True: the size in use has changed."""
        if size_bytes != self._probing:
            return False
        self._probing = 0
        if arrived:
            self._failed = 0
            before, self.size_bytes = self.size_bytes, max(size_bytes, self.size_bytes)
            self._doubted = False
            self._at = now if self._next() else None
            return self.size_bytes != before
        self._failed += 1
        if self._failed < TRIES:
            self._at = now + TRY_AGAIN_S * (1 if self._doubted else 2 ** (self._failed - 1))
            return False
        self._failed = 0
        self._at = now + AGAIN_S
        if not self._doubted:
            return False
        self._doubted = False
        self.size_bytes = self._base_bytes
        return True

    def doubt(self, now: float) -> bool:
        """Have the size in use probed, because what was sent does not arrive; False: no need, or it is under way."""
        if self.size_bytes <= self._base_bytes or self._doubted:
            return False
        self._doubted = True
        self._failed = 0
        self._at = now
        return True

    def _next(self) -> int:
        rungs = sorted({*(rung for rung in LADDER if rung < self._limit_bytes), self._limit_bytes})
        return next((rung for rung in rungs if rung > self.size_bytes), 0)
