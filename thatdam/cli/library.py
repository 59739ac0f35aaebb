"""Verbs over what is kept: ls, tag, rm, restore."""

from __future__ import annotations

import enum
import json
import sys
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from thatdam.cli.client import Client, NodeError, errors, fail, lacks
from thatdam.cli.show import AsJson, Data, KindName, out

PAGE_ROWS = 500
NAME_WIDTH_MIN = 12


class Sort(enum.StrEnum):
    """What a list can be ordered by."""

    CREATED = "created"
    NAME = "name"
    SIZE = "size"
    DURATION = "duration"
    KIND = "kind"
    UPDATED = "updated"


_ORDER = {
    Sort.CREATED: ("created_ms", True),
    Sort.NAME: ("name", False),
    Sort.SIZE: ("size_bytes", True),
    Sort.DURATION: ("duration_s", True),
    Sort.KIND: ("kind", False),
    Sort.UPDATED: ("updated_ms", True),
}
Assets = Annotated[list[str], typer.Argument(metavar="ASSET...", help="ids of assets, as `ls` tells them")]


def list_assets(
    text: Annotated[str, typer.Argument(help="words to look for")] = "",
    kind: Annotated[KindName | None, typer.Option(help="only what is of this kind")] = None,
    camera: Annotated[str, typer.Option(help="id or name of a camera")] = "",
    tag: Annotated[str, typer.Option(help="a tag it has")] = "",
    state: Annotated[str, typer.Option(help="recording, ready or interrupted")] = "",
    since: Annotated[str, typer.Option(help="added at or after: 2026-05-01 or 2026-05-01T12:00:00Z")] = "",
    until: Annotated[str, typer.Option(help="added at or before")] = "",
    trashed: Annotated[bool, typer.Option("--trashed", help="what is in the trash")] = False,
    sort: Annotated[Sort, typer.Option(help="what to order by")] = Sort.CREATED,
    reverse: Annotated[bool, typer.Option("--reverse", help="the other way round")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="how many")] = 50,
    page: Annotated[str, typer.Option(help="go on where the list before ended")] = "",
    every: Annotated[bool, typer.Option("--all", help="all pages")] = False,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """List what is kept in the whole mesh."""
    client = Client(data)
    order, descending = _ORDER[sort]
    wanted: dict[str, Any] = {
        "text": text,
        "kind": kind.value if kind else "",
        "camera": client.camera(camera) if camera else "",
        "tag": tag,
        "state": state,
        "since": since,
        "until": until,
        "trashed": trashed,
        "order": order,
        "descending": descending is not reverse,
        "limit": PAGE_ROWS if every else limit,
        "page": page,
    }
    answer = client.call("GET", "/api/v1/assets", params=wanted)
    rows = list(answer["assets"])
    while every and answer["next"]:
        answer = client.call("GET", "/api/v1/assets", params={**wanted, "page": answer["next"]})
        rows += answer["assets"]
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        _show(rows)
    if lacking := lacks(answer):
        errors.print(lacking, soft_wrap=True)
    if answer["next"] and len(rows) >= limit and (answer["total"] > len(rows) or not answer["total_exact"]):
        # Not among the JSON: a program that reads a list must hear of it all the same.
        told = errors if as_json else out
        total = answer["total"] if answer["total_exact"] else f"more than {answer['total']}"
        told.print(f"{len(rows)} of {total}; more with --all, or --page {answer['next']}", soft_wrap=True)


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("id", "kind", "name", "length", "size", "copies", "", "tags"):
        right = name in ("length", "size", "copies")
        folded = name in ("name", "tags")
        table.add_column(
            name,
            no_wrap=not folded,
            overflow="fold",
            justify="right" if right else "left",
            min_width=NAME_WIDTH_MIN if name == "name" else None,
        )
    for row in rows:
        told = "trash" if row["trashed_at"] else "" if row["state"] == "ready" else row["state"] or "-"
        table.add_row(
            row["id"],
            row["kind"],
            escape(row["name"] or "-"),
            length_text(row["duration"]),
            size_text(row["size_bytes"]),
            f"{'?' if row['copies'] is None else row['copies']}/{row['copies_wanted']}",
            f"{told} (!)".strip() if row["error"] else told,
            escape(", ".join(row["tags"])),
        )
    out.print(table)
    for row in rows:
        if row["error"]:
            out.print(f"(!) {row['id']}: {row['error']}", markup=False, highlight=False, soft_wrap=True)


def length_text(seconds: float | None) -> str:
    """Give seconds as minutes and seconds, with hours where there are some."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{int(rest):02}" if hours else f"{minutes}:{rest:04.1f}"


def size_text(size: float) -> str:
    """Give bytes in a unit people read."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"


def tag(
    assets: Assets,
    add: Annotated[list[str] | None, typer.Option("--add", "-a", help="a tag to add; may be said again")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", "-r", help="a tag to remove")] = None,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Add and remove tags."""
    if not add and not remove:
        raise fail("say what to do: --add TAG or --remove TAG", 2)
    change = {"tags_add": add or [], "tags_remove": remove or []}
    _each(assets, "PATCH", "", data, as_json, json=change)


def rm(
    assets: Assets,
    now: Annotated[bool, typer.Option("--now", help="delete for good, whether in the trash already or not")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask before deleting for good")] = False,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Put assets into the trash; `restore` takes them out again."""
    if not now:
        _each(assets, "DELETE", "", data, as_json)
        return
    if not yes:
        count = "1 asset" if len(assets) == 1 else f"{len(assets)} assets"
        if not sys.stdin.isatty():
            raise fail(f"this deletes {count} for good, on every node; say --yes to mean it", 2)
        if not typer.confirm(f"Delete {count} for good, on every node? Nothing brings them back"):
            raise typer.Exit(1)
    _each(assets, "DELETE", "", data, as_json, params={"now": True})


def restore(assets: Assets, data: Data = "", as_json: AsJson = False) -> None:
    """Take assets out of the trash."""
    _each(assets, "POST", "/restore", data, as_json)


def _each(assets: list[str], method: str, path: str, data: str, as_json: bool, **more: Any) -> None:
    """Do something to each asset; one that fails does not keep the others from it."""
    client = Client(data)
    done: list[dict[str, Any]] = []
    failed = 0
    for asset in assets:
        try:
            done.append(client.ask(method, f"/api/v1/assets/{asset_path(asset)}{path}", **more))
        except NodeError as error:
            fail(f"{asset}: {error}")
            failed += 1
            if error.status is None:
                break
    if as_json:
        print(json.dumps(done, indent=2))
    if failed:
        raise typer.Exit(1)


def asset_path(asset: str) -> str:
    """Give what was said as an id as one segment of a path."""
    kept = "".join(letter for letter in asset if letter.isascii() and letter.isalnum())
    return kept if kept == asset and kept else "-"
