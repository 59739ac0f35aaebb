"""A way between two nodes by another one, in memory, and how simulated networks dial over any such way.

Invariant: what one end sent before the other listened is heard when it does; closing either end ends both, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mesh.ports import TUNNEL_DATAGRAM_BYTES_MAX, Refused, Tunnel, Unavailable
from proto.ids import NodeId


class FakeTunnel:
    """One end of a way; a ``ports.Tunnel``."""

    def __init__(self, relay: NodeId, peer: NodeId) -> None:
        self.relay = relay
        self.peer = peer
        self.other: FakeTunnel | None = None
        self.closed = False
        self._early: list[bytes] = []
        self._heard: Callable[[bytes], None] | None = None
        self.ended: Callable[[], None] | None = None

    def listen(self, heard: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        """Begin; what came before is heard first."""
        self._heard, self.ended = heard, ended
        early, self._early = self._early, []
        for data in early:
            asyncio.get_running_loop().call_soon(self.hear, data)
        if self.closed:
            ended()

    def send(self, data: bytes) -> None:
        """Send a datagram."""
        if len(data) > TUNNEL_DATAGRAM_BYTES_MAX:
            raise ValueError(f"a datagram of {len(data)} bytes is over {TUNNEL_DATAGRAM_BYTES_MAX}")
        if self.other is not None and not self.closed:
            asyncio.get_running_loop().call_soon(self.other.hear, bytes(data))

    def hear(self, data: bytes) -> None:
        """Take what the other end sent."""
        if self._heard is None:
            self._early.append(data)
        elif not self.closed:
            self._heard(data)

    def close(self) -> None:
        """End the way, at both ends."""
        for end in (self, self.other):
            if end is not None and not end.closed:
                end.closed = True
                if end.ended is not None:
                    end.ended()


def tunnel(relay: NodeId, one: NodeId, other: NodeId) -> tuple[FakeTunnel, FakeTunnel]:
    """Give both ends of a way: for ``one``, which leads to ``other``, and the other way round."""
    near, far = FakeTunnel(relay, other), FakeTunnel(relay, one)
    near.other, far.other = far, near
    return near, far


class Doorway:
    """How a simulated network dials over a way and is dialled over one: both ends say who they are."""

    def __init__(self, node: NodeId, lost: Callable[[Tunnel], None]) -> None:
        self._node = node
        self._lost = lost
        self._entered: dict[NodeId, Tunnel] = {}

    async def knock(self, tunnel: Tunnel, timeout_s: float) -> None:
        """Find the node there that is expected; Refused: it is another. Unavailable: nobody answers."""
        answered: asyncio.Future[NodeId] = asyncio.get_running_loop().create_future()

        def heard(data: bytes) -> None:
            if not answered.done():
                answered.set_result(NodeId(data.decode()))

        way = f"by way of {tunnel.relay[:8]}"
        tunnel.listen(heard, lambda: self._lost(tunnel))
        tunnel.send(self._node.encode())
        try:
            async with asyncio.timeout(timeout_s):
                there = await answered
        except TimeoutError as error:
            raise Unavailable(f"nobody answered {way} within {timeout_s:g} s") from error
        if there != tunnel.peer:
            raise Refused(f"{way} answers {there[:8]}, not {tunnel.peer[:8]}")

    def enter(self, tunnel: Tunnel) -> None:
        """Answer whoever knocks."""

        def heard(data: bytes) -> None:
            self._entered[NodeId(data.decode())] = tunnel
            tunnel.send(self._node.encode())

        tunnel.listen(heard, lambda: self._lost(tunnel))

    def take(self, dialler: NodeId) -> Tunnel | None:
        """Give this end of the way over which a node has knocked."""
        return self._entered.pop(dialler, None)
