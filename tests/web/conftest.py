"""A real mesh of two nodes and a real browser, once for all tests of the viewer."""

import contextlib
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect, sync_playwright

from simulations.hosts.browser import CHROMIUM, FLAGS
from simulations.hosts.processes import end, mesh, until
from thatdam.gateway import viewer

DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PASSWORD = "a long enough password"
PATIENCE_MS = 45_000
"""How long a page may take on a machine that is busy with other tests."""


HERE = Path(__file__).parent
STAYS = contextlib.ExitStack()
"""What all tests of the viewer share."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item, nextitem):
    """End what they share with the last of them: the loop of Playwright would stay in the process, and tests of asyncio
    that follow there fail beside it."""
    try:
        return (yield)
    finally:
        if HERE in item.path.parents and (nextitem is None or HERE not in nextitem.path.parents):
            STAYS.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Give the folder that screenshots are kept in: THATDAM_SCREENSHOTS, or one of pytest's own."""
    chosen = os.environ.get("THATDAM_SCREENSHOTS")
    return Path(chosen) if chosen else tmp_path_factory.mktemp("viewer-screenshots")


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """Give a clip of two scenes of three seconds each."""
    path = tmp_path_factory.mktemp("media") / "harbour at dawn.mp4"
    sources = "testsrc2=size=320x180:rate=25:duration=3", "mandelbrot=size=320x180:rate=25"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", sources[0], "-f", "lavfi", "-t", "3", "-i", sources[1]]
    graph = ["-filter_complex", "[0][1]concat=n=2:v=1:a=0,format=yuv420p", "-c:v", "libx264", "-g", "25"]
    subprocess.run([*command, *graph, "-movflags", "+faststart", str(path)], check=True, timeout=60)
    return path


@pytest.fixture(scope="session")
def site(tmp_path_factory, clip):
    """Two nodes with two copies: two cameras on the first, people in the mesh; tests look at the second."""
    return STAYS.enter_context(_site(tmp_path_factory, clip))


@contextlib.contextmanager
def _site(tmp_path_factory, clip):
    if not viewer.built():
        pytest.fail("the viewer is not built; run `make web`")
    nodes = mesh(
        tmp_path_factory.mktemp("site"),
        2,
        "--copies",
        "2",
        settings={"THATDAM_NODE_ROLES": "proxy,daemon,storage,encoder"},
    )
    try:
        first, second = nodes
        for url, name in (("test:?size=640x480&tone=440", "Front door"), ("test:?size=320x240", "Yard")):
            first.run("source", "add", url, "--name", name)
        for name, role in (("vera", "viewer"), ("otto", "operator")):
            body = {"name": name, "password": PASSWORD, "role": role}
            assert first.http().post("/api/v1/users", json=body).status_code == 201

        def online():
            listed = {row["name"]: row for row in second.get("/api/v1/cameras")["cameras"]}
            return listed if [row["state"] for row in listed.values()] == ["online"] * 2 else None

        cameras = until(online, 60, "both cameras are online")
        uploaded = second.http().put("/api/v1/uploads", params={"name": clip.name}, content=clip.read_bytes())
        assert uploaded.status_code == 201, uploaded.text
        yield SimpleNamespace(
            first=first,
            second=second,
            url=str(second.http().base_url).rstrip("/"),
            cameras={name: row["id"] for name, row in cameras.items()},
            clip=uploaded.json()["id"],
        )
    finally:
        end(nodes)


@pytest.fixture(scope="session")
def browser():
    """Give Chromium."""
    play = STAYS.enter_context(sync_playwright())
    started = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    STAYS.callback(started.close)
    return started


class Screen:
    """One browser window on the second node, and what it asked of whom."""

    def __init__(self, context, site, pictures):
        context.set_default_timeout(PATIENCE_MS)
        self.site = site
        self.page = context.new_page()
        self.pictures = pictures
        self.hosts = set()
        self.errors = []
        self.page.on("request", lambda one: self.hosts.add(re.sub(r"^(blob:)?(\w+://[^/]*).*", r"\2", one.url)))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def link(self):
        return self.site.second.run("login").strip()

    def sign_in(self):
        self.page.goto(self.link())
        expect(self.page.get_by_role("navigation", name="Pages")).to_be_visible()
        return self

    def sign_in_as(self, name, password=PASSWORD):
        self.page.goto(self.site.url)
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def open(self, path):
        self.page.goto(f"{self.site.url}/#{path}")
        return self

    def until(self, true, told):
        """Wait until an expression of the page is true. The page's policy forbids the browser's own way to wait."""
        return until(lambda: self.page.evaluate(true), PATIENCE_MS / 1000, told)

    def video(self, true):
        """Wait until something of the player's video holds."""
        seen = "(video => video !== null && (" + true + "))(document.querySelector('video.stage-video'))"
        return self.until(seen, true)

    def video_at(self, at_s):
        """Wait until the player stands at a moment, half a second more or less."""
        return self.video(f"video.readyState >= 1 && Math.abs(video.currentTime - {at_s}) < 0.5")

    def keep(self, name):
        self.page.screenshot(path=self.pictures / f"{name}.png")

    def player(self, camera):
        return self.page.locator(f'[data-camera="{self.site.cameras[camera]}"]')


@pytest.fixture
def window(browser, pictures):
    """Give a way to open a window of a size on the second node of a site; all are closed afterwards."""
    contexts = []

    def opened(site, viewport, **more):
        contexts.append(browser.new_context(viewport=viewport, **more))
        return Screen(contexts[-1], site, pictures)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def screen(window, site):
    """Give a window of a desk's size."""
    return window(site, DESK)


@pytest.fixture
def phone(window, site):
    """Give a window of a phone's size, in portrait, with touch."""
    return window(site, PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)


@pytest.fixture(autouse=True, scope="session")
def patience():
    """Have every expectation wait as long as a busy machine needs."""
    expect.set_options(timeout=PATIENCE_MS)
