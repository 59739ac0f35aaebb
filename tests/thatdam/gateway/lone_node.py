"""A real node in this process with its application, asked without a socket."""

import contextlib

import httpx

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
