"""Assets: what is kept, as lists show it and with all that is known of one."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from mesh.core.names import NAME_CHARS_MAX
from thatdam.gateway.answers import Answer, Kind, Moment, StrictBody

AssetState = Literal["recording", "ready", "interrupted"]
LevelState = Literal["none", "queued", "leased", "done", "failed"]


class AssetChange(StrictBody):
    """What to change of an asset; what is left out stays."""

    name: str | None = Field(None, min_length=1, max_length=NAME_CHARS_MAX)
    """Its new name."""
    tags_add: tuple[str, ...] = ()
    """Tags that it gets."""
    tags_remove: tuple[str, ...] = ()
    """Tags that it loses."""


class Analysis(Answer):
    """How far an asset has been looked into; none: nobody has asked for it."""

    l0: LevelState
    """What it is: codec, size, length, poster."""
    l1: LevelState
    """What can be seen in it: frames embedded and tagged."""
    l2: LevelState
    """Where its scenes begin, and a frame of each."""


class Takeover(Answer):
    """A take changed its recorder."""

    at: Moment | None
    """When the new one went on."""
    before: str | None
    """The id of the node that recorded before."""
    after: str
    """The id of the node that went on."""


class Asset(Answer):
    """Something kept: a take, or a file that was put in."""

    id: str
    """The asset's id."""
    kind: Kind
    """What it is."""
    name: str
    """What people call it."""
    camera: str | None
    """The id of the camera it was recorded of."""
    camera_name: str | None
    """What people call that camera."""
    node: str | None
    """The id of the node that recorded it or took it in."""
    state: AssetState | None
    """Whether it still grows, is whole, or ended otherwise than it should."""
    created_at: Moment | None
    """When it came to the mesh."""
    started_at: Moment | None
    """When its first picture was taken, where that is known."""
    ended_at: Moment | None
    """When its last picture was taken."""
    duration: float | None
    """Seconds from its beginning to its end, as the player shows them: with the holes of a take."""
    recorded: float | None
    """Seconds of a take that are kept, without the holes; null of a file."""
    size_bytes: int
    """Its bytes."""
    mime: str | None
    """Its type, as found by looking into it."""
    codec: str | None
    """How FFmpeg calls the video's codec."""
    width: int | None
    """Width of the picture in pixels."""
    height: int | None
    """Height of the picture in pixels."""
    frame_rate: float | None
    """Frames a second."""
    tags: list[str]
    """Tags that people gave it."""
    auto_tags: list[str]
    """Tags that a model gave it."""
    copies: int | None
    """Copies of the part of it that has fewest."""
    copies_wanted: int
    """How many there should be."""
    poster: str | None
    """The id of the chunk that holds its poster, a JPEG."""
    trashed_at: Moment | None
    """When it was put into the trash."""
    error: str | None
    """What went wrong with it, in a sentence."""
    waiting_for: str | None
    """What a take that runs waits for while nothing comes."""
    takeovers: list[Takeover]
    """The changes of a take's recorder, the first first."""
    meta: dict[str, Any]
    """What else was found in it; ``blake3`` is the hash of a file's bytes in hex."""
    analysis: Analysis
    """How far it has been looked into."""


class Scene(Answer):
    """A stretch of an asset between two cuts."""

    start: float
    """Seconds from the asset's start."""
    end: float
    """Seconds from the asset's start."""
    hero: str | None
    """The id of the chunk that holds its picture, a JPEG."""
    tags: list[str]
    """What a model saw in it, the surest first."""


class Gap(Answer):
    """A stretch of a take of which nothing is kept."""

    start: float
    """Seconds from the take's start."""
    end: float
    """Seconds from the take's start."""
    why: str
    """What happened, in words."""


class Recorded(Answer):
    """A stretch of a take that one node recorded."""

    node: str
    """The node's id."""
    node_name: str | None
    """What people call it; null when that is not known here."""
    start: float
    """Seconds from the take's start."""
    end: float
    """Seconds from the take's start."""
    missing: float
    """Seconds of it of which nothing is kept."""


class AssetDetails(Asset):
    """An asset with all that is known of it."""

    complete: bool
    """Whether all of it could be read; else scenes, gaps or recorders are missing: who holds them is not reached."""
    scenes: list[Scene]
    """In order; empty until it has been looked into."""
    gaps: list[Gap]
    """What is missing of a take, in order."""
    recorders: list[Recorded]
    """Who recorded which part of a take, in order: one stretch, unless its recorder changed while it ran."""


class AssetPage(Answer):
    """A page of assets, and how much of the mesh answered."""

    assets: list[Asset]
    """In the order asked for."""
    next: str | None
    """What to give as ``page`` for the next page; null at the last."""
    total: int
    """How many there are in all, of what answered."""
    total_exact: bool
    """Whether ``total`` is all; else there are more, which were not counted."""
    partitions_ok: int
    """Partitions that answered."""
    partitions_total: int
    """Partitions there are."""
    catching_up: bool
    """Whether what did not answer is only catching up: every node that stores is there, and it is whole in a moment."""
    stale: bool
    """Whether the write named by ``after`` is not in it yet."""
