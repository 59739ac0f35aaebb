"""Verbs over the trash: empty."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from thatdam.cli.client import Client, errors, fail
from thatdam.cli.show import AsJson, Data, out

trash = typer.Typer(no_args_is_help=True, help="What was thrown away. `ls --trashed` lists it, `restore` takes it out.")


@trash.callback()
def about() -> None:
    """Keep the verbs of the trash below it, though there is one."""


@trash.command("empty")
def empty(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask before")] = False,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Delete everything in the trash for good, on every node."""
    client = Client(data)
    if not yes:
        total = client.call("GET", "/api/v1/assets", params={"trashed": True, "limit": 1})["total"]
        count = _counted(total)
        if total == 0:
            print(json.dumps({"deleted": 0, "kept": []}, indent=2)) if as_json else out.print("the trash is empty")
            return
        if not sys.stdin.isatty():
            raise fail(f"this deletes {count} for good, on every node; say --yes to mean it", 2)
        if not typer.confirm(f"Delete {count} for good, on every node? Nothing brings them back", err=as_json):
            raise typer.Exit(1)
    deleted, kept, page = 0, list[dict[str, Any]](), ""
    while True:
        answer = client.call("DELETE", "/api/v1/trash", params={"page": page})
        deleted += answer["deleted"]
        kept += answer["kept"]
        page = answer["next"]
        if not page:
            break
    if as_json:
        print(json.dumps({"deleted": deleted, "kept": kept}, indent=2))
    else:
        out.print(f"{_counted(deleted)} deleted for good", highlight=False)
    for one in kept:
        fail(f"{one['id']} {one['name']}: {one['why']}")
    if answer["partitions_ok"] < answer["partitions_total"]:
        errors.print(
            f"incomplete: {answer['partitions_ok']} of {answer['partitions_total']} partitions answered; "
            "what lies in the others stays in the trash"
        )
    if kept:
        raise typer.Exit(1)


def _counted(count: int) -> str:
    return "1 asset" if count == 1 else f"{count} assets"
