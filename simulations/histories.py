"""Tier 0: single protocols under random histories, each held against its promise by a checker of its own.

A history is drawn from a seed: who does what, in which order, what each had seen by then. The checker knows the order
of causes from the history alone, never from stamps or states of the code. Thousands of seeds a minute.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

from mesh.core import pruning, replication, rows
from mesh.core.hlc import HybridClock
from mesh.core.identity import VERSIONS, Authority, NodeIdentity, node_of_seed
from mesh.core.jobs import LEASE_MS, SCENES, SCENES_VERSION, Job, LeaseBook, Work, new_job
from mesh.core.rows import Change, Entry
from mesh.core.sharing import Share
from mesh.ports import PortError
from proto.codec import Malformed
from proto.ids import AssetId, ChunkId, NodeId, PartitionId
from simulations.checks.broken import Broken
from simulations.world.clock import WORLD_BEGAN
from simulations.world.cores import CoreWorld
from simulations.world.entropy import SeededEntropy

# ---------------------------------------------------------------- rows and clocks

WRITERS, ROW_STEPS = 3, 120
FIELDS, ELEMENTS = ("name", "mime"), ("red", "green")
ROWS = {"scene0": "scenes", "scene1": "scenes", "asset0": "assets"}


@dataclass(frozen=True, slots=True)
class _Wrote:
    """A write with what its writer's replica had seen: a write it saw is before it, any other is not."""

    number: int
    kind: str
    what: str
    value: str
    saw: frozenset[int]


@dataclass
class _Replica:
    name: str
    clock: HybridClock
    skew_ms: int
    entries: dict[str, Entry] = field(default_factory=dict)
    saw: dict[str, frozenset[int]] = field(default_factory=dict)


def rows_history(seed: int) -> list[Broken]:
    """Write, remove, delete and exchange rows over some replicas; no write may undo what it had seen.

    P4: a value that was overwritten, a tag that was removed and a row that was deleted do not come back, and nothing
    of an asset that was deleted does, whatever its writer had seen; replicas that have seen the same are the same to
    the byte; one clock gives one stamp once.
    """
    chance = SeededEntropy(seed, "rows")
    replicas = [_Replica(f"node{at}", HybridClock(), chance.below(200) - 100) for at in range(WRITERS)]
    history: dict[str, list[_Wrote]] = {key: [] for key in ROWS}
    stamps: dict[tuple[str, int], int] = {}
    broken: list[Broken] = []
    now_ms, count = 1_795_000_000_000, 0
    for _ in range(ROW_STEPS):
        now_ms += chance.below(3)
        mine = replicas[chance.below(WRITERS)]
        key = list(ROWS)[chance.below(len(ROWS))]
        table = ROWS[key]
        wish = chance.below(10)
        if wish < 3:
            _exchange(mine, replicas[chance.below(WRITERS)], now_ms)
            continue
        count += 1
        kind = "delete" if wish == 3 else "remove" if wish == 4 else "add" if wish < 7 else "set"
        what = (ELEMENTS if kind in ("add", "remove") else FIELDS)[chance.below(2)] if kind != "delete" else ""
        change = {
            "set": Change(table, key, set={what: f"v{count}"}),
            "add": Change(table, key, add={"tags": (what,)}),
            "remove": Change(table, key, remove={"tags": (what,)}),
            "delete": Change(table, key, delete=True),
        }[kind]
        stamp = mine.clock.tick(now_ms + mine.skew_ms)
        other = stamps.setdefault((mine.name, stamp), count)
        if other != count:
            broken.append(Broken("P4", f"{mine.name} gave the writes {other} and {count} one stamp"))
        mine.entries[key] = rows.apply(mine.entries.get(key), change, (stamp, mine.name))
        saw = mine.saw.get(key, frozenset())
        history[key].append(_Wrote(count, kind, what, f"v{count}", saw))
        mine.saw[key] = saw | {count}
    for _ in range(2):
        for one in replicas:
            for other_replica in replicas:
                _exchange(one, other_replica, now_ms)
    for key, writes in history.items():
        there = [rows.pack(replica.entries[key]) for replica in replicas if key in replica.entries]
        if len(set(there)) > 1:
            broken.append(Broken("P2", f"replicas that have seen the same writes of {key} differ"))
        if there:
            broken += _undone(key, writes, rows.unpack(there[0]), final=ROWS[key] == "assets")
    return broken


def _exchange(one: _Replica, other: _Replica, now_ms: int) -> None:
    for mine, theirs in ((one, other), (other, one)):
        for key, entry in theirs.entries.items():
            standing = mine.entries.get(key)
            mine.entries[key] = entry if standing is None else rows.merge(standing, entry)
            mine.saw[key] = mine.saw.get(key, frozenset()) | theirs.saw.get(key, frozenset())
            mine.clock.seen(entry.newest[0], now_ms + 1000)


def _undone(key: str, writes: list[_Wrote], entry: Entry, *, final: bool = False) -> list[Broken]:
    row = entry.row()
    there = row.fields if entry.alive else {}
    tags = row.sets.get("tags", ()) if entry.alive else ()
    deletes = [write for write in writes if write.kind == "delete"]
    broken = []
    if final and deletes and (entry.alive or row.fields or row.sets):
        broken.append(Broken("P4", f"{key} is back though it was deleted for good"))
    for write in writes:
        over = [later for later in writes if write.number in later.saw]
        gone = any(later.kind == "delete" for later in over)
        if write.kind == "set" and there.get(write.what) == write.value:
            if gone:
                broken.append(Broken("P4", f"{write.value} of {key} is back though who deleted the row had seen it"))
            elif any(later.kind == "set" and later.what == write.what for later in over):
                broken.append(Broken("P4", f"{write.value} of {key} is back though it had been written over"))
    for element in ELEMENTS:
        adds = [write for write in writes if (write.kind, write.what) == ("add", element)]
        ends = [one for one in writes if one.kind == "delete" or (one.kind, one.what) == ("remove", element)]
        open_adds = [add for add in adds if not any(add.number in end.saw for end in ends)]
        if element in tags and not open_adds:
            broken.append(Broken("P4", f"the tag {element} of {key} is back: every add of it had been removed"))
        if element not in tags and open_adds and not deletes:
            broken.append(Broken("P4", f"the tag {element} of {key} is lost: nobody who removed it had seen it"))
    return broken


# ---------------------------------------------------------------- tombstones

KEYS, PRUNE_STEPS, PRUNE_WRITES, PRUNE_GRACE_MS = 2, 160, 40, 15


def pruning_history(seed: int) -> list[Broken]:
    """Write and delete rows at a node that owns none, pass them on late, and have two owners forget tombstones.

    P4: what was deleted by who had seen it does not come back, however late a row arrives; P2: the owners end equal.
    """
    chance = SeededEntropy(seed, "pruning")
    writer = _Replica("writer", HybridClock(), chance.below(200) - 100)
    owners = [_Replica(f"owner{at}", HybridClock(), 0) for at in range(2)]
    history: dict[str, list[_Wrote]] = {f"key{at}": [] for at in range(KEYS)}
    waiting: dict[str, list[tuple[int, Entry, frozenset[int]]]] = {owner.name: [] for owner in owners}
    since: dict[tuple[str, str, int], int] = {}
    settled: dict[NodeId, int] = {}
    now_ms, count = 1_795_000_000_000, 0

    def noted(owner: _Replica) -> list[pruning.Dead]:
        found = []
        for key, entry in owner.entries.items():
            if not entry.alive:
                value = rows.digest(rows.pack(entry))
                at_ms = since.setdefault((owner.name, key, value), now_ms)
                found.append(pruning.Dead(entry.key, PartitionId(1), value, at_ms))
        return [one for one in found if pruning.is_due(one, now_ms, PRUNE_GRACE_MS)]

    for step in range(PRUNE_STEPS):
        now_ms += 1 + chance.below(8)
        wish, key = chance.below(10), f"key{chance.below(KEYS)}"
        if wish < 3 and step < PRUNE_WRITES:
            count += 1
            kind = "delete" if wish < 2 else "set"
            change = (
                Change("scenes", key, delete=True)
                if kind == "delete"
                else Change("scenes", key, set={"name": f"v{count}"})
            )
            stamp = writer.clock.tick(now_ms + writer.skew_ms)
            writer.entries[key] = rows.apply(writer.entries.get(key), change, (stamp, writer.name))
            saw = writer.saw.get(key, frozenset())
            history[key].append(_Wrote(count, kind, "name" if kind == "set" else "", f"v{count}", saw))
            writer.saw[key] = saw | {count}
            for owner in owners:
                waiting[owner.name].append((now_ms, writer.entries[key], writer.saw[key]))
        elif wish < 6:
            # Anything that is on its way may come now, in any order: it was sent again and again.
            owner = owners[chance.below(2)]
            if waiting[owner.name]:
                at = chance.below(len(waiting[owner.name]))
                _, entry, saw = waiting[owner.name].pop(at)
                standing = owner.entries.get(entry.pk)
                owner.entries[entry.pk] = entry if standing is None else rows.merge(standing, entry)
                owner.saw[entry.pk] = owner.saw.get(entry.pk, frozenset()) | saw
        elif wish == 6:
            _exchange(owners[0], owners[1], now_ms)
        else:
            first, other = owners
            behind_ms = [at_ms for those in waiting.values() for at_ms, _, _ in those]
            settled[NodeId("writer")] = max(settled.get(NodeId("writer"), 0), min(behind_ms, default=now_ms))
            settled |= {NodeId(owner.name): now_ms for owner in owners}
            theirs = {(one.key, one.digest): one for one in noted(other)}
            due = pruning.seen_by_all(noted(first), sorted(settled), settled)
            said = {
                NodeId(other.name): frozenset(
                    one.key for one in due if one.key[1] not in other.entries or (one.key, one.digest) in theirs
                ),
                NodeId(first.name): frozenset(one.key for one in due),
            }
            for one in pruning.agreed(due, said):
                other.entries.pop(one.key[1], None)
                first.entries.pop(one.key[1], None)
    for owner in owners:
        for _, entry, saw in waiting[owner.name]:
            standing = owner.entries.get(entry.pk)
            owner.entries[entry.pk] = entry if standing is None else rows.merge(standing, entry)
            owner.saw[entry.pk] = owner.saw.get(entry.pk, frozenset()) | saw
    _exchange(owners[0], owners[1], now_ms)
    broken: list[Broken] = []
    for key, writes in history.items():
        there = [owner.entries[key] for owner in owners if key in owner.entries]
        if len({rows.pack(entry) for entry in there}) > 1:
            broken.append(Broken("P2", f"owners that have seen the same writes of {key} differ"))
        if there:
            broken += _undone(key, writes, there[0])
    return broken


# ---------------------------------------------------------------- leases

LEASE_STEPS = 80


def leases_history(seed: int) -> list[Broken]:
    """Two storage nodes grant one job to two holders; its rows pass late, or are passed over by a later one.

    P2: no node grants or renews a lease, or takes a result, under an epoch lower than one it has seen.
    """
    chance = SeededEntropy(seed, "leases")
    books = {node: LeaseBook(NodeId(node)) for node in ("store1", "store2")}
    work = Work(SCENES, SCENES_VERSION)
    first = new_job(AssetId("asset".ljust(26, "0")), work, 1_000)
    for book in books.values():
        book.take(first)
    seen: dict[str, tuple[int, str]] = dict.fromkeys(books, (0, ""))
    leases: list[tuple[str, Job]] = []
    told: list[Job] = [first]
    read = dict.fromkeys(books, 0)
    """How far into ``told`` a node is: what its store has merged never comes to it again as it was before."""
    broken: list[Broken] = []
    now_ms = 1_000
    for _ in range(LEASE_STEPS):
        now_ms += chance.below(LEASE_MS // 3)
        at = sorted(books)[chance.below(2)]
        book = books[at]
        match chance.below(6):
            case 0 | 1:
                holder = f"holder{chance.below(2)}"
                for job in book.ask(NodeId(holder), [work], 1, now_ms):
                    if job.epoch <= seen[at]:
                        broken.append(Broken("P2", f"{at} granted epoch {job.epoch} after it had seen {seen[at]}"))
                    seen[at] = max(seen[at], job.epoch)
                    leases.append((holder, job))
                    told.append(job)
                    read[at] = len(told)
            case 2:
                told += book.expire(now_ms)
                read[at] = len(told)
            case 3 if read[at] < len(told):
                number = read[at] + chance.below(len(told) - read[at])
                read[at] = number + 1
                seen[at] = max(seen[at], told[number].epoch)
                book.take(told[number])
            case 4 | 5 if leases:
                holder, job = leases[chance.below(len(leases))]
                ends = chance.chance(0.2)
                try:
                    if ends:
                        told.append(book.finish(job.job, job.epoch, NodeId(holder), now_ms, "it failed"))
                    else:
                        told.append(book.renew(job.job, job.epoch, NodeId(holder), now_ms))
                    read[at] = len(told)
                except PortError:
                    continue
                if job.epoch < seen[at]:
                    what = "took a result" if ends else "renewed a lease"
                    broken.append(Broken("P2", f"{at} {what} under epoch {job.epoch} after it had seen {seen[at]}"))
                if not told[-1].open:
                    break  # given up: it stays so
            case _:
                pass
    return broken


# ---------------------------------------------------------------- membership


def incarnations_history(seed: int) -> list[Broken]:
    """Kill a node until it is believed dead, let it refute, kill it again: it never claims less than it had claimed."""
    world = CoreWorld(seed, 4)
    world.start()
    everybody = list(world.nodes)
    world.run_until(lambda: world.agree(everybody), 30.0)
    victim = everybody[SeededEntropy(seed, "incarnations").below(len(everybody))]
    others = [node for node in everybody if node != victim]
    highest = 0
    broken: list[Broken] = []
    for _ in range(3):
        claimed = max(
            member.incarnation for node in everybody if (member := world.nodes[node].core.members.get(victim))
        )
        highest = max(highest, claimed)
        world.crash(victim)
        world.run_until(lambda: world.sees_dead(victim, others), 60.0)
        world.restart(victim)
        mine = world.nodes[victim].core.members[victim].incarnation
        if mine < highest:
            broken.append(Broken("P1", f"{victim[:8]} starts with incarnation {mine}, it had claimed {highest}"))
        if world.run_until(lambda: world.agree(everybody), 60.0) is None:
            broken.append(Broken("P1", f"{victim[:8]} started again and is not believed alive by all within 60 s"))
    return broken


# ---------------------------------------------------------------- proofs


def proofs_history(seed: int) -> list[Broken]:
    """Dial a node in every dishonest way there is; P7: only who proves its own key, now, to this server gets in."""
    chance = SeededEntropy(seed, "proofs")
    ours, theirs = Authority(chance.token(32)), Authority(chance.token(32))
    server, honest, member = (_identity(ours, chance) for _ in range(3))
    foreign = _identity(theirs, chance)
    now_s = WORLD_BEGAN
    nonce = chance.token(32)
    true = honest.prove(server.node, nonce, VERSIONS, 0, b"")
    broken = []
    if server.check(true, nonce, now_s) != honest.node:
        broken.append(Broken("P7", "an honest member is taken for another"))
    at, bit = chance.below(len(true.signature)), 1 << chance.below(8)
    bent = bytearray(true.signature)
    bent[at] ^= bit
    dishonest = {
        "a node of another mesh": foreign.prove(server.node, nonce, VERSIONS, 0, b""),
        "a proof for another server": honest.prove(member.node, nonce, VERSIONS, 0, b""),
        "a proof of another connection": honest.prove(server.node, chance.token(32), VERSIONS, 0, b""),
        "a proof signed by another key": dataclasses.replace(
            true, signature=member.prove(server.node, nonce, VERSIONS, 0, b"").signature
        ),
        "a borrowed certificate": dataclasses.replace(true, certificate=member.certificate),
        "a proof with a flipped bit": dataclasses.replace(true, signature=bytes(bent)),
        "a lowered version": dataclasses.replace(true, version_max=true.version_max + 1),
        "no signature": dataclasses.replace(true, signature=b""),
    }
    for what, proof in dishonest.items():
        try:
            server.check(proof, nonce, now_s)
        except (PortError, Malformed, ValueError):
            continue
        broken.append(Broken("P7", f"{what} is let in"))
    return broken


def _identity(authority: Authority, chance: SeededEntropy) -> NodeIdentity:
    seed = chance.token(32)
    return NodeIdentity(seed, authority.admit(node_of_seed(seed), WORLD_BEGAN), authority.certificate())


# ---------------------------------------------------------------- copies

REPAIR_ROUNDS_MAX = 12


def repairs_history(seed: int) -> list[Broken]:
    """Nodes with random inventories repair in random order; every holder gets each chunk once, nobody drops too soon.

    P4: at no moment has a chunk fewer owners' copies plus keepers than one; nothing is brought to who has it already
    in the same plan; in the end every holder has every chunk.
    """
    chance = SeededEntropy(seed, "repairs")
    nodes = [NodeId(f"node{at}") for at in range(5)]
    part = PartitionId(1)
    owners = tuple(NodeId(one) for one in chance.shuffled([str(node) for node in nodes]))[:2]
    share = {part: Share(owners, owners)}
    chunks = [ChunkId(chance.token(32)) for _ in range(6)]
    have: dict[NodeId, set[ChunkId]] = {node: set() for node in nodes}
    for chunk in chunks:
        for _ in range(1 + chance.below(3)):
            have[nodes[chance.below(len(nodes))]].add(chunk)
    broken: list[Broken] = []
    for _ in range(REPAIR_ROUNDS_MAX):
        for name in chance.shuffled([str(node) for node in nodes]):
            me = NodeId(name)
            answering = [node for node in nodes if node != me and not chance.chance(0.2)]
            told = {node: frozenset(have[node]) for node in answering}
            mine = [(chunk, part) for chunk in sorted(have[me])]
            plan = replication.plan_copies(me, mine, share, told)
            if len(set(plan.give)) < len(plan.give):
                broken.append(Broken("P4", f"{me} brings a chunk to one node twice"))
            for chunk, node in plan.give:
                have[node].add(chunk)
            told = {node: frozenset(have[node]) for node in answering}
            for chunk in replication.may_drop(me, mine, share, told):
                have[me].discard(chunk)
                if any(owner not in told or chunk not in told[owner] for owner in owners):
                    broken.append(Broken("P4", f"{me} lets go of a chunk that an owner has not confirmed"))
    broken += [
        Broken("P4", f"{owner} has {len(have[owner])} of {len(chunks)} chunks in the end")
        for owner in owners
        if len(have[owner]) < len(chunks)
    ]
    return broken


HISTORIES: dict[str, Callable[[int], list[Broken]]] = {
    "rows": rows_history,
    "pruning": pruning_history,
    "leases": leases_history,
    "incarnations": incarnations_history,
    "proofs": proofs_history,
    "repairs": repairs_history,
}
