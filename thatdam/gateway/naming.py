"""Which node a person means: by its id, the beginning of it, or its name.

Invariant: whoever could be meant by more than one is asked, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping

from mesh.core.member import Member
from mesh.ports import NotFound
from proto.ids import NodeId
from thatdam.gateway.problems import Problem
from thatdam.node import Node

PREFIX_CHARS_MIN = 4
_SAID_CHARS_MAX = 64


def named(node: Node, said: str) -> NodeId:
    """Find any node the mesh has heard of, revoked ones too."""
    members = node.members.all()
    known = {*members, *node.roster.members(), *node.roster.tombstones(), *node.view.layout.places}
    names = {NodeId(one): members[one].info.name if one in members else "" for one in sorted(known)}
    return _only(said, names, f"there is no node {said[:_SAID_CHARS_MAX]!r}; `thatdam nodes` lists them")


def alive_named(node: Node, said: str) -> Member:
    """Find a node that answers; empty: this one."""
    alive = node.members.alive()
    if not said:
        return alive[node.node_id]
    names = {one: member.info.name for one, member in alive.items()}
    there = ", ".join(name or one[:8] for one, name in names.items())
    found = _only(said, names, f"no node that answers is called {said[:_SAID_CHARS_MAX]!r}; there are {there}")
    return alive[found]


def _only(said: str, names: Mapping[NodeId, str], nobody: str) -> NodeId:
    if said in names:
        return NodeId(said)
    found = [one for one in names if len(said) >= PREFIX_CHARS_MIN and one.startswith(said)]
    found += [one for one, name in names.items() if name == said and one not in found]
    if len(found) > 1:
        ids = ", ".join(one[:12] for one in found)
        raise Problem(409, f"{len(found)} nodes are called {said[:_SAID_CHARS_MAX]!r}; say the id: {ids}")
    if not found:
        raise NotFound(nobody)
    return found[0]
