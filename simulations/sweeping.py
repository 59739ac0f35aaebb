"""Many seeds, several worlds at once, for a given time; a summary at the end."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from pathlib import Path

from simulations import recorded
from simulations import scenario as scenarios


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one seed came to."""

    scenario: str
    seed: int
    broken: tuple[str, ...]
    virtual_s: float
    real_s: float
    healed_after_s: float | None
    faults: tuple[str, ...] = ()
    """The kind of each fault that was done, as scenarios call it."""


@dataclass
class Tally:
    """What a scenario came to over all seeds."""

    seeds: int = 0
    virtual_s: float = 0.0
    healed_slowest_s: float = 0.0
    survived: Counter[str] = field(default_factory=Counter)
    """Faults by kind, of the runs that kept every promise."""
    broken: list[Outcome] = field(default_factory=list)


def one(name: str, seed: int, record: Path | None = None, tier: int | None = None) -> Outcome:
    """Tell one scenario with one seed, in its own tier or another; a run that broke a promise goes to ``record``."""
    began = time.perf_counter()
    verdict = recorded.tell(scenarios.load(name, seed, tier=tier), seed)
    if record is not None and not verdict.kept:
        recorded.save(recorded.record(verdict), record / f"{Path(name).stem}-{seed}.json")
    broken = tuple(f"{one.promise}: {one.why}" for one in verdict.broken)
    faults = tuple(fault.kind for fault in verdict.chronicle.faults)
    took_s = time.perf_counter() - began
    return Outcome(name, seed, broken, verdict.virtual_s, took_s, verdict.healed_after_s, faults)


def sweep(
    names: Sequence[str],
    first: int,
    seconds: float,
    processes: int,
    tell: Callable[[str], None],
    record: Path | None = None,
    tier: int | None = None,
) -> int:
    """Sweep until the time is over; every scenario is told at least once. Gives 1 when a promise was broken, else 0."""
    began = time.perf_counter()
    tallies = {name: Tally() for name in names}
    work = ((name, seed) for seed in count(first) for name in names)
    at_once = processes or os.cpu_count() or 1
    running: set[Future[Outcome]] = set()
    started = 0
    # A process a world, started afresh: what one world leaves in memory is no other's.
    tell(f"{len(names)} scenarios from seed {first}, {at_once} at once; each at least once, then until {seconds:.0f} s")
    with ProcessPoolExecutor(at_once, get_context("spawn"), max_tasks_per_child=8) as pool:
        while True:
            while len(running) < at_once and (time.perf_counter() - began < seconds or started < len(names)):
                running.add(pool.submit(one, *next(work), record, tier))
                started += 1
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                count_in(tallies, future.result(), tell)
    summary(tallies, time.perf_counter() - began, tell, "" if tier is None else f" --tier {tier}")
    return 1 if any(tally.broken for tally in tallies.values()) else 0


def count_in(tallies: dict[str, Tally], outcome: Outcome, tell: Callable[[str], None]) -> None:
    """Count what a seed came to, and tell it."""
    tally = tallies[outcome.scenario]
    tally.seeds += 1
    tally.virtual_s += outcome.virtual_s
    tally.healed_slowest_s = max(tally.healed_slowest_s, outcome.healed_after_s or 0.0)
    mark = "kept" if not outcome.broken else "BROKEN"
    tell(f"{outcome.scenario:12} seed {outcome.seed:<6} {mark:6} {outcome.real_s:6.1f} s")
    for line in outcome.broken:
        tell(f"    {line}")
    if outcome.broken:
        tally.broken.append(outcome)
    else:
        tally.survived.update(outcome.faults)


def summary(tallies: dict[str, Tally], took_s: float, tell: Callable[[str], None], how: str = "") -> None:
    """Tell what all seeds came to."""
    tell("")
    tell(f"{'scenario':12} {'seeds':>6} {'broken':>7} {'virtual min':>12} {'slowest to agree':>17}")
    for name, tally in tallies.items():
        minutes = tally.virtual_s / 60
        tell(f"{name:12} {tally.seeds:6} {len(tally.broken):7} {minutes:12.1f} {tally.healed_slowest_s:15.1f} s")
    seeds = sum(tally.seeds for tally in tallies.values())
    tell(f"{seeds} worlds in {took_s:.0f} s")
    survived = sum((tally.survived for tally in tallies.values()), Counter[str]())
    told = ", ".join(f"{kind} {count}" for kind, count in sorted(survived.items()))
    tell(f"faults survived, by kind: {told or 'none'}")
    for name, tally in tallies.items():
        for outcome in tally.broken:
            tell(f"broken: thatdam sim run {name} --seed {outcome.seed}{how}")
