"""What a node sends of its own accord, and what rides along: rumours on probes, gossip while there is news.

Invariant: an idle mesh gossips nothing; a datagram never exceeds DATAGRAM_BYTES_MAX.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blake3 import blake3

from mesh.core.member import Datagram, Effect, Member, SendDatagram, Timing
from mesh.core.rumours import RumourQueue
from mesh.ports import DATAGRAM_BYTES_MAX, Entropy, Host
from proto.ids import NodeId
from proto.messages.membership import Ack, Gossip, Nack, Ping, PingRequest, Rumour, State

_HEAD_BYTES = 96
"""The largest message around the rumours: a PingRequest with a target."""


class Dissemination:
    """Rumours out of one node. ``effects`` is where they go."""

    def __init__(
        self,
        timing: Timing,
        chance: Entropy,
        members: Mapping[NodeId, Member],
        links: Mapping[NodeId, Host],
        node: NodeId,
    ) -> None:
        self.queue = RumourQueue()
        self.effects: list[Effect] = []
        self.links = links
        self._timing = timing
        self._chance = chance
        self._members = members
        self._node = node
        self._next_at: float | None = None
        self._synced: dict[NodeId, float] = {}
        self._digest = 0

    def ping(self, peer: NodeId, seq: int) -> None:
        """Send a probe."""
        self._send(peer, Ping(seq, self._rumours(peer)))

    def ack(self, peer: NodeId, seq: int) -> None:
        """Answer a probe."""
        self._send(peer, Ack(seq, self._rumours(peer)))

    def ping_request(self, peer: NodeId, seq: int, target: NodeId) -> None:
        """Have a peer probe another."""
        self._send(peer, PingRequest(seq, target, self._rumours(peer)))

    def nack(self, peer: NodeId, seq: int) -> None:
        """Tell a peer that the node it wanted probed did not answer yet."""
        self._send(peer, Nack(seq, self._rumours(peer)))

    def schedule(self, now: float) -> None:
        """Have gossip sent soon when there is any."""
        if self._next_at is None and len(self.queue) and self.links:
            self._next_at = now + self._chance.uniform(0.25, 1.0) * self._timing.gossip_interval_s

    def next_at(self) -> float | None:
        """Give when gossip is due, or None."""
        return self._next_at

    def tick(self, now: float) -> None:
        """Send gossip to a few peers when it is due."""
        if self._next_at is None or now < self._next_at:
            return
        self._next_at = None
        peers = [peer for peer in self.links if self._listens(peer)]
        for peer in pick(peers, self._timing.gossip_fanout, self._chance):
            rumours = self._rumours(peer)
            if rumours:
                self._send(peer, Gossip(rumours))

    def digest(self) -> bytes:
        """Give 16 bytes that are equal for equal beliefs."""
        return self._digest.to_bytes(16, "big")

    def note(self, before: Member | None, after: Member) -> None:
        """Keep the digest: the exclusive or of one hash a belief, so that a change costs the same in any mesh."""
        for belief in (before, after):
            if belief is not None:
                told = f"{belief.id},{belief.state},{belief.incarnation}"
                self._digest ^= int.from_bytes(blake3(told.encode()).digest(16), "big")

    def synced_since(self, peer: NodeId, then: float) -> bool:
        """Tell whether everything was exchanged with a peer after ``then``."""
        return self._synced.get(peer, then - 1.0) > then

    def note_sync(self, peer: NodeId, now: float) -> None:
        """Note that everything is being exchanged with a peer."""
        self._synced = {other: at for other, at in self._synced.items() if other in self.links}
        self._synced[peer] = now

    def _listens(self, peer: NodeId) -> bool:
        member = self._members.get(peer)
        return member is None or member.state is not State.LEFT

    def _rumours(self, peer: NodeId) -> tuple[Rumour, ...]:
        """Give what rides along; a peer that is suspected hears so first and can refute (Lifeguard's buddies)."""
        about = self._members.get(peer)
        forced: Sequence[Rumour] = ()
        if about is not None and about.state in (State.SUSPECT, State.DEAD):
            forced = (Rumour(peer, about.state, about.incarnation, self._node),)
        return self.queue.take(DATAGRAM_BYTES_MAX - _HEAD_BYTES, len(self._members), forced)

    def _send(self, peer: NodeId, message: Datagram | Gossip) -> None:
        self.effects.append(SendDatagram(peer, message))


def pick(items: Sequence[NodeId], count: int, chance: Entropy) -> list[NodeId]:
    """Choose up to ``count`` distinct items."""
    left: list[Any] = list(items)
    chosen: list[NodeId] = []
    while left and len(chosen) < count:
        chosen.append(left.pop(min(len(left) - 1, int(chance.uniform(0, len(left))))))
    return chosen
