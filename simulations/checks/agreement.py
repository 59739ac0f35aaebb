"""P2: once all is well again, any node answers anything the same, and what was acknowledged is in every answer.

Promise by promise: everybody knows the same living nodes; lists name every acknowledged note, say that nothing is
missing, and are equal; no tag that was acknowledged is lost by a merge; an edit never loses to the value it had read;
pictures that were put and takes that have ended are found by what they show.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.core.rows import Row
from mesh.ports import PortError
from simulations.checks.broken import Broken, few
from simulations.clients import HITS_MAX, LIST_LIMIT_S, REGISTER, SHARED, list_notes
from simulations.ledger import Ledger, Write
from simulations.nodes import Mesh
from simulations.world.eyes import word_of_film
from simulations.world.world import Machine
from thatdam.node import Node

RESCUE_S = 5.0
"""A connected node that is lost for good may take with it what it acknowledged as many seconds before."""


@dataclass
class View:
    """What one node says when everything is well. ``pages`` are a take's page names."""

    node: str
    alive: tuple[str, ...] = ()
    notes: frozenset[str] = frozenset()
    partitions_ok: int = 0
    partitions_total: int = 0
    tags: frozenset[str] = frozenset()
    register: str = ""
    cameras: tuple[tuple[str, str], ...] = ()
    pages: dict[str, tuple[str, ...]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    shards: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of the search for each word: shards that answered, and shards there are."""
    found: dict[str, frozenset[str]] = field(default_factory=dict)
    films: dict[str, bool] = field(default_factory=dict)
    """Of each take: whether it is found by what its pictures show."""
    trouble: str = ""


async def look(mesh: Mesh, machine: Machine[Node], ledger: Ledger) -> View:
    """Ask one node everything."""
    names = {other.id: other.name for other in mesh.machines}
    view = View(machine.name)

    async def ask(node: Node) -> None:
        view.alive = tuple(sorted(names.get(member, member[:8]) for member in node.members.alive()))
        view.notes, view.partitions_ok, view.partitions_total = await list_notes(node)
        shared = await node.catalogue.get("assets", SHARED)
        view.tags = frozenset(shared.sets.get("tags", ())) if shared is not None else frozenset()
        register = await node.catalogue.get("assets", REGISTER)
        view.register = str(register.fields.get("name") or "") if register is not None else ""
        cameras = []
        for take in ledger.takes:
            camera: Row | None = await node.catalogue.get("cameras", take.camera)
            cameras.append((take.camera, "" if camera is None else str(camera.fields.get("record"))))
            view.pages[take.take] = tuple(row.sk for row in await node.catalogue.rows("pages", take.take))
        view.cameras = tuple(cameras)
        films = [await _shown(node, take.take) for take in ledger.takes]
        for word in (*dict.fromkeys(write.value for write in ledger.writes if write.kind == "picture"), *films):
            answer = await node.search.search(word, limit=HITS_MAX)
            view.shards[word] = (answer.shards_ok, answer.shards_total)
            view.found[word] = frozenset(hit.asset for hit in answer.hits)
        for take, word in zip(ledger.takes, films, strict=True):
            view.films[take.take] = take.take in view.found[word]
        for write in ledger.writes:
            if write.kind == "file" and write.acked_s is not None:
                row = await node.catalogue.get("assets", write.key)
                view.files[write.key] = "" if row is None else str(row.fields.get("content"))

    try:
        await mesh.on(machine, ask, LIST_LIMIT_S * 6)
    except (PortError, TimeoutError) as error:
        view.trouble = f"{type(error).__name__}: {error}"
    return view


async def _shown(node: Node, take: str) -> str:
    row = await node.catalogue.get("assets", take)
    return word_of_film(str(row.fields.get("name") or take) if row is not None else take)


def check_agreement(mesh: Mesh, ledger: Ledger, views: list[View]) -> list[Broken]:
    """Give what keeps the nodes from answering the same, whole and true."""
    broken: list[Broken] = []
    there = tuple(sorted(machine.name for machine in mesh.machines if machine.name not in ledger.gone))
    if len(views) != len(there):
        return [Broken("P1", f"only {len(views)} of {len(there)} nodes run again")]
    must = {write.key for write in ledger.writes if write.kind == "note" and must_be_there(ledger, write)}
    tags = {write.value for write in ledger.writes if write.kind == "tag" and must_be_there(ledger, write)}
    files = {write.key for write in ledger.writes if write.kind == "file" and must_be_there(ledger, write)}
    for view in views:
        if view.trouble:
            broken.append(Broken("P2", f"{view.node} does not answer: {view.trouble}"))
            continue
        if view.alive != there:
            broken.append(Broken("P2", f"{view.node} sees {' '.join(view.alive)} alive, there are {' '.join(there)}"))
        if view.partitions_ok < view.partitions_total:
            told = f"{view.partitions_ok} of {view.partitions_total}"
            broken.append(Broken("P2", f"{view.node} has answers for {told} partitions"))
        lost = [key.rstrip("x") for key in sorted(must - view.notes)]
        if lost:
            broken.append(Broken("P4", f"{view.node} does not list what was acknowledged: {few(lost)}"))
        lost = sorted(tags - view.tags)
        if lost:
            broken.append(Broken("P4", f"{view.node} has lost acknowledged tags: {few(lost)}"))
        lost = [key[:8] for key in sorted(files) if not view.files.get(key)]
        if lost:
            broken.append(Broken("P4", f"{view.node} does not know acknowledged files: {few(lost)}"))
        broken += _finds(ledger, view)
    answered = [view for view in views if not view.trouble]
    for what in ("notes", "tags", "register", "cameras", "pages", "files"):
        first = answered[0] if answered else None
        broken += [
            Broken("P2", f"{view.node} and {first.node} tell different {what}")
            for view in answered[1:]
            if first is not None and getattr(view, what) != getattr(first, what)
        ]
    if answered:
        broken += _edits(ledger, answered[0].register)
    return broken


def _finds(ledger: Ledger, view: View) -> list[Broken]:
    broken = []
    partial = [(word, ok, total) for word, (ok, total) in view.shards.items() if ok < total]
    if partial:
        word, ok, total = partial[0]
        broken.append(Broken("P2", f"{view.node} searches {ok} of {total} shards for {word!r}"))
    for write in ledger.writes:
        # What a node took in that is gone since nobody else looks into: its bytes are there, its words are not.
        there = write.kind == "picture" and ledger.lost_s(write) is None and must_be_there(ledger, write)
        if there and write.key not in view.found.get(write.value, frozenset()):
            broken.append(Broken("P2", f"{view.node} does not find {write.key[:8]} of {write.node} by {write.value!r}"))
    broken += [
        Broken("P2", f"{view.node} does not find the take of {take.node} by what it shows")
        for take in ledger.takes
        if take.stop_asked_s is not None and not view.films.get(take.take)
    ]
    return broken[:5]


def must_be_there(ledger: Ledger, write: Write) -> bool:
    """Tell whether an acknowledged write must have survived: its node did, or had the time to pass it on."""
    if write.acked_s is None:
        return False
    gone_s = ledger.lost_s(write)
    if gone_s is None or write.settled_s is not None:
        return True
    cut_s = [
        outage.from_s
        for outage in ledger.outages
        if outage.node == write.node
        and outage.kind == "cut"
        and (outage.until_s is None or outage.until_s > write.acked_s)
    ]
    return write.acked_s + RESCUE_S < min([gone_s, *cut_s]) and not ledger.troubled_at(write.acked_s, gone_s)


def _edits(ledger: Ledger, final: str) -> list[Broken]:
    """Follow who read what: the value that stands in the end must not be one that a surviving edit had read."""
    edits = {write.value: write for write in ledger.writes if write.kind == "register"}
    acked = [write for write in edits.values() if must_be_there(ledger, write)]
    if not acked:
        return []
    if final not in edits:
        return [Broken("P4", f"the shared asset is called {final!r}, which nobody wrote")]
    for write in acked:
        seen: set[str] = set()
        before = write.read
        while before and before in edits and before not in seen:
            if before == final:
                told = f"{write.value} (acknowledged at {write.acked_s:.3f} s by {write.node}) was written over {final}"
                return [Broken("P4", f"the shared asset is called {final} again: {told}, and is lost")]
            seen.add(before)
            before = edits[before].read
    return []
