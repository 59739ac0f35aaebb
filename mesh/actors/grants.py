"""What a role takes: the one place that tells whom to take for a proxy, a daemon, storage or an encoder.

A role is the mesh's to give: a node has those that its roster entry names, as the authority signed it, whatever the
node says of itself or a row says of it. Asked here are the layout (storage), the members' roles as this node sees them,
the actor system (who may be told what, and who may say it), live tracks, and vectors.

Invariant: what is refused is counted by role, and told in the log at most once a minute for a node and role.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

import structlog

from mesh.core.member import Member
from mesh.ports import Clock, Refused, Unavailable
from proto.ids import NodeId
from proto.messages.cameras import HoldRecording, LeaveRecording, RecordingEnded, Replay, TakeOver
from proto.messages.identity import TakeAuthority
from proto.messages.jobs import AskJobs, FinishJob, GiveBack, RenewLease

ROLES = ("proxy", "daemon", "storage", "encoder")
AUTHORITY = "authority"
"""Counted like a role: to hold the mesh's authority, which the authority itself signs for."""
RECEIVER: Mapping[str, str] = MappingProxyType(
    {"proxy": "proxy", "recordings": "proxy", "recorder": "daemon", "encoder": "encoder"}
)
"""The role of the node that has an actor of this name; of storage's actors the layout says whom to ask."""
SENDER: Mapping[type[Any], str] = MappingProxyType(
    {
        AskJobs: "encoder",
        RenewLease: "encoder",
        FinishJob: "encoder",
        GiveBack: "encoder",
        HoldRecording: "daemon",
        LeaveRecording: "daemon",
        RecordingEnded: "daemon",
        Replay: "daemon",
        TakeOver: "proxy",
        TakeAuthority: AUTHORITY,
    }
)
"""Who may say a thing; what is not named here, every member may."""
TOLD_EVERY_S = 60.0
TOLD_MAX = 1024
"""Nodes and roles whose last telling is remembered."""

_log = structlog.get_logger("grants")


class Entries(Protocol):
    """What the authority signed, as this node knows it; ``mesh.actors.roster.Roster``."""

    def grants(self, node: NodeId, role: str) -> bool:
        """Tell whether a node may take a role now."""

    def has_granted(self, node: NodeId, role: str) -> bool:
        """Tell whether a node could take a role when it wrote a row, even if it has been ended since."""

    def has_held(self, node: NodeId) -> bool:
        """Tell whether a node holds the authority, or did."""


class Grants:
    """Who may be what, as seen from the node ``me``."""

    def __init__(self, me: NodeId, entries: Entries, clock: Clock) -> None:
        self._me = me
        self._entries = entries
        self._clock = clock
        self._told: OrderedDict[tuple[NodeId, str], float] = OrderedDict()
        self._seen: dict[NodeId, tuple[Member, Member]] = {}
        self.refused = dict.fromkeys((*ROLES, AUTHORITY), 0)
        """What was refused here since the node started, by the role it takes."""

    def changed(self) -> None:
        """The roster has changed."""
        self._seen.clear()

    def may(self, node: NodeId, role: str) -> bool:
        """Tell whether a node may be taken for one of a role. This node knows itself what it takes."""
        if node == self._me:
            return True
        return self._entries.has_held(node) if role == AUTHORITY else self._entries.grants(node, role)

    def wrote(self, node: str, role: str) -> bool:
        """Tell whether a row that takes a role is to be believed of its writer; one not to be is counted."""
        if node == self._me or self._entries.has_granted(NodeId(node), role):
            return True
        self._count(NodeId(node), role, "a row")
        return False

    def stores(self, node: NodeId) -> bool:
        """Tell whether a node may be storage: of this node too only the roster says so, for all lay out alike."""
        return self._entries.grants(node, "storage")

    def tell(self, node: NodeId, actor: str) -> None:
        """Let an actor of a node be asked; Refused when that takes a role the node was not granted."""
        role = RECEIVER.get(actor, "")
        if role and not self.may(node, role):
            self._count(node, role, f"asking its {actor}")
            raise Refused(f"node {node[:8]} was not granted the role {role} in this mesh")

    def hear(self, node: NodeId, message: Any) -> None:
        """Let a message of a node be taken; Refused when saying it takes a role the node was not granted."""
        role = SENDER.get(type(message), "")
        if not role or self.may(node, role):
            return
        self._count(node, role, type(message).__name__)
        if role == AUTHORITY:
            # Its row may be on its way.
            raise Unavailable(f"node {node[:8]} is not known to hold the mesh's authority; try again in a moment")
        raise Refused(f"node {node[:8]} was not granted the role {role} in this mesh")

    def publishes(self, node: NodeId) -> bool:
        """Tell whether live tracks may come from a node; what may not is counted."""
        if self.may(node, "proxy"):
            return True
        self._count(node, "proxy", "a live track")
        return False

    def as_granted(self, member: Member) -> Member:
        """Give a member with those of the roles it says it takes that it may take."""
        if member.id == self._me:
            return member
        known = self._seen.get(member.id)
        if known is not None and known[0] is member:
            return known[1]
        info = member.info
        roles = tuple(role for role in info.roles if self._entries.grants(member.id, role))
        for role in sorted(set(info.roles).intersection(ROLES).difference(roles)):
            self._count(member.id, role, "what it says of itself")
        shown = member
        if roles != info.roles or (info.models and "encoder" not in roles):
            models = info.models if "encoder" in roles else ()
            shown = dataclasses.replace(member, info=dataclasses.replace(info, roles=roles, models=models))
        self._seen[member.id] = (member, shown)
        return shown

    def _count(self, node: NodeId, role: str, what: str) -> None:
        self.refused[role] += 1
        now_s = self._clock.monotonic()
        told_s = self._told.pop((node, role), None)
        if told_s is None or now_s - told_s >= TOLD_EVERY_S:
            told_s = now_s
            _log.warning("not taken: the node was not granted the role", claimed=node[:8], role=role, what=what)
        self._told[(node, role)] = told_s
        if len(self._told) > TOLD_MAX:
            self._told.popitem(last=False)
