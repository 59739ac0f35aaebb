"""The ways to see a camera from this node, whichever node has it: WHEP, HLS, MJPEG, one picture.

Decides what is said when there is nothing to see: that there is no such camera, or why it shows nothing now.
"""

from __future__ import annotations

from fastapi import FastAPI

from mesh.ports import Entropy
from thatdam.gateway import hls, mjpeg, whep
from thatdam.gateway.camera_view import CameraView
from thatdam.gateway.guard import Guard
from thatdam.gateway.hls import LiveHls
from thatdam.gateway.mjpeg import Pictures
from thatdam.gateway.problems import Problem
from thatdam.gateway.takes import Takes
from thatdam.gateway.whep import WhepSessions
from thatdam.node import Node


def install(app: FastAPI, node: Node, guard: Guard, entropy: Entropy) -> None:
    """Add the routes; they end with the node."""
    view = CameraView(node)

    async def present(camera: str) -> None:
        """Return when the camera can be seen from here; else raise what is to be answered."""
        if f"{camera}/main" in node.live.tracks():
            return
        row = await view.row(camera)
        raise Problem(503, view.why_not(row), state=row.fields.get("state"))

    takes = Takes(node.catalogue, node.chunks)
    windows = LiveHls(node.live)
    sessions = WhepSessions(node.live, entropy)
    pictures = Pictures(node.live)
    app.include_router(whep.router(sessions, guard.require, present))
    app.include_router(hls.router(windows, takes, guard.require, present))
    app.include_router(mjpeg.router(pictures, guard.require, present))
    node.before_stop(sessions.close)
    node.before_stop(windows.close)
