"""The library over HTTP: lists, changes, trash."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import BaseModel, Field

from mesh.core.query import Query as Rows
from mesh.core.query import Where
from mesh.core.rows import Change
from mesh.ports import NotFound
from proto.ids import AssetId
from thatdam.gateway import problems, shapes
from thatdam.gateway.guard import Guard
from thatdam.gateway.shapes import Json
from thatdam.node import Node


class AssetChange(BaseModel):
    """What to change of an asset."""

    name: str | None = Field(None, min_length=1, max_length=200)
    tags_add: tuple[str, ...] = ()
    tags_remove: tuple[str, ...] = ()


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the routes."""

    async def shown(asset: str) -> Json:
        row = await node.catalogue.get("assets", asset)
        if row is None:
            raise NotFound(f"there is no asset {asset}")
        return shapes.asset(row)

    @app.get("/api/v1/assets", tags=["assets"], dependencies=[guard.require("viewer")])
    async def assets(
        text: str = "",
        kind: str = "",
        camera: str = "",
        tag: str = "",
        order: str = "created_ms",
        page: str = "",
        trashed: bool = False,
        descending: bool = True,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    ) -> Json:
        where = [Where("trashed_ms", "ge", 1) if trashed else Where("trashed_ms", "missing")]
        where += [Where(name, "eq", value) for name, value in (("kind", kind), ("camera", camera)) if value]
        where += [Where("tags", "has", tag)] if tag else []
        found = await node.catalogue.scan(Rows("assets", tuple(where), text, order, descending, limit, page))
        return {
            "assets": [shapes.asset(row) for row in found.rows],
            "next": found.next or None,
            "total": found.total,
            "partitions_ok": found.partitions_ok,
            "partitions_total": found.partitions_total,
            "stale": found.stale,
        }

    @app.get("/api/v1/assets/{asset}", tags=["assets"], dependencies=[guard.require("viewer")])
    async def one(asset: str) -> Json:
        return await shown(asset)

    @app.patch("/api/v1/assets/{asset}", tags=["assets"], dependencies=[guard.require("operator")])
    async def change(asset: str, body: AssetChange) -> Json:
        await shown(asset)
        fields = {"name": body.name} if body.name is not None else {}
        add, remove = {"tags": body.tags_add}, {"tags": body.tags_remove}
        await node.catalogue.write(Change("assets", AssetId(asset), set=fields, add=add, remove=remove))
        return await shown(asset)

    async def trash(asset: str, ms: int) -> Json:
        if (await shown(asset))["state"] == "recording":
            raise problems.Problem(409, "this take is still being recorded; stop it first")
        await node.catalogue.write(Change("assets", AssetId(asset), set={"trashed_ms": ms}))
        return await shown(asset)

    @app.delete("/api/v1/assets/{asset}", tags=["assets"], dependencies=[guard.require("operator")])
    async def throw_away(asset: str) -> Json:
        return await trash(asset, node.now_ms())

    @app.post("/api/v1/assets/{asset}/restore", tags=["assets"], dependencies=[guard.require("operator")])
    async def restore(asset: str) -> Json:
        return await trash(asset, 0)
