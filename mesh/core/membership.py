"""Who is in the mesh and who of them lives: SWIM (Das, Gupta and Motivala, 2002) with Lifeguard (Dadgar et al., 2018).

Decides whom to probe, when to suspect and when to declare dead, what to tell whom, and whom to dial. An event and the
time go in, effects come out; the caller performs them in order.

Invariant: the beliefs about a node only grow in the order of ``rumours.standing``, with one exception: a death told in
a push/pull counts as a suspicion here, so that both sides of a healed partition let the other refute. A node answers
for itself: whatever is said of it that is worse than alive it refutes with a higher incarnation, which is persisted
before it is told. An incarnation, an info and a goodbye count only under the signature of the node they are about
(``mesh.core.vouching``); what is signed wrongly changes nothing and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from mesh.core.agenda import Agenda
from mesh.core.dialling import Dialling
from mesh.core.dissemination import Dissemination
from mesh.core.member import (
    AskPushPull,
    Changed,
    DatagramCame,
    DialEnded,
    Effect,
    Event,
    Found,
    GossipCame,
    InfoChanged,
    Leave,
    LinkDown,
    LinkUp,
    Member,
    PersistIncarnation,
    PingAnswered,
    PushPullAnswered,
    PushPullAsked,
    Reply,
    Start,
    Tell,
    Tick,
    Timing,
    WakeAt,
)
from mesh.core.probing import Probing
from mesh.core.rumours import INCARNATION_KEPT_MAX, printable, standing
from mesh.core.suspicion import Suspicion
from mesh.core.vouching import Vouching, statement, vouched
from mesh.ports import Entropy, Host
from proto.ids import NodeId, is_node_id
from proto.messages.membership import INCARNATION_MAX, MEMBERS_SENT_MAX, Gossip, NodeInfo, PushPull, Rumour, State

MEMBERS_MAX = 4096
"""Nodes remembered, those dead and left among them; further ones are not taken in."""
STALL_S = 1.0
"""A tick this late means that this node stood still: what ran out meanwhile proves nothing about others."""
SYNC_AGAIN_S = 2.0
OVERTAKEN_MAX = 3
CONFIRMERS = 6
"""Of those who hear a suspicion, about so many look for themselves at once: what they find confirms it, and to the one
suspected their probes bring the news."""

_Timer = tuple[str, str]
_PUSH_PULL: _Timer = ("push/pull", "")


class Membership:
    """The membership of one node."""

    def __init__(
        self,
        node: NodeId,
        info: NodeInfo,
        incarnation: int,
        chance: Entropy,
        vouching: Vouching,
        *,
        seeds: Sequence[Host] = (),
        remembered: Sequence[tuple[NodeId, tuple[Host, ...]]] = (),
        timing: Timing | None = None,
    ) -> None:
        """Begin with the incarnation persisted last (0: none was) and with addresses known from before."""
        self.node = node
        self.timing = timing or Timing()
        self.members: dict[NodeId, Member] = {}
        self.links: dict[NodeId, Host] = {}
        self._chance = chance
        self._vouching = vouching
        self.incredible = 0
        """Rumours that were not signed by whom they are about."""
        self.twin: NodeInfo | None = None
        """What another node with this node's key says of itself: somebody copied the data folder."""
        self._overtaken = 0
        self._incarnation = max(0, min(incarnation, INCARNATION_KEPT_MAX))
        self._info = printable(info)
        self._seeds = tuple(seeds)
        self._remembered = tuple((other, hosts) for other, hosts in remembered if is_node_id(other))
        self._addresses: dict[NodeId, tuple[Host, ...]] = dict(self._remembered)
        self._agenda: Agenda[_Timer] = Agenda()
        self._suspicions: dict[NodeId, Suspicion] = {}
        self._dialling = Dialling(node, chance)
        self._effects: list[Effect] = []
        self.talk = Dissemination(self.timing, chance, self.members, self.links, node)
        self.probing = Probing(self.timing, chance, self.talk, node)
        self._comparing: dict[NodeId, None] = {}
        self._leaving = False
        self._started = False
        self._woken_for: float | None = None

    # ------------------------------------------------------------ what others read

    @property
    def awareness(self) -> int:
        """How unwell this node believes itself to be: 0 is well."""
        return self.probing.awareness.score

    def alive(self) -> dict[NodeId, Member]:
        """Give the nodes believed to live, suspects among them, in the order of their ids."""
        return {
            node: self.members[node]
            for node in sorted(self.members)
            if self.members[node].state in (State.ALIVE, State.SUSPECT)
        }

    def addresses(self) -> tuple[tuple[NodeId, tuple[Host, ...]], ...]:
        """Give where every other node that has not left can be tried: what a restart should remember."""
        known = sorted({*self._addresses, *self.members})
        rows = ((node, self._hosts(node)) for node in known if node != self.node)
        return tuple(
            (node, hosts)
            for node, hosts in rows
            if hosts and (node not in self.members or self.members[node].state is not State.LEFT)
        )

    # ------------------------------------------------------------ the machine

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event at a time in monotonic seconds; gives what is to be done, in order."""
        self._effects = self.talk.effects = []
        match event:
            case Start():
                self._start(now)
            case Tick():
                self._tick(now)
            case DatagramCame(peer, message):
                self._hear(message.rumours, peer, now)
                self.probing.take(peer, message, now)
            case GossipCame(peer, rumours):
                self._hear(rumours, peer, now)
            case PingAnswered(seq, answered):
                if answered:  # else the others who were asked may still have reached it
                    self.probing.acked(seq)
            case PushPullAsked(peer, message):
                self._answer(peer, message, now)
            case PushPullAnswered(peer, message):
                self._answered(peer, message, now)
            case LinkUp(peer, address):
                self._link_up(peer, address, now)
            case LinkDown(peer):
                self._link_down(peer, now)
            case DialEnded(key, reached, refused):
                self._dialling.ended(key, reached, now, refused=refused)
            case Found(node, hosts):
                self._found(node, hosts, now)
            case InfoChanged(info):
                self._info = printable(info)
                self._raise(self._incarnation + 1, now)
            case Leave():
                self._leave(now)
            case _:
                assert_never(event)
        if self._started and not self._leaving:
            self._effects.extend(self._dialling.due(now, self.links))
            self.talk.schedule(now)
        self._wake()
        return self._effects

    def _wake(self) -> None:
        if not self._started:
            return
        times = (self._agenda.next_at(), self.probing.next_at(), self.talk.next_at(), self._dialling.next_at())
        wanted = min((at for at in times if at is not None), default=None)
        if wanted is not None and wanted != self._woken_for:
            self._woken_for = wanted
            self._effects.append(WakeAt(wanted))

    def _start(self, now: float) -> None:
        self._started = True
        self._raise(self._incarnation + 1, now)
        self.probing.begin(now)
        self._agenda.set(_PUSH_PULL, now + self._chance.uniform(0.5, 1.0) * self.timing.push_pull_s)
        for seed in self._seeds:
            self._dialling.seed(seed, now)
        for node, hosts in self._remembered:
            if node != self.node:
                self._dialling.want(node, hosts, now, alive=False)

    def _tick(self, now: float) -> None:
        if self._woken_for is not None and now - self._woken_for > STALL_S:
            late_s = now - self._woken_for
            self._agenda.shift(late_s)
            self.probing.shift(late_s)
            self._dialling.shift(late_s)
            for suspicion in self._suspicions.values():
                suspicion.began += late_s
            self.probing.awareness.add(2)
        self._woken_for = None
        while (timer := self._agenda.pop(now)) is not None:
            what, node = timer
            if what == "push/pull":
                self._compare_with_one(now)
            elif what == "compare":
                self._compare(NodeId(node))
            elif what == "sync":
                self._sync(NodeId(node), now)
            elif what == "suspect":
                self._bury(NodeId(node), now)
        for accused in self.probing.tick(now, self.alive_ids):
            self._accuse(accused, now)
        self.talk.tick(now)

    def alive_ids(self) -> list[NodeId]:
        """Give the others believed to live, in the order of their ids."""
        return [node for node in self.alive() if node != self.node]

    # ------------------------------------------------------------ beliefs

    def _hear(self, rumours: Sequence[Rumour], peer: NodeId, now: float) -> None:
        for rumour in rumours:
            self._take(rumour, peer, now)

    def _take(self, rumour: Rumour, peer: NodeId, now: float) -> None:
        known = self.members.get(rumour.node)
        if not is_node_id(rumour.node):
            self.incredible += 1
            return
        if rumour.node == self.node:
            self._about_me(rumour, peer, now)
            return
        if known is None:
            if len(self.members) >= MEMBERS_MAX:
                return
        else:
            theirs = standing(rumour.state, rumour.incarnation)
            mine = standing(known.state, known.incarnation)
            if theirs == mine and rumour.state is State.SUSPECT and self._suspicions[rumour.node].confirm(rumour.by):
                self._agenda.set(("suspect", rumour.node), self._suspicions[rumour.node].ends_at())
                self.talk.queue.add(Rumour(rumour.node, rumour.state, rumour.incarnation, rumour.by))
            if theirs <= mine:
                return
        if known is None or rumour.incarnation > known.incarnation or rumour.state is State.LEFT:
            same = known is not None and rumour.incarnation == known.incarnation
            info = known.said if known is not None and same else rumour.info
            if info is None or not rumour.proof:
                self._sync(peer, now)  # a datagram holds no large info, and no proof of what was told long ago
                return
            if not vouched(rumour, info, self._vouching):
                self.incredible += 1
                return
            rumour = replace(rumour, info=info)
        self._believe(rumour, now)

    def _believe(self, rumour: Rumour, now: float) -> None:
        known = self.members.get(rumour.node)
        since = known.since if known is not None and known.state is rumour.state else now
        if known is not None and known.incarnation == rumour.incarnation and rumour.state is not State.LEFT:
            member = replace(known, state=rumour.state, since=since)
        else:
            info = rumour.info or NodeInfo()
            shown = printable(info)
            member = Member(rumour.node, rumour.state, rumour.incarnation, shown, since, rumour.proof, info)
        self.members[rumour.node] = member
        self.talk.note(known, member)
        self._suspicions.pop(rumour.node, None)
        self._agenda.cancel(("suspect", rumour.node))
        if rumour.state is State.SUSPECT:
            nodes = sum(1 for other in self.members.values() if other.state in (State.ALIVE, State.SUSPECT))
            interval_s = self.timing.probe_interval_s
            suspicion = self._suspicions[rumour.node] = Suspicion.start(now, nodes, interval_s, rumour.by)
            self._agenda.set(("suspect", rumour.node), suspicion.ends_at())
            if rumour.by != self.node and self._chance.uniform(0, max(1, nodes - 2)) < CONFIRMERS:
                self.probing.probe(rumour.node, now)
        if rumour.state is State.LEFT:
            self._dialling.forget(rumour.node)
        elif rumour.node not in self.links:
            alive = rumour.state in (State.ALIVE, State.SUSPECT)
            self._dialling.want(rumour.node, self._hosts(rumour.node), now, alive=alive)
        if rumour.state in (State.ALIVE, State.LEFT):
            self.talk.queue.add(replace(self._rumour(member), by=rumour.by))
        else:
            self.talk.queue.add(Rumour(rumour.node, rumour.state, rumour.incarnation, rumour.by))
        if known is None or known.state is not member.state or known.info != member.info:
            self._effects.append(Changed(member))

    def _accuse(self, accused: NodeId, now: float) -> None:
        """Suspect a node whose probe failed, or join those who do."""
        member = self.members.get(accused)
        if member is not None and member.state in (State.ALIVE, State.SUSPECT):
            rumour = Rumour(member.id, State.SUSPECT, member.incarnation, self.node)
            self._take(rumour, self.node, now)

    def _bury(self, node: NodeId, now: float) -> None:
        member = self.members[node]
        self._believe(Rumour(node, State.DEAD, member.incarnation, self.node), now)

    def _about_me(self, rumour: Rumour, peer: NodeId, now: float) -> None:
        if self._leaving or not self._started:
            return
        mine = self.members[self.node]
        if rumour.incarnation < mine.incarnation:
            return
        if rumour.incarnation > mine.incarnation:
            if rumour.info is None or not rumour.proof:
                self._sync(peer, now)  # whoever believes it can show what was signed
                return
            if not vouched(rumour, rumour.info, self._vouching):
                self.incredible += 1
                self._answer_for_me(peer)
                return
            self._overtake(rumour.info)
        elif rumour.state is State.ALIVE:
            return
        if rumour.state is not State.ALIVE:
            self.probing.awareness.add(1)
        self._raise(rumour.incarnation + 1, now)
        self._answer_for_me(peer)

    def _overtake(self, info: NodeInfo) -> None:
        """Take note that this node's key signed what this node, in this life, did not.

        Once or twice that is an earlier life whose disk came back from a copy. It cannot go on overtaking.
        """
        self._overtaken += 1
        if self._overtaken >= OVERTAKEN_MAX:
            self.twin = info

    def _answer_for_me(self, peer: NodeId) -> None:
        if peer in self.links and self.node in self.members and not self._leaving:
            told = Tell(peer, Gossip((self._rumour(self.members[self.node]),)))
            if told not in self._effects[-1:]:  # one message may say it a thousand times
                self._effects.append(told)

    def _raise(self, incarnation: int, now: float) -> None:
        """Tell anew of oneself, under a higher incarnation: never one that the wire does not carry."""
        incarnation = min(incarnation, INCARNATION_MAX)
        self._incarnation = incarnation
        self._effects.append(PersistIncarnation(incarnation))
        known = self.members.get(self.node)
        since = known.since if known is not None else now
        proof = self._vouching.sign(statement(self.node, State.ALIVE, incarnation, self._info))
        mine = Member(self.node, State.ALIVE, incarnation, self._info, since, proof, self._info)
        self.members[self.node] = mine
        self.talk.note(known, mine)
        self.talk.queue.add(self._rumour(mine))
        if known is None or known.info != mine.info:
            self._effects.append(Changed(mine))

    def _leave(self, now: float) -> None:
        self._leaving = True
        mine = self.members.get(self.node)
        if mine is None:
            return
        proof = self._vouching.sign(statement(self.node, State.LEFT, mine.incarnation, mine.said))
        gone = Member(self.node, State.LEFT, mine.incarnation, mine.info, now, proof, mine.said)
        self.members[self.node] = gone
        self.talk.note(mine, gone)
        told = Gossip((self._rumour(gone),))
        self._effects.extend(Tell(peer, told) for peer in self.links)
        self._effects.append(Changed(gone))

    # ------------------------------------------------------------ push/pull

    def _rumour(self, member: Member) -> Rumour:
        return Rumour(member.id, member.state, member.incarnation, self.node, member.said, member.proof)

    def _everything(self) -> tuple[Rumour, ...]:
        nodes = sorted(self.members)
        if len(nodes) > MEMBERS_SENT_MAX:
            first = int(self._chance.uniform(0, len(nodes)))
            nodes = (nodes[first:] + nodes[:first])[:MEMBERS_SENT_MAX]
        return tuple(self._rumour(self.members[node]) for node in nodes)

    def _merge(self, message: PushPull, peer: NodeId, now: float) -> None:
        for rumour in message.members:
            known = self.members.get(rumour.node)
            if rumour.state is State.DEAD and known is not None and known.state in (State.ALIVE, State.SUSPECT):
                self._take(replace(rumour, state=State.SUSPECT, by=peer), peer, now)
            else:
                self._take(rumour, peer, now)

    def _answer(self, peer: NodeId, message: PushPull, now: float) -> None:
        self._agenda.cancel(("sync", peer))
        digest = self.talk.digest()
        if message.members or message.digest != digest:
            self._merge(message, peer, now)
            self._effects.append(Reply(PushPull(self.talk.digest(), self._everything())))
        else:
            self._effects.append(Reply(PushPull(digest, ())))

    def _answered(self, peer: NodeId, message: PushPull | None, now: float) -> None:
        comparing = peer in self._comparing
        self._comparing.pop(peer, None)
        if message is None:
            if peer in self.links:
                self._agenda.set(("sync", peer), now + self._chance.uniform(0.5, 1.0) * SYNC_AGAIN_S)
            return
        self._merge(message, peer, now)
        if comparing and message.members:
            self._sync(peer, now)

    def _compare_with_one(self, now: float) -> None:
        self._agenda.set(_PUSH_PULL, now + self._chance.uniform(0.8, 1.2) * self.timing.push_pull_s)
        if self.links:
            peers = sorted(self.links)
            peer = peers[min(len(peers) - 1, int(self._chance.uniform(0, len(peers))))]
            self._compare(peer)

    def _compare(self, peer: NodeId) -> None:
        if peer in self.links:
            self._comparing[peer] = None
            self._effects.append(AskPushPull(peer, PushPull(self.talk.digest(), ())))

    def _sync(self, peer: NodeId, now: float) -> None:
        """Exchange everything with a peer now, unless that was asked of it a moment ago."""
        self._agenda.cancel(("sync", peer))
        if peer in self.links and not self.talk.synced_since(peer, now - 0.5):
            self.talk.note_sync(peer, now)
            self._effects.append(AskPushPull(peer, PushPull(self.talk.digest(), self._everything())))

    # ------------------------------------------------------------ links

    def _link_up(self, peer: NodeId, address: Host, now: float) -> None:
        self.links[peer] = address
        self._dialling.forget(peer)
        known = self.members.get(peer)
        if known is None or known.state is not State.ALIVE:
            self._sync(peer, now)
        elif self.node < peer:
            # Both know of each other: what they know has come by gossip, so comparing will do, and can wait.
            self._agenda.set(("compare", peer), now + self._chance.uniform(0.5, 1.0) * SYNC_AGAIN_S)

    def _link_down(self, peer: NodeId, now: float) -> None:
        self.links.pop(peer, None)
        self._agenda.cancel(("sync", peer))
        self._agenda.cancel(("compare", peer))
        member = self.members.get(peer)
        if self._leaving:
            return
        if member is None:
            if self._hosts(peer):
                self._dialling.want(peer, self._hosts(peer), now, alive=True)
        elif member.state is not State.LEFT:
            alive = member.state is not State.DEAD
            self._dialling.want(peer, self._hosts(peer), now, alive=alive)
            if alive:
                self.probing.probe(peer, now)

    def _found(self, node: NodeId | None, hosts: tuple[Host, ...], now: float) -> None:
        if node is None:
            for host in hosts:
                self._dialling.seed(host, now)
            return
        if (
            not is_node_id(node)
            or node == self.node
            or (node not in self._addresses and len(self._addresses) >= MEMBERS_MAX)
        ):
            return
        self._addresses[node] = hosts
        if node not in self.links:
            self._dialling.want(node, self._hosts(node), now, alive=True)

    def _hosts(self, node: NodeId) -> tuple[Host, ...]:
        member = self.members.get(node)
        told = member.info.addresses if member is not None else ()
        hosts = dict.fromkeys((*told, *self._addresses.get(node, ())))
        return tuple(hosts)
