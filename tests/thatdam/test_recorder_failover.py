"""A camera of one node, recorded by another that is lost: a third goes on with the take, and nothing is missing."""

import itertools
import subprocess
import time

import pytest

from simulations.hosts.processes import end, mesh, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]
RATE = 25


@pytest.fixture
def three(tmp_path):
    nodes = mesh(tmp_path, 3, "--copies", "2", settings={"THATDAM_MESH_AWAY_AFTER_S": "60"})
    try:
        yield nodes
    finally:
        end(nodes)


def recording(node, camera):
    return node.get(f"/api/v1/cameras/{camera}")["recording"]


def begin(home, recorder):
    camera = home.json("source", "add", f"test:?size=320x240&rate={RATE}", "--name", "Gate")[0]["id"]
    until(lambda: home.get(f"/api/v1/cameras/{camera}")["state"] == "online", 60, "the camera is online")
    take = home.run("record", "start", camera, "--node", recorder.flags[recorder.flags.index("--name") + 1]).strip()
    until(lambda: recording(home, camera)["node"] == recorder.node_id, 20, "it is recorded there")
    until(lambda: (recording(home, camera)["size_bytes"] or 0) > 0, 30, "something is recorded")
    return camera, take


def pictures_of(path):
    """Give the times of a file's pictures, in milliseconds."""
    done = subprocess.run(
        [
            "ffprobe",
            "-v",
            "warning",
            "-select_streams",
            "v",
            "-show_entries",
            "packet=pts_time",
            "-of",
            "csv=p=0",
            path,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    decoded = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", path, "-f", "null", "-"], capture_output=True, text=True, check=True
    )
    assert decoded.stderr == ""
    return sorted(round(float(line.strip(",")) * 1000) for line in done.stdout.split())


def whole(node, take, path):
    """Read a take and give its asset; no picture of the source is missing in it."""
    asset = node.get(f"/api/v1/assets/{take}")
    assert asset["gaps"] == []
    node.run("get", take, str(path))
    times = pictures_of(path)
    apart = [after - before for before, after in itertools.pairwise(times)]
    assert max(apart) <= 2 * 1000 // RATE - 1, f"pictures are missing after {times[apart.index(max(apart))]} ms"
    assert min(apart) > 0
    return asset, len(times)


def test_a_killed_recorder_is_followed_by_another_and_the_take_misses_nothing(three, tmp_path):
    home, recorder, third = three
    camera, take = begin(home, recorder)
    until(lambda: (third.get(f"/api/v1/assets/{take}")["duration"] or 0) > 8, 60, "others know of some seconds of it")
    lost = recorder.node_id
    recorder.kill()
    killed = time.monotonic()
    until(lambda: recording(third, camera)["node"] not in ("", lost), 60, "another records")
    until(lambda: recording(third, camera)["state"] == "recording", 60, "and something comes")
    print(f"taken over {time.monotonic() - killed:.2f} s after the kill")  # noqa: T201 - the figure is of use
    assert recording(third, camera)["take"] == take
    time.sleep(4)
    recorder.start()
    time.sleep(2)
    assert third.run("record", "stop", camera).strip() == take
    asset, pictures = whole(third, take, tmp_path / "take.mp4")
    assert asset["state"] == "ready"
    assert [(one["before"], one["after"]) for one in asset["takeovers"]] == [(lost, home.node_id)]
    before, after = asset["recorders"]
    assert [before["node_name"], after["node_name"]] == ["n1", "n0"]
    assert (before["start"], after["start"], after["end"]) == (0, before["end"], asset["duration"])
    assert before["end"] > 3
    assert (before["missing"], after["missing"]) == (0, 0)
    said = third.run("show", take)
    assert f"recorded by n1, 0:00.0 to {int(before['end'] // 60)}:{before['end'] % 60:04.1f}" in said
    assert "then by     n0, " in said
    assert "missing     nothing" in said
    assert pictures >= 10 * RATE
    assert abs(asset["duration"] - pictures / RATE) < 0.5
    until(lambda: recorder.get("/api/v1/nodes")["nodes"], 60, "the one that was killed is back")
    assert recording(recorder, camera) is None
    assert [row["id"] for row in recorder.json("ls")] == [take]
