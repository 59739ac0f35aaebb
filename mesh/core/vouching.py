"""What a node says of itself, signed: that it lives under an incarnation with an info, or that it has left.

Without this any member could raise another's incarnation, change where it is said to be, or have it forgotten by
saying that it left. Suspicion and death need no signature, for the one they are about can refute them; they count only
for an incarnation that is proven. It costs some 70 bytes a change, none while nothing changes, and one check a change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from proto import codec
from proto.ids import NodeId, public_key_of
from proto.messages.membership import NodeInfo, Rumour, State

LABEL = "thatdam-member-1"


@dataclass(frozen=True, slots=True)
class _Statement:
    label: str
    node: NodeId
    left: bool
    incarnation: int
    info: NodeInfo


class Vouching(Protocol):
    """How a node signs for itself, and how others check it."""

    def sign(self, content: bytes) -> bytes:
        """Sign as this node."""

    def holds(self, node: NodeId, content: bytes, proof: bytes) -> bool:
        """Tell whether a node signed this."""


@dataclass(frozen=True, slots=True)
class Signatures:
    """A ``Vouching`` by the nodes' own keys; ``key`` signs with this node's."""

    key: Callable[[bytes], bytes]

    def sign(self, content: bytes) -> bytes:
        """Sign as this node."""
        return self.key(content)

    def holds(self, node: NodeId, content: bytes, proof: bytes) -> bool:
        """Check a signature; an id is its node's key."""
        return signed_by(node, content, proof)


def signed_by(node: NodeId, content: bytes, proof: bytes) -> bool:
    """Tell whether a node's key made this signature."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key_of(node)).verify(proof, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def statement(node: NodeId, state: State, incarnation: int, info: NodeInfo) -> bytes:
    """Give what a node signs: whoever suspects it or thinks it dead passes on that it lived."""
    return codec.encode(_Statement(LABEL, node, state is State.LEFT, incarnation, info))


def vouched(rumour: Rumour, info: NodeInfo, vouching: Vouching) -> bool:
    """Tell whether the node of a rumour itself said what there is to prove in it."""
    said = statement(rumour.node, rumour.state, rumour.incarnation, info)
    return bool(rumour.proof) and vouching.holds(rumour.node, said, rumour.proof)
