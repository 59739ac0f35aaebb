"""P5: a search that calls itself whole has every picture of the word whose row had settled when it was asked.

A picture's row is known to be there when a person saw it; it has settled after calm seconds, like a write. An answer
that says that shards are missing, or that no model could be reached, may lack anything.
"""

from __future__ import annotations

from simulations.checks.broken import Broken, few
from simulations.ledger import SETTLED_AFTER_S, Ledger

TOLD_MAX = 10


def check_finding(ledger: Ledger) -> list[Broken]:
    """Give the searches that were not honest."""
    broken = []
    settled = [(seen.settled_s, seen.value, seen.key) for seen in ledger.seen if seen.settled_s is not None]
    for one in ledger.searches:
        if one.shards_ok < one.shards_total or one.missing:
            continue
        must = [key for at_s, word, key in settled if word == one.word and at_s <= one.asked_s]
        lost = [key[:8] for key in must if key not in one.assets]
        if lost:
            told = (
                f"{one.node} called its search for {one.word!r} at {one.asked_s:.3f} s whole, but it lacks {few(lost)}"
            )
            broken.append(
                Broken("P5", f"{told}, whose row had settled for {SETTLED_AFTER_S:g} s and more", one.asked_s)
            )
    return broken[:TOLD_MAX]
