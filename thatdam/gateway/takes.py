"""A take over HTTP: HLS of one URL while it runs and after; its bytes as one MP4 for gateway/files.py."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Response

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks
from mesh.ports import NotFound
from proto.ids import ChunkId
from roles.media.mp4 import VirtualMp4
from roles.media.playlist import Segment, media_playlist, segments
from roles.media.timeline import Page, Placed, Timeline, timeline
from thatdam.gateway.guard import Require


class Takes:
    """Reads takes from the catalogue and the chunks."""

    def __init__(self, catalogue: Catalogue, chunks: Chunks) -> None:
        self._catalogue = catalogue
        self._chunks = chunks

    async def line(self, take: str) -> Timeline:
        """Give a take's timeline; NotFound when it has no parts."""
        pages = []
        for row in await self._catalogue.rows("pages", take):
            body = row.fields.get("body")
            if isinstance(body, bytes):
                pages.append(Page.unpack(body))
        line = timeline(pages)
        if not line.parts:
            raise NotFound("there is no such take, or it has no parts yet")
        return line

    async def part(self, placed: Placed) -> bytes:
        """Give a stored part."""
        return await self._chunks.get(ChunkId(placed.entry.chunk), placed.entry.offset, placed.entry.size)

    async def playlist(self, take: str) -> str:
        """Give the playlist: growing while the take runs, then VOD."""
        row = await self._catalogue.get("assets", take)
        ended = row is not None and row.fields.get("state") != "recording"
        line = await self.line(take)
        return media_playlist(
            segments(line.parts, whole=ended),
            ended=ended,
            segment_uri=lambda segment: f"{segment.name}.m4s",
            init_uri=lambda placed: f"init-{placed.page.init.hex()}.mp4",
        )

    async def segment(self, take: str, name: str) -> bytes:
        """Give a segment by the name the playlist has for it."""
        line = await self.line(take)
        found = next((one for one in segments(line.parts, whole=True) if one.name == name), None)
        if found is None:
            raise NotFound("this take has no such segment")
        return b"".join([await self.part(placed) for placed in Segment(found.parts).parts])

    async def init(self, take: str, name: str) -> bytes:
        """Give an initialisation segment of a take."""
        line = await self.line(take)
        if all(placed.page.init.hex() != name for placed in line.parts):
            raise NotFound("this take has no such initialisation segment")
        return await self._chunks.get(ChunkId(bytes.fromhex(name)))

    async def stream(self, file: VirtualMp4, start: int, end: int) -> AsyncIterator[bytes]:
        """Give bytes ``start`` to ``end`` of the take's MP4."""
        for piece in file.plan(start, end):
            part = await self.part(piece.placed) if piece.placed is not None else b""
            yield file.render(piece, part)


def router(takes: Takes, require: Require) -> APIRouter:
    """Give the routes of takes."""
    routes = APIRouter()
    viewer = [require("viewer")]

    @routes.get("/hls/{take}/index.m3u8", dependencies=viewer, tags=["takes"])
    async def playlist(take: str) -> Response:
        text = await takes.playlist(take)
        return Response(text, media_type="application/vnd.apple.mpegurl", headers={"Cache-Control": "no-cache"})

    @routes.get("/hls/{take}/{name}.m4s", dependencies=viewer, tags=["takes"])
    async def segment(take: str, name: str) -> Response:
        return Response(await takes.segment(take, name), media_type="video/iso.segment")

    @routes.get("/hls/{take}/init-{name}.mp4", dependencies=viewer, tags=["takes"])
    async def init(take: str, name: str) -> Response:
        return Response(await takes.init(take, name), media_type="video/mp4")

    return routes
