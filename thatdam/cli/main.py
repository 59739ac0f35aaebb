"""The command ``thatdam`` and its verbs."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from thatdam import __version__
from thatdam import config as settings
from thatdam.cli import (
    actors,
    admission,
    details,
    events,
    layout,
    library,
    mesh,
    people,
    search,
    sources,
    transfer,
    trash,
)
from thatdam.cli.client import fail
from thatdam.cli.show import Data

VERBS_GROUP = "thatdam.verbs"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(sources.source, name="source")
app.add_typer(sources.record, name="record")
app.add_typer(people.user, name="user")
app.add_typer(people.token, name="token")
app.add_typer(trash.trash, name="trash")
app.add_typer(search.job_verbs, name="jobs")
app.add_typer(layout.layout, name="layout")


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"thatdam {__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", help="say which release this is", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Capture, keep, understand and find video on a mesh of equal nodes."""


@app.command()
def up(
    data: Data = "",
    port: Annotated[
        int | None, typer.Option(help="UDP port of the mesh and TCP port of the viewer; 0: free ones")
    ] = None,
    name: Annotated[str, typer.Option(help="what people call this node")] = "",
    join: Annotated[list[str] | None, typer.Option(help="a ticket of `thatdam invite`, or host:port of a node")] = None,
    copies: Annotated[int | None, typer.Option(help="copies wanted of everything kept")] = None,
    role: Annotated[list[str] | None, typer.Option(help="a role to take; without any, chosen from the machine")] = None,
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
        "proxy.file_folders": tuple(file_folder or ()),
    }
    try:
        config = settings.load(settings_file, None, flags)
    except settings.ConfigError as error:
        raise fail(str(error), 2) from None
    from thatdam.cli import serve  # the node's libraries take a second to load; other verbs need none

    raise typer.Exit(serve.run(config))


app.command()(sources.devices)
app.command()(people.login)
app.command("ls")(library.list_assets)
app.command("show")(details.show)
app.command("search")(search.search)
app.command()(transfer.put)
app.command()(transfer.ingest)
app.command()(transfer.get)
app.command()(library.tag)
app.command()(library.rm)
app.command()(library.restore)
app.command()(mesh.secret)
app.command()(admission.invite)
app.command()(admission.admit)
app.command()(admission.revoke)
app.command()(admission.authority)
app.command()(mesh.nodes)
app.command()(mesh.status)
app.command()(actors.actors)
app.command()(events.events)


def _add_installed_verbs() -> None:
    """Add the verbs that installed packages bring: Typer applications in the entry point group ``thatdam.verbs``."""
    for point in entry_points(group=VERBS_GROUP):
        app.add_typer(point.load(), name=point.name)


def main() -> None:
    """Run the command line."""
    _add_installed_verbs()
    app()
