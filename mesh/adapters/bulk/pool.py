"""The lane's connections of one link, and which stream goes by them.

Decides how many there are: the dialler opens streams on what it dialled, one at a time on each, and has at most
``DIALLED_MAX``; bulk leaves some of them to record copies. What finds no free one goes by QUIC, and so does everything
while the peer has no lane that can be reached: nobody waits longer than ``DIAL_WAIT_S`` to find that out, and after a
failure it is tried again after ``AGAIN_S``, twice as long each time.

Invariant: every connection is of this link, and ends with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from mesh.adapters.bulk.stream import LaneStream, Turns
from mesh.adapters.bulk.wire import Wire
from mesh.ports import Flow, Host, PortError, Unavailable
from proto.ids import NodeId

DIALLED_MAX = 6
BULK_MAX = 4
"""Streams of bulk at once; of record copies DIALLED_MAX."""
ACCEPTED_MAX = 8
"""Connections that the peer may have dialled."""
DIAL_WAIT_S = 0.3
AGAIN_S, AGAIN_S_MAX = 60.0, 960.0
IDLE_S = 30.0
"""A connection that was free for so long is closed by its dialler, and after twice that by the other side."""
_log = structlog.get_logger("bulk")


class Pool:
    """Connections of the lane to one peer. ``dial`` makes a proven one; ``serve`` is given the peer's streams."""

    def __init__(
        self,
        peer: NodeId,
        host: Host | None,
        dial: Callable[[Host], Awaitable[Wire]],
        serve: Callable[[Flow, bytes, LaneStream], None],
        misbehaved: Callable[[str], None],
        now_s: Callable[[], float],
    ) -> None:
        self._peer = peer
        self._host = host
        self._dial = dial
        self._serve = serve
        self._misbehaved = misbehaved
        self._now_s = now_s
        self._dialled: dict[Turns, None] = {}
        self._accepted: dict[Turns, None] = {}
        self._free: list[Turns] = []
        self._dialling: asyncio.Task[None] | None = None
        self._dialling_since_s = 0.0
        self._again_at = 0.0
        self._again_s = AGAIN_S
        self._closed = False
        self.streams = 0
        """Streams that went by the lane, in both directions."""

    async def open(self, flow: Flow, header: bytes) -> LaneStream | None:
        """Open a stream; None when it has to go by QUIC."""
        while self._may(flow):
            if self._free:
                self.streams += 1
                return self._free.pop().open(flow, header)
            dialling = self._grow()
            left_s = self._dialling_since_s + DIAL_WAIT_S - self._now_s()
            if dialling is None or left_s <= 0:
                break
            # The dial goes on when it takes longer, for those who come later.
            await asyncio.wait([dialling], timeout=left_s)
        return None

    def _may(self, flow: Flow) -> bool:
        if self._closed or self._host is None:
            return False
        running = sum(1 for turns in self._dialled if turns.stream is not None and turns.flow is flow)
        return running < (BULK_MAX if flow is Flow.BULK else DIALLED_MAX)

    def _grow(self) -> asyncio.Task[None] | None:
        """Give the dial that is on its way, begun if there may be one more; else None."""
        if self._dialling is None and len(self._dialled) < DIALLED_MAX and self._now_s() >= self._again_at:
            self._dialling_since_s = self._now_s()
            self._dialling = asyncio.get_running_loop().create_task(self._one_more())
        return self._dialling

    async def _one_more(self) -> None:
        assert self._host is not None
        try:
            wire = await self._dial(self._host)
            if wire.over:
                raise Unavailable(wire.over)
        except PortError as error:
            self._again_at = self._now_s() + self._again_s
            self._again_s = min(AGAIN_S_MAX, self._again_s * 2)
            host, port = self._host
            _log.info("bulk goes by QUIC", peer=self._peer, lane=f"{host}:{port}", reason=str(error))
            return
        finally:
            self._dialling = None
        if not self._dialled:
            _log.debug("bulk lane up", peer=self._peer)
        self._again_s = AGAIN_S
        turns = self._turns(wire, dialled=True)
        self._dialled[turns] = None
        self._is_free(turns)

    def take(self, wire: Wire) -> bool:
        """Take a connection that the peer has dialled and proven; False when there are enough."""
        if self._closed or len(self._accepted) >= ACCEPTED_MAX:
            return False
        turns = self._turns(wire, dialled=False)
        turns.since_s = self._now_s()
        self._accepted[turns] = None
        return True

    def _turns(self, wire: Wire, *, dialled: bool) -> Turns:
        made = Turns(
            wire,
            dialled=dialled,
            serve=self._serves,
            free=self._is_free,
            lost=self._is_lost,
            misbehaved=self._misbehaved,
        )
        wire.session = made
        return made

    def _serves(self, flow: Flow, header: bytes, stream: LaneStream) -> None:
        self.streams += 1
        self._serve(flow, header, stream)

    def _is_free(self, turns: Turns) -> None:
        turns.since_s = self._now_s()
        if turns.dialled and not turns.wire.over:
            self._free.append(turns)

    def _is_lost(self, turns: Turns) -> None:
        self._dialled.pop(turns, None)
        self._accepted.pop(turns, None)
        if turns in self._free:
            self._free.remove(turns)

    def tidy(self) -> None:
        """Close what has been free for too long."""
        now_s = self._now_s()
        for turns in [*self._dialled, *self._accepted]:
            if turns.stream is None and now_s - turns.since_s > (IDLE_S if turns.dialled else 2 * IDLE_S):
                turns.end("not used for some time")

    def close(self, reason: str) -> None:
        """End every connection; streams are lost at once."""
        self._closed = True
        if self._dialling is not None:
            self._dialling.cancel()
        for turns in [*self._dialled, *self._accepted]:
            turns.end(reason)
