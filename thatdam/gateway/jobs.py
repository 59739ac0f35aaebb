"""Jobs over HTTP: what is being worked on, what waits, what failed and why."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from fastapi import FastAPI
from fastapi import Query as Parameter

from mesh.core.jobs import Job as Mine
from mesh.core.jobs import job_of
from mesh.core.query import Query, Where
from mesh.ports import PortError
from proto.ids import NodeId
from thatdam.gateway.answers.jobs import Job, Jobs, JobsAgain
from thatdam.gateway.guard import Guard
from thatdam.gateway.problems import Problem, failing
from thatdam.gateway.shapes import moment
from thatdam.node import Node

State = Literal["", "queued", "leased", "done", "failed"]
RETRIED_MAX = 1000
NAMES_AT_ONCE = 16
NAMES_TIMEOUT_S = 1.5
"""For all names of one answer; a name that is not there by then is null."""
_ORDER = {"leased": 0, "failed": 1, "queued": 2, "done": 3}


def shown(one: Mine, called: Mapping[str, str], node_name: str | None) -> Job:
    """Give a job's answer; ``called`` are names of assets by id."""
    return Job(
        id=one.job,
        asset=one.asset,
        asset_name=called.get(one.asset),
        kind=one.kind,
        version=one.version,
        state=one.state,
        holder=one.holder if one.state == "leased" else None,
        node=at_work(one),
        node_name=node_name,
        attempts=one.attempts,
        error=one.error or None,
        created_at=moment(one.created_ms),
        retry_at=moment(one.after_ms) if one.state == "queued" else None,
    )


def at_work(one: Mine) -> str | None:
    """Give the node that is at work on a job, or did it."""
    return (one.holder or None) if one.state in ("leased", "done") else None


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
    """Add the routes."""

    def answer(found: Sequence[Mine], called: Mapping[str, str], ok: int | None, total: int | None) -> Jobs:
        members = node.members.all()

        def name_of(who: str | None) -> str | None:
            member = members.get(NodeId(who)) if who else None
            return (member.info.name or None) if member is not None else None

        jobs = [shown(one, called, name_of(at_work(one))) for one in found]
        return Jobs(jobs=jobs, partitions_ok=ok, partitions_total=total)

    @app.post(
        "/api/v1/jobs/retry", tags=["jobs"], dependencies=[guard.require("operator")], responses=failing(404, 503, 507)
    )
    async def retry(body: JobsAgain) -> Jobs:
        """Queue failed jobs once more, at most 1000 at once; gives those queued."""
        ok = total = None
        if body.asset:
            if await node.catalogue.get("assets", body.asset) is None:
                raise Problem(404, f"there is no asset {body.asset}")
            rows = await node.catalogue.rows("jobs", body.asset)
        else:
            failed = Query("jobs", (Where("state", "eq", "failed"),), order="created_ms", limit=RETRIED_MAX)
            page = await node.catalogue.scan(failed)
            rows, ok, total = list(page.rows), page.partitions_ok, page.partitions_total
        queued = [
            dataclasses.replace(one, state="queued", attempts=0, after_ms=0)
            for one in map(job_of, rows)
            if one.state == "failed" and await node.jobs.retry(one.asset, one.work)
        ]
        return answer(queued, await names(node, (one.asset for one in queued)), ok, total)

    @app.get("/api/v1/jobs", tags=["jobs"], dependencies=[guard.require("viewer")], responses=failing(400, 409, 503))
    async def jobs(
        state: State = "",
        asset: Annotated[str, Parameter(max_length=64)] = "",
        limit: Annotated[int, Parameter(ge=1, le=1000)] = 200,
    ) -> Jobs:
        """Give what is open or failed first, then what is done."""
        ok = total = None
        if asset:
            found = [one for one in map(job_of, await node.catalogue.rows("jobs", asset)) if state in ("", one.state)]
        else:
            where = Where("state", "eq", state) if state else Where("state", "ne", "done")
            page = await node.catalogue.scan(Query("jobs", (where,), order="created_ms", limit=limit))
            ok, total = page.partitions_ok, page.partitions_total
            found = [job_of(row) for row in page.rows]
            if not state and len(found) < limit:
                rest = Query("jobs", (Where("state", "eq", "done"),), order="created_ms", limit=limit - len(found))
                found += [job_of(row) for row in (await node.catalogue.scan(rest)).rows]
        found.sort(key=lambda one: _ORDER[one.state])
        found = found[:limit]
        return answer(found, await names(node, (one.asset for one in found)), ok, total)
