"""Who is a member is shown by keys and signatures, never by what a message says of itself."""

import dataclasses
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from mesh.core.identity import (
    CERTIFICATE_LIFE_S,
    PROOF_LABEL,
    RELEASED_S,
    ROSTER_LABEL,
    SKEW_S,
    TOMBSTONE_LABEL,
    VERSIONS,
    Authority,
    NodeIdentity,
    NotAMember,
    authority_key_of,
    check_certificate,
    common_version,
    mesh_of_authority,
    node_of_seed,
    open_roster_entry,
    open_tombstone,
)
from proto import codec
from proto.ids import is_node_id, is_short_id, public_key_of
from proto.messages.identity import ProofContent, RosterContent, Sealed, TombstoneContent

AUTHORITY = Authority(b"a" * 32)
STRANGERS = Authority(b"b" * 32)
NONCE = bytes(range(32))
YEAR_2100_S = 4_102_444_800.0
seeds = st.binary(min_size=32, max_size=32)


def member(seed: bytes, authority: Authority = AUTHORITY, now_s: float = 0.0) -> NodeIdentity:
    return NodeIdentity(seed, authority.admit(node_of_seed(seed), now_s), authority.certificate())


ALICE, BOB, CAROL = (member(letter * 32) for letter in (b"1", b"2", b"3"))


def certificate(
    *,
    signer: bytes = b"a" * 32,
    public: Ed25519PublicKey | ec.EllipticCurvePublicKey | None = None,
    names: list[x509.GeneralName] | None = None,
    ca: bool = False,
    with_names: bool = True,
) -> bytes:
    """Give a certificate such as the mesh's authority would sign, but for one thing that the test wants wrong."""
    key = public or Ed25519PublicKey.from_public_bytes(public_key_of(ALICE.node))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"thatdam mesh {AUTHORITY.mesh}")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key)
        .serial_number(1)
        .not_valid_before(datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if with_names:
        stated = names if names is not None else [x509.DNSName(ALICE.node)]
        builder = builder.add_extension(x509.SubjectAlternativeName(stated), critical=False)
    return builder.sign(Ed25519PrivateKey.from_private_bytes(signer), None).public_bytes(Encoding.DER)


# ---------------------------------------------------------------- authority


@given(seeds)
def test_one_seed_gives_one_authority_whatever_node_makes_it(seed):
    one, other = Authority(seed), Authority(seed)
    assert one.certificate() == other.certificate()
    assert one.mesh == other.mesh
    assert is_short_id(one.mesh)
    assert mesh_of_authority(one.certificate()) == one.mesh
    assert authority_key_of(one.certificate()) == one.public_key


@given(seeds, seeds)
def test_another_seed_is_another_mesh(seed, other):
    assert (Authority(seed).mesh == Authority(other).mesh) == (seed == other)


def test_a_later_authority_of_a_mesh_keeps_its_id():
    later = Authority(b"c" * 32, AUTHORITY.mesh)
    assert mesh_of_authority(later.certificate()) == AUTHORITY.mesh
    with pytest.raises(NotAMember):
        check_certificate(ALICE.certificate, later.certificate(), 0.0)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_is_32_bytes(size):
    with pytest.raises(ValueError):
        Authority(bytes(size))


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"-----BEGIN CERTIFICATE-----", ALICE.certificate])
def test_what_is_no_authoritys_certificate_names_no_mesh(der):
    with pytest.raises(NotAMember):
        mesh_of_authority(der)


# ---------------------------------------------------------------- certificates


@given(seeds, st.floats(0, 4e9))
def test_a_nodes_certificate_names_its_key_and_lasts_a_year(seed, now_s):
    node = node_of_seed(seed)
    found = check_certificate(AUTHORITY.admit(node, now_s), AUTHORITY.certificate(), now_s)
    assert found.node == node
    assert is_node_id(found.node)
    assert found.expires_s == int(max(now_s, RELEASED_S)) + CERTIFICATE_LIFE_S


def test_a_machine_that_woke_up_in_1970_is_admitted_and_admits():
    made = AUTHORITY.admit(ALICE.node, 0.0)
    assert check_certificate(made, AUTHORITY.certificate(), 0.0).expires_s > RELEASED_S
    assert x509.load_der_x509_certificate(made).not_valid_before_utc.year == 1970


def test_a_certificate_ends():
    ends_s = check_certificate(ALICE.certificate, AUTHORITY.certificate(), 0.0).expires_s
    check_certificate(ALICE.certificate, AUTHORITY.certificate(), ends_s)
    with pytest.raises(NotAMember, match="expired"):
        check_certificate(ALICE.certificate, AUTHORITY.certificate(), ends_s + SKEW_S + 1)


def test_clocks_may_disagree_about_the_end_by_ten_minutes_for_tls_too():
    ends_s = check_certificate(ALICE.certificate, AUTHORITY.certificate(), 0.0).expires_s
    check_certificate(ALICE.certificate, AUTHORITY.certificate(), ends_s + SKEW_S)
    assert (
        x509.load_der_x509_certificate(ALICE.certificate).not_valid_after_utc.timestamp()
        == ends_s + SKEW_S
        == (ends_s + 600)
    )


def test_it_is_due_for_renewal_at_half_its_life():
    found = check_certificate(AUTHORITY.admit(ALICE.node, RELEASED_S), AUTHORITY.certificate(), 0.0)
    assert not found.due(RELEASED_S + CERTIFICATE_LIFE_S / 2 - 1)
    assert found.due(RELEASED_S + CERTIFICATE_LIFE_S / 2 + 1)


@pytest.mark.parametrize(
    ("der", "why"),
    [
        (b"", "not a certificate"),
        (b"\x30\x82\x01\x00", "not a certificate"),
        (ALICE.certificate[:-1], "not a certificate"),
        (member(b"1" * 32, STRANGERS).certificate, "not from this mesh"),
        (certificate(signer=b"b" * 32), "not from this mesh"),
        (AUTHORITY.certificate(), "lacks"),
        (certificate(with_names=False), "lacks"),
        (certificate(ca=True), "not a node's"),
        (certificate(names=[]), "not a node's"),
        (certificate(names=[x509.DNSName(ALICE.node), x509.DNSName(BOB.node)]), "not a node's"),
        (certificate(names=[x509.DNSName("example.org")]), "not a node's"),
        (certificate(names=[x509.RFC822Name("a@example.org")]), "not a node's"),
        (certificate(public=ec.generate_private_key(ec.SECP256R1()).public_key()), "not a node's"),
        (certificate(names=[x509.DNSName(BOB.node)]), "not its key's"),
    ],
    ids=(
        *("nothing", "header", "cut", "of another mesh", "signed by a member", "the authority's", "no names"),
        *("an authority", "empty names", "two names", "a host's", "a mail address", "another kind of key"),
        "another's name",
    ),
)
def test_what_a_members_certificate_is_not(der, why):
    with pytest.raises(NotAMember, match=why):
        check_certificate(der, AUTHORITY.certificate(), RELEASED_S)


@given(st.integers(0, len(ALICE.certificate) - 1), st.integers(1, 255))
@example(12, 1)
@example(len(ALICE.certificate) - 65, 1)
def test_a_certificate_with_any_byte_changed_is_nobodys_or_says_the_same(at, by):
    changed = bytearray(ALICE.certificate)
    changed[at] ^= by
    try:
        found = check_certificate(bytes(changed), AUTHORITY.certificate(), RELEASED_S)
    except NotAMember:
        return
    # DER lets the count of unused bits of the signature vary where those bits are zero: what was signed is the same.
    assert at == len(ALICE.certificate) - 65
    assert found == check_certificate(ALICE.certificate, AUTHORITY.certificate(), RELEASED_S)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_certificate_or_not_a_member(der):
    with pytest.raises(NotAMember):
        check_certificate(der, AUTHORITY.certificate(), RELEASED_S)


def test_an_identity_is_made_of_things_that_belong_together():
    with pytest.raises(NotAMember, match="another node's"):
        NodeIdentity(b"9" * 32, ALICE.certificate, AUTHORITY.certificate())
    with pytest.raises(NotAMember, match="not from this mesh"):
        NodeIdentity(ALICE.seed, ALICE.certificate, STRANGERS.certificate())


def test_an_expired_node_is_still_itself():
    assert NodeIdentity(ALICE.seed, AUTHORITY.admit(ALICE.node, 0.0), AUTHORITY.certificate()).node == ALICE.node


def test_no_key_is_shown_in_logs():
    assert "1111" not in repr(ALICE)
    assert repr(ALICE.seed) not in repr(ALICE)


# ---------------------------------------------------------------- the proof


def test_a_proof_shows_who_dials():
    proof = ALICE.prove(BOB.node, NONCE, VERSIONS, 0, b"")
    assert BOB.check(proof, NONCE, RELEASED_S) == ALICE.node


@given(seeds, seeds, st.binary(min_size=32, max_size=32))
def test_any_member_can_prove_itself_to_any_other(dialler, server, nonce):
    one, other = member(dialler), member(server)
    assert other.check(one.prove(other.node, nonce, VERSIONS, 0, b""), nonce, RELEASED_S) == one.node


def test_a_proof_for_another_nonce_is_worth_nothing():
    with pytest.raises(NotAMember, match="signature"):
        BOB.check(ALICE.prove(BOB.node, bytes(32), VERSIONS, 0, b""), NONCE, RELEASED_S)


def test_a_proof_made_for_a_forwarder_is_worth_nothing_elsewhere():
    # Carol forwards Bob's nonce to Alice, who signs what TLS showed her: Carol.
    with pytest.raises(NotAMember, match="signature"):
        BOB.check(ALICE.prove(CAROL.node, NONCE, VERSIONS, 0, b""), NONCE, RELEASED_S)


def test_a_proof_of_another_mesh_is_refused():
    stranger = member(b"1" * 32, STRANGERS)
    with pytest.raises(NotAMember, match="not from this mesh"):
        BOB.check(stranger.prove(BOB.node, NONCE, VERSIONS, 0, b""), NONCE, RELEASED_S)


def test_a_stranger_with_a_members_certificate_is_refused():
    stranger = member(b"7" * 32, STRANGERS)
    proof = stranger.prove(BOB.node, NONCE, VERSIONS, 0, b"")
    for claimed in (stranger.node, ALICE.node):
        with pytest.raises(NotAMember):
            BOB.check(dataclasses.replace(proof, node=claimed, certificate=ALICE.certificate), NONCE, RELEASED_S)


def test_a_member_does_not_pass_for_another():
    proof = ALICE.prove(BOB.node, NONCE, VERSIONS, 0, b"")
    with pytest.raises(NotAMember, match="another node's"):
        BOB.check(dataclasses.replace(proof, node=CAROL.node), NONCE, RELEASED_S)
    with pytest.raises(NotAMember, match="another node's"):
        BOB.check(dataclasses.replace(proof, certificate=CAROL.certificate), NONCE, RELEASED_S)
    changed = dataclasses.replace(proof, node=CAROL.node, certificate=CAROL.certificate)
    with pytest.raises(NotAMember, match="signature"):
        BOB.check(changed, NONCE, RELEASED_S)


def test_an_expired_dialler_is_refused():
    with pytest.raises(NotAMember, match="expired"):
        BOB.check(ALICE.prove(BOB.node, NONCE, VERSIONS, 0, b""), NONCE, YEAR_2100_S)


def test_the_version_ranges_are_signed_so_that_nobody_talks_them_down():
    proof = ALICE.prove(BOB.node, NONCE, VERSIONS, 0, b"")
    with pytest.raises(NotAMember, match="signature"):
        BOB.check(dataclasses.replace(proof, version_min=0), NONCE, RELEASED_S)
    with pytest.raises(NotAMember, match="signature"):
        BOB.check(ALICE.prove(BOB.node, NONCE, (0, 9), 0, b""), NONCE, RELEASED_S)


def signed(label: str, **changed: object) -> bytes:
    content = ProofContent(label, ALICE.mesh, BOB.node, ALICE.node, NONCE, VERSIONS, VERSIONS)
    return ALICE.sign(codec.encode(dataclasses.replace(content, **changed)))


@pytest.mark.parametrize("label", ["", "thatdam-proof-0", ROSTER_LABEL, TOMBSTONE_LABEL])
def test_a_signature_with_another_label_is_no_proof(label):
    proof = ALICE.prove(BOB.node, NONCE, VERSIONS, 0, b"")
    assert BOB.check(dataclasses.replace(proof, signature=signed(PROOF_LABEL)), NONCE, RELEASED_S) == ALICE.node
    with pytest.raises(NotAMember, match="signature"):
        BOB.check(dataclasses.replace(proof, signature=signed(label)), NONCE, RELEASED_S)


@pytest.mark.parametrize("changed", [{"mesh": STRANGERS.mesh}, {"server": CAROL.node}, {"dialler": CAROL.node}])
def test_every_part_of_what_is_signed_counts(changed):
    proof = dataclasses.replace(
        ALICE.prove(BOB.node, NONCE, VERSIONS, 0, b""), signature=signed(PROOF_LABEL, **changed)
    )
    with pytest.raises(NotAMember, match="signature"):
        BOB.check(proof, NONCE, RELEASED_S)


@given(st.integers(0, 63), st.integers(1, 255))
def test_a_changed_signature_is_refused(at, by):
    proof = ALICE.prove(BOB.node, NONCE, VERSIONS, 0, b"")
    changed = bytearray(proof.signature)
    changed[at] ^= by
    with pytest.raises(NotAMember, match="signature"):
        BOB.check(dataclasses.replace(proof, signature=bytes(changed)), NONCE, RELEASED_S)


@given(st.tuples(st.integers(0, 9), st.integers(0, 9)), st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_two_nodes_speak_the_newest_version_both_know(mine, theirs):
    both = set(range(mine[0], mine[1] + 1)) & set(range(theirs[0], theirs[1] + 1))
    assert common_version(mine, theirs) == (max(both) if both else None)


# ---------------------------------------------------------------- authorities beside the present one


class Beside:
    """A roster that knows of one authority beside the present one."""

    def __init__(self, *authorities):
        self.known = tuple(one.certificate() for one in authorities)

    def beside(self):
        return self.known

    def line(self):
        return ()

    def hear(self, line):
        return False


def test_certificates_of_an_authority_beside_count_for_listed_nodes_alone():
    other = Authority(b"o" * 32, AUTHORITY.mesh)
    bob = member(b"b" * 32, other)
    proof = bob.prove(ALICE.node, NONCE, VERSIONS, 0, b"")
    for listed, kin in ((True, Beside(other)), (False, Beside(other)), (True, Beside())):
        alice = dataclasses.replace(ALICE, listed=lambda _, listed=listed: listed, kin=kin)
        if listed and kin.known:
            assert alice.check(proof, NONCE, 0.0) == bob.node
            assert other.certificate() in alice.trusted(bob.node)
            assert not alice.outdated(bob.node, bob.certificate)
        else:
            assert other.certificate() not in alice.trusted(bob.node)
            with pytest.raises(NotAMember):
                alice.check(proof, NONCE, 0.0)
        assert other.certificate() not in alice.trusted(None)
    assert dataclasses.replace(ALICE, kin=Beside(other)).outdated(bob.node, bob.certificate)


# ---------------------------------------------------------------- roster and tombstones


def test_a_roster_entry_is_what_the_authority_signed():
    sealed = AUTHORITY.roster_entry(ALICE.node, ("storage", "proxy"), "attic", 1000)
    entry = open_roster_entry(sealed, AUTHORITY.public_key, AUTHORITY.mesh, 999)
    assert (entry.node, entry.roles, entry.zone) == (ALICE.node, ("storage", "proxy"), "attic")
    with pytest.raises(NotAMember, match="expired"):
        open_roster_entry(sealed, AUTHORITY.public_key, AUTHORITY.mesh, 1000)


def test_a_tombstone_is_for_ever():
    sealed = AUTHORITY.tombstone(ALICE.node, "stolen")
    found = open_tombstone(sealed, AUTHORITY.public_key, AUTHORITY.mesh)
    assert (found.node, found.reason) == (ALICE.node, "stolen")


def test_the_one_is_not_taken_for_the_other():
    entry, tombstone = AUTHORITY.roster_entry(ALICE.node, (), "", 10), AUTHORITY.tombstone(ALICE.node, "")
    with pytest.raises(NotAMember):
        open_tombstone(entry, AUTHORITY.public_key, AUTHORITY.mesh)
    with pytest.raises(NotAMember):
        open_roster_entry(tombstone, AUTHORITY.public_key, AUTHORITY.mesh, 0)


@pytest.mark.parametrize(
    "content",
    [
        RosterContent(TOMBSTONE_LABEL, AUTHORITY.mesh, ALICE.node, (), "", 10),
        RosterContent(ROSTER_LABEL, STRANGERS.mesh, ALICE.node, (), "", 10),
        TombstoneContent(ROSTER_LABEL, AUTHORITY.mesh, ALICE.node, ""),
    ],
)
def test_label_and_mesh_are_part_of_what_was_signed(content):
    packed = codec.encode(content)
    sealed = Sealed(packed, Ed25519PrivateKey.from_private_bytes(b"a" * 32).sign(packed))
    with pytest.raises(NotAMember):
        open_roster_entry(sealed, AUTHORITY.public_key, AUTHORITY.mesh, 0)


@pytest.mark.parametrize("signer", [STRANGERS, Authority(b"c" * 32, AUTHORITY.mesh)])
def test_only_the_authority_signs(signer):
    with pytest.raises(NotAMember, match="not signed"):
        open_roster_entry(signer.roster_entry(ALICE.node, (), "", 10), AUTHORITY.public_key, AUTHORITY.mesh, 0)
    with pytest.raises(NotAMember, match="not signed"):
        open_tombstone(signer.tombstone(ALICE.node, ""), AUTHORITY.public_key, AUTHORITY.mesh)


@given(st.data())
def test_a_changed_seal_is_broken(data):
    sealed = AUTHORITY.roster_entry(ALICE.node, ("storage",), "attic", 1000)
    content = bytearray(sealed.content)
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NotAMember, match="not signed"):
        open_roster_entry(Sealed(bytes(content), sealed.signature), AUTHORITY.public_key, AUTHORITY.mesh, 0)


@pytest.mark.parametrize("junk", [b"", b"\x80", b"not cbor", b"\x9f"])
def test_signed_junk_is_refused(junk):
    sealed = Sealed(junk, Ed25519PrivateKey.from_private_bytes(b"a" * 32).sign(junk))
    with pytest.raises(NotAMember):
        open_tombstone(sealed, AUTHORITY.public_key, AUTHORITY.mesh)
