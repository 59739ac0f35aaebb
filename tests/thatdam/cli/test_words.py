"""What people say on the command line, and what it becomes: a name is never another request, nor markup."""

import io
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from thatdam.cli import main, show, sources
from thatdam.cli.admission import seconds_of
from thatdam.cli.client import segment
from thatdam.cli.mesh import admitting_told


def test_a_name_is_one_segment_of_a_path():
    assert segment("bob") == "bob"
    assert segment("bob?now=true#2") == "bob%3Fnow%3Dtrue%232"
    for said in ("", ".", "..", "a/b", "../users/bob"):
        with pytest.raises(typer.Exit):
            segment(said)


def test_brackets_in_a_name_are_shown_as_they_are(monkeypatch):
    told = io.StringIO()
    monkeypatch.setattr(show, "out", Console(file=told, width=80))
    show.show([{"name": "[/] [red]door"}], ("name",), as_json=False)
    assert "[/] [red]door" in told.getvalue()


def test_a_ticket_lives_a_minute_at_least_and_thirty_days_at_most():
    assert seconds_of("1m") == 60
    assert seconds_of("30D") == 30 * 86400
    for said in ("59s", "0m", "31d", "soon", "-1h"):
        with pytest.raises(typer.Exit):
            seconds_of(said)


def test_every_verb_that_asks_a_node_can_answer_in_json():
    bare = []

    def walk(command, words):
        for name, below in getattr(command, "commands", {}).items():
            walk(below, [*words, name])
        if not getattr(command, "commands", {}) and not any("--json" in one.opts for one in command.params):
            bare.append(" ".join(words))

    walk(typer.main.get_command(main.application()), [])
    assert [words for words in bare if not words.startswith("sim ")] == ["up"]  # the simulator asks no node
    secret = json.loads(CliRunner().invoke(main.application("secret"), ["secret", "--json"]).stdout)["secret"]
    assert secret.startswith("tds-")


def test_a_verb_read_alone_is_what_it_is_among_all():
    whole = typer.main.get_command(main.application())
    for verb in main.VERBS:
        alone = typer.main.get_command(main.application(verb))
        assert list(alone.commands) == [verb]
        shown = [
            CliRunner().invoke(app, [verb, "--help"]).stdout for app in (main.application(verb), main.application())
        ]
        assert shown[0] == shown[1] != ""
        assert type(alone.commands[verb]) is type(whole.commands[verb])


def test_a_verb_reads_nothing_that_it_does_not_need():
    """Every verb starts a Python of its own, and people wait for it."""
    heavy = ("httpx", "cryptography", "aioquic", "numpy", "fastapi", "uvicorn", "simulations")
    check = f"""
import sys
sys.argv = ["thatdam", "status", "--data", "nowhere"]
from thatdam.cli.entry import main
try:
    main()
except SystemExit:
    print([name for name in {heavy!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--weight", "n2=0"), "more than nothing"),
        (("--weight", "n2=99999999999TB"), "more than nothing and at most"),
        (("--weight", "n2=1GB", "--weight", "n2=2GB"), "n2 is said twice"),
        (("--zone", f"n2={'z' * 65}"), "at most 64 characters"),
    ],
)
def test_a_wrong_order_to_the_layout_is_a_sentence_before_anybody_is_asked(words, told, tmp_path):
    done = CliRunner().invoke(main.application("layout"), ["layout", "plan", *words, "--data", str(tmp_path)])
    assert done.exit_code == 2
    assert told in done.stderr


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (("alive", "alive"), ""),
        (("alive", "suspect"), ""),
        (("alive", "left"), ""),
        (("alive", "dead"), "one node alone can admit others (of 2, the others are not there)"),
        (("alive",), "one node alone can admit others; let another"),
        (("dead", "dead"), "no node that is there can"),
        ((), "no node can any more"),
    ],
)
def test_who_is_dead_is_none_that_can_admit(states, told):
    able = [{"id": f"n{number}", "state": state} for number, state in enumerate(states)]
    others = [{"id": f"x{number}", "state": "alive"} for number in range(2)]
    assert admitting_told([*able, *others], [node["id"] for node in able]).startswith(told)
    assert bool(admitting_told([*able, *others], [*(node["id"] for node in able), "never seen"])) == bool(told)
    assert not admitting_told(able[:1], ["n0"]), "one that is alone misses nobody"


@pytest.mark.parametrize("words", [("source", "list"), ("record", "list")])
def test_a_list_that_is_not_whole_says_so_beside_it(words, monkeypatch):
    told = {"cameras": [], "complete": False, "partitions_ok": 512, "partitions_total": 1024, "catching_up": False}
    monkeypatch.setattr(sources, "Client", lambda data: SimpleNamespace(call=lambda *asked: told))
    said = io.StringIO()
    monkeypatch.setattr(sources, "errors", Console(file=said, width=80))
    answer = CliRunner().invoke(main.application(words[0]), [*words, "--json"])
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, [])
    assert said.getvalue() == "incomplete: 512 of 1024 partitions answered\n"
    told["partitions_ok"] = 1024
    CliRunner().invoke(main.application(words[0]), [*words, "--json"])
    assert said.getvalue().count("\n") == 1
