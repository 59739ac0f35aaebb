"""Verbs over cameras: devices, source, record."""

from __future__ import annotations

import typer

from thatdam.cli.client import Client
from thatdam.cli.show import AsJson, Data, out, show

source = typer.Typer(no_args_is_help=True, help="Cameras of the mesh.")
record = typer.Typer(no_args_is_help=True, help="Start and stop recordings.")
_CAMERA = ("id", "name", "state", "codec", "width", "height", "source", "recording", "error")


def devices(data: Data = "", as_json: AsJson = False) -> None:
    """List the capture devices of this machine."""
    answer = Client(data).call("GET", "/api/v1/devices")
    show(answer["devices"], ("url", "name", "error"), as_json)
    if answer["note"] and not as_json:
        out.print(answer["note"])


@source.command("add")
def source_add(url: str, name: str = "", data: Data = "", as_json: AsJson = False) -> None:
    """Open a source as a camera: test:, file:PATH?loop, rtsp://host/path, v4l2:PATH."""
    show([Client(data).call("POST", "/api/v1/cameras", json={"url": url, "name": name})], _CAMERA, as_json)


@source.command("list")
def source_list(data: Data = "", as_json: AsJson = False) -> None:
    """List the cameras."""
    show(Client(data).call("GET", "/api/v1/cameras")["cameras"], _CAMERA, as_json)


@source.command("remove")
def source_remove(camera: str, data: Data = "") -> None:
    """Forget a camera; its takes stay."""
    Client(data).call("DELETE", f"/api/v1/cameras/{camera}")


@record.command("start")
def record_start(cameras: list[str], data: Data = "") -> None:
    """Record cameras until told to stop; prints the takes."""
    client = Client(data)
    for camera in cameras:
        print(client.call("POST", f"/api/v1/cameras/{camera}/record")["take"])


@record.command("stop")
def record_stop(cameras: list[str], data: Data = "") -> None:
    """End recordings; prints the takes once they are whole."""
    client = Client(data)
    for camera in cameras:
        print(client.call("DELETE", f"/api/v1/cameras/{camera}/record")["take"])
