"""WHEP: the routes by which browsers watch over WebRTC, and the sessions of a node.

What speaks WebRTC is read from the disk with the first session, beside the loop: a node that nobody watches so does
without its memory, about 30 MiB, and starts sooner.

Invariant: at most ``SESSIONS_MAX`` sessions.

Sources: RFC 9725 (WHIP), draft-ietf-wish-whep.
"""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request, Response

from mesh.actors.live import LiveHub
from mesh.ports import Entropy, NotFound
from proto.ids import short_id
from thatdam.gateway.guard import Present, Require
from thatdam.gateway.problems import TEXT, Problem, failing, media, sent

if TYPE_CHECKING:
    from thatdam.gateway.webrtc import WhepSession

SESSIONS_MAX = 64
"""Browsers that watch through this node at once; one more is told to take HLS or MJPEG."""
OFFER_BYTES_MAX = 128 * 1024
TRICKLE = "application/trickle-ice-sdpfrag"


class WhepSessions:
    """The WHEP sessions of a node. ``addresses`` gives those to offer for the local address a request came to."""

    def __init__(
        self, live: LiveHub, entropy: Entropy, addresses: Callable[[str], Sequence[str]] = lambda came_to: [came_to]
    ) -> None:
        self._live = live
        self._entropy = entropy
        self._addresses = addresses
        self._sessions: dict[str, WhepSession] = {}
        self._coming = 0
        self._over = False

    async def offer(self, camera: str, sdp: str, came_to: str) -> tuple[WhepSession, str]:
        """Begin a session; gives it with its SDP answer."""
        if len(self._sessions) + self._coming >= SESSIONS_MAX:
            raise Problem(503, f"{SESSIONS_MAX} browsers watch through this node already")
        self._coming += 1
        try:
            webrtc = await asyncio.to_thread(importlib.import_module, "thatdam.gateway.webrtc")
        finally:
            self._coming -= 1
        if self._over:  # meanwhile
            raise Problem(503, "the node is being stopped")
        session: WhepSession = webrtc.WhepSession(short_id(self._entropy.token(16)), camera, self._live, self._ended)
        self._sessions[session.id] = session
        try:
            return session, await session.answer(sdp, [*self._addresses(_plain(came_to))])
        except BaseException:
            await session.close()
            raise

    async def end(self, camera: str, session: str) -> None:
        """End a session; NotFound when there is none."""
        await self._session(camera, session).close()

    async def trickle(self, camera: str, session: str, fragment: str) -> None:
        """Take further candidates of a session's browser; NotFound when there is no such session."""
        await self._session(camera, session).trickle(fragment)

    def _session(self, camera: str, session: str) -> WhepSession:
        found = self._sessions.get(session)
        if found is None or found.camera != camera:
            raise NotFound("there is no such session; it may have ended")
        return found

    def sessions(self) -> list[WhepSession]:
        """Give the sessions that stand, the oldest first."""
        return list(self._sessions.values())

    async def close(self) -> None:
        """End every session, for good."""
        self._over = True
        for session in self.sessions():
            await session.close()

    def _ended(self, session: WhepSession) -> None:
        self._sessions.pop(session.id, None)


def _plain(address: str) -> str:
    """Give the address to bind for media: the one a request came to, else loopback."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "127.0.0.1"
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def router(sessions: WhepSessions, require: Require, present: Present) -> APIRouter:
    """Give the WHEP routes."""
    routes = APIRouter(tags=["live"])
    viewer = [require("viewer")]

    @routes.post(
        "/whep/{camera}",
        status_code=201,
        dependencies=[*viewer, Depends(present)],
        response_class=Response,
        responses=media({"application/sdp": TEXT}, code=201) | failing(400, 404, 413, 415, 503),
        openapi_extra=sent("application/sdp", "An SDP offer."),
    )
    async def offer(camera: str, request: Request) -> Response:
        """Begin to watch a camera by WHEP: an SDP offer for an SDP answer."""
        sdp = await _body(request, "application/sdp", "an offer")
        server = request.scope.get("server") or ("127.0.0.1", 0)
        session, answer = await sessions.offer(camera, sdp, str(server[0]))
        headers = {"Location": f"/whep/{camera}/{session.id}", "Accept-Patch": TRICKLE}
        return Response(answer, 201, headers, media_type="application/sdp")

    @routes.patch(
        "/whep/{camera}/{session}",
        status_code=204,
        dependencies=viewer,
        response_class=Response,
        responses=failing(400, 404, 413, 415, 422),
        openapi_extra=sent(TRICKLE, "Further ICE candidates."),
    )
    async def trickle(camera: str, session: str, request: Request) -> Response:
        """Take further ICE candidates of a WHEP session."""
        fragment = await _body(request, TRICKLE, "what comes after an offer")
        await sessions.trickle(camera, session, fragment)
        return Response(status_code=204)

    @routes.delete("/whep/{camera}/{session}", status_code=204, dependencies=viewer, responses=failing(404))
    async def end(camera: str, session: str) -> None:
        """End a WHEP session."""
        await sessions.end(camera, session)

    return routes


async def _body(request: Request, kind: str, what: str) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise Problem(415, f"{what} is {kind}")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > OFFER_BYTES_MAX:
            raise Problem(413, f"{what} has at most {OFFER_BYTES_MAX} bytes")
    return body.decode(errors="replace")
