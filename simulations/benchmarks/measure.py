"""What every benchmark needs: CPU seconds of process trees, medians, and tables that name the machine."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a benchmark's table. ``target`` is what is to be reached, ``baseline`` what it is held against."""

    what: str
    measured: str
    baseline: str
    target: str
    runs: int


def cpu_s(pid: int) -> float:
    """Give the CPU seconds that a process and its living descendants have used."""
    total = 0.0
    try:
        process = psutil.Process(pid)
        tree = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for one in tree:
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def cpu_percent(pids: Sequence[int], seconds: float) -> float:
    """Give per cent of one core that process trees use over a stretch of time."""
    before, began = sum(cpu_s(pid) for pid in pids), time.monotonic()
    time.sleep(seconds)
    return (sum(cpu_s(pid) for pid in pids) - before) / (time.monotonic() - began) * 100


def median(values: Sequence[float]) -> float:
    """Give the median; 0.0 of nothing."""
    return statistics.median(values) if values else 0.0


def repeated(times: int, once: Callable[[], float]) -> list[float]:
    """Run something several times and give what each gave."""
    return [once() for _ in range(times)]


def machine() -> str:
    """Name this machine."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    gib = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{model}, {psutil.cpu_count()} cores, {gib:.0f} GiB, {system}"


def show(figures: Sequence[Figure], *, as_json: bool) -> None:
    """Print the table."""
    if as_json:
        print(json.dumps({"machine": machine(), "figures": [asdict(figure) for figure in figures]}, indent=2))
        return
    print(f"machine: {machine()}\n")
    print("| figure | measured | baseline, same run | to reach | runs |\n|---|---|---|---|---|")
    for figure in figures:
        print(f"| {figure.what} | {figure.measured} | {figure.baseline} | {figure.target} | {figure.runs} |")


def ffmpeg(*words: str) -> None:
    """Run ffmpeg; its last words are the error."""
    done = subprocess.run(
        ("ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *words), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"ffmpeg {' '.join(words)}: {done.stderr[-500:]}")
