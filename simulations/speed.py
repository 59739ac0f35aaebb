"""How fast the simulator is: node-seconds of virtual time for each second of processor time, and of real time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from simulations.scenario import NODES_MAX, read
from simulations.story import Story
from simulations.world.cores import CoreWorld


@dataclass(frozen=True, slots=True)
class Speed:
    """One measurement. ``cpu_s``: of this process, which is what a quiet core would take."""

    tier: int
    nodes: int
    virtual_s: float
    real_s: float
    cpu_s: float

    @property
    def node_seconds_a_second(self) -> float:
        """Virtual node-seconds a second of real time."""
        return self.nodes * self.virtual_s / self.real_s

    @property
    def node_seconds_a_cpu_second(self) -> float:
        """Virtual node-seconds a second of processor time."""
        return self.nodes * self.virtual_s / self.cpu_s


def measure(nodes: Sequence[int], seconds: float) -> list[Speed]:
    """Measure worlds in calm, with people and a camera, in every tier that is for so many: whole nodes over simulated
    links (1) and over the real transport (2), and membership cores alone (0)."""
    told = []
    for count in nodes:
        told += [_whole(tier, count, seconds) for tier in sorted(NODES_MAX) if count <= NODES_MAX[tier]]
        world = CoreWorld(1, count)
        began, began_cpu = time.perf_counter(), time.process_time()
        world.start()
        world.run(seconds)
        told.append(Speed(0, count, world.now, time.perf_counter() - began, time.process_time() - began_cpu))
    return told


def _whole(tier: int, count: int, seconds: float) -> Speed:
    content = {"nodes": count, "tier": tier, "trouble_s": seconds, "camera": [{"on": "n1", "at_s": 1.0}]}
    began, began_cpu = time.perf_counter(), time.process_time()
    verdict = Story(read("speed", content, 1), 1).tell()
    return Speed(tier, count, verdict.virtual_s, time.perf_counter() - began, time.process_time() - began_cpu)


def line(one: Speed) -> str:
    """Tell it in a line."""
    what = ("cores alone", "whole nodes", "whole nodes over QUIC")[one.tier]
    return (
        f"tier {one.tier}, {one.nodes:4} {what}: {one.node_seconds_a_second:9.1f} node-seconds a second of real time, "
        f"{one.node_seconds_a_cpu_second:9.1f} a second of processor time "
        f"({one.virtual_s:.0f} virtual s in {one.real_s:.1f} s, {one.cpu_s:.1f} s of processor)"
    )


def as_data(one: Speed) -> dict[str, object]:
    """Give it for programs."""
    data = asdict(one)
    data["node_seconds_a_second"] = round(one.node_seconds_a_second, 1)
    data["node_seconds_a_cpu_second"] = round(one.node_seconds_a_cpu_second, 1)
    return data
