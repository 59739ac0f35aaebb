"""A Chromium that plays a node's camera by WHEP, as the viewer does, and says what it sees."""

import contextlib
import time

from simulations.hosts.browser import CHROMIUM, FLAGS

PLAY = """async camera => {
  const video = document.createElement('video');
  video.muted = true; video.playsInline = true; video.autoplay = true;
  document.body.append(video);
  const peer = new RTCPeerConnection();
  window.peer = peer;
  peer.addTransceiver('video', {direction: 'recvonly'});
  peer.ontrack = event => { video.srcObject = new MediaStream([event.track]); };
  window.shown = 0;
  const count = () => { window.shown++; window.width = video.videoWidth; video.requestVideoFrameCallback(count); };
  video.requestVideoFrameCallback(count);
  await peer.setLocalDescription();
  const answer = await fetch('/whep/' + camera, {method: 'POST', headers: {'Content-Type': 'application/sdp'},
    body: peer.localDescription.sdp});
  if (answer.status !== 201) return await answer.text();
  await peer.setRemoteDescription({type: 'answer', sdp: await answer.text()});
  return '';
}"""


@contextlib.contextmanager
def playing(url, link, camera):
    """Sign in by a one-time link's token, play a camera, and give the page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            context = browser.new_context()
            signed_in = context.request.post(
                f"{url}/api/v1/session",
                data={"link": link},
                headers={"Origin": url, "Content-Type": "application/json"},
            )
            assert signed_in.ok, signed_in.text()
            page = context.new_page()
            page.goto(f"{url}/health")
            assert page.evaluate(PLAY, camera) == ""
            yield page
        finally:
            browser.close()


def pictures(page, count, timeout_s=30.0):
    """Wait until so many pictures were shown; gives how wide they are."""
    deadline = time.monotonic() + timeout_s
    while page.evaluate("window.shown") < count:
        assert time.monotonic() < deadline, page.evaluate("[window.shown, window.peer.connectionState]")
        time.sleep(0.1)
    return page.evaluate("window.width")
