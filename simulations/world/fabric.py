"""The paths between simulated machines: which way is open, how long it takes, what is lost.

Invariant: one direction may be shut while the other is open; a link without both ways for ``LINK_TIMEOUT_S`` is given
up by both ends, as QUIC's idle timeout does; what is reliable waits for the way and then comes in order.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh.ports import Host
from proto.ids import NodeId
from simulations.world.entropy import SeededEntropy
from simulations.world.loop import VirtualLoop
from simulations.world.trace import Trace

if TYPE_CHECKING:
    from simulations.world.links import Wire, WorldNetwork

LINK_TIMEOUT_S = 10.0


@dataclass(slots=True)
class Weather:
    """What paths are like. Seconds, and shares from 0.0 to 1.0."""

    latency_s: tuple[float, float] = (0.0005, 0.003)
    loss: float = 0.0
    duplicate: float = 0.0
    spike: float = 0.0
    """Share of packets that take up to ``spike_s`` longer: they overtake each other."""
    spike_s: float = 0.2
    delay_s: float = 0.0
    """Added to every packet's time."""


class Fabric:
    """Every machine's network, and the faults between them."""

    def __init__(self, loop: VirtualLoop, seed: int, trace: Trace) -> None:
        self.loop = loop
        self.trace = trace
        self.weather = Weather()
        self.chance = SeededEntropy(seed, "fabric")
        self.networks: dict[Host, WorldNetwork] = {}
        self.wires: dict[tuple[NodeId, NodeId], Wire] = {}
        self._shut: dict[tuple[NodeId, NodeId], None] = {}
        self._silent: dict[NodeId, None] = {}
        self.traffic: dict[tuple[int, NodeId, NodeId], list[int]] = {}
        """(second, from, to) -> [frames and datagrams, bytes sent]."""
        self.carried = 0
        """Links by way of another machine that have stood."""
        self._context = contextvars.Context()

    # ------------------------------------------------------------ faults

    def shut(self, sources: Iterable[NodeId], targets: Iterable[NodeId]) -> None:
        """Let nothing pass from these to those; the other way stays as it is."""
        targets = list(targets)
        for source in sources:
            for target in targets:
                if source != target:
                    self._shut[(source, target)] = None
        self.refresh()

    def partition(self, groups: list[list[NodeId]]) -> None:
        """Let nothing pass between groups, either way."""
        for mine in groups:
            for theirs in groups:
                if mine is not theirs:
                    self.shut(mine, theirs)

    def heal(self) -> None:
        """Open every way."""
        self._shut.clear()
        self.refresh()

    def silence(self, node: NodeId, silent: bool) -> None:
        """A machine that is paused or dead answers nothing."""
        if silent:
            self._silent[node] = None
        else:
            self._silent.pop(node, None)
        self.refresh()

    def refresh(self) -> None:
        """Look at every link after a change of the ways."""
        for key in sorted(self.wires):
            self.wires[key].look()

    # ------------------------------------------------------------ what paths are like

    def open(self, source: NodeId, target: NodeId) -> bool:
        """Tell whether packets pass this way."""
        return (source, target) not in self._shut

    def answers(self, one: NodeId, other: NodeId) -> bool:
        """Tell whether two machines can hold a link: both live, both ways open."""
        awake = one not in self._silent and other not in self._silent
        return awake and self.open(one, other) and self.open(other, one)

    def silent(self, node: NodeId) -> bool:
        """Tell whether a machine is paused or dead."""
        return node in self._silent

    def delay_s(self) -> float:
        """Draw how long a packet is under way."""
        delay = self.chance.uniform(*self.weather.latency_s) + self.weather.delay_s
        if self.chance.chance(self.weather.spike):
            delay += self.chance.uniform(0.0, self.weather.spike_s)
        return delay

    def reliable_delay_s(self) -> float:
        """Draw how long bytes are under way that are sent again when lost."""
        delay = self.delay_s()
        for _ in range(20):
            if not self.chance.chance(self.weather.loss):
                break
            delay += 0.02 + 3 * self.delay_s()
        return delay

    def sent(self, source: NodeId, target: NodeId, size: int) -> None:
        """Count what was sent."""
        counted = self.traffic.setdefault((int(self.loop.time()), source, target), [0, 0])
        counted[0] += 1
        counted[1] += size

    def later(self, delay_s: float, what: Callable[[], None]) -> None:
        """Have something happen in the world's own name, whoever asked for it."""
        self.loop.call_later(delay_s, what, context=self._context.copy())

    def at(self, when: float, what: Callable[[], None]) -> None:
        """As ``later``, at a time."""
        self.loop.call_at(when, what, context=self._context.copy())
