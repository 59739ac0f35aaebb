"""The proof on a new connection: what stands between a socket and a link.

The server opens one stream and sends a ``Challenge``; the dialler answers with one ``Proof`` of at most 4096 bytes; the
server checks it and sends ``Welcome``, or closes with a reason. The id question has an ALPN of its own: the server
sends one ``IdAnswer``, and nothing is read from the dialler. Tickets have one too: in place of the proof comes one
``Redeem``, whose answer is ``Redeemed`` and the end.

Invariant: from an unproven dialler only that one frame is parsed. It may open no stream, have at most
``UNPROVEN_WINDOWS`` bytes unread, and send datagrams only to the bin. A nonce belongs to its connection, is used once
and dies after ``NONCE_LIFE_S``.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import TypeVar

import structlog

from mesh.adapters.quic.credentials import Credentials
from mesh.adapters.quic.driver import Carrier, Lane
from mesh.adapters.quic.engine import Closed, DatagramBytes, Event, HandshakeDone, StreamBytes, StreamReset, Windows
from mesh.adapters.quic.twins import Life
from mesh.adapters.quic.udp import plain_host
from mesh.ports import Refused, Unavailable
from proto import codec
from proto.codec import Malformed
from proto.frames import PROOF_FRAME_BYTES_MAX, FrameReader, pack_frame
from proto.ids import NodeId, is_node_id
from proto.messages.identity import NONCE_BYTES, Challenge, IdAnswer, Proof, Redeem, Redeemed, Welcome

ALPN_MESH = "thatdam/1"
ALPN_ID = "thatdam-id/1"
ALPN_TICKET = "thatdam-ticket/1"
NONCE_LIFE_S = 5.0
LINGER_S = 2.0
"""How long a newcomer has to take its answer and close."""
UNPROVEN_WINDOWS = Windows(1 << 20, 8 << 10, 0, 0)
ASKING_WINDOWS = Windows(4096, 4096, 0, 1)
CODE_BYE, CODE_REFUSED, CODE_CROSSED, CODE_BUSY, CODE_MALFORMED, CODE_REPLACED = 0x1, 0x2, 0x3, 0x4, 0x5, 0x6
CODE_TWIN = 0x8
"""Another process with the same key is the node."""
PROOF_STREAM = 1
"""The server's first two-way stream (RFC 9000, section 2.1)."""
_ANSWER_STREAM = 3
"""The server's first one-way stream."""
OF_ANOTHER_AUTHORITY = "local issuer certificate"
"""How TLS says that it does not know who signed the other's certificate."""
F = TypeVar("F")
_log = structlog.get_logger("quic")


class OfAnotherAuthority(Refused):
    """The server's certificate is of none of the authorities that count for it here."""


class Crossed(Unavailable):
    """The peer dials us at the same time, and its connection is the one to keep."""


class Twin(Refused):
    """Whoever was dialled knows another process with this node's key, and takes that one for the node."""


class Gate:
    """The server's side of a new connection until its dialler is proven; a driver's ``Session``."""

    def __init__(
        self,
        carrier: Carrier,
        credentials: Credentials,
        nonce: bytes,
        life: Life,
        ended_of: Callable[[NodeId, Proof], str],
        may_answer: Callable[[Carrier], bool],
        may_warn: Callable[[Carrier], bool],
        proven: Callable[[Gate, NodeId, Proof], str],
        redeems: Callable[[Gate, Redeem, bytes], str],
        ended: Callable[[Gate], None],
    ) -> None:
        self.carrier = carrier
        self.began_s = carrier.heard_s
        self._credentials = credentials
        self._nonce = nonce
        self._life = life
        self._ended_of = ended_of
        self._may_answer = may_answer
        self._may_warn = may_warn
        self._proven = proven
        self._redeems = redeems
        self._ended = ended
        self._wanted: type[Proof] | type[Redeem] = Proof
        self._reader: FrameReader | None = None
        self._checked = False
        self._end = asyncio.get_running_loop().call_later(NONCE_LIFE_S, self._too_late)

    def on_event(self, event: Event) -> None:
        """Take an event of the connection."""
        match event:
            case HandshakeDone(alpn):
                if alpn == ALPN_MESH:
                    self._challenge()
                elif alpn == ALPN_TICKET:
                    self._wanted = Redeem
                    self._challenge()
                else:
                    self._answer_id()
            case StreamBytes(stream, data, end):
                self._heard(stream, data, end)
            case Closed(_, reason):
                self.leave()
                if self._reader is not None and not self._checked:
                    self._tell("left before it proved itself", reason=reason)
            case StreamReset() | DatagramBytes():
                pass

    def _challenge(self) -> None:
        self._reader = FrameReader(PROOF_FRAME_BYTES_MAX)
        challenge = Challenge(self._nonce, *self._credentials.versions)
        self.carrier.connection.send(PROOF_STREAM, pack_frame(codec.encode(challenge)))

    def _answer_id(self) -> None:
        if not self._may_answer(self.carrier):
            self.carrier.close(CODE_BUSY, "asked too often")
            return
        me = self._credentials
        answer = IdAnswer(me.node, me.mesh, self._life.token, me.line())
        self.carrier.connection.send(_ANSWER_STREAM, pack_frame(codec.encode(answer)), end=True)

    def _heard(self, stream: int, data: bytes, end: bool) -> None:
        if self._checked and not data:
            # The end of the proof's stream, in a packet of its own.
            return
        if stream != PROOF_STREAM or self._reader is None or self._checked:
            self.refuse("sent what was not asked for", CODE_MALFORMED)
            return
        self.carrier.connection.consumed(stream, len(data))
        try:
            frames = self._reader.feed(data)
            if not frames and not end:
                return
            if len(frames) != 1 or self._reader.buffered_bytes:
                raise Malformed("a proof is one frame")
            said = codec.decode(self._wanted, frames[0])
        except Malformed as error:
            what = "proof" if self._wanted is Proof else "redeeming"
            self.refuse(f"no {what}: {error}", CODE_MALFORMED)
            return
        # Whatever comes of it, this nonce has been used.
        self._checked = True
        if isinstance(said, Redeem):
            refused = self._redeems(self, said, self._nonce)
            if refused:
                self.refuse(refused, CODE_REFUSED, claimed=said.node)
            return
        proof = said
        try:
            # Whether its time is over is judged once it is known whose it is.
            node = self._credentials.check(proof, self._nonce, 0.0)
        except Refused as error:
            self.refuse(str(error), CODE_REFUSED, claimed=proof.node)
            return
        refused = self._ended_of(node, proof) or self._proven(self, node, proof)
        if refused:
            self.refuse(refused, CODE_REFUSED, claimed=node)

    def welcome(self, link: bytes, version: int, now_s: float, bulk_port: int = 0) -> None:
        """Tell the dialler that it is proven; the connection gets another session now."""
        self.leave()
        connection = self.carrier.connection
        said = Welcome(link, version, bulk_port, self._life.token, self._life.age_ms(now_s))
        connection.send(PROOF_STREAM, pack_frame(codec.encode(said)), end=True)
        self.carrier.touch()

    def admit(self, redeemed: Redeemed) -> None:
        """Answer a newcomer whose ticket was taken; it closes once it has read that, and is closed if it does not."""
        self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(LINGER_S, self._goodbye)
        self.carrier.connection.send(PROOF_STREAM, pack_frame(codec.encode(redeemed)), end=True)
        self.carrier.touch()

    def _goodbye(self) -> None:
        self.leave()
        self.carrier.close(CODE_BYE, "")

    def refuse(self, reason: str, code: int, claimed: str = "") -> None:
        """Close, and say why here and there."""
        self._checked = True
        self._tell("peer refused", reason=reason, claimed=claimed)
        self.leave()
        self.carrier.close(code, reason)

    def cross(self) -> None:
        """Let it go: both dialled at once, and the other connection is the link."""
        self.leave()
        self.carrier.close(CODE_CROSSED, "both dialled at once")

    def leave(self) -> None:
        """Stop the clock: it is proven, refused or gone."""
        self._end.cancel()
        self._ended(self)

    def _too_late(self) -> None:
        if self._checked:
            return
        if self._reader is not None:
            self.refuse(f"no proof within {NONCE_LIFE_S:g} s", CODE_REFUSED)
        else:
            self.leave()
            self.carrier.close(CODE_BYE, "")

    def _tell(self, text: str, reason: str, claimed: str = "") -> None:
        host, port = plain_host(self.carrier.connection.address)
        tell = _log.warning if self._may_warn(self.carrier) else _log.debug
        tell(text, reason=reason, address=f"{host}:{port}", claimed=claimed)


class Asking:
    """The dialler's side of the id question; a driver's ``Session``."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[IdAnswer] = asyncio.get_running_loop().create_future()
        self._reader = FrameReader(PROOF_FRAME_BYTES_MAX)
        self.answer.add_done_callback(_seen)

    def on_event(self, event: Event) -> None:
        """Take an event of the connection."""
        if self.answer.done():
            return
        match event:
            case StreamBytes(_, data, _):
                try:
                    for frame in self._reader.feed(data)[:1]:
                        said = codec.decode(IdAnswer, frame)
                        if not is_node_id(said.node):
                            raise Malformed("no node id")
                        self.answer.set_result(said)
                except Malformed as error:
                    self.answer.set_exception(Refused(f"whoever answers there is no node: {error}"))
            case Closed(code, reason, by_tls):
                self.answer.set_exception(_closed(code, reason, by_tls))
            case HandshakeDone() | StreamReset() | DatagramBytes():
                pass


class Redeeming:
    """The newcomer's side of a ticket; a driver's ``Session``. ``answer`` is given the server's nonce once."""

    def __init__(self, answer: Callable[[bytes], Redeem]) -> None:
        self.redeemed: asyncio.Future[Redeemed] = asyncio.get_running_loop().create_future()
        self.carrier: Carrier | None = None
        self._answer = answer
        self._said = False
        self._reader = FrameReader(PROOF_FRAME_BYTES_MAX)
        self.redeemed.add_done_callback(_seen)

    def on_event(self, event: Event) -> None:
        """Take an event of the connection."""
        if self.redeemed.done():
            return
        match event:
            case StreamBytes(stream, data, _) if stream == PROOF_STREAM:
                self._heard(data)
            case Closed(code, reason, by_tls):
                self.redeemed.set_exception(_closed(code, reason, by_tls))
            case _:
                pass

    def _heard(self, data: bytes) -> None:
        assert self.carrier is not None
        connection = self.carrier.connection
        connection.consumed(PROOF_STREAM, len(data))
        try:
            for frame in self._reader.feed(data):
                if not self._said:
                    self._said = True
                    said = self._answer(codec.decode(Challenge, frame).nonce)
                    connection.send(PROOF_STREAM, pack_frame(codec.encode(said)), end=True)
                elif not self.redeemed.done():
                    self.redeemed.set_result(codec.decode(Redeemed, frame))
        except Malformed as error:
            if not self.redeemed.done():
                self.redeemed.set_exception(Refused(f"the node does not speak our protocol: {error}"))


class Dialling:
    """The dialler's side of a connection to a known node until it is welcomed; a driver's ``Session``.

    What the peer sends on other streams before that is kept, within the windows, for the session that follows.
    """

    def __init__(
        self,
        credentials: Credentials,
        server: NodeId,
        lane: Lane,
        link: bytes,
        life: Life,
        now_s: Callable[[], float],
        wall_s: Callable[[], float],
        bulk_port: int = 0,
    ) -> None:
        self.welcomed: asyncio.Future[Welcome] = asyncio.get_running_loop().create_future()
        self.early: list[Event] = []
        self.carrier: Carrier | None = None
        self._credentials = credentials
        self._server = server
        self._lane = lane
        self._link = link
        self._life = life
        self._now_s = now_s
        self._wall_s = wall_s
        self._bulk_port = bulk_port
        self._reader = FrameReader(PROOF_FRAME_BYTES_MAX)
        self._proved = False
        self.welcomed.add_done_callback(_seen)

    def on_event(self, event: Event) -> None:
        """Take an event of the connection."""
        match event:
            case StreamBytes(stream, data, _) if stream == PROOF_STREAM:
                self._heard(data)
            case Closed(code, reason, by_tls):
                self._fail(_closed(code, reason, by_tls))
                self.early.append(event)
            case HandshakeDone():
                pass
            case _:
                self.early.append(event)

    def _heard(self, data: bytes) -> None:
        assert self.carrier is not None
        connection = self.carrier.connection
        connection.consumed(PROOF_STREAM, len(data))
        try:
            for frame in self._reader.feed(data):
                if not self._proved:
                    challenge = codec.decode(Challenge, frame)
                    self._proved = True
                    theirs = (challenge.version_min, challenge.version_max)
                    proof = self._credentials.prove(self._server, challenge.nonce, theirs, int(self._lane), self._link)
                    life = self._life
                    told = dataclasses.replace(
                        proof,
                        bulk_port=self._bulk_port,
                        life=life.token,
                        age_ms=life.age_ms(self._now_s()),
                        wall_ms=max(0, int(self._wall_s() * 1000)),
                    )
                    connection.send(PROOF_STREAM, pack_frame(codec.encode(told)), end=True)
                elif not self.welcomed.done():
                    self.welcomed.set_result(codec.decode(Welcome, frame))
        except Malformed as error:
            self._fail(Refused(f"the node does not speak our protocol: {error}"))

    def _fail(self, error: Exception) -> None:
        if not self.welcomed.done():
            self.welcomed.set_exception(error)


def _seen(future: asyncio.Future[F]) -> None:
    # Who dialled may have stopped waiting; then nobody else would look at the error.
    if not future.cancelled():
        future.exception()


def _closed(code: int, reason: str, by_tls: bool) -> Exception:
    if by_tls:
        told = f"TLS does not accept the node: {reason or 'handshake refused'}"
        if OF_ANOTHER_AUTHORITY not in reason:
            return Refused(told)
        return OfAnotherAuthority(
            f"{told}; the mesh has another authority than this node knows: it was revoked, away while that was "
            "renewed, or let in where that was not known. If it stays so, it needs a ticket (`thatdam invite` on a "
            "node that can admit, `thatdam up --join TICKET` here)"
        )
    if code == CODE_TWIN:
        return Twin(reason)
    if code in (CODE_REFUSED, CODE_MALFORMED):
        return Refused(f"the node does not accept this one: {reason}")
    if code == CODE_CROSSED:
        return Crossed("both dialled at once")
    return Unavailable(reason or "the connection was closed")


def new_nonce(token: Callable[[int], bytes]) -> bytes:
    """Give a nonce for one connection."""
    return token(NONCE_BYTES)
