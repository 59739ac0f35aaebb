"""Three nodes in a line, the ends with no way to each other: the far camera is seen every way, sent once a hop."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_watch_across_nodes import OF_FFMPEGS_OWN, tool, url

from simulations.hosts.lan import lan, run
from simulations.hosts.processes import end, on_hosts, until
from tests.namespaces import needs_namespaces

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    needs_namespaces,
    pytest.mark.xdist_group("namespaces"),
    pytest.mark.timeout(400),
]
VIEWER = Path(__file__).parent / "whep_viewer.py"


def shown(node, *words):
    return node.json("source", "show", *words)[0]


def viewer(node, camera, seconds):
    command = [*node.prefix, sys.executable, str(VIEWER), str(node.data / "cli.json"), camera, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def seen(process):
    return json.loads(process.communicate(timeout=90)[0])


def received(node, seconds):
    """Give the bytes a second a host gets from outside."""
    counter = ("cat", "/sys/class/net/eth0/statistics/rx_bytes")
    before, began = int(run(*node.prefix, *counter)), time.monotonic()
    time.sleep(seconds)
    return (int(run(*node.prefix, *counter)) - before) / (time.monotonic() - began)


def test_a_camera_two_hops_away_is_seen_every_way_and_sent_once(tmp_path):
    with lan(3) as network:
        network.block(0, 2)
        network.block(2, 0)
        nodes = on_hosts(network, tmp_path)
        eye, middle, camera_node = nodes
        try:
            camera = camera_node.json("source", "add", "test:?size=640x360", "--name", "far")[0]["id"]

            def there():
                listed = {one["id"]: one for one in eye.json("source", "list")}
                return camera in listed and listed[camera]["state"] == "online" and listed[camera]

            assert until(there, 60, "the far camera is known")["hops"] == 2
            assert shown(middle, camera)["hops"] == 1

            idle = received(eye, 3)
            alone = viewer(eye, camera, 14)
            time.sleep(5)
            with_one = received(eye, 5)
            told = seen(alone)
            assert (told["width"], told["height"]) == (640, 360), told
            assert told["pictures"] > 100
            three = [viewer(eye, camera, 18) for _ in range(3)]
            time.sleep(9)
            with_three = received(eye, 5)
            assert all(one["pictures"] > 100 for one in map(seen, three))
            assert with_one > idle * 2, "what one viewer makes the node take can be told from what it takes anyway"
            assert with_three - idle < (with_one - idle) * 1.5, "three viewers are one upstream"

            for path in (f"/hls/{camera}/index.m3u8", f"/api/v1/cameras/{camera}/live.mjpeg"):
                done = tool("ffmpeg", eye, "-i", url(eye) + path, "-t", "4", "-f", "null", "-")
                said = [line for line in done.stderr.splitlines() if not any(own in line for own in OF_FFMPEGS_OWN)]
                assert (done.returncode, said) == (0, []), path
        finally:
            end(nodes)
