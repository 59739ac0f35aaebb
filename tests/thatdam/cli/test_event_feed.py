"""`thatdam events` beside a node that breaks off, refuses, and tells of gaps."""

import itertools
import json
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
import typer
from websockets.sync.server import serve

from thatdam.cli import events


class Node:
    """Tells what ``says`` gives for each connection, then closes with ``code``."""

    def __init__(self, folder, says, code=1001, reason=""):
        self.asked = []
        self.says, self.code, self.reason = iter(says), code, reason
        self.server = serve(self.answer, "127.0.0.1", 0)
        port = self.server.socket.getsockname()[1]
        (folder / "cli.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}", "token": "t"}))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, socket):
        self.asked.append(parse_qs(urlsplit(socket.request.path).query))
        for event in next(self.says):
            socket.send(json.dumps(event))
        socket.close(self.code, self.reason)


def event(topic, cursor, **data):
    return {"topic": topic, "at": "2026-05-01T00:00:00.000Z", "node": "n" * 52, "cursor": cursor, "data": data}


def test_it_goes_on_behind_the_last_event_when_the_node_breaks_off(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(events, "RETRY_FIRST_S", 0.01)
    node = Node(tmp_path, [[event("job.changed", "e1.a", id="a")], [event("job.changed", "e1.b", id="b")]])
    feed = events.Feed(str(tmp_path), ["job.*", "node.*"], "", "2026-05-01")
    told = list(itertools.islice(feed.events(), 2))
    assert [one["data"]["id"] for one in told] == ["a", "b"]
    assert node.asked[0] == {"topics": ["job.*,node.*"], "since": ["2026-05-01"]}
    assert node.asked[1] == {"topics": ["job.*,node.*"], "after": ["e1.a"]}
    assert feed.cursor == "e1.b"
    said = capsys.readouterr().err
    assert "the node broke off; trying again" in said
    assert "connected again" in said


def test_a_node_that_is_not_there_at_first_ends_it_and_a_wrong_query_does(tmp_path, capsys):
    node = Node(tmp_path, [[], []], events.CLOSE_MISTAKE, "the cursor is of another mesh")
    with pytest.raises(typer.Exit) as ended:
        next(events.Feed(str(tmp_path), [], "e1.a", "").events())
    assert ended.value.exit_code == 2
    assert "another mesh" in capsys.readouterr().err
    node.server.shutdown()
    with pytest.raises(typer.Exit) as ended:
        next(events.Feed(str(tmp_path), [], "", "").events())
    assert ended.value.exit_code == 1
    assert "is `thatdam up` running?" in capsys.readouterr().err


def test_lines_for_people_say_what_is_lost_and_nothing_of_a_cursor_that_moved():
    def line(topic, **data):
        return events._line(event(topic, "e1.a", **data), lambda node: "attic")

    assert line("feed.position") == ""
    assert line("feed.missed", missed=1, node="n", why="ring").endswith(
        "1 event of attic is lost: they were too old to be kept there"
    )
    assert "events of attic may be lost: it started anew" in line("feed.missed", missed=None, node="n", why="restart")
    told = line("camera.changed", id="cam", name="Front\n\x1b[31m door", record=None)
    assert told.endswith('id=cam  name="Front??[31m door"  record=-  (attic)')
