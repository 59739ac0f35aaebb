"""Verbs over people and programs: login, user, token."""

from __future__ import annotations

import json
import math
import sys
import webbrowser
from enum import StrEnum
from typing import Annotated

import typer

from thatdam.cli.client import Client, fail, segment
from thatdam.cli.show import AsJson, Data, out, removed, show

user = typer.Typer(no_args_is_help=True, help="People who may sign in, on every node of the mesh.")
token = typer.Typer(no_args_is_help=True, help="Tokens for programs.")


class RoleName(StrEnum):
    """What a person or program may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


Role = Annotated[RoleName, typer.Option(help="viewer watches, operator records and edits, admin does all")]


def login_url(base: str, link: str) -> str:
    """Give the address that signs a browser in once; the token is in the fragment, which browsers never send."""
    return f"{base}/#/login/{link}"


def login(
    opened: Annotated[bool, typer.Option("--open", help="open it in this machine's browser")] = False,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Print a new login link of this node; it works once, within ten minutes."""
    client = Client(data)
    made = client.call("POST", "/api/v1/links")
    url = login_url(client.base, made["link"])
    print(json.dumps({**made, "url": url}, indent=2) if as_json else url)
    if opened and not webbrowser.open(url):
        out.print("no browser could be opened here; open the address above", style="yellow")


@user.command("add")
def user_add(
    name: Annotated[str, typer.Argument(help="the name to sign in with")],
    role: Role = RoleName.VIEWER,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="read the password's line from stdin")
    ] = False,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Add a person, or change the password and role of one, whose sessions end then."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise fail("there is no terminal to ask for the password; pipe it in and say --password-stdin", 2)
    made = Client(data).call("POST", "/api/v1/users", json={"name": name, "password": password, "role": role.value})
    print(json.dumps(made, indent=2) if as_json else f"{name} can sign in as {role.value}")


@user.command("list")
def user_list(data: Data = "", as_json: AsJson = False) -> None:
    """List the people."""
    show(Client(data).call("GET", "/api/v1/users")["users"], ("name", "role", "has_password"), as_json)


@user.command("remove")
def user_remove(
    name: Annotated[str, typer.Argument(help="the name they sign in with")],
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Remove a person, who is signed out everywhere."""
    Client(data).call("DELETE", f"/api/v1/users/{segment(name)}")
    removed("name", name, as_json)


@token.command("add")
def token_add(
    name: Annotated[str, typer.Argument(help="what it is for")],
    role: Role = RoleName.VIEWER,
    days: Annotated[float, typer.Option(help="how long it is good")] = 90.0,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Make a token for a program and print it, this once."""
    if not math.isfinite(days):
        raise fail(f"--days {days} is no number of days", 2)
    made = Client(data).call("POST", "/api/v1/tokens", json={"name": name, "role": role.value, "days": days})
    print(json.dumps(made, indent=2) if as_json else made["token"])


@token.command("list")
def token_list(data: Data = "", as_json: AsJson = False) -> None:
    """List the tokens: what they are for, never the tokens themselves."""
    rows = Client(data).call("GET", "/api/v1/tokens")["tokens"]
    show(rows, ("id", "name", "role", "created_at", "expires_at"), as_json)


@token.command("remove")
def token_remove(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="the token's id, as `thatdam token list` shows it")],
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """End a token, by the id that `token list` shows."""
    Client(data).call("DELETE", f"/api/v1/tokens/{segment(token_id)}")
    removed("id", token_id, as_json)
