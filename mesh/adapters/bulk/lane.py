"""The lane of a node: its TCP port, who may come in there, and dialling others' lanes.

A node tells its lane's port on the main QUIC connection of a link, in the proof or the welcome; 0 means that it has
none. The connection is dialled at the address at which the link found the peer.

Decides how little a stranger gets: a place among ``UNPROVEN_MAX``, of which one host has ``UNPROVEN_A_HOST_MAX``, for
``NONCE_LIFE_S``, at the rate at which one host may begin connections of any kind (``begins``). Who finds no place is
hung up on before TLS.

Invariant: what is read of a connection beyond its one proof is read by the link it joined: the peer's proven one, that
stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from typing import Protocol

import structlog

from mesh.adapters.bulk import tls
from mesh.adapters.bulk.pool import Pool
from mesh.adapters.bulk.proof import Greeting, Introducing
from mesh.adapters.bulk.wire import Wire, set_options
from mesh.adapters.quic.credentials import Credentials
from mesh.adapters.quic.gate import NONCE_LIFE_S, new_nonce
from mesh.adapters.quic.udp import plain_host
from mesh.ports import Entropy, Host, PortError, Refused, Unavailable
from proto import codec
from proto.frames import pack_frame
from proto.ids import NodeId
from proto.messages.identity import Proof, Welcome

UNPROVEN_MAX = 64
UNPROVEN_A_HOST_MAX = 16
BACKLOG = 64
ACCEPTS_A_WAKE = 16
DIAL_TIMEOUT_S = 3.0
_PASSWORD_BYTES = 32
_NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NO_FILES_PAUSE_S = 1.0
_log = structlog.get_logger("bulk")


class Owner(Protocol):
    """What the lane asks of the network it belongs to."""

    @property
    def identity(self) -> Credentials:
        """Who this node is now."""

    def begins(self, host: str) -> bool:
        """Count a connection that a host begins; False when it may not."""

    def may_warn(self, host: str) -> bool:
        """Tell whether a refusal of a host is worth a warning."""

    def joins(self, peer: NodeId, proof: Proof) -> tuple[Pool, int] | str:
        """Give the connections of the link that a proven peer's connection is for, and the version; or why not."""


class BulkLane:
    """One node's lane. ``port``: the TCP port wanted, 0 for any; one that is taken is replaced by any."""

    def __init__(self, port: int, entropy: Entropy) -> None:
        self.port = 0
        """The TCP port it listens on; 0 while it does not."""
        self._wanted = port
        self._entropy = entropy
        self._owner: Owner | None = None
        self._listening: socket.socket | None = None
        self._context: tuple[bytes, ssl.SSLContext] | None = None
        self._unproven: dict[object, str] = {}
        self._greeting: set[asyncio.Task[None]] = set()
        self._wires: set[Wire] = set()

    async def start(self, host: str, owner: Owner) -> None:
        """Listen; where that cannot be, say so and have no lane."""
        self._owner = owner
        try:
            self._listening = await _listen(host, self._wanted)
        except OSError as error:
            _log.warning("no bulk lane: bulk goes by QUIC", port=self._wanted, reason=error.strerror or str(error))
            return
        self.port = int(self._listening.getsockname()[1])
        if self._wanted not in (0, self.port):
            _log.info("the port of the bulk lane is taken; another one is used", wanted=self._wanted, port=self.port)
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    async def close(self) -> None:
        """Stop listening and hang up on those who are not proven; links close their own connections."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None
            self.port = 0
        for task in self._greeting:
            task.cancel()
        if self._greeting:
            await asyncio.wait(self._greeting)
        for wire in list(self._wires):
            wire.abort("the node stops")

    # ------------------------------------------------------------ being dialled

    def _accept(self) -> None:
        assert self._listening is not None
        loop = asyncio.get_running_loop()
        for _ in range(ACCEPTS_A_WAKE):
            try:
                made, address = self._listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _NO_FILES:
                    # It would be told again at once, for ever.
                    loop.remove_reader(self._listening)
                    loop.call_later(_NO_FILES_PAUSE_S, self._accept_again)
                    return
                continue  # that one left before it was taken
            host = plain_host(address)[0]
            if not self._has_place(host):
                made.close()
                continue
            made.setblocking(False)
            task = loop.create_task(self._greet(made, host))
            self._greeting.add(task)
            self._unproven[task] = host
            task.add_done_callback(self._greeted)

    def _accept_again(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _has_place(self, host: str) -> bool:
        assert self._owner is not None
        if len(self._unproven) >= UNPROVEN_MAX:
            return False
        if sum(1 for other in self._unproven.values() if other == host) >= UNPROVEN_A_HOST_MAX:
            return False
        return self._owner.begins(host)

    def _greeted(self, task: asyncio.Task[None]) -> None:
        self._greeting.discard(task)
        self._unproven.pop(task, None)

    async def _greet(self, made: socket.socket, host: str) -> None:
        assert self._owner is not None
        owner, identity = self._owner, self._owner.identity
        wire = Wire()
        ended = asyncio.Event()
        try:
            set_options(made)
            async with asyncio.timeout(NONCE_LIFE_S):
                context = await self._server_context(identity)
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: wire, made, ssl=context, ssl_handshake_timeout=NONCE_LIFE_S
                )
            self._wires.add(wire)
            if wire.alpn != tls.ALPN:
                raise Refused("speaks another protocol")
        except (OSError, TimeoutError, PortError) as error:
            wire.abort("no handshake")
            self._wires.discard(wire)
            made.close()
            _log.debug("no handshake", address=host, reason=str(error) or type(error).__name__)
            return

        def joins(peer: NodeId, proof: Proof) -> str:
            found = owner.joins(peer, proof)
            if isinstance(found, str):
                return found
            pool, version = found
            if not pool.take(wire):
                return "enough connections"
            wire.write(pack_frame(codec.encode(Welcome(proof.link, version))))
            return ""

        def over(reason: str, claimed: str) -> None:
            ended.set()
            if reason:
                tell = _log.warning if owner.may_warn(host) else _log.debug
                tell("peer refused", reason=reason, address=host, claimed=claimed, lane="bulk")

        Greeting(wire, identity, new_nonce(self._entropy.token), joins, over)
        try:
            await ended.wait()
        finally:
            self._wires.discard(wire)
            if not ended.is_set():
                wire.abort("the node stops")

    async def _server_context(self, identity: Credentials) -> ssl.SSLContext:
        if self._context is None or self._context[0] != identity.certificate:
            password = self._entropy.token(_PASSWORD_BYTES).hex().encode()
            made = await asyncio.get_running_loop().run_in_executor(
                None, tls.server_context, identity.certificate, identity.seed, password
            )
            self._context = (identity.certificate, made)
        return self._context[1]

    # ------------------------------------------------------------ dialling

    async def dial(self, host: Host, peer: NodeId, link: bytes) -> Wire:
        """Give a connection to a peer's lane that is proven for a link; PortError when there is none to be had."""
        assert self._owner is not None
        *news, last = self._owner.identity.faces()
        for face in news:
            with contextlib.suppress(PortError):
                return await self._dial(host, peer, link, face)
        return await self._dial(host, peer, link, last)

    async def _dial(self, host: Host, peer: NodeId, link: bytes, face: Credentials) -> Wire:
        wire = Wire()
        introducing = Introducing(wire, face, peer, link)
        try:
            async with asyncio.timeout(DIAL_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: wire,
                    *host,
                    ssl=tls.client_context(face.trusted(peer)),
                    server_hostname=peer,
                    ssl_handshake_timeout=DIAL_TIMEOUT_S,
                )
                if wire.alpn != tls.ALPN:
                    raise Refused("it speaks another protocol")
                await introducing.welcomed
        except TimeoutError as error:
            wire.abort("given up")
            raise Unavailable(f"no answer within {DIAL_TIMEOUT_S:g} s") from error
        except ssl.SSLError as error:
            wire.abort("given up")
            raise Refused(f"TLS does not accept the node: {error.reason or error}") from error
        except OSError as error:
            wire.abort("given up")
            raise Unavailable(error.strerror or str(error)) from error
        except BaseException:
            wire.abort("given up")
            raise
        return wire


async def _listen(host: str, port: int) -> socket.socket:
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, protocol, _, address = found[0]
    try:
        return _bound(socket.socket(family, kind, protocol), address)
    except OSError as error:
        if not port or error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
    return _bound(socket.socket(family, kind, protocol), (address[0], 0, *address[2:]))


def _bound(made: socket.socket, address: tuple[object, ...]) -> socket.socket:
    try:
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


__all__ = ["BulkLane", "Owner"]
