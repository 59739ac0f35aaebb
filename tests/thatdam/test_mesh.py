"""Five real nodes with two copies, on loopback: one mesh, one catalogue, and none of it lost when nodes die."""

import json
import signal
import subprocess
import time

import pytest
from whep_page import pictures, playing

from mesh.core.secret import make_secret
from simulations.hosts.processes import THATDAM, Process, alive, end, mesh, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("mesh")]
AWAY_S = "4"


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mesh")
    nodes = mesh(folder, 4, "--copies", "2", settings={"THATDAM_MESH_AWAY_AFTER_S": AWAY_S})
    try:
        # One node has a model, which is enough for all.
        roles = {"THATDAM_MESH_AWAY_AFTER_S": AWAY_S, "THATDAM_NODE_ROLES": "proxy,daemon,storage,encoder"}
        join = ("--join", f"127.0.0.1:{nodes[0].mesh_port}")
        nodes.append(Process(folder / "n4", "--name", "n4", "--copies", "2", *join, settings=roles).start())
        for node in nodes:
            until(lambda node=node: len(alive(node)) == 5, 60, "every node sees all five")
        yield nodes
    finally:
        end(nodes)


def told_of(node, camera, topics, *words):
    """Give what `thatdam events` tells of a camera, until each of ``topics`` was told; then Ctrl-C ends it."""
    command = [THATDAM, "events", *words, "--json", "--data", str(node.data)]
    feed = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = []
    try:
        while len(found) < len(topics):
            event = json.loads(feed.stdout.readline())
            if event["data"].get("camera") == camera:
                found.append(event)
        feed.send_signal(signal.SIGINT)
        _, told = feed.communicate(timeout=30)
    finally:
        feed.kill()
    assert [event["topic"] for event in found] == list(topics)
    assert feed.returncode == 0
    assert f"--after {found[-1]['cursor'][:3]}" in told
    assert "Traceback" not in told
    return found


def test_every_node_lists_the_same_nodes_and_is_listed_with_figures(five):
    views = [node.get("/api/v1/nodes") for node in five]
    assert len({tuple((row["id"], row["name"]) for row in view["nodes"]) for view in views}) == 1
    for row in views[0]["nodes"]:
        assert row["memory_bytes"] > 0
        assert row["disk_free_bytes"] > 0
        assert set(row["roles"]) <= set(row["role_reasons"])
    assert "5 of 5 alive" in five[3].run("status")


def test_a_take_is_watched_copied_found_everywhere_and_outlives_its_recorder(five, tmp_path):
    recorder, other, third, encoder = five[1], five[2], five[3], five[4]
    camera = recorder.json("source", "add", "test:?size=320x240&rate=25", "--name", "Front door")[0]["id"]
    until(lambda: any(row["state"] == "online" for row in recorder.json("source", "list")), 60, "the camera is online")
    take = other.run("record", "start", camera).strip()
    link = third.run("login").strip().rpartition("/")[2]
    with playing(str(third.http().base_url).rstrip("/"), link, camera) as page:
        assert pictures(page, 50) == 320
    time.sleep(2)
    other.run("record", "stop", camera)
    captures = ("capture.started", "capture.stopped")
    begun, ended = told_of(third, camera, captures, "capture.*", "--since", "10m")
    assert (begun["data"]["take"], ended["data"]["take"]) == (take, take)
    assert told_of(encoder, camera, captures[1:], "capture.*", "--after", begun["cursor"])[0]["data"] == ended["data"]
    until(lambda: recorder.get("/api/v1/nodes")["copies"]["waiting"] == 0, 60, "every part has its copies")
    indexed = lambda: any(hit["asset"] == take for hit in third.json("search", "front door")["hits"])  # noqa: E731
    until(indexed, 60, "the take is found by its name")
    seen = lambda: [job["state"] for job in encoder.json("jobs") if job["asset"] == take] == ["done"] * 2  # noqa: E731
    until(seen, 120, "scenes and pictures of the take are understood")
    for node in five:
        found = until(lambda node=node: [row for row in node.json("ls") if row["id"] == take], 30, "the take is listed")
        assert found[0]["state"] == "ready"
        answer = node.json("search", "door")
        assert [hit["asset"] for hit in answer["hits"]] == [take]
        assert (answer["shards_ok"], answer["model"] != "") == (answer["shards_total"], True)
    told = third.get("/api/v1/nodes")["nodes"]
    for what in ("rows", "chunks"):
        held = [row[what] for row in told]
        assert max(held) < sum(held), (what, held)

    recorder.kill()
    until(lambda: len(alive(other)) == 4, 60, "the death is seen")
    got = tmp_path / "take.mp4"
    third.run("get", take, str(got))
    told = subprocess.run(
        ["ffprobe", "-v", "warning", "-show_entries", "format=duration", "-of", "csv=p=0", got],
        capture_output=True,
        text=True,
    )
    assert told.stderr == ""
    assert float(told.stdout) > 2
    for node in (five[0], other, third, encoder):
        listed = node.get("/api/v1/assets")
        assert (listed["partitions_ok"], [row["id"] for row in listed["assets"]]) == (1024, [take])
        assert [hit["asset"] for hit in node.json("search", "door")["hits"]] == [take]

    # Away after the set time: stand-ins are given copies with nobody asking.
    until(lambda: other.json("ls")[0]["copies"] == 2, 90, "stand-ins have copies")
    recorder.start()
    for node in five:
        until(lambda node=node: len(alive(node)) == 5, 60, "the node is back")
    assert [row["id"] for row in recorder.json("ls")] == [take]


def test_what_a_node_gone_for_good_recorded_is_stopped_and_its_camera_removed_by_others(five):
    gone, other = five[1], five[2]
    camera = gone.json("source", "add", "test:?size=320x240", "--name", "Shed")[0]["id"]
    until(lambda: gone.get(f"/api/v1/cameras/{camera}")["state"] == "online", 60, "the camera is online")
    take = other.run("record", "start", camera).strip()
    time.sleep(2)
    gone.kill()
    until(lambda: len(alive(other)) == 4, 60, "the death is seen")
    assert other.run("record", "stop", camera).strip() == take
    assert next(row["state"] for row in other.json("ls") if row["id"] == take) == "interrupted"
    other.run("source", "remove", camera)
    assert camera not in [row["id"] for row in other.json("source", "list")]
    gone.start()
    until(lambda: len(alive(other)) == 5, 60, "it is back")
    until(lambda: camera not in [row["id"] for row in gone.json("source", "list")], 60, "it has let the camera go")


def test_with_a_pair_stopped_the_answer_says_what_is_missing(five):
    for node in (five[3], five[4]):
        node.kill()
    until(lambda: len(alive(five[0])) == 3, 40, "both deaths are seen")
    listed = five[0].get("/api/v1/assets")
    assert listed["partitions_ok"] < listed["partitions_total"] == 1024
    answer = five[0].json("search", "door")
    assert answer["shards_ok"] < answer["shards_total"]
    assert "did not answer" in answer["missing"]
    for node in (five[3], five[4]):
        node.start()
    for node in five:
        until(lambda node=node: len(alive(node)) == 5, 40, "all are back")
    until(lambda: five[0].get("/api/v1/assets")["partitions_ok"] == 1024, 60, "every partition answers again")


@pytest.mark.parametrize(
    ("secret", "flags", "told"),
    [
        ("hunter2", (), "too weak"),
        (make_secret(b"another mesh........"), (), "another mesh"),
    ],
)
def test_a_wrong_secret_is_a_sentence(five, secret, flags, told):
    node = five[0]
    command = [*node.prefix, "up", "--port", "0", "--data", str(node.data), *flags]
    folder = node.data.parent / "copy"
    if "another" in told:
        folder.mkdir(exist_ok=True)
        for name in ("node.key", "mesh.ca", "node.crt"):
            (folder / name).write_bytes((node.data / name).read_bytes())
        command[command.index(str(node.data))] = str(folder)
    else:
        command[command.index(str(node.data))] = str(folder / "fresh")
    done = subprocess.run(
        [THATDAM, *command],
        capture_output=True,
        text=True,
        timeout=30,
        env={**node.environment, "THATDAM_SECRET": secret},
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_node_of_another_mesh_is_not_let_in(five, tmp_path):
    stranger = Process(
        tmp_path / "stranger",
        "--join",
        f"127.0.0.1:{five[0].mesh_port}",
        secret=make_secret(b"somebody else's mesh"),
    ).start()
    try:
        time.sleep(3)
        assert len(alive(stranger)) == 1
        assert len(alive(five[0])) == 5
        assert json.loads(stranger.run("ls", "--json")) == []
    finally:
        stranger.stop()
