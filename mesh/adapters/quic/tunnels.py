"""Ways of datagrams that lead by another node, beside the UDP socket.

Each tunnel has an address, as if it were a host's: the name of the node in between, and a number. So the connections
over it are like any other: the same handshake, the same proof.

Invariant: a tunnel over which no connection runs, because none was dialled or it has ended, is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from mesh.adapters.quic.engine import Address
from mesh.ports import Clock, Tunnel
from proto.ids import NodeId

UNUSED_S = 10.0
"""A tunnel may be without a connection for so long at its beginning."""
_HOST = "by way of "


class Tunnels:
    """The tunnels of one node; sends datagrams wherever they go. ``outside`` sends those that go by UDP."""

    def __init__(self, outside: Callable[[bytes, Address], None], clock: Clock) -> None:
        self._outside = outside
        self._clock = clock
        self._tunnels: dict[Address, tuple[Tunnel, float]] = {}
        self._begun: dict[Address, None] = {}
        self._count = 0

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram, or lose it."""
        if not is_tunnel(address):
            self._outside(data, address)
        elif address in self._tunnels:
            self._begun[address] = None
            self._tunnels[address][0].send(data)

    def add(
        self, tunnel: Tunnel, heard: Callable[[list[tuple[bytes, Address]]], None], ended: Callable[[Address], None]
    ) -> Address:
        """Take a tunnel in; gives its address. ``ended`` hears when it is broken or closed."""
        self._count += 1
        address = (f"{_HOST}{tunnel.relay}", self._count)
        self._tunnels[address] = (tunnel, self._clock.monotonic())

        def over() -> None:
            self._begun.pop(address, None)
            if self._tunnels.pop(address, None) is not None:
                ended(address)

        tunnel.listen(lambda data: heard([(data, address)]), over)
        return address

    def relay(self, address: Address) -> NodeId | None:
        """Give the node in between; None for an address of UDP."""
        return NodeId(str(address[0]).removeprefix(_HOST)) if is_tunnel(address) else None

    def end(self, address: Address) -> None:
        """Close a tunnel."""
        if address in self._tunnels:
            self._tunnels[address][0].close()

    def tidy(self, used: Container[Address]) -> None:
        """Close those that are used no more, and those that nobody has used in their first seconds."""
        since_s = self._clock.monotonic() - UNUSED_S
        for address, (tunnel, began_s) in list(self._tunnels.items()):
            if address not in used and (address in self._begun or began_s < since_s):
                tunnel.close()

    def close(self) -> None:
        """Close all."""
        for tunnel, _ in list(self._tunnels.values()):
            tunnel.close()

    def __len__(self) -> int:
        return len(self._tunnels)


def is_tunnel(address: Address) -> bool:
    """Tell whether an address is that of a tunnel. No name that DNS resolves has spaces."""
    return str(address[0]).startswith(_HOST)
