"""Live HLS of a camera: one window of parts in memory for all viewers, cut as the recording's are.

Decides when a window is made (at the first request), how far it reaches back, and when it is given up (when nobody
asked for ``IDLE_S``). A source that was gone for a while goes on in the same window, after a discontinuity. A take's
HLS comes from its pages (``takes``); this serves cameras, under the same kind of URL.

Invariant: at most ``WINDOWS_MAX`` windows of ``WINDOW_BYTES_MAX``; a segment has one name and one content for ever, and
stays for a while after it left the playlist (RFC 8216, 6.2.2).
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass

from blake3 import blake3
from fastapi import APIRouter, Response

from mesh.actors.live import Ended, Gap, GroupStart, LiveHub, Object
from mesh.ports import NotFound
from proto.codec import Malformed
from roles.media.playlist import Segment, media_playlist, segments
from roles.media.segmenter import Part, Segmenter
from roles.media.timeline import Entry, Page, Placed
from roles.media.units import AccessUnit, GroupInfo
from thatdam.gateway.guard import Present, Require
from thatdam.gateway.problems import BYTES, TEXT, Problem, failing, media
from thatdam.gateway.takes import Takes

WINDOW_SEGMENTS = 6
"""Segments in the playlist."""
KEPT_SEGMENTS = 4
"""Segments that can still be had after they left it."""
WINDOW_BYTES_MAX = 64 << 20
WINDOWS_MAX = 32
IDLE_S = 20.0
FIRST_SEGMENT_S = 12.0
"""How long the first request of a camera waits for a segment: a long GOP has to end."""
LOOK_S = 1.0
BACK_POLL_S = 0.2
_PLAYLIST = "application/vnd.apple.mpegurl"


@dataclass(frozen=True, slots=True)
class _Kept:
    segment: Segment
    data: bytes
    discontinuous: bool


class _Window:
    """The last segments of one camera."""

    def __init__(self, camera: str) -> None:
        self.camera = camera
        self.used_at_s = 0.0
        self.ended = ""
        self.first = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._segmenter = Segmenter(camera)
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._inits: dict[bytes, bytes] = {}
        self._open: list[tuple[Placed, bytes]] = []
        self._last: Placed | None = None
        self._after_gap = False
        self._sequence = 0
        self._discontinuities = 0
        self._target_s = 1

    async def follow(self, live: LiveHub) -> None:
        """Fill the window until nobody asks for it; a track that ended goes on in it when it is back."""
        loop = asyncio.get_running_loop()
        while loop.time() - self.used_at_s < IDLE_S:
            if f"{self.camera}/main" in live.tracks():
                await self._follow(live)
            else:
                await asyncio.sleep(BACK_POLL_S)

    async def _follow(self, live: LiveHub) -> None:
        loop = asyncio.get_running_loop()
        async with live.subscribe(f"{self.camera}/main") as subscription:
            while loop.time() - self.used_at_s < IDLE_S:
                try:
                    async with asyncio.timeout(LOOK_S):
                        item = await subscription.next()
                except TimeoutError:
                    continue
                match item:
                    case GroupStart(header=header):
                        self.ended = ""
                        self._take(self._segmenter.begin(GroupInfo.unpack(header)))
                    case Object(data=data):
                        self._take(self._segmenter.push(AccessUnit.unpack(data)))
                    case Gap():
                        self._take(self._segmenter.flush())
                        self._after_gap = True
                    case Ended(reason):
                        self._take(self._segmenter.flush())
                        self._after_gap = True
                        self.ended = reason
                        if not self._kept:
                            self.changed()
                        return

    def changed(self) -> None:
        """Wake who waits for the first segment: it is there, or there is none for a reason."""
        self.first.set()
        if not self._kept:
            self.first = asyncio.Event()

    @property
    def empty(self) -> bool:
        """Whether it has no segment."""
        return not self._kept

    def playlist(self) -> str:
        """Give the playlist of the window's end."""
        shown = list(self._kept)[-WINDOW_SEGMENTS:]
        hidden = len(self._kept) - len(shown)
        # The first segment's own discontinuity is not in the playlist any more: it counts as gone.
        gone = sum(one.discontinuous for one in list(self._kept)[: hidden + 1])
        return media_playlist(
            [one.segment for one in shown],
            ended=False,
            live=True,
            sequence=self._sequence + hidden,
            discontinuities=self._discontinuities + gone,
            target_s=self._target_s,
            segment_uri=lambda segment: f"{segment.name}.m4s",
            init_uri=lambda placed: f"init-{placed.page.init.hex()}.mp4",
        )

    def segment(self, name: str) -> bytes | None:
        """Give a segment by its name."""
        return next((one.data for one in self._kept if one.segment.name == name), None)

    def init(self, name: str) -> bytes | None:
        """Give an initialisation segment by its hash in hex digits."""
        return next((data for key, data in self._inits.items() if key.hex() == name), None)

    def _take(self, parts: list[Part]) -> None:
        for part in parts:
            placed = self._place(part)
            self._open.append((placed, part.data))
            self._last = placed
        closed = segments([placed for placed, _ in self._open], whole=False)
        for segment in closed:
            count = len(segment.parts)
            data = b"".join(data for _, data in self._open[:count])
            del self._open[:count]
            self._keep(segment, data)

    def _place(self, part: Part) -> Placed:
        last = self._last
        page = last.page if last is not None else None
        if last is None or page is None or page.tracks != part.tracks:
            init = part.init()
            page = Page(self.camera, blake3(init).digest(), len(init), part.tracks, ())
            self._inits[page.init] = init
        after_gap = self._after_gap or (last is not None and last.entry.epoch != part.epoch)
        self._after_gap = False
        entry = Entry.of(part, bytes(32))
        return Placed(entry, page, part.start_us, 0, after_gap)

    def _keep(self, segment: Segment, data: bytes) -> None:
        first = segment.parts[0]
        before = self._kept[-1].segment.parts[0] if self._kept else None
        discontinuous = before is not None and (first.after_gap or first.page.init != before.page.init)
        self._kept.append(_Kept(segment, data, discontinuous))
        self._bytes += len(data)
        self._target_s = max(self._target_s, math.ceil(segment.duration_s))
        while len(self._kept) > WINDOW_SEGMENTS + KEPT_SEGMENTS or (
            self._bytes > WINDOW_BYTES_MAX and len(self._kept) > 1
        ):
            gone = self._kept.popleft()
            self._bytes -= len(gone.data)
            self._sequence += 1
            self._discontinuities += gone.discontinuous
        used = {part.page.init for one in self._kept for part in one.segment.parts}
        used |= {placed.page.init for placed, _ in self._open}
        self._inits = {key: init for key, init in self._inits.items() if key in used}
        self.changed()


class LiveHls:
    """The live windows of a node."""

    def __init__(self, live: LiveHub) -> None:
        self._live = live
        self._windows: dict[str, _Window] = {}

    def knows(self, camera: str) -> bool:
        """Tell whether this is a camera that can be watched."""
        return camera in self._windows or f"{camera}/main" in self._live.tracks()

    def windows(self) -> list[str]:
        """Give the cameras with a window now."""
        return sorted(self._windows)

    async def playlist(self, camera: str) -> str:
        """Give a camera's playlist, once it has a segment."""
        window = self._window(camera)
        try:
            async with asyncio.timeout(FIRST_SEGMENT_S):
                await window.first.wait()
        except TimeoutError:
            raise Problem(503, "this camera gives no picture now; its state says why") from None
        if window.empty:
            raise Problem(503, f"this camera shows nothing now: {window.ended}")
        return window.playlist()

    def segment(self, camera: str, name: str) -> bytes:
        """Give a segment by the name the playlist has for it."""
        window = self._windows.get(camera)
        found = window.segment(name) if window else None
        if window is None or found is None:
            raise NotFound("this segment is not in the live window any more")
        window.used_at_s = asyncio.get_running_loop().time()
        return found

    def init(self, camera: str, name: str) -> bytes:
        """Give an initialisation segment."""
        window = self._windows.get(camera)
        found = window.init(name) if window else None
        if found is None:
            raise NotFound("this initialisation segment is not in the live window any more")
        return found

    async def close(self) -> None:
        """Give up every window."""
        tasks = [window.task for window in self._windows.values() if window.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _window(self, camera: str) -> _Window:
        loop = asyncio.get_running_loop()
        window = self._windows.get(camera)
        if window is None:
            if f"{camera}/main" not in self._live.tracks():
                raise NotFound("there is no such camera, or it shows nothing now")
            if len(self._windows) >= WINDOWS_MAX:
                raise Problem(503, f"{WINDOWS_MAX} cameras are watched by HLS through this node already")
            window = self._windows[camera] = _Window(camera)
            window.used_at_s = loop.time()
            window.task = loop.create_task(self._run(window), name=f"hls/{camera}")
        window.used_at_s = loop.time()
        return window

    async def _run(self, window: _Window) -> None:
        try:
            await window.follow(self._live)
        except Malformed as error:
            window.ended = f"the source sent what is no media: {error}"
            window.changed()
        finally:
            if self._windows.get(window.camera) is window:
                del self._windows[window.camera]


def router(hls: LiveHls, takes: Takes, require: Require, present: Present) -> APIRouter:
    """Give the routes of HLS: of cameras from ``hls``, of anything else from ``takes``."""
    routes = APIRouter(tags=["live"])
    viewer = [require("viewer")]

    @routes.get(
        "/hls/{name}/index.m3u8",
        dependencies=viewer,
        response_class=Response,
        responses=media({_PLAYLIST: TEXT}) | failing(404, 502, 503),
    )
    async def playlist(name: str) -> Response:
        """Give the HLS playlist of a camera (live) or of a take (growing while it runs, then whole)."""
        if hls.knows(name):
            text = await hls.playlist(name)
        elif await takes.knows(name):
            text = await takes.playlist(name)
        else:
            await present(name)
            text = await hls.playlist(name)
        return Response(text, media_type=_PLAYLIST, headers={"Cache-Control": "no-cache"})

    @routes.get(
        "/hls/{name}/{segment}.m4s",
        dependencies=viewer,
        response_class=Response,
        responses=media({"video/iso.segment": BYTES}) | failing(404, 502, 503),
    )
    async def segment(name: str, segment: str) -> Response:
        """Give a segment of an HLS playlist."""
        data = hls.segment(name, segment) if hls.knows(name) else await takes.segment(name, segment)
        return Response(data, media_type="video/iso.segment", headers={"Cache-Control": "private, max-age=3600"})

    @routes.get(
        "/hls/{name}/init-{init}.mp4",
        dependencies=viewer,
        response_class=Response,
        responses=media({"video/mp4": BYTES}) | failing(404, 502, 503),
    )
    async def initialisation(name: str, init: str) -> Response:
        """Give what an HLS player needs before the first segment."""
        data = hls.init(name, init) if hls.knows(name) else await takes.init(name, init)
        return Response(data, media_type="video/mp4", headers={"Cache-Control": "private, max-age=3600"})

    return routes
