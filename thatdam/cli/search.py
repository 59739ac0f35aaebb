"""Verbs that find: search, and the jobs that make things findable."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from thatdam.cli.client import Client, fail
from thatdam.cli.show import AsJson, Data, KindName, out

_WORK = {"L1": "pictures", "L2": "scenes"}


def search(
    words: Annotated[list[str], typer.Argument(help="what to look for, in words")],
    camera: Annotated[str, typer.Option(help="only this camera: its id or name")] = "",
    since: Annotated[str, typer.Option(help="not before: 2026-05-01 or 2026-05-01T12:00:00Z")] = "",
    until: Annotated[str, typer.Option(help="not after")] = "",
    kind: Annotated[KindName | None, typer.Option("--type", help="only what is of this kind")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="hits at most")] = 20,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Find moments by words, in the whole mesh."""
    if not " ".join(words).strip():
        raise fail("say what to look for, in words", 2)
    client = Client(data)
    wanted = {
        "q": " ".join(words),
        "camera": client.camera(camera) if camera else "",
        "since": since,
        "until": until,
        "type": kind.value if kind else "",
        "limit": limit,
    }
    answer = client.call("GET", "/api/v1/search", params={name: value for name, value in wanted.items() if value})
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for title, more in (
        ("at", {"justify": "right", "no_wrap": True}),
        ("name", {"overflow": "fold"}),
        ("type", {"no_wrap": True}),
        ("why", {"overflow": "fold"}),
        ("asset", {"no_wrap": True}),
    ):
        table.add_column(title, **more)
    for hit in answer["hits"]:
        why = "; ".join(hit["why"])
        table.add_row(span(hit["at"], hit["end"]), escape(hit["name"]), hit["kind"], escape(why), hit["asset"])
    if answer["hits"]:
        out.print(table)
    else:
        out.print("nothing found")
    if answer["shards_ok"] < answer["shards_total"]:
        soon = (
            "; the others catch up, as when a node joins: ask again in a few seconds" if answer["catching_up"] else ""
        )
        out.print(
            f"incomplete: {answer['shards_ok']} of {answer['shards_total']} shards answered{soon}", soft_wrap=True
        )
    if told := pending(answer["pending"]):
        out.print(told)
    if answer["missing"]:
        out.print(escape(answer["missing"]))


def pending(counts: dict[str, int]) -> str:
    """Say what is not searched by its looks yet; empty when there is nothing."""
    parts = []
    if count := counts["recording"]:
        parts.append(f"{count} take{'s' * (count != 1)} still being recorded")
    if count := counts["waiting"]:
        parts.append(f"{count} asset{'s' * (count != 1)} waiting to be looked at")
    return "not searched by what is seen yet: " + ", ".join(parts) if parts else ""


job_verbs = typer.Typer(no_args_is_help=False)


@job_verbs.callback(invoke_without_command=True)
def jobs(
    context: typer.Context,
    state: Annotated[str, typer.Option(help="queued, leased, done or failed")] = "",
    asset: Annotated[str, typer.Option(help="only of this asset")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="jobs shown at most")] = 200,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Show what is being worked on, what waits, and what failed and why."""
    if context.invoked_subcommand is not None:
        return
    wanted = {"state": state, "asset": asset, "limit": limit}
    found = Client(data).call("GET", "/api/v1/jobs", params={name: value for name, value in wanted.items() if value})
    rows: list[dict[str, Any]] = found["jobs"]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("kind", "state", "tries", "node", "name", "asset", "error"):
        table.add_column(title, no_wrap=title in ("kind", "asset"), overflow="fold")
    for one in rows:
        told = (_WORK.get(one["kind"], one["kind"]), one["state"], str(one["attempts"]))
        at = escape(one["node_name"] or (one["node"] or "-")[:8])
        table.add_row(*told, at, escape(one["asset_name"] or "-"), one["asset"], escape(one["error"] or "-"))
    out.print(table if rows else "no jobs")


@job_verbs.command()
def retry(
    assets: Annotated[list[str] | None, typer.Argument(help="assets whose failed jobs are tried again")] = None,
    every: Annotated[bool, typer.Option("--all", help="every failed job of the mesh")] = False,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Try failed jobs once more, with all their attempts."""
    if bool(assets) == every:
        raise fail("name the assets whose failed jobs are to be tried again, or say --all", 2)
    client = Client(data)
    queued: list[dict[str, Any]] = []
    for asset in assets or [""]:
        queued += client.call("POST", "/api/v1/jobs/retry", json={"asset": asset})["jobs"]
    if as_json:
        print(json.dumps(queued, indent=2))
        return
    for one in queued:
        out.print(f"queued again: {_WORK.get(one['kind'], one['kind'])} of {one['asset']}")
    if not queued:
        out.print("no failed jobs")


def clock(seconds: float) -> str:
    """Give a place in a recording as m:ss or h:mm:ss."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"


def span(at: float | None, end: float | None) -> str:
    """Give where a hit lies: its start, and its end when that is another second; empty for the whole of an asset."""
    if at is None:
        return ""
    start = clock(at)
    return start if end is None or clock(end) == start else f"{start}-{clock(end)}"
