"""The vocabulary of membership: a member, what can happen, and what is to be done about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.core.dialling import Dial
from mesh.ports import Host
from proto.ids import NodeId
from proto.messages.membership import (
    Ack,
    Gossip,
    Graft,
    Nack,
    Neighbour,
    Neighboured,
    NodeInfo,
    Ping,
    PingRequest,
    Prune,
    PushPull,
    Rumour,
    Spread,
    State,
)

Datagram = Ping | Ack | PingRequest | Nack
Near = Neighbour | Neighboured | Spread | Graft | Prune
"""What neighbours tell each other in a large mesh."""


@dataclass(frozen=True, slots=True)
class Member:
    """A node as this node sees it; ``since`` is when its state began here, in monotonic seconds."""

    id: NodeId
    state: State
    incarnation: int
    info: NodeInfo
    since: float = 0.0
    proof: bytes = b""
    said: NodeInfo = field(default_factory=NodeInfo)
    """What the node signed; ``info`` is that without what a terminal would obey."""


FULL_MESH_MAX = 64
"""Up to so many living nodes each has links with all."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The protocol's periods, in seconds, and fan-outs."""

    probe_interval_s: float = 1.0
    probe_timeout_s: float = 0.5
    indirect: int = 3
    gossip_interval_s: float = 0.2
    gossip_fanout: int = 3
    push_pull_s: float = 20.0
    full_mesh_max: int = FULL_MESH_MAX


# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Start:
    """The node begins."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The time of the last ``WakeAt`` has come."""


@dataclass(frozen=True, slots=True)
class DatagramCame:
    """A peer sent a probe, or an answer to one."""

    peer: NodeId
    message: Datagram


@dataclass(frozen=True, slots=True)
class GossipCame:
    """A peer told rumours, in a datagram of their own or a tell."""

    peer: NodeId
    rumours: tuple[Rumour, ...]


@dataclass(frozen=True, slots=True)
class NearCame:
    """A peer told what neighbours tell each other."""

    peer: NodeId
    message: Near


@dataclass(frozen=True, slots=True)
class PingAnswered:
    """``AskPing`` of a probe was answered, or was not."""

    seq: int
    answered: bool


@dataclass(frozen=True, slots=True)
class PushPullAsked:
    """A peer asks to compare or to exchange everything; the effects hold a ``Reply``."""

    peer: NodeId
    message: PushPull


@dataclass(frozen=True, slots=True)
class PushPullAnswered:
    """``AskPushPull`` was answered; None: it was not."""

    peer: NodeId
    message: PushPull | None


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A peer is linked and proven; ``relay``: by way of another node."""

    peer: NodeId
    address: Host
    relay: NodeId | None = None


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A link is gone."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class DialEnded:
    """``Dial`` reached a node, or (None) did not; ``refused``: trying again soon does not help."""

    key: str
    reached: NodeId | None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Discovery or a person told of addresses; of this node, where it is known."""

    node: NodeId | None
    hosts: tuple[Host, ...]


@dataclass(frozen=True, slots=True)
class InfoChanged:
    """This node says something new of itself."""

    info: NodeInfo


@dataclass(frozen=True, slots=True)
class Leave:
    """This node goes, and says so."""


Event = (
    Start
    | Tick
    | DatagramCame
    | GossipCame
    | NearCame
    | PingAnswered
    | PushPullAsked
    | PushPullAnswered
    | LinkUp
    | LinkDown
    | DialEnded
    | Found
    | InfoChanged
    | Leave
)


# ---------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class SendDatagram:
    """Send unreliably to a linked peer."""

    peer: NodeId
    message: Datagram | Gossip


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell a linked peer, on its control channel."""

    peer: NodeId
    message: Gossip | Near


@dataclass(frozen=True, slots=True)
class AskPing:
    """Ask a linked peer on its control channel whether it is there; tell ``PingAnswered``."""

    peer: NodeId
    seq: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class AskPushPull:
    """Ask a linked peer; tell ``PushPullAnswered``."""

    peer: NodeId
    message: PushPull


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer the ask that this event was."""

    message: PushPull


@dataclass(frozen=True, slots=True)
class PersistIncarnation:
    """Make this durable before the effects that follow."""

    incarnation: int


@dataclass(frozen=True, slots=True)
class Changed:
    """What is believed of a member changed."""

    member: Member


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Tell ``Tick`` at this monotonic time; it takes the place of an earlier wish."""

    at: float


@dataclass(frozen=True, slots=True)
class Release:
    """Let the link to this peer go, unless it is in use."""

    peer: NodeId


Effect = SendDatagram | Tell | AskPing | AskPushPull | Reply | PersistIncarnation | Changed | WakeAt | Dial | Release
