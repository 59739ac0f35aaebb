"""Hunts the planted bugs: each is put in, one at a time, and seeds are told until a checker finds it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context

from simulations import planted, recorded
from simulations import scenario as scenarios
from simulations.histories import HISTORIES


@dataclass(frozen=True, slots=True)
class Hunted:
    """What became of one bug: where it was hunted (tier 0: a history, tiers 1 and 2: a scenario), with how many seeds
    it was found, and by what. ``seeds`` without ``found``: it was not found with so many."""

    bug: str
    tier: int
    where: str
    found: bool
    seeds: int
    promises: tuple[str, ...]
    why: str
    real_s: float


def hunt_one(bug: str, seeds: int) -> Hunted:
    """Hunt one bug. ``RuntimeError``: it no longer fits the code it is put into, so that finding it says nothing."""
    where = planted.WHERE[bug]
    tier = 0 if where in HISTORIES else scenarios.load(where, 1).tier
    began = time.perf_counter()
    for seed in range(1, seeds + 1):
        with planted.planted(bug):
            broken = HISTORIES[where](seed) if tier == 0 else recorded.tell(scenarios.load(where, seed), seed).broken
        unfit = next((one.why for one in broken if "<locals>" in one.why), None)
        if unfit is not None:
            raise RuntimeError(f"the planted bug {bug} does not fit the code it is put into: {unfit}")
        if broken:
            took_s = round(time.perf_counter() - began, 2)
            return Hunted(
                bug, tier, where, True, seed, tuple(dict.fromkeys(one.promise for one in broken)), broken[0].why, took_s
            )
    return Hunted(bug, tier, where, False, seeds, (), "", round(time.perf_counter() - began, 2))


def hunt(bugs: Sequence[str], seeds: int, processes: int, say: Callable[[str], None] | None) -> list[Hunted]:
    """Hunt bugs, some at once."""
    at_once = processes or os.cpu_count() or 1
    with ProcessPoolExecutor(at_once, get_context("spawn"), max_tasks_per_child=1) as pool:
        runs = [pool.submit(hunt_one, bug, seeds) for bug in bugs]
        found = []
        for run in runs:
            one = run.result()
            found.append(one)
            if say is not None:
                say(line(one))
    return found


def line(one: Hunted) -> str:
    """Tell it in a line."""
    where = f"tier {one.tier} {one.where}"
    if not one.found:
        return f"{one.bug:28} {where:20} NOT FOUND with {one.seeds} seeds, {one.real_s:.1f} s"
    seeds = f"{one.seeds} seed" + ("s" if one.seeds > 1 else "")
    return f"{one.bug:28} {where:20} {seeds:8} {one.real_s:6.1f} s  {' '.join(one.promises)}: {one.why}"


def as_data(one: Hunted) -> dict[str, object]:
    """Give it for programs."""
    return asdict(one)
