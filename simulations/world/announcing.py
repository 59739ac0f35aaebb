"""Discovery on the simulated LAN: who can hear each other when a node starts get to know each other, once.

mDNS tells again and again; here only the start is told, so that later meetings are the mesh's own doing. The real one
passes the same contract tests (``tests/contracts/test_discovery.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mesh.ports import Host
from proto.ids import MeshId, NodeId
from simulations.world.fabric import Fabric

HEARD_AFTER_S = (0.05, 0.5)
Found = Callable[[NodeId, Sequence[Host]], None]


class Air:
    """The LAN that announcements go over."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.hearers: dict[NodeId, Announcement] = {}


class Announcement:
    """A ``ports.Discovery`` of one life of a node."""

    def __init__(self, air: Air, node: NodeId, mesh: MeshId, hosts: Callable[[], Sequence[Host]], life: str) -> None:
        self.node = node
        self.mesh = mesh
        self.hosts = hosts
        self._air = air
        self._life = life
        self._found: Found | None = None

    async def start(self, found: Found) -> None:
        """Advertise this node to the others, and them to it."""
        self._found = found
        self._air.hearers[self.node] = self
        for other in list(self._air.hearers.values()):
            if other is not self and other.mesh == self.mesh and self._air.fabric.answers(self.node, other.node):
                other.hear(self)
                self.hear(other)

    async def close(self) -> None:
        """Be silent."""
        self.vanish()

    def vanish(self) -> None:
        """Be gone: closed or killed."""
        self._found = None
        if self._air.hearers.get(self.node) is self:
            del self._air.hearers[self.node]

    def hear(self, other: Announcement) -> None:
        """Be told of another in a moment."""
        fabric = self._air.fabric
        node, hosts = other.node, tuple(other.hosts())

        def tell() -> None:
            if self._found is not None:
                self._found(node, hosts)

        delay_s = fabric.chance.uniform(*HEARD_AFTER_S)
        fabric.loop.call_later(delay_s, tell, context=fabric.loop.context_of(self._life))
