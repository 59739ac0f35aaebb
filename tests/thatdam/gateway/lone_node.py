"""A real node in this process with its application, asked without a socket."""

import asyncio
import contextlib

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
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8326", **more)


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
