"""A proven connection of the lane and the stream that is on it.

Decides when a connection is free for the next stream: once both sides have ended or reset their direction. What comes
of a stream that was reset here is let go, for ``ENDING_S`` at most; then the connection is given up instead.

Invariant: at most ``READ_WINDOW_BYTES`` and one receive buffer wait to be read, and at most ``SEND_WINDOW_BYTES`` and
one piece to be sent, beside what the kernel's socket holds: a reader that stops stops the writer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from mesh.adapters.bulk import frames
from mesh.adapters.bulk.frames import Cutter, Ended, Kind, Opened, Piece, WasReset
from mesh.adapters.bulk.wire import Wire
from mesh.pieces import gather_exactly, take_piece
from mesh.ports import Flow, StreamLost, Unavailable
from proto.codec import Malformed

READ_WINDOW_BYTES = 512 << 10
SEND_WINDOW_BYTES = 128 << 10
PIECE_BYTES = 64 << 10
"""Bytes sent at once: requests and live groups of this loop wait for no more than a few of these."""
ENDING_S = 5.0
"""How long the rest of a stream that was reset here may take to come."""
_NOTHING = memoryview(b"")


class LaneStream:
    """One stream of a connection; a ``ports.ByteStream``."""

    def __init__(self, turns: Turns, number: int) -> None:
        self.number = number
        self._turns = turns
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._in_closed = False
        self._out_closed = False
        self._unwanted = False
        self._lost = ""
        self._write_lost = ""
        self._dropped = False
        self._arrival: asyncio.Future[None] | None = None
        self._progress: asyncio.Future[None] | None = None

    # ------------------------------------------------------------ from the connection

    def came(self, data: bytes) -> None:
        """Take bytes; Malformed when the peer had ended its direction."""
        if self._in_closed:
            raise Malformed("bytes behind the end of a stream")
        if self._unwanted:
            return
        self._chunks.append(data)
        self._buffered += len(data)
        if self._buffered >= READ_WINDOW_BYTES:
            self._turns.hold(self)
        _wake(self._arrival)

    def ended(self) -> None:
        """No more bytes come."""
        if self._in_closed:
            raise Malformed("a stream ended twice")
        self._in_closed = True
        _wake(self._arrival)
        self._turns.settle(self)

    def was_reset(self) -> None:
        """The peer reads no more, and sends no more unless it had ended before."""
        if not self._in_closed:
            self._in_closed = True
            self._lose("the peer reset the stream")
        self._write_lost = self._write_lost or "the peer reads no more of this stream"
        if not self._out_closed:
            self._out_closed = True
            self._turns.send(Kind.RESET, self.number)
        _wake(self._progress)
        self._turns.settle(self)

    def fail(self, reason: str) -> None:
        """The connection is gone. What has come whole can still be read."""
        self._dropped = not self._unwanted
        if not self._in_closed:
            self._lose(reason)
        self._write_lost = self._write_lost or reason
        self._in_closed = self._out_closed = True
        _wake(self._progress)

    def writable(self) -> None:
        """There is room for more again."""
        _wake(self._progress)

    def _lose(self, reason: str) -> None:
        self._lost = self._lost or reason
        self._chunks.clear()
        self._buffered = 0
        _wake(self._arrival)

    @property
    def closed(self) -> bool:
        """Both sides have ended or reset their direction."""
        return self._in_closed and self._out_closed

    # ------------------------------------------------------------ for the application

    async def read(self, size_max: int = 65536) -> bytes:
        """Give 1 to ``size_max`` bytes, or ``b""`` at the end."""
        while not self._chunks:
            if self._lost:
                raise self._error(self._lost)
            if self._in_closed:
                return b""
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        taken = take_piece(self._chunks, size_max)
        self._buffered -= len(taken)
        if self._buffered < READ_WINDOW_BYTES // 2:
            self._turns.let(self)
        return taken

    async def read_exactly(self, size: int) -> bytes:
        """Give exactly ``size`` bytes."""
        return await gather_exactly(self.read, size)

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while more than the window is unsent. Others of the loop get their turn between pieces."""
        view = memoryview(data)
        for start in range(0, len(view), PIECE_BYTES):
            if start:
                await asyncio.sleep(0)
            while self._turns.full and not self._write_lost and not self._out_closed:
                self._progress = asyncio.get_running_loop().create_future()
                await self._progress
            self._check_writable()
            self._turns.send(Kind.PIECE, self.number, view[start : start + PIECE_BYTES])
        if not data:
            self._check_writable()

    def _check_writable(self) -> None:
        if self._write_lost:
            raise self._error(self._write_lost)
        if self._out_closed:
            raise Unavailable("stream is finished")

    def _error(self, reason: str) -> Unavailable:
        return StreamLost(reason) if self._dropped else Unavailable(reason)

    async def finish(self) -> None:
        """Say that no more bytes follow."""
        if self._out_closed or self._write_lost:
            return
        self._out_closed = True
        self._turns.send(Kind.END, self.number)
        self._turns.settle(self)

    def reset(self) -> None:
        """Drop both directions; what was finished before still reaches the peer."""
        if self._unwanted:
            return
        self._unwanted = True
        if not self.closed:
            self._turns.send(Kind.RESET, self.number)
        self._out_closed = True
        self._lose("stream was reset")
        self._write_lost = self._write_lost or "stream was reset"
        _wake(self._progress)
        self._turns.settle(self)
        self._turns.unwanted(self)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


class Turns:
    """A proven connection: streams that take turns on it; a wire's ``Session``.

    ``serve`` is given the streams that the peer opens, ``free`` hears when the connection can take another one,
    ``lost`` when it is gone, and ``misbehaved`` what the peer sent that it should not have.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        dialled: bool,
        serve: Callable[[Flow, bytes, LaneStream], None],
        free: Callable[[Turns], None],
        lost: Callable[[Turns], None],
        misbehaved: Callable[[str], None],
    ) -> None:
        self.wire = wire
        self.dialled = dialled
        self.stream: LaneStream | None = None
        """The stream that is on it now."""
        self.flow = Flow.BULK
        self.since_s = 0.0
        """When it became free, by the clock of who keeps it."""
        self._serve = serve
        self._free = free
        self._lost = lost
        self._misbehaved = misbehaved
        self._cutter = Cutter()
        self._number = 0
        self._held = False
        self._ending: asyncio.TimerHandle | None = None
        wire.proven(SEND_WINDOW_BYTES)

    # ------------------------------------------------------------ for the pool

    def open(self, flow: Flow, header: bytes) -> LaneStream:
        """Open a stream on a connection that is free."""
        assert self.dialled
        assert self.stream is None
        self._number = (self._number + 1) % frames.NUMBERS
        self.flow = flow
        self.stream = LaneStream(self, self._number)
        self.wire.write(frames.opening(self._number, flow, header))
        return self.stream

    def end(self, reason: str) -> None:
        """Give the connection up."""
        self.wire.abort(reason)

    # ------------------------------------------------------------ for its stream

    @property
    def full(self) -> bool:
        """There is no room for more now."""
        return self.wire.full

    def send(self, kind: Kind, number: int, data: memoryview = _NOTHING) -> None:
        """Send a frame."""
        self.wire.write(frames.head(kind, number, len(data)), data)

    def hold(self, stream: LaneStream) -> None:
        """Read no more until ``let``: enough waits."""
        if stream is self.stream and not self._held:
            self._held = True
            self.wire.pause()

    def let(self, stream: LaneStream) -> None:
        """Read on."""
        if stream is self.stream and self._held:
            self._held = False
            self.wire.resume()

    def settle(self, stream: LaneStream) -> None:
        """Take note that a direction of the stream has come to its end."""
        if stream is not self.stream:
            return
        if stream.closed:
            self.let(stream)
            self.stream = None
            if self._ending is not None:
                self._ending.cancel()
                self._ending = None
            self._free(self)

    def unwanted(self, stream: LaneStream) -> None:
        """Read on, to the end of a stream that nobody wants any more, but not for long."""
        if stream is self.stream:
            self.let(stream)
            self._ending = asyncio.get_running_loop().call_later(
                ENDING_S, self.end, "the rest of a stream did not come"
            )

    # ------------------------------------------------------------ from the wire

    def heard(self, data: memoryview) -> None:
        """Take what came."""
        try:
            for event in self._cutter.feed(data):
                self._on(event)
        except Malformed as error:
            self._misbehaved(str(error))
            self.end(str(error))

    def _on(self, event: frames.Event) -> None:
        stream = self.stream
        match event:
            case Opened(number, flow, header):
                if self.dialled or stream is not None:
                    raise Malformed("a stream was opened out of turn")
                self.flow = flow
                self.stream = LaneStream(self, number)
                self._serve(flow, header, self.stream)
            case WasReset(number):
                # It may be about the stream before: the peer had not seen yet that both sides had ended.
                if stream is not None and stream.number == number:
                    stream.was_reset()
            case Piece(number, data):
                self._current(number).came(data)
            case Ended(number):
                self._current(number).ended()

    def _current(self, number: int) -> LaneStream:
        if self.stream is None or self.stream.number != number:
            raise Malformed("a frame of a stream that is not open")
        return self.stream

    def writable(self) -> None:
        """There is room for more again."""
        if self.stream is not None:
            self.stream.writable()

    def gone(self, reason: str) -> None:
        """The connection is gone."""
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.fail(reason)
        self._lost(self)
