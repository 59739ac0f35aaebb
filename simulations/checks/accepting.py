"""P1 and P3: every side goes on accepting writes and answering, in time; P5: a list that calls itself whole is whole.

A running node takes what its person writes whatever became of the others, and answers a list in time, whole or honest
about what is missing. What had settled in calm is in every list that says all partitions answered.
"""

from __future__ import annotations

from simulations.checks.broken import Broken, few
from simulations.ledger import SETTLED_AFTER_S, Ledger

TOLD_REFUSALS_MAX = 20


def check_accepting(ledger: Ledger) -> list[Broken]:
    """Give what was refused, late or dishonest."""
    broken = [
        Broken("P1", f"{one.node} did not {one.what} at {one.at_s:.3f} s: {one.why}", one.at_s)
        for one in ledger.refusals
    ]
    return broken[:TOLD_REFUSALS_MAX] + _honesty(ledger)


def _honesty(ledger: Ledger) -> list[Broken]:
    broken = []
    notes = [write for write in ledger.writes if write.kind == "note"]
    settled = [(write.settled_s, write.key) for write in notes if write.settled_s is not None]
    for answer in ledger.answers:
        if answer.partitions_ok < answer.partitions_total:
            continue
        missing = [key.rstrip("x") for at_s, key in settled if at_s <= answer.asked_s and key not in answer.keys]
        if missing:
            told = f"{answer.node} called its list at {answer.asked_s:.3f} s whole, but it lacks {few(missing)}, "
            broken.append(Broken("P5", f"{told}which had settled for {SETTLED_AFTER_S:g} s and more", answer.asked_s))
    return broken
