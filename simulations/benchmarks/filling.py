"""What benchmarks need that fill the databases of nodes while these are stopped."""

from __future__ import annotations

from pathlib import Path

from mesh.actors.placement import TABLE, VERSION
from mesh.actors.rowstore import RowStore
from mesh.adapters.tables import SqliteTables
from mesh.core.layouts import History, unpack
from mesh.core.placement import Layout
from simulations.hosts.processes import Process


async def layout_of(database: Path) -> Layout:
    """Give the layout that a stopped node knows."""
    tables = SqliteTables(database)
    store = RowStore(tables)
    await store.open()
    entries = [entry.row() for entry in await store.every(TABLE)]
    tables.close()
    bodies = [(row.sk, row.fields["body"]) for row in entries if row.pk == VERSION]
    versions = {name: unpack(body) for name, body in bodies if isinstance(body, bytes)}
    over = frozenset(row.sk for row in entries if row.pk == VERSION and row.fields.get("settled") is True)
    return History(versions, over, {}, frozenset()).now.layout


def settled(node: Process, nodes: int) -> bool:
    """Tell whether everything is where it belongs by a layout of so many nodes, as a node sees it."""
    told = node.get("/api/v1/layout")
    return len(told["nodes"]) == nodes and not told["moving"] and all(one["synced"] for one in told["nodes"])


def start_again(node: Process, first: Process) -> None:
    """Start a node that was stopped, which joins where the first one is now."""
    if node is not first:
        node.flags = tuple(flag for flag in node.flags if flag != "--join" and not flag.startswith("127.0.0.1:"))
        node.flags += ("--join", f"127.0.0.1:{first.mesh_port}")
    node.start()
