"""A take's bytes: HLS of one URL while it runs and after, and one MP4.

Decides how long a timeline that was read serves further requests: a take that runs grows with every page, one that has
ended hardly changes. Invariant: a segment's name, once in a playlist, gives the same bytes for ever.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks
from mesh.ports import NotFound
from proto.ids import ChunkId
from roles.media.mp4 import VirtualMp4
from roles.media.playlist import media_playlist, segments
from roles.media.timeline import Page, Placed, Timeline, taken_until, timeline
from thatdam.gateway.problems import Problem

LINES_MAX = 32
"""Timelines kept for the requests that follow; the one unused for longest goes first."""
RUNNING_S = 0.5
ENDED_S = 30.0


class Takes:
    """Reads takes from the catalogue and the chunks."""

    def __init__(self, catalogue: Catalogue, chunks: Chunks) -> None:
        self._catalogue = catalogue
        self._chunks = chunks
        self._lines: OrderedDict[str, tuple[float, bool, Timeline]] = OrderedDict()

    async def knows(self, take: str) -> bool:
        """Tell whether there is such a take."""
        if take in self._lines:
            return True
        row = await self._catalogue.get("assets", take)
        return row is not None and row.fields.get("kind") == "take"

    async def line(self, take: str) -> Timeline:
        """Give a take's timeline; NotFound when there is no such take, Problem when it has no part yet."""
        return (await self._line(take))[1]

    async def _line(self, take: str, *, fresh: bool = False) -> tuple[bool, Timeline]:
        """Give whether a take has ended, and its timeline as it was not long ago."""
        now = asyncio.get_running_loop().time()
        kept = self._lines.get(take)
        if kept is not None and not fresh and now - kept[0] < (ENDED_S if kept[1] else RUNNING_S):
            self._lines.move_to_end(take)
            return kept[1], kept[2]
        row = await self._catalogue.get("assets", take)
        if row is None or row.fields.get("kind") != "take":
            self._lines.pop(take, None)
            raise NotFound(f"there is no take {take}")
        ended = row.fields.get("state") != "recording"
        pages = []
        for page in await self._catalogue.rows("pages", take):
            body = page.fields.get("body")
            if isinstance(body, bytes):
                pages.append(Page.unpack(body))
        line = timeline(pages, taken_until(row.fields))
        if not line.parts:
            raise Problem(503, "this take has nothing recorded" + ("" if ended else " yet; ask again in a moment"))
        self._lines[take] = (now, ended, line)
        self._lines.move_to_end(take)
        if len(self._lines) > LINES_MAX:
            self._lines.popitem(last=False)
        return ended, line

    async def part(self, placed: Placed) -> bytes:
        """Give a stored part."""
        return await self._chunks.get(ChunkId(placed.entry.chunk), placed.entry.offset, placed.entry.size)

    async def playlist(self, take: str) -> str:
        """Give the playlist: growing while the take runs, then VOD."""
        ended, line = await self._line(take)
        cut = segments(line.parts, whole=ended)
        if not cut:
            raise Problem(503, "this take has no whole segment yet; ask again in a moment")
        return media_playlist(
            cut,
            ended=ended,
            segment_uri=lambda segment: f"{segment.name}.m4s",
            init_uri=lambda placed: f"init-{placed.page.init.hex()}.mp4",
        )

    async def segment(self, take: str, name: str) -> bytes:
        """Give a segment by the name the playlist has for it."""
        for fresh in (False, True):
            _, line = await self._line(take, fresh=fresh)
            found = next((one for one in segments(line.parts, whole=True) if one.name == name), None)
            if found is not None:
                return b"".join([await self.part(placed) for placed in found.parts])
        raise NotFound("this take has no such segment")

    async def init(self, take: str, name: str) -> bytes:
        """Give an initialisation segment of a take."""
        for fresh in (False, True):
            _, line = await self._line(take, fresh=fresh)
            if any(placed.page.init.hex() == name for placed in line.parts):
                return await self._chunks.get(ChunkId(bytes.fromhex(name)))
        raise NotFound("this take has no such initialisation segment")

    async def stream(self, file: VirtualMp4, start: int, end: int) -> AsyncIterator[bytes]:
        """Give bytes ``start`` to ``end`` of the take's MP4."""
        for piece in file.plan(start, end):
            part = await self.part(piece.placed) if piece.placed is not None else b""
            yield file.render(piece, part)
