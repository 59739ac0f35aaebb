"""HLS and MJPEG of cameras, through the routes as a browser asks for them."""

import asyncio
import contextlib
import io
import re

import av
import httpx
from blake3 import blake3
from fastapi import Depends, FastAPI
from live_source import SIZE, Source

from mesh.actors.live import LiveHub
from mesh.core.rows import Row
from mesh.ports import NotFound
from thatdam.gateway import hls, mjpeg, problems
from thatdam.gateway.hls import KEPT_SEGMENTS, WINDOW_SEGMENTS, LiveHls
from thatdam.gateway.mjpeg import Pictures
from thatdam.gateway.takes import Takes


class Catalogue:
    """What the routes ask of the catalogue."""

    def __init__(self, assets=()):
        self.assets = dict(assets)

    async def get(self, table, pk, sk=""):
        fields = self.assets.get(pk)
        return None if fields is None else Row(table, pk, sk, fields, {}, 0)

    async def rows(self, table, pk):
        return []


class Chunks:
    def __init__(self, *data):
        self.data = {blake3(one).digest(): one for one in data}
        self.asked = []

    async def get(self, chunk, offset=0, size=None):
        self.asked.append((offset, size))
        whole = self.data[chunk]
        return whole[offset : len(whole) if size is None else offset + size]


def anybody(_role):
    return Depends(lambda: None)


async def present(camera: str) -> None:
    if camera != "cam":
        raise NotFound("no such camera")


@contextlib.asynccontextmanager
async def client(*routers):
    app = FastAPI()
    problems.install(app)
    for one in routers:
        app.include_router(one)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as made:
        yield made


async def breathe(publisher=None, source=None, pictures=0):
    for _ in range(pictures):
        source.publish(publisher)
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)


def test_live_hls_slides_over_segments_that_decode_and_every_viewer_shares_them():
    async def run():
        live, source = LiveHub(), Source(gop=25)
        publisher = live.announce("cam/main", lambda _: None)
        windows = LiveHls(live)
        async with client(hls.router(windows, Takes(Catalogue(), Chunks()), anybody, present)) as browser:
            await breathe(publisher, source, 10)
            assert live.subscribers("cam/main") == 0, "nobody asked yet"
            asking = [asyncio.create_task(browser.get("/hls/cam/index.m3u8")) for _ in range(3)]
            async with asyncio.timeout(20):
                while not live.subscribers("cam/main"):
                    await breathe()
            assert live.subscribers("cam/main") == 1
            await breathe(publisher, source, 50)
            first = (await asyncio.gather(*asking))[0].text
            assert "#EXT-X-TARGETDURATION:1\n" in first
            assert "#EXT-X-MEDIA-SEQUENCE:0\n" in first
            assert "ENDLIST" not in first
            assert "PLAYLIST-TYPE" not in first
            names = re.findall(r"^(.*\.m4s)$", first, re.M)
            init = re.search(r'MAP:URI="(.*?)"', first).group(1)
            data = (await browser.get(f"/hls/cam/{init}")).content
            for name in names:
                data += (await browser.get(f"/hls/cam/{name}")).content
            with av.open(io.BytesIO(data)) as file:
                pictures = [(frame.width, frame.height) for frame in file.decode(video=0)]
            assert len(pictures) == 25 * len(names)
            assert pictures[0] == SIZE
            await breathe(publisher, source, 25 * 12)
            later = (await browser.get("/hls/cam/index.m3u8")).text
            shown = re.findall(r"^(.*\.m4s)$", later, re.M)
            assert len(shown) == WINDOW_SEGMENTS
            sequence = int(re.search(r"MEDIA-SEQUENCE:(\d+)", later).group(1))
            assert sequence == 13 - WINDOW_SEGMENTS, "of 360 pictures 13 groups have ended"
            assert (await browser.get(f"/hls/cam/{names[0]}")).status_code == 404
            assert (await browser.get(f"/hls/cam/{shown[0]}")).status_code == 200
            assert len(windows._windows["cam"]._kept) == WINDOW_SEGMENTS + KEPT_SEGMENTS
        await windows.close()
        assert live.subscribers("cam/main") == 0

    asyncio.run(run())


def test_a_source_opened_again_is_a_discontinuity_with_its_own_configuration():
    async def run():
        live, source = LiveHub(), Source(gop=25)
        publisher = live.announce("cam/main", lambda _: None)
        windows = LiveHls(live)
        async with client(hls.router(windows, Takes(Catalogue(), Chunks()), anybody, present)) as browser:
            asking = asyncio.create_task(browser.get("/hls/cam/index.m3u8"))
            await breathe()
            await breathe(publisher, source, 51)
            await asking
            other = Source(gop=25, size=(320, 192))
            await breathe(live.announce("cam/main", lambda _: None), other, 51)
            text = (await browser.get("/hls/cam/index.m3u8")).text
            assert text.count("#EXT-X-DISCONTINUITY\n") == 1
            assert len(set(re.findall(r'MAP:URI="(.*?)"', text))) == 2
            await breathe(publisher := live.announce("cam/main", lambda _: None), other, 25 * 8)
            del publisher
            text = (await browser.get("/hls/cam/index.m3u8")).text
            gone = int((re.search(r"DISCONTINUITY-SEQUENCE:(\d+)", text) or [0, 0])[1])
            assert gone >= 1
        await windows.close()

    asyncio.run(run())


def test_a_window_goes_on_when_its_source_is_back(monkeypatch):
    monkeypatch.setattr(hls, "BACK_POLL_S", 0.01)

    async def run():
        live, source = LiveHub(), Source(gop=25)
        publisher = live.announce("cam/main", lambda _: None)
        windows = LiveHls(live)
        async with client(hls.router(windows, Takes(Catalogue(), Chunks()), anybody, present)) as browser:
            asking = asyncio.create_task(browser.get("/hls/cam/index.m3u8"))
            await breathe()
            await breathe(publisher, source, 60)
            before = re.findall(r"^(.*\.m4s)$", (await asking).text, re.M)
            publisher.close("unplugged")
            await breathe()
            answer = await browser.get("/hls/cam/index.m3u8")
            assert (answer.status_code, before[0] in answer.text) == (200, True), "what was shown can still be had"
            publisher = live.announce("cam/main", lambda _: None)
            await asyncio.sleep(0.1)
            await breathe(publisher, source, 60)
            text = (await browser.get("/hls/cam/index.m3u8")).text
            assert "#EXT-X-MEDIA-SEQUENCE:0\n" in text
            assert text.count("#EXT-X-DISCONTINUITY\n") == 1
            assert len(set(re.findall(r"^(.*\.m4s)$", text, re.M)) - set(before)) >= 2
        await windows.close()

    asyncio.run(run())


def test_a_window_is_given_up_when_nobody_asks_and_when_its_track_ends(monkeypatch):
    monkeypatch.setattr(hls, "IDLE_S", 0.3)
    monkeypatch.setattr(hls, "LOOK_S", 0.05)
    monkeypatch.setattr(hls, "FIRST_SEGMENT_S", 0.1)

    async def run():
        live, source = LiveHub(), Source(gop=25)
        wanted = []
        publisher = live.announce("cam/main", wanted.append)
        windows = LiveHls(live)
        async with client(hls.router(windows, Takes(Catalogue(), Chunks()), anybody, present)) as browser:
            answer = await browser.get("/hls/cam/index.m3u8")
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            await asyncio.sleep(0.5)
            assert (windows.windows(), wanted) == ([], [True, False])
            source.publish(publisher)
            asking = asyncio.create_task(browser.get("/hls/cam/index.m3u8"))
            while wanted[-1] is False and not asking.done():
                await asyncio.sleep(0.005)
            publisher.close("unplugged")
            answer = await asking
            assert (answer.status_code, "unplugged" in answer.text) == (503, True)
            assert (await browser.get("/hls/other/index.m3u8")).status_code == 404
        await windows.close()

    asyncio.run(run())


def test_pictures_are_made_on_demand_and_a_slow_viewer_gets_the_newest(monkeypatch):
    monkeypatch.setattr(mjpeg, "FIRST_PICTURE_S", 0.2)

    async def run():
        live = LiveHub()
        wanted = []
        publisher = live.announce("cam/jpeg", wanted.append)
        pictures = Pictures(live)

        def picture(number):
            publisher.begin(number, b"")
            publisher.object(bytes(8) + b"jpeg %d" % number)

        async with client(mjpeg.router(pictures, anybody, present)) as browser:
            assert (await browser.get("/api/v1/cameras/none/snapshot.jpg")).status_code == 404
            answer = await browser.get("/api/v1/cameras/cam/snapshot.jpg")
            assert (answer.status_code, wanted) == (503, [True, False])
            asking = asyncio.create_task(browser.get("/api/v1/cameras/cam/snapshot.jpg"))
            await asyncio.sleep(0.05)
            picture(1)
            answer = await asking
            assert (answer.content, answer.headers["content-type"]) == (b"jpeg 1", "image/jpeg")
        parts = await pictures.open("cam")
        assert await anext(parts) == (
            b"--thatdam-picture\r\nContent-Type: image/jpeg\r\nContent-Length: 6\r\n\r\njpeg 1\r\n"
        ), "the last picture, as it is not old"
        for number in range(3, 9):
            picture(number)
        assert b"jpeg 8" in await anext(parts)
        publisher.close()
        assert await anext(parts) == b"--thatdam-picture--\r\n"
        assert [part async for part in parts] == []
        assert (pictures.viewers, wanted[-1]) == (0, True)

    asyncio.run(run())


def test_what_is_no_camera_is_asked_of_the_takes():
    class Recorded:
        async def knows(self, name):
            return name == "take"

        async def playlist(self, name):
            if name != "take":
                raise NotFound("no such take")
            return "#EXTM3U recorded"

    async def run():
        async with client(hls.router(LiveHls(LiveHub()), Recorded(), anybody, present)) as browser:
            assert (await browser.get("/hls/take/index.m3u8")).text == "#EXTM3U recorded"
            assert (await browser.get("/hls/other/index.m3u8")).status_code == 404

    asyncio.run(run())
