"""Verbs over the layout: show, plan, apply, revert."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from typing import Annotated, Any

import typer
from rich.markup import escape

from mesh.core.layouts import CAPACITY_MAX, ZONE_MAX
from thatdam.cli.client import Client, fail
from thatdam.cli.library import size_text
from thatdam.cli.show import AsJson, Data, out
from thatdam.cli.show import show as table

layout = typer.Typer(no_args_is_help=True, help="Who stores what: see it, plan a change, do it.")

STEP_S = 1.0
_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,6})?)\s*([a-z]*)\Z")

Nodes = list[str] | None
Add = Annotated[Nodes, typer.Option("--add", help="a node that is to store (again)")]
Drain = Annotated[Nodes, typer.Option("--drain", help="a node that is to hold nothing; it serves until it does")]
Remove = Annotated[Nodes, typer.Option("--remove", help="a drained node to take out for good")]
Replace = Annotated[Nodes, typer.Option("--replace", help="OLD=NEW: the new node gets what the old one holds")]
Weight = Annotated[Nodes, typer.Option("--weight", help="NODE=SIZE, as in attic=2TB: how much of all it holds")]
Zone = Annotated[Nodes, typer.Option("--zone", help="NODE=ZONE: copies are spread over zones first")]
Force = Annotated[bool, typer.Option("--force", help="remove a node that is not drained: what it alone has is lost")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask before it is done")]


def bytes_of(text: str) -> int:
    """Read ``2TB``, ``500 GiB`` or a number of bytes."""
    found = _SIZE.match(text.strip().lower())
    if not found or found[2] not in (*_UNITS, "tib"):
        raise fail(f"--weight: {text!r} is no size; write for example 2TB or 500GB", 2)
    size = int(float(found[1]) * (1 << 40 if found[2] == "tib" else _UNITS[found[2]]))
    if not 0 < size <= CAPACITY_MAX:
        raise fail(f"--weight: {text!r}; a node weighs more than nothing and at most {size_text(CAPACITY_MAX)}", 2)
    return size


def _pairs(said: Nodes, option: str) -> list[tuple[str, str]]:
    pairs = [one.partition("=") for one in said or []]
    for name, equals, value in pairs:
        if not name or not equals:
            raise fail(f"{option}: {name + equals + value!r} is not of the form NODE=WHAT", 2)
        if option == "--zone" and len(value) > ZONE_MAX:
            raise fail(f"{option}: a zone's name has at most {ZONE_MAX} characters", 2)
    twice = next((name for name, times in Counter(name for name, _, _ in pairs).items() if times > 1), None)
    if twice is not None:
        raise fail(f"{option}: {twice} is said twice", 2)
    return [(name, value) for name, _, value in pairs]


def _body(
    add: Nodes, drain: Nodes, remove: Nodes, replace: Nodes, weight: Nodes, zone: Nodes, *, force: bool
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "add": add or [],
        "drain": drain or [],
        "remove": remove or [],
        "replace": [{"old": old, "new": new} for old, new in _pairs(replace, "--replace")],
        "weight": {name: bytes_of(size) for name, size in _pairs(weight, "--weight")},
        "zone": dict(_pairs(zone, "--zone")),
        "force": force,
    }
    if not any(body.values()):
        raise fail("say at least one thing to change: --add, --drain, --remove, --replace, --weight, --zone", 2)
    return body


@layout.command()
def show(data: Data = "", as_json: AsJson = False) -> None:
    """Tell who stores what, and whether all of it is where it belongs."""
    told = Client(data).call("GET", "/api/v1/layout")
    if as_json:
        print(json.dumps(told, indent=2))
        return
    rows = [
        {
            "id": one["id"][:12],
            "name": escape(one["name"]),
            "state": one["state"] + (", read-only" if one["read_only"] else ""),
            "zone": escape(one["zone"]),
            "weight": size_text(one["weight_bytes"]),
            "partitions": one["partitions"],
            "holds": "?" if one["bytes"] is None else size_text(one["bytes"]),
            "behind": one["partitions_behind"] or None,
        }
        for one in told["nodes"]
    ]
    table(rows, ("id", "name", "state", "zone", "weight", "partitions", "holds", "behind"), as_json=False)
    out.print(f"version     {told['version'][:12]}; {told['copies']} copies", highlight=False)
    out.print(
        f"balance     the fullest node has {told['uneven']:.2f} times its share; "
        f"{told['zone_violations']} partitions lie twice in one zone",
        highlight=False,
    )
    out.print(f"moving      {_moving(told)}", highlight=False, soft_wrap=True)


def _moving(told: dict[str, Any]) -> str:
    parts = []
    if told["heads"] > 1:
        parts.append(f"{told['heads']} versions made apart are being merged")
    waited = [one["name"] or one["id"][:12] for one in told["nodes"] if one["partitions"] and not one["synced"]]
    if told["moving"]:
        parts.append(f"waiting for {', '.join(waited) or 'the mesh to take note'}; who held it before serves meanwhile")
    copying = sum(one["chunks_to_copy"] or 0 for one in told["nodes"])
    if copying:
        parts.append(f"{copying} chunks are on their way")
    parts += [
        f"{one['name'] or one['id'][:12]} has looked after {one['looked_at']:.0%} of what it has"
        for one in told["nodes"]
        if one["chunks"] and one["looked_at"] is not None and one["looked_at"] < 1
    ]
    parts += [
        f"{one['name'] or one['id'][:12]} holds {one['chunks']} chunks still"
        for one in told["nodes"]
        if one["state"] != "active" and one["chunks"]
    ]
    return "; ".join(parts) or "everything is where it belongs"


def _print_plan(told: dict[str, Any]) -> None:
    rows = [
        {
            "id": one["id"][:12],
            "name": escape(one["name"]),
            "state": one["state"],
            "zone": escape(one["zone"]),
            "partitions": f"{one['partitions_before']} > {one['partitions_after']}",
            "bytes": f"{size_text(one['bytes_before'])} > {size_text(one['bytes_after'])}",
            "comes": size_text(one["bytes_coming"]),
        }
        for one in told["nodes"]
        if one["state"] != "removed" or one["partitions_before"]
    ]
    table(rows, ("id", "name", "state", "zone", "partitions", "bytes", "comes"), as_json=False)
    out.print(
        f"moves       {size_text(told['bytes_to_move'])}, {told['over_least']:.3f} times the least it could be",
        highlight=False,
    )
    out.print(
        f"balance     the fullest node will have {told['uneven']:.2f} times its share; "
        f"{told['zone_violations']} partitions will lie twice in one zone",
        highlight=False,
    )
    for warning in told["warnings"]:
        out.print(f"(!) {warning}", markup=False, highlight=False, soft_wrap=True)


@layout.command()
def plan(
    add: Add = None,
    drain: Drain = None,
    remove: Remove = None,
    replace: Replace = None,
    weight: Weight = None,
    zone: Zone = None,
    force: Force = False,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Tell what a change would move; nothing is done."""
    body = _body(add, drain, remove, replace, weight, zone, force=force)
    told = Client(data).call("POST", "/api/v1/layout/plan", json=body)
    if as_json:
        print(json.dumps(told, indent=2))
        return
    _print_plan(told)
    out.print("nothing is done yet: `thatdam layout apply` with the same options does it", highlight=False)


@layout.command()
def apply(
    add: Add = None,
    drain: Drain = None,
    remove: Remove = None,
    replace: Replace = None,
    weight: Weight = None,
    zone: Zone = None,
    force: Force = False,
    yes: Yes = False,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Change who stores what, and watch it move. Ctrl-C ends the watching only."""
    _do(_body(add, drain, remove, replace, weight, zone, force=force), data, yes=yes, as_json=as_json)


@layout.command()
def revert(yes: Yes = False, data: Data = "", as_json: AsJson = False) -> None:
    """Put the layout back to before its last change."""
    _do({"revert": True}, data, yes=yes, as_json=as_json)


def _do(body: dict[str, Any], data: str, *, yes: bool, as_json: bool) -> None:
    client = Client(data)
    told = client.call("POST", "/api/v1/layout/plan", json=body)
    if not as_json:
        _print_plan(told)
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise fail("this changes who stores what; say --yes to mean it", 2)
        if not typer.confirm("Do it?"):
            raise typer.Exit(1)
    told = client.call("POST", "/api/v1/layout/apply", json={**body, "base": told["base"]})
    if as_json:
        print(json.dumps(told, indent=2))
        return
    _watch(client)


def _watch(client: Client) -> None:
    """Show how it gets on until all is where it belongs."""
    said, begun, before = "", time.monotonic(), 0
    try:
        while True:
            now = client.call("GET", "/api/v1/layout")
            text = _moving(now)
            moved = sum(one["moved_bytes"] or 0 for one in now["nodes"])
            before = before if said else moved
            if text != said:
                rate = (moved - before) / max(1.0, time.monotonic() - begun)
                told = f"{text}; {size_text(moved - before)} moved, {size_text(rate)}/s" if moved > before else text
                out.print(told, highlight=False, soft_wrap=True)
                said = text
            if text == "everything is where it belongs":
                return
            time.sleep(STEP_S)
    except KeyboardInterrupt:
        out.print("it goes on by itself; `thatdam layout show` tells how far it is", highlight=False)
