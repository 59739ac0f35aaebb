"""The clock a node goes by: its own, or the median of the mesh's while its own is more than a minute from that.

Nodes tell each other their own, uncorrected clocks as links come up and again and again, so that one wrong clock does
not spread. Expiry is judged by ``judged_ms``, which one peer cannot put back (``mesh.core.clockguard``); what was
agreed on with others is remembered for a machine that starts without the time. Invariant: ``monotonic`` is the
machine's; ``wall`` is the machine's but for the correction.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from mesh.actors.system import ActorSystem, Context
from mesh.core.clockguard import ClockGuard
from mesh.core.hlc import AHEAD_MS_MAX, RELEASE_MS
from mesh.ports import Channel, Clock, Network, NotFound, PortError
from proto.ids import NodeId
from proto.messages.clock import AskClock, ClockShown

ACTOR = "clock"
ASK_EVERY_S = 30.0
ASK_TIMEOUT_S = 2.0
FLOOR = "clock/floor"
FLOOR_STEP_MS = 3_600_000
"""How much later it has become when what is agreed on is written down again."""

_log = structlog.get_logger("clock")


class Meta(Protocol):
    """Values by name in the node's database."""

    async def meta(self, key: str) -> bytes | None:
        """Give a value kept under a name."""

    async def set_meta(self, key: str, value: bytes) -> None:
        """Keep a value under a name, durably."""


class Judge:
    """A ``ports.Clock`` for what expires."""

    def __init__(self, clock: MeshClock) -> None:
        self._clock = clock

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return self._clock.monotonic()

    def wall(self) -> float:
        """Give UTC seconds since 1970 by which expiry is judged."""
        return self._clock.judged_ms() / 1000

    def contradicted(self, peer: NodeId, wall_ms: int) -> None:
        """Take note that a member whose certificate is over by this clock has another time on its own."""
        self._clock.contradicted(peer, wall_ms)


class MeshClock:
    """A ``ports.Clock`` that does not stray from the mesh's; ``open`` it once links may come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guard = ClockGuard()
        self._peers: dict[NodeId, None] = {}
        self._unasked: dict[NodeId, None] = {}
        """Peers that came since all were asked."""
        self._wake = asyncio.Event()
        self._system: ActorSystem | None = None
        self._told_ms = 0
        self._floor_ms = RELEASE_MS
        self._meta: Meta | None = None
        self._members: Callable[[], int] = lambda: 1

    async def recall(self, meta: Meta, members: Callable[[], int]) -> None:
        """Recall the time once agreed on, and keep it there from now on; ``members`` counts the mesh's."""
        kept = await meta.meta(FLOOR)
        self._floor_ms = max(RELEASE_MS, int(kept) if kept is not None else 0)
        self._meta, self._members = meta, members

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return self._clock.monotonic()

    def wall(self) -> float:
        """Give UTC seconds since 1970, corrected."""
        return self._clock.wall() + self.correction_ms() / 1000

    def correction_ms(self) -> int:
        """Give what is added to the machine's clock; 0 while it is within a minute of the mesh's."""
        return self._guard.correction_ms(int(self._clock.wall() * 1000), int(self._clock.monotonic() * 1000))

    def judged_ms(self) -> int:
        """Give the time by which expiry is judged, UTC milliseconds."""
        return self._guard.judged_ms(*self._now_ms(), self._floor_ms, self._members())

    def contradicted(self, peer: NodeId, wall_ms: int) -> None:
        """Take note of the clock of a member that this node's own clock has refused as expired."""
        self._guard.contradicted(peer, wall_ms, self._now_ms()[1])

    def warning(self) -> str:
        """Say for people what is wrong with this machine's clock; empty: nothing is known to be."""
        own_ms, monotonic_ms = self._now_ms()
        correction_ms = self.correction_ms()
        if correction_ms:
            return (
                f"this machine's clock is off by {_apart(correction_ms)}: it shows {_shown(own_ms)}, and the mesh's "
                "is used meanwhile; set it right"
            )
        others = self._guard.contradicting(monotonic_ms)
        if others and abs(others[-1] - own_ms) > AHEAD_MS_MAX:
            return (
                f"this machine's clock shows {_shown(own_ms)}, and nodes that it refuses as expired show "
                f"{_shown(others[-1])}, {_apart(others[-1] - own_ms)} away: if this one is wrong, set it right"
            )
        return ""

    def _now_ms(self) -> tuple[int, int]:
        return int(self._clock.wall() * 1000), int(self._clock.monotonic() * 1000)

    async def _keep_agreed(self) -> None:
        agreed_ms = self._guard.agreed_ms(*self._now_ms())
        if self._meta is None or agreed_ms is None or agreed_ms < self._floor_ms + FLOOR_STEP_MS:
            return
        self._floor_ms = agreed_ms
        try:
            await self._meta.set_meta(FLOOR, str(agreed_ms).encode())
        except PortError as error:
            _log.warning("time agreed on not kept", error=str(error))

    def open(self, system: ActorSystem, network: Network) -> None:
        """Begin to ask peers for their clocks."""
        self._system = system
        self._peers = dict.fromkeys(network.links())
        system.spawn(ACTOR, self)
        system.watch_links(self._on_link)
        system.supervisor.run("clock", self._run)

    def _on_link(self, peer: NodeId, up: bool) -> None:
        if up:
            self._peers[peer] = self._unasked[peer] = None
            self._wake.set()
        else:
            self._peers.pop(peer, None)
            self._unasked.pop(peer, None)

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Tell what this machine's clock shows."""
        if not isinstance(message, AskClock):
            raise NotFound(f"clock takes no {type(message).__name__} from {context.sender[:8]}")
        return ClockShown(int(self._clock.wall() * 1000))

    async def _run(self) -> None:
        all_again_at = self._clock.monotonic()
        while True:
            self._wake.clear()
            everybody = self._clock.monotonic() >= all_again_at
            peers, self._unasked = list(self._peers if everybody else self._unasked), {}
            if everybody:
                all_again_at = self._clock.monotonic() + ASK_EVERY_S
            await asyncio.gather(*(self.ask(peer) for peer in peers))
            await self._keep_agreed()
            correction_ms = self.correction_ms()
            if abs(correction_ms - self._told_ms) > 1000:
                self._told_ms = correction_ms
                _log.warning("this machine's clock is wrong; the mesh's is used", seconds_off=-correction_ms / 1000)
            try:
                async with asyncio.timeout(all_again_at - self._clock.monotonic()):
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


def _shown(wall_ms: int) -> str:
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(milliseconds=wall_ms)
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _apart(difference_ms: int) -> str:
    seconds = abs(difference_ms) // 1000
    for size, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
