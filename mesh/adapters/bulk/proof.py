"""The proof on a new connection of the lane: the one of QUIC, on this connection.

TLS has verified the server's node id for the dialler. The server sends a ``Challenge`` with a nonce of this connection;
the dialler signs it together with the id that its TLS verified and its own (``ProofContent``), and names the standing
link that the connection is for. So the proof holds on this TLS session alone: a nonce that a member in the middle
forwards is signed for that member, and a nonce of another connection, of QUIC too, was never this one's.

Invariant: from an unproven dialler one frame of at most ``PROOF_FRAME_BYTES_MAX`` bytes is parsed, and nothing else; a
nonce is used once and dies after ``NONCE_LIFE_S``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mesh.adapters.bulk.wire import Wire
from mesh.adapters.quic.credentials import Credentials
from mesh.adapters.quic.driver import Lane
from mesh.adapters.quic.gate import NONCE_LIFE_S
from mesh.ports import Refused, Unavailable
from proto import codec
from proto.codec import Malformed
from proto.frames import PROOF_FRAME_BYTES_MAX, FrameReader, pack_frame
from proto.ids import NodeId
from proto.messages.identity import Challenge, Proof, Welcome


class Greeting:
    """The server's side until its dialler is proven; a wire's ``Session``.

    ``joins`` takes a proven dialler and its proof and gives why it is refused, or nothing; ``ended`` is called once,
    with why it was refused, or nothing.
    """

    def __init__(
        self,
        wire: Wire,
        credentials: Credentials,
        nonce: bytes,
        joins: Callable[[NodeId, Proof], str],
        ended: Callable[[str, str], None],
    ) -> None:
        self._wire = wire
        self._credentials = credentials
        self._nonce = nonce
        self._joins = joins
        self._ended = ended
        self._reader = FrameReader(PROOF_FRAME_BYTES_MAX)
        self._over = False
        self._end = asyncio.get_running_loop().call_later(
            NONCE_LIFE_S, self._refuse, f"no proof within {NONCE_LIFE_S:g} s"
        )
        wire.session = self
        wire.write(pack_frame(codec.encode(Challenge(nonce, *credentials.versions))))

    def heard(self, data: memoryview) -> None:
        """Take the one frame there may be."""
        try:
            frames = self._reader.feed(bytes(data))
            if not frames:
                return
            if len(frames) != 1 or self._reader.buffered_bytes:
                raise Malformed("a proof is one frame")
            proof = codec.decode(Proof, frames[0])
        except Malformed as error:
            self._refuse(f"no proof: {error}")
            return
        if proof.lane != Lane.BULK:
            self._refuse("a proof for another connection", proof.node)
            return
        try:
            # Whether its time is over is judged once it is known whose it is.
            node = self._credentials.check(proof, self._nonce, 0.0)
        except Refused as error:
            self._refuse(str(error), proof.node)
            return
        refused = self._joins(node, proof)
        if refused:
            self._refuse(refused, node)
        else:
            self._leave("", node)

    def writable(self) -> None:
        """Nothing waits for that."""

    def gone(self, reason: str) -> None:
        """The dialler has left."""
        self._leave(reason, "")

    def _refuse(self, reason: str, claimed: str = "") -> None:
        self._leave(reason, claimed)
        self._wire.abort(reason)

    def _leave(self, reason: str, claimed: str) -> None:
        if not self._over:
            self._over = True
            self._end.cancel()
            self._ended(reason, claimed)


class Introducing:
    """The dialler's side until it is welcomed; a wire's ``Session``."""

    def __init__(self, wire: Wire, credentials: Credentials, server: NodeId, link: bytes) -> None:
        self.welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wire = wire
        self._credentials = credentials
        self._server = server
        self._link = link
        self._reader = FrameReader(PROOF_FRAME_BYTES_MAX)
        self._proved = False
        wire.session = self

    def heard(self, data: memoryview) -> None:
        """Answer the challenge, then take the welcome."""
        try:
            for frame in self._reader.feed(bytes(data)):
                if self.welcomed.done():
                    raise Malformed("more than a welcome")
                if not self._proved:
                    self._proved = True
                    challenge = codec.decode(Challenge, frame)
                    theirs = (challenge.version_min, challenge.version_max)
                    proof = self._credentials.prove(self._server, challenge.nonce, theirs, int(Lane.BULK), self._link)
                    self._wire.write(pack_frame(codec.encode(proof)))
                else:
                    codec.decode(Welcome, frame)
                    self.welcomed.set_result(None)
        except Malformed as error:
            self._fail(Refused(f"the node does not speak our protocol: {error}"))

    def writable(self) -> None:
        """Nothing waits for that."""

    def gone(self, reason: str) -> None:
        """The server has closed."""
        self._fail(Unavailable(reason))

    def _fail(self, error: Exception) -> None:
        if not self.welcomed.done():
            self.welcomed.set_exception(error)
            self.welcomed.exception()  # who dialled may have stopped waiting
