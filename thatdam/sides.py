"""What people are told while a mesh whose authority was renewed on two sides has not come together again.

Decides who is named: members that hold an authority beside this node's, or have said that they go by one; those that an
authority beside it ended on nobody's word that counts here; and those ended elsewhere that were let admit here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mesh.actors.roster import Roster
from proto.ids import NodeId

NAMED_MAX = 8
"""Nodes that a sentence names; of more it says how many."""


def told(roster: Roster, authorities: Mapping[NodeId, str], name: Callable[[NodeId], str], me: NodeId) -> Iterator[str]:
    """Give a sentence for each thing that somebody has to decide. ``authorities``: whose each node said it goes by."""
    held = roster.aside()
    members = roster.members()
    others = [node for node in members if node != me and (node in held or roster.besides(authorities.get(node, "")))]
    if others:
        yield (
            "the mesh's authority was renewed on two sides that did not hear of each other, and "
            f"{_named(others, name)} {_be(len(others), 'goes', 'go')} by the other one. "
            "Whom either side revokes is refused on both, but what one lets in the other does not know. Decide which "
            "side stays; for each node of the other say "
            "`thatdam invite` on a node of this side that can admit, and start it with `thatdam up --join TICKET`: it "
            "keeps its folder, its id and all it has"
        )
    alleged = list(roster.alleged())
    if alleged:
        yield (
            f"the other side's authority says that {_named(alleged, name)} {_be(len(alleged), 'was', 'were')} revoked, "
            "which whoever got hold of the former authority could say as well, so it is not done here. If it is right, "
            "say `thatdam revoke NODE` on a node that can admit"
        )
    unsafe = roster.unsafe()
    if unsafe:
        yield (
            f"{_named(unsafe, name)} {_be(len(unsafe), 'was', 'were')} revoked on the other side, and can admit on "
            "this one: whoever has it could come back as another node. Say `thatdam revoke NODE` on a node that can "
            "admit: that gives this side a new authority"
        )


def _be(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _named(nodes: list[NodeId], name: Callable[[NodeId], str]) -> str:
    shown = [name(node) for node in nodes[:NAMED_MAX]]
    if len(nodes) > NAMED_MAX:
        shown.append(f"{len(nodes) - NAMED_MAX} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""
