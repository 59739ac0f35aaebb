"""The verb ``actors``: what a node supervises, and the messages nobody handled."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape

from thatdam.cli.client import Client
from thatdam.cli.show import AsJson, Data, out, show

_ACTORS = ("actor", "state", "mailbox", "busy", "streams", "handled", "refused", "errors", "restarts", "last failure")
_TASKS = ("task", "state", "errors", "restarts", "last failure")
_WHY = {
    "no_actor": "no such actor there",
    "full": "its mailbox was full",
    "node_gone": "the node was gone",
    "late": "no answer in time",
    "unknown": "of another release",
}


def actors(
    node: Annotated[str, typer.Argument(help="id, the beginning of it, or name; else the node here")] = "",
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Tell how the actors and tasks of a node are doing, and which messages nobody handled."""
    answer = Client(data).call("GET", "/api/v1/actors", params={"node": node} if node else {})
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    out.print(f"node          {answer['node']}", highlight=False)
    total = sum(one["count"] for one in answer["dead_letters"])
    out.print(f"dead letters  {total or 'none'}", highlight=False)
    for one in answer["dead_letters"]:
        if one["count"]:
            last = f", the last one for {one['last_actor']}" if one["last_actor"] else ""
            out.print(f"              {one['count']} {_WHY.get(one['reason'], one['reason'])}{last}", highlight=False)
    out.print()
    show([_actor(one) for one in answer["actors"]], _ACTORS, as_json=False)
    out.print()
    show([_task(one) for one in answer["tasks"]], _TASKS, as_json=False)
    if answer["tasks_left_out"]:
        out.print(f"and {answer['tasks_left_out']} more tasks", highlight=False)


def _actor(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "actor": escape(one["name"]),
        "state": one["state"],
        "mailbox": f"{one['waiting']}/{one['mailbox_max']}",
        "busy": f"{one['busy']}/{one['concurrency']}",
        "streams": one["streams"] or None,
        "handled": one["handled"],
        "refused": one["overflows"],
        "errors": one["errors"],
        "restarts": one["restarts"],
        "last failure": _failure(one),
    }


def _task(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "task": escape(one["name"]),
        "state": one["state"],
        "errors": one["errors"],
        "restarts": one["restarts"],
        "last failure": _failure(one),
    }


def _failure(one: dict[str, Any]) -> str | None:
    failure = one["last_failure"]
    return escape(f"{failure['error']} ({failure['at']})") if failure else None
