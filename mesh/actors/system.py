"""The actor system of one node: names, bounded mailboxes, asks and tells within and between nodes, events, streams.

Decides how a message finds its actor and its answer the asker. ``tell`` is at most once. ``ask`` has a deadline; with
an idempotency key, a repeated ask within the window of ``mesh.actors.dedupe`` is done once and answered as the first
one was. Order holds per sender, actor and channel. A full mailbox is an answer (Unavailable), never a wait. What is not
handled is counted once in the mesh (``mesh.actors.deadletters``).

Invariant: an actor handles at most ``concurrency`` messages at once and ``mailbox_max`` wait; whatever an actor raises
reaches the asker as one of the port errors and leaves the node running.
"""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import structlog

from mesh.actors.deadletters import DeadLetters, Reason, Undelivered
from mesh.actors.dedupe import DedupeWindow
from mesh.actors.pipe import PipeStream, pipe
from mesh.actors.supervisor import Supervisor
from mesh.ports import (
    ByteStream,
    Channel,
    Clock,
    Corrupt,
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

EVENTS_WAITING_MAX = 1024
"""Events waiting for one peer; the oldest is dropped, and counted."""
ERROR_TOLD_MAX = 300
"""Characters of a failure that a report tells."""
EVENTS_SEEN_MAX = 4096
"""Events of others whose coming again is known."""
KEEPS_NO_LINK = frozenset({"membership", "clock"})
"""Actors that ask whoever there is a link to: no reason to have one."""
STREAMS_MAX = 256
"""Streams one actor serves at once; one more is reset."""

correlation: ContextVar[str] = ContextVar("correlation", default="")
"""The correlation id of what is being handled; it follows asks, tells and events to other nodes."""

_log = structlog.get_logger("actors")


@dataclass(frozen=True, slots=True)
class Context:
    """Who sent a message, what it belongs to, and when (loop time, seconds) its asker stops waiting."""

    sender: NodeId
    correlation_id: str
    deadline_s: float | None


class Actor(Protocol):
    """Takes messages one after another (or ``concurrency`` at once)."""

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Handle a message; what it gives is the answer to an ask. Port errors are answers too."""


@runtime_checkable
class StreamActor(Protocol):
    """An actor that serves streams as well."""

    async def serve(self, message: Any, stream: ByteStream, context: Context) -> None:
        """Serve one stream that was opened with ``message``; it is reset when this raises."""


class Reach(Protocol):
    """How a node reaches another that it has no link to, because the mesh is large or has just formed."""

    @property
    def crowd(self) -> bool:
        """Tell whether the mesh is so large that there are no links to most others."""

    async def reach(self, node: NodeId) -> Link | None:
        """Give a link to a node that lives, dialled now; None: not to be had."""


EventHandler = Callable[[str, Any, Context], Awaitable[None]]


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


@dataclass(slots=True)
class _Waiting:
    message: Any
    context: Context
    answer: Callable[[Any | None, BaseException | None], Awaitable[None]] | None


@dataclass(slots=True)
class _Cell:
    name: str
    actor: Actor
    mailbox: asyncio.Queue[_Waiting]
    concurrency: int
    streams: int = 0
    busy: int = 0
    handled: int = 0
    overflows: int = 0
    errors: int = 0
    last_error: str = ""
    failed_ms: int = 0


@dataclass(slots=True)
class _Outbox:
    task: str
    events: deque[bytes] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class CellReport:
    """How one actor is doing.

    ``busy`` of its ``concurrency`` handle a message now, ``waiting`` of ``mailbox_max`` messages wait. ``errors`` are
    its bugs, the last of them told with when it was (UTC milliseconds, 0: never); ``restarts`` are of its workers,
    ``failing`` of which are about to be started again.
    """

    name: str
    waiting: int
    handled: int
    overflows: int
    errors: int
    streams: int
    mailbox_max: int
    concurrency: int
    busy: int
    restarts: int
    failing: int
    last_error: str
    failed_ms: int


class _Use:
    """Something that goes on over the link to a peer, until it is closed."""

    __slots__ = ("_among",)

    def __init__(self, busy: dict[NodeId, dict[_Use, None]], peer: NodeId) -> None:
        self._among = busy.setdefault(peer, {})
        self._among[self] = None

    def close(self) -> None:
        """Be over. Safe to call more than once."""
        self._among.pop(self, None)


class _UsedStream:
    """A stream to another node, whose link is in use until the stream ends."""

    def __init__(self, stream: ByteStream, use: _Use) -> None:
        self._stream = stream
        self._use = use

    async def read(self, size_max: int = 65536) -> bytes:
        """Give 1 to ``size_max`` bytes, or ``b""`` at the end."""
        try:
            data = await self._stream.read(size_max)
        except Unavailable:
            self._use.close()
            raise
        if not data:
            self._use.close()
        return data

    async def read_exactly(self, size: int) -> bytes:
        """Give exactly ``size`` bytes."""
        try:
            return await self._stream.read_exactly(size)
        except Unavailable:
            self._use.close()
            raise

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        try:
            await self._stream.write(data)
        except Unavailable:
            self._use.close()
            raise

    async def finish(self) -> None:
        """Say that no more bytes follow."""
        await self._stream.finish()

    def reset(self) -> None:
        """Drop both directions at once."""
        self._use.close()
        self._stream.reset()


class ActorSystem:
    """The actors of one node; the ``LinkHandler`` of its network."""

    def __init__(self, node_id: NodeId, network: Network, clock: Clock, entropy: Entropy) -> None:
        self.node_id = node_id
        self.supervisor = Supervisor(clock, entropy)
        self._network = network
        self._clock = clock
        self._entropy = entropy
        self._cells: dict[str, _Cell] = {}
        self._seq = 0
        self._asked: dict[int, tuple[NodeId, asyncio.Future[Envelope]]] = {}
        self._window = DedupeWindow()
        self._subscribers: list[tuple[str, EventHandler]] = []
        self._outboxes: dict[NodeId, _Outbox] = {}
        self._datagram_handlers: list[Callable[[Link, bytes], None]] = []
        self._link_handlers: list[Callable[[NodeId, bool], None]] = []
        self._reach: Reach | None = None
        self._events_seen: OrderedDict[str, None] = OrderedDict()
        self._used: dict[NodeId, float] = {}
        self._busy: dict[NodeId, dict[_Use, None]] = {}
        self.letters = DeadLetters()
        self._guard: Guard = _Open()
        self.events_dropped = 0

    def guard(self, guard: Guard) -> None:
        """Have ``guard`` asked of every message to and from another node; nobody is asked of this node's own."""
        self._guard = guard

    # ------------------------------------------------------------ actors of this node

    def spawn(self, name: str, actor: Actor, *, mailbox_max: int = 256, concurrency: int = 1) -> None:
        """Give an actor its name and mailbox; ValueError when the name is taken."""
        if name in self._cells:
            raise ValueError(f"actor {name!r} exists already")
        cell = self._cells[name] = _Cell(name, actor, asyncio.Queue(mailbox_max), concurrency)
        for worker in _workers(name, concurrency):
            self.supervisor.run(worker, lambda: self._work(cell))

    def report(self) -> list[CellReport]:
        """Give how every actor is doing, by name."""
        tasks = {task.name: task for task in self.supervisor.report()}
        workers = {
            cell.name: [tasks[name] for name in _workers(cell.name, cell.concurrency) if name in tasks]
            for cell in self._cells.values()
        }
        return [
            CellReport(
                cell.name,
                cell.mailbox.qsize(),
                cell.handled,
                cell.overflows,
                cell.errors,
                cell.streams,
                cell.mailbox.maxsize,
                cell.concurrency,
                cell.busy,
                sum(worker.restarts for worker in workers[cell.name]),
                sum(worker.state == "waiting" for worker in workers[cell.name]),
                cell.last_error,
                cell.failed_ms,
            )
            for _, cell in sorted(self._cells.items())
        ]

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
                self._post(actor, _Waiting(message, self._local_context(None), None))
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
            self._open_here(actor, message, theirs)
            return mine
        self._guard.tell(node, actor)
        envelope = Envelope(Kind.STREAM, 0, actor, codec.encode_tagged(message), correlation_id=correlation.get())
        try:
            link = await self._link(node)
            self._use(node)
            return _UsedStream(await link.open_stream(flow, envelope.pack()), _Use(self._busy, node))
        except Unavailable:
            self.letters.count(Reason.NODE_GONE, actor)
            raise

    async def _ask_here(self, actor: str, message: Any, timeout_s: float, key: str) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def answered(given: Any | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(_as_port_error(error))
            else:
                future.set_result(given)

        context = self._local_context(timeout_s)
        self._admit(actor, _Waiting(message, context, answered), key)
        return await future

    async def _ask_there(
        self, node: NodeId, actor: str, message: Any, timeout_s: float, key: str, channel: Channel
    ) -> Any:
        self._guard.tell(node, actor)
        link = await self._link(node)
        if actor not in KEEPS_NO_LINK:
            self._use(node)
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
        if any(node == peer for node, _ in self._asked.values()):
            return True
        if self._busy.get(peer):
            return True
        return asyncio.get_running_loop().time() - self._used.get(peer, float("-inf")) < within_s

    def _use(self, peer: NodeId) -> None:
        self._used[peer] = asyncio.get_running_loop().time()

    # ------------------------------------------------------------ events

    def subscribe(self, pattern: str, handler: EventHandler) -> Callable[[], None]:
        """Hear events whose topic matches a shell-style pattern; gives what ends the subscription."""
        entry = (pattern, handler)
        self._subscribers.append(entry)

        def end() -> None:
            if entry in self._subscribers:
                self._subscribers.remove(entry)

        return end

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
        self._event_is_news(envelope.idempotency_key)
        self._send_event(envelope.pack(), None)
        await self._heard(topic, event, self._local_context(None))

    def _send_event(self, packed: bytes, source: NodeId | None) -> None:
        for peer, outbox in self._outboxes.items():
            if peer == source:
                continue
            if len(outbox.events) >= EVENTS_WAITING_MAX:
                outbox.events.popleft()
                outbox.dropped += 1
                self.events_dropped += 1
            outbox.events.append(packed)
            outbox.wake.set()

    def _event_is_news(self, key: str) -> bool:
        """Take note of an event that may come again; tells whether it is the first time."""
        if not key:
            return True
        if key in self._events_seen:
            return False
        self._events_seen[key] = None
        if len(self._events_seen) > EVENTS_SEEN_MAX:
            self._events_seen.popitem(last=False)
        return True

    async def _heard(self, topic: str, event: Any, context: Context) -> None:
        for pattern, handler in list(self._subscribers):
            if fnmatch.fnmatchcase(topic, pattern):
                try:
                    await handler(topic, event, context)
                except Exception as error:  # noqa: BLE001 - one subscriber's bug is not the others'
                    _log.error("event handler failed", topic=topic, error=str(error), exc_info=error)

    async def _pump(self, peer: NodeId, outbox: _Outbox) -> None:
        while True:
            while outbox.events:
                link = self._network.links().get(peer)
                if link is None:
                    return
                with contextlib.suppress(Unavailable):
                    await link.send(Channel.EVENTS, outbox.events.popleft())
            outbox.wake.clear()
            await outbox.wake.wait()

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
        if peer not in self._outboxes:
            # A name of its own each time: a link may be back before the pump of the last one has ended.
            self._seq += 1
            outbox = self._outboxes[peer] = _Outbox(f"events/{peer}/{self._seq}")
            self.supervisor.run(outbox.task, lambda: self._pump(peer, outbox))
        for handler in self._link_handlers:
            handler(peer, True)

    def on_link_down(self, link: Link, reason: str) -> None:
        """Fail what waited for this peer."""
        peer = link.peer
        self._busy.pop(peer, None)
        self._used.pop(peer, None)
        for node, future in list(self._asked.values()):
            if node == peer and not future.done():
                future.set_exception(Undelivered(Reason.NODE_GONE, f"link to {peer[:8]} lost: {reason}"))
        outbox = self._outboxes.pop(peer, None)
        if outbox is not None:
            self.supervisor.once("events/end", self.supervisor.stop(outbox.task))
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
                if not self._event_is_news(envelope.idempotency_key):
                    return
                if envelope.idempotency_key and self.crowd:
                    self._send_event(frame, link.peer)
                event = _known(envelope.body)
                if event is not None:
                    await self._heard(envelope.topic, event, Context(link.peer, envelope.correlation_id, None))
            case Kind.TELL:
                message = _known(envelope.body)
                if message is None:
                    self.letters.count(Reason.UNKNOWN, envelope.actor)
                    return
                with contextlib.suppress(PortError):
                    self._guard.hear(link.peer, message)
                    self._told(
                        envelope.actor, _Waiting(message, Context(link.peer, envelope.correlation_id, None), None)
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
        self._use(link.peer)
        with contextlib.closing(_Use(self._busy, link.peer)):
            await self._serve(envelope.actor, message, stream, Context(link.peer, envelope.correlation_id, None))

    async def _asked_by(self, link: Link, channel: Channel, envelope: Envelope) -> None:
        use = _Use(self._busy, link.peer)

        async def answered(given: Any | None, error: BaseException | None) -> None:
            reply = _reply(envelope, given, error)
            use.close()
            with contextlib.suppress(Unavailable):
                await link.send(channel, reply.pack())

        if envelope.actor not in KEEPS_NO_LINK:
            self._use(link.peer)
        now = asyncio.get_running_loop().time()
        deadline_s = now + envelope.deadline_ms / 1000 if envelope.deadline_ms else None
        try:
            message = codec.decode_tagged(envelope.body)
            self._guard.hear(link.peer, message)
            context = Context(link.peer, envelope.correlation_id, deadline_s)
            self._admit(envelope.actor, _Waiting(message, context, answered), envelope.idempotency_key)
        except (PortError, Malformed) as error:
            await answered(None, error)

    # ------------------------------------------------------------ mailboxes

    def _admit(self, actor: str, waiting: _Waiting, key: str) -> None:
        """Put an ask into its mailbox, or join the one with the same key that is there or was answered."""
        if not key or waiting.answer is None:
            self._post(actor, waiting)
            return
        name = (waiting.context.sender, actor, key)
        loop = asyncio.get_running_loop()
        known = self._window.find(name, waiting.message, loop.time())
        answer = waiting.answer
        if known is None:

            async def settle(given: Any | None, error: BaseException | None) -> None:
                if error is not None:
                    self._window.fail(name, _as_port_error(error))
                else:
                    self._window.settle(name, given, loop.time())
                await answer(given, error)

            self._post(actor, _Waiting(waiting.message, waiting.context, settle))
            self._window.begin(name, waiting.message)
            return

        async def repeat() -> None:
            try:
                given = await asyncio.shield(known)
            except PortError as error:
                await answer(None, error)
            else:
                await answer(given, None)

        self.supervisor.once("actors/repeated-ask", repeat())

    def _told(self, actor: str, waiting: _Waiting) -> None:
        """Post what nobody waits for; what finds no room or no actor is a dead letter."""
        try:
            self._post(actor, waiting)
        except Undelivered as error:
            self.letters.count(error.reason, actor)

    def _post(self, actor: str, waiting: _Waiting) -> None:
        cell = self._cells.get(actor)
        if cell is None:
            raise Undelivered(Reason.NO_ACTOR, f"no actor {actor!r} on node {self.node_id[:8]}")
        try:
            cell.mailbox.put_nowait(waiting)
        except asyncio.QueueFull:
            cell.overflows += 1
            raise Undelivered(Reason.FULL, f"{actor} on {self.node_id[:8]} is overloaded") from None

    async def _work(self, cell: _Cell) -> None:
        while True:
            waiting = await cell.mailbox.get()
            deadline_s = waiting.context.deadline_s
            if deadline_s is not None and asyncio.get_running_loop().time() > deadline_s:
                if waiting.answer is not None:
                    await waiting.answer(None, Unavailable("the deadline passed while the ask waited"))
                continue
            correlation.set(waiting.context.correlation_id or short_id(self._entropy.token(16)))
            given: Any | None = None
            error: BaseException | None = None
            cell.busy += 1
            try:
                given = await cell.actor.receive(waiting.message, waiting.context)
            except Undelivered as raised:
                # What it asked itself did not arrive, and is counted; this message did.
                error = Unavailable(str(raised))
            except PortError as raised:
                error = raised
            except Exception as raised:  # noqa: BLE001 - an actor's bug is answered, logged and survived
                cell.errors += 1
                cell.last_error = f"{type(raised).__name__}: {raised}"[:ERROR_TOLD_MAX]
                cell.failed_ms = int(self._clock.wall() * 1000)
                error = raised
                _log.error("actor failed", actor=cell.name, error=str(raised), exc_info=raised)
            finally:
                cell.busy -= 1
            cell.handled += 1
            _log.debug(
                "handled", actor=cell.name, message=type(waiting.message).__name__, sender=waiting.context.sender[:8]
            )
            if waiting.answer is not None:
                await waiting.answer(given, error)

    def _open_here(self, actor: str, message: Any, theirs: PipeStream) -> None:
        context = self._local_context(None)

        async def run() -> None:
            try:
                await self._serve(actor, message, theirs, context)
            except PortError:
                theirs.reset()
            except Exception:
                theirs.reset()
                raise

        self.supervisor.once(f"stream/{actor}", run())

    async def _serve(self, actor: str, message: Any, stream: ByteStream, context: Context) -> None:
        cell = self._cells.get(actor)
        if cell is None or not isinstance(cell.actor, StreamActor):
            self.letters.count(Reason.NO_ACTOR, actor)
            raise Unavailable(f"no actor {actor!r} serves streams here")
        if cell.streams >= STREAMS_MAX:
            cell.overflows += 1
            self.letters.count(Reason.FULL, actor)
            raise Unavailable(f"{actor} serves {STREAMS_MAX} streams already")
        correlation.set(context.correlation_id or short_id(self._entropy.token(16)))
        cell.streams += 1
        try:
            await cell.actor.serve(message, stream, context)
        finally:
            cell.streams -= 1


def _workers(actor: str, concurrency: int) -> list[str]:
    """Give the names of the supervised tasks of an actor."""
    return [f"actor/{actor}/{number}" for number in range(concurrency)]


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


def _as_port_error(error: BaseException) -> PortError:
    return error if isinstance(error, PortError) else PortError(f"{type(error).__name__}: {error}")


__all__ = ["Actor", "ActorSystem", "CellReport", "Context", "StreamActor", "correlation"]
