"""The actor system of one node: names, bounded mailboxes, asks and tells within and between nodes, events, streams.

Decides how a message finds its actor and its answer the asker. ``tell`` is at most once. ``ask`` has a deadline; with
an idempotency key, it may be asked again and is done once. Order holds per sender, actor and channel. What is not
handled is counted once in the mesh (``mesh.actors.deadletters``). The actors themselves are kept by ``cells``, events
by ``topics``, what goes on over which link by ``use``.

Invariant: an ask ends: with its answer, with a port error, or at its deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from mesh.actors.cells import Actor, CellReport, Cells, Context, StreamActor, Waiting, as_port_error, correlation
from mesh.actors.deadletters import DeadLetters, Reason, Undelivered
from mesh.actors.pipe import pipe
from mesh.actors.supervisor import Supervisor
from mesh.actors.topics import EventHandler, Topics
from mesh.actors.use import LinkUse, UsedStream
from mesh.ports import (
    ByteStream,
    Channel,
    Clock,
    Corrupt,
    DiskFull,
    Entropy,
    Flow,
    Link,
    Network,
    NotFound,
    PortError,
    Refused,
    Unavailable,
)
from proto import codec
from proto.codec import Malformed
from proto.envelope import Envelope, Failure, Kind
from proto.ids import NodeId, short_id

A = TypeVar("A")


class Reach(Protocol):
    """How a node reaches another that it has no link to, because the mesh is large or has just formed."""

    @property
    def crowd(self) -> bool:
        """Tell whether the mesh is so large that there are no links to most others."""

    async def reach(self, node: NodeId) -> Link | None:
        """Give a link to a node that lives, dialled now; None: not to be had."""


class Guard(Protocol):
    """Says who may be told what, and who may say it; ``mesh.actors.grants.Grants``."""

    def tell(self, node: NodeId, actor: str) -> None:
        """Let an actor of a node be told something; a port error says why not."""

    def hear(self, node: NodeId, message: Any) -> None:
        """Let a message of a node be taken; a port error says why not."""


class _Open:
    """A ``Guard`` that lets everything through."""

    def tell(self, node: NodeId, actor: str) -> None:
        """Let it through."""

    def hear(self, node: NodeId, message: Any) -> None:
        """Let it through."""


class ActorSystem:
    """The actors of one node; the ``LinkHandler`` of its network."""

    def __init__(self, node_id: NodeId, network: Network, clock: Clock, entropy: Entropy) -> None:
        self.node_id = node_id
        self.supervisor = Supervisor(clock, entropy)
        self._network = network
        self._clock = clock
        self._entropy = entropy
        self.letters = DeadLetters()
        self._cells = Cells(node_id, self.supervisor, self.letters, clock, entropy)
        self._topics = Topics(self.supervisor, network.links)
        self._use = LinkUse()
        self._seq = 0
        self._asked: dict[int, tuple[NodeId, asyncio.Future[Envelope]]] = {}
        self._datagram_handlers: list[Callable[[Link, bytes], None]] = []
        self._link_handlers: list[Callable[[NodeId, bool], None]] = []
        self._reach: Reach | None = None
        self._guard: Guard = _Open()

    def guard(self, guard: Guard) -> None:
        """Have ``guard`` asked of every message to and from another node; nobody is asked of this node's own."""
        self._guard = guard

    # ------------------------------------------------------------ actors of this node

    def spawn(self, name: str, actor: Actor, *, mailbox_max: int = 256, concurrency: int = 1) -> None:
        """Give an actor its name and mailbox; ValueError when the name is taken."""
        self._cells.spawn(name, actor, mailbox_max=mailbox_max, concurrency=concurrency)

    def report(self) -> list[CellReport]:
        """Give how every actor is doing, by name."""
        return self._cells.report()

    async def close(self) -> None:
        """Stop every actor; asks still waiting fail as Unavailable."""
        for _, future in list(self._asked.values()):
            if not future.done():
                future.set_exception(Unavailable("this node is shutting down"))
        await self.supervisor.close()

    # ------------------------------------------------------------ asking and telling

    async def tell(self, node: NodeId, actor: str, message: Any, *, channel: Channel = Channel.REQUEST) -> None:
        """Send a message at most once; Unavailable when it certainly did not arrive."""
        try:
            if node == self.node_id:
                self._cells.post(actor, Waiting(message, self._local_context(None), None))
                return
            self._guard.tell(node, actor)
            envelope = Envelope(Kind.TELL, 0, actor, codec.encode_tagged(message), correlation_id=correlation.get())
            await self._send(await self._link(node), channel, envelope)
        except Undelivered as error:
            self.letters.count(error.reason, actor)
            raise

    async def ask(
        self,
        node: NodeId,
        actor: str,
        message: Any,
        answer: type[A],
        *,
        timeout_s: float = 5.0,
        idempotency_key: str = "",
        channel: Channel = Channel.REQUEST,
    ) -> A:
        """Ask an actor and give its answer, which is an ``answer``.

        Unavailable: no link, no answer in time, mailbox full. Refused, NotFound, Corrupt: as the actor said; Refused
        too when the node was not granted the role of that actor. PortError: the other side has a bug, or answered
        something else.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                if node == self.node_id:
                    given = await self._ask_here(actor, message, timeout_s, idempotency_key)
                else:
                    given = await self._ask_there(node, actor, message, timeout_s, idempotency_key, channel)
        except TimeoutError as error:
            self.letters.count(Reason.LATE, actor)
            raise Unavailable(f"{actor} on {node[:8]} did not answer within {timeout_s:g} s") from error
        except Undelivered as error:
            self.letters.count(error.reason, actor)
            raise
        except Unavailable:
            if loop.time() >= deadline_s:  # the node asked saw the deadline pass, and was heard before our own timer
                self.letters.count(Reason.LATE, actor)
            raise
        if not isinstance(given, answer):
            raise PortError(f"{actor} on {node[:8]} answered a {type(given).__name__}, not a {answer.__name__}")
        return given

    async def stream(self, node: NodeId, actor: str, message: Any, flow: Flow) -> ByteStream:
        """Open a stream to an actor; ``message`` tells it what the stream is about."""
        if node == self.node_id:
            mine, theirs = pipe()
            self._cells.open(actor, message, theirs, self._local_context(None))
            return mine
        self._guard.tell(node, actor)
        envelope = Envelope(Kind.STREAM, 0, actor, codec.encode_tagged(message), correlation_id=correlation.get())
        try:
            link = await self._link(node)
            self._use.touch(node)
            return UsedStream(await link.open_stream(flow, envelope.pack()), self._use.begin(node))
        except Unavailable:
            self.letters.count(Reason.NODE_GONE, actor)
            raise

    async def _ask_here(self, actor: str, message: Any, timeout_s: float, key: str) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def answered(given: Any | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(as_port_error(error))
            else:
                future.set_result(given)

        context = self._local_context(timeout_s)
        self._cells.admit(actor, Waiting(message, context, answered), key)
        return await future

    async def _ask_there(
        self, node: NodeId, actor: str, message: Any, timeout_s: float, key: str, channel: Channel
    ) -> Any:
        self._guard.tell(node, actor)
        link = await self._link(node)
        self._use.touch(node, actor)
        self._seq += 1
        seq = self._seq
        future: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._asked[seq] = (node, future)
        envelope = Envelope(
            Kind.ASK,
            seq,
            actor,
            codec.encode_tagged(message),
            correlation_id=correlation.get(),
            deadline_ms=min(3_600_000, max(1, int(timeout_s * 1000))),
            idempotency_key=key,
        )
        try:
            await self._send(link, channel, envelope)
            answer = await future
        finally:
            self._asked.pop(seq, None)
        if answer.kind is Kind.FAILURE:
            raise _failure_error(answer)
        try:
            return codec.decode_tagged(answer.body)
        except Malformed as error:
            raise PortError(f"{actor} on {node[:8]} answered what is no message here: {error}") from error

    async def _link(self, node: NodeId) -> Link:
        link = self._network.links().get(node)
        if link is None and self._reach is not None:
            link = await self._reach.reach(node)
        if link is None:
            raise Undelivered(Reason.NODE_GONE, f"no link to node {node[:8]}")
        return link

    async def _send(self, link: Link, channel: Channel, envelope: Envelope) -> None:
        try:
            await link.send(channel, envelope.pack())
        except Unavailable as error:
            raise Undelivered(Reason.NODE_GONE, str(error)) from error

    def _local_context(self, timeout_s: float | None) -> Context:
        deadline_s = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
        return Context(self.node_id, correlation.get(), deadline_s)

    # ------------------------------------------------------------ links on demand

    def reach_by(self, reach: Reach) -> None:
        """Have nodes without a link reached that way, and events passed on from link to link."""
        self._reach = reach

    def carried(self, peer: NodeId) -> bool:
        """Tell whether the link to a peer is by way of another node."""
        link = self._network.links().get(peer)
        return link is not None and link.relay is not None

    def in_use(self, peer: NodeId, within_s: float) -> bool:
        """Tell whether something goes on over the link to a peer, or did within that time."""
        return self._use.within(peer, (node for node, _ in self._asked.values()), within_s)

    # ------------------------------------------------------------ events

    def subscribe(self, pattern: str, handler: EventHandler) -> Callable[[], None]:
        """Hear events whose topic matches a shell-style pattern; gives what ends the subscription."""
        return self._topics.subscribe(pattern, handler)

    @property
    def events_dropped(self) -> int:
        """Events that slow peers did not get."""
        return self._topics.dropped

    @property
    def crowd(self) -> bool:
        """Tell whether the mesh is so large that this node has no links to most others."""
        return self._reach is not None and self._reach.crowd

    async def publish(self, topic: str, event: Any) -> None:
        """Tell an event to every node and to subscribers here. Never waits for a slow peer."""
        envelope = Envelope(
            Kind.EVENT,
            0,
            "",
            codec.encode_tagged(event),
            correlation_id=correlation.get(),
            # In a crowd an event comes over several links, and is known by this.
            idempotency_key=short_id(self._entropy.token(16)) if self.crowd else "",
            topic=topic,
        )
        self._topics.is_news(envelope.idempotency_key)
        self._topics.send(envelope.pack(), None)
        await self._topics.hear(topic, event, self._local_context(None))

    # ------------------------------------------------------------ the network's handler

    def listen_datagrams(self, handler: Callable[[Link, bytes], None]) -> None:
        """Have every datagram given to ``handler``."""
        self._datagram_handlers.append(handler)

    def watch_links(self, handler: Callable[[NodeId, bool], None]) -> None:
        """Have links told to ``handler`` as they come (True) and go (False)."""
        self._link_handlers.append(handler)

    def on_link_up(self, link: Link) -> None:
        """Take note of a peer, and start sending it events."""
        peer = link.peer
        self._topics.link_up(peer)
        for handler in self._link_handlers:
            handler(peer, True)

    def on_link_down(self, link: Link, reason: str) -> None:
        """Fail what waited for this peer."""
        peer = link.peer
        self._use.forget(peer)
        for node, future in list(self._asked.values()):
            if node == peer and not future.done():
                future.set_exception(Undelivered(Reason.NODE_GONE, f"link to {peer[:8]} lost: {reason}"))
        self._topics.link_down(peer)
        for handler in self._link_handlers:
            handler(peer, False)

    def on_datagram(self, link: Link, data: bytes) -> None:
        """Give a datagram to those who listen."""
        for handler in self._datagram_handlers:
            handler(link, data)

    async def on_frame(self, link: Link, channel: Channel, frame: bytes) -> None:
        """Take one envelope. Malformed propagates: the network drops a peer that sends such."""
        envelope = Envelope.unpack(frame)
        match envelope.kind:
            case Kind.ANSWER | Kind.FAILURE:
                peer, future = self._asked.get(envelope.seq, (None, None))
                if future is not None and peer == link.peer and not future.done():
                    future.set_result(envelope)
            case Kind.EVENT:
                if not self._topics.is_news(envelope.idempotency_key):
                    return
                if envelope.idempotency_key and self.crowd:
                    self._topics.send(frame, link.peer)
                event = _known(envelope.body)
                if event is not None:
                    await self._topics.hear(envelope.topic, event, Context(link.peer, envelope.correlation_id, None))
            case Kind.TELL:
                message = _known(envelope.body)
                if message is None:
                    self.letters.count(Reason.UNKNOWN, envelope.actor)
                    return
                with contextlib.suppress(PortError):
                    self._guard.hear(link.peer, message)
                    self._cells.told(
                        envelope.actor, Waiting(message, Context(link.peer, envelope.correlation_id, None), None)
                    )
            case Kind.ASK:
                await self._asked_by(link, channel, envelope)
            case Kind.STREAM:
                raise Malformed("a stream's envelope came as a frame")

    async def on_stream(self, link: Link, flow: Flow, header: bytes, stream: ByteStream) -> None:
        """Serve a stream a peer opened."""
        del flow
        envelope = Envelope.unpack(header)
        if envelope.kind is not Kind.STREAM:
            raise Malformed("a stream opens with a stream's envelope")
        message = _known(envelope.body)
        if message is None:
            self.letters.count(Reason.UNKNOWN, envelope.actor)
            raise Refused(f"{envelope.actor} is asked for a stream by a message of another release")
        self._guard.hear(link.peer, message)
        self._use.touch(link.peer)
        with contextlib.closing(self._use.begin(link.peer)):
            await self._cells.serve(envelope.actor, message, stream, Context(link.peer, envelope.correlation_id, None))

    async def _asked_by(self, link: Link, channel: Channel, envelope: Envelope) -> None:
        use = self._use.begin(link.peer)

        async def answered(given: Any | None, error: BaseException | None) -> None:
            reply = _reply(envelope, given, error)
            use.close()
            with contextlib.suppress(Unavailable):
                await link.send(channel, reply.pack())

        self._use.touch(link.peer, envelope.actor)
        now = asyncio.get_running_loop().time()
        deadline_s = now + envelope.deadline_ms / 1000 if envelope.deadline_ms else None
        try:
            message = codec.decode_tagged(envelope.body)
            self._guard.hear(link.peer, message)
            context = Context(link.peer, envelope.correlation_id, deadline_s)
            self._cells.admit(envelope.actor, Waiting(message, context, answered), envelope.idempotency_key)
        except (PortError, Malformed) as error:
            await answered(None, error)


def _known(body: bytes) -> Any | None:
    """Decode a message; None for one of a newer release, which is no fault of the peer's."""
    try:
        return codec.decode_tagged(body)
    except codec.Unknown:
        return None


_FAILURES: tuple[tuple[type[BaseException], Failure], ...] = (
    (NotFound, Failure.NOT_FOUND),
    (Refused, Failure.REFUSED),
    (Corrupt, Failure.CORRUPT),
    (Unavailable, Failure.UNAVAILABLE),
    (DiskFull, Failure.UNAVAILABLE),
    (Malformed, Failure.MALFORMED),
)


def _reply(asked: Envelope, given: Any | None, error: BaseException | None) -> Envelope:
    if error is None and given is not None:
        return Envelope(Kind.ANSWER, asked.seq, asked.actor, codec.encode_tagged(given))
    failure = Failure.BUG
    detail = "the actor gave no answer"
    if error is not None:
        failure = next((name for kind, name in _FAILURES if isinstance(error, kind)), Failure.BUG)
        if isinstance(error, Undelivered):
            failure = Failure.OVERLOADED if error.reason is Reason.FULL else Failure.NO_ACTOR
        detail = str(error)[:1000]
    return Envelope(Kind.FAILURE, asked.seq, asked.actor, b"", failure=failure, detail=detail)


def _failure_error(envelope: Envelope) -> PortError:
    match envelope.failure:
        case Failure.NO_ACTOR:
            return Undelivered(Reason.NO_ACTOR, envelope.detail)
        case Failure.OVERLOADED:
            return Undelivered(Reason.FULL, envelope.detail)
        case Failure.UNAVAILABLE:
            return Unavailable(envelope.detail)
        case Failure.REFUSED:
            return Refused(envelope.detail)
        case Failure.NOT_FOUND:
            return NotFound(envelope.detail)
        case Failure.CORRUPT:
            return Corrupt(envelope.detail)
        case Failure.MALFORMED | Failure.BUG | None:
            return PortError(envelope.detail)


__all__ = ["Actor", "ActorSystem", "CellReport", "Context", "StreamActor", "correlation"]
