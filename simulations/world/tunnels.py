"""A way between two nodes by another one, in memory; both ends are a ``ports.Tunnel``.

Invariant: what one end sent before the other listened is heard when it does; closing either end ends both, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mesh.ports import TUNNEL_DATAGRAM_BYTES_MAX
from proto.ids import NodeId


class FakeTunnel:
    """One end of a way."""

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
