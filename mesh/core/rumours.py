"""What is believed of a node, which of two beliefs wins, and which rumours are passed on.

The order of beliefs is SWIM's (Das, Gupta and Motivala, 2002, section 4.2) made total: first the incarnation, which
only the node itself raises, then alive < suspect < dead < left. Taking the greater of two is commutative, associative
and idempotent, so nodes that heard the same rumours believe the same, in whatever order these came.

What only the node itself may say (a new incarnation, its info, that it left) it signs: ``mesh.core.vouching``.

Invariant: the queue holds one rumour a node at most, and each is sent a number of times that grows with the logarithm
of the mesh.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from proto import codec
from proto.ids import NodeId
from proto.messages.membership import RUMOURS_MAX, NodeInfo, Rumour, State

RETRANSMIT_MULT = 4
"""A rumour is sent this often, times log10 of the nodes."""
INFO_BYTES_MAX = 700
"""A larger NodeInfo is left out of datagrams; whoever lacks it asks for a push/pull."""
RUMOUR_OVERHEAD_BYTES = 2
UNFIT_MAX = 64
"""Rumours too large for what is left of a datagram that are passed over before it is taken as full."""
RUMOUR_BYTES_MIN = 110
"""No rumour is smaller: two node ids of 52 characters and what is around them."""

INCARNATION_KEPT_MAX = (1 << 62) - 1
"""A greater incarnation was never a node's own: half of what the wire carries is left to refute with."""

_RANK = {State.ALIVE: 0, State.SUSPECT: 1, State.DEAD: 2, State.LEFT: 3}


def standing(state: State, incarnation: int) -> tuple[int, int]:
    """Give a belief's place in the order: the greater wins."""
    return incarnation, _RANK[state]


def printable(info: NodeInfo) -> NodeInfo:
    """Give a NodeInfo whose texts for people hold nothing that a terminal or a log would obey."""
    texts = (info.name, info.zone, info.version, info.http_url)
    if all(text.isprintable() for text in texts):
        return info
    name, zone, version, http_url = ("".join(filter(str.isprintable, text)) for text in texts)
    return replace(info, name=name, zone=zone, version=version, http_url=http_url)


@dataclass(slots=True)
class _Queued:
    rumour: Rumour
    size_bytes: int
    sent: int


class RumourQueue:
    """Rumours on their way out, in tiers by how often each was sent; in a tier the newest last."""

    def __init__(self) -> None:
        self._queued: dict[NodeId, _Queued] = {}
        self._tiers: list[dict[NodeId, _Queued]] = [{}]

    def __len__(self) -> int:
        return len(self._queued)

    def add(self, rumour: Rumour) -> None:
        """Pass a rumour on; it takes the place of an older one about the same node."""
        self.forget(rumour.node)
        rumour = slim(rumour)
        size = len(codec.encode(rumour)) + RUMOUR_OVERHEAD_BYTES
        self._queued[rumour.node] = self._tiers[0][rumour.node] = _Queued(rumour, size, 0)

    def forget(self, node: NodeId) -> None:
        """Drop what is told of a node."""
        item = self._queued.pop(node, None)
        if item is not None:
            del self._tiers[item.sent][node]

    def clear(self) -> list[Rumour]:
        """Give everything, the least told last, and pass it on no more."""
        left = [item.rumour for tier in reversed(self._tiers) for item in tier.values()]
        self._queued, self._tiers = {}, [{}]
        return left

    def take(self, budget_bytes: int, nodes: int, forced: Sequence[Rumour] = ()) -> tuple[Rumour, ...]:
        """Give what fits into ``budget_bytes``: ``forced`` first, then the least told, the newest of those first."""
        taken = [slim(rumour) for rumour in forced]
        left = budget_bytes - sum(len(codec.encode(rumour)) + RUMOUR_OVERHEAD_BYTES for rumour in taken)
        about = {rumour.node for rumour in taken}
        chosen: list[_Queued] = []
        unfit = 0
        for item in (item for tier in self._tiers for item in reversed(tier.values())):
            if len(taken) >= RUMOURS_MAX or left < RUMOUR_BYTES_MIN or unfit >= UNFIT_MAX:
                break
            if item.size_bytes > left:
                unfit += 1
            elif item.rumour.node not in about:
                left -= item.size_bytes
                taken.append(item.rumour)
                chosen.append(item)
        limit = retransmits(nodes)
        for item in reversed(chosen):
            del self._tiers[item.sent][item.rumour.node]
            item.sent += 1
            if item.sent >= limit:
                del self._queued[item.rumour.node]
                continue
            while len(self._tiers) <= item.sent:
                self._tiers.append({})
            self._tiers[item.sent][item.rumour.node] = item
        return tuple(taken)


def retransmits(nodes: int) -> int:
    """Give how often a rumour is sent in a mesh of so many nodes."""
    return RETRANSMIT_MULT * math.ceil(math.log10(nodes + 1))


def slim(rumour: Rumour) -> Rumour:
    """Give a rumour that fits a datagram: without its info when that is large."""
    if rumour.info is not None and info_bytes(rumour.info) > INFO_BYTES_MAX:
        return replace(rumour, info=None)
    return rumour


def info_bytes(info: NodeInfo) -> int:
    """Give the bytes of a NodeInfo on the wire."""
    return len(codec.encode(info))


def believed(rumours: Iterable[Rumour]) -> dict[NodeId, Rumour]:
    """Give what one believes who heard these, by node: the greatest of each."""
    best: dict[NodeId, Rumour] = {}
    for rumour in rumours:
        known = best.get(rumour.node)
        if known is None or standing(rumour.state, rumour.incarnation) > standing(known.state, known.incarnation):
            best[rumour.node] = rumour
    return {node: best[node] for node in sorted(best)}
