"""Whom to dial when: seeds, nodes found on the LAN, nodes remembered, members without a link, and the dead.

Invariant: nothing that was ever worth dialling is given up, except who left: each is tried again with jittered
back-off for ever, so that a healed partition is found from both sides; at most ``DIALS_AT_ONCE`` run.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from mesh.core.agenda import Agenda
from mesh.ports import Entropy, Host
from proto.ids import NodeId

DIALS_AT_ONCE = 8
BACKOFF_FIRST_S = 0.5
BACKOFF_ALIVE_MAX_S = 5.0
BACKOFF_MAX_S = 30.0
LOST_EACH_S = 1.0
"""A node that was lost lately is tried again as often as one that lives; of many lost together, one in so long."""
LOST_ATTEMPTS = 60
"""After so many attempts in vain a lost node waits as long as any other."""
REFUSED_AGAIN_S = 60.0
SHARED_FROM = 64
"""In a larger mesh its nodes share the dialling of the lost: each dials so many times more seldom."""
TARGETS_MAX = 4096
"""Targets kept; further ones are not dialled until others go."""

Key = str
"""A node id, or ``seed/host:port`` of an address whose node is not known."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Effect: dial these hosts in turn until one answers; tell ``DialEnded`` with the same key."""

    key: Key
    hosts: tuple[Host, ...]
    expect: NodeId | None


@dataclass(slots=True)
class _Target:
    hosts: tuple[Host, ...]
    expect: NodeId | None
    alive: bool
    attempts: int = 0
    dialling: bool = False
    reached: NodeId | None = None


class Dialling:
    """The targets of one node. What is not being dialled stands in the agenda."""

    def __init__(self, node: NodeId, chance: Entropy) -> None:
        self._node = node
        self._chance = chance
        self._targets: dict[Key, _Target] = {}
        self._agenda: Agenda[Key] = Agenda()
        self._running = 0
        self.nodes = 1
        """How many nodes live: among so many the lost are shared."""

    def seed(self, host: Host, now: float) -> None:
        """Dial an address whose node is not known."""
        key = f"seed/{host[0]}:{host[1]}"
        if key not in self._targets and len(self._targets) < TARGETS_MAX:
            self._targets[key] = _Target((host,), None, alive=False)
            self._agenda.set(key, now)

    def want(self, node: NodeId, hosts: tuple[Host, ...], now: float, *, alive: bool, at_once: bool = False) -> None:
        """Have a link to a node: soon when it is new (``at_once``: now), else as its back-off says."""
        standing = self._targets.get(node)
        if standing is not None:
            standing.hosts = hosts
            if alive != standing.alive:
                standing.alive = alive
                standing.attempts = 0
                if alive and not standing.dialling:
                    soon = now + self._chance.uniform(0.0, 0.2)
                    self._agenda.set(node, min(soon, self._agenda.at(node) or soon))
        elif len(self._targets) < TARGETS_MAX:
            # Both ends learn of each other at once: the greater waits, so that one of the two dials.
            wait_s = self._chance.uniform(0.0, 0.05) if self._node < node else self._chance.uniform(0.3, 0.5)
            target = self._targets[node] = _Target(hosts, node, alive)
            if at_once:
                wait_s = 0.0
            elif not alive and self._shares() > 1.0:
                wait_s = self._chance.uniform(0.0, self._longest_s(target))
            self._agenda.set(node, now + wait_s)

    def forget(self, node: NodeId) -> None:
        """Stop dialling a node: it has a link, or it left."""
        standing = self._targets.pop(node, None)
        self._agenda.cancel(node)
        if standing is not None and standing.dialling:
            self._running -= 1

    def ended(self, key: Key, reached: NodeId | None, now: float, *, refused: bool) -> None:
        """Take note of how a dial went."""
        standing = self._targets.get(key)
        if standing is None or not standing.dialling:
            return
        standing.dialling = False
        self._running -= 1
        if reached is not None:
            standing.reached = reached
            standing.attempts = 0
            self._agenda.set(key, now + BACKOFF_MAX_S)
            return
        standing.attempts += 1
        longest_s = self._longest_s(standing)
        shared = not standing.alive and self._shares() > 1.0
        ceiling = longest_s if shared else min(longest_s, BACKOFF_FIRST_S * 2 ** min(standing.attempts - 1, 10))
        if refused:
            ceiling = REFUSED_AGAIN_S
        self._agenda.set(key, now + self._chance.uniform(ceiling / 2, ceiling))

    def _longest_s(self, target: _Target) -> float:
        if target.alive:
            return BACKOFF_ALIVE_MAX_S
        shares = self._shares()
        if target.attempts > LOST_ATTEMPTS:
            return BACKOFF_MAX_S * shares
        return min(BACKOFF_MAX_S * shares, max(BACKOFF_ALIVE_MAX_S * shares, LOST_EACH_S * len(self._targets)))

    def _shares(self) -> float:
        return max(1.0, self.nodes / SHARED_FROM)

    def due(self, now: float, linked: Container[NodeId], settled: Callable[[NodeId], bool]) -> list[Dial]:
        """Give the dials to begin now; those whose node is linked already, or needs no link, wait."""
        dials: list[Dial] = []
        while self._running < DIALS_AT_ONCE and (key := self._agenda.pop(now)) is not None:
            target = self._targets[key]
            there = target.expect or target.reached
            enough = there is not None and (there in linked or (target.expect is None and settled(there)))
            if enough or not target.hosts:
                self._agenda.set(key, now + BACKOFF_MAX_S)
                continue
            target.dialling = True
            self._running += 1
            dials.append(Dial(key, target.hosts, target.expect))
        return dials

    def next_at(self) -> float | None:
        """Give when the next dial is due; None when none is, or as many run as may."""
        return None if self._running >= DIALS_AT_ONCE else self._agenda.next_at()

    def shift(self, by_s: float) -> None:
        """Move what waits into the future."""
        self._agenda.shift(by_s)
