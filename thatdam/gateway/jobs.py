"""Jobs over HTTP: what is being worked on, what waits, what failed and why."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Annotated, Literal

from fastapi import FastAPI
from fastapi import Query as Parameter

from mesh.core.jobs import job_of
from mesh.core.query import Query, Where
from mesh.core.rows import Row
from mesh.ports import PortError
from proto.ids import NodeId
from thatdam.gateway.guard import Guard
from thatdam.gateway.shapes import Json, moment
from thatdam.node import Node

State = Literal["", "queued", "leased", "done", "failed"]
NAMES_AT_ONCE = 16
NAMES_TIMEOUT_S = 1.5
"""For all names of one answer; a name that is not there by then is null."""
_ORDER = {"leased": 0, "failed": 1, "queued": 2, "done": 3}


def job(row: Row) -> Json:
    """Give a job's JSON; ``holder`` is the node at work on it, ``node`` also the one that did it; null when none."""
    one = job_of(row)
    return {
        "id": one.job,
        "asset": one.asset,
        "kind": one.kind,
        "version": one.version,
        "state": one.state,
        "holder": one.holder if one.state == "leased" else None,
        "node": (one.holder or None) if one.state in ("leased", "done") else None,
        "attempts": one.attempts,
        "error": one.error or None,
        "created_at": moment(one.created_ms),
        "retry_at": moment(one.after_ms) if one.state == "queued" else None,
    }


async def names(node: Node, assets: Iterable[str]) -> dict[str, str]:
    """Give the names of assets; those that cannot be had soon are not in it."""
    told: dict[str, str] = {}
    waiting = iter(dict.fromkeys(assets))

    async def look() -> None:
        for asset in waiting:
            try:
                row = await node.catalogue.get("assets", asset)
            except PortError:
                continue
            name = row.fields.get("name") if row is not None else None
            if isinstance(name, str):
                told[asset] = name

    with contextlib.suppress(TimeoutError):  # what is known by then is told
        async with asyncio.timeout(NAMES_TIMEOUT_S):
            await asyncio.gather(*(look() for _ in range(NAMES_AT_ONCE)))
    return told


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the route."""

    @app.get("/api/v1/jobs", tags=["jobs"], dependencies=[guard.require("viewer")])
    async def jobs(
        state: State = "",
        asset: Annotated[str, Parameter(max_length=64)] = "",
        limit: Annotated[int, Parameter(ge=1, le=1000)] = 200,
    ) -> Json:
        """Give what is open or failed first, then what is done."""
        if asset:
            rows = await node.catalogue.rows("jobs", asset)
            shown = [one for one in map(job, rows) if state in ("", one["state"])]
            ok = total = None
        else:
            where = Where("state", "eq", state) if state else Where("state", "ne", "done")
            page = await node.catalogue.scan(Query("jobs", (where,), order="created_ms", limit=limit))
            ok, total = page.partitions_ok, page.partitions_total
            shown = [job(row) for row in page.rows]
            if not state and len(shown) < limit:
                rest = Query("jobs", (Where("state", "eq", "done"),), order="created_ms", limit=limit - len(shown))
                shown += [job(row) for row in (await node.catalogue.scan(rest)).rows]
        shown.sort(key=lambda one: _ORDER[one["state"]])
        shown = shown[:limit]
        called, members = await names(node, (one["asset"] for one in shown)), node.members.all()
        for one in shown:
            one["asset_name"] = called.get(one["asset"])
            member = members.get(NodeId(one["node"])) if one["node"] else None
            one["node_name"] = (member.info.name or None) if member is not None else None
        return {"jobs": shown, "partitions_ok": ok, "partitions_total": total}
