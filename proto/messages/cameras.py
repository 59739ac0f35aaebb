"""Camera messages: what a node's proxy role is asked (600-649) and its recorder (650-699)."""

from __future__ import annotations

from typing import Annotated

from proto.codec import Max, message

Text = Annotated[str, Max(512)]


@message(600)
class ListDevices:
    """Which capture devices does this node have?"""


@message(601)
class DeviceFormat:
    """A pixel format with a size in pixels and the rates (frames a second) a device gives."""

    format: Text
    width: int
    height: int
    rates: Annotated[tuple[float, ...], Max(64)]


@message(602)
class Device:
    """A capture device by its stable name; ``url`` adds it as a camera."""

    url: Text
    name: Text
    stable_id: Text
    formats: Annotated[tuple[DeviceFormat, ...], Max(512)]
    error: Text = ""


@message(603)
class Devices:
    """The devices of a node; ``note`` says what is missing where there can be none."""

    devices: Annotated[tuple[Device, ...], Max(256)]
    note: Text = ""


@message(610)
class AddCamera:
    """Open this source as a camera. Credentials in ``url`` are stored apart."""

    url: Annotated[str, Max(4096)]
    name: Text


@message(611)
class CameraAdded:
    """The camera's id."""

    camera: Annotated[str, Max(26)]


@message(612)
class RemoveCamera:
    """Forget a camera. Its takes stay."""

    camera: Annotated[str, Max(26)]


@message(613)
class Done:
    """It is done."""


@message(650)
class StartRecording:
    """Record a camera until told to stop."""

    camera: Annotated[str, Max(26)]


@message(651)
class StopRecording:
    """End the camera's take; answered when every part of it is durable."""

    camera: Annotated[str, Max(26)]


@message(652)
class TakeIs:
    """The take's asset id."""

    take: Annotated[str, Max(26)]


@message(653)
class ListRecordings:
    """How are the takes that run here doing?"""


@message(654)
class Recording:
    """A take that runs. ``copies``: the fewest that a part of it has which was recorded some seconds ago.

    ``lag_bytes``, ``lag_ms``: what this node keeps and no other has yet. ``lost_ms``: what could not be stored.
    ``seconds_left``: until the disk is full at the present rate; -1: not known yet.
    """

    camera: Annotated[str, Max(26)]
    take: Annotated[str, Max(26)]
    started_ms: int
    size_bytes: int
    lag_bytes: int
    lag_ms: int
    copies: int
    lost_ms: int
    seconds_left: int
    error: Text = ""


@message(655)
class Recordings:
    """The takes that run on a node."""

    recordings: Annotated[tuple[Recording, ...], Max(1024)]
