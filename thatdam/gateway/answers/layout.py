"""The layout: who stores what, and what a change of it would move."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mesh.core.layouts import CAPACITY_MAX, ZONE_MAX
from thatdam.gateway.answers import Answer, StrictBody

Name = Annotated[str, Field(max_length=64)]
Names = Annotated[list[Name], Field(max_length=256)]
PlaceState = Literal["active", "draining", "removed"]


class Replacing(StrictBody):
    """A node that takes another's place: it gets what that one holds, and nothing else moves."""

    old: Name
    """The node that is to hold nothing."""
    new: Name
    """The node that stands in its place."""


class Orders(StrictBody):
    """What is wanted of the layout, all of it in one new version; nodes by id, its beginning, or name."""

    add: Names = Field(default=[])
    """Nodes that are to store (again)."""
    drain: Names = Field(default=[])
    """Nodes that are to hold nothing; they serve until everything is elsewhere."""
    remove: Names = Field(default=[])
    """Nodes to take out for good, once they are drained."""
    replace: list[Replacing] = Field(default=[], max_length=64)
    """Nodes that take others' places."""
    weight: dict[Name, Annotated[int, Field(gt=0, le=CAPACITY_MAX)]] = Field(default={}, max_length=256)
    """How much nodes weigh, in bytes of room."""
    zone: dict[Name, Annotated[str, Field(max_length=ZONE_MAX)]] = Field(default={}, max_length=256)
    """The zones nodes stand in; copies are spread over zones first."""
    revert: bool = False
    """Go back to how it was before the last change, and nothing else."""
    force: bool = False
    """Remove nodes that are not drained, too: what they alone hold is lost."""
    base: Name = ""
    """The version this was planned on; when the layout has changed since, nothing is done."""


class Standing(Answer):
    """Where one node stands."""

    id: str
    """The node's id."""
    name: str
    """What people call it; empty when it is not known here."""
    state: PlaceState
    """Whether it stores, is being emptied, or was taken out."""
    zone: str
    """The zone it stands in."""
    weight_bytes: int
    """How much it weighs: as a rule the room it has."""
    partitions: int
    """How many partitions it owns."""
    bytes: int | None
    """Bytes of chunks it holds now; null when it does not answer."""
    chunks: int | None
    """How many chunks that are."""
    partitions_behind: int | None
    """Partitions of which it does not have everything yet."""
    chunks_to_copy: int | None
    """Chunks on it that are on their way to others."""
    looked_at: float | None
    """The part of its chunks, from 0 to 1, that it has brought to those that hold them by now; null: not known."""
    moved_bytes: int | None
    """Bytes it gave to others since it started only because they hold them now."""
    read_only: bool
    """Whether it takes no new chunks now, so that the next nodes in the order stand in for it."""
    synced: bool
    """Whether it has all it owns by this version."""
    present: bool
    """Whether it is there."""


class LayoutTold(Answer):
    """The layout as it is."""

    version: str
    """Its name: the hash of what it says and of the versions it came from."""
    parents: list[str]
    """The versions it came from."""
    moving: bool
    """Whether data is still moving to where it belongs by this version; the owners before serve until then."""
    heads: int
    """Versions that were made without each other and are merged now; 1 as a rule."""
    copies: int
    """Copies wanted."""
    zone_violations: int
    """Partitions with two copies in one zone though another zone has none."""
    uneven: float
    """The greatest load of a node over its share."""
    nodes: list[Standing]
    """Every node in it."""


class Change(Answer):
    """What a plan does to one node."""

    id: str
    """The node's id."""
    name: str
    """What people call it."""
    state: PlaceState
    """What it will be."""
    zone: str
    """The zone it will stand in."""
    weight_bytes: int
    """What it will weigh."""
    partitions_before: int
    """Partitions it owns now."""
    partitions_after: int
    """Partitions it will own."""
    partitions_coming: int
    """Partitions it will own that it does not own now."""
    bytes_before: int
    """Bytes it should hold now, about."""
    bytes_after: int
    """Bytes it will hold, about."""
    bytes_coming: int
    """Bytes that will be copied to it, about."""


class Plan(Answer):
    """What a change of the layout moves, before or as it is done."""

    base: str
    """The version it is planned on."""
    version: str
    """The version it makes."""
    applied: bool
    """Whether it was done."""
    nodes: list[Change]
    """What becomes of every node."""
    bytes_to_move: int
    """Bytes that will be copied, about."""
    over_least: float
    """That, over the least that would give the same loads."""
    zone_violations: int
    """Partitions that will have two copies in one zone though another zone has none."""
    uneven: float
    """The greatest load of a node over its share that there will be."""
    warnings: list[str]
    """What to know before it is done, in sentences."""
