"""A run is recorded, told again to the last event, made smaller while it fails, and shown as one page."""

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from simulations import recorded, reporting, shrinking
from simulations import scenario as scenarios
from simulations.cli import sim
from simulations.recorded import Recorded
from simulations.scenario import ScenarioError

CONTENT = {
    "title": "a short story",
    "nodes": 5,
    "trouble_s": 60.0,
    "clocks": {"n5": "1970"},
    "camera": [{"on": "n2", "at_s": 1.0}],
    "event": [
        {"do": "weather", "at_s": 5.0, "loss": 0.1, "spike": 0.1},
        {"do": "crash", "node": "any", "at_s": [8.0, 12.0], "for_s": 8.0},
        {"do": "partition", "groups": [["n1", "n4"], ["n2", "n3", "n5"]], "at_s": 20.0, "for_s": 16.0},
        {"do": "shut", "source": ["n3"], "target": ["n4", "n5"], "at_s": 44.0, "for_s": 4.0},
        {"do": "disk", "node": "n3", "read_errors": 0.1, "at_s": 50.0},
    ],
}


def call(*words):
    return CliRunner().invoke(sim, [str(word) for word in words])


@pytest.fixture(scope="module")
def broken_run(tmp_path_factory):
    """A run of a lone node that a planted bug breaks, as a file."""
    path = tmp_path_factory.mktemp("runs") / "run.json"
    done = call("run", "lone", "--seed", 3, "--plant", "holes-are-not-stated", "--record", path)
    assert done.exit_code == 1
    return path


def test_a_recorded_run_is_told_again_to_the_last_event(broken_run):
    done = call("replay", broken_run, "--json")
    again = json.loads(done.stdout)
    assert done.exit_code == 1
    assert again["same_trace"]
    assert {one["promise"] for one in again["broken"]} == {"P4"}
    assert "the same to the last event" in call("replay", broken_run).stdout


def test_what_was_left_to_chance_is_recorded_as_it_was_chosen():
    content = {
        "nodes": 3,
        "trouble_s": 4.0,
        "event": [{"do": "pause", "node": "any", "at_s": 1.0, "for_s": 1.0}, {"do": "heal", "at_s": 2.0}],
    }
    verdict = recorded.tell(scenarios.read("chance", content, 4), 4)
    kept = recorded.record(verdict)
    assert kept.scenario.events[0].node in ("n1", "n2", "n3")
    again = recorded.tell(kept.scenario, 4)
    assert (again.trace, again.kept) == (verdict.trace, True)


def test_a_scenario_is_the_same_after_it_was_written_and_read(tmp_path):
    one = Recorded(scenarios.read("story", CONTENT, 7), 7, "", "hash", 12, (("P4", "lost"),))
    recorded.save(one, tmp_path / "a" / "run.json")
    assert recorded.load(tmp_path / "a" / "run.json") == one


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "there is no file"),
        ("not json", "is no recorded run"),
        ("[]", "is no recorded run"),
        ('{"format": 99}', "format 99"),
        ('{"format": 1, "plant": "weeds"}', "no recorded run|none of that name"),
    ],
)
def test_a_file_that_is_no_run_is_said_in_a_sentence(tmp_path, text, told):
    path = tmp_path / "run.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ScenarioError, match=told):
        recorded.load(path)
    assert call("replay", path).exit_code == 2


# ---------------------------------------------------------------- shrinking


def fails_when(true):
    """Run candidates in no world at all: one fails when it has what the bug needs."""

    def attempt(candidates):
        return [
            Recorded(one, 7, "", "hash", 1, (("P2", "not the same"),) if true(one) else (("P1", "another"),))
            for one in candidates
        ]

    return attempt


def shrunk(true, seconds=20.0):
    start = Recorded(scenarios.read("story", CONTENT, 7), 7, "", "hash", 1, (("P2", "not the same"),))
    said = []
    return shrinking.shrink(start, "P2", seconds, said.append, fails_when(true), 2).scenario, said


def test_a_failing_run_is_shrunk_to_the_faults_and_nodes_it_needs():
    def needs_a_partition_of_two(one):
        return any(event.do == "partition" and len(event.groups) == 2 for event in one.events)

    small, said = shrunk(needs_a_partition_of_two)
    assert [event.do for event in small.events] == ["partition"]
    assert (small.nodes, small.cameras, dict(small.clocks)) == (2, (), {})
    assert small.events[0].for_s <= 2 * shrinking.LEAST_S
    assert small.trouble_s < 15
    assert any("without" in line for line in said)


def test_machines_that_are_taken_out_leave_the_others_their_faults():
    def needs_the_disk_of_a_recorder(one):
        filming = {camera.on for camera in one.cameras}
        return any(event.do == "disk" for event in one.events) and bool(filming)

    small, _ = shrunk(needs_the_disk_of_a_recorder)
    assert small.nodes == 2
    assert [camera.on for camera in small.cameras] == ["n1"]
    assert [(event.do, event.node) for event in small.events] == [("disk", "n2")]


def test_another_promise_that_breaks_instead_does_not_count_and_time_ends_it():
    small, said = shrunk(lambda one: len(one.events) >= 5 and one.nodes == 5 and one.trouble_s >= 55)
    assert len(small.events) == 5
    assert small.nodes == 5
    _, said = shrunk(lambda one: True, seconds=0.0)
    assert said == ["the time is over after 0 runs"]


def test_a_real_failing_run_gets_smaller_and_still_fails(broken_run):
    start = recorded.load(broken_run)
    small = shrinking.shrink(start, "P4", 6.0, lambda _: None, shrinking.here(start.seed, start.plant))
    assert len(small.scenario.events) <= len(start.scenario.events)
    assert "P4" in small.promises
    assert recorded.tell(small.scenario, small.seed, small.plant).trace == small.trace


def test_a_run_that_keeps_every_promise_is_not_shrunk(tmp_path):
    kept = tmp_path / "kept.json"
    recorded.save(Recorded(scenarios.read("story", CONTENT, 7), 7, trace="hash"), kept)
    done = call("shrink", kept)
    assert done.exit_code == 2
    assert "nothing to shrink" in done.output


# ---------------------------------------------------------------- the page


def test_a_report_is_one_page_that_needs_nothing_else_and_has_what_the_checkers_object_to(broken_run, tmp_path):
    out = tmp_path / "report.html"
    assert call("report", broken_run, "--out", out).exit_code == 0
    text = out.read_text(encoding="utf-8")
    assert "<link" not in text
    assert "src=" not in text
    assert "fetch(" not in text
    data = json.loads(text.partition("const D = ")[2].partition(";\nconst NS")[0].replace("<\\/", "</"))
    assert data["machines"] == ["n1"]
    assert [one["kind"] for one in data["troubles"]] == ["crash", "crash"]
    assert data["broken"][0]["promise"] == "P4"
    assert data["samples"]
    assert {state for _, _, state in data["states"][0]} >= {"up", "crashed"}
    assert data["answers"]["acked"]


def test_text_in_a_report_cannot_end_its_script(broken_run):
    one = recorded.load(broken_run)
    scenario = dataclasses.replace(one.scenario, title="</script><b>", trouble_s=1.0, events=(), cameras=())
    page = reporting.page(recorded.tell(scenario, 1))
    assert page.count("</script>") == 1
