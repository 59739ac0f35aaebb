"""Cameras as the API shows them, put together from what different nodes know.

The row tells what a camera is; its recorder tells how the take is doing; membership tells whether its node is there;
this node's live routes tell how many hops away it is. Invariant: what nobody could be asked is null, and a camera whose
node does not answer is offline, whatever its row says last; what is measured of its picture is told only while one
comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import get_args

from mesh.core.rows import Row
from mesh.ports import NotFound, PortError
from proto.ids import NodeId
from proto.messages.cameras import ListRecordings, Recordings
from proto.messages.cameras import Recording as Running
from thatdam.gateway import shapes
from thatdam.gateway.answers.cameras import Camera, CameraState, Recording, RecordingState
from thatdam.gateway.webrtc_media import B_FRAMES, NO_H265
from thatdam.node import Node

RECORDINGS_TIMEOUT_S = 1.5
VIDEO = ("h264", "hevc")
_STATES: tuple[CameraState, ...] = get_args(CameraState)


def text(row: Row, field: str) -> str:
    """Give a field that is text, or nothing."""
    found = row.fields.get(field)
    return found if isinstance(found, str) else ""


class CameraView:
    """The cameras of the mesh, seen from one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def row(self, camera: str) -> Row:
        """Give a camera's row; NotFound when there is none."""
        row = await self._node.catalogue.get("cameras", camera)
        if row is None or not is_camera(row):
            raise NotFound(f"there is no camera {camera[:80]}")
        return row

    def node_name(self, node: str) -> str | None:
        """Give what people call a node, if it is known."""
        member = self._node.members.all().get(NodeId(node))
        return member.info.name or None if member is not None else None

    def called(self, node: str) -> str:
        """Give what to call a node in a sentence."""
        return self.node_name(node) or node[:8]

    def why_not(self, row: Row) -> str:
        """Say why a camera cannot be seen now."""
        name, state, error = (text(row, field) for field in ("name", "state", "error"))
        home = text(row, "node")
        called = f"the camera {name}" if name else "this camera"  # a sentence must not begin with a name in lower case
        if NodeId(home) not in self._node.members.alive():
            return f"{called} is on node {self.called(home)}, which does not answer now"
        return f"{called} shows nothing now; it is {state or 'offline'}" + (f": {error}" if error else "")

    async def shown(self, rows: Sequence[Row]) -> list[Camera]:
        """Give cameras as JSON."""
        recordings = await self._recordings(rows)
        return [self._shape(row, *recordings.get(row.pk, (None, ""))) for row in rows]

    async def _recordings(self, rows: Sequence[Row]) -> dict[str, tuple[Running, str]]:
        """Give what recorders tell of their takes, and what each take waits for."""
        recorders = dict.fromkeys(recorder_of(row) for row in rows if text(row, "record"))
        alive = self._node.members.alive()

        async def ask(node: NodeId) -> list[tuple[Running, str]]:
            try:
                told = await self._node.system.ask(
                    node, "recorder", ListRecordings(), Recordings, timeout_s=RECORDINGS_TIMEOUT_S
                )
            except PortError:
                return []
            waiting = (*told.waiting, *[""] * len(told.recordings))  # an older node says nothing of that
            return list(zip(told.recordings, waiting, strict=False))

        told = await asyncio.gather(*(ask(node) for node in recorders if node in alive))
        return {one.camera: (one, waiting) for some in told for one, waiting in some}

    def _shape(self, row: Row, running: Running | None, waiting: str) -> Camera:
        field = row.fields.get
        home = text(row, "node")
        there = NodeId(home) in self._node.members.alive()
        state, error = _state(row), text(row, "error")
        if not there:
            state, error = "offline", f"its node {self.called(home)} does not answer"
        elif not self._node.grants.may(NodeId(home), "proxy"):
            state, error = "offline", f"node {self.called(home)} was not granted the role proxy, which has cameras"
        track = self._node.live.tracks().get(f"{row.pk}/main")
        codec = text(row, "codec")
        seen = state == "online" and codec in VIDEO
        reason = _webrtc_reason(row, codec) if state == "online" else None
        return Camera(
            id=row.pk,
            name=text(row, "name"),
            node=home,
            node_name=self.node_name(home),
            node_there=there,
            source=text(row, "source"),
            state=state,
            error=error or None,
            codec=codec or None,
            width=shapes.whole(field("width")) or None,
            height=shapes.whole(field("height")) or None,
            frame_rate=shapes.number(field("frame_rate")) or None,
            bit_rate=(shapes.number(field("bit_rate")) or None) if state == "online" else None,
            hops=track.hops if track is not None and state == "online" else None,
            recording=self._recording(row, running, waiting),
            webrtc=seen and reason is None,
            webrtc_reason=reason,
            hls=state == "online" and bool(codec),
            mjpeg=seen,
            jumps=field_int(row, "jumps"),
        )

    def _recording(self, row: Row, told: Running | None, waits: str) -> Recording | None:
        take = text(row, "record")
        if not take:
            return None
        if told is not None and told.take != take:
            told = None  # the row is a moment behind, or ahead
        state, waiting = self._how(row, told, waits)
        return Recording(
            take=take,
            state=state,
            waiting_for=waiting or None,
            node=recorder_of(row),
            node_name=self.node_name(recorder_of(row)),
            started_at=shapes.moment(told.started_ms if told else field_int(row, "record_ms")),
            size_bytes=told.size_bytes if told else None,
            lag_bytes=told.lag_bytes if told else None,
            lag_s=round(told.lag_ms / 1000, 3) if told else None,
            copies=told.copies if told else None,
            copies_wanted=self._node.view.copies(),
            seconds_left=told.seconds_left if told and told.seconds_left >= 0 else None,
            lost_s=told.lost_ms / 1000 if told else None,
            error=(told.error or None) if told else None,
        )

    def _how(self, row: Row, told: Running | None, waits: str) -> tuple[RecordingState, str]:
        """Say whether a take goes on, waits or changes hands, and what for."""
        home, recorder, alive = NodeId(text(row, "node")), recorder_of(row), self._node.members.alive()
        if home not in alive:
            return "waiting", f"node {self.called(home)}, which has the camera, does not answer"
        if told is not None:
            return ("waiting", waits) if waits else ("recording", "")
        if recorder not in alive:
            return "moving", f"node {self.called(recorder)}, which recorded it, does not answer; another one takes over"
        return "recording", ""


def recorder_of(row: Row) -> NodeId:
    """Give the node that records a camera, when it is recorded."""
    return NodeId(text(row, "recorder") or text(row, "node"))


def is_camera(row: Row) -> bool:
    """Tell whether a row is a camera's: a node that was cut off may have told the state of one removed meanwhile."""
    return bool(text(row, "source"))


def field_int(row: Row, field: str) -> int:
    """Give a field that is a whole number, or 0."""
    found = row.fields.get(field)
    return found if isinstance(found, int) else 0


def _state(row: Row) -> CameraState:
    return next((one for one in _STATES if one == row.fields.get("state")), "offline")


def _webrtc_reason(row: Row, codec: str) -> str | None:
    if codec == "h264":
        return B_FRAMES if row.fields.get("reordered") else None
    if codec == "hevc":
        return NO_H265
    return f"WebRTC shows H.264, and this source is {codec}." if codec else "This source has no pictures."
