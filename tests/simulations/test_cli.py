import json

import pytest
from typer.testing import CliRunner

from simulations import recorded
from simulations.cli import sim
from thatdam.cli import main as command


def call(*words):
    return CliRunner().invoke(sim, words)


def test_the_verb_is_found_by_its_entry_point():
    assert "sim" in {group.name for group in command.application().registered_groups}


def test_the_scenarios_are_listed_with_what_they_tell():
    listed = json.loads(call("list", "--json").stdout)
    assert {"calm", "studio", "epoch"} <= {one["name"] for one in listed}
    assert all(one["title"] and one["nodes"] for one in listed)


def test_a_kept_world_ends_with_0_and_a_broken_one_with_1_and_says_how_to_see_it_again():
    kept = call("run", "lone", "--seed", "3", "--json")
    assert (kept.exit_code, json.loads(kept.stdout)["kept"]) == (0, True)
    broken = call("run", "lone", "--seed", "3", "--plant", "holes-are-not-stated")
    assert broken.exit_code == 1
    assert "does not state a hole" in broken.stdout
    assert "thatdam sim run lone --seed 3" in broken.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "nowhere"), "there is no scenario 'nowhere'"),
        (("run", "studio", "--nodes", "0"), "1 to 100 nodes"),
        (("run", "epoch", "--nodes", "1"), "'n2' is no machine"),
        (("run", "calm", "--plant", "weeds"), "no planted bug is called 'weeds'"),
    ],
)
def test_what_cannot_be_told_is_said_in_a_sentence(words, told):
    result = call(*words)
    assert result.exit_code == 2
    assert told in result.output


@pytest.mark.parametrize("verb", ["report", "shrink"])
def test_where_nothing_can_be_written_is_said_before_a_world_is_run(verb, tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "tell", lambda *told: pytest.fail("a world was run"))
    lost = call(verb, "calm", "--out", str(tmp_path / "nowhere" / "x.html"))
    assert (lost.exit_code, f"there is no folder {tmp_path / 'nowhere'}" in lost.output) == (2, True)
    folder = call(verb, "calm", "--out", str(tmp_path))
    assert (folder.exit_code, "it is a folder" in folder.output) == (2, True)
    kept = tmp_path / "kept"
    kept.write_text("as it was")
    call(verb, "nowhere", "--out", str(kept))
    call(verb, "nowhere", "--out", str(tmp_path / "new"))
    assert (kept.read_text(), [one.name for one in tmp_path.iterdir()]) == ("as it was", ["kept"])


def test_what_is_no_recorded_run_is_said_in_a_sentence(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("# No run")
    for file, why in ((tmp_path, "is a folder; name a file"), (page, "is no recorded run; `thatdam sim run")):
        told = call("replay", str(file))
        assert (told.exit_code, why in told.output) == (2, True)
        assert not any(word in told.output for word in ("Errno", "char 0", "Expecting"))
