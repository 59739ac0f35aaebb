"""Cameras, devices and recordings over HTTP: any node answers for any node's.

Decides who begins to record: the node that is named, else the one that has the camera when it takes the role daemon,
else another that does, the same one whichever node is asked. Who goes on when that one falls silent is for the
camera's node to say (``mesh.core.recording``). A start asked twice is one take.
"""

from __future__ import annotations

import asyncio

import structlog
from blake3 import blake3
from fastapi import FastAPI, Query

from mesh.core.member import Member
from mesh.core.names import is_line
from mesh.core.query import Query as Rows
from mesh.core.rows import Change, Row
from mesh.ports import PortError
from proto.ids import AssetId, CameraId, NodeId
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
from thatdam.gateway.answers.cameras import (
    Camera,
    CameraChange,
    Cameras,
    Device,
    DeviceFormat,
    NewCamera,
    TakeOf,
)
from thatdam.gateway.answers.cameras import Devices as DevicesThere
from thatdam.gateway.assets import Assets
from thatdam.gateway.camera_view import CameraView, field_int, is_camera, recorder_of, text
from thatdam.gateway.guard import Guard
from thatdam.gateway.naming import alive_named
from thatdam.gateway.problems import Problem, failing
from thatdam.node import Node

ADD_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 15.0
DEVICES_TIMEOUT_S = 4.0
SEEN_S = 3.0
"""How long an answer waits until a row that another node just wrote is seen from here."""
SEEN_POLL_S = 0.05
CAMERAS_MAX = 1000
_log = structlog.get_logger("cameras")
ENDED = "the recording has ended and is whole"
NAME_WRONG = "a camera's name is printable text on one line"


def install(app: FastAPI, node: Node, guard: Guard, assets: Assets) -> None:
    """Add the routes."""
    view = CameraView(node)
    viewer, operator, admin = (guard.require(role) for role in ("viewer", "operator", "admin"))

    def home_of(row: Row) -> Member:
        """Give the node that has a camera."""
        member = node.members.alive().get(NodeId(text(row, "node")))
        if member is None:
            raise Problem(503, view.why_not(row))
        return member

    def recorder_for(row: Row, wanted: str = "") -> NodeId:
        """Choose who records a camera."""
        home = home_of(row)
        if wanted:
            named = alive_named(node, wanted)
            if "daemon" not in named.info.roles:
                raise Problem(409, f"{view.called(named.id)} does not take the role daemon, which records")
            return named.id
        if "daemon" in home.info.roles:
            return home.id
        able = [one.id for one in node.members.alive().values() if "daemon" in one.info.roles]
        if not able:
            raise Problem(503, "no node that answers takes the role daemon, which records; give one that role")
        return max(able, key=lambda one: blake3(f"{row.pk}/{one}".encode()).digest())

    async def seen(table: str, pk: str) -> Row | None:
        """Give a row that another node has just written, once it is seen from here."""
        for _ in range(int(SEEN_S / SEEN_POLL_S)):
            row = await node.catalogue.get(table, pk)
            if row is not None:
                return row
            await asyncio.sleep(SEEN_POLL_S)
        return None

    async def take_shown(take: str, done: str) -> TakeOf:
        """Show a take; where it cannot be seen from here, say at least what was done."""
        try:
            if await seen("assets", take) is not None:
                return TakeOf(take=await assets.shown(take))
            why = "its row is not seen from this node yet; ask for it again"
        except PortError as error:
            why = f"it cannot be shown here: {error}; start the nodes that do not answer"
        raise Problem(503, f"{done} as take {take}, but {why}")

    async def check_free(name: str, but: str = "") -> None:
        """Refuse a name that another camera has: verbs and people could not say which is meant."""
        page = await node.catalogue.scan(Rows("cameras", limit=CAMERAS_MAX))
        if any(text(row, "name") == name and row.pk != but for row in page.rows if is_camera(row)):
            raise Problem(409, f"a camera is called {name!r} already; take another name")

    @app.get("/api/v1/cameras", tags=["cameras"], dependencies=[viewer], responses=failing(503))
    async def cameras() -> Cameras:
        """List the cameras of the mesh. What this node records is among them, whoever else can be asked."""
        page = await node.catalogue.scan(Rows("cameras", order="created_ms", descending=False, limit=CAMERAS_MAX))
        rows = [row for row in page.rows if is_camera(row)]
        complete = page.partitions_ok == page.partitions_total
        if not complete:
            seen = {row.pk for row in page.rows}
            rows += [row for row in node.recorder.cameras() if row.pk not in seen]
            rows.sort(key=lambda row: field_int(row, "created_ms"))
        return Cameras(
            cameras=await view.shown(rows),
            complete=complete,
            partitions_ok=page.partitions_ok,
            partitions_total=page.partitions_total,
            catching_up=not complete and node.all_there(),
        )

    @app.get("/api/v1/cameras/{camera}", tags=["cameras"], dependencies=[viewer], responses=failing(404, 503))
    async def one(camera: str) -> Camera:
        """Give a camera."""
        return (await view.shown([await view.row(camera)]))[0]

    @app.patch(
        "/api/v1/cameras/{camera}", tags=["cameras"], dependencies=[admin], responses=failing(404, 409, 503, 507)
    )
    async def change(camera: str, body: CameraChange) -> Camera:
        """Rename a camera."""
        await view.row(camera)
        name = body.name.strip()
        if not is_line(name):
            raise Problem(422, NAME_WRONG)
        await check_free(name, camera)
        await node.catalogue.write(Change("cameras", CameraId(camera), set={"name": name}))
        return (await view.shown([await view.row(camera)]))[0]

    @app.get("/api/v1/devices", tags=["cameras"], dependencies=[viewer], responses=failing(404, 409))
    async def devices(node_: str = Query("", alias="node", max_length=64)) -> DevicesThere:
        """List the capture devices of a node, or of all nodes."""
        asked = [alive_named(node, node_)] if node_ else list(node.members.alive().values())
        told = await asyncio.gather(*(_devices(node, member) for member in asked))
        notes = [
            note if node_ else f"{view.called(member.id)}: {note}"
            for member, (_, note) in zip(asked, told, strict=True)
            if note
        ]
        return DevicesThere(devices=[one for listed, _ in told for one in listed], note="; ".join(notes))

    @app.post(
        "/api/v1/cameras",
        tags=["cameras"],
        status_code=201,
        dependencies=[admin],
        responses=failing(404, 409, 503, 507),
    )
    async def add(body: NewCamera) -> Camera:
        """Open a source as a camera, on this node or on the one named. Credentials in the URL are kept apart."""
        if body.name.strip() and not is_line(body.name.strip()):
            raise Problem(422, NAME_WRONG)
        member = alive_named(node, body.node)
        if "proxy" not in member.info.roles:
            raise Problem(409, f"{view.called(member.id)} does not take the role proxy, so it opens no cameras")
        if body.name.strip():
            await check_free(body.name.strip())
        message = AddCamera(body.url, body.name.strip())
        added = await node.system.ask(member.id, "proxy", message, CameraAdded, timeout_s=ADD_TIMEOUT_S)
        row = await seen("cameras", added.camera)
        if row is None:
            raise Problem(503, f"the camera {added.camera} was added, but is not seen from this node yet")
        return (await view.shown([row]))[0]

    @app.delete(
        "/api/v1/cameras/{camera}",
        tags=["cameras"],
        status_code=204,
        dependencies=[admin],
        responses=failing(404, 409, 503, 507),
    )
    async def remove(camera: str) -> None:
        """Forget a camera; its takes stay."""
        row = await view.row(camera)
        if text(row, "record"):
            raise Problem(409, "this camera is being recorded; stop the recording first")
        if NodeId(text(row, "node")) not in node.members.alive():
            # Its node may never come back; if it does, it holds its cameras against the rows.
            await node.catalogue.write(Change("cameras", camera, delete=True), Change("secrets", camera, delete=True))
            return
        await node.system.ask(home_of(row).id, "proxy", RemoveCamera(camera), Done, timeout_s=ADD_TIMEOUT_S)

    @app.post(
        "/api/v1/cameras/{camera}/record",
        tags=["cameras"],
        dependencies=[operator],
        responses=failing(404, 409, 503, 507),
    )
    async def record(camera: str, node_: str = Query("", alias="node", max_length=64)) -> TakeOf:
        """Record a camera until told to stop, on a node if one is named; a start asked twice is one take."""
        row = await view.row(camera)
        recorded = bool(text(row, "record")) and recorder_of(row) in node.members.alive()
        where = recorder_of(row) if recorded else recorder_for(row, node_)
        started = await node.system.ask(where, "recorder", StartRecording(camera), TakeIs)
        return await take_shown(started.take, "the camera is being recorded")

    @app.delete(
        "/api/v1/cameras/{camera}/record",
        tags=["cameras"],
        dependencies=[operator],
        responses=failing(404, 409, 503, 507),
    )
    async def stop(camera: str) -> TakeOf:
        """End a recording; answered once every part of it is durable."""
        row = await view.row(camera)
        home = NodeId(text(row, "node"))
        if home in node.members.alive():
            # It knows who records by now, also while a take changes hands.
            try:
                stopped = await node.system.ask(
                    home, "recordings", StopRecording(camera), TakeIs, timeout_s=STOP_TIMEOUT_S
                )
            except PortError as error:
                _log.info("the camera's node does not end the take", camera=camera, error=str(error))
            else:
                return await take_shown(stopped.take, ENDED)
        # The row may be a moment behind: the one who would record knows whether it does.
        where = recorder_of(row) if text(row, "record") else recorder_for(row)
        if where not in node.members.alive():
            # What is wanted is in the rows: the recorder ends the take when it is back, if ever it is.
            take = text(row, "record")
            gone = f"node {view.called(where)}, which recorded it, was gone when it was stopped"
            await node.catalogue.write(
                Change("cameras", camera, set={"record": ""}),
                Change(
                    "assets", AssetId(take), set={"state": "interrupted", "error": gone, "stopped_ms": node.now_ms()}
                ),
            )
            return await take_shown(take, "the recording was told to end")
        stopped = await node.system.ask(where, "recorder", StopRecording(camera), TakeIs, timeout_s=STOP_TIMEOUT_S)
        return await take_shown(stopped.take, ENDED)


async def _devices(node: Node, member: Member) -> tuple[list[Device], str]:
    if "proxy" not in member.info.roles:
        return [], "it does not take the role proxy, so it opens no cameras"
    try:
        answer = await node.system.ask(member.id, "proxy", ListDevices(), Devices, timeout_s=DEVICES_TIMEOUT_S)
    except PortError as error:
        return [], f"its devices are not known: {error}"
    listed = [
        Device(
            node=member.id,
            node_name=member.info.name or None,
            url=device.url,
            name=device.name,
            stable_id=device.stable_id,
            formats=[
                DeviceFormat(format=one.format, width=one.width, height=one.height, rates=list(one.rates))
                for one in device.formats
            ],
            error=device.error or None,
        )
        for device in answer.devices
    ]
    return listed, answer.note
