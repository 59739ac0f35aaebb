"""The wall and a camera's page, looked at on a node that does not have the cameras."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("viewer")]
MOVES = """async element => {
  const surface = element.querySelector('.is-shown');
  const canvas = new OffscreenCanvas(64, 36), pen = canvas.getContext('2d', {willReadFrequently: true});
  const look = () => { pen.drawImage(surface, 0, 0, 64, 36); return pen.getImageData(0, 0, 64, 36).data.join(); };
  const first = look();
  for (let tries = 0; tries < 200; tries++) {
    await new Promise(done => setTimeout(done, 100));
    if (look() !== first) return true;
  }
  return false;
}"""
NO_WEBRTC = "delete window.RTCPeerConnection; delete window.webkitRTCPeerConnection;"


def playing(screen, camera, mode):
    player = screen.player(camera)
    expect(player).to_have_attribute("data-mode", mode)
    expect(player).to_have_attribute("data-state", "playing")
    assert player.evaluate(MOVES), "the picture stands still"


def test_the_wall_shows_every_camera_of_the_mesh_moving_and_asks_nobody_else(screen):
    screen.sign_in()
    for camera in ("Front door", "Yard"):
        playing(screen, camera, "webrtc")
    expect(screen.page.get_by_text("WebRTC", exact=True)).to_have_count(2)
    expect(screen.page.get_by_text("2 cameras, none recording")).to_be_visible()
    screen.keep("wall")
    assert screen.hosts == {screen.site.url}
    assert screen.errors == []


def test_without_webrtc_a_camera_is_shown_by_hls_and_without_that_by_mjpeg_and_says_so(screen):
    screen.page.add_init_script(NO_WEBRTC)
    screen.sign_in().open(f"/camera/{screen.site.cameras['Front door']}")
    playing(screen, "Front door", "hls")
    note = screen.page.get_by_test_id("mode-note")
    expect(note).to_contain_text("Showing HLS")
    expect(note).to_contain_text("WebRTC is not shown: this browser has no WebRTC")
    screen.keep("camera-hls")
    screen.page.route("**/hls/**", lambda route: route.abort())
    screen.page.reload()
    playing(screen, "Front door", "mjpeg")
    expect(note).to_contain_text("Showing MJPEG")
    expect(note).to_contain_text("HLS is not shown")
    screen.keep("camera-mjpeg")


def test_a_camera_is_recorded_by_the_button_with_true_badges_and_the_take_plays(screen):
    screen.sign_in_as("otto")
    expect(screen.page.get_by_role("heading", name="Live")).to_be_visible()
    screen.open(f"/camera/{screen.site.cameras['Front door']}")
    playing(screen, "Front door", "webrtc")
    badges = screen.page.get_by_label("What is true of this camera now")
    facts = lambda: dict(  # noqa: E731
        zip(badges.locator("dt").all_inner_texts(), badges.locator("dd").all_inner_texts(), strict=True)
    )
    expect(badges).to_contain_text("H.264")
    before = facts()
    assert (before["Picture"], before["Node"], before["Hops"]) == ("640×480", "n0", "1")
    assert before["Copies"] == "–"
    screen.page.get_by_role("button", name="Start recording").click()
    expect(screen.page.get_by_role("button", name="Stop recording")).to_be_enabled()
    expect(screen.page.get_by_test_id("elapsed")).to_have_text(re.compile(r"00:00:0[3-9]|00:00:[1-5]\d"))
    expect(badges).to_contain_text(re.compile(r"[12] of 2"))
    screen.keep("camera-recording")
    screen.open("/")
    expect(screen.page.get_by_text("2 cameras, 1 recording")).to_be_visible()
    screen.open(f"/camera/{screen.site.cameras['Front door']}")
    screen.page.get_by_role("button", name="Stop recording").click()
    expect(screen.page.get_by_text("The take is kept.")).to_be_visible()
    screen.page.get_by_role("button", name="Open").click()
    expect(screen.page.get_by_role("heading", name=re.compile("Front door"))).to_be_visible()
    video = screen.page.locator("video.stage-video")
    expect(screen.page.locator(".stage")).to_have_attribute("data-way", "hls")
    screen.video("video.readyState >= 2")
    video.evaluate("video => { video.muted = true; return video.play(); }")
    screen.video("video.currentTime > 1")
    screen.keep("take")
    assert screen.errors == []


def test_a_change_made_elsewhere_is_seen_without_loading_the_page_again(screen):
    screen.sign_in()
    expect(screen.page.locator(".rail-feed")).to_have_attribute("data-feed", "open")
    site = screen.site
    site.first.run("source", "add", "test:?size=320x240", "--name", "Attic")
    try:
        expect(screen.page.get_by_text("Attic", exact=True)).to_be_visible()
    finally:
        listed = site.first.get("/api/v1/cameras")["cameras"]
        site.first.run("source", "remove", next(row["id"] for row in listed if row["name"] == "Attic"))
    expect(screen.page.get_by_text("Attic", exact=True)).to_have_count(0)


def shown_as(screen, camera, **changed):
    """Have the page see a camera of the mesh with something changed."""

    def answer(route):
        told = route.fetch().json()
        told |= changed
        route.fulfill(json=told)

    screen.page.route(f"**/api/v1/cameras/{screen.site.cameras[camera]}", answer)


NO_PICTURE = {"webrtc": False, "hls": False, "mjpeg": False, "bit_rate": None, "hops": None}


def test_a_camera_whose_node_is_gone_says_that_alone_and_cannot_be_recorded(screen):
    screen.sign_in()
    shown_as(
        screen,
        "Yard",
        state="offline",
        error="its node n0 does not answer",
        node_there=False,
        recording=None,
        **NO_PICTURE,
    )
    screen.open(f"/camera/{screen.site.cameras['Yard']}")
    expect(screen.page.get_by_text("Its node n0 does not answer.")).to_be_visible()
    expect(screen.page.get_by_text("is not shown")).to_have_count(0)
    expect(screen.page.get_by_role("button", name="Start recording")).to_be_disabled()
    expect(screen.page.get_by_text("Its node does not answer.")).to_be_visible()
    screen.keep("camera-node-gone")


def test_a_camera_that_sends_nothing_is_waited_for_and_its_address_keeps_its_case(screen):
    screen.sign_in()
    recording = {"take": "t", "started_at": "2026-01-01T00:00:00Z", "size_bytes": 0, "lag_bytes": 4_300_000, "lag_s": 0}
    recording |= {"copies": 0, "copies_wanted": 2, "seconds_left": 1_200_000}
    error = "rtsp://127.0.0.1:18554/cam wants a user and password, or those given are wrong"
    shown_as(screen, "Yard", state="error", error=error, node_there=True, recording=recording, **NO_PICTURE)
    screen.open(f"/camera/{screen.site.cameras['Yard']}")
    expect(screen.page.get_by_text(f"{error}.")).to_be_visible()
    expect(screen.page.get_by_test_id("rec")).to_have_text("Waiting for the camera")
    expect(screen.page.get_by_test_id("elapsed")).to_have_text("–")
    expect(screen.page.get_by_text("is not shown")).to_have_count(0)
    expect(screen.page.get_by_text("room for")).to_have_count(0)
    expect(screen.page.get_by_label("What is true of this camera now")).not_to_contain_text("4.3 MB")
    screen.keep("camera-waits")


def test_a_camera_that_is_not_there_is_asked_for_once(screen):
    asked = []
    screen.page.on("request", lambda one: asked.append(one.url) if one.url.endswith("/cameras/nobody") else None)
    screen.sign_in().open("/camera/nobody")
    expect(screen.page.get_by_text("There is no such camera")).to_be_visible()
    screen.page.wait_for_timeout(8_000)  # longer than two looks at a camera that is there
    assert len(asked) == 1
