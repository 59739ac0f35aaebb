"""Tier 0: membership cores alone on an event heap, for hundreds of nodes and many seeds.

The network is reduced to what membership sees of it: dials that succeed or fail, datagrams that are lost, asks that are
answered or time out. Invariant: one event at a time, ordered by (time, number), so a seed decides everything.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from blake3 import blake3

from mesh.core.dialling import Dial
from mesh.core.member import (
    AskPing,
    AskPushPull,
    Changed,
    Datagram,
    DatagramCame,
    DialEnded,
    Event,
    GossipCame,
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
    SendDatagram,
    Start,
    Tell,
    Tick,
    Timing,
    WakeAt,
)
from mesh.core.membership import Membership
from mesh.ports import Host
from proto import codec
from proto.ids import NodeId, node_id_of
from proto.messages.membership import (
    Ack,
    Gossip,
    Nack,
    NodeInfo,
    Ping,
    PingRequest,
    PushPull,
    Rumour,
    Spread,
    State,
)
from simulations.world.entropy import SeededEntropy
from simulations.world.trace import Trace

HEAD_BYTES = 12
"""Of a message around the rumours in it, about."""
ASK_TIMEOUT_S = 5.0
DIAL_TIMEOUT_S = 5.0
DIAL_TRIES_S = (0.0, 0.2, 0.6, 1.4, 3.0)
"""When a handshake is sent again; where there is no way a dial hangs until its time is over, as in a silent cut."""
LINK_TIMEOUT_S = 20.0
"""After so long without a way the transport itself gives a link up."""


@dataclass(frozen=True, slots=True)
class Marks:
    """A ``Vouching`` without keys, as large as signatures: a million of those would take a simulation hours."""

    node: NodeId

    def sign(self, content: bytes) -> bytes:
        """Mark as this node."""
        return blake3(self.node.encode() + content).digest(64)

    def holds(self, node: NodeId, content: bytes, proof: bytes) -> bool:
        """Tell whether a node marked this."""
        return proof == Marks(node).sign(content)


@dataclass(slots=True)
class CoreNode:
    """One node: its core, and what is left of it over a crash."""

    id: NodeId
    host: Host
    core: Membership
    up: bool = True
    paused: bool = False
    incarnation: int = 0
    life: int = 0
    wake: int = 0
    waiting: list[Event] | None = None


class CoreWorld:
    """Membership cores and the paths between them. Times are virtual seconds."""

    def __init__(
        self,
        seed: int,
        nodes: int,
        *,
        loss: float = 0.0,
        latency_s: tuple[float, float] = (0.0005, 0.003),
        timing: Timing | None = None,
    ) -> None:
        self.now = 0.0
        self.seed = seed
        self.loss = loss
        self.trace = Trace()
        self.bytes_sent = 0
        self.datagrams = 0
        self.dials = 0
        self.false_deaths: list[NodeId] = []
        """Nodes declared dead by a node that could reach them while they ran."""
        self._latency_s = latency_s
        self._timing = timing
        self._net = SeededEntropy(seed, "network")
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._groups: dict[NodeId, int] = {}
        self._links: dict[tuple[NodeId, NodeId], tuple[int, int]] = {}
        """Which lives of the two a link is between: a node that starts anew knows nothing of its old links."""
        ids = [node_id_of(SeededEntropy(seed, f"node {number}").token(32)) for number in range(nodes)]
        self.nodes = {node: self._make(node, ("10.0.0.0", number)) for number, node in enumerate(ids)}
        self._by_host = {node.host: node.id for node in self.nodes.values()}
        self._seed_hosts = (self.nodes[ids[0]].host,)

    def _make(self, node: NodeId, host: Host, old: CoreNode | None = None) -> CoreNode:
        life, incarnation = (0, 0) if old is None else (old.life + 1, old.incarnation)
        remembered = () if old is None else old.core.addresses()
        info = NodeInfo(name=f"n{host[1]}", addresses=(host,), roles=("storage",), version="0")
        chance = SeededEntropy(self.seed, f"{node}/{life}")
        seeds = (("10.0.0.0", 0),) if host[1] else ()
        core = Membership(
            node, info, incarnation, chance, Marks(node), seeds=seeds, remembered=remembered, timing=self._timing
        )
        return CoreNode(node, host, core, incarnation=incarnation, life=life)

    # ------------------------------------------------------------ time

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Have something happen."""
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, what))

    def run(self, until: float) -> None:
        """Let events happen up to a time."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, what = heapq.heappop(self._heap)
            what()
        self.now = until

    def run_until(self, reached: Callable[[], bool], budget_s: float, step_s: float = 0.1) -> float | None:
        """Let events happen until something holds; gives when, or None when the budget ran out."""
        end = self.now + budget_s
        while self.now < end:
            if reached():
                return self.now
            self.run(min(end, self.now + step_s))
        return self.now if reached() else None

    # ------------------------------------------------------------ faults

    def start(self) -> None:
        """Start every node at once."""
        for node in self.nodes.values():
            self.feed(node, Start())

    def crash(self, node: NodeId) -> None:
        """Kill a node without a word: peers get no reset."""
        self.trace.add(self.now, "crash", node[:8])
        self.nodes[node].up = False
        for one, other in list(self._links):
            if node in (one, other):
                self._silent(one, other)

    def restart(self, node: NodeId) -> None:
        """Start a crashed node from what it had persisted."""
        self.trace.add(self.now, "restart", node[:8])
        old = self.nodes[node]
        self.nodes[node] = self._make(node, old.host, old)
        self.feed(self.nodes[node], Start())

    def replace(self, node: NodeId) -> NodeId:
        """Start a new node, with an empty folder, at the address of one that crashed; gives its id."""
        old = self.nodes[node]
        new = node_id_of(SeededEntropy(self.seed, f"in place of {node}").token(32))
        self.trace.add(self.now, "replace", node[:8], new[:8])
        self.nodes[new] = self._make(new, old.host)
        self._by_host[old.host] = new
        self.feed(self.nodes[new], Start())
        return new

    def pause(self, node: NodeId) -> None:
        """Stop a node's process; what comes waits."""
        self.trace.add(self.now, "pause", node[:8])
        self.nodes[node].paused = True
        self.nodes[node].waiting = []

    def resume(self, node: NodeId) -> None:
        """Let a stopped process go on: first what waited, as a kernel would have it."""
        self.trace.add(self.now, "resume", node[:8])
        standing = self.nodes[node]
        standing.paused = False
        waiting, standing.waiting = standing.waiting or [], None
        for event in waiting:
            self.feed(standing, event)

    def partition(self, groups: list[list[NodeId]]) -> None:
        """Cut the nodes into groups that hear nothing of each other."""
        self._groups = {node: number for number, group in enumerate(groups) for node in group}
        self.trace.add(self.now, "partition", *(len(group) for group in groups))
        for one, other in list(self._links):
            if one < other and not self._way(one, other):
                self._silent(one, other)

    def heal(self) -> None:
        """Remove the partition."""
        self._groups = {}
        self.trace.add(self.now, "heal")

    def _silent(self, one: NodeId, other: NodeId) -> None:
        lives = self._links.get((one, other))

        def give_up() -> None:
            stands = self._way(one, other) and self._linked(one, other)
            if not stands and self._links.get((one, other)) == lives:
                self._unlink(one, other, "no way")

        self.at(self.now + LINK_TIMEOUT_S, give_up)

    def _unlink(self, one: NodeId, other: NodeId, why: str) -> None:
        for mine, theirs in ((one, other), (other, one)):
            lives = self._links.pop((mine, theirs), None)
            if lives is not None and lives[0] == self.nodes[mine].life:
                self.trace.add(self.now, "link-down", mine[:8], theirs[:8], why)
                self.feed(self.nodes[mine], LinkDown(theirs))

    def _linked(self, one: NodeId, other: NodeId) -> bool:
        return self._links.get((one, other)) == (self.nodes[one].life, self.nodes[other].life)

    def _way(self, one: NodeId, other: NodeId) -> bool:
        nodes = self.nodes
        return nodes[one].up and nodes[other].up and self._groups.get(one, 0) == self._groups.get(other, 0)

    # ------------------------------------------------------------ what is seen

    def agree(self, alive: list[NodeId]) -> bool:
        """Tell whether each of ``alive`` believes exactly those to live."""
        wanted = dict.fromkeys(alive).keys()
        return all(
            len(there := self.nodes[node].core.alive()) == len(wanted) and there.keys() == wanted for node in alive
        )

    def sees_dead(self, node: NodeId, by: list[NodeId]) -> bool:
        """Tell whether all of ``by`` believe a node dead."""
        return all(node not in self.nodes[other].core.alive() for other in by)

    # ------------------------------------------------------------ events and effects

    def feed(self, node: CoreNode, event: Event) -> None:
        """Give an event to a node's core and perform what it wants."""
        if not node.up or self.nodes[node.id] is not node:
            return
        if node.paused and node.waiting is not None:
            node.waiting.append(event)
            return
        for effect in node.core.handle(event, self.now):
            match effect:
                case SendDatagram(peer, message):
                    self._datagram(node, peer, message)
                case Tell(peer, message):
                    self.bytes_sent += wire_bytes(message)
                    told = GossipCame(node.id, message.rumours) if isinstance(message, Gossip) else None
                    self._reliably(node, peer, told or NearCame(node.id, cast(Near, message)))
                case AskPing(peer, seq, timeout_s):
                    self._ask_ping(node, peer, seq, timeout_s)
                case AskPushPull(peer, message):
                    self._ask_push_pull(node, peer, message)
                case Reply(message):
                    assert isinstance(event, PushPullAsked)
                    self.bytes_sent += wire_bytes(message)
                    self._reliably(node, event.peer, PushPullAnswered(node.id, message))
                case PersistIncarnation(incarnation):
                    node.incarnation = incarnation
                case Changed(member):
                    self._changed(node, member)
                case WakeAt(at):
                    self._wake(node, at)
                case Dial():
                    self.dials += 1
                    self._dial(node, effect)
                case Release(peer):
                    self._unlink(node.id, peer, "idle")

    def _changed(self, node: CoreNode, member: Member) -> None:
        self.trace.add(self.now, "member", node.id[:8], member.id[:8], member.state, member.incarnation)
        there = self.nodes[member.id]
        if member.state is State.DEAD and there.up and not there.paused and self._way(node.id, member.id):
            self.false_deaths.append(member.id)

    def _wake(self, node: CoreNode, at: float) -> None:
        node.wake += 1
        mine = node.wake

        def fire() -> None:
            if node.wake == mine:
                self.feed(node, Tick())

        self.at(max(at, self.now), fire)

    def _delay_s(self) -> float:
        return self._net.uniform(*self._latency_s)

    def _datagram(self, node: CoreNode, peer: NodeId, message: Datagram | Gossip) -> None:
        self.bytes_sent += wire_bytes(message)
        self.datagrams += 1
        if not self._linked(node.id, peer) or not self._way(node.id, peer) or self._net.chance(self.loss):
            return
        event = GossipCame(node.id, message.rumours) if isinstance(message, Gossip) else DatagramCame(node.id, message)
        self.at(self.now + self._delay_s(), lambda: self._arrive(node.id, peer, event))

    def _arrive(self, sender: NodeId, peer: NodeId, event: Event) -> None:
        if self._way(sender, peer):
            self.feed(self.nodes[peer], event)

    def _reliably(self, node: CoreNode, peer: NodeId, event: Event) -> bool:
        if not self._linked(node.id, peer) or not self._way(node.id, peer):
            return False
        delay_s = self._delay_s()
        while self._net.chance(self.loss):
            delay_s += 4 * self._delay_s() + 0.02
        self.at(self.now + delay_s, lambda: self._arrive(node.id, peer, event))
        return True

    def _ask_ping(self, node: CoreNode, peer: NodeId, seq: int, timeout_s: float) -> None:
        there = self.nodes[peer]
        reached = self._linked(node.id, peer) and self._way(node.id, peer) and not there.paused
        delay_s = 2 * self._delay_s()
        while self._net.chance(self.loss):
            delay_s += 4 * self._delay_s() + 0.02
        answered = reached and delay_s < timeout_s
        self.at(self.now + (delay_s if answered else timeout_s), lambda: self.feed(node, PingAnswered(seq, answered)))

    def _ask_push_pull(self, node: CoreNode, peer: NodeId, message: PushPull) -> None:
        self.bytes_sent += wire_bytes(message)
        if not self._reliably(node, peer, PushPullAsked(node.id, message)):
            self.at(self.now + ASK_TIMEOUT_S, lambda: self.feed(node, PushPullAnswered(peer, None)))

    def _dial(self, node: CoreNode, dial: Dial) -> None:
        def end(reached: NodeId | None, refused: bool = False) -> None:
            self.feed(node, DialEnded(dial.key, reached, refused))

        def knock(number: int, tries: int) -> None:
            if number == len(dial.hosts):
                end(None, all(self._by_host.get(host) == node.id for host in dial.hosts))
                return
            peer = self._by_host.get(dial.hosts[number])
            there = None if peer is None else self.nodes[peer]
            if peer is None or there is None or peer == node.id or (dial.expect is not None and peer != dial.expect):
                knock(number + 1, 0)
            elif self._way(node.id, peer) and not there.paused and not self._net.chance(self.loss):
                self._link(node.id, peer)
                end(peer)
            elif tries + 1 < len(DIAL_TRIES_S):
                wait_s = DIAL_TRIES_S[tries + 1] - DIAL_TRIES_S[tries]
                self.at(self.now + wait_s, lambda: knock(number, tries + 1))
            else:
                self.at(self.now + DIAL_TIMEOUT_S - DIAL_TRIES_S[-1], lambda: knock(number + 1, 0))

        self.at(self.now + 2 * self._delay_s() + 0.006, lambda: knock(0, 0))

    def _link(self, one: NodeId, other: NodeId) -> None:
        if self._linked(one, other):
            return
        self._unlink(one, other, "replaced")
        lives = self.nodes[one].life, self.nodes[other].life
        self._links[(one, other)], self._links[(other, one)] = lives, (lives[1], lives[0])
        self.trace.add(self.now, "link", one[:8], other[:8])
        self.feed(self.nodes[one], LinkUp(other, self.nodes[other].host))
        self.feed(self.nodes[other], LinkUp(one, self.nodes[one].host))


_info_bytes: dict[int, tuple[NodeInfo, int]] = {}
INFOS_SIZED_MAX = 1 << 16


def wire_bytes(message: object) -> int:
    """Give the bytes of a message; those of a rumour are counted once, however often it is told."""
    match message:
        case Ping() | Ack() | PingRequest() | Nack() | Gossip():
            rumours: tuple[Rumour, ...] = message.rumours
        case Spread(rumours, names):
            return HEAD_BYTES + 9 * len(names) + sum(map(_size, rumours))
        case PushPull(_, rumours):
            return 2 * HEAD_BYTES + sum(map(_size, rumours))
        case _:
            return len(codec.encode_tagged(message))
    if not rumours:
        return len(codec.encode_tagged(message))
    return HEAD_BYTES + (54 if isinstance(message, PingRequest) else 0) + sum(map(_size, rumours))


def _size(rumour: Rumour) -> int:
    size = 113 + len(rumour.state) + len(rumour.proof)
    if rumour.info is None:
        return size
    known = _info_bytes.get(id(rumour.info))
    if known is None or known[0] is not rumour.info:
        if len(_info_bytes) >= INFOS_SIZED_MAX:
            _info_bytes.clear()
        known = _info_bytes[id(rumour.info)] = rumour.info, len(codec.encode(rumour.info))
    return size + known[1]
