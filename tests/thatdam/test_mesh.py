"""Five real nodes with two copies, on loopback: one mesh, one catalogue, and none of it lost when nodes die."""

import json
import subprocess
import time

import pytest

from mesh.core.secret import make_secret
from simulations.hosts.processes import THATDAM, Process, alive, end, mesh, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]
AWAY_S = "4"


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    nodes = mesh(tmp_path_factory.mktemp("mesh"), 5, "--copies", "2", settings={"THATDAM_MESH_AWAY_AFTER_S": AWAY_S})
    yield nodes
    end(nodes)


def test_every_node_lists_the_same_nodes_and_is_listed_with_figures(five):
    views = [node.get("/api/v1/nodes") for node in five]
    assert len({tuple((row["id"], row["name"]) for row in view["nodes"]) for view in views}) == 1
    for row in views[0]["nodes"]:
        assert row["memory_bytes"] > 0
        assert row["disk_free_bytes"] > 0
        assert set(row["roles"]) <= set(row["role_reasons"])
    assert "5 of 5 alive" in five[3].run("status")


def test_a_take_is_copied_found_everywhere_and_outlives_its_recorder(five, tmp_path):
    recorder, other, third = five[1], five[2], five[4]
    camera = recorder.json("source", "add", "test:?size=320x240&rate=25")[0]["id"]
    until(lambda: any(row["state"] == "online" for row in recorder.json("source", "list")), 40, "the camera is online")
    take = recorder.run("record", "start", camera).strip()
    time.sleep(4)
    recorder.run("record", "stop", camera)
    copied = lambda: recorder.get("/api/v1/nodes")["copies"]["waiting"] == 0  # noqa: E731
    until(copied, 30, "every part has its copies")
    for node in five:
        found = until(lambda node=node: [row for row in node.json("ls") if row["id"] == take], 15, "the take is listed")
        assert found[0]["state"] == "ready"
    rows = [row["rows"] for row in third.get("/api/v1/nodes")["nodes"]]
    chunks = [row["chunks"] for row in third.get("/api/v1/nodes")["nodes"]]
    total = third.get("/api/v1/nodes")["assets"]
    assert total == 1
    assert all(count < sum(chunks) / 2 + 1 for count in chunks if count), chunks
    assert max(rows) < sum(rows)

    recorder.kill()
    dead = until(lambda: len(alive(other)) == 4, 30, "the death is seen")
    assert dead
    got = tmp_path / "take.mp4"
    third.run("get", take, str(got))
    told = subprocess.run(
        ["ffprobe", "-v", "warning", "-show_entries", "format=duration", "-of", "csv=p=0", got],
        capture_output=True,
        text=True,
    )
    assert told.stderr == ""
    assert float(told.stdout) > 3
    for node in (five[0], other, third):
        listed = node.get("/api/v1/assets")
        assert (listed["partitions_ok"], [row["id"] for row in listed["assets"]]) == (1024, [take])

    # Away after the set time: stand-ins are given copies with nobody asking.
    until(lambda: other.get("/api/v1/nodes")["copies"]["waiting"] == 0, 40, "stand-ins have copies")
    recorder.start()
    for node in five:
        until(lambda node=node: len(alive(node)) == 5, 40, "the node is back")
    assert [row["id"] for row in recorder.json("ls")] == [take]


def test_with_a_pair_stopped_the_answer_says_what_is_missing(five):
    for node in (five[3], five[4]):
        node.kill()
    until(lambda: len(alive(five[0])) == 3, 40, "both deaths are seen")
    listed = five[0].get("/api/v1/assets")
    assert listed["partitions_ok"] < listed["partitions_total"] == 1024
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
