"""The HTTP face of a node: routes over the actors and the catalogue, which decide; here is only translation."""

from __future__ import annotations

from fastapi import FastAPI

from mesh.adapters.clock import SystemEntropy
from thatdam import __version__
from thatdam.gateway import (
    actors,
    admission,
    assets,
    cameras,
    events,
    files,
    jobs,
    layout,
    live,
    metrics,
    nodes,
    openapi,
    operations,
    people,
    problems,
    search,
    sessions,
    telling,
    trash,
    uploads,
    viewer,
)
from thatdam.gateway.bodies import Bounded
from thatdam.gateway.correlate import Correlate
from thatdam.gateway.guard import Guard
from thatdam.gateway.traffic import Traffic
from thatdam.node import Node


def application(node: Node, names: frozenset[str] = frozenset()) -> FastAPI:
    """Give the application of a node; ``names`` are what this machine is called on its LAN."""
    app = FastAPI(
        title="ThatDAM", version=__version__, openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None
    )
    problems.install(app)
    openapi.install(app)
    guard = Guard(node.access, lambda: names)
    traffic = Traffic()
    app.add_middleware(Bounded)
    app.add_middleware(Correlate, entropy=SystemEntropy(), traffic=traffic)
    operations.install(app, node, guard)
    metrics.install(app, node, guard, traffic)
    sessions.install(app, node, guard)
    telling.Telling(node.system, node.catalogue, node.members, node.events)
    events.install(app, node, guard)
    nodes.install(app, node, guard)
    actors.install(app, node, guard)
    admission.install(app, node, guard)
    layout.install(app, node, guard)
    people.install(app, node, guard)
    library = assets.Assets(node)
    cameras.install(app, node, guard, library)
    assets.install(app, node, guard, library)
    trash.install(app, node, guard)
    uploads.install(app, node, guard, library)
    files.install(app, node, guard)
    live.install(app, node, guard, SystemEntropy())
    search.install(app, node, guard)
    jobs.install(app, node, guard)
    viewer.install(app, viewer.built())
    return app
