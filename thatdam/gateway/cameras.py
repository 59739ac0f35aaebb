"""Cameras, devices and recordings over HTTP."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel, Field

from mesh.core.query import Query as Rows
from mesh.ports import NotFound
from proto.ids import NodeId
from proto.messages.cameras import (
    AddCamera,
    CameraAdded,
    Devices,
    Done,
    ListDevices,
    RemoveCamera,
    StartRecording,
    StopRecording,
    TakeIs,
)
from thatdam.gateway import shapes
from thatdam.gateway.guard import Guard
from thatdam.gateway.shapes import Json
from thatdam.node import Node

ADD_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 15.0


class NewCamera(BaseModel):
    """A source to add."""

    url: str = Field(max_length=4096)
    name: str = Field("", max_length=200)
    node: str = ""


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the routes."""

    async def home(camera: str) -> NodeId:
        row = await node.catalogue.get("cameras", camera)
        if row is None:
            raise NotFound(f"there is no camera {camera}")
        return NodeId(str(row.fields.get("node")))

    @app.get("/api/v1/cameras", tags=["cameras"], dependencies=[guard.require("viewer")])
    async def cameras() -> Json:
        page = await node.catalogue.scan(Rows("cameras", order="created_ms", descending=False, limit=1000))
        return {"cameras": [shapes.camera(row) for row in page.rows]}

    @app.get("/api/v1/cameras/{camera}", tags=["cameras"], dependencies=[guard.require("viewer")])
    async def one(camera: str) -> Json:
        row = await node.catalogue.get("cameras", camera)
        if row is None:
            raise NotFound(f"there is no camera {camera}")
        return shapes.camera(row)

    @app.get("/api/v1/devices", tags=["cameras"], dependencies=[guard.require("viewer")])
    async def devices() -> Json:
        answer = await node.system.ask(node.node_id, "proxy", ListDevices(), Devices)
        listed = [
            {
                "node": node.node_id,
                "url": device.url,
                "name": device.name,
                "stable_id": device.stable_id,
                "formats": [
                    {"format": one.format, "width": one.width, "height": one.height, "rates": list(one.rates)}
                    for one in device.formats
                ],
                "error": device.error or None,
            }
            for device in answer.devices
        ]
        return {"devices": listed, "note": answer.note}

    @app.post("/api/v1/cameras", tags=["cameras"], status_code=201, dependencies=[guard.require("admin")])
    async def add(body: NewCamera) -> Json:
        where = NodeId(body.node) if body.node else node.node_id
        message = AddCamera(body.url, body.name)
        added = await node.system.ask(where, "proxy", message, CameraAdded, timeout_s=ADD_TIMEOUT_S)
        row = await node.catalogue.get("cameras", added.camera)
        if row is None:
            raise NotFound("the camera was removed meanwhile")
        return shapes.camera(row)

    @app.delete("/api/v1/cameras/{camera}", tags=["cameras"], status_code=204, dependencies=[guard.require("admin")])
    async def remove(camera: str) -> None:
        await node.system.ask(await home(camera), "proxy", RemoveCamera(camera), Done, timeout_s=ADD_TIMEOUT_S)

    @app.post("/api/v1/cameras/{camera}/record", tags=["cameras"], dependencies=[guard.require("operator")])
    async def record(camera: str) -> Json:
        started = await node.system.ask(await home(camera), "recorder", StartRecording(camera), TakeIs)
        return {"take": started.take}

    @app.delete("/api/v1/cameras/{camera}/record", tags=["cameras"], dependencies=[guard.require("operator")])
    async def stop(camera: str) -> Json:
        message = StopRecording(camera)
        stopped = await node.system.ask(await home(camera), "recorder", message, TakeIs, timeout_s=STOP_TIMEOUT_S)
        return {"take": stopped.take}
