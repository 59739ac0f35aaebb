"""What the transport needs of a node's identity; ``mesh.core.identity.NodeIdentity`` satisfies it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from proto.ids import MeshId, NodeId
from proto.messages.identity import Proof, Sealed


class Judge(Protocol):
    """The time by which certificates are judged."""

    def wall(self) -> float:
        """Give UTC seconds since 1970."""

    def contradicted(self, peer: NodeId, wall_ms: int) -> None:
        """Hear what the clock of a member shows whose certificate is over by this one."""


class Credentials(Protocol):
    """A node's key, certificate and mesh, and the making and checking of proofs."""

    @property
    def node(self) -> NodeId:
        """This node's id."""

    @property
    def mesh(self) -> MeshId:
        """The mesh it belongs to."""

    @property
    def seed(self) -> bytes:
        """The 32 bytes of its private Ed25519 key."""

    @property
    def certificate(self) -> bytes:
        """Its certificate, DER."""

    @property
    def authority(self) -> bytes:
        """The mesh CA, DER."""

    def trusted(self, peer: NodeId | None) -> tuple[bytes, ...]:
        """Give the CAs (DER) that TLS may find behind a peer's certificate."""

    def outdated(self, peer: NodeId, certificate: bytes) -> bool:
        """Tell whether a certificate (DER) that was taken from a peer counts no more: its authority was succeeded."""

    def line(self) -> tuple[tuple[bytes, Sealed], ...]:
        """Give how its authority came to be, signed: what it tells who asks for its id."""

    def hear(self, line: tuple[tuple[bytes, Sealed], ...]) -> bool:
        """Hear that of another node, which nobody has verified; True when more is ``trusted`` now."""

    def faces(self) -> Sequence[Credentials]:
        """Give the credentials to show when dialling, the next one where the one before is refused."""

    @property
    def versions(self) -> tuple[int, int]:
        """The lowest and the highest protocol version it speaks."""

    def prove(self, server: NodeId, nonce: bytes, server_versions: tuple[int, int], lane: int, link: bytes) -> Proof:
        """Make the proof for a server whose id TLS has verified."""

    def ends_s(self, certificate: bytes) -> float:
        """Give when a certificate (DER) is over for everybody, UTC seconds since 1970."""

    def check(self, proof: Proof, nonce: bytes, now_s: float) -> NodeId:
        """Check a dialler's proof; ``ports.Refused`` with the reason when it shows no member."""
