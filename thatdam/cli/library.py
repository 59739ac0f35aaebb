"""Verbs over what is kept: ls, get, rm, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thatdam.cli.client import Client
from thatdam.cli.show import AsJson, Data, out, show

_ASSET = ("id", "kind", "name", "state", "duration", "size_bytes", "error")


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
    show(answer["assets"], _ASSET, as_json)
    if answer["partitions_ok"] < answer["partitions_total"] and not as_json:
        out.print(f"incomplete: {answer['partitions_ok']} of {answer['partitions_total']} partitions answered")


def get(asset: str, to: Annotated[Path | None, typer.Argument(help="file to write")] = None, data: Data = "") -> None:
    """Bring an asset here as a file (a take: MP4)."""
    path = to or Path(f"{asset}.mp4")
    print(f"{path}: {Client(data).download(f'/api/v1/assets/{asset}/file', path)} bytes")


def rm(asset: str, data: Data = "") -> None:
    """Put an asset into the trash."""
    Client(data).call("DELETE", f"/api/v1/assets/{asset}")


def restore(asset: str, data: Data = "") -> None:
    """Take an asset out of the trash."""
    Client(data).call("POST", f"/api/v1/assets/{asset}/restore")
