"""What a search finds."""

from __future__ import annotations

from thatdam.gateway.answers import Answer, Kind


class Hit(Answer):
    """A moment of an asset, or the whole of it."""

    asset: str
    """The asset's id."""
    name: str
    """What people call it."""
    kind: Kind
    """What it is."""
    at: float | None
    """Seconds from the asset's start; null: the whole of it."""
    end: float | None
    """Seconds from the asset's start, where what was found ends."""
    score: float
    """Orders the hits of one answer, the highest first; not comparable between answers."""
    why: list[str]
    """What matched, in words."""
    camera: str | None
    """The id of the camera it was recorded of."""
    poster: str | None
    """The id of the chunk that shows the moment, a JPEG."""


class Pending(Answer):
    """What is not in the index yet, so that what it shows is not searched."""

    recording: int
    """Takes that still run."""
    waiting: int
    """Assets still to be looked at."""


class Found(Answer):
    """What was found, and how much of the mesh was asked."""

    hits: list[Hit]
    """The best first."""
    shards_ok: int
    """Shards of the index that answered and are up to date."""
    shards_total: int
    """Shards there are."""
    catching_up: bool
    """Whether what did not answer is only catching up: every node that stores is there, and it is whole in a moment."""
    model: str | None
    """The model that compared the words with pictures."""
    missing: str | None
    """What part of the search is missing, and how to add it."""
    pending: Pending
    """What is not in the index yet, of the shards that answered."""
