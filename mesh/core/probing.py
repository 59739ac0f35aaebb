"""Probing one member after another, in two steps: directly; then through others and by an ask that survives loss.

The order is SWIM's shuffled round robin: whoever fails is probed by somebody within a period, by each node within one
round. A failed step alone accuses nobody; only when every way failed does the prober suspect.

Invariant: each probe ends as acknowledged or failed, once; at most ``PROBES_MAX`` and ``RELAYS_MAX`` run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mesh.core.agenda import Agenda
from mesh.core.dissemination import Dissemination, pick
from mesh.core.member import AskPing, Datagram, Timing
from mesh.core.suspicion import Awareness
from mesh.ports import Entropy
from proto.ids import NodeId
from proto.messages.membership import Ack, Nack, Ping, PingRequest

PROBES_MAX = 64
RELAYS_MAX = 256
SECOND_STEP = 1.5
"""How much longer than the first step the second one lasts."""
NACK_SHARE = 0.8
RELAY_LIVES_S = 2.0


@dataclass(slots=True)
class _Probe:
    target: NodeId
    step: int = 0
    asked: int = 0
    nacks: int = 0


@dataclass(slots=True)
class _Relay:
    asker: NodeId
    seq: int
    nacked: bool = False


class Probing:
    """The probes of one node."""

    def __init__(self, timing: Timing, chance: Entropy, talk: Dissemination, node: NodeId) -> None:
        self.awareness = Awareness()
        self._timing = timing
        self._chance = chance
        self._talk = talk
        self._node = node
        self._seq = 0
        self._probes: dict[int, _Probe] = {}
        self._relays: dict[int, _Relay] = {}
        self._round: list[NodeId] = []
        self._agenda: Agenda[tuple[str, int]] = Agenda()

    def begin(self, now: float) -> None:
        """Start probing, at a time of its own for each node."""
        self._agenda.set(("round", 0), now + self._chance.uniform(0.2, 1.0) * self._timing.probe_interval_s)

    def next_at(self) -> float | None:
        """Give when the next step is due."""
        return self._agenda.next_at()

    def shift(self, by_s: float) -> None:
        """Give everything that runs more time."""
        self._agenda.shift(by_s)

    def probe(self, target: NodeId, now: float) -> None:
        """Probe a member now, unless that is under way."""
        if len(self._probes) >= PROBES_MAX or any(probe.target == target for probe in self._probes.values()):
            return
        self._seq += 1
        self._probes[self._seq] = _Probe(target)
        if target in self._talk.links:
            self._talk.ping(target, self._seq)
            self._agenda.set(("probe", self._seq), now + self._timeout_s())
        else:
            self._agenda.set(("probe", self._seq), now)

    def tick(self, now: float, members: Callable[[], list[NodeId]]) -> list[NodeId]:
        """Do what is due; gives those whose probes failed."""
        failed: list[NodeId] = []
        while (due := self._agenda.pop(now)) is not None:
            what, seq = due
            if what == "round":
                self._agenda.set(("round", 0), now + self._timing.probe_interval_s)
                self._next(now, members())
            elif what == "relay":
                self._relay_late(seq, now)
            elif (accused := self._step(seq, now, members)) is not None:
                failed.append(accused)
        return failed

    def take(self, peer: NodeId, message: Datagram, now: float) -> None:
        """Take a probe's datagram from a peer."""
        match message:
            case Ping(seq):
                self._talk.ack(peer, seq)
            case PingRequest(seq, target):
                self._relay(peer, seq, target, now)
            case Nack(seq):
                if seq in self._probes:
                    self._probes[seq].nacks += 1
            case Ack(seq):
                relay = self._relays.pop(seq, None)
                if relay is not None:
                    self._agenda.cancel(("relay", seq))
                    self._talk.ack(relay.asker, relay.seq)
                else:
                    self.acked(seq)

    def acked(self, seq: int) -> None:
        """Note that the probed node answered, by whatever way."""
        if self._probes.pop(seq, None) is not None:
            self._agenda.cancel(("probe", seq))
            self.awareness.add(-1)

    def _failed(self, seq: int) -> NodeId:
        probe = self._probes.pop(seq)
        # Relays that were asked and did not even say that they got no answer: it is this node that hears badly.
        self.awareness.add(probe.asked - probe.nacks if probe.asked else 1)
        return probe.target

    def _timeout_s(self) -> float:
        return self._timing.probe_timeout_s * self.awareness.factor

    def _next(self, now: float, members: list[NodeId]) -> None:
        while True:
            if not self._round:
                if not members:
                    return
                self._round = pick(members, len(members), self._chance)
            target = self._round.pop()
            if target in members:
                self.probe(target, now)
                return

    def _step(self, seq: int, now: float, members: Callable[[], list[NodeId]]) -> NodeId | None:
        probe = self._probes[seq]
        probe.step += 1
        if probe.step == 1:
            others = [node for node in members() if node != probe.target and node in self._talk.links]
            relays = pick(others, self._timing.indirect, self._chance)
            probe.asked = len(relays)
            for relay in relays:
                self._talk.ping_request(relay, seq, probe.target)
            linked = probe.target in self._talk.links
            if linked:
                self._talk.effects.append(AskPing(probe.target, seq, SECOND_STEP * self._timeout_s()))
            if relays or linked:
                self._agenda.set(("probe", seq), now + SECOND_STEP * self._timeout_s())
                return None
        return self._failed(seq)

    def _relay(self, asker: NodeId, seq: int, target: NodeId, now: float) -> None:
        if target not in self._talk.links or target == self._node or len(self._relays) >= RELAYS_MAX:
            self._talk.nack(asker, seq)
            return
        self._seq += 1
        self._relays[self._seq] = _Relay(asker, seq)
        self._talk.ping(target, self._seq)
        self._agenda.set(("relay", self._seq), now + NACK_SHARE * self._timing.probe_timeout_s)

    def _relay_late(self, seq: int, now: float) -> None:
        relay = self._relays[seq]
        if relay.nacked:
            del self._relays[seq]
            return
        relay.nacked = True
        self._talk.nack(relay.asker, relay.seq)
        self._agenda.set(("relay", seq), now + RELAY_LIVES_S)
