"""Makes a failing run smaller while it still fails by the same checker: fewer faults, nodes and cameras, shorter times.

Greedy, in rounds, as in delta debugging (Zeller and Hildebrandt, 2002): candidates are tried in a fixed order, a few at
once, and the first that still breaks the promise is taken. Invariant: what comes out was run, and broke that promise.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import Any

from simulations.recorded import Recorded, record, tell
from simulations.scenario import Event, Scenario, ScenarioError, as_data, of_data

TRIES_MAX = 200
LEAST_S = 1.0
ROUGH = 0.5

Candidate = tuple[str, Scenario]
Attempt = Callable[[Sequence[Scenario]], list[Recorded]]


def shrink(
    failing: Recorded, promise: str, seconds: float, say: Callable[[str], None], attempt: Attempt, at_once: int = 1
) -> Recorded:
    """Give the smallest run found within the time that still breaks ``promise``."""
    began = time.monotonic()
    best, tried = failing, 0
    while True:
        candidates = _smaller(best.scenario)
        found: tuple[str, Recorded] | None = None
        while found is None and (batch := list(islice(candidates, at_once))):
            if tried >= TRIES_MAX or time.monotonic() - began > seconds:
                say(f"the time is over after {tried} runs")
                return best
            tried += len(batch)
            for (how, _), one in zip(batch, attempt([scenario for _, scenario in batch]), strict=True):
                if promise in one.promises:
                    found = (how, one)
                    break
        if found is None:
            say(f"nothing smaller fails, after {tried} runs")
            return best
        how, best = found
        say(f"{how}: still breaks {promise} ({told(best.scenario)})")


def told(scenario: Scenario) -> str:
    """Tell a scenario's size."""
    trouble = f"{scenario.trouble_s:.0f} s"
    return f"{scenario.nodes} nodes, {len(scenario.events)} faults, {len(scenario.cameras)} cameras, {trouble}"


def here(seed: int, plant: str) -> Attempt:
    """Run candidates in this process, one after another."""
    return lambda scenarios: [record(tell(scenario, seed, plant), plant) for scenario in scenarios]


class Pool:
    """Runs candidates in processes of their own, one a core."""

    def __init__(self, seed: int, plant: str) -> None:
        self._seed, self._plant = seed, plant
        self.at_once = os.cpu_count() or 1
        self._pool = ProcessPoolExecutor(self.at_once, get_context("spawn"), max_tasks_per_child=16)

    def __call__(self, scenarios: Sequence[Scenario]) -> list[Recorded]:
        """Run them at once."""
        runs = [self._pool.submit(_run, as_data(scenario), self._seed, self._plant) for scenario in scenarios]
        return [run.result() for run in runs]

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)


def _run(data: dict[str, object], seed: int, plant: str) -> Recorded:
    return record(tell(of_data(data), seed, plant), plant)


# ---------------------------------------------------------------- candidates


def _smaller(scenario: Scenario) -> Iterator[Candidate]:
    """Give smaller scenarios, the boldest first."""
    yield from _fewer_faults(scenario)
    yield from _fewer_nodes(scenario)
    for number in range(len(scenario.cameras)):
        cameras = scenario.cameras[:number] + scenario.cameras[number + 1 :]
        yield f"without camera {number + 1}", dataclasses.replace(scenario, cameras=cameras)
    for name in scenario.clocks:
        clocks = {node: clock for node, clock in scenario.clocks.items() if node != name}
        yield f"with a good clock on {name}", dataclasses.replace(scenario, clocks=clocks)
    yield from _shorter(scenario)


def _fewer_faults(scenario: Scenario) -> Iterator[Candidate]:
    events = scenario.events
    size = len(events)
    while size >= 1:
        for at in range(0, len(events), size):
            left = events[:at] + events[at + size :]
            what = f"faults {at + 1} to {at + size}" if size > 1 else f"fault {at + 1} ({events[at].do})"
            yield f"without {what}", dataclasses.replace(scenario, events=left)
        size //= 2


def _fewer_nodes(scenario: Scenario) -> Iterator[Candidate]:
    filming = {camera.on for camera in scenario.cameras}
    for number in range(scenario.nodes, 0, -1):
        if scenario.nodes > 1 and f"n{number}" not in filming:
            smaller = _without(scenario, number)
            if smaller is not None:
                yield f"without n{number}", smaller


def _without(scenario: Scenario, number: int) -> Scenario | None:
    """Take a machine out; those after it move up."""

    def name(old: str) -> str:
        at = int(old[1:])
        return old if at < number else f"n{at - 1}"

    def names(olds: Sequence[str]) -> tuple[str, ...]:
        return tuple(name(old) for old in olds if old != gone)

    gone = f"n{number}"
    events: list[Event] = []
    for event in scenario.events:
        if event.node == gone:
            continue
        groups = event.groups
        if not isinstance(groups, str):
            groups = tuple(group for group in map(names, groups) if group)
            if event.do == "partition" and not groups:
                continue
        source, target = names(event.source), names(event.target)
        if event.do in ("shut", "narrow") and event.target and not (source and target):
            continue
        node = name(event.node) if event.node.startswith("n") and event.node != "any" else event.node
        events.append(dataclasses.replace(event, node=node, groups=groups, source=source, target=target))
    try:
        return of_data(
            as_data(
                dataclasses.replace(
                    scenario,
                    nodes=scenario.nodes - 1,
                    events=tuple(events),
                    cameras=tuple(
                        dataclasses.replace(camera, on=name(camera.on))
                        for camera in scenario.cameras
                        if camera.on != gone
                    ),
                    clocks={name(node): clock for node, clock in scenario.clocks.items() if node != gone},
                    roles={name(node): roles for node, roles in scenario.roles.items() if node != gone},
                )
            )
        )
    except ScenarioError:
        return None


def _shorter(scenario: Scenario) -> Iterator[Candidate]:
    events = scenario.events
    last_s = max((event.at_s + (event.for_s or 0.0) for event in events), default=0.0)
    for trouble_s in (last_s + 2.0, (last_s + scenario.trouble_s) / 2):
        if LEAST_S < trouble_s < scenario.trouble_s - 1.0:
            yield f"{trouble_s:.0f} s of trouble", dataclasses.replace(scenario, trouble_s=round(trouble_s, 3))
    first_s = min((event.at_s for event in events), default=0.0)
    if first_s > 2 * LEAST_S:
        by_s = round(first_s * ROUGH, 3)
        moved = tuple(dataclasses.replace(event, at_s=round(event.at_s - by_s, 3)) for event in events)
        sooner = dataclasses.replace(scenario, events=moved, trouble_s=max(LEAST_S, scenario.trouble_s - by_s))
        yield f"everything {by_s:.1f} s sooner", sooner
    for number, event in enumerate(events):
        for how, smaller in _milder(event):
            replaced = (*events[:number], smaller, *events[number + 1 :])
            yield f"fault {number + 1} ({event.do}) {how}", dataclasses.replace(scenario, events=replaced)


def _milder(event: Event) -> Iterator[tuple[str, Event]]:
    if event.for_s is not None and event.for_s > 2 * LEAST_S:
        yield "shorter", dataclasses.replace(event, for_s=round(event.for_s * ROUGH, 3))
    for name in ("duplicate", "spike", "delay_ms", "loss", "read_errors", "write_errors", "misdirected", "torn"):
        if getattr(event, name):
            yield f"without {name}", dataclasses.replace(event, **_none(name))


def _none(name: str) -> dict[str, Any]:
    return {name: 0.0}
