"""Links over QUIC: listening, dialling, and at most one link a peer.

Decides which of several connections to one peer is the link. The server of a connection decides, and the dialler obeys:
a proven newcomer replaces the link that stands, for a peer dials only when it has none (it was killed, or has given the
old one up); unless two processes have one key, because a data folder was copied (see ``twins``). When two nodes dial
each other at once, the one with the smaller id holds the other's finished dial back until its own has ended, so that
its own is the one that stays.

Invariant: whoever is in ``links()`` was proven on this connection, is of this mesh, and was accepted by ``accepts``.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import structlog

from mesh.adapters.bulk.lane import BulkLane
from mesh.adapters.bulk.pool import Pool
from mesh.adapters.quic.addresses import is_loopback
from mesh.adapters.quic.aioquic_engine import AioquicEngine
from mesh.adapters.quic.credentials import Credentials, Judge
from mesh.adapters.quic.driver import Carrier, Driver, Lane
from mesh.adapters.quic.engine import Address, Engine
from mesh.adapters.quic.gate import (
    ALPN_ID,
    ALPN_MESH,
    ALPN_TICKET,
    ASKING_WINDOWS,
    CODE_BUSY,
    CODE_BYE,
    CODE_CROSSED,
    CODE_MALFORMED,
    CODE_REFUSED,
    CODE_REPLACED,
    CODE_TWIN,
    UNPROVEN_WINDOWS,
    Asking,
    Crossed,
    Dialling,
    Gate,
    OfAnotherAuthority,
    Twin,
    new_nonce,
)
from mesh.adapters.quic.link import WINDOWS, QuicLink
from mesh.adapters.quic.moving import Moving
from mesh.adapters.quic.path_size import BASE_BYTES
from mesh.adapters.quic.penalties import Penalties
from mesh.adapters.quic.strangers import Strangers
from mesh.adapters.quic.tunnels import Tunnels, is_tunnel
from mesh.adapters.quic.twins import ANSWER_S, Life, is_elder, rivals, sentence, where
from mesh.adapters.quic.udp import DatagramSocket, UdpSocket, plain_host
from mesh.ports import (
    TUNNEL_DATAGRAM_BYTES_MAX,
    Clock,
    Entropy,
    Host,
    Link,
    LinkHandler,
    PortError,
    Refused,
    RefusedHere,
    Tunnel,
    Unavailable,
)
from proto.ids import NodeId
from proto.messages.identity import LIFE_BYTES, LINK_BYTES, IdAnswer, Proof, Redeem, Redeemed, Welcome

DATAGRAM_BYTES = 8952
"""The largest UDP payload that a path is probed for: a jumbo frame's."""
FIND_SIZE_AFTER_S = 2.0
"""The path of a new link is probed after so long: in its first moments there is more urgent work."""
UNPROBED_BYTES = 1350
"""UDP payload where the system does not keep datagrams whole, so that a probe would show nothing."""
LOOPBACK_DATAGRAM_BYTES = 16000 if sys.platform == "linux" else 8900
"""UDP payload inside one machine, whose loopback carries more than any network (CPU a byte falls manifold); other
systems' sockets send no more than some 9 KB at once."""
REDEEMING_MAX = 8
"""Tickets being redeemed at once: each waits for the disk."""
KEEPALIVE_S, KEEPALIVE_LOOK_S = 10.0, 2.5
"""A link that heard nothing for so long is asked for a sign, again at each look; after IDLE_TIMEOUT_S without one it
is down. In a full mesh the probes of membership are signs enough on most links."""
LANE_TIMEOUT_S = 5.0
OVER_BY_TLS = "no longer valid"
"""How aioquic says that a server's certificate has expired, by the machine's own clock."""
OUTSIDE = "its certificate is of an authority that this mesh has no more, and the roster does not name it"
COPY_TOLD_S = 60.0
"""How often at most the log of a copied node says that it is one."""
_log = structlog.get_logger("quic")


class MachineJudge:
    """The machine's own clock as a ``Judge``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def wall(self) -> float:
        """Give UTC seconds since 1970."""
        return self._clock.wall()

    def contradicted(self, peer: NodeId, wall_ms: int) -> None:
        """Nobody is believed."""


class _Attempt:
    """A dial to a known peer on its way, and a proven dial of that peer that waits for how it ends."""

    def __init__(self) -> None:
        self.link: asyncio.Future[QuicLink] = asyncio.get_running_loop().create_future()
        """The peer's own dial, when that came through first: known before this attempt has ended."""
        self.ended = asyncio.Event()
        self.held_back: tuple[Gate, Proof] | None = None


class QuicNetwork:
    """The mesh's transport; a ``ports.Network``.

    ``bind``: address and UDP port, port 0 for a free one. ``accepts`` gives a reason to refuse a node, or None.
    ``advertise``: what ``listening`` shall say instead of what was found out; a port of 0 there means the bound one.
    ``judge`` says by which time certificates are over; without one the machine's clock does.
    ``datagram_bytes``: the largest UDP payload, 1200 to 16000: a connection begins with what every path carries, and
    once it is proven its path is probed for more; on loopback all are LOOPBACK_DATAGRAM_BYTES from the start.
    ``bulk``: the lane that record copies and bulk take where the peer has one; None: all goes by QUIC.
    ``socket``: what carries the datagrams, not yet open; None: a UDP socket of the system's.
    """

    def __init__(
        self,
        identity: Credentials,
        bind: Host,
        clock: Clock,
        entropy: Entropy,
        accepts: Callable[[NodeId], str | None],
        advertise: Sequence[Host] = (),
        *,
        datagram_bytes: int = DATAGRAM_BYTES,
        loopback_datagram_bytes: int = LOOPBACK_DATAGRAM_BYTES,
        engine: Engine | None = None,
        bulk: BulkLane | None = None,
        redeem: Callable[[Redeem, bytes], Awaitable[Redeemed]] | None = None,
        judge: Judge | None = None,
        socket: DatagramSocket | None = None,
    ) -> None:
        if not 1200 <= datagram_bytes <= 16000:
            raise ValueError("datagram_bytes is 1200 to 16000")
        self.identity = identity
        """May be exchanged for a renewed one of the same node and mesh; standing links stay."""
        self._bind = bind
        self._clock = clock
        self._entropy = entropy
        self._believes = accepts
        self._judge = judge or MachineJudge(clock)
        self.redeem = redeem
        """Takes a ticket (the message, the nonce it answers); Refused says why not. None: this node admits nobody."""
        self._redeeming: dict[asyncio.Task[None], None] = {}
        self._advertise = tuple(advertise)
        self._datagram_bytes = datagram_bytes
        self._loopback_datagram_bytes = max(datagram_bytes, loopback_datagram_bytes)
        self._engine = engine or AioquicEngine(entropy)
        self._bulk = bulk
        self._socket: DatagramSocket = socket or UdpSocket()
        self._tunnels = Tunnels(self._socket.send, clock)
        self._driver = Driver(self._engine, self._tunnels, clock, self._unknown, self._is_rubbish)
        self._links: dict[NodeId, QuicLink] = {}
        self._attempts: dict[NodeId, _Attempt] = {}
        self._strangers = Strangers(clock)
        self._penalties = Penalties()
        self._life = Life(entropy.token(LIFE_BYTES), clock.monotonic())
        self._contending: dict[NodeId, asyncio.Task[None]] = {}
        self._moving = Moving(lambda link, reason: self._down(link, reason, CODE_BYE))
        self.copied = ""
        """What to tell people while another process with this node's key is taken for this node; empty: none is."""
        self._copied_tell_s = 0.0
        self._keeper: asyncio.Task[None] | None = None
        self._handler: LinkHandler | None = None

    # ------------------------------------------------------------ ports.Network

    async def start(self, handler: LinkHandler) -> None:
        """Listen."""
        await self._socket.open(self._bind, self._driver.receive)
        self._handler = handler
        if self._bulk is not None:
            await self._bulk.start(self._bind[0], self)
        self._moving.look(self._socket.hosts, ())
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def dial(self, host: Host, expect: NodeId | None = None, timeout_s: float = 5.0) -> Link:
        """Reach a node and prove both sides."""
        self._check_started()

        async def reach() -> QuicLink:
            address = await self._socket.resolve(host)
            return await self._dial(address, expect or await self._ask_id(address))

        return await self._within(timeout_s, f"at {host[0]}:{host[1]}", reach())

    async def dial_through(self, tunnel: Tunnel, timeout_s: float = 5.0) -> Link:
        """Reach a node by way of another, and prove both sides."""
        if self._keeper is None:
            tunnel.close()
        self._check_started()
        address = self._tunnels.add(tunnel, self._driver.receive, self._way_lost)
        try:
            link = await self._within(timeout_s, f"by way of {tunnel.relay[:8]}", self._dial(address, tunnel.peer))
        except BaseException:
            self._tunnels.end(address)
            raise
        if link.main.carrier.connection.address != address:
            self._tunnels.end(address)
        return link

    def enter(self, tunnel: Tunnel) -> None:
        """Listen to a tunnel that leads here."""
        if self._keeper is None:
            tunnel.close()
        else:
            self._tunnels.add(tunnel, self._driver.receive, self._way_lost)

    def _way_lost(self, address: Address) -> None:
        """End the connections over a tunnel that is no more."""
        for carrier in self._driver.carriers:
            if carrier.connection.address == address:
                carrier.close(CODE_BYE, "the node in between carries it no more")

    async def _within(self, timeout_s: float, where: str, reached: Awaitable[QuicLink]) -> QuicLink:
        try:
            async with asyncio.timeout(timeout_s):
                return await reached
        except Twin as error:
            self._is_copy(str(error))
            raise Refused(f"{error}: a data folder was copied") from error
        except Refused as error:
            if OVER_BY_TLS not in str(error):
                raise
            today = _day(self._clock.wall())
            raise Refused(f"{error}; this machine's clock shows {today}: if that is wrong, set it right") from error
        except TimeoutError as error:
            raise Unavailable(f"nobody answered {where} within {timeout_s:g} s") from error

    def links(self) -> Mapping[NodeId, Link]:
        """Give the links that stand."""
        return MappingProxyType(self._links)

    def drop(self, peer: NodeId, reason: str) -> None:
        """Close the link to a peer."""
        link = self._links.get(peer)
        if link is not None:
            self._down(link, reason, CODE_BYE)

    @property
    def strangers_refused(self) -> int:
        """Connections and datagrams of strangers that were ignored."""
        return self._strangers.refused

    @property
    def misbehaved(self) -> int:
        """How often a peer was dropped for what it sent."""
        return self._penalties.total

    def listening(self) -> Sequence[Host]:
        """Give the addresses other nodes can try, best first."""
        self._check_started()
        if self._advertise:
            return [(host, told or self._socket.port) for host, told in self._advertise]
        return self._socket.hosts()

    async def close(self) -> None:
        """Close every link with a reason the peers see, then stop listening."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
        ending = [*self._redeeming, *self._contending.values(), *self._moving.tasks]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)
        if self._bulk is not None:
            await self._bulk.close()
        for link in list(self._links.values()):
            self._down(link, "the node stops", CODE_BYE)
        for carrier in self._driver.carriers:
            carrier.close(CODE_BYE, "the node stops")
        self._driver.close()
        self._tunnels.close()
        self._socket.close()

    def _check_started(self) -> None:
        if self._keeper is None:
            raise Unavailable("the network is not open")

    # ------------------------------------------------------------ dialling

    async def _ask(self, address: Address) -> IdAnswer:
        asking = Asking()
        carrier = self._connect(address, ALPN_ID, None, asking)
        try:
            return await asking.answer
        finally:
            carrier.close(CODE_BYE, "")

    async def _ask_id(self, address: Address) -> NodeId:
        """Ask who is there. The answer is a hint: the next connection has TLS verify it."""
        said = await self._ask(address)
        if said.mesh != self.identity.mesh:
            raise Refused(f"the node there is of another mesh ({said.mesh[:8]}, this one is {self.identity.mesh[:8]})")
        if said.node == self.identity.node and said.life and said.life != self._life.token:
            await self._face(address)
        return NodeId(said.node)

    async def _face(self, address: Address) -> None:
        """Have another process with this node's key say, proven, which of the two is the node; Twin: that one."""
        dialling = self._dialling(self.identity, self.identity.node, Lane.MAIN, b"")
        carrier = dialling.carrier = self._connect(address, ALPN_MESH, self.identity.node, dialling)
        try:
            await dialling.welcomed
        finally:
            carrier.close(CODE_BYE, "")

    def _dialling(self, face: Credentials, peer: NodeId, lane: Lane, link: bytes, bulk_port: int = 0) -> Dialling:
        return Dialling(face, peer, lane, link, self._life, self._clock.monotonic, self._clock.wall, bulk_port)

    def _is_copy(self, said: str) -> None:
        """Take note that another process with this node's key is the node."""
        self.copied = sentence(said)
        if self._clock.monotonic() >= self._copied_tell_s:
            self._copied_tell_s = self._clock.monotonic() + COPY_TOLD_S
            _log.error(self.copied)

    def _connect(self, address: Address, alpn: str, verify: NodeId | None, session: Asking | Dialling) -> Carrier:
        windows = ASKING_WINDOWS if isinstance(session, Asking) else WINDOWS[Lane.MAIN]
        made = self._engine.dial(
            address, alpn, self.identity, verify, windows, self._size_for(address), self._clock.monotonic()
        )
        return self._driver.add(made, session)

    def _size_for(self, address: Address) -> int:
        if is_tunnel(address):
            return TUNNEL_DATAGRAM_BYTES_MAX
        if is_loopback(str(address[0])):
            return self._loopback_datagram_bytes
        return BASE_BYTES if self._socket.whole else min(UNPROBED_BYTES, self._datagram_bytes)

    def _find_size(self, link: QuicLink, carrier: Carrier) -> None:
        """Have the path of a proven connection probed; a further one of a link goes on from what the first found."""
        if link.relay is None and self._socket.whole and not is_loopback(plain_host(carrier.connection.address)[0]):
            main = link.main.carrier
            wait_s = FIND_SIZE_AFTER_S if carrier is main else 0.0
            found = main.connection.datagram_bytes
            carrier.connection.find_size(found, self._datagram_bytes, self._clock.monotonic() + wait_s)
            carrier.touch()

    async def _dial(self, address: Address, peer: NodeId) -> QuicLink:
        if peer == self.identity.node:
            raise RefusedHere("that is this node itself")
        refused = self._accepts(peer)
        if refused:
            raise RefusedHere(f"node {peer[:8]} is not accepted here: {refused}")
        while peer in self._attempts:
            await self._attempts[peer].ended.wait()  # not for its link, which may be there while the attempt still is
        standing = self._links.get(peer)
        if standing is not None and (standing.relay is None or is_tunnel(address)):
            return standing
        attempt = self._attempts[peer] = _Attempt()
        try:
            link = await self._attempts_of(address, peer, attempt)
        except BaseException as error:
            self._end_attempt(peer, attempt, error)
            raise
        self._end_attempt(peer, attempt, None)
        return link

    async def _attempts_of(self, address: Address, peer: NodeId, attempt: _Attempt) -> QuicLink:
        try:
            return await self._show(address, peer, attempt)
        except OfAnotherAuthority:
            if not await self._learn(address, peer):
                raise
        return await self._show(address, peer, attempt)

    async def _learn(self, address: Address, peer: NodeId) -> bool:
        """Ask a node whose authority is not known how it came to be; True when its certificate counts now.

        Without this the two sides of a mesh whose authority was renewed on both would never hear of each other.
        """
        if len(self.identity.trusted(peer)) == 1:
            return False  # no authority was succeeded, or the roster does not name the peer
        try:
            said = await self._ask(address)
        except PortError:
            return False
        return said.node == peer and said.mesh == self.identity.mesh and self.identity.hear(said.line)

    async def _show(self, address: Address, peer: NodeId, attempt: _Attempt) -> QuicLink:
        """Dial with one face of this node after the other."""
        *news, last = self.identity.faces()
        for face in news:
            try:
                return await self._attempt(address, peer, attempt, face)
            except Twin:
                raise  # another face changes nothing about it
            except Refused:
                continue
        return await self._attempt(address, peer, attempt, last)

    async def _attempt(self, address: Address, peer: NodeId, attempt: _Attempt, face: Credentials) -> QuicLink:
        dialling = self._dialling(face, peer, Lane.MAIN, b"", self._bulk_port_for(address))
        carrier = dialling.carrier = self._connect(address, ALPN_MESH, peer, dialling)
        try:
            either: list[asyncio.Future[Any]] = [dialling.welcomed, attempt.link]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if attempt.link.done():
                carrier.close(CODE_CROSSED, "both dialled at once")
                return attempt.link.result()
            try:
                welcome = dialling.welcomed.result()
            except Crossed:
                return await asyncio.shield(attempt.link)
            except Refused as error:
                if self.identity.outdated(peer, carrier.connection.peer_certificate()):
                    raise RefusedHere(f"node {peer[:8]} is not accepted here: {OUTSIDE}") from error
                raise
            refused = self._accepts(peer)
            if refused:  # since the dial began
                raise RefusedHere(f"node {peer[:8]} is not accepted here: {refused}")
            certificate = carrier.connection.peer_certificate()
            over = self._is_over(certificate)
            if over:
                raise RefusedHere(f"node {peer[:8]} is not accepted here: {over}")
            link = self._stand(peer, welcome.link, carrier, self._life_of(welcome), welcome.bulk_port, dialled=True)
            link.shows(certificate, self.identity.ends_s(certificate))
            self._replay(carrier, dialling)
        except BaseException:
            carrier.close(CODE_BYE, "given up")
            raise
        return link

    def _end_attempt(self, peer: NodeId, attempt: _Attempt, error: BaseException | None) -> None:
        del self._attempts[peer]
        attempt.ended.set()
        if not attempt.link.done():
            attempt.link.set_exception(Unavailable(f"dialling failed: {error}"))
        if not attempt.link.cancelled():
            attempt.link.exception()
        if attempt.held_back is None:
            return
        gate, proof = attempt.held_back
        if error is None:
            gate.cross()
        elif not gate.carrier.gone:
            self._admit(gate, peer, proof)

    @staticmethod
    def _replay(carrier: Carrier, dialling: Dialling) -> None:
        early, dialling.early = dialling.early, []
        for event in early:
            carrier.tell(event)

    async def _more(self, link: QuicLink, lane: Lane) -> None:
        """Dial a further connection of a standing link."""
        *news, last = self.identity.faces()
        for face in news:
            with contextlib.suppress(Unavailable):
                return await self._one_more(link, lane, face)
        return await self._one_more(link, lane, last)

    async def _one_more(self, link: QuicLink, lane: Lane, face: Credentials) -> None:
        dialling = self._dialling(face, link.peer, lane, link.id)
        address = link.main.carrier.connection.address
        carrier = dialling.carrier = self._connect(address, ALPN_MESH, link.peer, dialling)
        try:
            async with asyncio.timeout(LANE_TIMEOUT_S):
                await dialling.welcomed
        except (TimeoutError, Refused) as error:
            carrier.close(CODE_BYE, "given up")
            raise Unavailable(f"no {lane.name.lower()} connection to {link.peer[:8]}: {error}") from error
        except BaseException:
            carrier.close(CODE_BYE, "given up")
            raise
        if link.join(carrier, lane, dialled=True) is None:
            carrier.close(CODE_BYE, "not needed")
        else:
            self._find_size(link, carrier)
        self._replay(carrier, dialling)

    # ------------------------------------------------------------ being dialled

    def _unknown(self, data: bytes, address: Address) -> Carrier | bytes | None:
        host = plain_host(address)[0]
        if not self._strangers.may_come(host):
            self._strangers.refuse(host)
            return None
        now_s = self._clock.monotonic()
        made = self._engine.accept(
            data,
            address,
            (ALPN_MESH, ALPN_ID, *((ALPN_TICKET,) if self.redeem is not None else ())),
            self.identity,
            UNPROVEN_WINDOWS,
            self._size_for(address),
            self._strangers.crowded and not is_tunnel(address),
            now_s,
        )
        if made is None:
            self._strangers.refuse(host)
        if made is None or isinstance(made, bytes):
            return made
        self._strangers.begins(host)
        carrier = self._driver.add(made)
        gate = Gate(
            carrier,
            self.identity,
            new_nonce(self._entropy.token),
            self._life,
            self._ended_of,
            self._may_answer,
            self._may_warn,
            self._proven,
            self._redeems,
            self._leave,
        )
        carrier.session = gate
        self._strangers.gates[gate] = host
        return carrier

    def _is_rubbish(self, address: Address) -> None:
        self._strangers.refuse(plain_host(address)[0])

    def _accepts(self, peer: NodeId) -> str | None:
        """Give a reason not to be linked with a node; None: there is none."""
        return self._believes(peer) or self._penalties.refused(peer, self._clock.monotonic())

    def _leave(self, gate: Gate) -> None:
        self._strangers.gates.pop(gate, None)

    def _may_answer(self, carrier: Carrier) -> bool:
        return self._strangers.may_answer(_place(carrier)[0])

    def _may_warn(self, carrier: Carrier) -> bool:
        return self._strangers.may_warn(_place(carrier)[0])

    def _redeems(self, gate: Gate, said: Redeem, nonce: bytes) -> str:
        """Begin to take a newcomer's ticket; gives why not, or nothing."""
        if self.redeem is None:
            return "this node admits nobody"
        if not self._strangers.may_redeem(_place(gate.carrier)[0]):
            return "too many tickets were tried from there; wait a minute"
        if len(self._redeeming) >= REDEEMING_MAX:
            return "many others are joining just now; try again"
        task = asyncio.get_running_loop().create_task(self._take_ticket(gate, said, nonce))
        self._redeeming[task] = None
        task.add_done_callback(lambda done: self._redeeming.pop(done, None))
        return ""

    async def _take_ticket(self, gate: Gate, said: Redeem, nonce: bytes) -> None:
        assert self.redeem is not None
        try:
            redeemed = await self.redeem(said, nonce)
        except PortError as error:
            gate.refuse(str(error), CODE_REFUSED if isinstance(error, Refused) else CODE_BUSY, claimed=said.node)
            return
        except Exception as error:  # noqa: BLE001 - a bug here must not leave the newcomer waiting
            _log.error("ticket not taken", error=repr(error), exc_info=error)
            gate.refuse("a bug of the node; its log has it", CODE_BUSY, claimed=said.node)
            return
        if not gate.carrier.gone:
            gate.admit(redeemed)

    def _proven(self, gate: Gate, peer: NodeId, proof: Proof) -> str:
        """Take a dialler that has proven who it is; gives why it is refused, or nothing."""
        if peer == self.identity.node:
            return self._meet_copy(gate, self._life_of(proof))
        refused = self._accepts(peer)
        if refused:
            return refused
        if self._version(proof) is None:
            return f"speaks versions {proof.version_min} to {proof.version_max} only"
        if proof.lane != Lane.MAIN:
            return self._join(gate, peer, proof)
        stands, newcomer = self._links.get(peer), self._life_of(proof)
        if stands is not None and rivals(stands.life, newcomer) and _place(stands.main.carrier) != _place(gate.carrier):
            # From the same address and port the old process cannot answer any more: the new one has its socket.
            return self._contend(gate, peer, proof, stands)
        attempt = self._attempts.get(peer)
        if attempt is not None and self.identity.node < peer:
            if attempt.held_back is not None:
                attempt.held_back[0].refuse("dialled again", CODE_REPLACED)
            attempt.held_back = (gate, proof)
            return ""
        standing = self._links.get(peer)
        better = standing is not None and standing.relay is not None and not is_tunnel(gate.carrier.connection.address)
        if standing is not None and not better and gate.began_s <= standing.since_s:
            # Both dialled at once, and ours was through first: the peer has it too, and lets this one go.
            gate.cross()
            return ""
        self._admit(gate, peer, proof)
        return ""

    def _is_over(self, certificate: bytes, theirs_ms: int = 0) -> str:
        """Say that a certificate is over, and by which clock; empty: it is not."""
        ends_s, now_s = self.identity.ends_s(certificate), self._judge.wall()
        if now_s <= ends_s:
            return ""
        theirs = f"; the other's clock shows {_day(theirs_ms / 1000)}" if theirs_ms else ""
        return f"the certificate has expired: it ended on {_day(ends_s)}, and here it is {_day(now_s)}{theirs}"

    def _ended_of(self, peer: NodeId, proof: Proof) -> str:
        """Say why the time of a dialler whose proof is right is over; empty: it is not."""
        if self._is_over(proof.certificate) and proof.wall_ms and not self._accepts(peer):
            self._judge.contradicted(peer, proof.wall_ms)
        return self._is_over(proof.certificate, proof.wall_ms)

    def _life_of(self, said: Proof | Welcome) -> Life:
        return Life(said.life, self._clock.monotonic() - said.age_ms / 1000)

    def _where(self, life: Life, carrier: Carrier) -> str:
        return where(*_place(carrier), life.age_ms(self._clock.monotonic()))

    def _meet_copy(self, gate: Gate, other: Life) -> str:
        """Say to another process with this node's key which of the two is the node."""
        if not rivals(other, self._life):
            return "it is this node itself"
        if is_elder(other, self._life):
            self._is_copy(self._where(other, gate.carrier))
            return "it is this node itself, in a process of its own that began earlier; this one is told"
        age_ms = self._life.age_ms(self._clock.monotonic())
        gate.refuse(where(*self.listening()[0], age_ms), CODE_TWIN, claimed=self.identity.node)
        return ""

    def _contend(self, gate: Gate, peer: NodeId, proof: Proof, stands: QuicLink) -> str:
        """Find out which of two processes with one key is the node."""
        newcomer = self._life_of(proof)
        if is_elder(newcomer, stands.life):
            self._down(stands, self._where(newcomer, gate.carrier), CODE_TWIN)
            self._admit(gate, peer, proof)
        elif peer in self._contending:
            gate.refuse("dialled again", CODE_BUSY, claimed=peer)
        else:
            task = asyncio.get_running_loop().create_task(self._see_who_answers(gate, peer, proof, stands))
            self._contending[peer] = task
            task.add_done_callback(lambda _: self._contending.pop(peer, None))
        return ""

    async def _see_who_answers(self, gate: Gate, peer: NodeId, proof: Proof, stands: QuicLink) -> None:
        answers = await stands.answers(ANSWER_S)
        if gate.carrier.gone:
            return
        if self._links.get(peer) not in (None, stands):
            gate.refuse("dialled again", CODE_BUSY, claimed=peer)
        elif answers and not stands.down:
            gate.refuse(self._where(stands.life, stands.main.carrier), CODE_TWIN, claimed=peer)
        else:
            self._admit(gate, peer, proof)

    def _version(self, proof: Proof) -> int | None:
        low, high = self.identity.versions
        newest = min(high, proof.version_max)
        return newest if newest >= max(low, proof.version_min) else None

    def _admit(self, gate: Gate, peer: NodeId, proof: Proof) -> None:
        refused = self._accepts(peer)
        if refused:  # while it was held back
            gate.refuse(refused, CODE_REFUSED, claimed=peer)
            return
        version = self._version(proof)
        assert version is not None
        link_id = self._entropy.token(LINK_BYTES)
        bulk_port = self._bulk_port_for(gate.carrier.connection.address)
        gate.welcome(link_id, version, self._clock.monotonic(), bulk_port)
        link = self._stand(peer, link_id, gate.carrier, self._life_of(proof), proof.bulk_port, dialled=False)
        link.shows(proof.certificate, self.identity.ends_s(proof.certificate))
        attempt = self._attempts.get(peer)
        if attempt is not None and not attempt.link.done():
            attempt.link.set_result(link)

    def _join(self, gate: Gate, peer: NodeId, proof: Proof) -> str:
        link = self._links.get(peer)
        version = self._version(proof)
        if link is None or link.id != proof.link or proof.lane not in (Lane.RECORD, Lane.BULK) or version is None:
            return "a further connection of a link that does not stand"
        if link.join(gate.carrier, Lane(proof.lane), dialled=False) is None:
            return "enough connections"
        gate.welcome(link.id, version, self._clock.monotonic())
        self._find_size(link, gate.carrier)
        return ""

    # ------------------------------------------------------------ the bulk lane's owner

    def _bulk_port_for(self, address: Address) -> int:
        return self._bulk.port if self._bulk is not None and not is_tunnel(address) else 0

    def begins(self, host: str) -> bool:
        """Count a connection that a host begins; False when it may not."""
        if self._strangers.begins(host):
            return True
        self._strangers.refuse(host)
        return False

    def may_warn(self, host: str) -> bool:
        """Tell whether a refusal of a host is worth a warning."""
        return self._strangers.may_warn(host)

    def joins(self, peer: NodeId, proof: Proof) -> tuple[Pool, int] | str:
        """Give the connections of the link that a proven peer's connection is for, and the version; or why not."""
        refused = self._accepts(peer) or self._is_over(proof.certificate, proof.wall_ms)
        if refused:
            return refused
        link, version = self._links.get(peer), self._version(proof)
        if link is None or link.id != proof.link or link.bulk is None or version is None:
            return "a connection of a link that does not stand"
        return link.bulk, version

    # ------------------------------------------------------------ links

    def _stand(
        self, peer: NodeId, link_id: bytes, carrier: Carrier, life: Life, bulk_port: int, *, dialled: bool
    ) -> QuicLink:
        old = self._links.get(peer)
        if old is not None:
            self._down(old, "replaced by a new connection of the same node", CODE_REPLACED)
        assert self._handler is not None
        relay = self._tunnels.relay(carrier.connection.address)
        link = QuicLink(peer, link_id, self._clock.monotonic(), life, self._handler, self._more, self._lost, relay)
        link.join(carrier, Lane.MAIN, dialled=dialled)
        self._find_size(link, carrier)
        self._links[peer] = link
        self.copied = ""
        host, port = link.address
        if self._bulk is not None and relay is None:
            link.bulk = self._pool(self._bulk, link, (host, bulk_port) if bulk_port else None)
        _log.info("link up", peer=peer, address=f"{host}:{port}", dialled=dialled)
        self._handler.on_link_up(link)
        return link

    def _pool(self, bulk: BulkLane, link: QuicLink, host: Host | None) -> Pool:
        return Pool(
            link.peer,
            host,
            lambda at: bulk.dial(at, link.peer, link.id),
            link.serve_lane,
            link.misbehaved,
            self._clock.monotonic,
        )

    def _lost(self, link: QuicLink, reason: str, *, misbehaved: bool = False, twin: bool = False) -> None:
        if twin:
            self._is_copy(reason)
        if misbehaved:
            wait_s = self._penalties.drop(link.peer, self._clock.monotonic())
            _log.warning("peer dropped", peer=link.peer, reason=reason, waits_s=wait_s)
        self._down(link, reason, CODE_MALFORMED if misbehaved else CODE_BYE)

    def _down(self, link: QuicLink, reason: str, code: int) -> None:
        if self._links.get(link.peer) is not link:
            return
        del self._links[link.peer]
        link.close(code, reason)
        _log.info("link down", peer=link.peer, reason=reason)
        assert self._handler is not None
        self._handler.on_link_down(link, reason)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEPALIVE_LOOK_S)
            now_s = self._clock.monotonic()
            wall_s = self._judge.wall()
            self._moving.look(self._socket.hosts, self._links.values())
            if len(self._tunnels):
                self._tunnels.tidy({carrier.connection.address for carrier in self._driver.carriers})
            for link in list(self._links.values()):
                if wall_s > link.ends_s:
                    self._down(link, "the certificate it showed is over", CODE_BYE)
                    continue
                if self.identity.outdated(link.peer, link.certificate):
                    self._down(link, OUTSIDE, CODE_REFUSED)
                    continue
                if link.bulk is not None:
                    link.bulk.tidy()
                for carrier in link.carriers:
                    if carrier.connection.look_at_size(now_s):
                        link.main.carrier.connection.doubt_size(now_s)  # the others would begin with the same again
                        carrier.touch()
                        link.main.carrier.touch()
                    wanted = carrier.lane is Lane.MAIN or carrier.connection.streams_held() > 0
                    if wanted and now_s - carrier.heard_s >= KEEPALIVE_S:
                        carrier.connection.ping()
                        carrier.touch()


def _place(carrier: Carrier) -> Host:
    return plain_host(carrier.connection.address)


def _day(wall_s: float) -> str:
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=wall_s)
    return f"{moment:%Y-%m-%d}"
