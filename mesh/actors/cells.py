"""The actors of one node: their names, mailboxes and workers, the streams they serve, and how each is doing.

Order holds per sender and actor. A full mailbox is an answer (Unavailable), never a wait. A repeated ask with the same
idempotency key is done once within the window of ``mesh.actors.dedupe`` and answered as the first one was.

Invariant: an actor handles at most ``concurrency`` messages at once and ``mailbox_max`` wait; whatever an actor raises
reaches the asker as one of the port errors and leaves the node running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import structlog

from mesh.actors.deadletters import DeadLetters, Reason, Undelivered
from mesh.actors.dedupe import DedupeWindow
from mesh.actors.pipe import PipeStream
from mesh.actors.supervisor import Supervisor
from mesh.ports import ByteStream, Clock, Entropy, PortError, Unavailable
from proto.ids import NodeId, short_id

ERROR_TOLD_MAX = 300
"""Characters of a failure that a report tells."""
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


@dataclass(slots=True)
class Waiting:
    """A message in a mailbox, and who takes its answer; None: nobody."""

    message: Any
    context: Context
    answer: Callable[[Any | None, BaseException | None], Awaitable[None]] | None


@dataclass(slots=True)
class _Cell:
    name: str
    actor: Actor
    mailbox: asyncio.Queue[Waiting]
    concurrency: int
    streams: int = 0
    busy: int = 0
    handled: int = 0
    overflows: int = 0
    errors: int = 0
    last_error: str = ""
    failed_ms: int = 0


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


class Cells:
    """The actors of one node. What finds no actor or no room is counted in ``letters``, or raised as Undelivered."""

    def __init__(
        self, node_id: NodeId, supervisor: Supervisor, letters: DeadLetters, clock: Clock, entropy: Entropy
    ) -> None:
        self._node_id = node_id
        self._supervisor = supervisor
        self._letters = letters
        self._clock = clock
        self._entropy = entropy
        self._cells: dict[str, _Cell] = {}
        self.window = DedupeWindow()

    def spawn(self, name: str, actor: Actor, *, mailbox_max: int = 256, concurrency: int = 1) -> None:
        """Give an actor its name and mailbox; ValueError when the name is taken."""
        if name in self._cells:
            raise ValueError(f"actor {name!r} exists already")
        cell = self._cells[name] = _Cell(name, actor, asyncio.Queue(mailbox_max), concurrency)
        for worker in _workers(name, concurrency):
            self._supervisor.run(worker, lambda: self._work(cell))

    def report(self) -> list[CellReport]:
        """Give how every actor is doing, by name."""
        tasks = {task.name: task for task in self._supervisor.report()}
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

    def admit(self, actor: str, waiting: Waiting, key: str) -> None:
        """Put an ask into its mailbox, or join the one with the same key that is there or was answered."""
        if not key or waiting.answer is None:
            self.post(actor, waiting)
            return
        name = (waiting.context.sender, actor, key)
        loop = asyncio.get_running_loop()
        known = self.window.find(name, waiting.message, loop.time())
        answer = waiting.answer
        if known is None:

            async def settle(given: Any | None, error: BaseException | None) -> None:
                if error is not None:
                    self.window.fail(name, as_port_error(error))
                else:
                    self.window.settle(name, given, loop.time())
                await answer(given, error)

            self.post(actor, Waiting(waiting.message, waiting.context, settle))
            self.window.begin(name, waiting.message)
            return

        async def repeat() -> None:
            try:
                given = await asyncio.shield(known)
            except PortError as error:
                await answer(None, error)
            else:
                await answer(given, None)

        self._supervisor.once("actors/repeated-ask", repeat())

    def told(self, actor: str, waiting: Waiting) -> None:
        """Post what nobody waits for; what finds no room or no actor is a dead letter."""
        try:
            self.post(actor, waiting)
        except Undelivered as error:
            self._letters.count(error.reason, actor)

    def post(self, actor: str, waiting: Waiting) -> None:
        """Put a message into a mailbox; Undelivered: there is no such actor, or no room."""
        cell = self._cells.get(actor)
        if cell is None:
            raise Undelivered(Reason.NO_ACTOR, f"no actor {actor!r} on node {self._node_id[:8]}")
        try:
            cell.mailbox.put_nowait(waiting)
        except asyncio.QueueFull:
            cell.overflows += 1
            raise Undelivered(Reason.FULL, f"{actor} on {self._node_id[:8]} is overloaded") from None

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

    def open(self, actor: str, message: Any, theirs: PipeStream, context: Context) -> None:
        """Have an actor serve a stream that this node itself opened."""

        async def run() -> None:
            try:
                await self.serve(actor, message, theirs, context)
            except PortError:
                theirs.reset()
            except Exception:
                theirs.reset()
                raise

        self._supervisor.once(f"stream/{actor}", run())

    async def serve(self, actor: str, message: Any, stream: ByteStream, context: Context) -> None:
        """Have an actor serve a stream until it ends; a port error when none can."""
        cell = self._cells.get(actor)
        if cell is None or not isinstance(cell.actor, StreamActor):
            self._letters.count(Reason.NO_ACTOR, actor)
            raise Unavailable(f"no actor {actor!r} serves streams here")
        if cell.streams >= STREAMS_MAX:
            cell.overflows += 1
            self._letters.count(Reason.FULL, actor)
            raise Unavailable(f"{actor} serves {STREAMS_MAX} streams already")
        correlation.set(context.correlation_id or short_id(self._entropy.token(16)))
        cell.streams += 1
        try:
            await cell.actor.serve(message, stream, context)
        finally:
            cell.streams -= 1


def as_port_error(error: BaseException) -> PortError:
    """Give what an actor raised as what its asker is told."""
    return error if isinstance(error, PortError) else PortError(f"{type(error).__name__}: {error}")


def _workers(actor: str, concurrency: int) -> list[str]:
    """Give the names of the supervised tasks of an actor."""
    return [f"actor/{actor}/{number}" for number in range(concurrency)]
