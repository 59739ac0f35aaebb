"""Tier 0: single protocols keep their promise over random histories, and a bug put into one is found."""

import pytest

from simulations import planted
from simulations.histories import HISTORIES
from simulations.hunting import hunt_one

SEEDS = {"incarnations": 4}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_protocol_keeps_its_promise_over_the_histories_of(name):
    found = {seed: HISTORIES[name](seed) for seed in range(1, SEEDS.get(name, 60) + 1)}
    assert not {seed: broken for seed, broken in found.items() if broken}


@pytest.mark.parametrize("bug", [bug for bug, where in planted.WHERE.items() if where in HISTORIES])
def test_a_bug_in_a_protocol_is_found(bug):
    hunted = hunt_one(bug, 20)
    assert hunted.found, f"{bug} was not found by {hunted.where} with {hunted.seeds} seeds"
    assert hunted.tier == 0
    assert not HISTORIES[hunted.where](hunted.seeds), "it is the bug that was found"
