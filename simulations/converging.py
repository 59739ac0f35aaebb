"""Convergence curves of membership cores alone (tier 0): which share of a mesh knows of a death, or of a newcomer.

Invariant: a curve is a pure function of seed and size; its last point is 1.0, or where the time was over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from proto.ids import NodeId
from simulations.world.cores import CoreWorld

SIZES = (8, 32, 128, 512)
STEP_S = 0.25
JOIN_S_MAX, KNOWN_S_MAX, SETTLE_S = 120.0, 60.0, 30.0

Happening = Literal["death", "join"]


@dataclass(frozen=True, slots=True)
class Curve:
    """What share of the other nodes knew, at virtual seconds after it happened."""

    nodes: int
    happening: Happening
    points: tuple[tuple[float, float], ...]

    @property
    def whole_after_s(self) -> float | None:
        """When all knew; None: not in time."""
        at_s, share = self.points[-1]
        return at_s if share == 1.0 else None


def curves(sizes: Sequence[int] = SIZES, seed: int = 1) -> Iterator[Curve]:
    """Give for each size how the silent death of a node gets about, and then the coming of one in its place."""
    for count in sizes:
        world = CoreWorld(seed, count)
        ids = list(world.nodes)
        world.start()
        world.run_until(partial(world.agree, ids), JOIN_S_MAX)
        world.run(world.now + SETTLE_S)
        victim = ids[count // 2]
        rest = [node for node in ids if node != victim]
        world.crash(victim)
        yield _curve(world, "death", rest, victim)
        yield _curve(world, "join", rest, world.replace(victim))


def _curve(world: CoreWorld, happening: Happening, watchers: Sequence[NodeId], subject: NodeId) -> Curve:
    began_s = world.now
    points = [(0.0, 0.0)]
    while points[-1][1] < 1.0 and world.now - began_s < KNOWN_S_MAX:
        world.run(world.now + STEP_S)
        lives = [subject in world.nodes[node].core.alive() for node in watchers]
        known = lives.count(happening == "join")
        points.append((round(world.now - began_s, 3), known / len(watchers)))
    return Curve(len(watchers) + 1, happening, tuple(points))
