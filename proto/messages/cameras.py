"""Camera messages: what a node's proxy role is asked (600-649) and its recorder (650-699)."""

from __future__ import annotations

import enum
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


class Verdict(enum.StrEnum):
    """What a camera's node says to a node that records it, or would."""

    HELD = "held"
    SUPERSEDED = "superseded"
    OVER = "over"
    OTHER = "other"


@message(620)
class HoldRecording:
    """I record this take, or would: may I go on? Asked of the camera's node, every half second.

    ``counter``: of the epoch I hold it under; 0 for none yet. From ``group`` of the source's ``epoch`` on what I have
    may be on no other disk.
    """

    camera: Annotated[str, Max(26)]
    take: Annotated[str, Max(26)]
    counter: int
    epoch: int
    group: int


@message(621)
class RecordingHeld:
    """Who records the camera: ``holder``, take ``take``, under ``counter``. HELD: it is you.

    ``epoch`` and ``group``: from there on what was recorded before you asked may be missing.
    """

    verdict: Verdict
    take: Annotated[str, Max(26)]
    holder: Annotated[str, Max(64)]
    counter: int
    epoch: int
    group: int


@message(622)
class LeaveRecording:
    """I shall stop running: somebody else is to go on with this take. Answered once somebody does."""

    camera: Annotated[str, Max(26)]
    take: Annotated[str, Max(26)]


@message(623)
class RecordingEnded:
    """This take was ended, for good."""

    camera: Annotated[str, Max(26)]
    take: Annotated[str, Max(26)]


@message(624)
class Replay:
    """Give the groups of a camera again from ``group`` of ``epoch`` on, on this stream.

    ``until_epoch`` and ``until_group``: the group before which to end; its first unit is given too. 0, 0: all there is.
    """

    camera: Annotated[str, Max(26)]
    epoch: int
    group: int
    until_epoch: int
    until_group: int


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
    """The takes that run on a node; ``waiting``, in the same order: what each waits for while nothing comes."""

    recordings: Annotated[tuple[Recording, ...], Max(1024)]
    waiting: Annotated[tuple[Text, ...], Max(1024)] = ()


@message(656)
class TakeOver:
    """Go on with a take whose recorder fell silent, under this counter, from this group of the source on."""

    camera: Annotated[str, Max(26)]
    take: Annotated[str, Max(26)]
    counter: int
    epoch: int
    group: int
    before: Annotated[str, Max(64)]
