"""Pictures of a camera one by one: MJPEG for what plays nothing else, and one as a snapshot.

Invariant: the source makes pictures only while somebody asks; a slow viewer gets the newest one, never a queue of old
ones; every part says its length, so that no player has to look for the boundary.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, Response
from fastapi.responses import StreamingResponse

from mesh.actors.live import Ended, LiveHub, Object, Subscription
from mesh.ports import NotFound
from thatdam.gateway.guard import Present, Require
from thatdam.gateway.problems import BYTES, Problem, failing, media

BOUNDARY = "thatdam-picture"
FIRST_PICTURE_S = 12.0
"""How long a request waits for the first picture: a source of H.264 begins making them at its next key frame."""
STAMP_BYTES = 8
"""In front of each JPEG: when it was captured, UTC microseconds since 1970."""
VIEWERS_MAX = 64


class Pictures:
    """The pictures of the mesh's cameras."""

    def __init__(self, live: LiveHub) -> None:
        self._live = live
        self.viewers = 0

    async def snapshot(self, camera: str) -> bytes:
        """Give one JPEG of now."""
        async with self._subscribe(camera) as subscription:
            return await self._first(subscription)

    async def open(self, camera: str) -> AsyncIterator[bytes]:
        """Give the parts of a multipart stream; what cannot begin raises here, before any byte is sent."""
        if self.viewers >= VIEWERS_MAX:
            raise Problem(503, f"{VIEWERS_MAX} viewers take pictures one by one through this node already")
        subscription = self._subscribe(camera)
        try:
            first = await self._first(subscription)
        except BaseException:
            subscription.close()
            raise
        return self._parts(subscription, first)

    def _subscribe(self, camera: str) -> Subscription:
        track = f"{camera}/jpeg"
        if track not in self._live.tracks():
            raise NotFound("there is no such camera, or it shows nothing now")
        return self._live.subscribe(track)

    async def _first(self, subscription: Subscription) -> bytes:
        try:
            async with asyncio.timeout(FIRST_PICTURE_S):
                picture = await _newest(subscription)
        except TimeoutError:
            picture = None
        if picture is None:
            raise Problem(503, "this camera gives no picture now; its state says why")
        return picture

    async def _parts(self, subscription: Subscription, first: bytes) -> AsyncIterator[bytes]:
        self.viewers += 1
        try:
            async with subscription:
                picture: bytes | None = first
                while picture is not None:
                    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                    yield head.encode() + picture + b"\r\n"
                    picture = await _newest(subscription)
                yield f"--{BOUNDARY}--\r\n".encode()
        finally:
            self.viewers -= 1


async def _newest(subscription: Subscription) -> bytes | None:
    """Wait for a picture and give the newest there is; None when the track has ended."""
    picture: bytes | None = None
    while picture is None or subscription.waiting:
        item = await subscription.next()
        if isinstance(item, Object):
            picture = item.data[STAMP_BYTES:]
        elif isinstance(item, Ended):
            return None
    return picture


def router(pictures: Pictures, require: Require, present: Present) -> APIRouter:
    """Give the routes of pictures."""
    routes = APIRouter(tags=["live"])
    viewer = [require("viewer"), Depends(present)]

    @routes.get(
        "/api/v1/cameras/{camera}/snapshot.jpg",
        dependencies=viewer,
        response_class=Response,
        responses=media({"image/jpeg": BYTES}) | failing(404, 503),
    )
    async def snapshot(camera: str) -> Response:
        """Give a camera's present picture as JPEG."""
        picture = await pictures.snapshot(camera)
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    @routes.get(
        "/api/v1/cameras/{camera}/live.mjpeg",
        dependencies=viewer,
        response_class=Response,
        responses=media({"multipart/x-mixed-replace": BYTES}) | failing(404, 503),
    )
    async def mjpeg(camera: str) -> Response:
        """Give a camera as a stream of JPEG pictures."""
        parts = await pictures.open(camera)
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        return StreamingResponse(_closing(parts), media_type=kind, headers={"Cache-Control": "no-store"})

    return routes


async def _closing(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass parts on, and end their subscription at once when the viewer goes."""
    async with contextlib.aclosing(parts) as open_parts:  # type: ignore[type-var]
        async for part in open_parts:
            yield part
