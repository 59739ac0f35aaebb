"""Tickets: what lets one machine into a mesh once, as people carry it.

A ticket is ``tdj`` and letters of base32 (RFC 4648): CBOR of what a newcomer needs, and a check of 20 bits. It names
the one node that redeems it, where that node can be reached, and the mesh's authority, so that the newcomer verifies
the node by TLS before it says the ticket's secret. Case, spaces and dashes do not matter; so a QR code can hold it in
its own small alphabet.

Invariant: what is no whole ticket is told apart from one of another kind, in a sentence that says what to do.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Annotated

from blake3 import blake3

from mesh.core.identity import NotAMember, authority_from, authority_key_of, authority_signature, mesh_of_authority
from mesh.ports import Host, Refused
from proto import codec
from proto.codec import Exactly, Malformed, Max
from proto.ids import MeshId, NodeId, node_id_of, public_key_of, short_id
from proto.messages.identity import TICKET_BYTES

PREFIX = "tdj"
FORM = 1
ADDRESSES_MAX = 4
"""Addresses in a ticket: its QR code has to fit a terminal of 80 columns."""
TEXT_MAX = 4096
ROLES_MAX = 8
_CHECK = 4
_HOW = "copy the whole of it again, or have another made with `thatdam invite`"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket, read. ``authority`` is the mesh CA (DER); ``node`` redeems it; ``expires_s`` is UTC since 1970."""

    secret: bytes
    authority: bytes
    node: NodeId
    addresses: tuple[Host, ...]
    roles: tuple[str, ...]
    expires_s: int

    @property
    def mesh(self) -> MeshId:
        """The mesh it leads into."""
        return mesh_of_authority(self.authority)


@dataclass(frozen=True, slots=True)
class _Form:
    form: int
    secret: Annotated[bytes, Exactly(TICKET_BYTES)]
    mesh: Annotated[bytes, Exactly(16)]
    authority: Annotated[bytes, Exactly(32)]
    signature: Annotated[bytes, Exactly(64)]
    node: Annotated[bytes, Exactly(32)]
    addresses: Annotated[tuple[tuple[Annotated[str, Max(255)], Annotated[int, Max(65535)]], ...], Max(ADDRESSES_MAX)]
    roles: Annotated[tuple[Annotated[str, Max(16)], ...], Max(ROLES_MAX)]
    expires_s: Annotated[int, Max(1 << 40)]


def is_ticket(text: str) -> bool:
    """Tell whether somebody means a ticket by a text: no address begins so."""
    return _letters(text[:TEXT_MAX]).startswith(PREFIX) and "." not in text and ":" not in text


def write_ticket(ticket: Ticket) -> str:
    """Give a ticket's text."""
    form = _Form(
        FORM,
        ticket.secret,
        base64.b32decode(ticket.mesh.upper() + "======"),
        authority_key_of(ticket.authority),
        authority_signature(ticket.authority),
        public_key_of(ticket.node),
        ticket.addresses[:ADDRESSES_MAX],
        ticket.roles,
        ticket.expires_s,
    )
    body = base64.b32encode(codec.encode(form)).decode().rstrip("=").lower()
    return PREFIX + body + _check(body)


def read_ticket(text: str) -> Ticket:
    """Read a ticket's text; Refused says what is wrong with it and what to do."""
    letters = _letters(text[: TEXT_MAX + 1])
    if len(text) > TEXT_MAX or not letters.startswith(PREFIX):
        raise Refused(f"that is no ticket: one begins with {PREFIX!r}; {_HOW}")
    body, check = letters[len(PREFIX) : -_CHECK], letters[-_CHECK:]
    if check != _check(body):
        raise Refused(f"the ticket has a slip in it (a letter missing or changed); {_HOW}")
    try:
        form = codec.decode(_Form, base64.b32decode(body.upper() + "=" * (-len(body) % 8)))
        if form.form != FORM:
            raise Refused("the ticket was made by another release of ThatDAM; install the same one on both machines")
        authority = authority_from(MeshId(short_id(form.mesh)), form.authority, form.signature)
        node = node_id_of(form.node)
    except (ValueError, Malformed, NotAMember) as error:
        raise Refused(f"that is no ticket: {error}; {_HOW}") from error
    return Ticket(form.secret, authority, node, form.addresses, form.roles, form.expires_s)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isascii() and letter.isalnum())


def _check(body: str) -> str:
    digest = blake3(body.encode(), derive_key_context="thatdam ticket check 1").digest()
    return base64.b32encode(digest).decode()[:_CHECK].lower()
