"""How verbs print: tables for people, JSON for programs."""

from __future__ import annotations

import enum
import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

Data = Annotated[str, typer.Option("--data", help="the node's data folder")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
out = Console()
if not out.is_terminal:
    out.width = 200  # into a file or a pipe: nothing to fit


class KindName(enum.StrEnum):
    """What an asset can be."""

    TAKE = "take"
    VIDEO = "video"
    IMAGE = "image"
    AUDIO = "audio"
    OTHER = "other"


def show(rows: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    """Print rows."""
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    if not rows:
        out.print("there are none")
        return
    table = Table(box=None)
    for name in columns:
        table.add_column(name, no_wrap=name == "id", overflow="fold")
    for row in rows:
        table.add_row(*("-" if row.get(name) in (None, "") else escape(str(row[name])) for name in columns))
    out.print(table)


def removed(key: str, value: str, as_json: bool) -> None:
    """Tell a program what is gone; people are told nothing when all went well."""
    if as_json:
        print(json.dumps({key: value}, indent=2))
