"""The engine seam: connections, streams, datagram frames and their events.

Decides what our driver and links may ask of a QUIC engine (RFC 9000, RFC 9221). ``aioquic_engine`` is the one that
ships; a native engine with a thread of its own fits too, when it passes the same tests.

Invariant: an engine gives a reader no more than the window it was granted, and grants more only for what ``consumed``
was called for: a reader that stops stops its peer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mesh.adapters.quic.credentials import Credentials
from proto.ids import NodeId

Address = tuple[Any, ...]
"""A socket address as the socket module gives it."""


@dataclass(frozen=True, slots=True)
class Windows:
    """What a connection lets its peer send: bytes unread a stream and in all, and streams open at once.

    The bytes a stream are stated in the handshake and stay; the others may be widened later by ``grant``.
    """

    stream_bytes: int
    connection_bytes: int
    streams_bidirectional: int
    streams_unidirectional: int


# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class HandshakeDone:
    """TLS is through. On the dialler the server has been verified, if a server was named."""

    alpn: str


@dataclass(frozen=True, slots=True)
class StreamBytes:
    """Bytes came, in order; ``end``: and none follow."""

    stream: int
    data: bytes
    end: bool


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The peer dropped a stream (``sending``: it wants no more of ours)."""

    stream: int
    sending: bool


@dataclass(frozen=True, slots=True)
class DatagramBytes:
    """A datagram frame came."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over. ``by_tls``: the handshake was refused, here or there."""

    code: int
    reason: str
    by_tls: bool


Event = HandshakeDone | StreamBytes | StreamReset | DatagramBytes | Closed


# ---------------------------------------------------------------- engine


class Connection(Protocol):
    """One QUIC connection, without input or output of its own."""

    def receive(self, data: bytes, address: Address, now_s: float) -> None:
        """Take one UDP payload."""

    def transmit(self, now_s: float, budget_bytes: int) -> list[tuple[bytes, Address]]:
        """Give UDP payloads to send, about ``budget_bytes`` at most."""

    def timer(self) -> float | None:
        """Give when ``fire`` wants to be called."""

    def fire(self, now_s: float) -> None:
        """Let time pass: loss, idle, closing."""

    def events(self) -> list[Event]:
        """Take the events that have come up."""

    def routes(self) -> tuple[list[bytes], list[bytes]]:
        """Take the connection ids by which the peer reaches this connection: new ones and retired ones."""

    @property
    def address(self) -> Address:
        """Where the peer is."""

    @property
    def rtt_s(self) -> float:
        """Smoothed round trip; 0.0 before it is known."""

    @property
    def over(self) -> bool:
        """The connection has ended and sends nothing more."""

    def open(self, *, unidirectional: bool) -> int:
        """Give the id of a new stream; it exists once something is sent on it."""

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Queue bytes on a stream; nothing is sent after an end or a reset."""

    def unsent(self, stream: int) -> int:
        """Count the bytes queued or on their way and not yet acknowledged; 0 for a stream that is gone."""

    def reset(self, stream: int) -> None:
        """Drop both directions of a stream, as far as they are open."""

    def stop(self, stream: int) -> None:
        """Want no more bytes of a stream; what was sent on it still goes out."""

    def consumed(self, stream: int, size: int) -> bool:
        """Say that the application has taken bytes, so that the peer may send as many more; True: tell it soon."""

    def send_datagram(self, data: bytes) -> bool:
        """Queue a datagram frame; False when the oldest waiting one was dropped for it."""

    def grant(self, windows: Windows) -> None:
        """Widen what the peer may send."""

    @property
    def datagram_bytes(self) -> int:
        """The largest datagrams sent, bytes of UDP payload."""

    def find_size(self, known_bytes: int, limit_bytes: int, at_s: float) -> None:
        """Send datagrams of a size known to arrive; from ``at_s`` on probe the path for larger ones (RFC 8899)."""

    def doubt_size(self, now_s: float) -> None:
        """Have the size in use probed: over the same path another connection's datagrams do not arrive."""

    def look_at_size(self, now_s: float) -> bool:
        """See, every few seconds, whether what is sent still arrives; True: that is doubted, and probed with the next
        transmit, which falls back to smaller datagrams if the probes are lost."""

    def ping(self) -> None:
        """Have the peer acknowledge something, so that the connection does not idle out."""

    def peer_certificate(self) -> bytes:
        """Give the certificate (DER) that the server showed and TLS verified; empty before, and for a server."""

    def probe(self) -> None:
        """Have the peer acknowledge that it lives now; see ``probes_answered``."""

    @property
    def probes_answered(self) -> int:
        """How many probes the peer has acknowledged."""

    def close(self, code: int, reason: str) -> None:
        """End the connection with a reason that the peer sees."""

    def streams_held(self) -> int:
        """Count the streams whose state is held."""


class Engine(Protocol):
    """Makes connections and knows which one a datagram belongs to."""

    def dial(
        self,
        address: Address,
        alpn: str,
        credentials: Credentials,
        verify: NodeId | None,
        windows: Windows,
        datagram_bytes: int,
        now_s: float,
    ) -> Connection:
        """Start a connection. With ``verify`` TLS demands the mesh CA and that name; without, it demands nothing."""

    def accept(
        self,
        datagram: bytes,
        address: Address,
        alpns: Sequence[str],
        credentials: Credentials,
        windows: Windows,
        datagram_bytes: int,
        retry: bool,
        now_s: float,
    ) -> Connection | bytes | None:
        """Answer a datagram that no connection knows: a new connection (the datagram still has to be given to it).

        Bytes are an answer to send back (other version, address to be validated first); None: ignore it.
        """

    def route(self, datagram: bytes) -> bytes | None:
        """Give the connection id a datagram is addressed to, or None when it is no QUIC."""
