"""Identity messages: the proof of a dialler, the id question, and what an authority or a node signs.

The frames of the proof are the only things an unproven peer may send; each is under ``PROOF_FRAME_BYTES_MAX``. What is
signed is CBOR whose first element is a label of its own, so that no signature can be taken for another.
"""

from __future__ import annotations

from typing import Annotated

from proto.codec import Exactly, Max, message

Node = Annotated[str, Max(52)]
Mesh = Annotated[str, Max(64)]
Version = Annotated[int, Max(65535)]
Port = Annotated[int, Max(65535)]
Signature = Annotated[bytes, Exactly(64)]

NONCE_BYTES = 32
LINK_BYTES = 16
TICKET_BYTES = 16
LINE_MAX = 5
"""Successions that are told to who asks for an id."""
LIFE_BYTES = 16
AGE_MS_MAX = 1 << 50
Ticket = Annotated[bytes, Exactly(TICKET_BYTES)]
Life = Annotated[bytes, Max(LIFE_BYTES)]
Age = Annotated[int, Max(AGE_MS_MAX)]
Key = Annotated[bytes, Exactly(32)]


@message(200)
class Challenge:
    """Server to dialler, first: a nonce of this connection, used once, and the server's version range."""

    nonce: Annotated[bytes, Exactly(NONCE_BYTES)]
    version_min: Version
    version_max: Version


@message(201)
class Proof:
    """Dialler to server, once: who it is, its certificate (DER), its signature over ``ProofContent``.

    ``lane`` says what the connection is for; a lane beside the main one names the standing ``link`` it joins. On the
    main one ``bulk_port`` is the TCP port of the dialler's bulk lane (0: it has none), ``life`` a token of this run of
    its process, which has run for ``age_ms``, and ``wall_ms`` what its machine's clock shows.
    """

    node: Node
    version_min: Version
    version_max: Version
    certificate: Annotated[bytes, Max(2048)]
    signature: Signature
    lane: Annotated[int, Max(3)] = 0
    link: Annotated[bytes, Max(LINK_BYTES)] = b""
    bulk_port: Port = 0
    life: Life = b""
    age_ms: Age = 0
    wall_ms: Annotated[int, Max(1 << 50)] = 0


@message(202)
class Welcome:
    """Server to dialler: proven. The link's id, the version both speak from here on, the server's run and its age.

    ``bulk_port`` is the TCP port of the server's bulk lane; 0: it has none.
    """

    link: Annotated[bytes, Exactly(LINK_BYTES)]
    version: Version
    bulk_port: Port = 0
    life: Life = b""
    age_ms: Age = 0


@message(203)
class IdAnswer:
    """The one message on the id question's ALPN: a hint that the next connection verifies.

    ``line`` is how the node came to the authority it goes by: the key of each former one and what that signed
    (``SuccessionContent``) for the next, the oldest first.
    """

    node: Node
    mesh: Mesh
    life: Life = b""
    line: Annotated[tuple[tuple[Key, Sealed], ...], Max(LINE_MAX)] = ()


@message(204)
class ProofContent:
    """What a dialler signs. ``server`` is the id that TLS verified, ``dialler`` the signer's own."""

    label: Annotated[str, Max(32)]
    mesh: Mesh
    server: Node
    dialler: Node
    nonce: Annotated[bytes, Exactly(NONCE_BYTES)]
    dialler_versions: tuple[Version, Version]
    server_versions: tuple[Version, Version]


@message(205)
class Redeem:
    """Newcomer to server, once, on the tickets' ALPN: who wants to be admitted, and the ticket's secret.

    ``signature`` is the newcomer's over ``RedeemContent``.
    """

    node: Node
    ticket: Ticket
    zone: Annotated[str, Max(64)]
    signature: Signature


@message(206)
class RedeemContent:
    """What a newcomer signs. ``server`` is the id that TLS verified, ``node`` its own."""

    label: Annotated[str, Max(32)]
    mesh: Mesh
    server: Node
    node: Node
    nonce: Annotated[bytes, Exactly(NONCE_BYTES)]
    ticket: Ticket


@message(210)
class RosterContent:
    """What the authority signs to admit a node. ``expires_ms`` is UTC milliseconds since 1970."""

    label: Annotated[str, Max(32)]
    mesh: Mesh
    node: Node
    roles: Annotated[tuple[Annotated[str, Max(16)], ...], Max(8)]
    zone: Annotated[str, Max(64)]
    expires_ms: int


@message(211)
class TombstoneContent:
    """What the authority signs to end a node for ever."""

    label: Annotated[str, Max(32)]
    mesh: Mesh
    node: Node
    reason: Annotated[str, Max(256)]


@message(212)
class Sealed:
    """Signed bytes and the authority's signature over exactly these bytes."""

    content: Annotated[bytes, Max(4096)]
    signature: Signature


@message(207)
class Redeemed:
    """Server to newcomer: admitted. Its certificate, the mesh CA that signed it (both DER), and its roster entry."""

    certificate: Annotated[bytes, Max(2048)]
    authority: Annotated[bytes, Max(1024)]
    entry: Sealed


@message(213)
class SuccessionContent:
    """What an authority signs to be succeeded by another: that one's CA, DER."""

    label: Annotated[str, Max(32)]
    mesh: Mesh
    authority: Annotated[bytes, Max(1024)]


@message(214)
class HolderContent:
    """What an authority signs of each node that holds it and so can admit others."""

    label: Annotated[str, Max(32)]
    mesh: Mesh
    node: Node


@message(215)
class RevokingContent:
    """What a node signs with its own key, beside the authority's tombstone: that it was the one to end another node."""

    label: Annotated[str, Max(32)]
    mesh: Mesh
    node: Node
    by: Node
    authority: Key


@message(220)
class AskCertificate:
    """Member to a node that can admit: a new certificate, from the present authority."""


@message(221)
class GiveCertificate:
    """The certificate and the mesh CA that signed it, both DER."""

    certificate: Annotated[bytes, Max(2048)]
    authority: Annotated[bytes, Max(1024)]


@message(222)
class TakeAuthority:
    """A node that can admit to one that shall: the authority's seed. Over a link between the two only."""

    seed: Annotated[bytes, Exactly(32)]


@message(223)
class AuthorityTaken:
    """It is durable there."""
