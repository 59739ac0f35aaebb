"""Verbs that let nodes in and end them: invite, admit, revoke, authority."""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated

import typer

from thatdam.cli.client import Client, fail, segment
from thatdam.cli.show import AsJson, Data, out

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
EXPIRES_S = (60, 30 * 86400)
"""The shortest and longest life of a ticket."""
_TIME = re.compile(r"(\d{1,9})([smhd])\Z")


def seconds_of(text: str) -> float:
    """Read ``90s``, ``30m``, ``2h`` or ``7d``."""
    found = _TIME.match(text.strip().lower())
    if not found:
        raise fail(f"--expires: {text!r} is no time; write for example 30m, 2h or 7d", 2)
    seconds = int(found[1]) * _UNITS_S[found[2]]
    if not EXPIRES_S[0] <= seconds <= EXPIRES_S[1]:
        raise fail(f"--expires: {text!r}; a ticket is good for at least 1m and at most 30d", 2)
    return float(seconds)


def invite(
    role: Annotated[
        list[str] | None, typer.Option(help="a role the machine may take; without any, all of them")
    ] = None,
    expires: Annotated[str, typer.Option(help="how long the ticket is good: 30m, 2h, 7d")] = "1h",
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Print a ticket that lets one machine into the mesh; `thatdam up --join TICKET` there uses it.

    Roles are permitted: the machine takes those of them that it is good for, or those that `up --role` says.
    """
    body: dict[str, object] = {"expires_s": seconds_of(expires)}
    if role:
        body["roles"] = role
    answer = Client(data).call("POST", "/api/v1/tickets", json=body)
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    ticket = str(answer["ticket"])
    print(ticket)
    if sys.stdout.isatty() and (sys.stdout.encoding or "").lower().startswith("utf"):
        # Capital letters have a QR alphabet of their own, half the size.
        import segno

        segno.make(ticket.upper(), error="l", micro=False).terminal(out=sys.stdout, compact=True, border=2)
    lines = [
        f"on the other machine: thatdam up --join {ticket[:12]}... (the whole of it)",
        f"lets one machine in until {answer['expires_at']}, as {', '.join(answer['roles'])}; "
        f"redeemed by this node at {', '.join(answer['addresses'])}, so keep it running",
    ]
    lines.append(
        f"permits {', '.join(answer['roles'])}, and makes no machine take a role: `up` there takes what the machine is "
        f"good for, says what it leaves out and why, and `--role {answer['roles'][0]}` forces it"
    )
    if answer["here_only"]:
        lines.append(
            "this node listens on this machine alone now: for another machine, stop it, start it again with "
            "`thatdam up`, and have another ticket made"
        )
    for line in lines:
        typer.secho(line, dim=True, err=True)  # beside the ticket, so that a pipe gets the ticket alone


def admit(
    node: Annotated[str, typer.Argument(help="id, the beginning of it, or name")],
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Let another node admit and revoke too, so that the mesh does not hang on one."""
    answer = Client(data).call("POST", f"/api/v1/nodes/{segment(node)}/admit")
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    out.print(f"{len(answer['admitting'])} nodes can admit now", highlight=False)


def revoke(
    node: Annotated[str, typer.Argument(help="id, the beginning of it, or name")],
    reason: Annotated[str, typer.Option(help="why; everybody in the mesh can read it")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask before")] = False,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """End a node for ever: its links are cut, and nothing of it is taken any more."""
    if not yes:
        if not sys.stdin.isatty():
            raise fail(f"this ends {node} for ever; say --yes to mean it", 2)
        if not typer.confirm(f"End {node} for ever? It can join again only as a new node, from another data folder"):
            raise typer.Exit(1)
    answer = Client(data).call("POST", f"/api/v1/nodes/{segment(node)}/revoke", json={"reason": reason})
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    if answer["already"]:
        out.print(f"{answer['node'][:12]} was revoked before", highlight=False)
        return
    out.print(f"{answer['node'][:12]} is revoked", highlight=False)
    if answer["authority_renewed"]:
        out.print(
            "it held what admits nodes (the mesh's secret or its key), so the mesh has a new authority. The old secret "
            "admits nobody any more: leave THATDAM_SECRET out from now on, and let machines in with `thatdam invite`",
            highlight=False,
        )


def authority(
    renew: Annotated[bool, typer.Option("--renew", help="give the mesh a new one")] = False,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Tell which nodes can admit others, or give the mesh a new authority when the secret has got about."""
    client = Client(data)
    if renew:
        client.call("POST", "/api/v1/authority")
    answer = client.call("GET", "/api/v1/nodes")
    told = {"mesh": answer["mesh"], **answer["standing"]}
    if as_json:
        print(json.dumps(told, indent=2))
        return
    if renew:
        out.print(
            "the mesh has a new authority; nodes go over to it by themselves. An old secret admits nobody any more: "
            "leave THATDAM_SECRET out from now on",
            highlight=False,
        )
    names = {one["id"]: one["name"] for one in answer["nodes"]}
    for one in told["admitting"]:
        out.print(f"{one[:12]} {names.get(one, '')} can admit", highlight=False)
