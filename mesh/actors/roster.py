"""Who is of the mesh and who is no more, as the mesh's authority signed it, in tables that are whole on every node.

Decides over the mesh tables ``roster`` (pk: node id; sk: the key of the authority that signed, empty for the first;
``sealed``: the signed entry), ``revocations`` (the signed tombstone; sk: the key of any), ``holders`` (who holds the
authority and so can admit; ``holds`` says whether it does now) and ``authorities`` (pk: an authority's key; sk: its
successor's; ``sealed``: what it signed for that one).

Invariant: a row counts only when the present authority signed it; a tombstone, once seen, is for ever, whatever becomes
of its row, of the database or of the authority that signed it (``mesh.actors.tombstones``). What a row merely claims is
ignored, and logged. Of an authority, one successor is taken: the first that is heard of, and never one that was
succeeded itself. What a former authority or one beside the present one signed (``mesh.core.lineage``) counts for
nothing, but for a tombstone that a member vouches for with its own key who could admit before: so whoever is revoked on
one of two sides is out on both, and whoever stole a former authority can end nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from mesh.actors.tombstones import Tombstones
from mesh.core.identity import (
    NotAMember,
    authority_key_of,
    mesh_id_of,
    open_holder,
    open_roster_entry,
    open_succession,
    open_tombstone,
)
from mesh.core.lineage import Lineage, Told, revoking
from mesh.core.rows import Change, Entry
from mesh.core.vouching import signed_by
from mesh.ports import Clock, PortError
from proto import codec
from proto.codec import Malformed
from proto.ids import MeshId, NodeId, is_node_id
from proto.messages.identity import RosterContent, Sealed

ENTRY_LIFE_MS = 365 * 86_400_000
WANING_S = 60.0
"""How long a former authority's roster counts while the present one's entries are still on their way."""
UNKNOWN = "not a known member of this mesh"
KEEP_AGAIN_S = 5.0
"""How soon what the disk did not take is tried again."""
_log = structlog.get_logger("roster")


class Rows(Protocol):
    """What the roster needs of the rows on this node."""

    async def every(self, table: str) -> list[Entry]:
        """Give every living entry of a table here."""

    def watch(self, table: str, handler: Callable[[Entry], None]) -> None:
        """Tell of entries that change here."""


class Admitting(Protocol):
    """The authority, on a node that has it."""

    @property
    def public_key(self) -> bytes:
        """Its raw key."""

    def roster_entry(self, node: NodeId, roles: tuple[str, ...], zone: str, expires_ms: int) -> Sealed:
        """Sign that a node is of the mesh."""


@dataclass(frozen=True, slots=True)
class _Aside:
    """A tombstone of an authority beside the present one, or before it, and who vouches for it."""

    authority: bytes
    node: NodeId
    reason: str
    by: NodeId | None


class Roster:
    """The signed members of the mesh, as this node knows them."""

    def __init__(self, mesh: MeshId, authority: bytes, clock: Clock, tombstones: Tombstones) -> None:
        self._mesh = mesh
        self._tombstones = tombstones
        self._to_keep = asyncio.Event()
        self.authority = authority
        """The present mesh CA, DER."""
        self.heirs: list[bytes] = []
        """The authorities that took its place since this node started, the latest last."""
        self._key = authority_key_of(authority)
        self._lineage = Lineage(mesh)
        self._beside: dict[bytes, bytes] = {}
        self._before: tuple[bytes, ...] = ()
        self._aside: dict[tuple[str, str, str], _Aside] = {}
        self._clock = clock
        self._entries: dict[tuple[str, str, str], Entry] = {}
        self._members: dict[NodeId, RosterContent] = {}
        self._waning: dict[NodeId, RosterContent] = {}
        self._waning_until_s = 0.0
        self._revoked: dict[NodeId, str] = {}
        self._holders: dict[NodeId, bool] = {}
        self._watchers: list[Callable[[NodeId], None]] = []
        self._heirs: list[Callable[[bytes], None]] = []
        self._changed: list[Callable[[], None]] = []

    async def open(self, rows: Rows) -> None:
        """Recall who was ended, read the tables and follow their changes."""
        await self._tombstones.open()
        for node, reason in self._tombstones.revoked.items():
            self._bury(node, reason)
        for told in (*self._tombstones.successions.items(), *self._tombstones.beside):
            self._learn(*told)
        self._succeed()
        self._relate()
        for table in ("authorities", "revocations", "roster", "holders"):
            for entry in await rows.every(table):
                self._take(entry)
            rows.watch(table, self._take)
        self._to_keep.set()

    async def keep(self) -> None:
        """Keep, from now on, who is ended so that no restart forgets it; runs until it is cancelled."""
        while True:
            await self._to_keep.wait()
            self._to_keep.clear()
            try:
                await self._tombstones.keep()
            except PortError as error:
                _log.error("list of revoked nodes not kept; it is tried again", error=str(error))
                self._to_keep.set()
                await asyncio.sleep(KEEP_AGAIN_S)

    def watch_revoked(self, handler: Callable[[NodeId], None]) -> None:
        """Tell ``handler`` at once of nodes that are revoked from now on."""
        self._watchers.append(handler)

    def watch_members(self, handler: Callable[[], None]) -> None:
        """Tell ``handler`` when members, or what they may do, have changed."""
        self._changed.append(handler)

    def watch_authority(self, handler: Callable[[bytes], None]) -> None:
        """Tell ``handler`` of the authority that took the last one's place: its CA, DER."""
        self._heirs.append(handler)

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)

    # ------------------------------------------------------------ rows

    def _take(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
        if entry.table == "authorities":
            sealed, key = _sealed(entry), _key(entry.pk)
            if sealed is not None and key is not None:
                self._learn(key, sealed)
            self._succeed()
            self._relate()
            return
        self._judge(entry)
        if self._aside and entry.table in ("roster", "revocations", "holders"):
            self._heed()

    def _judge(self, entry: Entry) -> None:
        sealed = _sealed(entry)
        if sealed is None:
            return
        node = NodeId(entry.pk)
        try:
            match entry.table:
                case "roster":
                    # Expiry is judged when it is asked for, by the clock of that moment.
                    content = open_roster_entry(sealed, self._key, self._mesh, 0)
                    if content.node == node and self._members.get(node) != content:
                        self._members[node] = content
                        self._tell_changed()
                case "revocations":
                    tombstone = open_tombstone(sealed, self._key, self._mesh)
                    if tombstone.node == node and node not in self._revoked:
                        self._bury(node, tombstone.reason)
                case _:
                    if open_holder(sealed, self._key, self._mesh) == node:
                        self._holders[node] = entry.row().fields.get("holds") is not False
        except NotAMember as error:
            if self._signed_aside(entry, sealed):
                return
            # While an authority is succeeded, its rows are signed anew one after another.
            expected = node in self._revoked or self._clock.monotonic() < self._waning_until_s
            tell = _log.debug if expected else _log.warning
            tell("row ignored", table=entry.table, claimed=entry.pk[:8], reason=str(error))

    def _bury(self, node: NodeId, reason: str) -> None:
        self._revoked[node] = reason
        self._tombstones.bury(node, reason)
        self._to_keep.set()
        _log.warning("node revoked", claimed=node[:8], reason=reason)
        for handler in self._watchers:
            handler(node)
        self._tell_changed()

    def _tell_changed(self) -> None:
        for handler in self._changed:
            handler()

    def _succeed(self) -> None:
        """Go on to the latest authority whose chain of signatures begins at the present one."""
        while True:
            heir = self._heir()
            if heir is None:
                return
            self.authority, self._key = heir, authority_key_of(heir)
            self._tombstones.hold(self._holders)
            self._waning, self._waning_until_s = self._members, self._clock.monotonic() + WANING_S
            self._members, self._holders = {}, {}
            _log.warning("the mesh has another authority", authority=self._key.hex()[:16])
            for entry in self._entries.values():
                if entry.table != "authorities":
                    self._judge(entry)
            self.heirs.append(heir)
            for handler in self._heirs:
                handler(heir)

    def _heir(self) -> bytes | None:
        kept = self._tombstones.successions.get(self._key)
        claims = [entry for key, entry in sorted(self._entries.items()) if key[:2] == ("authorities", self._key.hex())]
        for sealed in (kept, *(_sealed(entry) for entry in claims)):
            if sealed is None:
                continue
            try:
                heir = open_succession(sealed, self._key, self._mesh)
            except NotAMember as error:
                _log.warning("succession ignored", reason=str(error))
                continue
            if authority_key_of(heir) in self._tombstones.successions:
                _log.warning("succession ignored", reason="that authority was succeeded itself")
                continue
            self._tombstones.succeed(self._key, sealed)
            self._to_keep.set()
            return heir
        return None

    # ------------------------------------------------------------ authorities beside the present one

    def _learn(self, authority: bytes, sealed: Sealed) -> None:
        if self._lineage.full:
            self._lineage.keep_only(self._key)
        try:
            self._lineage.add(authority, sealed)
        except NotAMember as error:
            _log.debug("succession ignored", reason=str(error))

    def _relate(self) -> bool:
        """See which authorities are beside the present one; True when one was not known."""
        beside, before = dict(self._lineage.beside(self._key)), tuple(self._lineage.before(self._key))
        if (beside, before) == (self._beside, self._before):
            return False
        new = [key for key in beside if key not in self._beside]
        tables = ("revocations",) if beside == self._beside else ("revocations", "roster", "holders")
        self._beside, self._before = beside, before
        for told in self._lineage.led_to(beside):
            self._tombstones.see(*told)
        self._to_keep.set()
        for key in new:
            _log.warning(
                "the mesh's authority was succeeded twice: some nodes may go by the other one, and `thatdam status` "
                "names them",
                authority=self._key.hex()[:16],
                other=key.hex()[:16],
            )
        self._aside.clear()
        for entry in list(self._entries.values()):
            if entry.table in tables:
                self._judge(entry)
        self._heed()
        return bool(new)

    def _signed_aside(self, entry: Entry, sealed: Sealed) -> bool:
        """Tell whether an authority beside the present one or before it signed a row; tombstones are noted."""
        self._aside.pop(entry.key, None)
        for key in (*self._beside, *self._before):
            try:
                match entry.table:
                    case "roster":
                        node = NodeId(open_roster_entry(sealed, key, self._mesh, 0).node)
                    case "revocations":
                        tombstone = open_tombstone(sealed, key, self._mesh)
                        node = NodeId(tombstone.node)
                        if node == entry.pk:
                            by = self._voucher(entry, key)
                            self._aside[entry.key] = _Aside(key, node, tombstone.reason, by)
                    case _:
                        node = open_holder(sealed, key, self._mesh)
            except NotAMember:
                continue
            return node == entry.pk
        return False

    def _voucher(self, entry: Entry, authority: bytes) -> NodeId | None:
        fields = entry.row().fields
        by, proof = fields.get("by"), fields.get("vouched")
        if not isinstance(by, str) or not is_node_id(by) or not isinstance(proof, bytes):
            return None
        said = revoking(self._mesh, NodeId(entry.pk), NodeId(by), authority)
        return NodeId(by) if signed_by(NodeId(by), said, proof) else None

    def _heed(self) -> None:
        """End whom a member of this side ended on the other one, if it could admit before the two parted."""
        for said in [one for _, one in sorted(self._aside.items())]:
            if said.node not in self._revoked and said.by is not None and self._could_admit(said.by):
                self._bury(said.node, said.reason)

    def _could_admit(self, node: NodeId) -> bool:
        standing = node in self._members and node not in self._revoked
        return standing and (node in self._holders or node in self._tombstones.held)

    def beside(self) -> tuple[bytes, ...]:
        """Give the CAs (DER) of the authorities beside the present one; their certificates count for listed nodes."""
        return tuple(self._beside.values())

    def line(self) -> tuple[Told, ...]:
        """Give how the present authority came to be: each former one's key, and what it signed for the next."""
        return self._lineage.line(self._key)

    def hear(self, line: Sequence[Told]) -> bool:
        """Hear how another's authority came to be, from whoever says so; True when one is beside that was not known.

        It makes this node follow nobody: a successor is taken from the mesh's table alone.
        """
        for authority, sealed in line:
            if self._lineage.concerns(authority, self._key):
                self._learn(authority, sealed)
        return self._relate()

    def goes_by(self) -> str:
        """Give the key of the present authority, in hex."""
        return self._key.hex()

    def besides(self, authority: str) -> bool:
        """Tell whether an authority, by its key in hex, is beside the present one."""
        return _key(authority) in self._beside

    def aside(self) -> list[NodeId]:
        """Give the members in good standing that hold an authority beside the present one, in order."""
        return sorted(node for node in self.members() if self._holds_aside(node))

    def _holds_aside(self, node: NodeId) -> bool:
        entry = self._entries.get(("holders", node, ""))
        sealed = None if entry is None else _sealed(entry)
        if entry is None or sealed is None or entry.row().fields.get("holds") is False:
            return False
        for key in self._beside:
            with contextlib.suppress(NotAMember):
                return open_holder(sealed, key, self._mesh) == node
        return False

    def alleged(self) -> dict[NodeId, str]:
        """Give the members that an authority beside the present one ended on nobody's word that counts, and why."""
        said = {one.node: one.reason for one in self._aside.values() if one.authority in self._beside}
        return {node: said[node] for node in self.members() if node in said}

    def unsafe(self) -> list[NodeId]:
        """Give the nodes ended by another authority that hold this one, or did: it takes a new one to keep them out."""
        ended = {one.node for one in self._aside.values() if one.node in self._revoked}
        return sorted(node for node in ended if node in self._holders)

    # ------------------------------------------------------------ questions

    def _entry(self, node: NodeId) -> RosterContent | None:
        entry = self._members.get(node)
        if entry is None and self._clock.monotonic() < self._waning_until_s:
            entry = self._waning.get(node)
        return entry

    def revoked(self, node: NodeId) -> str | None:
        """Give why a node may have no link, or None. A node not in the roster yet may: its certificate says enough."""
        reason = self._revoked.get(node)
        return None if reason is None else f"revoked: {reason}"

    def standing(self) -> list[NodeId]:
        """Give every node that was admitted and not removed by order, in the order of their ids."""
        return sorted(node for node in self._members if node not in self._revoked)

    def refused(self, node: NodeId) -> str | None:
        """Give why what a node signed is not accepted, or None for a member in good standing."""
        revoked = self.revoked(node)
        if revoked:
            return revoked
        entry = self._entry(node)
        if entry is None:
            return UNKNOWN
        return "its roster entry has expired" if self._now_ms() >= entry.expires_ms else None

    def listed(self, node: NodeId) -> bool:
        """Tell whether the present authority has a node in its roster, in good standing."""
        return self.refused(node) is None

    def members(self) -> dict[NodeId, RosterContent]:
        """Give the entries of the present authority, revoked nodes left out, by node id."""
        return {node: entry for node, entry in sorted(self._members.items()) if node not in self._revoked}

    def tombstones(self) -> dict[NodeId, str]:
        """Give the revoked nodes, and why."""
        return dict(sorted(self._revoked.items()))

    def unsaid(self) -> dict[NodeId, str]:
        """Give the revoked nodes whose tombstone by the present authority is in no row, or no more, and why."""
        return {node: reason for node, reason in sorted(self._revoked.items()) if not self._is_said(node)}

    def _is_said(self, node: NodeId) -> bool:
        entry = self._entries.get(("revocations", node, self._key.hex()))
        sealed = None if entry is None else _sealed(entry)
        if sealed is None:
            return False
        try:
            return open_tombstone(sealed, self._key, self._mesh).node == node
        except NotAMember:
            return False

    def grants(self, node: NodeId, role: str) -> bool:
        """Tell whether a node may take a role; one whose entry has not come yet may, by its certificate.

        One whose entry is there and is not the authority's may take none: any member could have written that.
        """
        if node in self._revoked:
            return False
        entry = self._entry(node)
        if entry is not None:
            return role in entry.roles
        there = any(("roster", node, sk) in self._entries for sk in ("", self._key.hex()))
        return not there or self._clock.monotonic() < self._waning_until_s

    def has_granted(self, node: NodeId, role: str) -> bool:
        """Tell whether a node could take a role when it wrote something; whoever held the authority could take any."""
        entry = self._entry(node)
        return entry is None or role in entry.roles or node in self._holders

    def overwritten(self) -> list[RosterContent]:
        """Give the entries of present members whose row does not say so any more."""
        return [entry for node, entry in self.members().items() if not self._is_entered(node)]

    def _is_entered(self, node: NodeId) -> bool:
        for sk in ("", self._key.hex()):
            row = self._entries.get(("roster", node, sk))
            sealed = None if row is None else _sealed(row)
            if sealed is None:
                continue
            try:
                return open_roster_entry(sealed, self._key, self._mesh, 0).node == node
            except NotAMember:
                continue
        return False

    def admitting(self) -> list[NodeId]:
        """Give the nodes that can admit others now, in order."""
        return [node for node, now in sorted(self._holders.items()) if now and node not in self._revoked]

    def has_held(self, node: NodeId) -> bool:
        """Tell whether a node holds the present authority, or did."""
        return node in self._holders

    # ------------------------------------------------------------ changes

    def entering(self, node: NodeId, authority: Admitting, roles: Sequence[str], zone: str) -> Change | None:
        """Give the change that enters a node or renews its entry, or None while its entry is good for half a year."""
        now_ms = self._now_ms()
        known = self._members.get(node)
        good = known is not None and known.expires_ms - now_ms > ENTRY_LIFE_MS / 2
        if good and known is not None and known.roles == tuple(roles) and known.zone == zone:
            return None
        return self.enter(node, authority, roles, zone)

    def enter(self, node: NodeId, authority: Admitting, roles: Sequence[str], zone: str) -> Change:
        """Give the change that enters a node for a year from now."""
        sealed = authority.roster_entry(node, tuple(roles), zone, self._now_ms() + ENTRY_LIFE_MS)
        return self.entered(node, authority, sealed)

    def entered(self, node: NodeId, authority: Admitting, sealed: Sealed) -> Change:
        """Give the change that says what an authority signed of a node."""
        # A key of its own for each later authority's word: of two that succeeded one, neither takes the other's place.
        key = authority.public_key
        first = mesh_id_of(key) == self._mesh
        return Change("roster", node, "" if first else key.hex(), set={"sealed": codec.encode(sealed)})


def _key(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def _sealed(entry: Entry) -> Sealed | None:
    raw = entry.row().fields.get("sealed")
    if not isinstance(raw, bytes):
        return None
    try:
        return codec.decode(Sealed, raw)
    except Malformed:
        _log.warning("roster row malformed", claimed=entry.pk[:8])
        return None
