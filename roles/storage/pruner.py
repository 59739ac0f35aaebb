"""Tombstones that nobody needs any more are forgotten, by all owners of their partition together.

A pass notes since when tombstones stand, asks every node whether its rows are where they belong, and has the owners
forget what ``mesh.core.pruning`` lets go. Of a partition the first owner does it, while every owner is there, none has
a stand-in, and the layout is reached; each owner looks at its own tombstones and its own clock once more.

Invariant: a tombstone is removed only in the transaction that finds it as it was when every owner agreed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from mesh.actors.placement import LayoutView, Peers
from mesh.actors.rowstore import RowStore, partition_for
from mesh.actors.system import ActorSystem, Context
from mesh.core.collection import settled_at
from mesh.core.pruning import KEPT_FOR_EVER, Dead, Key, agreed, holding_up, seen_by_all
from mesh.ports import Clock, NotFound, PortError
from proto.ids import NodeId, PartitionId
from proto.messages.catalogue import (
    AllSettled,
    AskAllSettled,
    AskForgettable,
    Forgettable,
    ForgetTombstones,
    Forgotten,
)
from roles.storage.collector import ACTOR as COLLECTOR
from roles.storage.collector import Collector

ACTOR = "pruner"
AT_ONCE = 256
PASS_S = (1.0, 600.0)
"""Shortest and longest time from one pass to the next; between them, a quarter of the grace."""
ASK_TIMEOUT_S = 5.0

_log = structlog.get_logger("storage.pruner")


class Pruner:
    """The pruner of one storage node."""

    def __init__(
        self,
        system: ActorSystem,
        rows: RowStore,
        view: LayoutView,
        peers: Peers,
        collector: Collector,
        clock: Clock,
    ) -> None:
        self._system = system
        self._rows = rows
        self._view = view
        self._peers = peers
        self._collector = collector
        self._clock = clock
        self._settled: dict[NodeId, int] = {}
        self.tombstones_forgotten = 0
        system.spawn(ACTOR, self, concurrency=2)

    def open(self) -> None:
        """Begin."""
        self._system.supervisor.run("catalogue/prune", self._run)

    async def _run(self) -> None:
        pause_s = min(PASS_S[1], max(PASS_S[0], self._collector.graces.idle_ms / 4000))
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self.pass_once()
            except PortError as error:
                _log.info("no tombstones forgotten now", error=str(error))

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)

    def _before_ms(self) -> int:
        return self._now_ms() - self._collector.graces.idle_ms

    # ------------------------------------------------------------ answering

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Answer an owner that asks, and forget what all have agreed to."""
        match message:
            case AskForgettable():
                free = await self._free(message.rows, message.layout)
                return Forgettable(bytes(key in free for key, _ in message.rows))
            case ForgetTombstones():
                if message.layout != self._view.history.token:
                    return Forgotten(0)
                parts = {key: partition_for(key[0], key[1]) for key, _ in message.rows if key[0] not in KEPT_FOR_EVER}
                asked = [
                    (key, value)
                    for key, value in message.rows
                    if key in parts and context.sender in self._view.owners(parts[key])
                ]
                gone = await self._rows.forget_dead(asked, self._before_ms())
                self.tombstones_forgotten += gone
                return Forgotten(gone)
            case _:
                raise NotFound(f"{ACTOR} takes no {type(message).__name__} from {context.sender[:8]}")

    async def _free(self, rows: Sequence[tuple[Key, int]], layout: str) -> set[Key]:
        """Give the tombstones that this owner can do without; none while it may not have all it should."""
        if layout != self._view.history.token:
            return set()
        counting = self._view.counting()
        mine = [(key, value) for key, value in rows if partition_for(key[0], key[1]) in counting]
        return await self._rows.forgettable(mine, self._before_ms())

    # ------------------------------------------------------------ passes

    async def pass_once(self) -> int:
        """Note, ask and forget once; gives how many tombstones went here."""
        await self._rows.note_dead(self._now_ms())
        nodes = self._collector.nodes()
        await self._ask_settled(nodes)
        gone, held = 0, dict[NodeId, None]()
        after = (0, 0)
        while True:
            batch, after = await self._rows.dead(after, AT_ONCE, self._before_ms())
            if not batch:
                break
            mine = self._mine()
            due = [one for one in batch if one.partition in mine]
            held.update(dict.fromkeys(holding_up(due, nodes, self._settled)))
            gone += await self._forget(seen_by_all(due, nodes, self._settled))
        self._collector.tombstones_held_up_by = tuple(held)
        if gone:
            self.tombstones_forgotten += gone
            _log.info("tombstones forgotten", rows=gone)
        return gone

    def _mine(self) -> set[PartitionId]:
        """Give the partitions whose first owner this node is, while all owners are there and there is nobody else."""
        alive, counting = frozenset(self._peers.alive_ids()), self._view.counting()
        if self._view.history.moving:
            return set()
        return {
            part
            for part, share in self._view.shares().items()
            if share.owners[:1] == (self._system.node_id,)
            and part in counting
            and alive.issuperset(share.owners)
            and frozenset(share.takers) == frozenset(share.owners)
        }

    async def _ask_settled(self, nodes: Sequence[NodeId]) -> None:
        """Ask every node that is there up to when its rows are where they belong."""
        me = self._system.node_id
        asked = AskAllSettled(self._view.layout.version)

        async def one(node: NodeId) -> None:
            asked_ms = self._now_ms()
            try:
                told = await self._system.ask(node, COLLECTOR, asked, AllSettled, timeout_s=ASK_TIMEOUT_S)
            except PortError as error:
                _log.debug("not asked", peer=node[:8], error=str(error))
                return
            if told.behind_ms is not None:
                self._settled[node] = max(self._settled.get(node, 0), settled_at(asked_ms, told.behind_ms))

        await asyncio.gather(*(one(node) for node in self._peers.alive_ids() if node != me))
        self._settled[me] = self._now_ms()  # what this node wrote is among its own rows
        self._settled = {node: at for node, at in self._settled.items() if node in nodes}

    async def _forget(self, due: Sequence[Dead]) -> int:
        """Have all owners of these forget them, if they agree; gives how many went here."""
        by_owners: dict[tuple[NodeId, ...], list[Dead]] = {}
        shares = self._view.shares()
        for one in due:
            by_owners.setdefault(shares[one.partition].owners, []).append(one)
        return sum([await self._forget_at(owners, those) for owners, those in by_owners.items()])

    async def _forget_at(self, owners: Sequence[NodeId], due: Sequence[Dead]) -> int:
        layout = self._view.history.token
        words = await self._words(owners, due, layout)
        gone = [(one.key, one.digest) for one in agreed(due, words)]
        if not gone or layout != self._view.history.token:
            return 0
        message = ForgetTombstones(tuple(gone), layout)
        others = [owner for owner in owners if owner != self._system.node_id]
        for owner in others:
            await self._system.ask(owner, ACTOR, message, Forgotten, timeout_s=ASK_TIMEOUT_S)
        return await self._rows.forget_dead(gone, self._before_ms())

    async def _words(
        self, owners: Sequence[NodeId], due: Sequence[Dead], layout: str
    ) -> Mapping[NodeId, frozenset[Key] | None]:
        rows = tuple((one.key, one.digest) for one in due)

        async def word(owner: NodeId) -> frozenset[Key] | None:
            if owner == self._system.node_id:
                return frozenset(await self._free(rows, layout))
            try:
                answer = await self._system.ask(
                    owner, ACTOR, AskForgettable(rows, layout), Forgettable, timeout_s=ASK_TIMEOUT_S
                )
            except PortError as error:
                _log.debug("not asked", peer=owner[:8], error=str(error))
                return None
            return frozenset(key for (key, _), said in zip(rows, answer.said, strict=False) if said)

        return dict(zip(owners, await asyncio.gather(*(word(owner) for owner in owners)), strict=True))
