"""Put and get of 256 MiB with two copies over three nodes, on loopback and between hosts at MTU 1500: with the bulk
lane as nodes have it, and by QUIC alone. Between hosts a put of 1 GiB and of 100 files of 1 MiB too.

Baselines: the same bytes written to two files with fsync, and read again, in this process; the same bytes copied once
between two Python processes by plain TLS over TCP, into a file with fsync; and where the program ``weed`` is on the
path, a put of SeaweedFS with two copies on the same hosts.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulations.benchmarks.measure import Figure, cpu_s, median
from simulations.hosts import plain_copy, seaweed
from simulations.hosts.lan import Lan, lan
from simulations.hosts.processes import Process, end, mesh, on_hosts

SIZE_BYTES = 256 << 20
LARGE_BYTES = 1 << 30
FILES, FILE_BYTES = 100, 1 << 20
RUNS = 3
_MIB, _GB = SIZE_BYTES / 2**20, SIZE_BYTES / 1e9
_ALONE = {"THATDAM_MESH_BULK_LANE": "false"}


@dataclass(frozen=True, slots=True)
class Plain:
    """The baselines: seconds and CPU seconds of two files written, seconds of one read, and of a copy."""

    write_s: float
    write_cpu_s: float
    read_s: float
    copy_s: float
    copy_cpu_s: float
    beside: str = ""

    def put(self) -> str:
        """Tell what a put is held against."""
        files = f"two files with fsync {_MIB / self.write_s:.0f} MiB/s, {self.write_cpu_s / _GB:.1f} CPU s/GB"
        copied = f"plain TLS copy of one {_MIB / self.copy_s:.0f} MiB/s, {self.copy_cpu_s / _GB:.1f} CPU s/GB"
        return f"{files}; {copied}{self.beside}"

    def get(self) -> str:
        """Tell what a get is held against."""
        return f"one file {_MIB / self.read_s:.0f} MiB/s"


def _files(folder: Path, data: bytes) -> tuple[float, float, float]:
    cpu, began = time.process_time(), time.monotonic()
    for name in ("a", "b"):
        with (folder / name).open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
    write_s, write_cpu_s = time.monotonic() - began, time.process_time() - cpu
    began = time.monotonic()
    assert len((folder / "a").read_bytes()) == SIZE_BYTES
    return write_s, write_cpu_s, time.monotonic() - began


def _plain(folder: Path, network: Lan | None) -> Plain:
    files = _files(folder, os.urandom(SIZE_BYTES))
    into = folder / "copy"
    if network is None:
        return Plain(*files, *plain_copy.copy(folder / "a", into, "127.0.0.1"))
    there = network.addresses[1]
    copied = plain_copy.copy(folder / "a", into, there, network.inside(0), network.inside(1))
    return Plain(*files, *copied, _seaweed(folder, network) if seaweed.there() else "")


def _seaweed(folder: Path, network: Lan) -> str:
    rows = []
    with seaweed.seaweed(network, folder) as store:
        for _ in range(RUNS):
            cpu = sum(cpu_s(pid) for pid in store.pids)
            seconds = store.put(folder / "a")
            rows.append((seconds, sum(cpu_s(pid) for pid in store.pids) - cpu))
    put_s, put_cpu = (median([row[at] for row in rows]) for at in range(2))
    return f"; SeaweedFS without fsync {_MIB / put_s:.0f} MiB/s, {put_cpu / _GB:.1f} CPU s/GB"


def _rate(rows: Sequence[tuple[float, float]], size_bytes: int) -> str:
    seconds, cpu = (median([row[at] for row in rows]) for at in range(2))
    return f"{size_bytes / 2**20 / seconds:.0f} MiB/s, {cpu / (size_bytes / 1e9):.1f} CPU s/GB"


def _fresh(folder: Path, count: int, size_bytes: int) -> list[Path]:
    files = [folder / f"fresh-{number}" for number in range(count)]
    for file in files:
        file.write_bytes(os.urandom(size_bytes))
    return files


def _others(folder: Path, network: Lan, nodes: Sequence[Process]) -> list[Figure]:
    """Put 1 GiB, and many small files, beside SeaweedFS where that is."""
    figures = []
    for what, count, size_bytes in (("1 GiB", 1, LARGE_BYTES), (f"{FILES} x 1 MiB", FILES, FILE_BYTES)):
        baseline = "SeaweedFS is not here"
        if seaweed.there():
            rows = []
            with tempfile.TemporaryDirectory(dir=folder) as text, seaweed.seaweed(network, Path(text)) as store:
                for _ in range(RUNS):
                    files = _fresh(folder, count, size_bytes)
                    cpu = sum(cpu_s(pid) for pid in store.pids)
                    seconds = store.put(*files)
                    rows.append((seconds, sum(cpu_s(pid) for pid in store.pids) - cpu))
            baseline = f"SeaweedFS without fsync {_rate(rows, count * size_bytes)}"
        rows = []
        pids = [node.process.pid for node in nodes if node.process]
        for _ in range(RUNS):
            files = _fresh(folder, count, size_bytes)
            cpu, began = sum(cpu_s(pid) for pid in pids), time.monotonic()
            nodes[0].json("put", *map(str, files))
            seconds = time.monotonic() - began
            rows.append((seconds, sum(cpu_s(pid) for pid in pids) - cpu))
        name = f"put of {what}, 2 copies, hosts at MTU 1500"
        figures.append(Figure(name, _rate(rows, count * size_bytes), baseline, "its speed", RUNS))
        for file in files:
            file.unlink()
    return figures


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
    back.unlink()
    return put_s, put_cpu, get_s, get_cpu


def _figures(where: str, nodes: Sequence[Process], folder: Path, plain: Plain) -> list[Figure]:
    rows = []
    for _ in range(RUNS):
        file = folder / "file"
        file.write_bytes(os.urandom(SIZE_BYTES))
        rows.append(_once(nodes, file, folder / "back"))
    put_s, put_cpu, get_s, get_cpu = (median([row[at] for row in rows]) for at in range(4))
    return [
        Figure(
            f"put of 256 MiB, 2 copies, 3 nodes, {where}",
            f"{_MIB / put_s:.0f} MiB/s, {put_cpu / _GB:.1f} CPU s/GB",
            plain.put(),
            "stated",
            RUNS,
        ),
        Figure(
            f"get of it from another node, {where}",
            f"{_MIB / get_s:.0f} MiB/s, {get_cpu / _GB:.1f} CPU s/GB",
            plain.get(),
            "stated",
            RUNS,
        ),
    ]


def run() -> list[Figure]:
    """Measure."""
    figures = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        plain = _plain(folder, None)
        for way, settings in (("", {}), (", QUIC alone", _ALONE)):
            nodes = mesh(folder / f"loopback{len(settings)}", 3, "--copies", "2", settings=settings)
            try:
                figures += _figures(f"loopback{way}", nodes, folder, plain)
            finally:
                end(nodes)
        with lan(3) as network:
            plain = _plain(folder, network)
            for way, settings in (("", {}), (", QUIC alone", _ALONE)):
                hosts = on_hosts(network, folder / f"lan{len(settings)}", "--copies", "2", settings=settings)
                try:
                    figures += _figures(f"hosts at MTU 1500{way}", hosts, folder, plain)
                    if not settings:
                        figures += _others(folder, network, hosts)
                finally:
                    end(hosts)
    return figures
