"""A real node in this process with its application, asked without a socket."""

import asyncio
import contextlib
import re

import httpx
import uvicorn

from mesh.core.access import Role
from thatdam import config
from thatdam.gateway.app import application
from thatdam.node import Node

PASSWORD = "correct horse battery"


@contextlib.asynccontextmanager
async def running(folder, **flags):
    settings = config.load(None, {}, {"node.data": str(folder), "mesh.port": 0, "mesh.mdns": False, **flags})
    node = await Node.start(settings)
    try:
        yield node, application(node)
    finally:
        await node.stop()


def client(app, address="127.0.0.1", **more):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 4000))
    hooks = {"response": [documented(app)]}
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8326", event_hooks=hooks, **more)


async def as_role(node, app, role, address="127.0.0.1"):
    token = await node.access.add_token(f"test {role}", Role(role), 1.0)
    return client(app, address, headers={"Authorization": f"Bearer {token}"})


@contextlib.asynccontextmanager
async def listening(app):
    """Give the port of a real server on loopback."""
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_config=None, lifespan="off", proxy_headers=False))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await task


def documented(app):
    """Give a hook for a client: every answer has to be one that the OpenAPI names, status and media type."""
    # As the router has it, by the most words that are fixed: /assets/{asset}/restore before /assets/{asset}.
    paths = sorted(app.openapi()["paths"].items(), key=lambda one: one[0].count("{"))
    known = [(re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path))), told) for path, told in paths]

    async def check(response):
        asked = f"{response.request.method} {response.request.url.path}"
        for pattern, methods in known:
            told = methods.get(response.request.method.lower())
            if told is None or not pattern.fullmatch(response.request.url.path):
                continue
            answer = told["responses"].get(str(response.status_code))
            assert answer, f"{asked} answered {response.status_code}, which its OpenAPI does not name"
            kind = response.headers.get("content-type", "").partition(";")[0]
            named = set(answer.get("content", ()))
            empty = response.status_code in (204, 304)
            assert empty or not kind or "*/*" in named or kind in named, (
                f"{asked} answered {kind}; its OpenAPI names {named}"
            )
            return

    return check
