"""How old a picture is when Chromium has decoded it: the test camera's clock is in the picture, zero to two hops away.

Three hosts in a line, the ends without a way to each other, MTU 1500; one machine, so one clock. The viewer's browser
runs on the host whose node it asks. Also what a link carries when three browsers watch instead of one.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from simulations.benchmarks.measure import Figure
from simulations.hosts.browser import CHROMIUM, FLAGS
from simulations.hosts.lan import lan
from simulations.hosts.lan import run as command
from simulations.hosts.processes import Process, end, on_hosts, until

SECONDS = 15.0
SETTLE_S = 3.0
WATCH = """async camera => {
  const video = document.createElement('video');
  video.muted = video.playsInline = video.autoplay = true;
  document.body.append(video);
  const peer = new RTCPeerConnection();
  peer.addTransceiver('video', {direction: 'recvonly'});
  peer.ontrack = event => { video.srcObject = new MediaStream([event.track]); };
  const canvas = document.createElement('canvas');
  const drawing = canvas.getContext('2d', {willReadFrequently: true});
  window.ages = [];
  const look = () => {
    const size = Math.floor(video.videoWidth / 32);
    if (size) {
      canvas.width = video.videoWidth; canvas.height = size;
      drawing.drawImage(video, 0, 0);
      const line = drawing.getImageData(0, size >> 1, video.videoWidth, 1).data;
      let ms = 0;
      for (let bit = 0; bit < 32; bit++) ms = ms * 2 + (line[(bit * size + (size >> 1)) * 4 + 1] > 125 ? 1 : 0);
      window.ages.push((Date.now() % 2 ** 32 - ms + 2 ** 32) % 2 ** 32);
    }
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  await peer.setLocalDescription();
  const answer = await fetch('/whep/' + camera, {method: 'POST', headers: {'Content-Type': 'application/sdp'},
    body: peer.localDescription.sdp});
  const said = await answer.text();
  if (answer.status !== 201) return said;
  await peer.setRemoteDescription({type: 'answer', sdp: said});
  return '';
}"""


def watch(access_file: str, camera: str, seconds: float) -> list[float]:
    """Play a camera in Chromium on this host; gives the pictures' ages in ms, once it has settled."""
    from playwright.sync_api import sync_playwright

    access = json.loads(Path(access_file).read_text(encoding="utf-8"))
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            context = browser.new_context(extra_http_headers={"Authorization": f"Bearer {access['token']}"})
            page = context.new_page()
            page.goto(f"{access['url']}/health")
            problem = page.evaluate(WATCH, camera)
            if problem:
                raise RuntimeError(problem)
            page.wait_for_function("window.ages.length > 0", timeout=30_000)
            time.sleep(SETTLE_S)
            page.evaluate("window.ages.length = 0")
            time.sleep(seconds)
            return [float(age) for age in page.evaluate("window.ages")]
        finally:
            browser.close()


def viewer(node: Process, camera: str, seconds: float) -> subprocess.Popen[str]:
    """Start a browser on a node's host that shows a camera."""
    words = [*node.prefix, sys.executable, "-m", "simulations.benchmarks.live_delay"]
    words += [str(node.data / "cli.json"), camera, str(seconds)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def ages(browser: subprocess.Popen[str]) -> list[float]:
    """Give how old the pictures were that a browser showed, in ms; waits for its end."""
    said, _ = browser.communicate(timeout=SECONDS + 90)
    if browser.returncode:
        raise RuntimeError("a browser did not show the camera")
    return [float(age) for age in json.loads(said)]


def _packets(node: Process) -> int:
    return int(command(*node.prefix, "cat", "/sys/class/net/eth0/statistics/rx_packets"))


def _delay(what: str, seen: Sequence[float], target: str) -> Figure:
    ordered = sorted(seen)
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    measured = f"p50 {statistics.median(ordered):.0f} ms, p99 {late:.0f} ms ({len(ordered)} pictures)"
    return Figure(what, measured, "-", target, 1)


def run() -> list[Figure]:
    """Measure."""
    with tempfile.TemporaryDirectory() as text, lan(3) as network:
        network.block(0, 2)
        network.block(2, 0)
        nodes = on_hosts(network, Path(text))
        try:
            source = "test:?size=1280x720&rate=25"
            camera = str(nodes[2].json("source", "add", source)[0]["id"])
            figures = []
            for hops, node in enumerate(reversed(nodes)):
                until(lambda node=node: online(node, camera), 60, "the camera is known")  # type: ignore[misc]
                target = "300 ms p50" if hops == 0 else "at most 50 ms more a hop"
                seen = ages(viewer(node, camera, SECONDS))
                figures.append(_delay(f"live delay, source clock to picture in Chromium, {hops} hops", seen, target))
            rates = []
            for count in (1, 3):
                browsers = [viewer(nodes[0], camera, SECONDS) for _ in range(count)]
                time.sleep(SETTLE_S * 3)
                before, began = _packets(nodes[0]), time.monotonic()
                time.sleep(5)
                rates.append((_packets(nodes[0]) - before) / (time.monotonic() - began))
                for browser in browsers:
                    ages(browser)
            figures.append(
                Figure(
                    "packets a second on the last link, three viewers two hops away",
                    f"{rates[1]:.0f}",
                    f"one viewer {rates[0]:.0f}",
                    "one upstream",
                    1,
                )
            )
            return figures
        finally:
            end(nodes)


def online(node: Process, camera: str) -> bool:
    """Tell whether a node sees that a camera is there."""
    return any(one["id"] == camera and one["state"] == "online" for one in node.json("source", "list"))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(watch(sys.argv[1], sys.argv[2], float(sys.argv[3]))) + "\n")
