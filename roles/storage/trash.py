"""The trash: removing an asset marks it, restoring takes the mark away; nothing is destroyed.

Invariant: what is in the trash keeps all its rows, chunks and copies.
"""

from __future__ import annotations

from collections.abc import Sequence

from mesh.actors.catalogue import Catalogue
from mesh.core.query import Page, Query, Where
from mesh.core.rows import Change
from mesh.ports import Clock, NotFound
from proto.ids import AssetId

NOT_TRASHED = Where("trashed_ms", "missing")
TRASHED = Where("trashed_ms", "ge", 1)


class Trash:
    """Removes and restores assets."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock

    async def remove(self, assets: Sequence[AssetId]) -> str:
        """Put assets into the trash; gives the write's cursor. NotFound names one that is unknown."""
        return await self._mark(assets, int(self._clock.wall() * 1000))

    async def restore(self, assets: Sequence[AssetId]) -> str:
        """Take assets out of the trash; gives the write's cursor. NotFound names one that is unknown."""
        return await self._mark(assets, 0)

    async def listing(self, limit: int = 50, page: str = "") -> Page:
        """Give what is in the trash, the latest first."""
        return await self._catalogue.scan(Query("assets", (TRASHED,), order="trashed_ms", limit=limit, page=page))

    async def _mark(self, assets: Sequence[AssetId], trashed_ms: int) -> str:
        for asset in assets:
            if await self._catalogue.get("assets", asset) is None:
                raise NotFound(f"there is no asset {asset}")
        return await self._catalogue.write(
            *(Change("assets", asset, set={"trashed_ms": trashed_ms}) for asset in assets)
        )
