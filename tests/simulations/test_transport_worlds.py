"""Tier 2: whole meshes over the real transport and simulated datagrams keep their promises, and a seed decides all."""

import pytest

from simulations import scenario as scenarios
from simulations.story import Story
from tests.simulations.hash_seeds import told_twice


def tell(name, seed, nodes=None, tier=None):
    return Story(scenarios.load(name, seed, nodes, tier), seed).tell()


def told(verdict):
    return "\n".join([*verdict.events, *(f"{one.promise}: {one.why}" for one in verdict.broken)])


@pytest.mark.parametrize(("name", "seed"), [("lossy", 1), ("roaming", 1), ("narrow", 1)])
def test_every_promise_is_kept_over_the_paths_of(name, seed):
    verdict = tell(name, seed, nodes=3)
    assert verdict.kept, told(verdict)
    assert verdict.figures["writes_acknowledged"] > 20
    assert verdict.figures["units_filmed"] > 500


SMALL = {
    "tier": 2,
    "nodes": 3,
    "trouble_s": 5.0,
    "event": [{"do": "weather", "at_s": 1.0, "loss": 0.1, "duplicate": 0.05, "spike": 0.2, "spike_s": 0.05}],
}


def tell_small(seed):
    return Story(scenarios.read("small", SMALL, seed), seed).tell()


def test_the_same_seed_under_two_hash_seeds_is_the_same_to_the_last_byte_on_the_wire():
    trace, events = told_twice("tests.simulations.test_transport_worlds", "tell_small", 5)
    assert events > 1000
    assert tell_small(6).trace != trace


def test_what_happens_to_datagrams_is_refused_where_there_are_none():
    with pytest.raises(scenarios.ScenarioError, match="only tier 2 has"):
        scenarios.load("narrow", 1, tier=1)
    with pytest.raises(scenarios.ScenarioError, match="1 to 30 nodes"):
        scenarios.load("calm", 1, nodes=31, tier=2)
    with pytest.raises(scenarios.ScenarioError, match="tier 1 or 2"):
        scenarios.load("calm", 1, tier=3)
