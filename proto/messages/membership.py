"""Membership messages: what a node says of itself and of others, probes in datagrams, push/pull over asks."""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Annotated

from proto.codec import Exactly, Max, message
from proto.ids import NodeId

Id = Annotated[NodeId, Max(52)]
INCARNATION_MAX = (1 << 63) - 1
"""The greatest incarnation that the wire carries."""
Seq = Annotated[int, Max(INCARNATION_MAX)]

RUMOURS_MAX = 64
"""Rumours in one datagram; the byte bound of a datagram comes first."""
SPREAD_RUMOURS_MAX = 64
"""Rumours in one message along a branch: some 20 KB."""
SPREAD_NAMES_MAX = 1024
"""Names of news in one message."""
MEMBERS_SENT_MAX = 2048
"""Members in one push/pull. A larger mesh sends a sample, another one each time."""


class State(enum.StrEnum):
    """What is believed of a node. The later of two wins at the same incarnation."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    DEAD = "dead"
    LEFT = "left"


@message(100)
class NodeInfo:
    """What a node says of itself. ``addresses`` are where others can reach it, best first."""

    name: Annotated[str, Max(64)] = ""
    addresses: Annotated[tuple[tuple[Annotated[str, Max(255)], Annotated[int, Max(65535)]], ...], Max(8)] = ()
    http_url: Annotated[str, Max(255)] = ""
    roles: Annotated[tuple[Annotated[str, Max(16)], ...], Max(8)] = ()
    zone: Annotated[str, Max(64)] = ""
    capacity_bytes: int = 0
    version: Annotated[str, Max(32)] = ""
    models: Annotated[tuple[Annotated[str, Max(128)], ...], Max(8)] = ()


@message(101)
class Rumour:
    """``by`` says that ``node`` is in this state at this incarnation; a large ``info`` is left out of datagrams.

    ``proof`` is the node's own signature of the incarnation and the info: that it lived so, or has left.
    """

    node: Id
    state: State
    incarnation: Seq
    by: Id
    info: NodeInfo | None = None
    proof: Annotated[bytes, Max(64)] = field(default=b"", repr=False)


Rumours = Annotated[tuple[Rumour, ...], Max(RUMOURS_MAX)]


@message(110)
class Ping:
    """A datagram: are you there? Answered by Ack with the same number."""

    seq: Seq
    rumours: Rumours = ()


@message(111)
class Ack:
    """A datagram: I am, or the node you had me ask is."""

    seq: Seq
    rumours: Rumours = ()


@message(112)
class PingRequest:
    """A datagram: ping ``target`` for me. Answered by Ack, or by Nack when it does not answer you."""

    seq: Seq
    target: Id
    rumours: Rumours = ()


@message(113)
class Nack:
    """A datagram: I asked, and it did not answer me (yet). It proves that the asker's own links work."""

    seq: Seq
    rumours: Rumours = ()


@message(114)
class Gossip:
    """Rumours alone: a datagram, or a tell where they must arrive."""

    rumours: Annotated[tuple[Rumour, ...], Max(MEMBERS_SENT_MAX)]


@message(120)
class AreYouThere:
    """An ask on the control channel: the probe that survives loss of datagrams."""


@message(121)
class HereIAm:
    """The node answers on its stream, so it lives."""

    incarnation: Seq


@message(122)
class PushPull:
    """Everything a node believes, as an ask and as its answer.

    An ask with a digest and no members asks whether the views are equal; the answer then has no members either.
    """

    digest: Annotated[bytes, Exactly(16)]
    members: Annotated[tuple[Rumour, ...], Max(MEMBERS_SENT_MAX)]


@message(123)
class Neighbour:
    """A tell: I want to be a neighbour of yours; ``urgent``: have another go for it. Answered by Neighboured."""

    urgent: bool


@message(124)
class Neighboured:
    """A tell: you are a neighbour of mine (``taken``), or are none (any more)."""

    taken: bool


Names = Annotated[tuple[Annotated[bytes, Exactly(8)], ...], Max(SPREAD_NAMES_MAX)]


@message(125)
class Spread:
    """A tell between neighbours: news, and names of news that the sender has."""

    rumours: Annotated[tuple[Rumour, ...], Max(SPREAD_RUMOURS_MAX)]
    names: Names


@message(126)
class Graft:
    """A tell between neighbours: send me these, and what comes from now on."""

    names: Names


@message(127)
class Prune:
    """A tell between neighbours: what you sent had come from elsewhere; names will do."""
