"""The viewer's files, served by every node: the page is asked for anew, what its name hashes is kept for a year.

Decides what of the package ``web`` a browser gets and how long it may keep it. Only files that were there when the node
started are served, by exact name: no path of a request ever reaches the disk. An address typed without its hash
(``/library``) leads to the page (``/#/library``); what programs ask of the API keeps its 404.
"""

from __future__ import annotations

import gzip
import importlib.resources
import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from urllib.parse import quote

from blake3 import blake3
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.types import Receive, Scope, Send

from mesh.ports import NotFound

PAGE = "index.html"
KEPT_FOR_EVER = "public, max-age=31536000, immutable"
ASKED_ANEW = "no-cache"
COMPRESSED = (".html", ".js", ".css", ".svg")
PROGRAMS = ("/api/", "/hls/", "/whep/", "/whip/", "/health", "/ready", "/metrics", "/assets/")
"""What is asked by programs: unknown paths there are problems, never the page."""
POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "style-src 'self'",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>ThatDAM</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="dark">
<body><h1>This node runs, but its viewer was not built</h1>
<p>It was started from a source tree. Run <code>make web</code> there (it brings its own Node.js) and load this page
again after <code>thatdam up</code> was started anew. The command <code>thatdam</code> and the
<a href="/api/v1/openapi.json">API</a> work without it.</p></body></html>"""


@dataclass(frozen=True, slots=True)
class File:
    """A file of the viewer. ``packed`` is the same by gzip, where that is smaller."""

    body: bytes = field(repr=False)
    packed: bytes | None = field(repr=False)
    media_type: str
    tag: str


def built() -> dict[str, File]:
    """Read the built viewer from its package; empty where it was not built."""
    folder = importlib.resources.files("web") / "dist"
    files: dict[str, File] = {}
    if folder.is_dir():
        _read(folder, "", files)
    return files


def install(app: FastAPI, files: Mapping[str, File]) -> None:
    """Add the routes, and have what no route knows answered for people and programs."""

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        found = files.get(PAGE)
        if found is None:
            return HTMLResponse(NOT_BUILT, 503, {**HEADERS, "Cache-Control": "no-store"})
        return _answer(request, found, ASKED_ANEW)

    for root in (name for name in files if "/" not in name and name != PAGE):
        app.add_api_route(f"/{root}", _plain(files[root]), include_in_schema=False)

    if PAGE in files:

        @app.get("/assets/{name}", include_in_schema=False)
        async def asset(request: Request, name: str) -> Response:
            found = files.get(f"assets/{name}")
            if found is None:
                raise NotFound("the viewer has no such file; load the page again")
            return _answer(request, found, KEPT_FOR_EVER)

    not_found: Callable[[Scope, Receive, Send], Awaitable[None]] = app.router.default

    async def default(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _by_a_person(Request(scope)):
            answer = RedirectResponse("/#" + quote(str(scope["path"])), 307, {"Cache-Control": "no-store"})
            await answer(scope, receive, send)
            return
        await not_found(scope, receive, send)

    app.router.default = default


def _plain(file: File) -> Callable[[Request], Awaitable[Response]]:
    async def route(request: Request) -> Response:
        return _answer(request, file, ASKED_ANEW)

    return route


def _by_a_person(request: Request) -> bool:
    path = request.url.path
    return (
        request.method in ("GET", "HEAD")
        and "text/html" in request.headers.get("accept", "")
        and not any(path == one.rstrip("/") or path.startswith(one) for one in PROGRAMS)
    )


def _answer(request: Request, file: File, keep: str) -> Response:
    headers = {**HEADERS, "Cache-Control": keep, "ETag": file.tag, "Vary": "Accept-Encoding"}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = file.body
    if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = file.packed
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type=file.media_type)


def _read(folder: Traversable, prefix: str, files: dict[str, File]) -> None:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            _read(entry, f"{prefix}{entry.name}/", files)
            continue
        body = entry.read_bytes()
        packed = gzip.compress(body, 6, mtime=0) if entry.name.endswith(COMPRESSED) else None
        kind = mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
        if entry.name.endswith(".js"):
            kind = "text/javascript"  # some Windows registries say text/plain, which browsers refuse as a module
        tag = f'"{blake3(body).hexdigest()[:20]}"'
        files[f"{prefix}{entry.name}"] = File(body, packed if packed and len(packed) < len(body) else None, kind, tag)
