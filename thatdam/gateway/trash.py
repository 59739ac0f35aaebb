"""Emptying the trash over HTTP, some assets a request, so that no request takes long however much lies in it.

Invariant: only what was in the trash when the first request came is deleted; what is thrown away meanwhile stays in it.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import FastAPI, Query

from mesh.core.query import Query as Rows
from mesh.core.query import Where
from mesh.core.rows import Row
from mesh.ports import DiskFull, PortError
from proto.codec import Malformed
from proto.ids import AssetId
from thatdam.gateway.answers.trash import NotDeleted, TrashEmptied
from thatdam.gateway.guard import Guard
from thatdam.gateway.problems import Problem, failing
from thatdam.node import Node

PAGE_ASSETS = 16
"""Assets that one request deletes at most: some seconds of work, below what callers wait."""
AT_ONCE = 4


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the route."""

    @app.delete(
        "/api/v1/trash", tags=["assets"], dependencies=[guard.require("operator")], responses=failing(409, 503, 507)
    )
    async def empty_trash(page: Annotated[str, Query(max_length=4096)] = "") -> TrashEmptied:
        """Delete what is in the trash for good, a page at a time: ask again with ``page`` until ``next`` is null."""
        until_ms, cursor = _read(page) if page else (node.now_ms(), "")
        where = (Where("trashed_ms", "ge", 1), Where("trashed_ms", "le", until_ms))
        found = await node.catalogue.scan(
            Rows("assets", where, order="trashed_ms", descending=False, limit=PAGE_ASSETS, page=cursor)
        )
        gate = asyncio.Semaphore(AT_ONCE)

        async def end(row: Row) -> NotDeleted | None:
            async with gate:
                try:
                    await node.trash.empty(AssetId(row.pk))
                except DiskFull:
                    raise
                except (PortError, Malformed) as error:
                    return NotDeleted(id=row.pk, name=str(row.fields.get("name") or row.pk), why=str(error))
            return None

        kept = [one for one in await asyncio.gather(*map(end, found.rows)) if one is not None]
        return TrashEmptied(
            deleted=len(found.rows) - len(kept),
            kept=kept,
            next=f"{until_ms}.{found.next}" if found.next else None,
            partitions_ok=found.partitions_ok,
            partitions_total=found.partitions_total,
        )


def _read(page: str) -> tuple[int, str]:
    until, dot, cursor = page.partition(".")
    if not (dot and cursor and until.isascii() and until.isdigit() and len(until) <= 15):
        raise Problem(422, "page: give what `next` was in the answer before")
    return int(until), cursor
