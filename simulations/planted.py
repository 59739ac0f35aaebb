"""Bugs put in on purpose, to see that a checker finds them. Each breaks one promise in one place, as a person might.

Invariant: what was replaced is put back when the block ends.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.placement import LayoutView
from mesh.actors.search import Search
from mesh.adapters.quic.moving import Moving
from mesh.core import pruning, replication, rows
from mesh.core.hlc import HybridClock
from mesh.core.identity import NodeIdentity
from mesh.core.jobs import LeaseBook
from mesh.core.layouts import History
from mesh.core.membership import Membership
from mesh.core.recording import Answer, RecordingBook
from mesh.ports import Unavailable
from proto.ids import NodeId
from proto.messages.cameras import Verdict
from roles.media import timeline
from roles.storage.collector import Collector
from simulations.checks import keeping
from simulations.world.links import WorldLink
from simulations.world.tables import FakeTables

Undo = Callable[[], None]


def _swap(owner: Any, name: str, made: Any) -> Undo:
    before = owner.__dict__[name]
    setattr(owner, name, made)
    return lambda: setattr(owner, name, before)


def _acknowledged_before_durable() -> list[Undo]:
    """The database answers before its bytes are on the disk: a crash takes the last two seconds back."""
    real_write, real_crash = FakeTables.write, FakeTables.crash
    states: dict[FakeTables, list[tuple[float, bytes]]] = {}

    async def write(self: FakeTables, work: Any) -> Any:
        given = await real_write(self, work)
        now_s = asyncio.get_running_loop().time()
        kept = states.setdefault(self, [])
        if not kept or now_s - kept[-1][0] >= 0.25:
            kept.append((now_s, self._connection.serialize()))
        return given

    def crash(self: FakeTables) -> None:
        now_s = asyncio.get_running_loop().time()
        old = [state for at_s, state in states.get(self, []) if now_s - at_s >= 2.0]
        if old:
            before = sqlite3.connect(":memory:")
            before.deserialize(old[-1])
            before.backup(self._connection)
            before.close()
        states[self] = []
        real_crash(self)

    return [_swap(FakeTables, "write", write), _swap(FakeTables, "crash", crash)]


def _merge_drops_the_older() -> list[Undo]:
    """Two versions of a row are merged by keeping the newer one whole: what only the other one held is lost."""

    def merge(one: rows.Entry, other: rows.Entry) -> rows.Entry:
        return max(one, other, key=lambda entry: entry.newest)

    return _everywhere("merge", rows.merge, merge)


def _writes_wait_for_the_others() -> list[Undo]:
    """A write answers only once another node has it: a node alone takes none."""
    real = Catalogue.write

    async def write(self: Catalogue, *changes: Any) -> str:
        cursor = await real(self, *changes)
        view: Any = self._view
        if len(view.stores()) < len(view.layout.places):
            raise Unavailable("not all storage nodes are there")
        return cursor

    return [_swap(Catalogue, "write", write)]


def _the_dead_are_never_dialled() -> list[Undo]:
    """A node forgets how to reach those it believes dead: the two sides of a partition never meet again."""
    real = Membership.handle

    def handle(self: Membership, event: Any, now: float) -> Any:
        effects = real(self, event, now)
        return [effect for effect in effects if type(effect).__name__ != "Dial" or now < 10.0]

    return [_swap(Membership, "handle", handle)]


def _holes_are_not_stated() -> list[Undo]:
    """The timeline joins what lies on both sides of a hole."""
    real = timeline.timeline

    def silent(*pages: Any, **named: Any) -> timeline.Timeline:
        return timeline.Timeline(real(*pages, **named).parts, ())

    return [*_everywhere("timeline", real, silent), _swap(keeping, "timeline", silent)]


def _chunks_are_not_kept() -> list[Undo]:
    """Every 37th chunk is acknowledged and never stored: recorders' and copies alike, for these come in turn."""
    real = ChunkStore.add
    count = [0]

    async def add(self: ChunkStore, data: bytes, *rest: Any, **named: Any) -> Any:
        count[0] += 1
        chunk = await real(self, data, *rest, **named)
        if count[0] % 37 == 0:
            self._known.pop(chunk, None)
            await self._disk.delete(f"chunks/{chunk.hex()[:2]}/{chunk.hex()}")
        return chunk

    return [_swap(ChunkStore, "add", add)]


def _a_clock_without_its_step() -> list[Undo]:
    """The hybrid clock forgets its + 1: two writes within a millisecond have one stamp."""

    def tick(self: HybridClock, now_ms: int) -> int:
        self.last = max(self.last, now_ms << 16)
        return self.last

    return [_swap(HybridClock, "tick", tick)]


def _a_layout_version_is_skipped() -> list[Undo]:
    """A node takes every second change of the layout for one it knows."""
    real = LayoutView.__dict__["_take"]
    count = [0]

    def take(self: LayoutView, entry: rows.Entry) -> None:
        count[0] += 1
        if count[0] % 2:
            real(self, entry)

    return [_swap(LayoutView, "_take", take)]


def _collected_early() -> list[Undo]:
    """A node that need not hold a chunk lets go of it once one owner has confirmed, not all."""
    real = replication.may_drop

    def may_drop(me: Any, chunks: Any, shares: Any, have: Any) -> Any:
        return tuple(
            chunk
            for chunk, part in chunks
            if me not in shares[part].holders and any(chunk in have.get(one, ()) for one in shares[part].owners)
        )

    return _everywhere("may_drop", real, may_drop)


def _an_incarnation_is_forgotten() -> list[Undo]:
    """A node does not keep the incarnation it has claimed: after its next start it begins below it."""
    real = Membership.handle

    def handle(self: Membership, event: Any, now: float) -> Any:
        return [effect for effect in real(self, event, now) if type(effect).__name__ != "PersistIncarnation"]

    return [_swap(Membership, "handle", handle)]


def _the_epoch_is_ignored() -> list[Undo]:
    """A storage node takes renewals and results from any holder a job ever had."""
    real = LeaseBook.__dict__["_guard"]

    def guard(self: LeaseBook, job: Any, epoch: Any, holder: Any, *, late: bool = False) -> Any:
        standing = self.get(job)
        if standing is not None:
            return dataclasses.replace(standing, state="leased", epoch=epoch, holder=holder)
        return real(self, job, epoch, holder, late=late)

    return [_swap(LeaseBook, "_guard", guard)]


def _a_row_is_acknowledged_before_its_commit() -> list[Undo]:
    """A write answers at once and reaches the database half a second later."""
    real = Catalogue.write

    async def write(self: Catalogue, *changes: Any) -> str:
        if any(change.table != "assets" for change in changes):
            return await real(self, *changes)

        async def later() -> None:
            await asyncio.sleep(0.5)
            await real(self, *changes)

        self._late = [*getattr(self, "_late", [])[-200:], asyncio.ensure_future(later())]  # type: ignore[attr-defined]
        return "0.none"

    return [_swap(Catalogue, "write", write)]


def _a_tombstone_is_resurrected() -> list[Undo]:
    """A merge takes a tombstone only where both sides have one: a replica that missed it brings the row back."""
    real = rows.merge

    def merge(one: rows.Entry, other: rows.Entry) -> rows.Entry:
        dead = min(one.dead, other.dead) if one.dead is not None and other.dead is not None else None
        return dataclasses.replace(real(one, other), dead=dead)

    return _everywhere("merge", real, merge)


def _a_purged_asset_is_revived() -> list[Undo]:
    """An asset that was deleted for good is there again when it is edited by who has not heard of it."""
    return [_swap(rows, "FINAL", frozenset())]


def _a_tombstone_goes_too_soon() -> list[Undo]:
    """A tombstone is forgotten when its grace is over, whoever may not have heard of it: a late row comes back."""

    def seen_by_all(dead: Any, nodes: Any, settled: Any) -> tuple[pruning.Dead, ...]:
        return tuple(dead)

    real = pruning.seen_by_all
    return [_swap(pruning, "seen_by_all", seen_by_all), *_everywhere("seen_by_all", real, seen_by_all)]


def _an_unproven_frame_is_accepted() -> list[Undo]:
    """A server takes the dialler's word for who it is."""

    def check(self: NodeIdentity, proof: Any, nonce: bytes, now_s: float) -> NodeId:
        return NodeId(proof.node)

    return [_swap(NodeIdentity, "check", check)]


def _a_credit_is_lost() -> list[Undo]:
    """A receiver forgets to give every second credit back: after a while a channel stands still."""
    real = WorldLink.credit_came
    count = [0]

    def credit_came(self: WorldLink, channel: Any) -> None:
        count[0] += 1
        if count[0] % 2:
            real(self, channel)

    return [_swap(WorldLink, "credit_came", credit_came)]


def _moves_go_unseen() -> list[Undo]:
    """The transport does not look whether addresses change: links that cannot stand are waited for."""

    def look(self: Moving, hosts: Any, links: Any) -> None:
        """See nothing."""

    return [_swap(Moving, "look", look)]


def _a_repair_is_doubled() -> list[Undo]:
    """A holder brings each missing chunk twice."""
    real = replication.plan_copies

    def plan_copies(me: Any, chunks: Any, shares: Any, have: Any) -> Any:
        plan = real(me, chunks, shares, have)
        return dataclasses.replace(plan, give=plan.give + plan.give)

    return _everywhere("plan_copies", real, plan_copies)


def _shards_are_always_whole() -> list[Undo]:
    """A search says that every shard has answered, whichever did."""
    real = Search.search

    async def search(self: Search, words: str, **named: Any) -> Any:
        answer = await real(self, words, **named)
        return dataclasses.replace(answer, shards_ok=answer.shards_total, missing="")

    return [_swap(Search, "search", search)]


def _collected_unheard() -> list[Undo]:
    """What a node has not heard a reference to is deleted at once, and nobody is asked."""

    async def collect_once(self: Collector) -> int:
        gone = 0
        for idle in await self._store.idle((0, b""), 512, 1 << 62, 1 << 62):
            gone += await self._store.collect(idle)
        return gone

    return [_swap(Collector, "collect_once", collect_once)]


def _a_recorder_s_epoch_is_ignored() -> list[Undo]:
    """A recorder that lost its lease is told that it may go on: two record, and nobody gives way."""
    real = RecordingBook.handle

    def handle(self: RecordingBook, event: Any, now: float, able: Any = ()) -> Any:
        return [
            dataclasses.replace(effect, verdict=Verdict.HELD)
            if isinstance(effect, Answer) and effect.verdict is Verdict.SUPERSEDED
            else effect
            for effect in real(self, event, now, able)
        ]

    return [_swap(RecordingBook, "handle", handle)]


def _a_former_owner_is_skipped() -> list[Undo]:
    """Rows are written to and read from the new owners alone, as soon as a layout says so, whatever they have yet."""

    def former(self: History, partition: Any, copies: int, away: Any) -> tuple[NodeId, ...]:
        return ()

    def follow_bases(self: replication.Following, replica: Any, unmet: Any) -> Any:
        return dataclasses.replace(replica, met=replica.met.union(base.id for base, _ in unmet), must=())

    return [_swap(History, "former", former), _swap(replication.Following, "follow_bases", follow_bases)]


def _everywhere(name: str, real: Any, made: Any) -> list[Undo]:
    """Replace a function in every module of ours that imported it by name."""
    undo = []
    for module_name, module in sorted(sys.modules.items()):
        if module_name.split(".")[0] in ("mesh", "roles", "thatdam") and module.__dict__.get(name) is real:
            undo.append(_swap(module, name, made))
    return undo


BUGS: dict[str, Callable[[], list[Undo]]] = {
    "ack-before-durable": _acknowledged_before_durable,
    "merge-drops-the-older": _merge_drops_the_older,
    "writes-wait-for-the-others": _writes_wait_for_the_others,
    "the-dead-are-never-dialled": _the_dead_are_never_dialled,
    "holes-are-not-stated": _holes_are_not_stated,
    "chunks-are-not-kept": _chunks_are_not_kept,
    "clock-without-its-step": _a_clock_without_its_step,
    "layout-version-skipped": _a_layout_version_is_skipped,
    "collected-early": _collected_early,
    "collected-unheard": _collected_unheard,
    "incarnation-forgotten": _an_incarnation_is_forgotten,
    "epoch-ignored": _the_epoch_is_ignored,
    "ack-before-commit": _a_row_is_acknowledged_before_its_commit,
    "tombstone-resurrected": _a_tombstone_is_resurrected,
    "purged-revived": _a_purged_asset_is_revived,
    "tombstone-forgotten-early": _a_tombstone_goes_too_soon,
    "unproven-frame-accepted": _an_unproven_frame_is_accepted,
    "credit-lost": _a_credit_is_lost,
    "moves-go-unseen": _moves_go_unseen,
    "repair-doubled": _a_repair_is_doubled,
    "shards-always-whole": _shards_are_always_whole,
    "recorder-epoch-ignored": _a_recorder_s_epoch_is_ignored,
    "former-owner-skipped": _a_former_owner_is_skipped,
}

WHERE: dict[str, str] = {
    "ack-before-durable": "lone",
    "merge-drops-the-older": "rows",
    "writes-wait-for-the-others": "short",
    "the-dead-are-never-dialled": "short",
    "holes-are-not-stated": "lone",
    "chunks-are-not-kept": "calm",
    "clock-without-its-step": "rows",
    "layout-version-skipped": "calm",
    "collected-early": "repairs",
    "collected-unheard": "collect",
    "incarnation-forgotten": "incarnations",
    "epoch-ignored": "leases",
    "ack-before-commit": "lone",
    "tombstone-resurrected": "rows",
    "purged-revived": "rows",
    "tombstone-forgotten-early": "pruning",
    "unproven-frame-accepted": "proofs",
    "credit-lost": "calm",
    "moves-go-unseen": "roaming",
    "repair-doubled": "repairs",
    "shards-always-whole": "pair",
    "recorder-epoch-ignored": "followed",
    "former-owner-skipped": "drained",
}
"""The smallest scenario (tiers 1 and 2) or history (tier 0) in which a bug shows."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Have a bug in for as long as the block lasts."""
    undo = BUGS[name]()
    try:
        yield
    finally:
        for put_back in reversed(undo):
            put_back()
