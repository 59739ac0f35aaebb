"""An asset's bytes over HTTP: a stored file from its manifest, a take as one MP4; posters and hero frames.

Decides what a browser may do with uploaded bytes: they are a download under a harmless name, of the type that libav
found and never of one the uploader stated, not sniffed, and in a sandbox: an uploaded page never runs as this node's
own. Players take no note of that. Source: RFC 9110 (Range, If-Range, ETag), RFC 6266 (Content-Disposition).

Invariant: the entity tag names the very bytes, so that parts of two states of a take are never joined.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Annotated
from urllib.parse import quote

from blake3 import blake3
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse

from mesh.core.names import safe_file_name
from mesh.core.rows import Row
from mesh.ports import NotFound
from proto.ids import ChunkId
from roles.media.mp4 import VirtualMp4
from thatdam.gateway.guard import Guard
from thatdam.gateway.problems import BYTES, Problem, failing, media, problem_response
from thatdam.gateway.takes import Takes
from thatdam.node import Node

PIECE_BYTES = 256 * 1024
"""Bytes handed to the server at once; a chunk is verified whole and goes out in these."""
POSTER_BYTES_MAX = 4 << 20
JPEG = "image/jpeg"
PICTURE = media({JPEG: BYTES}, 304)
FILE = media({"*/*": BYTES}, 206, 304)
_MIME = re.compile(r"(?:video|audio|image)/[a-z0-9][a-z0-9.+-]{0,60}\Z")
_CHUNK = re.compile(r"[0-9a-f]{64}\Z")
_BytesOf = Callable[[int, int], AsyncIterator[bytes]]
_RANGE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*\Z", re.ASCII)


class UnsatisfiableError(ValueError):
    """A range that begins after the last byte."""


def wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Read a Range header of one range as (start, end), end exclusive.

    None when there is none, or one that a server may pass over (another unit, several ranges, no sense in it).
    UnsatisfiableError when it asks for nothing that is there.
    """
    found = _RANGE.match(header or "")
    if found is None or found[1] == found[2] == "":
        return None
    first, last = found[1], found[2]
    if first == "":
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise UnsatisfiableError(f"the file has {size} bytes")
    return start, end


def disposition(name: str) -> str:
    """Give the Content-Disposition of a download under ``name``, which nothing in it can turn into anything else."""
    safe = safe_file_name(name)
    plain = "".join(letter if letter.isascii() and letter not in '"\\%' else "_" for letter in safe)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


def download_name(row: Row) -> str:
    """Give the name a download of an asset gets."""
    name = row.fields.get("name")
    text = name if isinstance(name, str) and name else row.pk
    return f"{text}.mp4" if row.fields.get("kind") == "take" else text


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the routes."""
    takes = Takes(node.catalogue, node.chunks)

    async def row_of(asset: str) -> Row:
        row = await node.catalogue.get("assets", asset)
        if row is None:
            raise NotFound(f"there is no asset {asset[:80]}; `thatdam ls` lists them")
        return row

    @app.head(
        "/api/v1/assets/{asset}/file",
        tags=["assets"],
        dependencies=[guard.require("viewer")],
        response_class=Response,
        responses=FILE | failing(404, 416, 502, 503),
    )
    @app.get(
        "/api/v1/assets/{asset}/file",
        tags=["assets"],
        dependencies=[guard.require("viewer")],
        response_class=Response,
        responses=FILE | failing(404, 416, 502, 503),
    )
    async def file(asset: str, request: Request) -> Response:
        """Give the bytes of an asset, with Range; a take comes as one MP4."""
        row = await row_of(asset)
        manifest = await node.files.manifest(row.fields)
        if manifest is not None:
            size, tag = manifest.size, manifest.blake3.hex()

            def bytes_of(start: int, end: int) -> AsyncIterator[bytes]:
                return node.files.read(manifest, start, end)

        elif row.fields.get("kind") == "take":
            made = VirtualMp4(await takes.line(asset))
            size, tag = made.size, f"take-{blake3(made.head).hexdigest()}"

            def bytes_of(start: int, end: int) -> AsyncIterator[bytes]:
                return takes.stream(made, start, end)

        else:
            raise NotFound("this asset has no bytes")
        return await _answer(request, row, size, f'"{tag}"', bytes_of)

    async def _answer(request: Request, row: Row, size: int, tag: str, bytes_of: _BytesOf) -> Response:
        mime = row.fields.get("mime")
        kind = mime if isinstance(mime, str) and _MIME.match(mime) and "svg" not in mime else "application/octet-stream"
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": tag,
            "Cache-Control": "private, no-cache",
            "Content-Disposition": disposition(download_name(row)),
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        wanted = None
        if request.method == "GET" and request.headers.get("if-range", tag) == tag:
            try:
                wanted = wanted_range(request.headers.get("range"), size)
            except UnsatisfiableError as error:
                return problem_response(416, str(error), {"Content-Range": f"bytes */{size}"})
        start, end = wanted or (0, size)
        headers["Content-Length"] = str(end - start)
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if request.method == "HEAD":
            return Response(status_code=200, headers=headers, media_type=kind)
        body = await _begun(bytes_of(start, end))
        return StreamingResponse(body, 206 if wanted else 200, headers, media_type=kind)

    @app.get(
        "/api/v1/assets/{asset}/poster.jpg",
        tags=["assets"],
        dependencies=[guard.require("viewer")],
        response_class=Response,
        responses=PICTURE | failing(404, 502, 503),
    )
    async def poster(asset: str, request: Request) -> Response:
        """Give an asset's poster as JPEG."""
        chunk = (await row_of(asset)).fields.get("poster")
        if not isinstance(chunk, str) or not _CHUNK.match(chunk):
            raise Problem(404, "this asset has no poster")
        # The URL stays while the poster may change: the browser asks again, and is told that nothing did.
        return await picture(chunk, request, "private, no-cache")

    @app.get(
        "/api/v1/chunks/{chunk}.jpg",
        tags=["assets"],
        dependencies=[guard.require("viewer")],
        response_class=Response,
        responses=PICTURE | failing(404, 502, 503),
    )
    async def frame(chunk: str, request: Request, asset: Annotated[str, Query(max_length=64)]) -> Response:
        """Give a picture of an asset, a scene's hero frame, as JPEG."""
        named = {str((await row_of(asset)).fields.get("poster"))}
        if chunk not in named:
            named |= {_hex(row.fields.get("hero")) for row in await node.catalogue.rows("scenes", asset)}
        if not _CHUNK.match(chunk) or chunk not in named:
            raise Problem(404, "this asset has no such picture")
        return await picture(chunk, request, "private, max-age=31536000, immutable")

    async def picture(chunk: str, request: Request, cache: str) -> Response:
        headers = {"ETag": f'"{chunk}"', "Cache-Control": cache, "X-Content-Type-Options": "nosniff"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        data = await node.chunks.get(ChunkId(bytes.fromhex(chunk)))
        if len(data) > POSTER_BYTES_MAX or not data.startswith(b"\xff\xd8"):
            raise Problem(404, "this asset has no such picture")
        return Response(data, media_type=JPEG, headers=headers)


def _hex(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else value if isinstance(value, str) else ""


async def _begun(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Take the first bytes before the answer begins: what cannot be reached is then a problem, not a torn download."""
    first = await anext(body, b"")

    async def pieces() -> AsyncIterator[bytes]:
        data = first
        while data:
            for at in range(0, len(data), PIECE_BYTES):
                yield data[at : at + PIECE_BYTES]
            data = await anext(body, b"")

    return pieces()
