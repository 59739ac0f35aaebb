"""What recording by copy costs beside ``ffmpeg -c copy -f segment`` on the same streams, and ten 4K streams at once.

CPU is of the whole process tree: the node with its workers, or ffmpeg. Sources are files played at their own pace.
Reading the file and pacing it is in both.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from simulations.benchmarks.measure import Figure, cpu_percent, ffmpeg, median
from simulations.hosts.processes import Process, mesh, until

RUNS = 3
SECONDS = 20.0
UHD = "4K.mp4"
UHD_STREAMS = 10
UHD_RATE = 25


def _clip(path: Path, size: str, rate: int, bits: str, seconds: int) -> None:
    ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate},noise=alls=20:allf=t", "-t", str(seconds)),
        *("-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", str(rate), "-b:v", bits, "-minrate", bits),
        *("-maxrate", bits, "-bufsize", bits, "-x264-params", "nal-hrd=cbr", "-pix_fmt", "yuv420p", str(path)),
    )


def _ffmpeg_percent(clips: Sequence[Path], folder: Path) -> float:
    running = []
    for number, clip in enumerate(clips):
        (folder / f"f{number}").mkdir()
        words = ["ffmpeg", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(clip), "-c", "copy"]
        words += [
            "-f",
            "segment",
            "-segment_time",
            "1",
            "-reset_timestamps",
            "1",
            str(folder / f"f{number}" / "%d.mp4"),
        ]
        running.append(subprocess.Popen(words, stdin=subprocess.DEVNULL))
    time.sleep(3)
    percent = cpu_percent([one.pid for one in running], SECONDS)
    for one in running:
        one.kill()
        one.wait()
    return percent


def _cameras(node: Process, clips: Sequence[Path]) -> list[str]:
    made = []
    for number, clip in enumerate(clips):
        body = {"url": f"file:{clip}?loop", "name": f"camera {number}"}
        made.append(str(node.http().post("/api/v1/cameras", json=body).raise_for_status().json()["id"]))
    until(lambda: all(row["state"] == "online" for row in node.get("/api/v1/cameras")["cameras"]), 60, "all online")
    return made


def _record(node: Process, nodes: Sequence[Process], clips: Sequence[Path]) -> tuple[float, int, int]:
    """Give CPU per cent of all the nodes, access units that should be there, and those that are missing."""
    cameras = _cameras(node, clips)
    client = node.http()
    for camera in cameras:
        client.post(f"/api/v1/cameras/{camera}/record").raise_for_status()
    time.sleep(3)
    percent = cpu_percent([one.process.pid for one in nodes if one.process], SECONDS)
    takes = [client.delete(f"/api/v1/cameras/{camera}/record").raise_for_status().json()["take"] for camera in cameras]
    wanted = missing = 0
    for take in takes:
        asset = node.get(f"/api/v1/assets/{take if isinstance(take, str) else take['id']}")
        for gap in asset.get("gaps") or []:
            missing += round((gap["end"] - gap["start"]) * UHD_RATE)
        wanted += round((asset["duration"] or 0) * UHD_RATE)
    for camera in cameras:
        client.delete(f"/api/v1/cameras/{camera}")
    return percent, wanted, missing


def run() -> list[Figure]:
    """Measure."""
    figures = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        small, large = folder / "720p.mp4", folder / UHD
        _clip(small, "1280x720", 25, "4M", 10)
        _clip(large, "3840x2160", UHD_RATE, "20M", 8)
        flags = ("--file-folder", str(folder))
        ratios, ours, theirs = [], [], []
        for number in range(RUNS):
            node = Process(folder / f"node{number}", *flags, secret="").start()
            try:
                ours.append(_record(node, [node], [small] * 4)[0])
            finally:
                node.stop()
            (folder / f"run{number}").mkdir()
            theirs.append(_ffmpeg_percent([small] * 4, folder / f"run{number}"))
            ratios.append(ours[-1] / theirs[-1])
        told = f"{median(ours):.1f} % of a core, {median(ratios):.2f}x"
        base = f"ffmpeg -c copy -f segment {median(theirs):.1f} %"
        figures.append(Figure("recording 4 x 720p25 4 Mbit/s by copy, CPU", told, base, "1.5x", RUNS))

        node = Process(folder / "uhd", *flags, secret="").start()
        try:
            percent, wanted, missing = _record(node, [node], [large] * UHD_STREAMS)
        finally:
            node.stop()
        (folder / "uhd-f").mkdir()
        beside = _ffmpeg_percent([large] * UHD_STREAMS, folder / "uhd-f")
        told = f"{percent:.0f} % of a core, {missing} of {wanted} access units missing"
        base = f"ffmpeg {beside:.0f} %"
        figures.append(Figure("10 x 3840x2160 25 fps 20 Mbit/s, local copy only", told, base, "10 within one core", 1))

        nodes = mesh(folder / "three", 3, "--copies", "2", *flags)
        try:
            percent, wanted, missing = _record(nodes[0], nodes, [large] * UHD_STREAMS)
            lag = nodes[0].get("/api/v1/nodes")["copies"]
        finally:
            for one in reversed(nodes):
                one.stop()
        told = f"{percent:.0f} % over 3 nodes, {missing} of {wanted} missing, lag at the end {lag['lag_s']:.1f} s"
        figures.append(Figure("the same with 2 copies over 3 nodes, loopback", told, base, "stated", 1))
    return figures
