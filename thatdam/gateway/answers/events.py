"""The events of the feed: every topic there is, with what it carries.

A listener takes an event as "look again": it tells that something changed, and a few harmless fields of it. The fields
that did not change are absent; a field that was emptied is null. ``Event`` is the whole of the feed: a topic that is
not in it cannot be told. Nothing that an address or a secret could be in is ever told.

What is told in the whole mesh is told in the order of its node, each once. ``node.*`` is what the asked node believes:
it is told by that one alone, and a feed that goes on at another node goes on with the beliefs of that one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from thatdam.gateway.answers import Answer, Moment


class CameraTold(Answer):
    """What is told of a camera that changed."""

    id: str
    """The camera's id."""
    name: str | None = None
    """What people call it now; absent when that is as it was."""
    node: str | None = None
    """The id of the node that opens it; absent when that is as it was."""
    state: str | None = None
    """Whether pictures come; absent when that is as it was."""
    record: str | None = None
    """The id of the take that runs, null when none does; absent when that is as it was."""
    recorder: str | None = None
    """The id of the node that records it; absent when that is as it was."""
    ended: str | None = None
    """The id of the take that ended; absent when none did."""


class AssetTold(Answer):
    """What is told of an asset that changed."""

    id: str
    """The asset's id."""
    kind: str | None = None
    """What it is; absent when that is as it was."""
    name: str | None = None
    """What people call it now; absent when that is as it was."""
    camera: str | None = None
    """The id of the camera it is of; absent when that is as it was."""
    state: str | None = None
    """Whether it still grows; absent when that is as it was."""
    waiting: str | None = None
    """What a take that runs waits for, null when it goes on; absent when that is as it was."""


class JobTold(Answer):
    """What is told of a job that changed."""

    id: str
    """The id of the asset that the job is about."""
    kind: str | None = None
    """The level of analysis; absent when that is as it was."""
    state: str | None = None
    """How far it is; absent when that is as it was."""
    holder: str | None = None
    """The id of the node at work on it; absent when that is as it was."""


class CaptureTold(Answer):
    """What is told of a recording."""

    camera: str
    """The camera's id."""
    take: str | None
    """The id of the take that began or ended; null when that is not known."""


class CaptureMovedTold(Answer):
    """What is told when another node goes on with a recording."""

    camera: str
    """The camera's id."""
    recorder: str
    """The id of the node that records now."""


class CaptureWaitsTold(Answer):
    """What is told when nothing comes to a recording, or comes again."""

    take: str
    """The id of the take."""
    waiting_for: str | None
    """What it waits for; null when it goes on."""


class NodeTold(Answer):
    """What is told of a node."""

    id: str
    """The node's id."""
    name: str
    """What people call it."""


class MissedTold(Answer):
    """What is told to a listener to whom events are lost."""

    missed: int | None
    """How many, of any topic; null when nobody knows how many, and maybe none."""
    node: str
    """The id of the node that they happened on."""
    why: Literal["ring", "restart", "unreachable"]
    """They are too old to be kept there; that node started anew; or it could not be asked."""


class PositionTold(Answer):
    """What is told of a position: nothing beside the cursor."""


class _Told(Answer):
    """What every event has."""

    topic: str
    """What happened."""
    at: Moment
    """When, by the clock of the node it happened on."""
    node: str
    """The id of the node that tells it."""
    cursor: str
    """Where the feed is with this: give it as `after`, to any node, to go on behind it."""


class CameraEvent(_Told):
    """A camera was added, changed or removed, on whatever node."""

    topic: Literal["camera.changed", "camera.removed"]
    """What happened."""
    data: CameraTold
    """To which camera."""


class AssetEvent(_Told):
    """An asset came, changed or was removed for good."""

    topic: Literal["asset.changed", "asset.removed"]
    """What happened."""
    data: AssetTold
    """To which asset."""


class JobEvent(_Told):
    """Work on an asset is wanted, was begun, ended or failed."""

    topic: Literal["job.changed", "job.removed"]
    """What happened."""
    data: JobTold
    """To which job."""


class CaptureEvent(_Told):
    """A recording began or ended."""

    topic: Literal["capture.started", "capture.stopped"]
    """What happened."""
    data: CaptureTold
    """Of which camera."""


class CaptureMoved(_Told):
    """Another node goes on with a recording."""

    topic: Literal["capture.moved"]
    """What happened."""
    data: CaptureMovedTold
    """Of which camera."""


class CaptureWaits(_Told):
    """A recording waits for its camera, or goes on."""

    topic: Literal["capture.waiting", "capture.resumed"]
    """What happened."""
    data: CaptureWaitsTold
    """Of which take."""


class NodeEvent(_Told):
    """The asked node believes something new of a node."""

    topic: Literal["node.alive", "node.suspect", "node.dead", "node.left"]
    """What it believes."""
    data: NodeTold
    """Of which node."""


class MissedEvent(_Told):
    """Events are lost to this listener, who should look at everything anew. Told whatever topics were asked for."""

    topic: Literal["feed.missed"]
    """That something was missed."""
    data: MissedTold
    """How much, and why."""


class PositionEvent(_Told):
    """The feed is open, or went past events of topics that were not asked for: only the cursor is new."""

    topic: Literal["feed.position"]
    """Where the feed is."""
    data: PositionTold
    """Nothing; the cursor is what is new."""


Event = Annotated[
    CameraEvent
    | AssetEvent
    | JobEvent
    | CaptureEvent
    | CaptureMoved
    | CaptureWaits
    | NodeEvent
    | MissedEvent
    | PositionEvent,
    Field(discriminator="topic"),
]
