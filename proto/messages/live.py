"""Live messages: announcements and subscriptions between linked nodes, and what opens the stream of a group.

A group's stream carries, after the opening message, its objects: a 4-byte big-endian length, then that many bytes. It
is finished when the group is whole, and reset when it is given up.
"""

from __future__ import annotations

from typing import Annotated

from proto.codec import Max, message

Track = Annotated[str, Max(128)]
Node = Annotated[str, Max(52)]

HOPS_MAX = 16
"""Links between a track's source and its farthest subscriber."""
ROUTES_MAX = 1024
"""Routes in one announcement; a larger table is told in several."""
HEADER_BYTES_MAX = 48 * 1024
"""Bytes of a group's header: it travels in the opening of the stream."""
OBJECT_BYTES_MAX = 32 << 20
"""Bytes of one object: an access unit of 8K intra video fits."""


@message(500)
class Route:
    """A track and the nodes it would come through, the sender first, the source last; no nodes: withdrawn."""

    track: Track
    path: Annotated[tuple[Node, ...], Max(HOPS_MAX)]


@message(501)
class Announce:
    """What changed in the sender's routes; ``whole``: forget what was announced before."""

    routes: Annotated[tuple[Route, ...], Max(ROUTES_MAX)]
    whole: bool = False


@message(502)
class Announced:
    """The routes are taken."""


@message(510)
class SubscribeTrack:
    """Send me the groups of a track, from the current one's start, under this number; asking again changes nothing."""

    track: Track
    number: int
    lossless: bool = False


@message(511)
class Subscribed:
    """Groups follow, each on a stream of its own."""


@message(512)
class UnsubscribeTrack:
    """No more of this."""

    track: Track
    number: int


@message(513)
class TrackEnded:
    """The sender has the track no more; the subscription of this number is over."""

    track: Track
    number: int
    reason: Annotated[str, Max(512)] = ""


@message(520)
class LiveGroup:
    """Opens a group's stream. ``publisher`` names one opening of the source; ``serial`` counts its groups."""

    track: Track
    number: int
    publisher: int
    serial: int
    group: int
    header: Annotated[bytes, Max(HEADER_BYTES_MAX)]
