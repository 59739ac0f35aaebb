"""The bytes of an asset as a media worker reads them: a stored file from its chunks, a take as one MP4.

Invariant: a read holds a few chunks or parts, whatever the asset's size.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks
from mesh.actors.files import FileReader, Files
from mesh.core.rows import Row
from mesh.ports import NotFound
from proto.ids import ChunkId
from roles.media.mp4 import VirtualMp4
from roles.media.timeline import Page, Timeline, taken_until, timeline

PARTS_KEPT = 16


class Content(Protocol):
    """Random reads of something with a size."""

    @property
    def size(self) -> int:
        """Bytes in all."""

    async def read(self, offset: int, size: int) -> bytes:
        """Give up to ``size`` bytes, verified; fewer at the end."""


class TakeReader:
    """Random reads of a take, as its MP4; keeps its last PARTS_KEPT parts."""

    def __init__(self, chunks: Chunks, line: Timeline) -> None:
        self._chunks = chunks
        self._file = VirtualMp4(line)
        self._kept: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes of the MP4."""
        return self._file.size

    async def read(self, offset: int, size: int) -> bytes:
        """Give up to ``size`` bytes; fewer at the end."""
        pieces = []
        end = min(offset + size, self._file.size)
        for piece in self._file.plan(offset, end) if offset < end else ():
            part = b""
            if piece.placed is not None:
                entry = piece.placed.entry
                key = (entry.chunk, entry.offset)
                kept = self._kept.get(key)
                if kept is None:
                    kept = await self._chunks.get(ChunkId(entry.chunk), entry.offset, entry.size)
                    self._kept[key] = kept
                    while len(self._kept) > PARTS_KEPT:
                        self._kept.popitem(last=False)
                part = kept
            pieces.append(self._file.render(piece, part))
        return b"".join(pieces)


class Contents:
    """Opens assets for reading."""

    def __init__(self, catalogue: Catalogue, chunks: Chunks, files: Files) -> None:
        self._catalogue = catalogue
        self._chunks = chunks
        self._files = files

    async def open(self, row: Row, *, first_s: float | None = None) -> Content:
        """Open an asset; of a take only its first ``first_s`` seconds, when given. NotFound when it has no bytes."""
        manifest = await self._files.manifest(row.fields)
        if manifest is not None:
            return FileReader(self._chunks, manifest)
        line = await self.line(row.pk)
        if first_s is not None:
            until_us = int(first_s * 1e6)
            line = Timeline(tuple(part for part in line.parts if part.at_us < until_us), ())
        return TakeReader(self._chunks, line)

    async def line(self, take: str) -> Timeline:
        """Give a take's timeline; NotFound when it has no parts."""
        pages = []
        for row in await self._catalogue.rows("pages", take):
            body = row.fields.get("body")
            if isinstance(body, bytes):
                pages.append(Page.unpack(body))
        asset = await self._catalogue.get("assets", take)
        line = timeline(pages, taken_until(asset.fields) if asset is not None else None)
        if not line.parts:
            raise NotFound("this asset has no bytes yet")
        return line
