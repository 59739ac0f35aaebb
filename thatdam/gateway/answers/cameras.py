"""Cameras, their recordings, and the devices that can become cameras."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from thatdam.gateway.answers import Answer, Moment, StrictBody
from thatdam.gateway.answers.assets import AssetDetails

CameraState = Literal["online", "connecting", "stalled", "offline", "error"]


RecordingState = Literal["recording", "waiting", "moving"]


class NewCamera(StrictBody):
    """A source to add."""

    url: str = Field(max_length=4096)
    """What to open: ``test:``, ``file:PATH``, ``rtsp://…``, ``v4l2:NAME``. Credentials in it are kept apart."""
    name: str = Field("", max_length=200)
    """What people call it; empty: made from the URL."""
    node: str = Field("", max_length=64)
    """The node that opens it, by id, beginning of an id, or name; empty: the node that is asked."""


class CameraChange(StrictBody):
    """What to change of a camera."""

    name: str = Field(min_length=1, max_length=200)
    """What people call it from now on."""


class Recording(Answer):
    """A take that runs. Null inside: its recorder does not answer."""

    take: str
    """The id of the asset."""
    state: RecordingState
    """Whether it goes on, waits for its camera, or another node is about to go on with it."""
    waiting_for: str | None
    """What it waits for, in words."""
    node: str
    """The id of the node that records."""
    node_name: str | None
    """What people call that node."""
    started_at: Moment | None
    """When it began."""
    size_bytes: int | None
    """What has been recorded so far."""
    lag_bytes: int | None
    """What the recorder, of whatever take, keeps and no other node has yet."""
    lag_s: float | None
    """Age of the oldest of that, in seconds."""
    copies: int | None
    """The fewest copies that a part of it has which was recorded some seconds ago."""
    copies_wanted: int
    """How many copies there should be."""
    seconds_left: int | None
    """Seconds until the recorder's disk is full at the present rate."""
    lost_s: float | None
    """Seconds that came and could not be stored."""
    error: str | None
    """Why it loses something now."""


class Camera(Answer):
    """A camera. What is measured of its picture is told only while one comes."""

    id: str
    """The camera's id."""
    name: str
    """What people call it."""
    node: str
    """The id of the node that opens it."""
    node_name: str | None
    """What people call that node."""
    node_there: bool
    """Whether that node answers."""
    source: str
    """What is opened, without credentials."""
    state: CameraState
    """Whether pictures come."""
    error: str | None
    """Why none come."""
    codec: str | None
    """How FFmpeg calls the video's codec."""
    width: int | None
    """Width of the picture in pixels."""
    height: int | None
    """Height of the picture in pixels."""
    frame_rate: float | None
    """Frames a second."""
    bit_rate: float | None
    """Bits a second, measured."""
    hops: int | None
    """Links between its node and the asked one."""
    recording: Recording | None
    """The take that runs."""
    webrtc: bool
    """Whether it can be watched by WHEP."""
    webrtc_reason: str | None
    """Why not, while it is online."""
    hls: bool
    """Whether it can be watched by HLS."""
    mjpeg: bool
    """Whether it can be watched as single pictures."""
    jumps: int
    """Times that its clock jumped since it was opened."""


class Cameras(Answer):
    """The cameras of the mesh."""

    cameras: list[Camera]
    """In the order in which they were added."""
    complete: bool
    """Whether every part of the mesh could be asked; else cameras may be missing."""
    partitions_ok: int
    """Parts of the mesh that answered."""
    partitions_total: int
    """Parts there are."""
    catching_up: bool
    """Whether the others only catch up, as when a node joins, and will answer in a few seconds."""


class TakeOf(Answer):
    """The take that a recording is, or was."""

    take: AssetDetails
    """The asset."""


class DeviceFormat(Answer):
    """A picture that a device can give."""

    format: str
    """How FFmpeg calls the pixel format or codec."""
    width: int
    """Width of the picture in pixels."""
    height: int
    """Height of the picture in pixels."""
    rates: list[float]
    """Frames a second it can give."""


class Device(Answer):
    """A capture device of a node."""

    node: str
    """The id of the node it is at."""
    node_name: str | None
    """What people call that node."""
    url: str
    """What to add it as a camera by."""
    name: str
    """What the device calls itself."""
    stable_id: str
    """A name that stays when it is plugged in elsewhere."""
    formats: list[DeviceFormat]
    """The pictures it can give."""
    error: str | None
    """Why it cannot be opened."""


class Devices(Answer):
    """The capture devices of one node, or of all."""

    devices: list[Device]
    """Those there are."""
    note: str
    """What is missing where there can be none, or where a node did not answer; may be empty."""
