"""WHEP in a real browser: pictures at once, and how old they are when they are shown."""

import asyncio
import contextlib
import statistics

import pytest
import uvicorn
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from live_source import BLOCKS, SIZE, Source

from mesh.actors.live import LiveHub
from mesh.adapters.clock import SystemEntropy
from simulations.hosts.browser import CHROMIUM, FLAGS
from thatdam.gateway import problems, whep
from thatdam.gateway.whep import WhepSessions

pytestmark = pytest.mark.slow
PAGE = """<!doctype html><video id=v autoplay muted playsinline></video><script>
window.ages = []; window.shown = 0; window.problem = null;
async function play() {
  const began = performance.now();
  const peer = new RTCPeerConnection();
  window.peer = peer;
  peer.addTransceiver('video', {direction: 'recvonly'});
  peer.ontrack = event => { v.srcObject = new MediaStream([event.track]); };
  await peer.setLocalDescription();
  const answer = await fetch('/whep/cam', {method: 'POST', headers: {'Content-Type': 'application/sdp'},
    body: peer.localDescription.sdp});
  if (answer.status !== 201) { window.problem = await answer.json(); return; }
  window.session = answer.headers.get('Location');
  await peer.setRemoteDescription({type: 'answer', sdp: await answer.text()});
  const canvas = new OffscreenCanvas(WIDTH, 16), pen = canvas.getContext('2d', {willReadFrequently: true});
  const look = () => {
    pen.drawImage(v, 0, 0);
    const edge = WIDTH / BITS, row = pen.getImageData(0, edge / 2 | 0, WIDTH, 1).data;
    let stamp = 0n;
    for (let bit = 0; bit < BITS; bit++) stamp = stamp << 1n | BigInt(row[(bit * edge + edge / 2 | 0) * 4] > 128);
    ages.push(Number((BigInt(Date.now()) & (1n << BigInt(BITS)) - 1n) - stamp));
    if (!shown++) window.first = performance.now() - began;
    v.requestVideoFrameCallback(look);
  };
  v.requestVideoFrameCallback(look);
}
play();
</script>""".replace("WIDTH", str(SIZE[0])).replace("BITS", str(BLOCKS))


async def present(camera: str) -> None:
    assert camera == "cam"


@contextlib.asynccontextmanager
async def serving(sessions):
    app = FastAPI()
    problems.install(app)
    app.include_router(whep.router(sessions, lambda _: Depends(lambda: None), present))
    app.get("/", response_class=HTMLResponse)(lambda: PAGE)
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="warning"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await sessions.close()
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def page(port):
    from playwright.async_api import async_playwright

    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            shown = await browser.new_page()
            await shown.goto(f"http://127.0.0.1:{port}/")
            yield shown
        finally:
            await browser.close()


async def watched(live, seconds=4.0):
    """Give the ages (ms) of the pictures Chromium showed, and how long the first took (ms)."""
    sessions = WhepSessions(live, SystemEntropy())
    async with serving(sessions) as port, page(port) as shown:
        async with asyncio.timeout(15):
            while not await shown.evaluate("window.shown"):
                assert await shown.evaluate("window.problem") is None
                await asyncio.sleep(0.05)
        await asyncio.sleep(seconds)
        ages = await shown.evaluate("window.ages")
        return ages, await shown.evaluate("window.first"), sessions.sessions()[0].pictures


@pytest.mark.parametrize("profile", ["baseline", "high"])
def test_chromium_shows_the_camera_at_once_and_within_300_ms(profile):
    async def run():
        live = LiveHub()
        publisher = live.announce("cam/main", lambda _: None)
        source = Source(profile=profile)
        for _ in range(30):
            source.publish(publisher)
        task = asyncio.create_task(source.run(publisher))
        ages, first_ms, pictures = await watched(live)
        task.cancel()
        settled = ages[len(ages) // 2 :]
        assert len(ages) > 50
        assert statistics.median(settled) < 300, f"first after {first_ms:.0f} ms; ages {settled}"
        assert pictures >= len(ages)

    asyncio.run(run())
