"""The ways to see a camera from this node, whichever node has it: WHEP, HLS, MJPEG, one picture.

Decides what is said when there is nothing to see: that there is no such camera, or why it shows nothing now.
"""

from __future__ import annotations

from fastapi import FastAPI

from mesh.core.rows import Row
from mesh.ports import Entropy, NotFound
from proto.ids import NodeId
from thatdam.gateway import hls, mjpeg, webrtc
from thatdam.gateway.guard import Guard
from thatdam.gateway.hls import LiveHls
from thatdam.gateway.mjpeg import Pictures
from thatdam.gateway.problems import Problem
from thatdam.gateway.takes import Takes
from thatdam.gateway.webrtc import WhepSessions
from thatdam.node import Node


def install(app: FastAPI, node: Node, guard: Guard, entropy: Entropy) -> None:
    """Add the routes; they end with the node."""

    async def present(camera: str) -> None:
        """Return when the camera can be seen from here; else raise what is to be answered."""
        if f"{camera}/main" in node.live.tracks():
            return
        row = await node.catalogue.get("cameras", camera)
        if row is None:
            raise NotFound(f"there is no camera {camera}")
        raise Problem(503, _why_not(row, node), state=row.fields.get("state"))

    takes = Takes(node.catalogue, node.chunks)
    windows = LiveHls(node.live)
    sessions = WhepSessions(node.live, entropy)
    pictures = Pictures(node.live)
    app.include_router(webrtc.router(sessions, guard.require, present))
    app.include_router(hls.router(windows, takes, guard.require, present))
    app.include_router(mjpeg.router(pictures, guard.require, present))
    node.before_stop(sessions.close)
    node.before_stop(windows.close)


def _why_not(row: Row, node: Node) -> str:
    name, state, error = (_text(row, field) for field in ("name", "state", "error"))
    home = NodeId(_text(row, "node"))
    if home not in node.members.alive():
        known = node.members.all().get(home)
        called = known.info.name if known is not None and known.info.name else home[:8]
        return f"{name or 'this camera'} is on node {called}, which does not answer now"
    return f"{name or 'this camera'} shows nothing now; it is {state or 'offline'}" + (f": {error}" if error else "")


def _text(row: Row, field: str) -> str:
    found = row.fields.get(field)
    return found if isinstance(found, str) else ""
