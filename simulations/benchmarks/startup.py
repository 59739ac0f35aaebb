"""How long a fresh node takes to its URL and to the first live picture, and what it costs while nothing happens.

Baseline: an interpreter that imports the same libraries and does nothing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from simulations.benchmarks.measure import Figure, cpu_percent, median
from simulations.hosts.processes import Process, until

RUNS = 5
IDLE_S = 20.0
_LIBRARIES = "aioquic.quic.connection, fastapi, uvicorn, uvloop, zeroconf, cryptography, cbor2, psutil, numpy"
_BARE = f"import {_LIBRARIES}; print('ready', flush=True); import time; time.sleep(600)"


def _first_picture(node: Process) -> float:
    began = time.monotonic()
    camera = node.http().post("/api/v1/cameras", json={"url": "test:?size=1280x720&rate=25"}).json()["id"]

    def picture() -> bool:
        return node.http().get(f"/api/v1/cameras/{camera}/snapshot.jpg").status_code == 200

    until(picture, 30, "a first picture")
    return time.monotonic() - began


def _bare() -> tuple[float, float, float]:
    began = time.monotonic()
    process = subprocess.Popen((sys.executable, "-c", _BARE), stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    ready_s = time.monotonic() - began
    memory = psutil.Process(process.pid).memory_info().rss / 2**20
    percent = cpu_percent((process.pid,), 5.0)
    process.kill()
    process.wait()
    return ready_s, memory, percent


def run() -> list[Figure]:
    """Measure."""
    urls, pictures, memory, idle = [], [], [], []
    bare = [_bare() for _ in range(3)]
    for number in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            node = Process(Path(folder) / "node", secret="").start()
            urls.append(time.monotonic() - began)
            assert node.process is not None
            try:
                if number == 0:
                    time.sleep(5)
                    idle.append(cpu_percent((node.process.pid,), IDLE_S))
                    memory.append(psutil.Process(node.process.pid).memory_info().rss / 2**20)
                pictures.append(_first_picture(node))
            finally:
                node.stop()
    ready, bare_memory, bare_cpu = (median([one[at] for one in bare]) for at in range(3))
    return [
        Figure("`thatdam up` to URL", f"{median(urls):.1f} s", f"imports alone {ready:.1f} s", "under 10 s", RUNS),
        Figure("first live picture of the test camera", f"{median(pictures):.1f} s", "-", "under 5 s more", RUNS),
        Figure("idle node, memory", f"{median(memory):.0f} MiB", f"imports alone {bare_memory:.0f} MiB", "150 MB", 1),
        Figure("idle node, CPU", f"{median(idle):.1f} % of a core", f"imports alone {bare_cpu:.1f} %", "2 %", 1),
    ]
