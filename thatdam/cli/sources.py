"""Verbs over cameras: devices, source, record."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from thatdam.cli.client import Client, errors, lacks, segment
from thatdam.cli.show import AsJson, Data, out, removed, show

source = typer.Typer(no_args_is_help=True, help="Cameras of the mesh.")
record = typer.Typer(no_args_is_help=True, help="Start, stop and list recordings.")
_CAMERA = ("id", "name", "node_name", "state", "codec", "width", "height", "source", "recording", "error")
OnNode = Annotated[str, typer.Option("--node", help="name or id of the node; empty: any, or the one asked")]

RecordOn = Annotated[
    str, typer.Option("--node", help="name or id of the node that shall begin to record; empty: the camera's own")
]
CameraId = Annotated[str, typer.Argument(help="the camera's id or name, as `thatdam source list` shows them")]
CameraIds = Annotated[list[str], typer.Argument(help="ids or names of cameras, as `thatdam source list` shows them")]


def _shown(camera: dict[str, Any]) -> dict[str, Any]:
    recording = camera["recording"]
    return {**camera, "recording": recording["take"] if recording else None}


def _listed(data: str) -> list[dict[str, Any]]:
    """Give the cameras of the mesh, and say on stderr what could not be asked."""
    answer = Client(data).call("GET", "/api/v1/cameras")
    if lacking := lacks(answer):
        errors.print(lacking, soft_wrap=True)
    cameras: list[dict[str, Any]] = answer["cameras"]
    return cameras


def _cameras(cameras: list[dict[str, Any]], as_json: bool) -> None:
    show(cameras if as_json else [_shown(camera) for camera in cameras], _CAMERA, as_json)


def devices(node: OnNode = "", data: Data = "", as_json: AsJson = False) -> None:
    """List the capture devices of a node, or of all nodes."""
    answer = Client(data).call("GET", "/api/v1/devices", params={"node": node})
    show(answer["devices"], ("node_name", "url", "name", "error"), as_json)
    if answer["note"] and not as_json:
        out.print(answer["note"], markup=False, highlight=False)


@source.command("add")
def source_add(
    url: Annotated[str, typer.Argument(help="what to open; a password in it is kept apart and never shown")],
    name: Annotated[str, typer.Option(help="what people call it")] = "",
    node: OnNode = "",
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Open a source as a camera: test:, file:PATH?loop, rtsp://host/path, v4l2:PATH."""
    body = {"url": url, "name": name, "node": node}
    _cameras([Client(data).call("POST", "/api/v1/cameras", json=body)], as_json)


@source.command("list")
def source_list(node: OnNode = "", data: Data = "", as_json: AsJson = False) -> None:
    """List the cameras of the mesh, or of one node."""
    listed = _listed(data)
    _cameras([one for one in listed if not node or node == one["node_name"] or one["node"].startswith(node)], as_json)


@source.command("show")
def source_show(camera: CameraId, data: Data = "", as_json: AsJson = False) -> None:
    """Show one camera."""
    client = Client(data)
    _cameras([client.call("GET", f"/api/v1/cameras/{segment(client.camera(camera))}")], as_json)


@source.command("rename")
def source_rename(
    camera: CameraId,
    name: Annotated[str, typer.Argument(help="what it is called from now on")],
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Give a camera another name."""
    client = Client(data)
    _cameras([client.call("PATCH", f"/api/v1/cameras/{segment(client.camera(camera))}", json={"name": name})], as_json)


@source.command("remove")
def source_remove(camera: CameraId, data: Data = "", as_json: AsJson = False) -> None:
    """Forget a camera; its takes stay."""
    client = Client(data)
    found = client.camera(camera)
    client.call("DELETE", f"/api/v1/cameras/{segment(found)}")
    removed("id", found, as_json)


@record.command("start")
def record_start(cameras: CameraIds, node: RecordOn = "", data: Data = "", as_json: AsJson = False) -> None:
    """Record cameras until told to stop; prints the takes."""
    _takes("POST", cameras, data, as_json, node)


@record.command("list")
def record_list(data: Data = "", as_json: AsJson = False) -> None:
    """List what is being recorded, by which node, and what it waits for."""
    rows = [
        {"camera": camera["id"], "name": camera["name"], **recording}
        for camera in _listed(data)
        if (recording := camera["recording"])
    ]
    columns = ("camera", "name", "take", "node_name", "state", "waiting_for", "started_at", "copies", "error")
    show(rows, columns, as_json)


@record.command("stop")
def record_stop(cameras: CameraIds, data: Data = "", as_json: AsJson = False) -> None:
    """End recordings; prints the takes once they are whole."""
    _takes("DELETE", cameras, data, as_json)


def _takes(method: str, cameras: list[str], data: str, as_json: bool, node: str = "") -> None:
    client = Client(data)
    takes = []
    for camera in cameras:
        params = {"node": node} if node else {}
        answer = client.call(method, f"/api/v1/cameras/{segment(client.camera(camera))}/record", params=params)
        take = answer["take"]
        takes.append(take)
        if not as_json:
            print(take["id"])
        if take.get("error"):
            errors.print(f"{take['name']}: {take['error']}", style="yellow", markup=False, highlight=False)
    if as_json:
        print(json.dumps(takes, indent=2))
