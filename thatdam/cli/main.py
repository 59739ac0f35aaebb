"""The command ``thatdam`` and its verbs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from thatdam import config as settings
from thatdam.cli.client import Client, fail

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
source = typer.Typer(no_args_is_help=True, help="Cameras of the mesh.")
record = typer.Typer(no_args_is_help=True, help="Start and stop recordings.")
app.add_typer(source, name="source")
app.add_typer(record, name="record")

Data = Annotated[str, typer.Option("--data", help="the node's data folder")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
_out = Console()


def _show(rows: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=None)
    for name in columns:
        table.add_column(name, no_wrap=name == "id", overflow="fold")
    for row in rows:
        table.add_row(*("-" if row.get(name) in (None, "") else str(row[name]) for name in columns))
    _out.print(table)


@app.command()
def up(
    data: Data = "",
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one")] = None,
    file_folder: Annotated[list[str] | None, typer.Option(help="folder whose files may be played as cameras")] = None,
    settings_file: Annotated[Path | None, typer.Option("--config", help="settings file")] = None,
) -> None:
    """Start a node here: cameras, recording and library, for this machine."""
    from thatdam.cli import serve  # the node's libraries take a second to load; other verbs need none

    flags = {"node.data": data or None, "http.port": port, "proxy.file_folders": tuple(file_folder or ())}
    try:
        config = settings.load(settings_file, None, flags)
    except settings.ConfigError as error:
        raise fail(str(error), 2) from None
    raise typer.Exit(serve.run(config))


@app.command()
def devices(data: Data = "", as_json: AsJson = False) -> None:
    """List the capture devices of this machine."""
    answer = Client(data).call("GET", "/api/v1/devices")
    _show(answer["devices"], ("url", "name", "error"), as_json)
    if answer["note"] and not as_json:
        _out.print(answer["note"])


@source.command("add")
def source_add(url: str, name: str = "", data: Data = "", as_json: AsJson = False) -> None:
    """Open a source as a camera: test:, file:PATH?loop, rtsp://host/path, v4l2:PATH."""
    _show([Client(data).call("POST", "/api/v1/cameras", json={"url": url, "name": name})], _CAMERA, as_json)


_CAMERA = ("id", "name", "state", "codec", "width", "height", "source", "recording", "error")
_ASSET = ("id", "kind", "name", "state", "duration", "size_bytes", "error")


@source.command("list")
def source_list(data: Data = "", as_json: AsJson = False) -> None:
    """List the cameras."""
    _show(Client(data).call("GET", "/api/v1/cameras")["cameras"], _CAMERA, as_json)


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


@app.command("ls")
def list_assets(
    text: Annotated[str, typer.Argument(help="words to look for")] = "",
    kind: str = "",
    camera: str = "",
    trashed: bool = False,
    limit: int = 50,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """List what is kept."""
    wanted = {"text": text, "kind": kind, "camera": camera, "trashed": trashed, "limit": limit}
    answer = Client(data).call("GET", "/api/v1/assets", params=wanted)
    _show(answer["assets"], _ASSET, as_json)
    if answer["partitions_ok"] < answer["partitions_total"] and not as_json:
        _out.print(f"incomplete: {answer['partitions_ok']} of {answer['partitions_total']} partitions answered")


@app.command()
def get(asset: str, to: Annotated[Path | None, typer.Argument(help="file to write")] = None, data: Data = "") -> None:
    """Bring an asset here as a file (a take: MP4)."""
    path = to or Path(f"{asset}.mp4")
    print(f"{path}: {Client(data).download(f'/api/v1/assets/{asset}/file', path)} bytes")


@app.command()
def rm(asset: str, data: Data = "") -> None:
    """Put an asset into the trash."""
    Client(data).call("DELETE", f"/api/v1/assets/{asset}")


@app.command()
def restore(asset: str, data: Data = "") -> None:
    """Take an asset out of the trash."""
    Client(data).call("POST", f"/api/v1/assets/{asset}/restore")


def main() -> None:
    """Run the command line."""
    app()
