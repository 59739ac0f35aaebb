"""Verbs over the mesh: secret, nodes, status."""

from __future__ import annotations

import json
from typing import Any

from mesh.adapters.clock import SystemEntropy
from mesh.core.secret import RANDOM_BYTES, make_secret
from thatdam.cli.client import Client
from thatdam.cli.library import size_text
from thatdam.cli.show import AsJson, Data, out, show

_COLUMNS = ("node", "name", "state", "roles", "disk free", "chunks", "cpu %", "rtt ms", "via", "version")


def secret(as_json: AsJson = False) -> None:
    """Make a secret for a mesh; every node that is started with it (THATDAM_SECRET) is of that mesh."""
    made = make_secret(SystemEntropy().token(RANDOM_BYTES))
    print(json.dumps({"secret": made}, indent=2) if as_json else made)


def nodes(data: Data = "", as_json: AsJson = False) -> None:
    """List the nodes of the mesh, and how each is doing."""
    answer = Client(data).call("GET", "/api/v1/nodes")
    if as_json:
        print(json.dumps(answer["nodes"], indent=2))
        return
    names = {node["id"]: node["name"] or node["id"][:8] for node in answer["nodes"]}
    show([_row(node, names) for node in answer["nodes"]], _COLUMNS, as_json=False)


def status(data: Data = "", as_json: AsJson = False) -> None:
    """Tell how the mesh is doing: who is there, what has too few copies, what does not answer."""
    answer = Client(data).call("GET", "/api/v1/nodes")
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    listed, copies, parts = answer["nodes"], answer["copies"], answer["partitions"]
    alive = [node for node in listed if node["state"] in ("alive", "suspect")]
    out.print(f"mesh        {answer['mesh']}", highlight=False)
    out.print(f"nodes       {len(alive)} of {len(listed)} alive", highlight=False)
    for node in listed:
        if node not in alive:
            told = "has left; what it keeps is away until it is started again" if node["state"] == "left" else ""
            told = told or f"is {node['state']}"
            out.print(f"            {node['name'] or node['id'][:8]} {told}", highlight=False, soft_wrap=True)
    for number, one in enumerate(answer["standing"]["refused"]):
        out.print(
            f"{'' if number else 'refused':<12}{one['address']}: {one['reason']}", highlight=False, soft_wrap=True
        )
    for line in read_only_told(listed):
        out.print(line, highlight=False, soft_wrap=True)
    for warning in answer["standing"]["warnings"]:
        out.print(f"attention   {warning}", highlight=False, soft_wrap=True)
    hangs = admitting_told(listed, answer["standing"]["admitting"])
    if hangs:
        out.print(f"admitting   {hangs}", highlight=False, soft_wrap=True)
    out.print(
        f"catalogue   {parts['ok']} of {parts['total']} partitions answer, {answer['assets']} assets", highlight=False
    )
    if copies["at_risk"]:
        told = f"{copies['at_risk']} chunks have fewer, of which {copies['repairing']} are being copied now"
        if copies["unfound"]:
            told += f"; {copies['unfound']} are with none of the nodes that can be reached: start those that are gone"
    elif copies["waiting"]:
        told = (
            f"{copies['waiting']} chunks ({copies['lag_bytes']} bytes, since {copies['lag_s']:.1f} s) wait for theirs"
        )
    else:
        told = "everything kept has them"
    out.print(f"copies      {copies['wanted']} wanted; {told}", highlight=False)
    for line in collection_told(answer["collection"]):
        out.print(line, highlight=False)
    for line in scrubs_told(alive):
        out.print(line, highlight=False)


def read_only_told(nodes: list[dict[str, Any]]) -> list[str]:
    """Say which nodes take no new chunks, why, and what to do."""
    lines: list[str] = []
    for node in nodes:
        told = node["read_only"]
        if told is None:
            continue
        name = node["name"] or node["id"][:8]
        if told["by"] == "setting":
            text = f"{name} takes no new chunks, as storage.read_only says; start it without that to have it take them"
        else:
            text = (
                f"{name} takes no new chunks since {told['since']}: {told['why']}. Mend its disk; it goes on by itself "
                "once a write succeeds. If it cannot be mended, `thatdam layout apply --drain` it while it can be read"
            )
            if not told["rows"]:
                text += ". It takes no rows either, and what it knows does not pass for whole"
        lines.append(f"{'' if lines else 'read-only':<12}{text}")
    return lines


def admitting_told(listed: list[dict[str, Any]], able: list[str]) -> str:
    """Say that the mesh hangs on one node to let others in, or has none; empty: neither. The dead do not count."""
    there = [node for node in listed if node["id"] in able and node["state"] in ("alive", "suspect", "left")]
    if len(listed) < 2 or len(there) > 1:
        return ""
    gone = len(able) - len(there)
    if there:
        counted = f" (of {len(able)}, the others are not there)" if gone else ""
        return f"one node alone can admit others{counted}; let another: `thatdam admit NODE`"
    return "no node that is there can; start one of those that could again" if gone else "no node can any more"


def collection_told(collection: dict[str, Any]) -> list[str]:
    """Say what can be given back, and who holds that up."""
    waiting, gone = collection["reclaimable_bytes"], collection["reclaimed_bytes"]
    lines = [f"collection  {size_text(waiting)} that nobody needs any more, {size_text(gone)} given back so far"]
    for node in collection["held_up_by"]:
        name = node["name"] or node["id"][:8]
        lines.append(
            f"            {name} holds it up: it may know of a need, and has not been heard since. "
            "Start it again, or remove it from the mesh"
        )
    return lines


def scrubs_told(nodes: list[dict[str, Any]]) -> list[str]:
    """Say when the disks were last read and checked as a whole."""
    told = [node for node in nodes if node["scrub_began_at"] or node["scrub_ended_at"]]
    lines: list[str] = []
    for number, node in enumerate(told):
        name = node["name"] or node["id"][:8]
        last = f"whole at {node['scrub_ended_at']}" if node["scrub_ended_at"] else "not whole yet"
        found = f", {node['scrub_found']} damaged found and fetched again" if node["scrub_found"] else ""
        lines.append(f"{'scrub' if not number else '':<12}{name}: {last}{found}")
    return lines


def _row(node: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    free, cpu = node["disk_free_bytes"], node["cpu_percent"]
    return {
        "node": node["id"][:8] + (" (this)" if node["self"] else ""),
        "name": node["name"],
        "state": node["state"] + (", read-only" if node["read_only"] else ""),
        "roles": " ".join(node["roles"]),
        "disk free": None if free is None else f"{free / 2**30:.1f} GiB",
        "chunks": node["chunks"],
        "cpu %": None if cpu is None else round(cpu),
        "rtt ms": node["rtt_ms"],
        "via": names.get(node["relay"] or "", node["relay"]),
        "version": node["version"],
    }
