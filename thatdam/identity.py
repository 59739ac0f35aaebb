"""Who this node is in which mesh: from what lies in the data folder and the secret or ticket it was given.

Decides: a mesh's authority is Argon2id of the shared secret, which is never written down here, or, for a node that
starts without one, chance kept in its folder (``authority.key``). The mesh of a folder is fixed at its birth. A
ticket is redeemed once, before the node starts; from then on the folder says who it is. A certificate is renewed once
half of its year is over, by a node that can, at its start here and while it runs by ``mesh.actors.admission``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from mesh.adapters import passwords
from mesh.adapters.node_key import DataFolder
from mesh.adapters.quic import joining
from mesh.core.identity import (
    FORMER_MAX,
    Authority,
    Newcomer,
    NodeIdentity,
    NotAMember,
    authority_key_of,
    check_certificate,
    check_issuer,
    mesh_of_authority,
    open_roster_entry,
    redeeming,
)
from mesh.core.secret import WeakSecret, read_secret
from mesh.core.tickets import Ticket, read_ticket
from mesh.ports import Clock, Corrupt, Entropy, Executor, Host, Refused
from proto import codec
from proto.codec import Malformed
from proto.ids import MeshId
from proto.messages.identity import Redeem, Sealed
from thatdam.capabilities import granted

AUTHORITY_KEY, AUTHORITY, CERTIFICATE = "authority.key", "mesh.ca", "node.crt"
EARLIER, ENTRY, COMPANY = "former.crt", "roster.entry", "company"
"""The certificate of the former authority; the roster entry a ticket gave; there once others were invited here."""
FORMER = "former-{}.ca"
HEIR_KEY = "authority-{}.key"
_log = structlog.get_logger("identity")


@dataclass(frozen=True, slots=True)
class Standing:
    """A node's place in its mesh. ``authority`` where it can admit nodes.

    ``company``: its mesh came of a secret or a ticket, or it has invited others.
    ``granted``: the only roles it may take; None: any. ``met``: where the mesh was found that it has joined just now.
    """

    identity: NodeIdentity
    authority: Authority | None
    company: bool
    granted: tuple[str, ...] | None = None
    met: tuple[Host, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether this mesh was born here, and nobody else could be of it."""
        return self.authority is not None and not self.company


async def settle(
    folder: DataFolder, secret: str, executor: Executor, entropy: Entropy, now_s: float, met: tuple[Host, ...] = ()
) -> Standing:
    """Give this node's standing, making what is missing. Refused says what does not fit together."""
    kept = folder.read_secret(AUTHORITY)
    authority = await _authority(folder, secret, kept, executor, entropy)
    if authority is not None and kept is None:
        kept = authority.certificate()
        folder.write_secret(AUTHORITY, kept)
    assert kept is not None
    identity = _identity(folder, kept, authority, now_s)
    company = folder.read_secret(COMPANY) is not None or not _born_here(folder, identity.mesh)
    return Standing(identity, authority, company, _granted(folder, kept, identity), met)


async def _authority(
    folder: DataFolder, secret: str, kept: bytes | None, executor: Executor, entropy: Entropy
) -> Authority | None:
    mesh = None if kept is None else mesh_of_authority(kept)
    if secret:
        try:
            raw = read_secret(secret)
        except WeakSecret as error:
            raise Refused(str(error)) from None
        authority = Authority(await executor.run(passwords.authority_seed, raw), mesh)
        if kept is None or authority.certificate() == kept:
            return authority
        if authority.certificate() not in _former(folder):
            raise Refused(
                f"the data folder {folder.root} belongs to another mesh than the secret given; use that mesh's secret, "
                "or give this node another folder with --data"
            )
        _log.warning("the secret given is of an authority that this mesh has no more; leave THATDAM_SECRET out")
    if kept is not None:
        return _held(folder, kept)
    seed = folder.read_secret(AUTHORITY_KEY)
    if seed is None:
        seed = entropy.token(32)
        folder.write_secret(AUTHORITY_KEY, seed)
    return _from_file(folder, AUTHORITY_KEY, seed, None)


def _held(folder: DataFolder, ca: bytes) -> Authority | None:
    """Give the authority of a mesh CA if its key lies here; one born of a secret does not, nor that of others."""
    for name in (HEIR_KEY.format(_named(ca)), AUTHORITY_KEY):
        seed = folder.read_secret(name)
        if seed is not None:
            authority = _from_file(folder, name, seed, mesh_of_authority(ca))
            if authority.certificate() == ca:
                return authority
    return None


def _born_here(folder: DataFolder, mesh: MeshId) -> bool:
    """Tell whether a mesh is of this node's own chance: no secret and no ticket, whichever authority it has by now."""
    seed = folder.read_secret(AUTHORITY_KEY)
    return seed is not None and _from_file(folder, AUTHORITY_KEY, seed, None).mesh == mesh


def _from_file(folder: DataFolder, name: str, seed: bytes, mesh: MeshId | None) -> Authority:
    if len(seed) != 32:
        raise Corrupt(f"{folder.root / name} is damaged; put it back from a copy, or use another data folder")
    return Authority(seed, mesh)


def _named(ca: bytes) -> str:
    return authority_key_of(ca).hex()[:16]


def _former(folder: DataFolder) -> tuple[bytes, ...]:
    kept = (folder.read_secret(FORMER.format(number)) for number in range(FORMER_MAX))
    return tuple(ca for ca in kept if ca)


def _identity(folder: DataFolder, ca: bytes, authority: Authority | None, now_s: float) -> NodeIdentity:
    seed, former = folder.key.private_bytes_raw(), _former(folder)
    kept, earlier = folder.read_secret(CERTIFICATE), folder.read_secret(EARLIER) or b""
    if kept is not None:
        try:
            identity = NodeIdentity(seed, kept, ca, former, earlier)
            fresh = check_issuer(kept, ca) and not check_certificate(kept, ca, 0.0).due(now_s)
            if authority is None or fresh:
                return identity
        except NotAMember as error:
            if authority is None:
                raise Corrupt(f"{folder.root / CERTIFICATE} is damaged: {error}; start once with the secret") from error
    if authority is None:
        raise Refused(
            f"the data folder {folder.root} has no certificate; start once with the mesh's secret (THATDAM_SECRET), or "
            "with a ticket (`thatdam up --join TICKET`)"
        )
    made = authority.admit(folder.node_id, now_s)
    folder.write_secret(CERTIFICATE, made)
    return NodeIdentity(seed, made, ca, former)


def _granted(folder: DataFolder, ca: bytes, identity: NodeIdentity) -> tuple[str, ...] | None:
    raw = folder.read_secret(ENTRY)
    if raw is None:
        return None
    for authority in (ca, *identity.former):
        try:
            sealed = codec.decode(Sealed, raw)
            return open_roster_entry(sealed, authority_key_of(authority), identity.mesh, 0).roles
        except (NotAMember, Malformed):
            continue
    raise Corrupt(f"{folder.root / ENTRY} is damaged; put it back from a copy, or join anew with another data folder")


# ---------------------------------------------------------------- joining


async def join(
    folder: DataFolder, text: str, roles: Sequence[str], zone: str, clock: Clock, entropy: Entropy
) -> tuple[Host, ...]:
    """Redeem a ticket, unless this folder is of its mesh already; gives where that mesh is. ``roles``: those the node
    was told to take, all others it chooses by itself.

    Refused says why this ticket does not let this folder in; Unavailable, that the admitting node was not reached.
    """
    ticket = read_ticket(text)
    if ticket.node == folder.node_id:
        raise Refused("this node made that ticket itself: it is for another machine, or another data folder (--data)")
    kept, certificate = folder.read_secret(AUTHORITY), folder.read_secret(CERTIFICATE)
    if kept is not None:
        _check_same_mesh(folder, kept, ticket)
        if certificate is not None and not _brings_on(folder, certificate, kept, ticket):
            issuer = _issuer(folder, certificate, kept)
            if check_certificate(certificate, issuer, 0.0).expires_s > clock.wall():
                return ticket.addresses
    elif folder.read_secret(AUTHORITY_KEY) is not None:
        raise _other_mesh(folder, ticket)
    granted({}, roles, ticket.roles)  # a ticket that does not do is not spent
    seed = folder.key.private_bytes_raw()
    newcomer = Newcomer(seed, ticket.authority)

    def say(nonce: bytes) -> Redeem:
        return redeeming(seed, ticket.mesh, ticket.node, nonce, ticket.secret, zone)

    redeemed = await joining.redeem(newcomer, ticket.node, ticket.addresses, say, clock, entropy)
    # What came is checked as anybody else will: a certificate that does not fit is no admission.
    NodeIdentity(seed, redeemed.certificate, redeemed.authority)
    folder.write_secret(COMPANY, b"")
    if kept is not None and kept != redeemed.authority:
        for number, ca in enumerate((kept, *_former(folder))[:FORMER_MAX]):
            folder.write_secret(FORMER.format(number), ca)
    # The entry counts by the authority; the certificate last: a folder that has it has all.
    folder.write_secret(AUTHORITY, redeemed.authority)
    folder.write_secret(ENTRY, codec.encode(redeemed.entry))
    folder.write_secret(CERTIFICATE, redeemed.certificate)
    return ticket.addresses


def _brings_on(folder: DataFolder, certificate: bytes, kept: bytes, ticket: Ticket) -> bool:
    """Tell whether a ticket is of a later authority than the certificate here, which may count no more."""
    known = (kept, *_former(folder))
    if ticket.authority not in known:
        return True
    return known.index(ticket.authority) < known.index(_issuer(folder, certificate, kept))


def _issuer(folder: DataFolder, certificate: bytes, kept: bytes) -> bytes:
    return next((ca for ca in (kept, *_former(folder)) if check_issuer(certificate, ca)), kept)


def _check_same_mesh(folder: DataFolder, kept: bytes, ticket: Ticket) -> None:
    if mesh_of_authority(kept) != ticket.mesh:
        raise _other_mesh(folder, ticket)


def _other_mesh(folder: DataFolder, ticket: Ticket) -> Refused:
    return Refused(
        f"the data folder {folder.root} belongs to another mesh than the ticket ({ticket.mesh[:8]}), and a folder's "
        "mesh is for good; give this node another folder with --data"
    )


# ---------------------------------------------------------------- papers


class FolderPapers:
    """What a running node holds of its standing, in its data folder; ``mesh.actors.admission.Papers``."""

    def __init__(self, folder: DataFolder, executor: Executor) -> None:
        self._folder = folder
        self._executor = executor

    async def keep(self, identity: NodeIdentity) -> None:
        """Keep certificates and authorities, those that are new."""
        await self._executor.run(self._keep, identity)

    def _keep(self, identity: NodeIdentity) -> None:
        # Former authorities before the one that succeeded them: whichever are there, the certificate is someone's.
        for number, ca in enumerate(identity.former):
            self._write(FORMER.format(number), ca)
        self._write(AUTHORITY, identity.authority)
        if identity.earlier:
            self._write(EARLIER, identity.earlier)
        self._write(CERTIFICATE, identity.certificate)

    def _write(self, name: str, data: bytes) -> None:
        if self._folder.read_secret(name) != data:
            self._folder.write_secret(name, data)

    async def keep_authority(self, seed: bytes) -> None:
        """Keep the seed of an authority, by its key's name."""
        name = HEIR_KEY.format(Authority(seed).public_key.hex()[:16])
        await self._executor.run(self._write, name, seed)

    async def authority_of(self, certificate: bytes) -> Authority | None:
        """Give the authority of a mesh CA if its key lies here."""
        return await self._executor.run(_held, self._folder, certificate)

    async def keep_company(self) -> None:
        """Remember that others were invited: from its next start the node listens for them."""
        await self._executor.run(self._write, COMPANY, b"")
