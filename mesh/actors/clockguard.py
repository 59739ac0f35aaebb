"""The clock a node goes by: its own, or the median of the mesh's while its own is more than a minute from that.

Nodes tell each other their own, uncorrected clocks as links come up and again and again, so that one wrong clock does
not spread. Invariant: ``monotonic`` is the machine's; ``wall`` is the machine's but for the correction.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from mesh.actors.system import ActorSystem, Context
from mesh.core.clockguard import ClockGuard
from mesh.ports import Channel, Clock, Network, NotFound, PortError
from proto.ids import NodeId
from proto.messages.clock import AskClock, ClockShown

ACTOR = "clock"
ASK_EVERY_S = 30.0
ASK_TIMEOUT_S = 2.0

_log = structlog.get_logger("clock")


class MeshClock:
    """A ``ports.Clock`` that does not stray from the mesh's; ``open`` it once links may come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guard = ClockGuard()
        self._peers: dict[NodeId, None] = {}
        self._wake = asyncio.Event()
        self._system: ActorSystem | None = None
        self._told_ms = 0

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return self._clock.monotonic()

    def wall(self) -> float:
        """Give UTC seconds since 1970, corrected."""
        return self._clock.wall() + self.correction_ms() / 1000

    def correction_ms(self) -> int:
        """Give what is added to the machine's clock; 0 while it is within a minute of the mesh's."""
        return self._guard.correction_ms(int(self._clock.wall() * 1000), int(self._clock.monotonic() * 1000))

    def open(self, system: ActorSystem, network: Network) -> None:
        """Begin to ask peers for their clocks."""
        self._system = system
        self._peers = dict.fromkeys(network.links())
        system.spawn(ACTOR, self)
        system.watch_links(self._on_link)
        system.supervisor.run("clock", self._run)

    def _on_link(self, peer: NodeId, up: bool) -> None:
        if up:
            self._peers[peer] = None
            self._wake.set()
        else:
            self._peers.pop(peer, None)

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Tell what this machine's clock shows."""
        if not isinstance(message, AskClock):
            raise NotFound(f"clock takes no {type(message).__name__} from {context.sender[:8]}")
        return ClockShown(int(self._clock.wall() * 1000))

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            await asyncio.gather(*(self.ask(peer) for peer in list(self._peers)))
            correction_ms = self.correction_ms()
            if abs(correction_ms - self._told_ms) > 1000:
                self._told_ms = correction_ms
                _log.warning("this machine's clock is wrong; the mesh's is used", seconds_off=-correction_ms / 1000)
            try:
                async with asyncio.timeout(ASK_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def ask(self, peer: NodeId) -> None:
        """Ask one peer for its clock; half the round trip is taken off."""
        assert self._system is not None
        asked = self._clock.monotonic()
        try:
            shown = await self._system.ask(
                peer, ACTOR, AskClock(), ClockShown, timeout_s=ASK_TIMEOUT_S, channel=Channel.CONTROL
            )
        except PortError as error:
            _log.debug("clock not told", peer=peer[:8], error=str(error))
            return
        self._guard.heard(peer, shown.wall_ms, int((asked + self._clock.monotonic()) * 500))
