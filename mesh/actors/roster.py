"""Who is of the mesh and who is no more, as the mesh's authority signed it, in tables that are whole on every node.

Decides over the mesh tables ``roster`` (pk: node id; ``sealed``: the signed entry) and ``revocations`` (the signed
tombstone). Invariant: a row counts only when the authority signed it; a tombstone is for ever. What a row merely
claims is ignored, and logged once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from mesh.core.identity import NotAMember, authority_key_of, open_roster_entry, open_tombstone
from mesh.core.rows import Change, Entry
from mesh.ports import Clock
from proto import codec
from proto.codec import Malformed
from proto.ids import MeshId, NodeId
from proto.messages.identity import RosterContent, Sealed

ENTRY_LIFE_MS = 365 * 86_400_000
_log = structlog.get_logger("roster")


class Rows(Protocol):
    """What the roster needs of the rows on this node."""

    async def every(self, table: str) -> list[Entry]:
        """Give every living entry of a table here."""

    def watch(self, table: str, handler: Callable[[Entry], None]) -> None:
        """Tell of entries that change here."""


class Admitting(Protocol):
    """The authority, on a node that has it."""

    def roster_entry(self, node: NodeId, roles: tuple[str, ...], zone: str, expires_ms: int) -> Sealed:
        """Sign that a node is of the mesh."""


class Roster:
    """The signed members of the mesh, as this node knows them."""

    def __init__(self, mesh: MeshId, authority: bytes, clock: Clock) -> None:
        self._mesh = mesh
        self._key = authority_key_of(authority)
        self._clock = clock
        self._members: dict[NodeId, RosterContent] = {}
        self._revoked: dict[NodeId, str] = {}

    async def open(self, rows: Rows) -> None:
        """Read both tables and follow their changes."""
        for entry in await rows.every("revocations"):
            self._take_tombstone(entry)
        for entry in await rows.every("roster"):
            self._take_member(entry)
        rows.watch("revocations", self._take_tombstone)
        rows.watch("roster", self._take_member)

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)

    def _take_member(self, entry: Entry) -> None:
        sealed = _sealed(entry)
        if sealed is None:
            return
        try:
            # Expiry is judged when it is asked for, by the clock of that moment.
            content = open_roster_entry(sealed, self._key, self._mesh, 0)
        except NotAMember as error:
            _log.warning("roster entry ignored", node=entry.pk[:8], reason=str(error))
            return
        if content.node == entry.pk:
            self._members[NodeId(content.node)] = content

    def _take_tombstone(self, entry: Entry) -> None:
        sealed = _sealed(entry)
        if sealed is None:
            return
        try:
            content = open_tombstone(sealed, self._key, self._mesh)
        except NotAMember as error:
            _log.warning("revocation ignored", node=entry.pk[:8], reason=str(error))
            return
        if content.node == entry.pk:
            self._revoked[NodeId(content.node)] = content.reason

    def revoked(self, node: NodeId) -> str | None:
        """Give why a node may have no link, or None. A node not in the roster yet may: its certificate says enough."""
        reason = self._revoked.get(node)
        return None if reason is None else f"revoked: {reason}"

    def refused(self, node: NodeId) -> str | None:
        """Give why what a node signed is not accepted, or None for a member in good standing."""
        revoked = self.revoked(node)
        if revoked:
            return revoked
        entry = self._members.get(node)
        if entry is None:
            return "not a known member of this mesh"
        return "its roster entry has expired" if self._now_ms() >= entry.expires_ms else None

    def entering(self, node: NodeId, authority: Admitting, roles: Sequence[str], zone: str) -> Change | None:
        """Give the change that enters a node or renews its entry, or None while its entry is good for half a year."""
        now_ms = self._now_ms()
        known = self._members.get(node)
        good = known is not None and known.expires_ms - now_ms > ENTRY_LIFE_MS / 2
        if good and known is not None and known.roles == tuple(roles) and known.zone == zone:
            return None
        sealed = authority.roster_entry(node, tuple(roles), zone, now_ms + ENTRY_LIFE_MS)
        return Change("roster", node, set={"sealed": codec.encode(sealed)})


def _sealed(entry: Entry) -> Sealed | None:
    raw = entry.row().fields.get("sealed")
    if not isinstance(raw, bytes):
        return None
    try:
        return codec.decode(Sealed, raw)
    except Malformed:
        _log.warning("roster row malformed", node=entry.pk[:8])
        return None
