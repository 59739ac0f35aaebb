"""``thatdam sim``: tells scenarios, and says whether the promises were kept. Exit status 1: one was broken.

A verb group of the command line by the entry point group ``thatdam.verbs``; what runs a world is imported when it runs.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulations import scenario as scenarios

if TYPE_CHECKING:
    from simulations.recorded import Recorded
    from simulations.story import Verdict

sim = typer.Typer(no_args_is_help=True, help="Simulate a mesh and check its promises.")

BROKEN = 1
WRONG = 2
Tier = Annotated[
    int | None,
    typer.Option(help="1: simulated links; 2: the real transport over simulated datagrams; the scenario's own if none"),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@sim.command("list")
def list_scenarios(as_json: AsJson = False) -> None:
    """List the scenarios."""
    told = [scenarios.load(name, 1) for name in scenarios.names()]
    if as_json:
        print(json.dumps([_listed(one) for one in told], indent=2))
        return
    for one in told:
        print(f"{one.name:12} {one.title}")


def _listed(one: scenarios.Scenario) -> dict[str, object]:
    return {"name": one.name, "title": one.title, "nodes": one.nodes, "tier": one.tier}


@sim.command()
def run(
    scenario: Annotated[str, typer.Argument(help="a scenario's name, or a path to a .toml file")],
    seed: Annotated[int, typer.Option(min=0, help="decides everything that is left to chance")] = 1,
    nodes: Annotated[int | None, typer.Option(help="how many nodes, instead of the scenario's own number")] = None,
    tier: Tier = None,
    plant: Annotated[str, typer.Option(help="put in a bug that the checkers must find; `list` for their names")] = "",
    trace: Annotated[bool, typer.Option("--trace", help="print every event of the end of the world")] = False,
    log: Annotated[bool, typer.Option("--log", help="print what the nodes logged")] = False,
    record: Annotated[
        Path | None, typer.Option(help="write the run to this file, to be told again by `replay`")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell a scenario: seed, events, verdict."""
    from simulations import planted, recorded

    if plant == "list":
        for name, make in planted.BUGS.items():
            print(f"{name:28} {(make.__doc__ or '').splitlines()[0]}")
        return
    try:
        told = scenarios.load(scenario, seed, nodes, tier)
    except scenarios.ScenarioError as error:
        raise _wrong(str(error)) from None
    if plant and plant not in planted.BUGS:
        raise _wrong(f"no planted bug is called {plant!r}; there are {', '.join(planted.BUGS)}")
    began = time.perf_counter()
    verdict = recorded.tell(told, seed, plant)
    took_s = time.perf_counter() - began
    if as_json:
        print(json.dumps(as_data(verdict, took_s), indent=2))
    else:
        _show(verdict, plant, took_s, verdict.lines if trace else [], verdict.log if log else [])
    if record is not None:
        recorded.save(recorded.record(verdict, plant), record)
    raise typer.Exit(0 if verdict.kept else BROKEN)


@sim.command()
def replay(
    file: Annotated[Path, typer.Argument(help="what `run --record`, `sweep --record` or `shrink` wrote")],
    trace: Annotated[bool, typer.Option("--trace", help="print every event of the end of the world")] = False,
    log: Annotated[bool, typer.Option("--log", help="print what the nodes logged")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell a recorded run again, and say whether it is the same to the last event."""
    from simulations import recorded

    one = _read(file)
    began = time.perf_counter()
    verdict = recorded.tell(one.scenario, one.seed, one.plant)
    took_s = time.perf_counter() - began
    same = verdict.trace == one.trace
    if as_json:
        print(json.dumps({**as_data(verdict, took_s), "same_trace": same}, indent=2))
    else:
        _show(verdict, one.plant, took_s, verdict.lines if trace else [], verdict.log if log else [])
        print(
            "again     the same to the last event"
            if same
            else f"again     another trace than was recorded ({one.trace[:16]}, {one.trace_events} events): "
            "the code has changed since"
        )
    raise typer.Exit(0 if verdict.kept else BROKEN)


@sim.command()
def shrink(
    what: Annotated[str, typer.Argument(help="a recorded run, or a scenario's name")],
    seed: Annotated[int, typer.Option(min=0, help="of a scenario that is named")] = 1,
    plant: Annotated[str, typer.Option(help="a planted bug, for a scenario that is named")] = "",
    promise: Annotated[str, typer.Option(help="the promise that must stay broken; by default the first")] = "",
    minutes: Annotated[float, typer.Option(min=0.1, help="about how long at most")] = 10.0,
    out: Annotated[Path, typer.Option(help="where the smaller run goes")] = Path("shrunk.json"),
) -> None:
    """Make a failing run smaller: fewer nodes and faults, shorter, while the same promise is broken."""
    from simulations import recorded, shrinking

    _check_writable(out)
    failing = _failing(what, seed, plant)
    if not failing.broken:
        raise _wrong("every promise is kept: there is nothing to shrink")
    broken = promise or failing.broken[0][0]
    if broken not in failing.promises:
        raise _wrong(f"{broken} is kept; broken is {', '.join(sorted(failing.promises))}")
    print(f"breaks {broken}: {shrinking.told(failing.scenario)}")
    pool = shrinking.Pool(failing.seed, failing.plant)
    try:
        smaller = shrinking.shrink(failing, broken, minutes * 60, _say, pool, pool.at_once)
    finally:
        pool.close()
    recorded.save(smaller, out)
    print(f"shrunk to {shrinking.told(smaller.scenario)}: thatdam sim replay {out}")
    for name, why in smaller.broken:
        print(f"BROKEN    {name}: {why}")


@sim.command()
def report(
    what: Annotated[str, typer.Argument(help="a recorded run, or a scenario's name")],
    seed: Annotated[int, typer.Option(min=0, help="of a scenario that is named")] = 1,
    plant: Annotated[str, typer.Option(help="a planted bug, for a scenario that is named")] = "",
    out: Annotated[Path, typer.Option(help="the file to write")] = Path("report.html"),
    curves: Annotated[
        bool, typer.Option("--curves", help="with convergence curves of 8 to 512 nodes: minutes")
    ] = False,
) -> None:
    """Tell a run and write it as one HTML file: who thought what of whom, copies at risk, messages, faults."""
    from simulations import converging, recorded, reporting

    _check_writable(out)
    one = _named(what, seed, plant)
    verdict = recorded.tell(one.scenario, one.seed, one.plant)
    drawn = []
    for curve in converging.curves() if curves else ():
        drawn.append(curve)
        told = "not all in time" if curve.whole_after_s is None else f"all know after {curve.whole_after_s:.2f} s"
        print(f"{curve.happening:6}    {curve.nodes} nodes: {told}", flush=True)
    out.write_text(reporting.page(verdict, one.plant, drawn), encoding="utf-8")
    for broken in verdict.broken:
        print(f"BROKEN    {broken.promise}: {broken.why}")
    print(f"report    {out}")


@sim.command("planted")
def try_planted(
    only: Annotated[list[str] | None, typer.Option("--bug", help="only this one; may be given again")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="give up after so many")] = 10,
    processes: Annotated[int, typer.Option(min=0, help="worlds at once; 0: one a core")] = 0,
    as_json: AsJson = False,
) -> None:
    """Put in each planted bug, one at a time, and tell by which promise and with how many seeds it was found."""
    from simulations import hunting, planted

    for name in only or ():
        if name not in planted.BUGS:
            raise _wrong(f"no planted bug is called {name!r}; there are {', '.join(planted.BUGS)}")
    found = hunting.hunt(only or list(planted.BUGS), seeds, processes, None if as_json else _say)
    if as_json:
        print(json.dumps([hunting.as_data(one) for one in found], indent=2))
    raise typer.Exit(0 if all(one.found for one in found) else BROKEN)


@sim.command()
def speed(
    nodes: Annotated[list[int] | None, typer.Option("--nodes", help="how many; may be given again")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="virtual seconds of use")] = 20.0,
    budget: Annotated[float, typer.Option(min=1.0, help="real seconds for a world; then it is cut off")] = 300.0,
    as_json: AsJson = False,
) -> None:
    """Measure simulated node-seconds for each second of real time: whole nodes (tiers 1 and 2) and cores alone (0)."""
    from simulations import speed as measuring

    told = []
    for one in measuring.measure(nodes or [5, 50, 500], seconds, budget, lambda text: typer.echo(text, err=True)):
        told.append(measuring.as_data(one))
        if not as_json:
            _say(measuring.line(one))
    if as_json:
        print(json.dumps(told, indent=2))


@sim.command()
def sweep(
    minutes: Annotated[float, typer.Option(min=0.1, help="about how long")] = 5.0,
    first: Annotated[int, typer.Option(min=0, help="the first seed")] = 1,
    only: Annotated[list[str] | None, typer.Option("--scenario", help="only this one; may be given again")] = None,
    processes: Annotated[int, typer.Option(min=0, help="worlds at once; 0: one a core")] = 0,
    record: Annotated[Path | None, typer.Option(help="a folder that gets a file of each run that broke one")] = None,
    tier: Tier = None,
) -> None:
    """Tell all scenarios, seed after seed, until the time is over; print a summary."""
    from simulations import sweeping

    for name in only or ():
        try:
            scenarios.load(name, first, tier=tier)
        except scenarios.ScenarioError as error:
            raise _wrong(str(error)) from None
    names = only or [name for name in scenarios.names() if tier is None or scenarios.fits(name, tier)]
    raise typer.Exit(sweeping.sweep(names, first, minutes * 60, processes, _say, record, tier))


def as_data(verdict: Verdict, took_s: float) -> dict[str, object]:
    """Give a verdict for programs."""
    return {
        "scenario": verdict.scenario.name,
        "nodes": verdict.scenario.nodes,
        "tier": verdict.scenario.tier,
        "seed": verdict.seed,
        "kept": verdict.kept,
        "broken": [{"promise": one.promise, "why": one.why} for one in verdict.broken],
        "healed_after_s": verdict.healed_after_s,
        "figures": verdict.figures,
        "events": verdict.events,
        "trace_hash": verdict.trace,
        "trace_events": verdict.trace_events,
        "virtual_s": round(verdict.virtual_s, 3),
        "real_s": round(took_s, 3),
    }


def _show(verdict: Verdict, plant: str, took_s: float, lines: list[str], log: list[str]) -> None:
    print(f"scenario  {verdict.scenario.name}: {verdict.scenario.title}")
    print(f"seed      {verdict.seed}, {verdict.scenario.nodes} nodes, tier {verdict.scenario.tier}")
    for line in lines:
        print(f"   {line}")
    for line in log:
        print(f"log {line}")
    for event in verdict.events:
        print(event)
    figures = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in verdict.figures.items())
    print(f"figures   {figures}")
    print(f"trace     {verdict.trace} over {verdict.trace_events} events")
    print(f"time      {verdict.virtual_s:.1f} virtual seconds in {took_s:.1f} real ones")
    for one in verdict.broken:
        print(f"BROKEN    {one.promise}: {one.why}")
    told = verdict.scenario
    again = f"thatdam sim run {told.name} --seed {verdict.seed} --nodes {told.nodes} --tier {told.tier}"
    again += f" --plant {plant}" if plant else ""
    print("verdict   every promise was kept" if verdict.kept else f"verdict   broken; the same again: {again}")


def _read(file: Path) -> Recorded:
    from simulations import recorded

    try:
        return recorded.load(file)
    except scenarios.ScenarioError as error:
        raise _wrong(str(error)) from None


def _named(what: str, seed: int, plant: str) -> Recorded:
    """Give a recorded run, or a scenario that is yet to run."""
    from simulations import planted, recorded

    if what.endswith(".json"):
        return _read(Path(what))
    if plant and plant not in planted.BUGS:
        raise _wrong(f"no planted bug is called {plant!r}; there are {', '.join(planted.BUGS)}")
    try:
        return recorded.Recorded(scenarios.load(what, seed), seed, plant)
    except scenarios.ScenarioError as error:
        raise _wrong(str(error)) from None


def _failing(what: str, seed: int, plant: str) -> Recorded:
    from simulations import recorded

    one = _named(what, seed, plant)
    return one if one.trace else recorded.record(recorded.tell(one.scenario, one.seed, one.plant), one.plant)


def _check_writable(file: Path) -> None:
    """Say, before a world is run, that what comes of it could not be written."""
    there = file.exists()
    try:
        with file.open("ab"):
            pass
        if not there:
            file.unlink()
    except FileNotFoundError:
        raise _wrong(f"there is no folder {file.parent}: {file} could not be written") from None
    except OSError as error:
        why = "it is a folder" if file.is_dir() else (error.strerror or str(error)).lower()
        raise _wrong(f"{file} could not be written: {why}") from None


def _say(line: str) -> None:
    print(line, flush=True)


def _wrong(text: str) -> typer.Exit:
    typer.echo(text, err=True)
    return typer.Exit(WRONG)
