"""Membership of meshes that no one machine holds as processes: its cores alone, in virtual time (tier 0).

What the network costs below messages (QUIC, IP) is in no figure; a handshake is counted as ``HANDSHAKE_BYTES``.
``MEMBERS=8,32,128,512,1000`` chooses the sizes: 1000 take some minutes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from simulations.benchmarks.measure import Figure
from simulations.world.cores import CoreWorld

SIZES = (8, 32, 128, 256)
JOIN_S, SETTLE_S, IDLE_S = 120.0, 90.0, 60.0
LOSS, LOSS_S, STALL_S, CUT_S = 0.3, 60.0, 12.0, 40.0
HANDSHAKE_BYTES = 5000
"""Of a dial that is answered, both directions, about."""
STEP_S = 0.25


@dataclass
class _Crowd:
    """What was found of a mesh of so many; None: not within its time."""

    joined_s: float | None = None
    links: str = ""
    idle_bytes_s: float = 0.0
    killed_s: float | None = None
    lost: int = 0
    stalled: int = 0
    healed_s: float | None = None


def _one(count: int) -> _Crowd:
    world = CoreWorld(1, count)
    found = _Crowd()
    ids = list(world.nodes)
    world.start()
    found.joined_s = _took(world, lambda: world.agree(ids), JOIN_S)

    world.run(world.now + SETTLE_S)
    sent, dials = world.bytes_sent, world.dials
    world.run(world.now + IDLE_S)
    spent = world.bytes_sent - sent + (world.dials - dials) * HANDSHAKE_BYTES
    found.idle_bytes_s = spent / IDLE_S / count
    links = [len(node.core.links) for node in world.nodes.values()]
    found.links = f"{sum(links) / count:.0f} ({max(links)})"

    victim = ids[count // 2]
    rest = [node for node in ids if node != victim]
    world.crash(victim)
    found.killed_s = _took(world, lambda: world.sees_dead(victim, rest), 60.0)
    world.restart(victim)
    _took(world, lambda: world.agree(ids), 60.0)

    world.loss = LOSS
    world.run(world.now + LOSS_S)
    world.loss = 0.0
    found.lost = len(world.false_deaths)
    _took(world, lambda: world.agree(ids), 60.0)

    stalled = dict.fromkeys(ids[-(count // 4) :])
    before = len(world.false_deaths)
    for _ in range(2):
        for node in stalled:
            world.pause(node)
        world.run(world.now + STALL_S)
        for node in stalled:
            world.resume(node)
        world.run(world.now + 0.5)
    world.run(world.now + 1.0)
    found.stalled = sum(1 for node in world.false_deaths[before:] if node not in stalled)
    _took(world, lambda: world.agree(ids), 90.0)

    world.partition([ids[: count // 2], ids[count // 2 :]])
    world.run(world.now + CUT_S)
    world.heal()
    found.healed_s = _took(world, lambda: world.agree(ids), 90.0)
    return found


def _took(world: CoreWorld, reached: Callable[[], bool], budget_s: float) -> float | None:
    began = world.now
    at = world.run_until(reached, budget_s, STEP_S)
    return None if at is None else at - began


def _s(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


def run() -> list[Figure]:
    """Measure."""
    chosen = os.environ.get("MEMBERS")
    sizes = tuple(int(size) for size in chosen.split(",")) if chosen else SIZES
    found: list[_Crowd] = []
    for size in sizes:
        print(f"  {size} members ...", file=sys.stderr, flush=True)
        found.append(_one(size))
        print(f"  {found[-1]}", file=sys.stderr, flush=True)
    named = " / ".join(str(size) for size in sizes)

    def figure(what: str, tell: Callable[[_Crowd], str], target: str) -> Figure:
        told = " / ".join(tell(one) for one in found)
        return Figure(f"simulated members, {named}: {what}", told, "-", target, 1)

    return [
        figure("all joined", lambda one: _s(one.joined_s), "stated"),
        figure("links a node, mean (most)", lambda one: one.links, "bounded above 64"),
        figure(
            "idle bytes/s a node, messages and handshakes", lambda one: f"{one.idle_bytes_s:.0f}", "log of the nodes"
        ),
        figure("a silent death seen by all", lambda one: _s(one.killed_s), "stated"),
        figure(f"false deaths in {LOSS_S:g} s at 30 % loss", lambda one: str(one.lost), "0"),
        figure("healthy declared dead, a quarter stalled", lambda one: str(one.stalled), "0"),
        figure(f"partition of {CUT_S:g} s healed after", lambda one: _s(one.healed_s), "10 s"),
    ]
