"""The HTTP face of a node: routes over the actors and the catalogue, which decide; here is only translation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from mesh.actors.live import Ended, Object
from mesh.core.access import Person
from mesh.core.query import Query as Rows
from mesh.core.query import Where
from mesh.core.rows import Change
from mesh.ports import NotFound
from proto.ids import AssetId, NodeId
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
from thatdam import __version__
from thatdam.gateway import problems, shapes, takes
from thatdam.gateway.guard import COOKIE, Guard
from thatdam.gateway.shapes import Json
from thatdam.node import Node

ADD_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 15.0
BOUNDARY = "thatdam-picture"


class SignIn(BaseModel):
    """A name and password, or a login link's token."""

    user: str = ""
    password: str = ""
    link: str = ""


class NewCamera(BaseModel):
    """A source to add."""

    url: str = Field(max_length=4096)
    name: str = Field("", max_length=200)
    node: str = ""


class AssetChange(BaseModel):
    """What to change of an asset."""

    name: str | None = Field(None, min_length=1, max_length=200)
    tags_add: tuple[str, ...] = ()
    tags_remove: tuple[str, ...] = ()


def application(node: Node) -> FastAPI:
    """Give the application of a node."""
    app = FastAPI(
        title="ThatDAM", version=__version__, openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None
    )
    problems.install(app)
    guard = Guard(node.access, lambda: frozenset())
    _operations(app, node)
    _sessions(app, node, guard)
    _cameras(app, node, guard)
    _assets(app, node, guard)
    app.include_router(takes.router(takes.Takes(node.catalogue, node.chunks), guard.require))
    return app


def _operations(app: FastAPI, node: Node) -> None:
    @app.get("/health", tags=["operations"])
    async def health() -> Json:
        return {"status": "alive"}

    @app.get("/ready", tags=["operations"])
    async def ready() -> Json:
        failing = [row.name for row in node.system.supervisor.report() if row.state == "waiting"]
        return {"status": "ready", "failing": failing}


def _sessions(app: FastAPI, node: Node, guard: Guard) -> None:
    @app.post("/api/v1/session", tags=["access"])
    async def sign_in(body: SignIn, request: Request, response: Response) -> Json:
        guard.check_host(request)
        if request.headers.get("origin"):
            guard.check_origin(request)
        if body.link:
            session = await node.access.sign_in_by_link(body.link)
        else:
            session = await node.access.sign_in(body.user, body.password)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, session, max_age=12 * 3600, httponly=True, samesite="lax", secure=secure)
        return _person(await node.access.whose_session(session))

    @app.get("/api/v1/session", tags=["access"])
    async def who(person: Annotated[Person, guard.require("viewer")]) -> Json:
        return {**_person(person), "node": node.node_id, "mesh": node.mesh}

    @app.delete("/api/v1/session", tags=["access"], status_code=204, dependencies=[guard.require("viewer")])
    async def sign_out(response: Response) -> None:
        response.delete_cookie(COOKIE)


def _person(person: Person) -> Json:
    return {"user": person.user, "role": person.role.value, "expires_at": shapes.moment(person.expires_ms)}


def _cameras(app: FastAPI, node: Node, guard: Guard) -> None:
    async def home(camera: str) -> NodeId:
        row = await node.catalogue.get("cameras", camera)
        if row is None:
            raise NotFound(f"there is no camera {camera}")
        return NodeId(str(row.fields.get("node")))

    @app.get("/api/v1/cameras", tags=["cameras"], dependencies=[guard.require("viewer")])
    async def cameras() -> Json:
        page = await node.catalogue.scan(Rows("cameras", order="created_ms", descending=False, limit=1000))
        return {"cameras": [shapes.camera(row) for row in page.rows]}

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

    async def pictures(camera: str) -> AsyncIterator[bytes]:
        async with node.live.subscribe(f"{camera}/jpeg") as subscription:
            async for item in subscription:
                if isinstance(item, Object):
                    yield item.data[8:]
                elif isinstance(item, Ended):
                    return

    @app.get("/api/v1/cameras/{camera}/snapshot.jpg", tags=["cameras"], dependencies=[guard.require("viewer")])
    async def snapshot(camera: str) -> Response:
        await home(camera)
        shown = pictures(camera)
        try:
            async for picture in shown:
                return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})
        finally:
            await shown.aclose()  # type: ignore[attr-defined]
        raise problems.Problem(503, "this camera gives no picture now; its state says why")

    @app.get("/api/v1/cameras/{camera}/live.mjpeg", tags=["cameras"], dependencies=[guard.require("viewer")])
    async def mjpeg(camera: str) -> Response:
        await home(camera)

        async def parts() -> AsyncIterator[bytes]:
            async for picture in pictures(camera):
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                yield head.encode() + picture + b"\r\n"

        return StreamingResponse(parts(), media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}")


def _assets(app: FastAPI, node: Node, guard: Guard) -> None:
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
