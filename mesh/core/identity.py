"""Who is who: a mesh's authority, node certificates, the proof of a dialler, roster entries and tombstones.

Decides what makes a node a member: a certificate (X.509, RFC 5280; Ed25519, RFC 8410) that the mesh's authority
signed, whose only name is the node's id, which is its key. The server of a connection is verified by TLS against that;
the dialler signs ``ProofContent`` over the server's nonce, so a nonce that a member forwards is worth nothing: the
content names the server that the dialler's TLS verified.

An authority may be succeeded by another one that it signs for. What a former authority signed still counts for the
nodes that the present one lists in its roster: their ids are their keys, so that whoever holds the former authority can
speak for none of them, and can bring in nobody else.

Invariant: everything signed begins with a label of its own, and an id is recomputed from the key, never believed. From
one authority seed every node makes the very same authority certificate, whatever its clock.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from blake3 import blake3
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh.ports import Refused
from proto import codec
from proto.codec import Malformed
from proto.envelope import PROTOCOL_VERSION, PROTOCOL_VERSION_MIN
from proto.ids import MeshId, NodeId, is_node_id, node_id_of, public_key_of, short_id
from proto.messages.identity import (
    HolderContent,
    Proof,
    ProofContent,
    Redeem,
    RedeemContent,
    RosterContent,
    Sealed,
    SuccessionContent,
    TombstoneContent,
)

PROOF_LABEL = "thatdam-proof-1"
REDEEM_LABEL = "thatdam-redeem-1"
ROSTER_LABEL = "thatdam-roster-1"
TOMBSTONE_LABEL = "thatdam-tombstone-1"
SUCCESSION_LABEL = "thatdam-succession-1"
HOLDER_LABEL = "thatdam-holder-1"
CERTIFICATE_LIFE_S = 365 * 86400
SKEW_S = 600
"""How far clocks may disagree about an expiry: a certificate is taken for so long after its end, by TLS too."""
RELEASED_S = 1_793_491_200
"""This release's build date, 2026-11-01 UTC: a clock before it is wrong, and certificates count from here."""
VERSIONS = (PROTOCOL_VERSION_MIN, PROTOCOL_VERSION)

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_FOREVER = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
_SEED_BYTES = 32
C = TypeVar("C")


class NotAMember(Refused):
    """A certificate, proof or signature does not show what it should; the text says what is wrong."""


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _serial(material: bytes) -> int:
    # Positive, and at most 20 bytes as RFC 5280 wants; the same material gives the same certificate.
    return int.from_bytes(blake3(material).digest()[:16], "big") | 1


def mesh_id_of(authority_key_raw: bytes) -> MeshId:
    """Give the id of the mesh that was born with this authority key (32 raw bytes): 26 characters of base32."""
    hashed = blake3(authority_key_raw, derive_key_context="thatdam mesh id 1").digest()
    return MeshId(short_id(hashed[:16]))


class Authority:
    """The key that admits. ``seed`` is 32 bytes: Argon2id of the mesh secret, or chance for a mesh without one."""

    def __init__(self, seed: bytes, mesh: MeshId | None = None) -> None:
        if len(seed) != _SEED_BYTES:
            raise ValueError("an authority's seed is 32 bytes")
        self.seed = seed
        """Whoever has it can admit: it goes nowhere but into a private file, and to a node that is to admit too."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.mesh = mesh or mesh_id_of(_raw(self._key.public_key()))
        """Fixed at birth: a later authority of the same mesh is given the id."""

    @property
    def public_key(self) -> bytes:
        """The raw 32-byte public key."""
        return _raw(self._key.public_key())

    def certificate(self) -> bytes:
        """Give the mesh CA as DER: self-signed, valid for ever, the same bytes each time."""
        return _authority_certificate(self.mesh, self._key.public_key(), self._key)

    def admit(self, node: NodeId, now_s: float) -> bytes:
        """Give a node's certificate as DER, good for a year from ``now_s`` (UTC seconds) or from this release."""
        until = _EPOCH + datetime.timedelta(seconds=int(max(now_s, RELEASED_S)) + CERTIFICATE_LIFE_S + SKEW_S)
        raw = public_key_of(node)
        public = Ed25519PublicKey.from_public_bytes(raw)
        built = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)]))
            .issuer_name(_authority_name(self.mesh))
            .public_key(public)
            .serial_number(_serial(raw + until.isoformat().encode()))
            .not_valid_before(_EPOCH)
            .not_valid_after(until)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(node)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, None)
        )
        return built.public_bytes(Encoding.DER)

    def roster_entry(self, node: NodeId, roles: tuple[str, ...], zone: str, expires_ms: int) -> Sealed:
        """Sign that a node is of the mesh, with these roles, until ``expires_ms``."""
        return self._seal(RosterContent(ROSTER_LABEL, self.mesh, node, roles, zone, expires_ms))

    def tombstone(self, node: NodeId, reason: str) -> Sealed:
        """Sign that a node is of the mesh no more, for ever."""
        return self._seal(TombstoneContent(TOMBSTONE_LABEL, self.mesh, node, reason))

    def succession(self, authority: bytes) -> Sealed:
        """Sign that another authority (its CA, DER, of the same mesh) takes this one's place."""
        if mesh_of_authority(authority) != self.mesh:
            raise ValueError("an authority's successor is of the same mesh")
        return self._seal(SuccessionContent(SUCCESSION_LABEL, self.mesh, authority))

    def holder(self, node: NodeId) -> Sealed:
        """Sign that a node holds this authority: it can admit others."""
        return self._seal(HolderContent(HOLDER_LABEL, self.mesh, node))

    def _seal(self, content: RosterContent | TombstoneContent | SuccessionContent | HolderContent) -> Sealed:
        packed = codec.encode(content)
        return Sealed(packed, self._key.sign(packed))


def _authority_certificate(mesh: MeshId, public: Ed25519PublicKey, signer: Ed25519PrivateKey) -> bytes:
    name = _authority_name(mesh)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(_serial(_raw(public)))
        .not_valid_before(_EPOCH)
        .not_valid_after(_FOREVER)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(signer, None)
    )
    return built.public_bytes(Encoding.DER)


def authority_signature(authority: bytes) -> bytes:
    """Give the 64 bytes of a mesh CA (DER) that cannot be made from its mesh id and key."""
    return _load(authority).signature


def authority_from(mesh: MeshId, key: bytes, signature: bytes) -> bytes:
    """Put a mesh CA (DER) together again from its mesh id, raw public key and signature; NotAMember when it is none."""
    try:
        public = Ed25519PublicKey.from_public_bytes(key)
    except ValueError as error:
        raise NotAMember("the authority's key is not Ed25519") from error
    # The signature is the end of the DER, and the only part that another signer changes.
    made = _authority_certificate(mesh, public, Ed25519PrivateKey.from_private_bytes(bytes(_SEED_BYTES)))
    whole = made[: -len(signature)] + signature
    _verify(key, signature, _load(whole).tbs_certificate_bytes, "not the certificate of a mesh's authority")
    return whole


def _authority_name(mesh: MeshId) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"thatdam mesh {mesh}")])


def mesh_of_authority(authority: bytes) -> MeshId:
    """Give the mesh id that a mesh CA (DER) states; NotAMember when it is no such certificate."""
    certificate = _load(authority)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    prefix = "thatdam mesh "
    if len(names) != 1 or not str(names[0].value).startswith(prefix):
        raise NotAMember("not the certificate of a mesh's authority")
    return MeshId(str(names[0].value).removeprefix(prefix))


@dataclass(frozen=True, slots=True)
class Certificate:
    """A node certificate as checked. Times are UTC seconds since 1970; SKEW_S after ``expires_s`` nobody takes it."""

    node: NodeId
    expires_s: float

    def due(self, now_s: float) -> bool:
        """Tell whether half of its life is over, so that it is time for a new one."""
        return self.expires_s - now_s < CERTIFICATE_LIFE_S / 2


def check_certificate(certificate: bytes, authority: bytes, now_s: float) -> Certificate:
    """Check a node certificate (DER) against the mesh CA (DER); NotAMember says what is wrong with it.

    ``now_s`` is UTC seconds since 1970; a time before this release's build date does not count against anybody.
    """
    leaf, ca = _load(certificate), _load(authority)
    try:
        leaf.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise NotAMember("the certificate is not from this mesh's authority") from error
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        raise NotAMember("the certificate lacks what a node's has") from error
    dns = names.get_values_for_type(x509.DNSName)
    key = leaf.public_key()
    if constraints.ca or len(dns) != 1 or not is_node_id(dns[0]) or not isinstance(key, Ed25519PublicKey):
        raise NotAMember("the certificate is not a node's")
    if node_id_of(_raw(key)) != dns[0]:
        raise NotAMember("the certificate's name is not its key's")
    expires_s = (leaf.not_valid_after_utc - _EPOCH).total_seconds() - SKEW_S
    if now_s > expires_s + SKEW_S:
        raise NotAMember("the certificate has expired")
    return Certificate(NodeId(dns[0]), expires_s)


def certificate_ends_s(certificate: bytes) -> float:
    """Give when a node certificate (DER) is over for everybody: SKEW_S after its expiry; UTC seconds since 1970."""
    return (_load(certificate).not_valid_after_utc - _EPOCH).total_seconds()


def _load(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion) as error:
        raise NotAMember("not a certificate") from error


def common_version(mine: tuple[int, int], theirs: tuple[int, int]) -> int | None:
    """Give the newest protocol version in both ranges (lowest, highest), or None."""
    newest = min(mine[1], theirs[1])
    return newest if newest >= max(mine[0], theirs[0]) else None


def _nobody(_: NodeId) -> bool:
    return False


class Kin(Protocol):
    """What a node has heard of its mesh's authorities; ``mesh.actors.roster.Roster``."""

    def beside(self) -> tuple[bytes, ...]:
        """Give the CAs (DER) of the authorities beside the present one (``mesh.core.lineage``)."""

    def line(self) -> tuple[tuple[bytes, Sealed], ...]:
        """Give how the present authority came to be."""

    def hear(self, line: tuple[tuple[bytes, Sealed], ...]) -> bool:
        """Hear how another node's authority came to be; True when one is beside that was not known."""


class _NoKin:
    def beside(self) -> tuple[bytes, ...]:
        return ()

    def line(self) -> tuple[tuple[bytes, Sealed], ...]:
        return ()

    def hear(self, line: tuple[tuple[bytes, Sealed], ...]) -> bool:
        return False


_NO_KIN = _NoKin()


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """A node's key with its certificate and the mesh CA, both DER: all it needs to be a member.

    ``former`` are CAs that ``authority`` succeeded, the latest first; they count for nodes that are ``listed``, and
    so do those that ``kin`` knows beside it.
    ``earlier`` is this node's certificate from one of them, for peers that have not heard of the succession.

    It satisfies ``mesh.adapters.quic.credentials.Credentials``.
    """

    seed: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    authority: bytes = field(repr=False)
    former: tuple[bytes, ...] = field(default=(), repr=False)
    earlier: bytes = field(default=b"", repr=False)
    listed: Callable[[NodeId], bool] = field(default=_nobody, repr=False, compare=False)
    kin: Kin = field(default=_NO_KIN, repr=False, compare=False)
    node: NodeId = field(init=False)
    mesh: MeshId = field(init=False)

    def __post_init__(self) -> None:
        """Recompute the ids; NotAMember when certificate and key do not belong together."""
        object.__setattr__(self, "node", node_of_seed(self.seed))
        object.__setattr__(self, "mesh", mesh_of_authority(self.authority))
        # Its expiry is judged where it is shown, not here: an expired node still records and serves itself.
        for certificate in (self.certificate, *((self.earlier,) if self.earlier else ())):
            if _checked(certificate, (self.authority, *self.former), 0.0).node != self.node:
                raise NotAMember("the certificate is another node's")

    @property
    def versions(self) -> tuple[int, int]:
        """The lowest and the highest protocol version this node speaks."""
        return VERSIONS

    def trusted(self, peer: NodeId | None) -> tuple[bytes, ...]:
        """Give the CAs (DER) whose certificate is taken from a peer."""
        if peer is None or not self.listed(peer):
            return (self.authority,)
        return (self.authority, *self.former, *self.kin.beside())

    def outdated(self, peer: NodeId, certificate: bytes) -> bool:
        """Tell whether a certificate (DER) taken from a peer counts no more: of another authority, not listed."""
        others = (*self.former, *self.kin.beside())
        return not self.listed(peer) and any(check_issuer(certificate, ca) for ca in others)

    def line(self) -> tuple[tuple[bytes, Sealed], ...]:
        """Give how its authority came to be: the raw key of each former one, and what that signed for the next."""
        return self.kin.line()

    def hear(self, line: tuple[tuple[bytes, Sealed], ...]) -> bool:
        """Hear how another node's authority came to be; True when it is trusted for listed nodes from now on."""
        return self.kin.hear(line)

    def faces(self) -> tuple[NodeIdentity, ...]:
        """Give this identity as it may show itself: as it is, and as a peer knows it that has not heard of the news."""
        if not self.earlier:
            return (self,)
        return (self, replace(self, certificate=self.earlier, earlier=b""))

    def renewed(self, certificate: bytes) -> NodeIdentity:
        """Give this identity with another certificate of the same authority's; NotAMember when it is none."""
        check_certificate(certificate, self.authority, 0.0)
        mine = check_issuer(self.certificate, self.authority)
        return replace(self, certificate=certificate, earlier=self.earlier if mine else self.certificate)

    def succeeded(self, authority: bytes) -> NodeIdentity:
        """Give this identity under the next authority; its certificate stays until there is another one."""
        former = (self.authority, *self.former)[:FORMER_MAX]
        return replace(self, authority=authority, former=former, earlier=b"")

    def sign(self, data: bytes) -> bytes:
        """Sign with the node's key. What is signed begins with a label of its own."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(data)

    def prove(self, server: NodeId, nonce: bytes, server_versions: tuple[int, int], lane: int, link: bytes) -> Proof:
        """Make the proof for a server whose id TLS has verified."""
        content = ProofContent(PROOF_LABEL, self.mesh, server, self.node, nonce, VERSIONS, server_versions)
        return Proof(self.node, *VERSIONS, self.certificate, self.sign(codec.encode(content)), lane, link)

    def ends_s(self, certificate: bytes) -> float:
        """Give when a certificate (DER) is over for everybody, UTC seconds since 1970."""
        return certificate_ends_s(certificate)

    def check(self, proof: Proof, nonce: bytes, now_s: float) -> NodeId:
        """Check, as the server, the proof of a dialler; gives who it is. NotAMember is for the log, in words."""
        claimed = NodeId(proof.node) if is_node_id(proof.node) else None
        if _checked(proof.certificate, self.trusted(claimed), now_s).node != proof.node:
            raise NotAMember("the certificate is another node's")
        theirs = (proof.version_min, proof.version_max)
        content = ProofContent(PROOF_LABEL, self.mesh, self.node, NodeId(proof.node), nonce, theirs, VERSIONS)
        _verify(public_key_of(proof.node), proof.signature, codec.encode(content), "the proof's signature is wrong")
        return NodeId(proof.node)


FORMER_MAX = 4
"""Former authorities that are remembered, so that a node which slept through that many is still known."""


def check_issuer(certificate: bytes, authority: bytes) -> bool:
    """Tell whether a node certificate is this authority's."""
    try:
        check_certificate(certificate, authority, 0.0)
    except NotAMember:
        return False
    return True


def _checked(certificate: bytes, authorities: tuple[bytes, ...], now_s: float) -> Certificate:
    # The present authority's judgement is the one that is told.
    wrong: NotAMember | None = None
    for authority in authorities:
        try:
            return check_certificate(certificate, authority, now_s)
        except NotAMember as error:
            wrong = wrong or error
    raise wrong or NotAMember("no authority is known")


# ---------------------------------------------------------------- tickets


def redeeming(seed: bytes, mesh: MeshId, server: NodeId, nonce: bytes, ticket: bytes, zone: str) -> Redeem:
    """Make what a newcomer says with a ticket, to a server whose id TLS has verified."""
    node = node_of_seed(seed)
    content = RedeemContent(REDEEM_LABEL, mesh, server, node, nonce, ticket)
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(codec.encode(content))
    return Redeem(node, ticket, zone, signature)


def check_redeeming(said: Redeem, mesh: MeshId, server: NodeId, nonce: bytes) -> NodeId:
    """Check that whoever redeems a ticket holds the key it wants admitted."""
    if not is_node_id(said.node):
        raise NotAMember("not a node id")
    content = RedeemContent(REDEEM_LABEL, mesh, server, NodeId(said.node), nonce, said.ticket)
    _verify(public_key_of(said.node), said.signature, codec.encode(content), "the signature is not the newcomer's")
    return NodeId(said.node)


def node_of_seed(seed: bytes) -> NodeId:
    """Give the id of the node whose private key is made from these 32 bytes."""
    return node_id_of(_raw(Ed25519PrivateKey.from_private_bytes(seed).public_key()))


def _verify(key_raw: bytes, signature: bytes, content: bytes, wrong: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key_raw).verify(signature, content)
    except InvalidSignature as error:
        raise NotAMember(wrong) from error


def open_roster_entry(sealed: Sealed, authority_key: bytes, mesh: MeshId, now_ms: int) -> RosterContent:
    """Check a roster entry against the authority's raw key; NotAMember when it is wrong or has expired."""
    entry = _open(sealed, authority_key, RosterContent, ROSTER_LABEL, mesh)
    if now_ms >= entry.expires_ms:
        raise NotAMember("the roster entry has expired")
    return entry


def open_tombstone(sealed: Sealed, authority_key: bytes, mesh: MeshId) -> TombstoneContent:
    """Check a tombstone against the authority's raw key. It never expires."""
    return _open(sealed, authority_key, TombstoneContent, TOMBSTONE_LABEL, mesh)


def open_succession(sealed: Sealed, authority_key: bytes, mesh: MeshId) -> bytes:
    """Check that an authority signed for its successor; gives that one's CA (DER)."""
    content = _open(sealed, authority_key, SuccessionContent, SUCCESSION_LABEL, mesh)
    if mesh_of_authority(content.authority) != mesh or authority_key_of(content.authority) == authority_key:
        raise NotAMember("the successor is no other authority of this mesh")
    return content.authority


def open_holder(sealed: Sealed, authority_key: bytes, mesh: MeshId) -> NodeId:
    """Check that a node holds the authority; gives which."""
    return NodeId(_open(sealed, authority_key, HolderContent, HOLDER_LABEL, mesh).node)


def _open(sealed: Sealed, authority_key: bytes, cls: type[C], label: str, mesh: MeshId) -> C:
    _verify(authority_key, sealed.signature, sealed.content, "not signed by the mesh's authority")
    try:
        content = codec.decode(cls, sealed.content)
    except Malformed as error:
        raise NotAMember("signed, but not what it should be") from error
    stated: Mapping[str, object] = {"label": label, "mesh": mesh}
    if any(getattr(content, name) != value for name, value in stated.items()):
        raise NotAMember("signed for another purpose or mesh")
    return content


def authority_key_of(authority: bytes) -> bytes:
    """Give the raw public key in a mesh CA (DER)."""
    key = _load(authority).public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise NotAMember("the authority's key is not Ed25519")
    return _raw(key)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Who has a key and the CA of a mesh that is not its own yet: enough to verify a server, to prove nothing.

    It satisfies ``mesh.adapters.quic.credentials.Credentials``.
    """

    seed: bytes = field(repr=False)
    authority: bytes = field(repr=False)
    certificate: bytes = b""
    node: NodeId = field(init=False)
    mesh: MeshId = field(init=False)

    def __post_init__(self) -> None:
        """Recompute the ids."""
        object.__setattr__(self, "node", node_of_seed(self.seed))
        object.__setattr__(self, "mesh", mesh_of_authority(self.authority))

    @property
    def versions(self) -> tuple[int, int]:
        """The lowest and the highest protocol version it speaks."""
        return VERSIONS

    def trusted(self, peer: NodeId | None) -> tuple[bytes, ...]:
        """Give the CAs (DER) whose certificate is taken from a peer."""
        return (self.authority,)

    def outdated(self, peer: NodeId, certificate: bytes) -> bool:
        """Nothing is: it keeps no links."""
        return False

    def line(self) -> tuple[tuple[bytes, Sealed], ...]:
        """Tell nothing: nobody asks it."""
        return ()

    def hear(self, line: tuple[tuple[bytes, Sealed], ...]) -> bool:
        """Believe the ticket alone."""
        return False

    def faces(self) -> tuple[Newcomer, ...]:
        """Give the credentials to show when dialling."""
        return (self,)

    def prove(self, server: NodeId, nonce: bytes, server_versions: tuple[int, int], lane: int, link: bytes) -> Proof:
        """Refuse: there is nothing to prove yet."""
        raise NotAMember("a newcomer has no certificate")

    def ends_s(self, certificate: bytes) -> float:
        """Give when a certificate (DER) is over for everybody, UTC seconds since 1970."""
        return certificate_ends_s(certificate)

    def check(self, proof: Proof, nonce: bytes, now_s: float) -> NodeId:
        """Refuse: a newcomer lets nobody in."""
        raise NotAMember("a newcomer lets nobody in")
