"""Whether the node lives and is ready."""

from __future__ import annotations

from fastapi import FastAPI

from thatdam.gateway.shapes import Json
from thatdam.node import Node


def install(app: FastAPI, node: Node) -> None:
    """Add the routes."""

    @app.get("/health", tags=["operations"])
    async def health() -> Json:
        return {"status": "alive"}

    @app.get("/ready", tags=["operations"])
    async def ready() -> Json:
        failing = [row.name for row in node.system.supervisor.report() if row.state == "waiting"]
        return {"status": "ready", "failing": failing}
