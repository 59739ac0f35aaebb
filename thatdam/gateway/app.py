"""The HTTP face of a node: routes over the actors and the catalogue, which decide; here is only translation."""

from __future__ import annotations

from fastapi import FastAPI

from thatdam import __version__
from thatdam.gateway import assets, cameras, nodes, operations, problems, sessions, takes
from thatdam.gateway.guard import Guard
from thatdam.node import Node


def application(node: Node) -> FastAPI:
    """Give the application of a node."""
    app = FastAPI(
        title="ThatDAM", version=__version__, openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None
    )
    problems.install(app)
    guard = Guard(node.access, lambda: frozenset())
    operations.install(app, node)
    sessions.install(app, node, guard)
    nodes.install(app, node, guard)
    cameras.install(app, node, guard)
    assets.install(app, node, guard)
    app.include_router(takes.router(takes.Takes(node.catalogue, node.chunks), guard.require))
    return app
