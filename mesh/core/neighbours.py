"""Whom a node keeps links with in a large mesh: HyParView's active view (Leitão, Pereira and Rodrigues, DSN 2007).

Decides whom to ask to be neighbours, whom to take, and whom to let go of. The passive view of the paper is here the
list of living members, which every node of a mesh has by SWIM: so there are no shuffles and no random walks, and
candidates are drawn evenly from the whole mesh, which is what those approximate. From time to time the oldest
neighbour gives way to another: so two halves that were apart grow together, and nobody keeps the same few for ever.

Invariant: at most ``most(n)`` neighbours, whatever is asked; every ``Neighbour`` is answered once; what two nodes
believe of their being neighbours differs only while a message is on its way.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence

from mesh.core.agenda import Agenda
from mesh.core.member import Effect, Tell
from mesh.ports import Entropy
from proto.ids import NodeId
from proto.messages.membership import Neighbour, Neighboured

SLACK = 3
"""So many more than wanted are taken, so that who seeks finds somebody who has room."""
SEEK_S = 0.5
ASKED_AT_ONCE = 4
ASKED_S = 6.0
"""So long an answer is waited for, a dial before it included."""
AVOID_S = 10.0
"""So long one is not asked again that had no room."""
AVOIDED_MAX = 256
REFRESH_S = 60.0
"""About so often the oldest neighbour gives way to one drawn from the whole mesh."""
URGENT_S = 5.0
"""A node that was believed dead is made a neighbour at once, but not more than one in so long."""


def wanted(nodes: int) -> int:
    """Give how many neighbours a node of such a mesh seeks: a random graph of these is connected, and stays so when
    many nodes fail together (the paper's log(n) + c)."""
    return max(4, math.ceil(math.log2(max(2, nodes))))


def most(nodes: int) -> int:
    """Give how many it takes."""
    return wanted(nodes) + SLACK


class Neighbours:
    """The active view of one node. ``effects`` is where its messages go."""

    def __init__(self, node: NodeId, chance: Entropy) -> None:
        self.active: dict[NodeId, float] = {}
        """The neighbours, the longest standing first, with since when (monotonic seconds)."""
        self.asked: dict[NodeId, bool] = {}
        """Who was asked, or will be once there is a link, and whether that is urgent."""
        self.effects: list[Effect] = []
        self._node = node
        self._chance = chance
        self._agenda: Agenda[tuple[str, str]] = Agenda()
        self._avoid: dict[NodeId, float] = {}
        self._urgent_at = 0.0

    # ------------------------------------------------------------ time

    def begin(self, now: float) -> None:
        """Start to seek, unless that goes on."""
        if self._agenda.at(("seek", "")) is None:
            self._agenda.set(("seek", ""), now)
            self._agenda.set(("refresh", ""), now + self._chance.uniform(0.5, 1.5) * REFRESH_S)

    def end(self) -> None:
        """Seek no more: the mesh is small enough to have links with all. Who is a neighbour stays one."""
        self._agenda.cancel(("seek", ""))
        self._agenda.cancel(("refresh", ""))

    def next_at(self) -> float | None:
        """Give when something is due, or None."""
        return self._agenda.next_at()

    def shift(self, by_s: float) -> None:
        """Move what waits into the future: this node stood still."""
        self._agenda.shift(by_s)

    def tick(self, now: float, others: Sequence[NodeId], linked: Container[NodeId]) -> list[NodeId]:
        """Do what is due, where ``others`` live; gives whom to dial, to become neighbours."""
        dial: list[NodeId] = []
        while (due := self._agenda.pop(now)) is not None:
            what, peer = due
            match what:
                case "asked":
                    self.asked.pop(NodeId(peer), None)
                    self._shun(NodeId(peer), now)
                case "seek":
                    missing = wanted(len(others) + 1) - len(self.active) - len(self.asked)
                    room = ASKED_AT_ONCE - len(self.asked)
                    for _ in range(min(missing, room)):
                        dial += self._ask_one(now, others, linked, urgent=not self.active)
                    self._agenda.set(("seek", ""), now + self._chance.uniform(0.5, 1.0) * SEEK_S * 2)
                case _:
                    self._agenda.set(("refresh", ""), now + self._chance.uniform(0.5, 1.5) * REFRESH_S)
                    if len(self.active) >= wanted(len(others) + 1) and not self.asked:
                        dial += self._ask_one(now, others, linked, urgent=False)
        return dial

    # ------------------------------------------------------------ asking

    def _ask_one(
        self, now: float, others: Sequence[NodeId], linked: Container[NodeId], *, urgent: bool
    ) -> list[NodeId]:
        for _ in range(8):
            if not others:
                return []
            peer = others[min(len(others) - 1, int(self._chance.uniform(0, len(others))))]
            if peer not in self.active and peer not in self.asked and self._avoid.get(peer, 0.0) <= now:
                return self._ask(peer, now, linked, urgent=urgent)
        return []

    def _ask(self, peer: NodeId, now: float, linked: Container[NodeId], *, urgent: bool) -> list[NodeId]:
        self.asked[peer] = urgent
        self._agenda.set(("asked", peer), now + ASKED_S)
        if peer in linked:
            self.effects.append(Tell(peer, Neighbour(urgent)))
            return []
        return [peer]

    def linked(self, peer: NodeId) -> None:
        """Ask a peer that has a link now, if that was wanted."""
        if peer in self.asked:
            self.effects.append(Tell(peer, Neighbour(self.asked[peer] or not self.active)))

    def revived(self, peer: NodeId, now: float) -> None:
        """Ask a linked peer that was believed dead: where one is, there may be a whole other half of the mesh."""
        if peer not in self.active and peer not in self.asked and now >= self._urgent_at:
            self._urgent_at = now + URGENT_S
            self._ask(peer, now, (peer,), urgent=True)

    # ------------------------------------------------------------ what comes

    def wants(self, peer: NodeId, now: float, nodes: int, *, urgent: bool) -> bool:
        """Answer a linked peer that wants to be a neighbour; gives whether it became one."""
        if peer not in self.active:
            if len(self.active) >= most(nodes):
                if not urgent and peer not in self.asked:  # else both asked at once, and either takes the other
                    self.effects.append(Tell(peer, Neighboured(taken=False)))
                    return False
                self._part_with_one(1)
            self.active[peer] = now
        self._forget_asking(peer)
        self.effects.append(Tell(peer, Neighboured(taken=True)))
        return True

    def told(self, peer: NodeId, now: float, nodes: int, *, taken: bool) -> bool:
        """Take a peer's answer, or its parting; gives whether it became a neighbour."""
        asked = peer in self.asked
        self._forget_asking(peer)
        if not taken:
            self.active.pop(peer, None)
            self._shun(peer, now)
            self._seek_soon(now)
            return False
        if peer in self.active:
            return False
        if not asked:  # it was given up meanwhile, or taken and let go again
            self.effects.append(Tell(peer, Neighboured(taken=False)))
            return False
        if len(self.active) >= wanted(nodes):
            self._part_with_one(0)
        self.active[peer] = now
        return True

    def lost(self, peer: NodeId, now: float) -> bool:
        """Take note that a link is down or its node is gone; gives whether it was a neighbour."""
        self._forget_asking(peer)
        if self.active.pop(peer, None) is None:
            return False
        self._seek_soon(now)
        return True

    def _part_with_one(self, at_random: int) -> None:
        """Let the oldest go, or any."""
        peers = list(self.active)
        index = min(len(peers) - 1, int(self._chance.uniform(0, len(peers)))) if at_random else 0
        del self.active[peers[index]]
        self.effects.append(Tell(peers[index], Neighboured(taken=False)))

    def _forget_asking(self, peer: NodeId) -> None:
        if self.asked.pop(peer, None) is not None:
            self._agenda.cancel(("asked", peer))

    def _shun(self, peer: NodeId, now: float) -> None:
        if len(self._avoid) >= AVOIDED_MAX:
            self._avoid = {node: until for node, until in self._avoid.items() if until > now}
        if len(self._avoid) < AVOIDED_MAX:
            self._avoid[peer] = now + AVOID_S

    def _seek_soon(self, now: float) -> None:
        standing = self._agenda.at(("seek", ""))
        if standing is not None:
            self._agenda.set(("seek", ""), min(standing, now + self._chance.uniform(0.0, 0.1)))
