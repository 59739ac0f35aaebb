"""The network of a node that has no peers: a ``ports.Network`` without links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mesh.ports import Host, Link, LinkHandler, Unavailable
from proto.ids import NodeId


class LoneNetwork:
    """No links, ever."""

    async def start(self, handler: LinkHandler) -> None:
        """Nothing to listen to."""

    async def dial(self, host: Host, expect: NodeId | None = None, timeout_s: float = 5.0) -> Link:
        """Nobody can be reached."""
        del expect, timeout_s
        raise Unavailable(f"this node is alone; {host[0]}:{host[1]} cannot be reached")

    def links(self) -> Mapping[NodeId, Link]:
        """No links."""
        return {}

    def drop(self, peer: NodeId, reason: str) -> None:
        """Nothing to drop."""

    def listening(self) -> Sequence[Host]:
        """No addresses."""
        return []

    async def close(self) -> None:
        """Nothing to close."""
