"""Tickets as people carry them, and the authority inside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.core.identity import (
    Authority,
    NotAMember,
    authority_from,
    authority_key_of,
    authority_signature,
    check_redeeming,
    node_of_seed,
    redeeming,
)
from mesh.core.tickets import ADDRESSES_MAX, Ticket, is_ticket, read_ticket, write_ticket
from mesh.ports import Refused
from proto.messages.identity import NONCE_BYTES

AUTHORITY = Authority(b"a" * 32)
NODE = node_of_seed(b"1" * 32)
seeds = st.binary(min_size=32, max_size=32)
hosts = st.tuples(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=40), st.integers(1, 65535)
)


def ticket(**changed):
    fields = {
        "secret": b"s" * 16,
        "authority": AUTHORITY.certificate(),
        "node": NODE,
        "addresses": (("192.168.1.20", 8326), ("fd00::1", 8326)),
        "roles": ("proxy", "storage"),
        "expires_s": 1_800_000_000,
    }
    return Ticket(**(fields | changed))


@given(
    seeds, seeds, st.lists(hosts, max_size=ADDRESSES_MAX), st.binary(min_size=16, max_size=16), st.integers(0, 1 << 40)
)
def test_a_ticket_is_read_as_it_was_written(authority, node, addresses, secret, expires_s):
    made = ticket(
        authority=Authority(authority).certificate(),
        node=node_of_seed(node),
        addresses=tuple(addresses),
        secret=secret,
        expires_s=expires_s,
    )
    assert read_ticket(write_ticket(made)) == made


def test_case_spaces_dashes_and_line_ends_do_not_matter():
    text = write_ticket(ticket())
    spread = "-".join(text[at : at + 7] for at in range(0, len(text), 7)).upper()
    assert read_ticket(f"  {spread[:90]}\n   {spread[90:]} ") == ticket()


@given(st.data())
def test_a_slip_is_told(data):
    text = write_ticket(ticket())
    at = data.draw(st.integers(3, len(text) - 1))
    other = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567").filter(lambda letter: letter != text[at]))
    for wrong in (text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :], text[: at + 1]):
        if wrong != text:
            with pytest.raises(Refused, match=r"copy the whole|invite"):
                read_ticket(wrong)


@pytest.mark.parametrize(
    "text", ["", "tdj", "hello", "tds-abc", "tdj" + "a" * 5000, "tdj\x00", "tdjé", "127.0.0.1:8326"]
)
def test_what_is_no_ticket_is_told_with_what_to_do(text):
    with pytest.raises(Refused, match="invite"):
        read_ticket(text)


@given(st.text(max_size=300))
def test_any_text_is_a_ticket_or_refused(text):
    with pytest.raises(Refused):
        read_ticket("tdj" + text)


def test_an_address_is_no_ticket():
    assert is_ticket(write_ticket(ticket()))
    assert is_ticket("TDJ-ABC")
    for text in ("tdj.example.org", "tdj.example.org:8326", "192.168.1.20", "[fd00::1]:8326", "host"):
        assert not is_ticket(text)


def test_a_ticket_in_a_qr_code_fits_a_terminal_of_80_columns():
    import segno

    four = tuple((f"192.168.100.{number}", 8326) for number in range(100, 104))
    text = write_ticket(ticket(addresses=four, roles=("proxy", "daemon", "storage", "encoder")))
    assert segno.make(text.upper(), error="l", micro=False).symbol_size(border=2)[0] <= 80


@given(seeds)
def test_an_authoritys_certificate_is_put_together_from_its_key_and_signature(seed):
    made = Authority(seed)
    whole = made.certificate()
    assert authority_from(made.mesh, made.public_key, authority_signature(whole)) == whole
    later = Authority(seed, AUTHORITY.mesh).certificate()
    assert authority_from(AUTHORITY.mesh, authority_key_of(later), authority_signature(later)) == later


def test_a_certificate_that_its_key_did_not_sign_is_none():
    other = Authority(b"b" * 32)
    with pytest.raises(NotAMember):
        authority_from(AUTHORITY.mesh, AUTHORITY.public_key, authority_signature(other.certificate()))
    with pytest.raises(NotAMember):
        authority_from(other.mesh, AUTHORITY.public_key, authority_signature(AUTHORITY.certificate()))


def test_who_redeems_holds_the_key_it_wants_admitted_and_says_so_for_this_server_and_nonce():
    nonce, mesh = bytes(NONCE_BYTES), AUTHORITY.mesh
    said = redeeming(b"2" * 32, mesh, NODE, nonce, b"t" * 16, "attic")
    assert check_redeeming(said, mesh, NODE, nonce) == node_of_seed(b"2" * 32)
    elsewhere = node_of_seed(b"3" * 32)
    for other in (
        (mesh, elsewhere, nonce),
        (mesh, NODE, b"\x01" * NONCE_BYTES),
        (Authority(b"b" * 32).mesh, NODE, nonce),
    ):
        with pytest.raises(NotAMember, match="signature"):
            check_redeeming(said, *other)
    import dataclasses

    for changed in ({"node": elsewhere}, {"ticket": b"u" * 16}, {"node": "nobody"}):
        with pytest.raises(NotAMember):
            check_redeeming(dataclasses.replace(said, **changed), mesh, NODE, nonce)
