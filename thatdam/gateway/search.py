"""Search over HTTP: moments by words, and how much of the mesh answered."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import FastAPI, Query

from mesh.actors.search import LIMIT_MAX, TEXT_CHARS_MAX
from mesh.core.search import Hit as Match
from thatdam.gateway import shapes
from thatdam.gateway.answers.search import Found, Hit, Pending
from thatdam.gateway.assets import moment_ms
from thatdam.gateway.guard import Guard
from thatdam.gateway.problems import Problem, failing
from thatdam.node import Node

Kind = Literal["", "take", "video", "image", "audio", "other"]


def hit(one: Match) -> Hit:
    """Give a hit's JSON; positions in seconds from the asset's start, null for the whole of it."""
    return Hit(
        asset=one.asset,
        name=one.name,
        kind=shapes.kind(one.kind),
        at=None if one.at_ms is None else one.at_ms / 1000,
        end=None if one.end_ms is None else one.end_ms / 1000,
        score=round(one.score, 6),
        why=list(one.why),
        camera=one.camera or None,
        poster=one.poster or None,
    )


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the route."""

    @app.get(
        "/api/v1/search", tags=["search"], dependencies=[guard.require("viewer")], responses=failing(400, 409, 503)
    )
    async def search(
        q: Annotated[str, Query(max_length=TEXT_CHARS_MAX)],
        camera: Annotated[str, Query(max_length=64)] = "",
        since: Annotated[str, Query(max_length=40)] = "",
        until: Annotated[str, Query(max_length=40)] = "",
        kind: Annotated[Kind, Query(alias="type")] = "",
        limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 20,
    ) -> Found:
        """Find moments by words in the whole mesh, the best first; says which shards could not be asked."""
        since_ms = moment_ms(since, "since") if since else None
        until_ms = moment_ms(until, "until") if until else None
        if since_ms is not None and until_ms is not None and until_ms < since_ms:
            raise Problem(422, "until lies before since")
        found = await node.search.search(q, camera=camera, since_ms=since_ms, until_ms=until_ms, kind=kind, limit=limit)
        return Found(
            hits=[hit(one) for one in found.hits],
            shards_ok=found.shards_ok,
            shards_total=found.shards_total,
            catching_up=found.shards_ok < found.shards_total and node.all_there(),
            model=found.model or None,
            missing=found.missing or None,
            pending=Pending(recording=found.recording, waiting=found.waiting),
        )
