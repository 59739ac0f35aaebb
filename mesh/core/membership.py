"""Who is in the mesh and who of them lives: SWIM (Das, Gupta and Motivala, 2002) with Lifeguard (Dadgar et al., 2018).

Decides whom to probe, when to suspect and when to declare dead, what to tell whom, and whom to dial. An event and the
time go in, effects come out; the caller performs them in order.

Invariant: the beliefs about a node only grow in the order of ``rumours.standing``, with one exception: a death told in
a push/pull counts as a suspicion here, so that both sides of a healed partition let the other refute. A node answers
for itself: whatever is said of it that is worse than alive it refutes with a higher incarnation, which is persisted
before it is told. An incarnation, an info and a goodbye count only under the signature of the node they are about
(``mesh.core.vouching``); what is signed wrongly changes nothing and is counted.

Up to ``Timing.full_mesh_max`` living nodes each has links with all and news goes by SWIM's gossip. What a node knows
runs ahead of its links: a newcomer takes the whole list from the node it joined by, which tells of it, at once and
surely, to everybody it has a link with; the links themselves are dialled when there is time (``mesh.core.dialling``),
and nobody is accused over a link that was not tried yet. A larger mesh is a
*crowd*: a node has neighbours (``mesh.core.neighbours``), probes those alone, and news goes along a tree of them
(``mesh.core.plumtree``); whom it wants to talk to besides it dials, and links that idle are let go.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
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
    Near,
    NearCame,
    PersistIncarnation,
    PingAnswered,
    PushPullAnswered,
    PushPullAsked,
    Release,
    Reply,
    Start,
    Tell,
    Tick,
    Timing,
    WakeAt,
)
from mesh.core.neighbours import Neighbours
from mesh.core.plumtree import Plumtree
from mesh.core.probing import Probing
from mesh.core.rumours import INCARNATION_KEPT_MAX, printable, standing
from mesh.core.suspicion import Suspicion
from mesh.core.vouching import Vouching, statement, vouched
from mesh.ports import Entropy, Host
from proto.ids import NodeId, is_node_id
from proto.messages.membership import (
    INCARNATION_MAX,
    MEMBERS_SENT_MAX,
    Gossip,
    Graft,
    Neighbour,
    Neighboured,
    NodeInfo,
    Prune,
    PushPull,
    Rumour,
    Spread,
    State,
)

MEMBERS_MAX = 4096
"""Nodes remembered, those dead and left among them; further ones are not taken in."""
STALL_S = 1.0
"""A tick this late means that this node stood still: what ran out meanwhile proves nothing about others."""
SYNC_AGAIN_S = 2.0
OVERTAKEN_MAX = 3
CONFIRMERS = 6
"""Of those who hear a suspicion, about so many look for themselves at once: what they find confirms it, and to the one
suspected their probes bring the news."""

BRANCHES_FEW = 3
"""With fewer neighbours a node in a crowd gossips as well: it has just come, or was just cut off."""
LINK_IDLE_S = 30.0
"""In a crowd a link with no neighbour that was not used for so long is let go."""
LINKS_IDLE_MAX = 64
"""Links with no neighbours; of more, the oldest goes as soon as it is not in use."""
NEIGHBOUR_LOST_S = 2.0
"""A neighbour whose link went down without a word, and that cannot be reached again in this time, is suspected."""
SYNC_EACH_S = 5.0
"""In a crowd everything is exchanged no more often: it is some 250 bytes a node."""
DIFFER_AGAIN_S = 3.0
"""Two views that differ while news comes are compared again after so long, before everything is exchanged."""

RELAYS_ASKED = 3
"""Nodes asked in one try to carry a connection to another."""
NEWS_GATHER_S = 0.03
"""Newcomers that come within so long are told of together."""
ASKED_BY_NEWCOMER_S = 0.3
"""Who comes anew asks for everything by itself; it is asked after so long if it did not."""

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
        self.version = 0
        """Counts the changes of what is believed: equal versions, equal ``alive()`` and ``members``."""
        self._living: dict[NodeId, Member] | None = None
        self._others: list[NodeId] = []
        self.links: dict[NodeId, Host] = {}
        self._relayed: dict[NodeId, NodeId] = {}
        self._relay_of: dict[NodeId, NodeId] = {}
        self._chance = chance
        self._vouching = vouching
        self.incredible = 0
        """Rumours that were not signed by whom they are about."""
        self.twin: NodeInfo | None = None
        """What another node with this node's key says of itself: somebody copied the data folder."""
        self._overtaken = 0
        self._newcomers: dict[NodeId, None] = {}
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
        self.near = Neighbours(node, chance)
        self.tree = Plumtree()
        self.crowd = False
        """Whether there are too many nodes for links with all of them."""
        self._source: NodeId | None = None
        self._all_at = self._changed_at = -SYNC_EACH_S
        self._all_next: NodeId | None = None
        self._comparing: dict[NodeId, bytes] = {}
        self._differed: dict[NodeId, None] = {}
        self._leaving = False
        self._started = False
        self._woken_for: float | None = None

    # ------------------------------------------------------------ what others read

    @property
    def awareness(self) -> int:
        """How unwell this node believes itself to be: 0 is well."""
        return self.probing.awareness.score

    def alive(self) -> Mapping[NodeId, Member]:
        """Give the nodes believed to live, suspects among them, in the order of their ids."""
        if self._living is None:
            there = list(self._others)
            if self.node in self.members and _lives(self.members[self.node]):
                insort(there, self.node)
            self._living = {node: self.members[node] for node in there}
        return self._living

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
        self._effects = self.talk.effects = self.near.effects = self.tree.effects = []
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
            case NearCame(peer, near):
                self._hear_near(peer, near, now)
            case PingAnswered(seq, answered):
                if answered:  # else the others who were asked may still have reached it
                    self.probing.acked(seq)
            case PushPullAsked(peer, message):
                self._answer(peer, message, now)
            case PushPullAnswered(peer, message):
                self._answered(peer, message, now)
            case LinkUp(peer, address, relay):
                self._link_up(peer, address, relay, now)
            case LinkDown(peer):
                self._link_down(peer, now)
            case DialEnded(key, reached, refused):
                self._dialling.ended(key, reached, now, refused=refused)
                if self.crowd and reached is None and key in self.near.asked:
                    self._dialling.forget(NodeId(key))
                    self.near.lost(NodeId(key), now)
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
            self._count(now)
            self._effects.extend(self._dialling.due(now, self.links, self._settled, self.relays))
            self.talk.schedule(now)
        self._wake()
        return self._effects

    def _wake(self) -> None:
        if not self._started:
            return
        parts = (self._agenda, self.probing, self.talk, self._dialling, self.near, self.tree)
        wanted = min((at for at in (part.next_at() for part in parts) if at is not None), default=None)
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
            self.near.shift(late_s)
            self.tree.shift(late_s)
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
            elif what == "newcomers":
                self._announce()
            elif what == "lost":
                if node not in self.links:
                    self._accuse(NodeId(node), now)
            elif what == "idle":
                self._idle(NodeId(node), now)
        for accused in self.probing.tick(now, self._probed):
            self._accuse(accused, now)
        for peer in self.near.tick(now, self._others, self.links):
            self._dialling.want(peer, self._hosts(peer), now, alive=True, at_once=True)
        self._follow_neighbours(now)
        self.tree.tick(now)
        self.talk.tick(now)

    def _probed(self) -> list[NodeId]:
        """Give whom this node probes: everybody, or in a crowd its neighbours."""
        if not self.crowd:
            return [node for node in self._others if not self._dialling.fresh(node)]
        return [
            peer for peer in (self.near.active or self.links) if peer in self.members and _lives(self.members[peer])
        ]

    # ------------------------------------------------------------ a crowd

    def _count(self, now: float) -> None:
        """See whether this is a crowd, and change over."""
        self._dialling.nodes = len(self._others) + 1
        crowd = len(self._others) >= self.timing.full_mesh_max
        if crowd is self.crowd:
            return
        self.crowd = crowd
        if crowd:
            self.near.begin(now)
            for node in self._others:
                if node not in self.near.asked:
                    self._dialling.forget(node)
            for peer in self.links:
                self._idle_later(peer, now)
        else:
            self.near.end()
            for node in self._others:
                if node not in self.links:
                    self._dialling.want(node, self._hosts(node), now, alive=True, unhurried=True)

    def _settled(self, node: NodeId) -> bool:
        """Tell whether a node needs no link, because the mesh it is in is reached by neighbours."""
        return self.crowd and bool(self.near.active) and node in self.members and _lives(self.members[node])

    def _hear_near(self, peer: NodeId, message: Near, now: float) -> None:
        if peer not in self.links or self._leaving:
            return
        nodes = len(self._others) + 1
        match message:
            case Neighbour(urgent):
                self.near.wants(peer, now, nodes, urgent=urgent)
            case Neighboured(taken):
                self.near.told(peer, now, nodes, taken=taken)
            case Spread(rumours, names):
                if peer not in self.near.active:
                    self._effects.append(Tell(peer, Neighboured(taken=False)))
                self._source = peer
                for rumour in self.tree.take(peer, rumours, now):
                    self._take(rumour, peer, now)
                    if not self._knows(rumour):
                        self.tree.forget(rumour)  # it was not proven; what is true may bear the same name
                self._source = None
                self.tree.named(peer, names, now)
            case Graft(names):
                self.tree.grafted(peer, names, now)
            case Prune():
                self.tree.pruned(peer)
            case _:
                assert_never(message)
        self._follow_neighbours(now)

    def _knows(self, rumour: Rumour) -> bool:
        """Tell whether what is believed is at least what a rumour says."""
        known = self.members.get(rumour.node)
        return known is not None and (
            rumour.node == self.node
            or standing(known.state, known.incarnation) >= standing(rumour.state, rumour.incarnation)
        )

    def _follow_neighbours(self, now: float) -> None:
        """Have a branch to each neighbour, and to nobody else."""
        branches = self.tree.peers
        if branches == self.near.active.keys():
            return
        for peer in [peer for peer in branches if peer not in self.near.active]:
            self.tree.part(peer)
            self._idle_later(peer, now)
        for peer in [peer for peer in self.near.active if peer not in branches]:
            self.tree.join(peer)
            if self.crowd and len(branches) == BRANCHES_FEW:
                for rumour in self.talk.queue.clear():
                    self.tree.push(rumour, now)
            self._agenda.set(("compare", peer), now + self._chance.uniform(0.5, 1.0) * SYNC_AGAIN_S)

    def _idle_later(self, peer: NodeId, now: float) -> None:
        if peer in self.links:
            self._agenda.set(("idle", peer), now + self._chance.uniform(1.0, 1.5) * LINK_IDLE_S)

    def _idle(self, peer: NodeId, now: float) -> None:
        if not self.crowd or peer not in self.links or peer in self.near.active:
            return
        if peer not in self.near.asked:
            self._effects.append(Release(peer))
        self._idle_later(peer, now)

    def _pass_on(self, rumour: Rumour, now: float) -> None:
        """Have others told."""
        if self.crowd:
            self.tree.push(rumour, now, self._source)
            if len(self.tree.peers) >= BRANCHES_FEW:
                return
        self.talk.queue.add(rumour)

    def alive_ids(self) -> list[NodeId]:
        """Give the others believed to live, in the order of their ids."""
        return self._others

    def _set(self, member: Member) -> None:
        """Believe something else of a node: the one place where beliefs change."""
        known = self.members.get(member.id)
        self.members[member.id] = member
        self.talk.note(known, member)
        self.version += 1
        self._living = None
        if member.id != self.node and (known is not None and _lives(known)) is not _lives(member):
            if _lives(member):
                insort(self._others, member.id)
            else:
                del self._others[bisect_left(self._others, member.id)]

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
                self._pass_on(Rumour(rumour.node, rumour.state, rumour.incarnation, rumour.by), now)
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
        self._set(member)
        self._changed_at = now
        self._suspicions.pop(rumour.node, None)
        self._agenda.cancel(("suspect", rumour.node))
        if rumour.state is State.SUSPECT:
            nodes = len(self._others) + 1
            interval_s = self.timing.probe_interval_s
            suspicion = self._suspicions[rumour.node] = Suspicion.start(now, nodes, interval_s, rumour.by)
            self._agenda.set(("suspect", rumour.node), suspicion.ends_at())
            looks = self._chance.uniform(0, max(1, nodes - 2)) < CONFIRMERS
            looks = rumour.node in self.links if self.crowd else looks and not self._dialling.fresh(rumour.node)
            if rumour.by != self.node and looks:
                self.probing.probe(rumour.node, now)
        alive = _lives(member)
        if not alive and self.near.lost(rumour.node, now):
            self._follow_neighbours(now)
        if rumour.state is State.LEFT or (alive and self.crowd and rumour.node not in self.near.asked):
            self._dialling.forget(rumour.node)
        elif rumour.node not in self.links:
            came = alive and (known is None or not _lives(known))
            self._dialling.want(rumour.node, self._hosts(rumour.node), now, alive=alive, unhurried=came)
        if alive and not self.crowd and rumour.node in self.links and (known is None or not _lives(known)):
            if not self._newcomers:
                self._agenda.set(("newcomers", ""), now + NEWS_GATHER_S)
            self._newcomers[rumour.node] = None
        if rumour.state in (State.ALIVE, State.LEFT):
            self._pass_on(self._rumour(member, rumour.by), now)
        else:
            self._pass_on(Rumour(rumour.node, rumour.state, rumour.incarnation, rumour.by), now)
        if known is None or known.state is not member.state or known.info != member.info:
            self._effects.append(Changed(member))

    def _announce(self) -> None:
        """Tell everybody there is a link with of those who came by this node, so that they need not wait for gossip."""
        came = [self._rumour(self.members[node]) for node in self._newcomers if _lives(self.members[node])]
        self._newcomers = {}
        for peer in [] if self.crowd else self.links:
            told = tuple(rumour for rumour in came if rumour.node != peer)
            if told and peer in self.members and _lives(self.members[peer]):
                self._effects.append(Tell(peer, Gossip(told)))

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
        self._set(mine)
        self._pass_on(self._rumour(mine), now)
        if known is None or known.info != mine.info:
            self._effects.append(Changed(mine))

    def _leave(self, now: float) -> None:
        self._leaving = True
        mine = self.members.get(self.node)
        if mine is None:
            return
        proof = self._vouching.sign(statement(self.node, State.LEFT, mine.incarnation, mine.said))
        gone = Member(self.node, State.LEFT, mine.incarnation, mine.info, now, proof, mine.said)
        self._set(gone)
        told = Gossip((self._rumour(gone),))
        self._effects.extend(Tell(peer, told) for peer in self.links)
        self._effects.append(Changed(gone))

    # ------------------------------------------------------------ push/pull

    def _rumour(self, member: Member, by: NodeId | None = None) -> Rumour:
        return Rumour(member.id, member.state, member.incarnation, by or self.node, member.said, member.proof)

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
        if message.members or (message.digest != digest and not self.crowd):
            self._merge(message, peer, now)
            self._effects.append(Reply(PushPull(self.talk.digest(), self._everything())))
        else:
            self._effects.append(Reply(PushPull(digest, ())))

    def _answered(self, peer: NodeId, message: PushPull | None, now: float) -> None:
        compared = self._comparing.pop(peer, None)
        if message is None:
            if peer in self.links:
                self._agenda.set(("sync", peer), now + self._chance.uniform(0.5, 1.0) * SYNC_AGAIN_S)
            return
        self._merge(message, peer, now)
        if compared is None or (not message.members and message.digest == compared):
            self._differed.pop(peer, None)
        elif self.crowd and peer not in self._differed and now < self._changed_at + DIFFER_AGAIN_S:
            self._differed[peer] = None
            self._agenda.set(("compare", peer), now + DIFFER_AGAIN_S)
        else:
            self._differed.pop(peer, None)
            self._sync(peer, now)

    def _compare_with_one(self, now: float) -> None:
        self._agenda.set(_PUSH_PULL, now + self._chance.uniform(0.8, 1.2) * self.timing.push_pull_s)
        peers = sorted((self.near.active if self.crowd else None) or self.links)
        if peers:
            peer = peers[min(len(peers) - 1, int(self._chance.uniform(0, len(peers))))]
            self._compare(peer)

    def _compare(self, peer: NodeId) -> None:
        if peer in self.links:
            digest = self._comparing[peer] = self.talk.digest()
            self._effects.append(AskPushPull(peer, PushPull(digest, ())))

    def _sync(self, peer: NodeId, now: float) -> None:
        """Exchange everything with a peer now, unless that was asked of it a moment ago."""
        self._agenda.cancel(("sync", peer))
        if self.crowd and now < self._all_at + SYNC_EACH_S:
            if self._all_next not in self.links:
                self._all_next = peer
                self._agenda.set(("sync", peer), self._all_at + self._chance.uniform(1.0, 1.2) * SYNC_EACH_S)
            return
        if peer in self.links and not self.talk.synced_since(peer, now - 0.5):
            self._all_at, self._all_next = now, None
            self.talk.note_sync(peer, now)
            self._effects.append(AskPushPull(peer, PushPull(self.talk.digest(), self._everything())))

    # ------------------------------------------------------------ links

    def _link_up(self, peer: NodeId, address: Host, relay: NodeId | None, now: float) -> None:
        self.links[peer] = address
        if relay is None:
            self._relay_of.pop(peer, None)
            self._dialling.forget(peer)
        else:
            self._relayed[peer] = self._relay_of[peer] = relay
            self._dialling.relayed(peer, self._hosts(peer), now)
        self._agenda.cancel(("lost", peer))
        known = self.members.get(peer)
        if self.crowd:
            self._link_up_in_a_crowd(peer, known, now)
        elif known is None and self._others:
            self._agenda.set(("sync", peer), now + self._chance.uniform(0.5, 1.0) * ASKED_BY_NEWCOMER_S)
        elif known is None or known.state is not State.ALIVE:
            self._sync(peer, now)
        elif self.node < peer:
            # Both know of each other: what they know has come by gossip, so comparing will do, and can wait.
            self._agenda.set(("compare", peer), now + self._chance.uniform(0.5, 1.0) * SYNC_AGAIN_S)

    def _link_up_in_a_crowd(self, peer: NodeId, known: Member | None, now: float) -> None:
        self._idle_later(peer, now)
        idle = [other for other in self.links if other not in self.near.active]
        if len(idle) > LINKS_IDLE_MAX:
            self._effects.append(Release(idle[0]))
        self.near.linked(peer)
        if known is None:
            # Who comes anew asks for everything; if it does not, it is of a crowd as well.
            self._agenda.set(("sync", peer), now + self._chance.uniform(0.5, 1.0) * SYNC_AGAIN_S)
        elif known.state is not State.ALIVE:
            told = Rumour(peer, known.state, known.incarnation, self.node, known.said, known.proof)
            self._effects.append(Tell(peer, Gossip((told,))))
            if known.state is State.DEAD:
                self.near.revived(peer, now)
            self._sync(peer, now)

    def _link_down(self, peer: NodeId, now: float) -> None:
        self.links.pop(peer, None)
        self._relayed.pop(peer, None)
        for what in ("sync", "compare", "idle"):
            self._agenda.cancel((what, peer))
        self._differed.pop(peer, None)
        neighbour = self.near.lost(peer, now)
        self._follow_neighbours(now)
        member = self.members.get(peer)
        if self._leaving:
            return
        if member is None:
            if self._hosts(peer):
                self._dialling.want(peer, self._hosts(peer), now, alive=True)
        elif self.crowd and _lives(member):
            if neighbour:
                self._dialling.want(peer, self._hosts(peer), now, alive=True, at_once=True)
                self._agenda.set(("lost", peer), now + NEIGHBOUR_LOST_S)
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
        if node not in self.links and not self._settled(node):
            self._dialling.want(node, self._hosts(node), now, alive=True)

    def hosts(self, node: NodeId) -> tuple[Host, ...]:
        """Give where a node that is believed to live can be dialled; nothing where that was tried in vain lately."""
        member = self.members.get(node)
        wanted = self.crowd or self._dialling.fresh(node)
        return self._hosts(node) if wanted and member is not None and _lives(member) else ()

    def relays(self, node: NodeId) -> tuple[NodeId, ...]:
        """Give some by way of whom a node that lives may be reached: the last that could, and others by chance."""
        member = self.members.get(node)
        if member is None or not _lives(member):
            return ()
        able = [
            peer
            for peer in self.links
            if peer != node and peer not in self._relayed and peer in self.members and _lives(self.members[peer])
        ]
        last = self._relay_of.get(node)
        if len(able) > RELAYS_ASKED:
            first = int(self._chance.uniform(0, len(able)))
            able = (able[first:] + able[:first])[:RELAYS_ASKED]
        if last is not None and last in self.links and last not in self._relayed:
            able = [last, *(peer for peer in able if peer != last)]
        return tuple(able)

    def _hosts(self, node: NodeId) -> tuple[Host, ...]:
        member = self.members.get(node)
        told = member.info.addresses if member is not None else ()
        hosts = dict.fromkeys((*told, *self._addresses.get(node, ())))
        return tuple(hosts)


def _lives(member: Member) -> bool:
    return member.state is State.ALIVE or member.state is State.SUSPECT
