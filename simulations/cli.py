"""``thatdam sim``: tells scenarios, and says whether the promises were kept. Exit status 1: one was broken.

A verb group of the command line by the entry point group ``thatdam.verbs``; what runs a world is imported when it runs.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from simulations import scenario as scenarios

if TYPE_CHECKING:
    from simulations.story import Verdict

sim = typer.Typer(no_args_is_help=True, help="Simulate a mesh and check its promises.")

BROKEN = 1
WRONG = 2
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@sim.command("list")
def list_scenarios(as_json: AsJson = False) -> None:
    """List the scenarios."""
    told = [scenarios.load(name, 1) for name in scenarios.names()]
    if as_json:
        print(json.dumps([{"name": one.name, "title": one.title, "nodes": one.nodes} for one in told], indent=2))
        return
    for one in told:
        print(f"{one.name:12} {one.title}")


@sim.command()
def run(
    scenario: Annotated[str, typer.Argument(help="a scenario's name, or a path to a .toml file")],
    seed: Annotated[int, typer.Option(min=0, help="decides everything that is left to chance")] = 1,
    nodes: Annotated[int | None, typer.Option(help="how many nodes, instead of the scenario's own number")] = None,
    plant: Annotated[str, typer.Option(help="put in a bug that the checkers must find; `list` for their names")] = "",
    trace: Annotated[bool, typer.Option("--trace", help="print every event of the end of the world")] = False,
    log: Annotated[bool, typer.Option("--log", help="print what the nodes logged")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell a scenario: seed, events, verdict."""
    from simulations import planted
    from simulations.story import Story

    if plant == "list":
        for name, make in planted.BUGS.items():
            print(f"{name:28} {(make.__doc__ or '').splitlines()[0]}")
        return
    try:
        told = scenarios.load(scenario, seed, nodes)
    except scenarios.ScenarioError as error:
        raise _wrong(str(error)) from None
    if plant and plant not in planted.BUGS:
        raise _wrong(f"no planted bug is called {plant!r}; there are {', '.join(planted.BUGS)}")
    began = time.perf_counter()
    if plant:
        with planted.planted(plant):
            verdict = Story(told, seed).tell()
    else:
        verdict = Story(told, seed).tell()
    took_s = time.perf_counter() - began
    if as_json:
        print(json.dumps(as_data(verdict, took_s), indent=2))
    else:
        _show(verdict, took_s, verdict.lines if trace else [], verdict.log if log else [])
    raise typer.Exit(0 if verdict.kept else BROKEN)


@sim.command()
def sweep(
    minutes: Annotated[float, typer.Option(min=0.1, help="about how long")] = 5.0,
    first: Annotated[int, typer.Option(min=0, help="the first seed")] = 1,
    only: Annotated[list[str] | None, typer.Option("--scenario", help="only this one; may be given again")] = None,
    processes: Annotated[int, typer.Option(min=0, help="worlds at once; 0: one a core")] = 0,
) -> None:
    """Tell all scenarios, seed after seed, until the time is over; print a summary."""
    from simulations import sweeping

    for name in only or ():
        try:
            scenarios.load(name, first)
        except scenarios.ScenarioError as error:
            raise _wrong(str(error)) from None
    raise typer.Exit(sweeping.sweep(only or scenarios.names(), first, minutes * 60, processes, _say))


def as_data(verdict: Verdict, took_s: float) -> dict[str, object]:
    """Give a verdict for programs."""
    return {
        "scenario": verdict.scenario.name,
        "nodes": verdict.scenario.nodes,
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


def _show(verdict: Verdict, took_s: float, lines: list[str], log: list[str]) -> None:
    print(f"scenario  {verdict.scenario.name}: {verdict.scenario.title}")
    print(f"seed      {verdict.seed}, {verdict.scenario.nodes} nodes")
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
    again = f"thatdam sim run {verdict.scenario.name} --seed {verdict.seed} --nodes {verdict.scenario.nodes}"
    print("verdict   every promise was kept" if verdict.kept else f"verdict   broken; the same again: {again}")


def _say(line: str) -> None:
    print(line, flush=True)


def _wrong(text: str) -> typer.Exit:
    typer.echo(text, err=True)
    return typer.Exit(WRONG)
