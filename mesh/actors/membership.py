"""Who is in the mesh, as every node has it: the membership core driven over the actor system and the network.

Invariant: effects are performed in the order the core gave them, and an incarnation is durable before it is told. The
address book on the disk lets a node that restarts find the others without seeds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, assert_never

import structlog

from mesh.actors.memory import MembershipMemory
from mesh.actors.system import ActorSystem, Context
from mesh.core.dialling import Dial
from mesh.core.member import (
    AskPing,
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
from mesh.core.membership import LINK_IDLE_S, Membership
from mesh.core.vouching import Vouching
from mesh.ports import Channel, Clock, Entropy, Host, Link, Network, PortError, Refused, RefusedHere, Unavailable
from proto import codec
from proto.codec import Malformed
from proto.ids import NodeId
from proto.messages.membership import (
    Ack,
    AreYouThere,
    Gossip,
    Graft,
    HereIAm,
    Nack,
    Neighbour,
    Neighboured,
    NodeInfo,
    Ping,
    PingRequest,
    Prune,
    PushPull,
    Spread,
    State,
)

ACTOR = "membership"
DIAL_TIMEOUT_S = 5.0
REACH_AT_ONCE = 16
"""Nodes dialled at once because something is to be said to them; further ones wait."""
REACH_AGAIN_S = 2.0
"""Who could not be reached is not dialled again for so long."""
UNREACHED_MAX = 1024
PUSH_PULL_TIMEOUT_S = 5.0
LEAVE_TOLD_S = 1.0
"""How long a leaving node waits until the others have been told."""
BOOK_SAVE_S = 2.0
SAVE_TIMEOUT_S = 2.0
EFFECTS_MAX = 65536
"""Effects waiting to be performed; more means that the disk hangs, and datagrams among them are dropped."""

INCREDIBLE_TOLD_S = 60.0
"""How often at most the log says that a peer misbehaves: it could fill the disk with it."""

TWIN_TOLD_S = 60.0
REFUSAL_LIFE_S = 300.0
"""How long it is told that another node refused this one."""

REFUSALS_MAX = 8

_log = structlog.get_logger("membership")
_DATAGRAM_HEADS = tuple(bytes((0x82, 0x18, number)) for number in (110, 111, 112, 113, 114))
ByWay = Callable[[NodeId, Sequence[NodeId]], Awaitable[Link | None]]
"""Reaches a node by way of one of these; None: by none."""
_Queued = tuple[Effect, "asyncio.Future[Any] | None"]


class Members:
    """The membership's face on one node; an actor named ``membership``."""

    def __init__(
        self,
        system: ActorSystem,
        network: Network,
        clock: Clock,
        entropy: Entropy,
        seeds: Sequence[Host],
        info: NodeInfo,
        memory: MembershipMemory,
        vouching: Vouching,
        *,
        away_after_s: float = 300.0,
        timing: Timing | None = None,
        as_granted: Callable[[Member], Member] = lambda member: member,
    ) -> None:
        self._system = system
        self._network = network
        self._clock = clock
        self._entropy = entropy
        self._seeds = tuple(seeds)
        self._info = info
        self._memory = memory
        self._vouching = vouching
        self._away_after_s = away_after_s
        self._timing = timing
        self._as_granted = as_granted
        self._core: Membership | None = None
        self._known: dict[NodeId, float] = {}
        self._alive_ids: tuple[NodeId, ...] = (system.node_id,)
        self._alive_as_of = -1
        self._shown: Mapping[NodeId, Member] = {}
        self._shown_as_of = -1
        self._away: frozenset[NodeId] = frozenset()
        self._away_as_of = -1
        self._away_until = 0.0
        self._watchers: list[Callable[[Member], None]] = []
        self._queue: deque[_Queued] = deque()
        self._queued = asyncio.Event()
        self._drained = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._book_changed = asyncio.Event()
        self._reaching = asyncio.Semaphore(REACH_AT_ONCE)
        self._unreached: dict[NodeId, float] = {}
        self.effects_dropped = 0
        self._incredible_told = 0
        self._incredible_tell_at = 0.0
        self._twin_tell_at = 0.0
        self._refusals: dict[str, tuple[str, float]] = {}
        self._by_way: ByWay | None = None

    # ------------------------------------------------------------ what others read

    def alive(self) -> Mapping[NodeId, Member]:
        """Give the nodes believed to live, this one and suspects included, in the order of their ids.

        Of the roles that each says it takes, only those count that it was granted.
        """
        if self._core is None:
            return {}
        if self._shown_as_of != self._core.version:
            self._shown_as_of = self._core.version
            self._shown = {node: self._as_granted(member) for node, member in self._core.alive().items()}
        return self._shown

    def reconsider(self) -> None:
        """Show the members anew: some were granted other roles."""
        self._shown_as_of = -1

    def all(self) -> dict[NodeId, Member]:
        """Give every node known, whatever its state, in the order of their ids."""
        if self._core is None:
            return {}
        members = self._core.members
        return {node: self._as_granted(members[node]) for node in sorted(members)}

    def alive_ids(self) -> tuple[NodeId, ...]:
        """Give the ids of the nodes believed to live, in order; this one before anything is known.

        It is the same object as long as nothing changed, and so is what ``away`` gives.
        """
        if self._core is not None and self._alive_as_of != self._core.version:
            self._alive_as_of = self._core.version
            there = tuple(self._core.alive()) or (self._system.node_id,)
            self._alive_ids = self._alive_ids if there == self._alive_ids else there
        return self._alive_ids

    def away(self) -> frozenset[NodeId]:
        """Give the nodes dead or gone for longer than the mesh waits, and those remembered but not seen as long."""
        if self._core is None:
            return self._away
        now = self._clock.monotonic()
        if self._away_as_of != self._core.version or now >= self._away_until:
            limit = now - self._away_after_s
            members = self._core.members
            gone = {node: one.since for node, one in members.items() if one.state not in _LIVING}
            gone.update((node, since) for node, since in self._known.items() if node not in members)
            away = frozenset(node for node, since in gone.items() if since <= limit)
            self._away = self._away if away == self._away else away
            self._away_as_of = self._core.version
            waiting = (since for since in gone.values() if since > limit)
            self._away_until = min(waiting, default=float("inf")) + self._away_after_s
        return self._away

    def incarnation(self) -> int:
        """Give this node's incarnation; 0 before it has begun. At each start it is higher than ever before."""
        return 0 if self._core is None else self._core.members[self._system.node_id].incarnation

    def awareness(self) -> int:
        """Tell how unwell this node believes itself to be, 0 (well) to 7: others may be right where it accuses."""
        return 0 if self._core is None else self._core.awareness

    def refusals(self) -> dict[str, str]:
        """Give which addresses refused this node lately, as host:port, and the reason each gave."""
        since = self._clock.monotonic() - REFUSAL_LIFE_S
        return {at: reason for at, (reason, when) in self._refusals.items() if when >= since}

    def watch(self, handler: Callable[[Member], None]) -> Callable[[], None]:
        """Tell ``handler`` of members that come, go, or say something new of themselves; gives what ends it."""
        self._watchers.append(handler)

        def end() -> None:
            if handler in self._watchers:
                self._watchers.remove(handler)

        return end

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Begin: remember, dial the seeds and those remembered, probe. The network listens by now."""
        incarnation, book = await self._memory.load()
        self._known = {node: self._clock.monotonic() for node, _ in book}
        self._core = Membership(
            self._system.node_id,
            self._info,
            incarnation,
            self._entropy,
            self._vouching,
            seeds=[host for host in self._seeds if not _is_own(host, self._info.addresses)],
            remembered=book,
            timing=self._timing,
        )
        self._system.spawn(ACTOR, self, concurrency=4)
        self._system.reach_by(self)
        self._system.listen_datagrams(self._on_datagram)
        self._system.watch_links(self._on_link)
        self._system.supervisor.run("membership/effects", self._perform_all)
        self._system.supervisor.run("membership/book", self._keep_book)
        self._feed(Start())
        for peer, link in self._network.links().items():
            self._feed(LinkUp(peer, link.address, link.relay))

    async def leave(self) -> None:
        """Tell the others that this node goes; returns when they were told, or could not be in time."""
        if self._core is None:
            return
        # Where the others are is kept now: what was learnt in the last moments is not written down yet, and a node that
        # came with a ticket knows them from nowhere else.
        try:
            async with asyncio.timeout(SAVE_TIMEOUT_S):
                await self._memory.save_book(self._core.addresses())
        except (PortError, TimeoutError) as error:
            _log.error("addresses of the others not saved", error=str(error))
        self._feed(Leave())
        self._drained.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_TOLD_S):
                await self._drained.wait()

    @property
    def info(self) -> NodeInfo:
        """What this node says of itself."""
        return self._info

    def update(self, info: NodeInfo) -> None:
        """Say something new of this node."""
        self._info = info
        if self._core is not None:
            self._feed(InfoChanged(info))

    def found(self, node: NodeId | None, hosts: Sequence[Host]) -> None:
        """Take note of addresses from discovery or from a person; they are dialled."""
        if self._core is not None:
            self._feed(Found(node, tuple(hosts)))

    # ------------------------------------------------------------ what comes in

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Answer probes and exchanges of other nodes."""
        assert self._core is not None
        match message:
            case AreYouThere():
                return HereIAm(self._core.members[self._system.node_id].incarnation)
            case PushPull():
                answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                self._feed(PushPullAsked(context.sender, message), answer)
                return await answer
            case Gossip(rumours):
                self._feed(GossipCame(context.sender, rumours))
                return None
            case Neighbour() | Neighboured() | Spread() | Graft() | Prune():
                self._feed(NearCame(context.sender, message))
                return None
            case _:
                raise Refused(f"membership takes no {type(message).__name__}")

    def _on_datagram(self, link: Link, data: bytes) -> None:
        if data[:3] not in _DATAGRAM_HEADS:
            return
        try:
            message = codec.decode_tagged(data)
        except Malformed as error:
            _log.warning("malformed probe", peer=link.peer[:8], error=str(error))
            return
        match message:
            case Gossip(rumours):
                self._feed(GossipCame(link.peer, rumours))
            case Ping() | Ack() | PingRequest() | Nack():
                self._feed(DatagramCame(link.peer, message))
            case _:
                pass

    def _on_link(self, peer: NodeId, up: bool) -> None:
        link = self._network.links().get(peer)
        if up and link is not None:
            self._feed(LinkUp(peer, link.address, link.relay))
        elif not up:
            self._feed(LinkDown(peer))

    def _feed(self, event: Event, answer: asyncio.Future[Any] | None = None) -> None:
        assert self._core is not None
        for effect in self._core.handle(event, self._clock.monotonic()):
            self._enqueue(effect, answer if isinstance(effect, Reply) else None)
        incredible = self._core.incredible - self._incredible_told
        if incredible and self._clock.monotonic() >= self._incredible_tell_at:
            self._incredible_told = self._core.incredible
            self._incredible_tell_at = self._clock.monotonic() + INCREDIBLE_TOLD_S
            _log.warning("rumours with a wrong signature were ignored", peer=_told_by(event), rumours=incredible)

        twin = self._core.twin
        if twin is not None and self._clock.monotonic() >= self._twin_tell_at:
            self._twin_tell_at = self._clock.monotonic() + TWIN_TOLD_S
            hosts = ", ".join(f"{host}:{port}" for host, port in twin.addresses)
            _log.error(
                "another node runs with the key of this one: its data folder was copied. Stop one of the two and start "
                "it with an empty folder (--data), so that it becomes a node of its own",
                other=twin.name,
                at=hosts,
            )

    # ------------------------------------------------------------ what goes out

    def _enqueue(self, effect: Effect, answer: asyncio.Future[Any] | None) -> None:
        if len(self._queue) >= EFFECTS_MAX and isinstance(effect, SendDatagram):
            self.effects_dropped += 1
            return
        self._queue.append((effect, answer))
        self._queued.set()

    async def _perform_all(self) -> None:
        while True:
            while self._queue:
                effect, answer = self._queue.popleft()
                await self._perform(effect, answer)
            self._queued.clear()
            self._drained.set()
            await self._queued.wait()

    async def _perform(self, effect: Effect, answer: asyncio.Future[Any] | None) -> None:
        once = self._system.supervisor.once
        match effect:
            case SendDatagram(peer, message):
                link = self._network.links().get(peer)
                if link is not None:
                    link.send_datagram(codec.encode_tagged(message))
            case Tell(peer, message) if peer not in self._network.links():
                pass  # its link went down since; none is made for this
            case Tell(peer, message):
                with contextlib.suppress(PortError, TimeoutError):
                    async with asyncio.timeout(LEAVE_TOLD_S):
                        await self._system.tell(peer, ACTOR, message, channel=Channel.CONTROL)
            case AskPing(peer, seq, timeout_s):
                once("membership/ping", self._ask_ping(peer, seq, timeout_s))
            case AskPushPull(peer, message):
                once("membership/push-pull", self._ask_push_pull(peer, message))
            case Reply(message):
                if answer is not None and not answer.done():
                    answer.set_result(message)
            case PersistIncarnation(incarnation):
                try:
                    async with asyncio.timeout(SAVE_TIMEOUT_S):
                        await self._memory.save_incarnation(incarnation)
                except (PortError, TimeoutError) as error:
                    # A full, slow or broken disk must not silence the node: it risks a restart with an old incarnation,
                    # which the others correct by telling it what they know.
                    _log.error("incarnation not saved", error=str(error))
            case Changed(member):
                self._changed(member)
            case WakeAt(at):
                if self._timer is not None:
                    self._timer.cancel()
                delay_s = max(0.0, at - self._clock.monotonic())
                self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)
            case Dial():
                once("membership/dial", self._dial(effect))
            case Release(peer):
                if not self._system.in_use(peer, LINK_IDLE_S):
                    self._network.drop(peer, "not in use")
            case _:
                assert_never(effect)

    def _tick(self) -> None:
        self._feed(Tick())

    def _changed(self, member: Member) -> None:
        self._book_changed.set()
        _log.info("member", peer=member.id[:8], name=member.info.name, state=str(member.state))
        shown = self._as_granted(member)
        for handler in list(self._watchers):
            try:
                handler(shown)
            except Exception as error:  # noqa: BLE001 - one watcher's bug is not the others'
                _log.error("watcher of members failed", error=str(error), exc_info=error)

    async def _ask_ping(self, peer: NodeId, seq: int, timeout_s: float) -> None:
        try:
            await self._system.ask(peer, ACTOR, AreYouThere(), HereIAm, timeout_s=timeout_s, channel=Channel.CONTROL)
        except PortError:
            self._feed(PingAnswered(seq, answered=False))
        else:
            self._feed(PingAnswered(seq, answered=True))

    async def _ask_push_pull(self, peer: NodeId, message: PushPull) -> None:
        answer: PushPull | None = None
        try:
            answer = await self._system.ask(
                peer, ACTOR, message, PushPull, timeout_s=PUSH_PULL_TIMEOUT_S, channel=Channel.CONTROL
            )
        except PortError as error:
            _log.debug("push/pull failed", peer=peer[:8], error=str(error))
        self._feed(PushPullAnswered(peer, answer))

    async def _dial(self, dial: Dial) -> None:
        refused = False
        if dial.expect is not None and dial.relays and self._by_way is not None:
            carried = await self._by_way(dial.expect, dial.relays)
            if carried is not None:
                self._feed(DialEnded(dial.key, carried.peer))
                return
        for host in dial.hosts:
            try:
                link = await self._network.dial(host, dial.expect, DIAL_TIMEOUT_S)
            except RefusedHere as error:
                refused = True
                _log.info("a node is not dialled", at=_host_port(host), reason=str(error))
            except Refused as error:
                refused = True
                self._refusals.pop(_host_port(host), None)
                self._refusals[_host_port(host)] = (str(error), self._clock.monotonic())
                while len(self._refusals) > REFUSALS_MAX:
                    del self._refusals[next(iter(self._refusals))]
                _log.warning("a node does not take this one", at=_host_port(host), reason=str(error))
            except Unavailable as error:
                _log.debug("dial failed", host=host, error=str(error))
            except Exception as error:  # noqa: BLE001 - the core waits for the end of this dial, whatever it raises
                _log.warning("dial failed", host=host, error=f"{type(error).__name__}: {error}", exc_info=error)
            else:
                self._refusals.pop(_host_port(host), None)
                self._feed(DialEnded(dial.key, link.peer))
                return
        self._feed(DialEnded(dial.key, None, refused))

    # ------------------------------------------------------------ links on demand

    @property
    def crowd(self) -> bool:
        """Tell whether the mesh is too large for links with all."""
        return self._core is not None and self._core.crowd

    def carried_by(self, by_way: ByWay) -> None:
        """Have nodes that cannot be reached asked for by way of others."""
        self._by_way = by_way

    async def reach(self, node: NodeId) -> Link | None:
        """Dial a node that lives and has no link, because something is to be said to it; None: it is not reached."""
        link = await self.reach_itself(node)
        if link is None and self._by_way is not None and self.crowd and self._core is not None:
            return await self._by_way(node, self._core.relays(node))
        return link

    async def reach_itself(self, node: NodeId) -> Link | None:
        """Do as ``reach``, but by no way over another node."""
        now = self._clock.monotonic()
        if self._core is None or self._unreached.get(node, now) > now:
            return None
        hosts = self._core.hosts(node)
        if not hosts:
            return None
        async with self._reaching:
            for host in hosts:
                standing = self._network.links().get(node)
                if standing is not None:
                    return standing
                try:
                    return await self._network.dial(host, node, DIAL_TIMEOUT_S)
                except PortError as error:
                    _log.debug("not reached", peer=node[:8], host=host, error=str(error))
        now = self._clock.monotonic()
        if len(self._unreached) >= UNREACHED_MAX:
            self._unreached = {other: until for other, until in self._unreached.items() if until > now}
        if len(self._unreached) < UNREACHED_MAX:
            self._unreached[node] = now + REACH_AGAIN_S
        return None

    async def _keep_book(self) -> None:
        assert self._core is not None
        saved = self._core.addresses()
        while True:
            await self._book_changed.wait()
            if saved:  # the first are kept at once: a crash must not leave a node that knows nobody
                await asyncio.sleep(BOOK_SAVE_S)
            self._book_changed.clear()
            book = self._core.addresses()
            if book != saved:
                await self._memory.save_book(book)
                saved = book


_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_LIVING = (State.ALIVE, State.SUSPECT)


def _is_own(host: Host, own: Sequence[Host]) -> bool:
    """Tell whether an address that a person gave is this node's own; a host name may be and is not known as such."""
    return host in own or (host[0] in _LOOPBACK and any(host[1] == port for _, port in own))


def _host_port(host: Host) -> str:
    return f"[{host[0]}]:{host[1]}" if ":" in host[0] else f"{host[0]}:{host[1]}"


def _told_by(event: Event) -> str:
    """Give the beginning of the id of the peer an event came from; empty: it came from none."""
    return str(getattr(event, "peer", ""))[:8]
