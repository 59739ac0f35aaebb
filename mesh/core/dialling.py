"""Whom to dial when: seeds, nodes found on the LAN, nodes remembered, members without a link, and the dead.

A handshake costs some milliseconds of a core at either end, and a mesh that forms has one for each pair. So the links
that make the mesh full wait for who comes: they are dialled once nobody new was heard of for a moment, few at once and
spread over some seconds. Whom something is to be said to meanwhile is dialled for that (``Members.reach``).

A node that lives, as others say, and that could not be reached is asked for by way of one of them; it goes on being
dialled itself meanwhile, seldom, until that works.

Invariant: nothing that was ever worth dialling is given up, except who left: each is tried again with jittered
back-off for ever, so that a healed partition is found from both sides; at most ``DIALS_AT_ONCE`` run, and
``FIRST_AT_ONCE`` of those that nothing waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from mesh.core.agenda import Agenda
from mesh.ports import Entropy, Host
from proto.ids import NodeId

DIALS_AT_ONCE = 8
FIRST_AT_ONCE = 3
FIRST_EACH_S = 0.1
"""First dials of nodes that live are spread over so long for each of them."""
CALM_EACH_S, CALM_MAX_S = 0.03, 0.3
"""First dials wait until nobody new was heard of for so long: for each that waits, and at most."""
CALM_WAITED_S = 2.0
"""After so long they wait no more, however many come."""
BACKOFF_FIRST_S = 0.5
BACKOFF_ALIVE_MAX_S = 5.0
BACKOFF_MAX_S = 30.0
RELAYED_AT_ONCE = 2
"""Dials of nodes that are reached by way of another one: most are in vain, and take their whole time."""
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
    relays: tuple[NodeId, ...] = ()
    """Try by way of these first."""


@dataclass(slots=True)
class _Target:
    hosts: tuple[Host, ...]
    expect: NodeId | None
    alive: bool
    attempts: int = 0
    dialling: bool = False
    reached: NodeId | None = None
    fresh: bool = False
    """It lives, and nobody has tried yet whether it is reached."""
    relayed: bool = False
    """There is a link by way of another node."""
    beside: bool = False
    """It is being dialled although there is such a link."""


class Dialling:
    """The targets of one node. What is not being dialled stands in the agenda."""

    def __init__(self, node: NodeId, chance: Entropy) -> None:
        self._node = node
        self._chance = chance
        self._targets: dict[Key, _Target] = {}
        self._agenda: Agenda[Key] = Agenda()
        self._running = 0
        self._fresh: dict[Key, None] = {}
        self._fresh_running = 0
        self._relayed_running = 0
        self._calm_at = self._calm_by = 0.0
        self.nodes = 1
        """How many nodes live: among so many the lost are shared."""

    def seed(self, host: Host, now: float) -> None:
        """Dial an address whose node is not known."""
        key = f"seed/{host[0]}:{host[1]}"
        if key not in self._targets and len(self._targets) < TARGETS_MAX:
            self._targets[key] = _Target((host,), None, alive=False)
            self._agenda.set(key, now)

    def want(
        self,
        node: NodeId,
        hosts: tuple[Host, ...],
        now: float,
        *,
        alive: bool,
        at_once: bool = False,
        unhurried: bool = False,
    ) -> None:
        """Have a link to a node: soon when it is new (``at_once``: now; ``unhurried``: when there is time), else as its
        back-off says."""
        standing = self._targets.get(node)
        if standing is not None:
            standing.hosts = hosts
            if standing.relayed:
                self._relayed_no_more(node, standing, now)
            elif alive != standing.alive:
                standing.alive = alive
                standing.attempts = 0
                if alive and not standing.dialling:
                    if unhurried:
                        self._freshen(node, standing)
                    soon = now + self._chance.uniform(0.0, max(0.2, self._spread_s() if unhurried else 0.0))
                    self._agenda.set(node, min(soon, self._agenda.at(node) or soon))
                elif not alive:
                    self._stale(node, standing)
        elif len(self._targets) < TARGETS_MAX:
            target = self._targets[node] = _Target(hosts, node, alive)
            if at_once:
                wait_s = 0.0
            elif alive and unhurried:
                self._freshen(node, target)
                if now >= self._calm_at:
                    self._calm_by = now + CALM_WAITED_S
                self._calm_at = min(now + min(CALM_MAX_S, CALM_EACH_S * len(self._fresh)), self._calm_by)
                wait_s = self._turn_s(node, self._spread_s())
            elif not alive and self._shares() > 1.0:
                wait_s = self._chance.uniform(0.0, self._longest_s(target))
            else:
                wait_s = self._turn_s(node, 0.0)
            self._agenda.set(node, now + wait_s)

    def relayed(self, node: NodeId, hosts: tuple[Host, ...], now: float) -> None:
        """Take note that a node is reached by way of another: it is dialled on, but there is time."""
        target = self._targets.get(node)
        if target is None:
            if len(self._targets) >= TARGETS_MAX:
                return
            target = self._targets[node] = _Target(hosts, node, alive=True)
        self._stale(node, target)
        target.alive = True
        if not target.relayed:
            target.relayed = True
            target.attempts = 0
        if not target.dialling:
            self._agenda.set(node, now + self._chance.uniform(0.5, 1.0) * BACKOFF_ALIVE_MAX_S)

    def _relayed_no_more(self, node: NodeId, target: _Target, now: float) -> None:
        """Find another way soon."""
        target.relayed = False
        target.attempts = 1
        if not target.dialling:
            self._agenda.set(node, now + self._chance.uniform(0.0, 0.2))

    def fresh(self, node: NodeId) -> bool:
        """Tell whether a node is to be linked and nothing is known yet of whether it is reached."""
        return node in self._fresh

    def _freshen(self, key: Key, target: _Target) -> None:
        target.fresh = True
        self._fresh[key] = None

    def _stale(self, key: Key, target: _Target) -> None:
        if target.fresh:
            target.fresh = False
            del self._fresh[key]
            self._fresh_running -= target.dialling

    def _spread_s(self) -> float:
        return FIRST_EACH_S * (len(self._fresh) - 1)

    def _turn_s(self, node: NodeId, spread_s: float) -> float:
        """Give how long a dial waits: both ends learn of each other at once, and the greater leaves it to the other."""
        if self._node < node:
            return self._chance.uniform(0.0, max(0.05, spread_s))
        return spread_s + self._chance.uniform(0.3, 0.5)

    def forget(self, node: NodeId) -> None:
        """Stop dialling a node: it has a link, or it left."""
        standing = self._targets.pop(node, None)
        self._agenda.cancel(node)
        if standing is not None:
            self._stale(node, standing)
            self._running -= standing.dialling
            self._relayed_running -= standing.beside

    def ended(self, key: Key, reached: NodeId | None, now: float, *, refused: bool) -> None:
        """Take note of how a dial went."""
        standing = self._targets.get(key)
        if standing is None or not standing.dialling:
            return
        self._stale(key, standing)
        standing.dialling = False
        self._running -= 1
        self._relayed_running -= standing.beside
        standing.beside = False
        if reached is not None and standing.relayed:
            self._agenda.set(key, now + self._chance.uniform(0.5, 1.0) * BACKOFF_ALIVE_MAX_S)
            return
        if reached is not None:
            standing.reached = reached
            standing.attempts = 0
            self._agenda.set(key, now + BACKOFF_MAX_S)
            return
        standing.attempts += 1
        longest_s = self._longest_s(standing)
        if standing.relayed:
            longest_s = min(BACKOFF_MAX_S, BACKOFF_ALIVE_MAX_S * 2 ** min(standing.attempts, 10))
            self._agenda.set(key, now + self._chance.uniform(longest_s / 2, longest_s))
            return
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

    def due(
        self,
        now: float,
        linked: Container[NodeId],
        settled: Callable[[NodeId], bool],
        relays: Callable[[NodeId], tuple[NodeId, ...]] = lambda _: (),
    ) -> list[Dial]:
        """Give the dials to begin now; those whose node is linked already, or needs no link, wait.

        ``relays`` gives those by way of whom a node may be reached.
        """
        dials: list[Dial] = []
        while self._running < DIALS_AT_ONCE and (key := self._agenda.pop(now)) is not None:
            target = self._targets[key]
            there = target.expect or target.reached
            enough = (
                there is not None
                and not target.relayed
                and (there in linked or (target.expect is None and settled(there)))
            )
            if enough or not target.hosts:
                self._agenda.set(key, now + BACKOFF_MAX_S)
                continue
            if target.fresh and there is not None and now < self._calm_at:
                self._agenda.set(key, self._calm_at + self._turn_s(there, self._spread_s()))
                continue
            if target.fresh and self._fresh_running >= FIRST_AT_ONCE:
                self._agenda.set(key, now + self._chance.uniform(0.5, 1.5) * max(FIRST_EACH_S, self._spread_s() / 4))
                continue
            if target.relayed and self._relayed_running >= RELAYED_AT_ONCE:
                self._agenda.set(key, now + self._chance.uniform(0.5, 1.5) * BACKOFF_ALIVE_MAX_S)
                continue
            target.dialling = True
            target.beside = target.relayed
            self._running += 1
            self._fresh_running += target.fresh
            self._relayed_running += target.beside
            others: tuple[NodeId, ...] = ()
            if target.expect is not None and target.alive and target.attempts and not target.relayed:
                others = relays(target.expect)
            dials.append(Dial(key, target.hosts, target.expect, others))
        return dials

    def next_at(self) -> float | None:
        """Give when the next dial is due; None when none is, or as many run as may."""
        return None if self._running >= DIALS_AT_ONCE else self._agenda.next_at()

    def shift(self, by_s: float) -> None:
        """Move what waits into the future."""
        self._agenda.shift(by_s)
