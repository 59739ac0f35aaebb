"""How fast pictures become vectors on one core, and how much video a node understands in an hour (L1 and L2).

Baseline: the embedder's own libraries called directly in this process, without worker, mesh or rows.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from simulations.benchmarks.measure import Figure, cpu_s, ffmpeg, median
from simulations.hosts.processes import Process, until

FRAMES = 40
RUNS = 3
MINUTES = 5
_PICTURE = "mandelbrot=size=1280x720:rate=1"


def _direct(jpegs: list[bytes]) -> float:
    """Give pictures a second, models loaded, on one core."""
    from roles.encoder.adapters.embedder_offline import OfflineEmbedder

    with tempfile.TemporaryDirectory() as folder:
        embedder = OfflineEmbedder(Path(folder))
        embedder.embed_frames(jpegs[:2])
        began = time.process_time()
        embedder.embed_frames(jpegs)
        return len(jpegs) / (time.process_time() - began)


def _jpegs(folder: Path) -> list[bytes]:
    ffmpeg("-f", "lavfi", "-i", _PICTURE, "-frames:v", str(FRAMES), "-q:v", "4", str(folder / "%03d.jpg"))
    return [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]


def _film(path: Path) -> None:
    """Make a film whose picture changes all through every ten seconds, as one of many shots."""
    shots = "".join(f"testsrc2=size=1280x720:rate=25:duration=10,hue=h={40 * shot}[s{shot}];" for shot in range(3))
    shots += "mandelbrot=size=1280x720:rate=25,trim=duration=10,setpts=PTS-STARTPTS[s3];"
    graph = shots + "[s0][s1][s2][s3]concat=n=4[out]"
    one = path.with_suffix(".one.mp4")
    ffmpeg(
        *("-filter_complex", graph, "-map", "[out]", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50"),
        *("-pix_fmt", "yuv420p", str(one)),
    )
    ffmpeg("-stream_loop", str(MINUTES * 60 // 40 - 1), "-i", str(one), "-c", "copy", str(path))


def run() -> list[Figure]:
    """Measure."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "jpegs").mkdir()
        jpegs = _jpegs(folder / "jpegs")
        direct = [_direct(jpegs) for _ in range(RUNS)]
        _film(folder / "film.mp4")
        node = Process(
            folder / "node", secret="", settings={"THATDAM_NODE_ROLES": "proxy,daemon,storage,encoder"}
        ).start()
        assert node.process is not None
        try:
            asset = node.json("put", str(folder / "film.mp4"))["kept"][0]["id"]
            began, cpu = time.monotonic(), cpu_s(node.process.pid)

            def done() -> bool:
                jobs = [job["state"] for job in node.json("jobs") if job["asset"] == asset]
                return len(jobs) == 2 and all(state in ("done", "failed") for state in jobs)

            until(done, 900, "the film is understood")
            took_s = time.monotonic() - began
            states = [job["state"] for job in node.json("jobs") if job["asset"] == asset]
            if states != ["done", "done"]:
                raise RuntimeError(f"the jobs ended as {states}")
            used = cpu_s(node.process.pid) - cpu
        finally:
            node.stop()
    minutes = MINUTES * 60 // 40 * 40 / 60
    return [
        Figure(
            "frames embedded a second on one core (offline model)",
            f"{median(direct):.1f} pictures of 1280x720 a CPU second",
            "these are the libraries called directly",
            "stated",
            RUNS,
        ),
        Figure(
            f"video understood in an hour (L1, L2; 1280x720, {minutes:.0f} min, {os.cpu_count()} cores)",
            f"{minutes * 60 / took_s:.1f} h; {used / minutes:.1f} CPU s a minute (of workers that still ran)",
            "-",
            "stated",
            1,
        ),
    ]
