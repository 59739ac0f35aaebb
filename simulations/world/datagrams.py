"""UDP between simulated machines, for the real transport to run over: what tier 2 has where tier 1 has links.

A path keeps the order of what is sent on it, but for what is late or doubled, and carries datagrams up to a size; what
is larger vanishes, as where routers drop without a word. Invariant: a node's socket is read in that node's name: while
it stands still, its socket holds what comes up to ``HELD_BYTES_MAX``; once it is killed, nobody listens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from mesh.adapters.quic.engine import Address
from mesh.adapters.quic.udp import BUFFER_BYTES, DRAINED_MAX
from mesh.ports import Host, Unavailable
from proto.ids import NodeId
from simulations.world.fabric import Fabric
from simulations.world.links import fingerprint

PATH_BYTES = 1472
"""The UDP payload that paths carry: Ethernet's 1500 bytes without the headers of IPv4 and UDP."""
HELD_BYTES_MAX = BUFFER_BYTES
EPHEMERAL_PORT = 49152
"""The first of the ports under which a NAT shows a machine."""

Receive = Callable[[list[tuple[bytes, Address]]], None]


class Datagrams:
    """The sockets of all machines, and the paths between them."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.path_bytes = PATH_BYTES
        self.sockets: dict[Host, SimulatedSocket] = {}
        self.sent = self.lost = 0
        """Datagrams sent, and those of them that did not arrive, whatever the reason."""
        self._narrow: dict[tuple[NodeId, NodeId], int] = {}
        self._last: dict[tuple[Host, Host], float] = {}
        self._shown = EPHEMERAL_PORT

    def narrow(self, size: int, sources: Iterable[NodeId] = (), targets: Iterable[NodeId] = ()) -> None:
        """Let paths carry UDP payloads of up to ``size`` bytes only: all, or those from some nodes to others."""
        targets = list(targets)
        if not targets:
            self.path_bytes = size
        for source in sources:
            self._narrow |= {(source, target): size for target in targets}

    def widen(self, size: int | None) -> None:
        """Let every path carry ``size`` bytes, or what Ethernet does."""
        self._narrow.clear()
        self.path_bytes = size or PATH_BYTES

    def carries(self, source: NodeId, target: NodeId) -> int:
        """Give the largest UDP payload that arrives this way."""
        return min(self.path_bytes, self._narrow.get((source, target), self.path_bytes))

    def show(self, socket: SimulatedSocket) -> None:
        """Have a NAT forget a machine: others see what it sends come from another port, at which it is reached too."""
        if socket.shown != socket.host:
            self.sockets.pop(socket.shown, None)
        socket.shown = (socket.host[0], self._shown)
        self._shown += 1
        self.sockets[socket.shown] = socket

    def carry(self, source: SimulatedSocket, data: bytes, target: Host) -> None:
        """Bring a datagram on its way, if it has one."""
        fabric, weather, chance = self.fabric, self.fabric.weather, self.fabric.chance
        now = fabric.loop.time()
        fabric.trace.add(now, "udp", source.node[:8], f"{target[0]}:{target[1]}", len(data), fingerprint(data))
        self.sent += 1
        there = self.sockets.get(target)
        if there is not None:
            fabric.sent(source.node, there.node, len(data))
        if there is None or len(data) > self.carries(source.node, there.node):
            self.lost += 1
            return
        path = (source.shown, target)
        copies = 2 if chance.chance(weather.duplicate) else 1
        for copy in range(copies):
            if chance.chance(weather.loss):
                self.lost += not copy
                continue
            at = now + chance.uniform(*weather.latency_s) + weather.delay_s
            if chance.chance(weather.spike):
                at += chance.uniform(0.0, weather.spike_s)
            elif not copy:
                at = self._last[path] = max(at, self._last.get(path, 0.0))
            fabric.at(at, partial(self._arrive, source.node, source.shown, target, data))

    def _arrive(self, source: NodeId, shown: Host, target: Host, data: bytes) -> None:
        there = self.sockets.get(target)
        if there is None or not self.fabric.open(source, there.node) or not there.came(data, shown):
            self.lost += 1


class SimulatedSocket:
    """The socket of one life of a node; a ``mesh.adapters.quic.udp.DatagramSocket``."""

    def __init__(self, datagrams: Datagrams, node: NodeId, host: Host, life: str) -> None:
        self.whole = True
        self.node = node
        self.host = host
        self.shown = host
        """From where others see come what it sends."""
        self._datagrams = datagrams
        self._context = datagrams.fabric.loop.context_of(life)
        self._receive: Receive | None = None
        self._held: deque[tuple[bytes, Address]] = deque()
        self._held_bytes = 0
        self._reading = False

    async def open(self, bind: Host, receive: Receive) -> None:
        """Listen at the machine's address; Unavailable when another socket does."""
        del bind  # a machine has one address here, and its port is given with it
        if self.host in self._datagrams.sockets:
            raise Unavailable(f"cannot listen on UDP {self.host[0]} port {self.host[1]}: it is taken")
        self._receive = receive
        self._datagrams.sockets[self.host] = self

    @property
    def port(self) -> int:
        """The UDP port bound."""
        return self.host[1]

    def hosts(self) -> list[Host]:
        """Give the machine's address."""
        return [self.host]

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram."""
        if self._receive is not None:
            self._datagrams.carry(self, data, (address[0], address[1]))

    def close(self) -> None:
        """Stop listening."""
        self._receive = None
        for host in (self.host, self.shown):
            if self._datagrams.sockets.get(host) is self:
                del self._datagrams.sockets[host]

    def vanish(self) -> None:
        """Be gone: the process was killed."""
        self.close()

    async def resolve(self, host: Host) -> Address:
        """Give the socket address: names are addresses here."""
        return host

    def move(self, host: Host) -> None:
        """Be at another address from now on, as a machine that comes into another network."""
        listening = self._receive
        self.close()
        self.host = self.shown = host
        if listening is not None:
            self._receive = listening
            self._datagrams.sockets[host] = self

    def came(self, data: bytes, shown: Host) -> bool:
        """Take a datagram; False when there is no room for it."""
        if self._held_bytes + len(data) > HELD_BYTES_MAX:
            return False
        self._held.append((data, shown))
        self._held_bytes += len(data)
        if not self._reading:
            self._reading = True
            self._datagrams.fabric.loop.call_soon(self._read, context=self._context.copy())
        return True

    def _read(self) -> None:
        batch = [self._held.popleft() for _ in range(min(DRAINED_MAX, len(self._held)))]
        self._held_bytes -= sum(len(data) for data, _ in batch)
        self._reading = bool(self._held)
        if self._reading:
            self._datagrams.fabric.loop.call_soon(self._read, context=self._context.copy())
        if self._receive is not None and batch:
            self._receive(batch)
