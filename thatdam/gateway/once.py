"""Uploads that are sent again: who names an upload gets one asset for it, however often and wherever it is sent.

Decides the asset's id from who asks and the key (the header ``Idempotency-Key``), so that no node has to remember
anything and two nodes that cannot reach each other give the same id. The day is in it, so that a key may be used anew
later; within ``KEPT_S`` of an upload the same key means that upload.

Invariant: an upload under a key never becomes a second asset within that time, and never changes one that is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from blake3 import blake3

from mesh.actors.catalogue import Catalogue
from mesh.core.rows import Row
from proto.ids import AssetId, short_id
from thatdam.gateway.problems import Problem

KEPT_S = 86_400
KEY_CHARS_MAX = 255
_LABEL = b"thatdam-upload-1"


class Once:
    """The named uploads of one node."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._running: set[AssetId] = set()

    async def find(self, user: str, key: str, size_bytes: int | None, now_ms: int) -> tuple[AssetId, bool]:
        """Give the asset of an upload, and whether it is there already.

        Problem 422 when the key was used for a file of another size; ``size_bytes`` is None where it is not known.
        Problem 409 when the asset was deleted for good: an upload that is sent again must not bring it back.
        """
        today = now_ms // (KEPT_S * 1000)
        for day in (today, today - 1):
            asset = asset_of(user, key, day)
            entry = await self._catalogue.state("assets", asset)
            if entry is not None and not entry.alive:
                raise Problem(409, "what this Idempotency-Key uploaded was deleted for good; take a new key for it")
            row = entry.row() if entry is not None else None
            if row is None or _created_ms(row) + KEPT_S * 1000 < now_ms:
                continue
            if size_bytes is not None and row.fields.get("size_bytes") != size_bytes:
                raise Problem(422, "this Idempotency-Key was used for another file; take a new one for each file")
            return asset, True
        return asset_of(user, key, today), False

    @contextmanager
    def running(self, asset: AssetId) -> Iterator[None]:
        """Be the one upload of an asset on this node; Problem 409 while another is."""
        if asset in self._running:
            raise Problem(409, "the upload of this Idempotency-Key is still running; ask again when it is done")
        self._running.add(asset)
        try:
            yield
        finally:
            self._running.discard(asset)


def asset_of(user: str, key: str, day: int) -> AssetId:
    """Give the id of the asset that an upload becomes; ``day`` counts UTC days since 1970."""
    told = b"".join(len(part).to_bytes(4, "big") + part for part in (user.encode(), key.encode(), b"%d" % day))
    return AssetId(short_id(blake3(_LABEL + told).digest(16)))


def _created_ms(row: Row) -> int:
    found = row.fields.get("created_ms")
    return found if isinstance(found, int) else 0
