"""How fast the simulator runs: whole nodes (tier 1) and membership cores alone (tier 0).

``NODES=5,50,500`` chooses the sizes, ``BUDGET=300`` how many real seconds each world gets before it is cut off.
"""

from __future__ import annotations

import os
import sys

from simulations.benchmarks.measure import Figure
from simulations.speed import Speed, line, measure

SIZES = (5, 50, 500)
USED_S = 20.0
BUDGET_S = 300.0


def run() -> list[Figure]:
    """Measure."""
    sizes = tuple(map(int, os.environ.get("NODES", "").split(","))) if os.environ.get("NODES") else SIZES
    budget_s = float(os.environ.get("BUDGET", BUDGET_S))
    figures = []
    for one in measure(sizes, USED_S, budget_s, lambda text: print(text, file=sys.stderr, flush=True)):
        print(line(one), file=sys.stderr, flush=True)
        figures.append(Figure(_what(one), _told(one), "-", "stated", 1))
    return figures


def _what(one: Speed) -> str:
    what = "cores alone" if one.tier == 0 else f"whole nodes {one.phase}"
    return f"simulated node-seconds a second, tier {one.tier}: {one.nodes} {what}"


def _told(one: Speed) -> str:
    cut = "" if one.whole else ", cut off there"
    return (
        f"{one.node_seconds_a_second:,.0f} ({one.node_seconds_a_cpu_second:,.0f} a CPU s; "
        f"{one.virtual_s:.1f} virtual s in {one.real_s:.0f} s{cut})"
    )
