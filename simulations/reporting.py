"""One HTML file that shows a world over time; it needs nothing but itself.

Decides what is drawn: for each machine what it was (up, down, standing still, cut off, its disk full or sick) and what
it believed of every other; chunks that only one machine is known to have; what was sent; answers that were partial,
writes that were refused; the faults, and where a checker objects. The page draws it from one block of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from simulations.chronicle import Chronicle
from simulations.converging import Curve
from simulations.story import Verdict

PAGE = Path(__file__).parent / "report.html"
PLACE = "/*DATA*/null"


def page(verdict: Verdict, plant: str = "", curves: Sequence[Curve] = ()) -> str:
    """Give the page, with the convergence curves of membership if there are some."""
    drawn = [{"nodes": one.nodes, "happening": one.happening, "points": one.points} for one in curves]
    data = json.dumps(content(verdict, plant) | {"curves": drawn}, separators=(",", ":")).replace("</", "<\\/")
    return PAGE.read_text(encoding="utf-8").replace(PLACE, data)


def content(verdict: Verdict, plant: str = "") -> dict[str, object]:
    """Give what the page draws. Times are virtual seconds."""
    chronicle, scenario = verdict.chronicle, verdict.scenario
    again = f"thatdam sim run {scenario.name} --seed {verdict.seed}" + (f" --plant {plant}" if plant else "")
    return {
        "name": scenario.name,
        "title": scenario.title,
        "seed": verdict.seed,
        "plant": plant,
        "again": again,
        "trace": verdict.trace,
        "kept": verdict.kept,
        "seconds": round(verdict.virtual_s, 2),
        "healed_after_s": verdict.healed_after_s,
        "machines": list(chronicle.machines),
        "states": _states(chronicle, verdict.virtual_s),
        "troubles": [
            {
                "at": round(fault.at_s, 3),
                "until": None if fault.until_s is None else round(fault.until_s, 3),
                "kind": fault.kind,
                "text": fault.text,
                "machines": list(fault.machines),
            }
            for fault in chronicle.faults
        ],
        "beliefs": _beliefs(chronicle),
        "samples": [[round(sample.at_s, 2), *sample.alone] for sample in chronicle.samples],
        "traffic": _traffic(chronicle),
        "answers": _answers(verdict),
        "events": [[round(at_s, 3), text] for at_s, text in chronicle.events],
        "broken": [
            {"promise": one.promise, "why": one.why, "at": None if one.at_s is None else round(one.at_s, 3)}
            for one in verdict.broken
        ],
        "figures": verdict.figures,
    }


def _states(chronicle: Chronicle, end_s: float) -> list[list[list[object]]]:
    """Give for each machine stretches [from, to, state], from the samples."""
    told: list[list[list[object]]] = []
    for number, _ in enumerate(chronicle.machines):
        stretches: list[list[object]] = []
        for sample in chronicle.samples:
            state = sample.states[number]
            if not stretches or stretches[-1][2] != state:
                if stretches:
                    stretches[-1][1] = round(sample.at_s, 2)
                stretches.append([round(sample.at_s, 2), round(end_s, 2), state])
        told.append(stretches)
    return told


def _beliefs(chronicle: Chronicle) -> list[list[object]]:
    numbers = {name: number for number, name in enumerate(chronicle.machines)}
    return [
        [round(one.at_s, 2), numbers[one.machine], numbers[one.peer], one.state]
        for one in chronicle.beliefs
        if one.machine in numbers and one.peer in numbers
    ]


def _traffic(chronicle: Chronicle) -> list[list[int]]:
    """Give [second, machine, messages it sent, bytes it sent]."""
    numbers = {name: number for number, name in enumerate(chronicle.machines)}
    sums: dict[tuple[int, int], list[int]] = {}
    for (second, source, _), (messages, size) in chronicle.traffic.items():
        if source in numbers:
            counted = sums.setdefault((second, numbers[source]), [0, 0])
            counted[0] += messages
            counted[1] += size
    return [[second, machine, *counted] for (second, machine), counted in sorted(sums.items())]


def _answers(verdict: Verdict) -> dict[str, list[list[object]]]:
    ledger = verdict.ledger
    if ledger is None:
        return {}
    lists = [one for one in ledger.answers if one.partitions_ok < one.partitions_total]
    searches = [one for one in ledger.searches if one.shards_ok < one.shards_total]
    return {
        "acked": [[round(one.acked_s, 2), one.node] for one in ledger.writes if one.acked_s is not None],
        "refused": [[round(one.at_s, 2), one.node, f"{one.what}: {one.why}"] for one in ledger.refusals],
        "partial": [
            *([round(one.asked_s, 2), one.node, f"a list of {one.partitions_ok} shards"] for one in lists),
            *([round(one.asked_s, 2), one.node, f"a search of {one.shards_ok} shards"] for one in searches),
        ],
    }
