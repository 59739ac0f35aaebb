"""What emptying the trash came to."""

from __future__ import annotations

from thatdam.gateway.answers import Answer


class NotDeleted(Answer):
    """An asset that is in the trash still."""

    id: str
    """Its id."""
    name: str
    """What people call it."""
    why: str
    """What was in the way, in a sentence."""


class TrashEmptied(Answer):
    """A page of the trash that was deleted for good."""

    deleted: int
    """Assets that are gone."""
    kept: list[NotDeleted]
    """Assets of this page that could not be deleted."""
    next: str | None
    """What to give as ``page`` to go on; null when there is no more."""
    partitions_ok: int
    """Partitions that answered: what lies in others stays in the trash."""
    partitions_total: int
    """Partitions there are."""
