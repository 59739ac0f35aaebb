"""The verb over one asset: all that is known of it, who recorded it, and what is missing."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from thatdam.cli.client import Client, errors
from thatdam.cli.library import asset_path, length_text, size_text
from thatdam.cli.show import AsJson, Data, out

_LABEL_WIDTH = 12
MISSING_TOLD_S = 0.05
"""What is missing for less than this is the rounding of the clocks."""


def show(
    asset: Annotated[str, typer.Argument(help="an asset's id, as `ls` tells it")],
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Tell all that is known of an asset: its copies, its gaps, and who recorded which part of a take."""
    told = Client(data).call("GET", f"/api/v1/assets/{asset_path(asset)}")
    if as_json:
        print(json.dumps(told, indent=2))
        return
    if not told["complete"]:
        errors.print("incomplete: who holds its scenes, gaps and recorders is not reached now", soft_wrap=True)
    for label, text in _facts(told):
        _line(label, text)
    recorders = told["recorders"]
    for at, one in enumerate(recorders):
        _line("recorded by" if at == 0 else "then by", recorder_text(one, alone=len(recorders) == 1))
    for at, gap in enumerate(told["gaps"]):
        _line("missing" if at == 0 else "", f"{_stretch(gap)}: {gap['why'] or 'the reason is not known'}")
    if recorders and not told["gaps"]:
        _line("missing", "nothing")


def recorder_text(one: dict[str, Any], *, alone: bool) -> str:
    """Say who recorded a stretch of a take, and how much of it is missing."""
    name = one["node_name"] or one["node"][:12] or "a node that is not known"
    missing = f", {one['missing']:.1f} s of it missing" if one["missing"] >= MISSING_TOLD_S else ""
    return f"{name}{missing}" if alone else f"{name}, {_stretch(one)}{missing}"


def _facts(told: dict[str, Any]) -> list[tuple[str, str]]:
    copies = "?" if told["copies"] is None else told["copies"]
    size = f"{told['width']}x{told['height']}" if told["width"] and told["height"] else ""
    picture = ", ".join(part for part in (told["codec"] or "", size, told["mime"] or "") if part)
    facts = [
        ("id", told["id"]),
        ("name", told["name"]),
        ("kind", told["kind"] + (f", {told['state']}" if told["state"] else "")),
        ("camera", told["camera_name"] or told["camera"] or ""),
        ("started", told["started_at"] or told["created_at"] or ""),
        ("length", length_text(told["duration"]) if told["duration"] is not None else ""),
        ("size", size_text(told["size_bytes"])),
        ("picture", picture),
        ("copies", f"{copies} of {told['copies_wanted']}"),
        ("tags", ", ".join(told["tags"])),
        ("seen", ", ".join(told["auto_tags"])),
        ("scenes", str(len(told["scenes"])) if told["scenes"] else ""),
        ("trashed", told["trashed_at"] or ""),
        ("waits for", told["waiting_for"] or ""),
        ("(!)", told["error"] or ""),
    ]
    return [(label, text) for label, text in facts if text]


def _stretch(one: dict[str, Any]) -> str:
    return f"{length_text(one['start'])} to {length_text(one['end'])}"


def _line(label: str, text: str) -> None:
    out.print(f"{label:<{_LABEL_WIDTH}}{text}", markup=False, highlight=False, soft_wrap=True)
