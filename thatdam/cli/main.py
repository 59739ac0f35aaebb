"""The command ``thatdam`` and its verbs."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from thatdam import __version__
from thatdam.cli.client import fail
from thatdam.cli.show import Data

VERBS_GROUP = "thatdam.verbs"
VERBS = {
    "up": "main:up",
    "devices": "sources:devices",
    "login": "people:login",
    "ls": "library:list_assets",
    "show": "details:show",
    "search": "search:search",
    "put": "transfer:put",
    "ingest": "transfer:ingest",
    "get": "transfer:get",
    "tag": "library:tag",
    "rm": "library:rm",
    "restore": "library:restore",
    "secret": "mesh:secret",
    "invite": "admission:invite",
    "admit": "admission:admit",
    "revoke": "admission:revoke",
    "authority": "admission:authority",
    "nodes": "mesh:nodes",
    "status": "mesh:status",
    "actors": "actors:actors",
    "events": "events:events",
    "source": "sources:source",
    "record": "sources:record",
    "user": "people:user",
    "token": "people:token",
    "trash": "trash:trash",
    "jobs": "search:job_verbs",
    "layout": "layout:layout",
}
"""Each verb and where in ``thatdam.cli`` it lies: only the one that is said is read from the disk."""


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"thatdam {__version__}")
        raise typer.Exit


def about(
    version: Annotated[
        bool, typer.Option("--version", help="say which release this is", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Capture, keep, understand and find video on a mesh of equal nodes."""


def up(
    data: Data = "",
    port: Annotated[
        int | None, typer.Option(help="UDP port of the mesh and TCP port of the viewer; 0: free ones")
    ] = None,
    name: Annotated[str, typer.Option(help="what people call this node")] = "",
    join: Annotated[list[str] | None, typer.Option(help="a ticket of `thatdam invite`, or host:port of a node")] = None,
    copies: Annotated[int | None, typer.Option(help="copies wanted of everything kept")] = None,
    role: Annotated[list[str] | None, typer.Option(help="a role to take; without any, chosen from the machine")] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="serve what is here, and take no new chunks: others stand in")
    ] = False,
    file_folder: Annotated[list[str] | None, typer.Option(help="folder whose files may be played as cameras")] = None,
    lan: Annotated[bool, typer.Option("--lan", help="serve the viewer by HTTPS on the LAN too, for phones")] = False,
    settings_file: Annotated[Path | None, typer.Option("--config", help="settings file")] = None,
) -> None:
    """Start a node here. Alone it is a whole system; with a ticket or THATDAM_SECRET it is one of a mesh."""
    flags = {
        "node.data": data or None,
        "node.name": name or None,
        "node.roles": tuple(role or ()),
        "mesh.port": port,
        "mesh.bulk_port": 0 if port == 0 else None,
        "mesh.join": tuple(join or ()),
        "mesh.copies": copies,
        "http.port": port,
        "http.lan": lan or None,
        "storage.read_only": read_only or None,
        "proxy.file_folders": tuple(file_folder or ()),
    }
    from thatdam import config as settings  # these, and the node's libraries, take a second to load

    try:
        config = settings.load(settings_file, None, flags)
    except settings.ConfigError as error:
        raise fail(str(error), 2) from None
    from thatdam.cli import serve

    raise typer.Exit(serve.run(config))


def application(verb: str = "") -> typer.Typer:
    """Give the command line: all of it, with the verbs of installed packages, or with one of VERBS."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(about)
    for name in [verb] if verb else VERBS:
        module, _, attribute = VERBS[name].partition(":")
        made = getattr(import_module(f"thatdam.cli.{module}"), attribute)
        if isinstance(made, typer.Typer):
            app.add_typer(made, name=name)
        else:
            app.command(name)(made)
    if not verb:
        # Typer applications in the entry point group of this name.
        for point in entry_points(group=VERBS_GROUP):
            app.add_typer(point.load(), name=point.name)
    return app


def main() -> None:
    """Run the command line."""
    said = next(iter(sys.argv[1:]), "")
    application(said if said in VERBS else "")()
