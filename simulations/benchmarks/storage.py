"""Put and get of 256 MiB with two copies over three nodes: on loopback, and between hosts at MTU 1500.

Baseline: the same bytes written to two files with fsync, and read again, in this process.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from simulations.benchmarks.measure import Figure, cpu_s, median
from simulations.hosts.lan import lan
from simulations.hosts.processes import Process, mesh, until

SIZE_BYTES = 256 << 20
RUNS = 3


def _plain(folder: Path, data: bytes) -> tuple[float, float]:
    began = time.monotonic()
    for name in ("a", "b"):
        with (folder / name).open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
    put_s = time.monotonic() - began
    began = time.monotonic()
    assert len((folder / "a").read_bytes()) == SIZE_BYTES
    return put_s, time.monotonic() - began


def _once(nodes: Sequence[Process], file: Path, back: Path) -> tuple[float, float, float, float]:
    """Give seconds and CPU seconds of a put at the first node, and of a get from the last."""
    pids = [node.process.pid for node in nodes if node.process]
    cpu, began = sum(cpu_s(pid) for pid in pids), time.monotonic()
    asset = nodes[0].json("put", str(file))["kept"][0]["id"]
    put_s, put_cpu = time.monotonic() - began, sum(cpu_s(pid) for pid in pids) - cpu
    cpu, began = sum(cpu_s(pid) for pid in pids), time.monotonic()
    nodes[-1].run("get", asset, str(back))
    get_s, get_cpu = time.monotonic() - began, sum(cpu_s(pid) for pid in pids) - cpu
    assert back.read_bytes() == file.read_bytes()
    return put_s, put_cpu, get_s, get_cpu


def _figures(where: str, nodes: Sequence[Process], folder: Path, plain: tuple[float, float]) -> list[Figure]:
    rows = []
    for number in range(RUNS):
        file = folder / f"file{number}"
        file.write_bytes(os.urandom(SIZE_BYTES))
        rows.append(_once(nodes, file, folder / f"{nodes[0].data.name}-back{number}"))
    put_s, put_cpu, get_s, get_cpu = (median([row[at] for row in rows]) for at in range(4))
    mib, gib = SIZE_BYTES / 2**20, SIZE_BYTES / 1e9
    return [
        Figure(
            f"put of 256 MiB, 2 copies, 3 nodes, {where}",
            f"{mib / put_s:.0f} MiB/s, {put_cpu / gib:.1f} CPU s/GB",
            f"two files with fsync {mib / plain[0]:.0f} MiB/s",
            "stated",
            RUNS,
        ),
        Figure(
            f"get of it from another node, {where}",
            f"{mib / get_s:.0f} MiB/s, {get_cpu / gib:.1f} CPU s/GB",
            f"one file {mib / plain[1]:.0f} MiB/s",
            "stated",
            RUNS,
        ),
    ]


def run() -> list[Figure]:
    """Measure."""
    figures = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        plain = _plain(folder, os.urandom(SIZE_BYTES))
        nodes = mesh(folder / "loopback", 3, "--copies", "2")
        try:
            figures += _figures("loopback", nodes, folder, plain)
        finally:
            for node in reversed(nodes):
                node.stop()
        with lan(3) as network:
            settings = {"THATDAM_MESH_HOST": "", "THATDAM_MESH_MDNS": "true"}
            hosts = [
                Process(
                    folder / f"host{number}",
                    *("--name", f"host{number}", "--copies", "2"),
                    prefix=network.inside(number),
                    settings=settings,
                ).start()
                for number in range(3)
            ]
            try:
                for host in hosts:
                    _sees_three(host)
                figures += _figures("hosts at MTU 1500", hosts, folder, plain)
            finally:
                for host in reversed(hosts):
                    host.stop()
    return figures


def _sees_three(host: Process) -> None:
    until(lambda: len(host.alive_names()) == 3, 60, "every host sees all")
