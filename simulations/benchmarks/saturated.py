"""What bulk does to what is in a hurry: round trips of small requests, and the age of pictures, while files are put.

Three hosts whose lines carry ``LINE_MBIT`` each way, MTU 1500, with Linux' usual queue of three bands before the line.
The first has a camera, which Chromium on the second shows; the first is asked for something that only the second can
answer, ten times a second; then the same while files are put at the first with two copies, so that its line is full.
Baseline: the same without the files, in the same run. By the bulk lane (TCP), and by QUIC alone.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from simulations.benchmarks import live_delay
from simulations.benchmarks.measure import Figure
from simulations.hosts.lan import Lan, lan
from simulations.hosts.lan import run as command
from simulations.hosts.processes import Process, end, on_hosts, until

LINE_MBIT = 100
FILE_BYTES = 48 << 20
SECONDS = 15.0
PING_EVERY_S = 0.1
_LINE = ("rate", f"{LINE_MBIT}mbit", "burst", "64kb", "latency", "50ms")
_WAYS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("", {}),
    (", QUIC alone", {"THATDAM_MESH_BULK_LANE": "false"}),
)


def ping(access_file: str, node: str, seconds: float) -> list[float]:
    """Ask a node through the one on this host, again and again; gives the round trips in ms."""
    import httpx

    access = json.loads(Path(access_file).read_text(encoding="utf-8"))
    taken = []
    headers = {"Authorization": f"Bearer {access['token']}"}
    with httpx.Client(base_url=access["url"], headers=headers, timeout=30) as client:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            began = time.perf_counter()
            client.get("/api/v1/devices", params={"node": node}).raise_for_status()
            taken.append((time.perf_counter() - began) * 1000)
            time.sleep(PING_EVERY_S)
    return taken


def _late(values: Sequence[float]) -> str:
    ordered = sorted(values)
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {statistics.median(ordered):.0f} ms, p99 {late:.0f} ms"


def _both(nodes: Sequence[Process], camera: str) -> tuple[str, str]:
    """Measure round trips and pictures at the same time; gives them as words."""
    viewer = live_delay.viewer(nodes[1], camera, SECONDS)
    words = [*nodes[0].prefix, sys.executable, "-m", "simulations.benchmarks.saturated"]
    words += [str(nodes[0].data / "cli.json"), "n1", str(SECONDS + 5)]
    pinger = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    ages = live_delay.ages(viewer)
    said, _ = pinger.communicate(timeout=120)
    return _late(json.loads(said)), _late(ages)


@contextmanager
def _full(node: Process, folder: Path) -> Iterator[Callable[[], float]]:
    """Put files for as long as the block runs; gives what tells how many MiB were put in a second."""
    stop = threading.Event()
    began, done = time.monotonic(), 0

    def work(number: int) -> None:
        nonlocal done
        file = folder / f"bulk{number}"
        while not stop.is_set():
            file.write_bytes(os.urandom(FILE_BYTES))
            node.run("put", str(file))
            done += FILE_BYTES

    workers = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for worker in workers:
        worker.start()
    time.sleep(5)
    try:
        yield lambda: done / (1 << 20) / (time.monotonic() - began)
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def _measure(network: Lan, folder: Path, way: str, more: Mapping[str, str]) -> list[Figure]:
    nodes = on_hosts(network, folder, "--copies", "2", settings=more)
    try:
        camera = str(nodes[0].json("source", "add", "test:?size=1280x720&rate=25")[0]["id"])
        until(lambda: live_delay.online(nodes[1], camera), 60, "the camera is known")
        ping_idle, age_idle = _both(nodes, camera)
        with _full(nodes[0], folder) as rate:
            ping_full, age_full = _both(nodes, camera)
            told = f"{rate():.1f} MiB/s of files put"
    finally:
        end(nodes)
    where = f"a line of {LINE_MBIT} Mbit/s filled by files{way}"
    return [
        Figure(f"round trip of a request, {where}", f"{ping_full} ({told})", f"without {ping_idle}", "p99 2x", 1),
        Figure(f"age of a picture in Chromium, {where}", age_full, f"without {age_idle}", "p99 2x", 1),
    ]


def run() -> list[Figure]:
    """Measure."""
    figures = []
    for way, more in _WAYS:
        with tempfile.TemporaryDirectory() as text, lan(3) as network:
            for at in range(3):
                shaping = (*network.inside(at), "tc", "qdisc", "add", "dev", "eth0")
                command(*shaping, "root", "handle", "1:", "tbf", *_LINE)
                command(*shaping, "parent", "1:1", "pfifo_fast")
            figures += _measure(network, Path(text), way, more)
    return figures


if __name__ == "__main__":
    sys.stdout.write(json.dumps(ping(sys.argv[1], sys.argv[2], float(sys.argv[3]))) + "\n")
