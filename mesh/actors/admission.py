"""Admitting nodes, ending them, and this node's own standing: certificates that are renewed, authorities that change.

Decides when a certificate is renewed (half its life is over, or another authority signs now) and who is asked: this
node itself if it holds the authority, else whoever does. Decides that revoking a node that holds the authority, or did,
means a new authority: the old one could admit whom it likes.

A change of authority loses no call: everybody takes both authorities' certificates of the nodes in the new one's
roster; each node gets its new certificate over links that stand, and shows it ``SHOWN_AFTER_S`` later, when the others
have heard of it too. A node that is not in that roster gets none, whoever carries its question: of the former
authority's word alone nobody can tell an honest node from one that whoever holds the leaked secret has let in.

Invariant: what this node holds of an authority is durable before anybody relies on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog

from mesh.actors.roster import UNKNOWN, Roster
from mesh.actors.system import ActorSystem, Context
from mesh.actors.tickets import TicketBook
from mesh.core.identity import (
    Authority,
    NodeIdentity,
    NotAMember,
    check_certificate,
    check_issuer,
    check_redeeming,
)
from mesh.core.lineage import revoking
from mesh.core.rows import Change
from mesh.core.tickets import Ticket
from mesh.ports import Clock, Entropy, Host, NotFound, PortError, Refused, Tables, Unavailable
from proto import codec
from proto.ids import NodeId
from proto.messages.identity import (
    TICKET_BYTES,
    AskCertificate,
    AuthorityTaken,
    GiveCertificate,
    Redeem,
    Redeemed,
    RosterContent,
    Sealed,
    TakeAuthority,
)

ACTOR = "admission"
LOOK_EVERY_S = 60.0
SHOWN_WAIT_S = 15.0
"""How long a ticket waits for this node's certificate of the present authority."""
RETRY_S = 2.0
ASK_TIMEOUT_S = 5.0
HEARD_WAIT_S = 10.0
"""How long letting a node admit waits for that node to hear that this one holds the authority."""
HEARD_EVERY_S = 0.5
SHOWN_AFTER_S = 5.0
"""How long a certificate of a new authority is held back, so that whoever dials has heard of that authority."""
LIFE_S_MIN, LIFE_S_MAX = 60.0, 30 * 86400.0
"""How long a ticket may be good for."""
REASON_MAX = 200

_log = structlog.get_logger("admission")


class Papers(Protocol):
    """Where what this node holds is kept. On return it is durable."""

    async def keep(self, identity: NodeIdentity) -> None:
        """Keep certificates and authorities."""

    async def keep_authority(self, seed: bytes) -> None:
        """Keep the authority that this node may admit by, beside one that it succeeds."""

    async def authority_of(self, certificate: bytes) -> Authority | None:
        """Give the authority kept for a mesh CA (DER), or None."""

    async def keep_company(self) -> None:
        """Remember that others were invited."""


class Writer(Protocol):
    """What admission needs of the catalogue."""

    async def write(self, *changes: Change) -> str:
        """Write rows; durable here on return, then passed on."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """What revoking a node took. ``renewed``: the mesh has a new authority, for the node held the old one."""

    node: NodeId
    renewed: bool
    already: bool = False


class Door:
    """Where the network brings newcomers; it opens once the node runs."""

    def __init__(self) -> None:
        self._admission: Admission | None = None

    def open(self, admission: Admission) -> None:
        """Let newcomers come to ``admission``."""
        self._admission = admission

    async def redeem(self, said: Redeem, nonce: bytes) -> Redeemed:
        """Take a newcomer's ticket; Refused says why not."""
        if self._admission is None:
            raise Unavailable("the node is starting; try again")
        return await self._admission.redeem(said, nonce)


class Admission:
    """The actor ``admission`` of one node."""

    def __init__(
        self,
        system: ActorSystem,
        tables: Tables,
        catalogue: Writer,
        roster: Roster,
        identity: NodeIdentity,
        authority: Authority | None,
        papers: Papers,
        present: Callable[[NodeIdentity], None],
        alive: Callable[[], Sequence[NodeId]],
        addresses: Callable[[], Sequence[Host]],
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._system = system
        self._catalogue = catalogue
        self._roster = roster
        identity = replace(identity, listed=roster.listed, kin=roster)
        for heir in roster.heirs:
            identity = identity.succeeded(heir)
        self._identity = identity
        self._shown = identity
        self._authority = None if roster.heirs else authority
        self._papers = papers
        self._present = present
        self._alive = alive
        self._addresses = addresses
        self._clock = clock
        self._entropy = entropy
        self._book = TicketBook(tables)
        self._wake = asyncio.Event()
        self._changing = asyncio.Lock()
        self._granting: dict[NodeId, None] = {}
        """Nodes that held the former authority and shall have the present one."""

    @property
    def identity(self) -> NodeIdentity:
        """Who this node is now."""
        return self._identity

    @property
    def admits(self) -> bool:
        """Whether this node can admit others."""
        return self._authority is not None

    def certificate_expires_s(self) -> float:
        """Give when this node's certificate ends, UTC seconds since 1970."""
        for authority in (self._identity.authority, *self._identity.former):
            if check_issuer(self._identity.certificate, authority):
                return check_certificate(self._identity.certificate, authority, 0.0).expires_s
        return 0.0

    def outside(self) -> str:
        """Say what to do when the mesh went over to an authority that does not know this node; empty: it does."""
        mine = check_issuer(self._identity.certificate, self._identity.authority)
        if mine or self._roster.refused(self._system.node_id) != UNKNOWN:
            return ""
        return (
            "the mesh has a new authority, whose roster does not name this node, for it was let in where that was not "
            "known: the others take it no more. What it keeps is safe, and it goes on alone. To bring it back, say "
            "`thatdam invite` on a node that can admit, and start this one with `thatdam up --join TICKET`"
        )

    async def open(self) -> None:
        """Begin to answer, and to mind this node's own certificate."""
        await self._book.open()
        self._system.spawn(ACTOR, self, mailbox_max=64, concurrency=4)
        self._roster.watch_authority(self._on_authority)
        self._present(self._shown)
        self._system.supervisor.run("admission/standing", self._mind)

    def _on_authority(self, authority: bytes) -> None:
        # Trust in the next authority begins at once; certificate and papers follow.
        self._identity = self._identity.succeeded(authority)
        self._shown = self._shown.succeeded(authority)
        self._present(self._shown)
        if self._authority is not None and self._authority.certificate() != authority:
            self._authority = None
        self._wake.set()

    # ------------------------------------------------------------ admitting

    def _needed(self, what: str) -> Authority:
        if self._authority is None:
            able = ", ".join(node[:8] for node in self._roster.admitting())
            raise Refused(
                f"this node cannot {what}: it does not hold the mesh's authority. "
                + (
                    f"Ask one that does (`thatdam authority` names them): {able}"
                    if able
                    else "No node is known that does"
                )
            )
        return self._authority

    async def invite(self, roles: tuple[str, ...], life_s: float) -> Ticket:
        """Make a ticket that lets one machine in, with these roles at most; Refused says what is in the way."""
        authority = self._needed("invite")
        if not roles:
            raise Refused("a ticket grants at least one role")
        if not LIFE_S_MIN <= life_s <= LIFE_S_MAX:
            raise Refused("a ticket is good for 1 minute to 30 days")
        addresses = tuple(self._addresses())
        if not addresses:
            raise Refused("this node has no address that another could reach; connect it to a network first")
        if not await self._shows_what(authority):
            raise Refused(
                "the mesh is going over to a new authority, and this node has no certificate of it yet; try again soon"
            )
        now_s = self._clock.wall()
        ticket = Ticket(
            self._entropy.token(TICKET_BYTES),
            authority.certificate(),
            self._system.node_id,
            addresses,
            roles,
            int(now_s + life_s),
        )
        await self._book.add(ticket.secret, roles, ticket.expires_s, now_s)
        return ticket

    async def _shows_what(self, authority: Authority) -> bool:
        """Wait until this node shows a certificate of an authority: a newcomer trusts that one alone."""
        for _ in range(int(SHOWN_WAIT_S / RETRY_S)):
            if check_issuer(self._shown.certificate, authority.certificate()):
                return True
            self._wake.set()
            await asyncio.sleep(RETRY_S)
        return False

    async def redeem(self, said: Redeem, nonce: bytes) -> Redeemed:
        """Take a newcomer's ticket; Refused says why not. Durable on return, and the mesh is told."""
        authority = self._needed("admit others")
        node = check_redeeming(said, self._identity.mesh, self._system.node_id, nonce)
        refused = self._roster.revoked(node)
        if refused:
            raise Refused(f"this node was {refused}; only with a new data folder can the machine come back")
        now_s = self._clock.wall()
        zone = said.zone

        def admit(roles: tuple[str, ...]) -> Redeemed:
            change = self._roster.enter(node, authority, roles, zone)
            entry = _sealed_of(change)
            return Redeemed(authority.admit(node, now_s), authority.certificate(), entry)

        redeemed = await self._book.redeem(said.ticket, node, now_s, admit)
        if redeemed.authority != authority.certificate():
            # Let in by an authority that has been succeeded since: the certificate is that one's business no more.
            redeemed = admit(codec.decode(RosterContent, redeemed.entry.content).roles)
        await self._catalogue.write(self._roster.entered(node, authority, redeemed.entry))
        _log.info("node admitted", claimed=node[:8])
        return redeemed

    async def grant(self, node: NodeId) -> None:
        """Let another node admit too. Unavailable: it cannot be reached now, or has not heard that this one may."""
        until_s = self._clock.monotonic() + HEARD_WAIT_S
        while True:
            try:
                return await self._grant(node)
            except Unavailable:
                # Of one that has just come: it hears in a moment who holds the authority.
                if node not in self._alive() or self._clock.monotonic() >= until_s:
                    raise
            await asyncio.sleep(HEARD_EVERY_S)

    async def _grant(self, node: NodeId) -> None:
        authority = self._needed("let another admit")
        if node == self._system.node_id:
            raise Refused("this node can admit already")
        refused = self._roster.refused(node)
        if refused:
            raise Refused(f"node {node[:8]} cannot be let admit: {refused}")
        seed = authority.seed
        await self._system.ask(node, ACTOR, TakeAuthority(seed), AuthorityTaken, timeout_s=ASK_TIMEOUT_S)

    # ------------------------------------------------------------ ending

    async def revoke(self, node: NodeId, reason: str) -> Revoked:
        """End a node for ever; Refused says what is in the way."""
        if node == self._system.node_id:
            others = [other for other in self._roster.admitting() if other != node]
            if others:
                raise Refused(f"a node does not revoke itself; do it on {', '.join(other[:8] for other in others)}")
            raise Refused(
                "this is the only node that can admit others: without it nobody could. Let another one admit first "
                "(`thatdam admit NODE`), and revoke this one there"
            )
        authority = self._needed("revoke others")
        async with self._changing:
            if node in self._roster.unsafe():
                # Ended on the other side of a partition, and let admit on this one.
                await self._renew_authority(authority, {})
                return Revoked(node, renewed=True)
            if node in self._roster.tombstones():
                return Revoked(node, renewed=False, already=True)
            if self._roster.has_held(node):
                await self._renew_authority(authority, {node: reason[:REASON_MAX]})
                return Revoked(node, renewed=True)
            await self._catalogue.write(self._tombstone(authority, node, reason[:REASON_MAX]))
        return Revoked(node, renewed=False)

    async def renew_authority(self) -> None:
        """Give the mesh a new authority; nodes go over to it by themselves."""
        authority = self._needed("renew the authority")
        async with self._changing:
            await self._renew_authority(authority, {})

    async def _renew_authority(self, old: Authority, ending: dict[NodeId, str]) -> None:
        seed = self._entropy.token(32)
        heir = Authority(seed, self._identity.mesh)
        await self._papers.keep_authority(seed)
        ended = {**self._roster.tombstones(), **ending}
        me = self._system.node_id
        succession = Change(
            "authorities",
            old.public_key.hex(),
            heir.public_key.hex(),
            set={"sealed": codec.encode(old.succession(heir.certificate()))},
        )
        changes = [
            succession,
            *(self._tombstone(heir, node, reason) for node, reason in ended.items()),
            *(
                self._roster.enter(node, heir, entry.roles, entry.zone)
                for node, entry in self._roster.members().items()
                if node not in ended
            ),
            _holder(heir, me),
        ]
        able = [node for node in self._roster.admitting() if node != me and node not in ended]
        # The old authority's own word, for those who have not heard of the new one.
        for node, reason in ending.items():
            await self._catalogue.write(self._tombstone(old, node, reason))
        await self._catalogue.write(*changes)
        self._authority = heir
        self._granting.update(dict.fromkeys(able))
        self._wake.set()

    def _tombstone(self, authority: Authority, node: NodeId, reason: str) -> Change:
        # A key of its own for each authority's word: neither takes the other's place. This node's own word is for
        # those who go by an authority beside this one: it says who did it, which that authority's signature does not.
        me = self._system.node_id
        said = revoking(self._identity.mesh, node, me, authority.public_key)
        return Change(
            "revocations",
            node,
            authority.public_key.hex(),
            set={
                "sealed": codec.encode(authority.tombstone(node, reason)),
                "by": me,
                "vouched": self._identity.sign(said),
            },
        )

    # ------------------------------------------------------------ standing

    async def _mind(self) -> None:
        while True:
            self._wake.clear()
            async with self._changing:
                whole = await self._look()
            try:
                async with asyncio.timeout(LOOK_EVERY_S if whole else RETRY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _look(self) -> bool:
        """Do what is due; False when something has to be tried again soon."""
        whole = True
        if self._authority is None:
            self._authority = await self._papers.authority_of(self._identity.authority)
        await self._papers.keep(self._identity)
        await self._say_whether_it_admits()
        if self._due():
            whole = await self._renew()
        aside = self._roster.aside()
        for node in list(self._granting):
            if node in aside:
                continue  # until it has come over
            try:
                await self._grant(node)
            except Refused as error:
                _log.warning("node cannot admit any more", claimed=node[:8], reason=str(error))
            except PortError:
                whole = False
                continue
            self._granting.pop(node, None)
        return whole

    async def _say_whether_it_admits(self) -> None:
        me = self._system.node_id
        says = me in self._roster.admitting()
        if self._authority is not None and not says:
            await self._catalogue.write(_holder(self._authority, me))
        elif self._authority is None and says:
            await self._catalogue.write(Change("holders", me, set={"holds": False}))
        elif self._authority is None and me in self._roster.aside():
            # It held an authority that it does not go by any more.
            await self._catalogue.write(Change("holders", me, set={"holds": False}))
        if self._authority is not None:
            entry = self._roster.members().get(me)
            if entry is not None:
                change = self._roster.entering(me, self._authority, entry.roles, entry.zone)
                if change is not None:
                    await self._catalogue.write(change)
            # A tombstone's row that was overwritten, or lost, is written again: others have yet to hear of it.
            for node, reason in self._roster.unsaid().items():
                await self._catalogue.write(self._tombstone(self._authority, node, reason))
            for entry in self._roster.overwritten():
                again = self._roster.enter(NodeId(entry.node), self._authority, entry.roles, entry.zone)
                await self._catalogue.write(again)

    def _due(self) -> bool:
        identity = self._identity
        if not check_issuer(identity.certificate, identity.authority):
            return True
        return check_certificate(identity.certificate, identity.authority, 0.0).due(self._clock.wall())

    async def _renew(self) -> bool:
        """Get a new certificate; False when nobody could be asked."""
        certificate = await self._new_certificate()
        if certificate is None:
            return False
        try:
            renewed = self._identity.renewed(certificate)
        except NotAMember as error:
            _log.warning("certificate not taken", reason=str(error))
            return False
        self._identity = renewed
        await self._papers.keep(renewed)
        _log.info("certificate renewed", expires_s=int(self.certificate_expires_s()))
        delay_s = SHOWN_AFTER_S if renewed.earlier else 0.0
        self._system.supervisor.once("admission/show", self._show(delay_s))
        return True

    async def _show(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        self._shown = self._identity
        self._present(self._identity)

    async def _new_certificate(self) -> bytes | None:
        if self._authority is not None:
            return self._authority.admit(self._system.node_id, self._clock.wall())
        alive = self._alive()
        for node in self._roster.admitting():
            if node == self._system.node_id or node not in alive:
                continue
            try:
                given = await self._system.ask(node, ACTOR, AskCertificate(), GiveCertificate, timeout_s=ASK_TIMEOUT_S)
            except PortError as error:
                _log.debug("no certificate", peer=node[:8], reason=str(error))
                continue
            if given.authority == self._identity.authority:
                return given.certificate
        return None

    # ------------------------------------------------------------ other nodes

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Answer members: each is who its link has proven."""
        match message:
            case AskCertificate():
                return await self._certify(context.sender)
            case TakeAuthority(seed):
                return await self._take_authority(seed, context.sender)
            case _:
                raise NotFound(f"admission takes no {type(message).__name__}")

    async def _certify(self, node: NodeId) -> GiveCertificate:
        authority = self._needed("give certificates")
        refused = self._roster.revoked(node)
        if refused:
            raise Refused(refused)
        entry = self._roster.members().get(node)
        if entry is None:
            raise Refused("the roster does not name this node; it needs a ticket")
        change = self._roster.entering(node, authority, entry.roles, entry.zone)
        if change is not None:
            await self._catalogue.write(change)
        return GiveCertificate(authority.admit(node, self._clock.wall()), authority.certificate())

    async def _take_authority(self, seed: bytes, sender: NodeId) -> AuthorityTaken:
        given = Authority(seed, self._identity.mesh)
        if given.certificate() != self._identity.authority:
            raise Unavailable("that is not the authority this node goes by now; try again in a moment")
        if self._authority is None:
            await self._papers.keep_authority(seed)
            self._authority = given
            _log.warning("this node can admit others now", peer=sender[:8])
            self._wake.set()
        return AuthorityTaken()


def _holder(authority: Authority, node: NodeId) -> Change:
    return Change("holders", node, set={"sealed": codec.encode(authority.holder(node)), "holds": True})


def _sealed_of(change: Change) -> Sealed:
    raw = change.set["sealed"]
    assert isinstance(raw, bytes)
    return codec.decode(Sealed, raw)
