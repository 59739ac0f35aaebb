"""What those who are not proven yet may cost a node: connections, answers, tickets tried, lines in its log.

Invariant: whatever hosts send, at most ``UNPROVEN_MAX`` connections are unproven, and of one host at most
``UNPROVEN_A_HOST_MAX``; counts are kept of ``ASKERS_MAX`` hosts.
"""

from __future__ import annotations

from collections import OrderedDict

import structlog

from mesh.adapters.quic.gate import Gate
from mesh.ports import Clock

UNPROVEN_MAX = 128
"""Connections not proven yet; datagrams of further ones are ignored."""
UNPROVEN_A_HOST_MAX = 32
UNPROVEN_RETRY = 24
"""From so many on, a dialler must first show that its address is its own (RFC 9000, section 8.1)."""
HANDSHAKES_A_SECOND, HANDSHAKES_BURST = 20.0, 200.0
"""Connections that one host may begin: each costs some milliseconds of a core, whoever it is. The burst is for many
nodes of one machine that start at once; further ones are ignored, and their diallers try again by themselves."""
ANSWERS_A_SECOND, ANSWERS_BURST = 8.0, 32.0
"""Answers to the id question for one host."""
REDEMPTIONS_A_SECOND, REDEMPTIONS_BURST = 0.5, 10.0
"""Tickets that one host may try."""
WARNINGS_A_SECOND, WARNINGS_BURST = 0.2, 20.0
"""Refusals of one host that are warned of; further ones are logged as details, so that nobody can fill the log."""
ASKERS_MAX = 1024
"""Hosts whose questions and refusals are counted; the longest silent is forgotten."""


NAMED_FROM, TOLD_AGAIN_S = 200, 60.0
"""Of so many in so long a host is named in the log; fewer are what was on its way when a connection ended."""
_log = structlog.get_logger("quic")


class Allowances:
    """A token bucket a host."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._hosts)

    def has(self, host: str, now_s: float, a_second: float, burst: float) -> bool:
        """Tell whether a host has one left, and take none."""
        left, since_s = self._hosts.get(host, (burst, now_s))
        return min(burst, left + (now_s - since_s) * a_second) >= 1.0

    def take(self, host: str, now_s: float, a_second: float, burst: float) -> bool:
        """Take one from a host's; False when nothing is left."""
        left, since_s = self._hosts.pop(host, (burst, now_s))
        left = min(burst, left + (now_s - since_s) * a_second)
        self._hosts[host] = (max(0.0, left - 1.0), now_s) if left >= 1.0 else (left, now_s)
        if len(self._hosts) > ASKERS_MAX:
            self._hosts.popitem(last=False)
        return left >= 1.0


class Strangers:
    """Counts by host what it is given; the clock tells how much is left."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.gates: dict[Gate, str] = {}
        """Connections that are not proven, and the host each came from."""
        self.asked = Allowances()
        self.begun = Allowances()
        self.refused = 0
        """Connections and datagrams of strangers that were ignored."""
        self._vain: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._redeemed = Allowances()
        self._warned = Allowances()

    @property
    def crowded(self) -> bool:
        """Tell whether a dialler must first show that its address is its own."""
        return len(self.gates) >= UNPROVEN_RETRY

    def may_come(self, host: str) -> bool:
        """Tell whether a host may begin a connection now, and count nothing."""
        if len(self.gates) >= UNPROVEN_MAX:
            return False
        if sum(1 for other in self.gates.values() if other == host) >= UNPROVEN_A_HOST_MAX:
            return False
        return self.begun.has(host, self._clock.monotonic(), HANDSHAKES_A_SECOND, HANDSHAKES_BURST)

    def begins(self, host: str) -> bool:
        """Count a connection that a host begins; False when it may not."""
        return self.begun.take(host, self._clock.monotonic(), HANDSHAKES_A_SECOND, HANDSHAKES_BURST)

    def refuse(self, host: str) -> None:
        """Count what a host sent in vain, and name it in the log now and then."""
        self.refused += 1
        now_s = self._clock.monotonic()
        since_s, count = self._vain.pop(host, (now_s, 0))
        if now_s - since_s > TOLD_AGAIN_S:
            since_s, count = now_s, 0
        self._vain[host] = (since_s, count + 1)
        if len(self._vain) > ASKERS_MAX:
            self._vain.popitem(last=False)
        if count + 1 == NAMED_FROM:
            _log.warning("a host sends much that nobody here waits for; it is ignored", host=host, count=count + 1)

    def may_answer(self, host: str) -> bool:
        """Count an answer to the id question."""
        return self.asked.take(host, self._clock.monotonic(), ANSWERS_A_SECOND, ANSWERS_BURST)

    def may_redeem(self, host: str) -> bool:
        """Count a ticket that is tried."""
        return self._redeemed.take(host, self._clock.monotonic(), REDEMPTIONS_A_SECOND, REDEMPTIONS_BURST)

    def may_warn(self, host: str) -> bool:
        """Count a refusal that is warned of."""
        return self._warned.take(host, self._clock.monotonic(), WARNINGS_A_SECOND, WARNINGS_BURST)
