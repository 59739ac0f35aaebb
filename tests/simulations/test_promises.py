"""Whole simulated meshes: the promises hold over faults, a seed decides everything, and planted bugs are caught."""

import pytest

from simulations import scenario as scenarios
from simulations.histories import HISTORIES
from simulations.hunting import hunt_one
from simulations.planted import BUGS, WHERE
from simulations.story import Story
from tests.simulations.hash_seeds import told_twice


def tell(name, seed):
    return Story(scenarios.load(name, seed), seed).tell()


def tell_short(seed):
    return tell("short", seed)


def tell_followed(seed):
    return tell("followed", seed)


def told(verdict):
    return "\n".join([*verdict.events, *(f"{one.promise}: {one.why}" for one in verdict.broken)])


@pytest.mark.parametrize(("name", "seed"), [("calm", 1), ("lone", 1), ("studio", 1), ("moving", 1), ("failover", 1)])
def test_every_promise_is_kept_over_the_faults_of(name, seed):
    verdict = tell(name, seed)
    assert verdict.kept, told(verdict)
    assert verdict.figures["writes_acknowledged"] > 20
    assert verdict.figures["units_filmed"] > 500


def test_nodes_that_cannot_reach_each_other_keep_every_promise_by_way_of_others():
    verdict = tell("carried", 1)
    assert verdict.kept, told(verdict)
    assert verdict.figures["links_carried"] >= 2, "another carried on when the first was killed"


def test_what_is_kept_stays_while_what_packing_made_needless_is_collected_under_faults():
    verdict = tell("collect", 1)
    assert verdict.kept, told(verdict)
    assert verdict.figures["chunks_collected"] > 50


def test_a_recorder_that_is_killed_is_followed_within_its_lease_and_no_unit_is_missing():
    verdict = tell_followed(1)
    assert verdict.kept, told(verdict)
    assert 0 < verdict.figures["unattended_longest_s"] < 3.0


# Seeds that found a bug. Each names what was wrong.


def test_a_recorder_that_starts_again_alone_in_a_partition_with_a_lost_clock_records_on_and_states_its_hole():
    """It asked the mesh what it records before any link stood; its first openings sorted before all others."""
    verdict = tell("reboot", 1)
    assert verdict.kept, told(verdict)


def test_a_recorder_lost_for_good_takes_at_most_two_seconds_of_its_take_with_it():
    """Pages were written every two seconds, so that parts that had been copied were in none."""
    verdict = tell("lost", 13)
    assert verdict.kept, told(verdict)


def test_a_machine_that_boots_in_1970_writes_lists_and_records_and_its_edits_do_not_lose():
    """A slow list whose second asking was called off logged an error of nobody's."""
    verdict = tell("epoch", 10)
    assert verdict.kept, told(verdict)


def test_a_drained_node_that_comes_back_while_it_lets_its_rows_go_does_not_pass_for_whole():
    """It had compared itself before the rows went, and answered for them after."""
    verdict = tell("drained", 2)
    assert verdict.kept, told(verdict)


def test_the_same_seed_under_two_hash_seeds_is_the_same_world_and_another_seed_another():
    trace, _ = told_twice("tests.simulations.test_promises", "tell_short", 5)
    assert tell_short(6).trace != trace


IN_SCENARIOS = [bug for bug, where in WHERE.items() if where not in HISTORIES]


def test_each_planted_bug_has_a_place_where_it_is_hunted():
    assert set(WHERE) == set(BUGS)
    assert set(WHERE.values()) <= {*HISTORIES, *scenarios.names()}


@pytest.mark.parametrize("bug", IN_SCENARIOS)
def test_a_planted_bug_is_found(bug):
    hunted = hunt_one(bug, 2)
    assert hunted.found, f"{bug} was not found in {hunted.where} with {hunted.seeds} seeds"
    assert CAUGHT[bug] in hunted.promises, hunted.why


CAUGHT = {
    "ack-before-durable": "P4",
    "ack-before-commit": "P4",
    "writes-wait-for-the-others": "P1",
    "the-dead-are-never-dialled": "P2",
    "holes-are-not-stated": "P4",
    "chunks-are-not-kept": "P4",
    "layout-version-skipped": "P1",
    "collected-unheard": "P4",
    "credit-lost": "P2",
    "moves-go-unseen": "P1",
    "shards-always-whole": "P5",
    "recorder-epoch-ignored": "P3",
    "former-owner-skipped": "P5",
}


def test_a_cut_replica_pair_is_told_in_the_answers():
    story = Story(scenarios.load("pair", 2), 2)
    verdict = story.tell()
    assert verdict.kept, told(verdict)
    cut = next(one for one in story.ledger.outages if one.kind == "cut" and one.node == "n1")
    late = [one for one in story.ledger.searches if cut.from_s + 8.0 < one.asked_s < cut.until_s - 1.0]
    assert late
    assert all(one.shards_ok < one.shards_total for one in late if one.node in ("n1", "n2", "n3"))
    assert verdict.figures["pictures_seen"] > 20
