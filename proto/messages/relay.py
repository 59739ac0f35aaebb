"""Relay messages: how a node has another carry its connection to a third, which neither end could dial.

Each opens a stream. The first thing that comes back on it is ``CarryAnswer``, with its length in front; after one that
takes the stream, both directions are datagrams, each with its length (2 bytes, big-endian) in front. They are the
packets of a QUIC connection between the two ends; whoever carries them cannot read them.
"""

from __future__ import annotations

from typing import Annotated

from proto.codec import Max, message
from proto.ids import NodeId

Id = Annotated[NodeId, Max(52)]


@message(1100)
class CarryTo:
    """Carry what I send on this stream to that node, with which you have a link, and what it sends back to me."""

    node: Id


@message(1101)
class CarriedFrom:
    """What comes on this stream a node sends that cannot reach you. That it is that node its proof must show."""

    node: Id


@message(1102)
class CarryAnswer:
    """Whether the stream is carried; if not, why."""

    taken: bool
    reason: Annotated[str, Max(256)] = ""
