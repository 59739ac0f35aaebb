"""Who may do what: roles of people and programs, and sessions that any node checks alone.

A session is CBOR of {label, mesh id, issuer, user, user epoch, role, expiry}, signed by the issuing node. Any node
that knows the issuer (its id is its key) and the mesh table ``users`` checks it without asking anybody. Raising a
user's epoch ends all of that user's sessions; a revoked issuer's sessions are refused. One session is ended by a row
under its name in the mesh table ``ended_sessions``, which is needed until the session would have expired by itself.

Invariant: deny by default. What is not a valid session or token of this mesh gives nothing.
"""

from __future__ import annotations

import base64
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from proto import codec
from proto.codec import Malformed, Max
from proto.ids import MeshId, NodeId, is_node_id, public_key_of

SESSION_LABEL = "thatdam-session-1"
SESSION_LIFE_S = 12 * 3600
LINK_LIFE_S = 600
TOKEN_PREFIX = "tdt_"  # noqa: S105 - the public beginning of every token
_SIGNATURE_BYTES = 64


class Role(enum.StrEnum):
    """What a person or program may do; each may what the one before may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, needed: Role) -> bool:
        """Tell whether this role may do what ``needed`` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Denied(Exception):
    """Not let in; the text says why in words for the one who asked."""


class TooManyTries(Denied):
    """Wrong too often lately; asks to wait."""


@dataclass(frozen=True, slots=True)
class Session:
    """The signed content of a session. ``expires_ms`` is UTC milliseconds since 1970."""

    label: Annotated[str, Max(32)]
    mesh: Annotated[str, Max(64)]
    issuer: Annotated[str, Max(52)]
    user: Annotated[str, Max(64)]
    user_epoch: int
    role: Role
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks, as checked."""

    user: str
    role: Role
    expires_ms: int


def seal(session: Session, sign: Callable[[bytes], bytes]) -> str:
    """Sign a session and give it as URL-safe text."""
    payload = codec.encode(session)
    return base64.urlsafe_b64encode(payload + sign(payload)).decode().rstrip("=")


def unseal(text: str, mesh: MeshId, now_ms: int, issuer_refused: Callable[[NodeId], str | None]) -> Session:
    """Check a session's signature, mesh, issuer and expiry. The user's epoch and role are the caller's to check."""
    if len(text) > 2048:
        raise Denied("not a session")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        payload, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
        session = codec.decode(Session, payload)
    except (ValueError, Malformed) as error:
        raise Denied("not a session") from error
    if session.label != SESSION_LABEL or session.mesh != mesh or not is_node_id(session.issuer):
        raise Denied("a session of another mesh; sign in again")
    try:
        Ed25519PublicKey.from_public_bytes(public_key_of(session.issuer)).verify(signature, payload)
    except InvalidSignature as error:
        raise Denied("the session's signature is wrong; sign in again") from error
    refused = issuer_refused(NodeId(session.issuer))
    if refused:
        raise Denied(f"the node that signed this session is not accepted ({refused}); sign in again")
    if now_ms >= session.expires_ms:
        raise Denied("the session has expired; sign in again")
    if session.expires_ms - now_ms > (SESSION_LIFE_S + 3600) * 1000:
        raise Denied("the session claims too long a life; sign in again")
    return session


def session_name(session: Session) -> str:
    """Give the name a session has when it is ended: of what was signed, not of the text, which has several spellings.

    Two sessions that one node opened for one person in the same millisecond are one, and end together.
    """
    return blake3(codec.encode(session)).hexdigest()


def token_hash(token: str) -> str:
    """Give the name a token has in the mesh table: never the token itself."""
    return blake3(token.encode()).hexdigest()
