"""A run as a file: scenario with every fault as it was chosen, seed, planted bug, trace hash, and what was broken.

Invariant: the same file and the same code give the same trace hash, on any machine and under any PYTHONHASHSEED.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulations import planted
from simulations.scenario import Scenario, ScenarioError, as_data, of_data
from simulations.story import Story, Verdict

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is needed to have a run again, and what came of it. ``plant``: the bug that was put in, if any."""

    scenario: Scenario
    seed: int
    plant: str = ""
    trace: str = ""
    trace_events: int = 0
    broken: tuple[tuple[str, str], ...] = ()

    @property
    def promises(self) -> frozenset[str]:
        """Which promises were broken."""
        return frozenset(promise for promise, _ in self.broken)


def tell(scenario: Scenario, seed: int, plant: str = "") -> Verdict:
    """Tell a scenario, with a planted bug if one is named."""
    with planted.planted(plant) if plant else contextlib.nullcontext():
        return Story(scenario, seed).tell()


def record(verdict: Verdict, plant: str = "") -> Recorded:
    """Give a run as it can be kept."""
    chosen = {_key(event): event for event in verdict.chosen}
    events = tuple(chosen.get(_key(event), event) for event in verdict.scenario.events)
    scenario = dataclasses.replace(verdict.scenario, events=events)
    broken = tuple((one.promise, one.why) for one in verdict.broken)
    return Recorded(scenario, verdict.seed, plant, verdict.trace, verdict.trace_events, broken)


def _key(event: Any) -> tuple[float, str]:
    return (event.at_s, event.do)


def save(recorded: Recorded, path: Path) -> None:
    """Write a run to a file."""
    data = {
        "format": FORMAT,
        "scenario": as_data(recorded.scenario),
        "seed": recorded.seed,
        "plant": recorded.plant,
        "trace_hash": recorded.trace,
        "trace_events": recorded.trace_events,
        "broken": [{"promise": promise, "why": why} for promise, why in recorded.broken],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Recorded:
    """Read a run from a file; ScenarioError says what is wrong with it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScenarioError(f"there is no file {path}; `thatdam sim run --record FILE` writes one") from None
    except OSError as error:
        if path.is_dir():
            raise ScenarioError(f"{path} is a folder; name a file that `thatdam sim run --record FILE` wrote") from None
        raise ScenarioError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    except ValueError:  # not text, or not JSON
        raise ScenarioError(f"{path} is no recorded run; `thatdam sim run --record FILE` writes one") from None
    try:
        if data["format"] != FORMAT:
            raise ScenarioError(f"{path} is a recorded run of format {data['format']}; this release reads {FORMAT}")
        plant = str(data["plant"])
        if plant and plant not in planted.BUGS:
            raise ScenarioError(f"{path} has a planted bug called {plant!r}, and there is none of that name")
        broken = tuple((str(one["promise"]), str(one["why"])) for one in data["broken"])
        scenario, seed = of_data(data["scenario"]), int(data["seed"])
        return Recorded(scenario, seed, plant, str(data["trace_hash"]), int(data["trace_events"]), broken)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ScenarioError):
            raise
        raise ScenarioError(f"{path} is no recorded run: {type(error).__name__}: {error}") from None
