"""Whether the node lives and is ready. Ready says why not; what is broken beside the way of work is noted, not fatal.

Invariant: a broken camera, job or peer never makes a node unready (it takes down its own worker, nothing else).
"""

from __future__ import annotations

import asyncio
import shutil

from fastapi import FastAPI, Response

from thatdam.gateway.answers.operations import Health, Readiness
from thatdam.gateway.guard import Guard
from thatdam.node import Node

NEEDED = ("actor", "catalogue", "chunks", "membership", "network")
"""Families of supervised tasks without which a node cannot do its work."""
LAG_MAX_S = 2.0
DISK_FREE_MIN_BYTES = 64 << 20


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the routes."""

    @app.get("/health", tags=["operations"])
    async def health() -> Health:
        """Tell that the process lives."""
        return Health(status="alive")

    @app.get(
        "/ready",
        tags=["operations"],
        dependencies=[guard.local_or("viewer")],
        responses={503: {"model": Readiness, "description": "It is not; the reasons say why."}},
    )
    async def ready(response: Response) -> Readiness:
        """Tell whether the node is ready (200) or not (503), with the reasons."""
        reasons: list[str] = []
        notes: list[str] = []
        for row in node.system.supervisor.report():
            if row.state == "waiting":
                where = reasons if row.name.partition("/")[0] in NEEDED else notes
                where.append(f"{row.name} failed {row.errors} times and is tried again: {row.last_error}")
        disk = await asyncio.to_thread(shutil.disk_usage, node.data)
        if disk.free < DISK_FREE_MIN_BYTES:
            reasons.append(f"the disk of {node.data} has {disk.free >> 20} MiB left; free some space")
        lag_s = node.pulse.usual_s
        if lag_s is not None and lag_s > LAG_MAX_S:
            reasons.append(f"the node is {lag_s:.1f} s late with everything; the machine is overloaded")
        if reasons:
            response.status_code = 503
        response.headers["Cache-Control"] = "no-store"
        return Readiness(status="not ready" if reasons else "ready", reasons=reasons, notes=notes)
