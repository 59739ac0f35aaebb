"""Runs connections over one UDP socket.

Decides when what is sent: a wake drains up to 64 datagrams, hands their events out, lets the tasks they woke run, and
then transmits once for every touched connection, the more urgent class first. A class may send only its budget of bytes
a wake; what is left waits for the next turn of the loop, so that bulk never keeps requests waiting for long.

Invariant: whatever a peer sends ends at most its own connection.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from typing import Protocol

import structlog

from mesh.adapters.quic.engine import Address, Closed, Connection, Engine, Event
from mesh.ports import Clock

CODE_BUG = 0x7


class Lane(enum.IntEnum):
    """What a connection carries, the most urgent first. The values are on the wire, in the proof."""

    MAIN = 0
    RECORD = 2
    BULK = 3


BUDGET_BYTES = {Lane.MAIN: 512 << 10, Lane.RECORD: 128 << 10, Lane.BULK: 64 << 10}
"""Bytes that the connections of a class may send in one wake, together."""
ANSWER_LOOK_S = 0.02
TIMER_STEP_S = 1e-5
"""A timer waits so long at least: one that is due but for a rounding error does not turn in circles until then."""
_DATAGRAM_BYTES_LEAST = 4096
_log = structlog.get_logger("quic")


class Session(Protocol):
    """What hears a connection's events. It may be exchanged, as when a peer has been proven."""

    def on_event(self, event: Event) -> None:
        """Take one event; must not wait."""


class Sender(Protocol):
    """Where datagrams go."""

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram, or lose it."""


class Carrier:
    """A connection with its place in the driver."""

    def __init__(self, driver: Driver, connection: Connection, session: Session | None = None) -> None:
        self.connection = connection
        self.session = session
        self.lane = Lane.MAIN
        self.heard_s = 0.0
        """When the peer was last heard, monotonic."""
        self.strayed = False
        """Datagrams for it came from an address that is not the peer's."""
        self.routes: dict[bytes, None] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.timer_s = 0.0
        self.gone = False
        self._end_told = False
        self._driver = driver
        self._waiting: dict[int, list[tuple[int, asyncio.Future[None]]]] = {}

    def tell(self, event: Event) -> None:
        """Give the session an event."""
        self._end_told = self._end_told or isinstance(event, Closed)
        if self.session is not None:
            self.session.on_event(event)

    def end(self) -> None:
        """Mark the connection as gone; its session hears it if it has not yet."""
        self.gone = True
        if not self._end_told:
            self.tell(Closed(CODE_BUG, "ended here", by_tls=False))
        self.progress()

    def touch(self) -> None:
        """Have the driver transmit for this connection soon."""
        self._driver.touch(self)

    def close(self, code: int, reason: str) -> None:
        """End the connection; the peer sees the reason."""
        self.connection.close(code, reason)
        self.touch()

    async def answers(self, within_s: float) -> bool:
        """Tell whether the peer shows within some seconds that it still lives."""
        before = self.connection.probes_answered
        self.connection.probe()
        self.touch()
        loop = asyncio.get_running_loop()
        until_s = loop.time() + within_s
        while loop.time() < until_s and not self.gone:
            if self.connection.probes_answered > before:
                return True
            await asyncio.sleep(ANSWER_LOOK_S)
        return False

    async def room(self, stream: int, window_bytes: int) -> None:
        """Wait until fewer than half of ``window_bytes`` of a stream are unacknowledged, or the connection is gone."""
        if self.gone:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(stream, []).append((window_bytes // 2, future))
        await future

    def progress(self) -> None:
        """Wake the writers that have room again."""
        for stream in list(self._waiting):
            unsent = 0 if self.gone else self.connection.unsent(stream)
            left = []
            for below, future in self._waiting[stream]:
                if unsent > below:
                    left.append((below, future))
                elif not future.done():
                    future.set_result(None)
            if left:
                self._waiting[stream] = left
            else:
                del self._waiting[stream]


class Driver:
    """All connections of a node, on one socket."""

    def __init__(
        self,
        engine: Engine,
        socket: Sender,
        clock: Clock,
        unknown: Callable[[bytes, Address], Carrier | bytes | None],
        rubbish: Callable[[Address], None] = lambda _: None,
    ) -> None:
        self._rubbish = rubbish
        self._engine = engine
        self._socket = socket
        self._clock = clock
        self._unknown = unknown
        self._routes: dict[bytes, Carrier] = {}
        self._carriers: dict[Carrier, None] = {}
        self._dirty: dict[Carrier, None] = {}
        self._flush_due: asyncio.Handle | None = None
        self.received = 0
        self.ignored = 0
        """Datagrams that belonged to nobody."""

    @property
    def carriers(self) -> list[Carrier]:
        """The connections there are, the oldest first."""
        return list(self._carriers)

    def add(self, connection: Connection, session: Session | None = None) -> Carrier:
        """Take a connection in."""
        carrier = Carrier(self, connection, session)
        carrier.heard_s = self._clock.monotonic()
        self._carriers[carrier] = None
        self._update_routes(carrier)
        self.touch(carrier)
        return carrier

    # ------------------------------------------------------------ in

    def receive(self, batch: list[tuple[bytes, Address]]) -> None:
        """Take a batch of datagrams from the socket."""
        now_s = self._clock.monotonic()
        touched: dict[Carrier, None] = {}
        for data, address in batch:
            carrier = self._find(data, address)
            if carrier is None:
                self.ignored += 1
                continue
            self.received += 1
            carrier.heard_s = now_s
            try:
                carrier.connection.receive(data, address, now_s)
            except Exception as error:  # noqa: BLE001 - a peer's bytes end its connection, not the driver
                self._broken(carrier, error)
                continue
            carrier.strayed = carrier.strayed or carrier.connection.address != address
            touched[carrier] = None
        for carrier in touched:
            if not carrier.gone:
                self._hand_out(carrier)
                self.touch(carrier)

    def _find(self, data: bytes, address: Address) -> Carrier | None:
        route = self._engine.route(data)
        if route is None:
            self._rubbish(address)
            return None
        carrier = self._routes.get(route)
        if carrier is not None:
            return carrier
        found = self._unknown(data, address)
        if isinstance(found, bytes):
            self._socket.send(found, address)
            return None
        return found

    def _hand_out(self, carrier: Carrier) -> None:
        try:
            for event in carrier.connection.events():
                carrier.tell(event)
        except Exception as error:  # noqa: BLE001 - what one peer's events run into must not end the driver
            self._broken(carrier, error)
            return
        self._update_routes(carrier)
        carrier.progress()

    def _broken(self, carrier: Carrier, error: Exception) -> None:
        _log.error("connection dropped", error=repr(error), address=carrier.connection.address[:2], exc_info=error)
        carrier.close(CODE_BUG, "internal error")

    def _update_routes(self, carrier: Carrier) -> None:
        new, old = carrier.connection.routes()
        for route in new:
            self._routes[route] = carrier
            carrier.routes[route] = None
        for route in old:
            self._routes.pop(route, None)
            carrier.routes.pop(route, None)

    # ------------------------------------------------------------ out

    def touch(self, carrier: Carrier) -> None:
        """Transmit for this connection once the tasks that are ready have run."""
        self._dirty[carrier] = None
        if self._flush_due is None:
            self._flush_due = asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Transmit for every touched connection, by class, within the budgets."""
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None
        dirty, self._dirty = self._dirty, {}
        now_s = self._clock.monotonic()
        budget = dict(BUDGET_BYTES)
        for carrier in sorted(dirty, key=_urgency):
            if carrier.gone:
                continue
            left = budget[carrier.lane]
            if left < _DATAGRAM_BYTES_LEAST:
                self.touch(carrier)
                continue
            sent = self._transmit(carrier, now_s, left)
            budget[carrier.lane] = left - sent
            if sent > left - _DATAGRAM_BYTES_LEAST:
                self.touch(carrier)

    def _transmit(self, carrier: Carrier, now_s: float, budget_bytes: int) -> int:
        connection = carrier.connection
        try:
            datagrams = connection.transmit(now_s, budget_bytes)
        except Exception as error:  # noqa: BLE001 - one connection's state must not keep the others from sending
            _log.error("connection ended", error=repr(error), address=connection.address[:2], exc_info=error)
            self._remove(carrier)
            return 0
        send = self._socket.send
        sent = 0
        for data, address in datagrams:
            send(data, address)
            sent += len(data)
        if connection.over:
            for data, address in datagrams:
                # A lost goodbye would leave the peer waiting for its idle timeout.
                send(data, address)
            self._hand_out(carrier)
            self._remove(carrier)
        else:
            self._update_routes(carrier)
            self._arm(carrier, now_s)
        return sent

    def _arm(self, carrier: Carrier, now_s: float) -> None:
        at_s = carrier.connection.timer()
        if at_s is None:
            return
        if carrier.timer is not None:
            if carrier.timer_s <= at_s:
                # It fires early, finds nothing to do, and is armed again: cheaper than moving it each time.
                return
            carrier.timer.cancel()
        carrier.timer_s = at_s
        carrier.timer = asyncio.get_running_loop().call_later(max(TIMER_STEP_S, at_s - now_s), self._fire, carrier)

    def _fire(self, carrier: Carrier) -> None:
        carrier.timer = None
        if carrier.gone:
            return
        now_s = self._clock.monotonic()
        at_s = carrier.connection.timer()
        if at_s is not None and at_s > now_s + 0.0005:
            self._arm(carrier, now_s)
            return
        carrier.connection.fire(now_s)
        self._hand_out(carrier)
        self.touch(carrier)

    def _remove(self, carrier: Carrier) -> None:
        if carrier.gone:
            return
        if carrier.timer is not None:
            carrier.timer.cancel()
            carrier.timer = None
        for route in carrier.routes:
            if self._routes.get(route) is carrier:
                del self._routes[route]
        self._carriers.pop(carrier, None)
        carrier.end()

    def close(self) -> None:
        """Send what is to be sent, goodbyes among it, and forget every connection."""
        self.flush()
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None
        for carrier in self.carriers:
            self._remove(carrier)
        if self.ignored:
            _log.debug("datagrams of nobody", count=self.ignored)


def _urgency(carrier: Carrier) -> int:
    return carrier.lane


__all__ = ["BUDGET_BYTES", "Carrier", "Driver", "Lane", "Session"]
