"""The bytes of an asset with Range: a stored file from its manifest's chunks, a take as one MP4.

Decides what a browser may do with them: pictures, sound and video are shown in place; anything else is a download, in
a sandbox, so that an uploaded page never runs as this node's own. Source: RFC 9110 (Range, If-Range, ETag).

Invariant: the entity tag names the very bytes: a range of a take that grew meanwhile is never joined to an older one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

from blake3 import blake3
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks
from mesh.core.manifest import Manifest
from mesh.core.rows import Row
from mesh.ports import NotFound
from roles.media.mp4 import VirtualMp4
from thatdam.gateway.guard import Require
from thatdam.gateway.takes import Takes, wanted_range

PIECE_BYTES = 1 << 20
"""Bytes asked of a chunk at once: what a viewer that goes away leaves unread."""


class MediaFiles:
    """Reads assets' bytes."""

    def __init__(self, catalogue: Catalogue, chunks: Chunks, takes: Takes) -> None:
        self._catalogue = catalogue
        self._chunks = chunks
        self._takes = takes

    async def answer(self, asset: str, request: Request) -> Response:
        """Answer a GET or HEAD for an asset's bytes."""
        row = await self._catalogue.get("assets", asset)
        if row is None:
            raise NotFound("there is no such asset")
        packed = row.fields.get("manifest")
        if isinstance(packed, bytes) and packed:
            manifest = Manifest.unpack(packed)
            return self._respond(row, request, manifest.size, manifest.blake3.hex()[:32], manifest)
        made = VirtualMp4(await self._takes.line(asset))
        return self._respond(row, request, made.size, blake3(made.head).hexdigest()[:32], made)

    def _respond(self, row: Row, request: Request, size: int, tag: str, body: Manifest | VirtualMp4) -> Response:
        mime = row.fields.get("mime")
        kind = mime if isinstance(mime, str) and mime.isascii() and mime.isprintable() else "application/octet-stream"
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": f'"{tag}"',
            "Cache-Control": "private, no-cache",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; media-src 'self'",
            "Content-Disposition": _disposition(row, kind, download="download" in request.query_params),
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        unchanged = request.headers.get("if-range", headers["ETag"]) == headers["ETag"]
        wanted = wanted_range(request.headers.get("range"), size) if unchanged else None
        start, end = wanted or (0, size)
        headers["Content-Length"] = str(end - start)
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        status = 206 if wanted else 200
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers, media_type=kind)
        stream = self._file(body, start, end) if isinstance(body, Manifest) else self._takes.stream(body, start, end)
        return StreamingResponse(stream, status, headers, media_type=kind)

    async def _file(self, manifest: Manifest, start: int, end: int) -> AsyncIterator[bytes]:
        for chunk, offset, size in manifest.plan(start, end):
            # A whole chunk is verified and read once; it goes out in pieces.
            data = await self._chunks.get(chunk, offset, size)
            for at in range(0, size, PIECE_BYTES):
                yield data[at : at + PIECE_BYTES]


def _disposition(row: Row, kind: str, *, download: bool) -> str:
    name = row.fields.get("name")
    text = name if isinstance(name, str) and name else row.pk
    shown = kind.partition("/")[0] in ("video", "audio", "image") and "svg" not in kind and not download
    return f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(text, safe='')}"


def router(files: MediaFiles, require: Require) -> APIRouter:
    """Give the route of assets' bytes."""
    routes = APIRouter(tags=["assets"])
    viewer = [require("viewer")]

    @routes.api_route("/api/v1/assets/{asset}/file", methods=["GET", "HEAD"], dependencies=viewer)
    async def file(asset: str, request: Request) -> Response:
        return await files.answer(asset, request)

    return routes
