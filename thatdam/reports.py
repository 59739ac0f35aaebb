"""How the nodes are doing: each tells of itself when asked, and any node asks them all.

Invariant: what a node cannot measure it does not tell; a node that does not answer is listed without figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mesh.actors.chunks import Lag, Moving
from mesh.actors.diskguard import ReadOnlyTold
from mesh.actors.membership import Members
from mesh.actors.system import ActorSystem, Context
from mesh.core.member import Member
from mesh.ports import Clock, Disk, Network, NotFound, PortError
from proto.ids import NodeId
from proto.messages.membership import State
from proto.messages.nodes import REASON_TOLD_MAX, AskReport, NodeReport
from roles.storage.collector import Reclaiming
from roles.storage.repair import RepairReport
from thatdam.pulse import Pulse
from thatdam.world import Process

ACTOR = "node"
ASK_TIMEOUT_S = 1.5
HELD_UP_BY_MAX = 1024


class Kept(Protocol):
    """What a report needs of the store of chunks and of the rows."""

    async def totals(self) -> tuple[int, int]:
        """Give how many chunks are here, and their bytes."""


class Counted(Protocol):
    """What a report needs of the rows."""

    async def count(self) -> int:
        """Give how many rows are here."""


class Lagging(Protocol):
    """What a report needs of the chunks' face."""

    def lag(self) -> Lag:
        """Tell what on this node has not reached all that should hold it."""

    def moving(self) -> Moving:
        """Tell how far this node is in following the layout."""


class Repairing(Protocol):
    """What a report needs of the repair."""

    async def report(self) -> RepairReport:
        """Tell what is to be done."""


class Collecting(Protocol):
    """What a report needs of the collector."""

    async def report(self) -> Reclaiming:
        """Tell what can be given back."""


class Reporter:
    """The actor ``node``: tells of this node."""

    def __init__(
        self,
        system: ActorSystem,
        clock: Clock,
        disk: Disk,
        store: Kept,
        rows: Counted,
        chunks: Lagging,
        repair: Repairing,
        collector: Collecting,
        process: Process,
        pulse: Pulse,
        role_reasons: Mapping[str, str],
        read_only: Callable[[], ReadOnlyTold | None] = lambda: None,
        authority: Callable[[], str] = lambda: "",
    ) -> None:
        self._authority = authority
        self._read_only = read_only
        self._clock = clock
        self._disk = disk
        self._store = store
        self._rows = rows
        self._chunks = chunks
        self._repair = repair
        self._collector = collector
        self._role_reasons = dict(role_reasons)
        self._started_ms = int(clock.wall() * 1000)
        self._process = process
        self._pulse = pulse
        system.spawn(ACTOR, self, concurrency=2)

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Tell of this node."""
        if not isinstance(message, AskReport):
            raise NotFound(f"a node takes no {type(message).__name__} from {context.sender[:8]}")
        return await self.report()

    async def report(self) -> NodeReport:
        """Measure now."""
        usage = await self._disk.usage()
        count, size = await self._store.totals()
        lag, moving = self._chunks.lag(), self._chunks.moving()
        repair = await self._repair.report()
        idle = await self._collector.report()
        late_s = self._pulse.usual_s
        shut = self._read_only()
        return NodeReport(
            self._started_ms,
            self._process.cpu_percent(),
            self._process.memory_bytes(),
            usage.total_bytes,
            usage.free_bytes,
            count,
            size,
            await self._rows.count(),
            lag.chunks,
            lag.bytes,
            lag.seconds,
            late_s * 1000 if late_s is not None else None,
            self._role_reasons,
            repair.chunks_short,
            repair.chunks_repairing,
            repair.chunks_damaged,
            repair.partitions_behind,
            idle.chunks,
            idle.bytes,
            idle.reclaimed_bytes,
            idle.held_up_by[:HELD_UP_BY_MAX],
            repair.scrub.began_ms,
            repair.scrub.last_ended_ms,
            repair.scrub.found,
            repair.chunks_unfound,
            moving.looked_at,
            moving.moved_bytes,
            shut.by if shut else "",
            shut.why[:REASON_TOLD_MAX] if shut else "",
            shut.since_ms if shut else 0,
            shut is None or shut.rows,
            self._authority(),
        )


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node as this one sees it: what membership believes, what it told, and the link (seconds; None: no link)."""

    member: Member
    report: NodeReport | None
    rtt_s: float | None
    relay: NodeId | None = None
    """The node that carries the link, where it is not one of their own."""


class Overview:
    """All nodes, asked at once. ``stores``: whether something may be kept on a node, by the layout."""

    def __init__(
        self, system: ActorSystem, members: Members, network: Network, stores: Callable[[NodeId], bool]
    ) -> None:
        self._system = system
        self._members = members
        self._network = network
        self._stores = stores
        self._authorities: dict[NodeId, str] = {}

    @property
    def authorities(self) -> Mapping[NodeId, str]:
        """The authorities, by their keys in hex, that nodes went by when they answered last."""
        return self._authorities

    async def nodes(self) -> list[NodeState]:
        """Give every node, in the order of their ids; those that do not answer lack figures. One that has left is
        among them for as long as the layout counts on it: what it keeps cannot be had."""
        members = [
            member
            for member in self._members.all().values()
            if member.state is not State.LEFT or self._stores(NodeId(member.id))
        ]
        reports = await asyncio.gather(*(self._ask(member) for member in members))
        links = self._network.links()
        return [
            NodeState(member, report, link.rtt_s if link else None, link.relay if link else None)
            for member, report in zip(members, reports, strict=True)
            for link in (links.get(NodeId(member.id)),)
        ]

    async def _ask(self, member: Member) -> NodeReport | None:
        if member.state not in (State.ALIVE, State.SUSPECT):
            return None
        node = NodeId(member.id)
        try:
            report = await self._system.ask(node, ACTOR, AskReport(), NodeReport, timeout_s=ASK_TIMEOUT_S)
        except PortError:
            return None
        self._authorities[node] = report.authority
        return report
