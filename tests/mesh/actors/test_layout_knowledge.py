"""Nodes that know differently much of the layout: no answer that passes for whole lacks what can be read.

Real views of the layout over a few partitions; what nodes hold, confirm and may answer with is kept here as sets. What
one node tells another comes row by row, in any order, late or never: so every triple of a writer, a reader and one who
answers that differ in what they know is a history of steps.
"""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from mesh.actors.placement import NODE, TABLE, VERSION, LayoutView, stripped, written
from mesh.core import layouts, replication, rows, sharing
from mesh.core.layouts import Seat, Version
from mesh.core.placement import PLAIN
from mesh.core.rows import Change
from proto.ids import NodeId, PartitionId

NAMES = tuple(NodeId(name) for name in "abcd")
PARTS = tuple(PartitionId(number) for number in range(4))
BEGAN = 1_800_000_000_000 << 16


@pytest.fixture(autouse=True, scope="module")
def few_partitions():
    with pytest.MonkeyPatch.context() as patch:
        for module in (layouts, replication, sharing):
            patch.setattr(module, "ALL", PARTS)
        patch.setattr("mesh.actors.placement.ALL", PARTS)
        yield


def done(coroutine):
    """Run what never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waited")


@dataclass
class Disk:
    """What outlives a process: what it was told of the layout, the rows of each partition, which of them counted."""

    layout: dict = field(default_factory=dict)
    held: dict = field(default_factory=lambda: {part: set() for part in PARTS})
    journal: dict = field(default_factory=dict)
    kept: dict = field(default_factory=dict)
    hlc: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(last=BEGAN))

    async def meta(self, name):
        return self.kept.get(name)

    async def set_meta(self, name, value):
        self.kept[name] = value

    async def every(self, table):
        return list(self.layout.values())

    def watch(self, table, handler):
        self.handler = handler


class Node:
    """One node: the real view, and what passing rows on and comparing do, each in one step."""

    def __init__(self, name, copies, peers, disk):
        self.name, self.disk, self.copies = name, disk, copies
        self.view = LayoutView(name, peers, copies)
        done(self.view.open(disk))
        self.token, self.taken, self.confirmed = "", {}, {}

    def note(self, entry):
        before = self.disk.layout.get(entry.key)
        merged = entry if before is None else rows.merge(before, entry)
        if before is None or rows.pack(merged) != rows.pack(before):
            self.disk.layout[entry.key] = merged
            self.disk.handler(merged)

    def write_layout(self, change):
        self.disk.hlc.last += 1
        key = (change.table, change.pk, change.sk)
        self.note(rows.apply(self.disk.layout.get(key), change, (self.disk.hlc.last, self.name)))

    def has(self, node, row):
        return row in self.confirmed.get(node, ())

    def give(self, peer):
        """Pass rows on to a peer, as ``mesh.actors.passing`` does."""
        self.follow()
        theirs = {row for row, part in self.disk.journal.items() if peer.name in self.view.takers(part)}
        for row in sorted(theirs):
            peer.disk.held[self.disk.journal[row]].add(row)
        taken = self.taken.setdefault(peer.name, set())
        taken |= theirs
        token = peer.view.history.token
        self.view.heard(peer.name, token)
        if token == self.view.history.token:
            self.confirmed[peer.name] = set(taken)
        self.follow()

    def follow(self):
        if self.view.token() != self.token:
            self.token, self.taken, self.confirmed = self.view.token(), {}, {}

    def told_readable(self):
        """Give the rows that are readable by now; those that all have confirmed leave the journal."""
        self.follow()
        found = set()
        for row, part in list(self.disk.journal.items()):
            unaware = self.view.unaware(part)
            if all(self.has(node, row) for node in {*self.view.present(part), *unaware} - {self.name}):
                found.add((part, row))
            if all(self.has(node, row) for node in {*self.view.takers(part), *unaware} - {self.name}):
                del self.disk.journal[row]
        return found

    def compare(self, peer):
        view = self.view
        parts = view.shared_with(peer.name)
        for part in PARTS:
            if parts >> part & 1:
                self.disk.held[part] |= peer.disk.held[part]
        if view.history.token == peer.view.history.token:
            view.returned.discard(peer.name)
            view.sync.compared_bits(peer.name, parts, peer.view.sync.counting_bits() & parts)
            view.sync.caught_up(peer.name)

    def hand_over(self, others):
        """Let rows go that this node does not hold, once all who do have them."""
        for part in PARTS:
            takers = self.view.takers(part)
            if not takers or self.name in takers or len(self.view.present(part)) < len(takers):
                continue
            if all(others[node].disk.held[part] >= self.disk.held[part] for node in takers):
                self.view.sync.give_up(part)
                self.disk.held[part] &= set(self.disk.journal)
                self.view.sync.gave_up(part, frozenset(self.view.gone()))


class World:
    """Some nodes, and what was told to be readable."""

    def __init__(self, founders, copies):
        self.copies, self.count = copies, 0
        self.nodes, self.readable = {}, {part: set() for part in PARTS}
        self.dead, self.away = set(), set()
        seats = {}
        for name in NAMES[:founders]:
            at = (BEGAN, name)
            seats[name] = Seat(at, (at, 1 << 30), (at, ""), (at, "active"), (at, ""), (at, PLAIN))
        root = Version([], seats)
        for name in NAMES:
            disk = Disk()
            self.nodes[name] = Node(name, copies, self.peers_of(name), disk)
            self.nodes[name].note(rows.apply(None, written(root), (BEGAN, NAMES[0])))
            assert self.nodes[name].view.token()
        self.check()

    def peers_of(self, name):
        """All agree on who is there; one that is gone is alone."""

        def alive_ids():
            return [name] if name in self.dead else [one for one in NAMES if one not in self.dead]

        def away():
            return frozenset(one for one in NAMES if one != name) if name in self.away else frozenset(self.away)

        return SimpleNamespace(alive_ids=alive_ids, away=away)

    def step(self, what, one, other, number):
        mine, peer = self.nodes[NAMES[one]], self.nodes[NAMES[other]]
        view, there = mine.view, NAMES[one] not in self.dead
        both = there and one != other and NAMES[other] not in self.dead
        match what:
            case "order" if there and view.history.whole:
                self.order(mine, peer.name, number)
            case "tell" if both:
                news = [e for k, e in sorted(mine.disk.layout.items()) if peer.disk.layout.get(k) != e]
                if news:
                    peer.note(news[number % len(news)])
            case "tell all" if both:
                for entry in list(mine.disk.layout.values()):
                    peer.note(entry)
            case "step" if there:
                self.keep(mine)
            case "compare" if both:
                mine.compare(peer)
            case "write" if there:
                self.count += 1
                part = PARTS[number % len(PARTS)]
                mine.disk.journal[self.count] = part
                mine.disk.held[part].add(self.count)
            case "give" if both:
                mine.give(peer)
            case "hand over" if there:
                mine.hand_over(self.nodes)
            case "restart":
                if number % 2:
                    done(view.keep_counting(mine.disk))
                self.nodes[mine.name] = Node(mine.name, self.copies, self.peers_of(mine.name), mine.disk)
            case "round" if there:
                self.round([at for at in range(len(NAMES)) if at != other])
            case _:
                pass
        self.check()

    def round(self, hearing):
        """All tell and compare, do their steps and give what they wrote; the others hear nothing."""
        for what in ("tell all", "compare", "step", "tell all", "give"):
            for one in range(len(NAMES)):
                for other in hearing:
                    if what != "step":
                        self.step(what, *((other, one) if what == "compare" else (one, other)), 0)
                    elif one == other:
                        self.step(what, one, one, 0)

    def order(self, mine, target, number):
        base = mine.view.history.now
        self.count += 1
        at = (BEGAN + self.count, mine.name)
        seats = dict(base.seats)
        if target not in seats:
            seats[target] = Seat(at, (at, 1 << 30), (at, ""), (at, "active"), (at, ""), (at, PLAIN))
        elif number % 3:
            # Orders given at once, each allowed by itself, may leave no node to store: one always does.
            state = "active" if seats[target].state[1] != "active" or target == NAMES[0] else "draining"
            seats[target] = replace(seats[target], state=(at, state))
        else:
            seats[target] = replace(seats[target], capacity=(at, 1 << (28 + number % 5)))
        if any(seat.place().stores for seat in seats.values()):
            mine.write_layout(written(Version([base.id], seats)))

    def keep(self, mine):
        """Do what the keeper of the layout does."""
        view, history = mine.view, mine.view.history
        if len(history.heads) > 1:
            if view.is_first():
                mine.write_layout(written(layouts.merged(history.heads)))
            return
        if not history.moving:
            if view.is_first():
                for name in history.prunable():
                    mine.write_layout(stripped(history.versions[name]))
            return
        if view.announced() != history.now.id and mine.name in history.now.layout.places and view.synced():
            done(view.keep_counting(mine.disk))
            mine.write_layout(Change(TABLE, NODE, mine.name, set={"synced": history.now.id}))
        if view.is_first() and view.may_settle():
            mine.write_layout(Change(TABLE, VERSION, history.now.id, set={"settled": True}))

    def check(self):
        there = [self.nodes[name] for name in NAMES if name not in self.dead]
        for node in there:
            for part, row in sorted(node.told_readable()):
                self.readable[part].add(row)
        for reader in there:
            for part in PARTS:
                for name in reader.view.present(part):
                    asked = self.nodes[name]
                    if name in self.dead or part not in asked.view.counting_by(reader.view.bases()):
                        continue
                    missing = self.readable[part] - asked.disk.held[part] - set(reader.disk.journal)
                    assert not missing, (
                        f"{name} answered {reader.name} for partition {part} as if whole, and lacks {missing}"
                    )

    def calm(self):
        """All come back, and have as much time as they want."""
        for at in range(len(NAMES)):
            self.step("returns", at, at, 0)
        everyone = range(len(NAMES))
        for _ in range(6):
            self.round(everyone)
        self.check()
        for node in self.nodes.values():
            assert not node.disk.journal
            assert not node.view.history.moving
            assert node.view.sync.behind() == 0


nodes = st.integers(0, len(NAMES) - 1)
STEPS = ("order", "round", "tell", "tell all", "step", "compare", "write", "give", "hand over")


def steps(*what):
    return st.lists(st.tuples(st.sampled_from(what), nodes, nodes, st.integers(0, 11)), max_size=40)


A_, B_, C_, D_ = range(len(NAMES))
JUST_DRAINED = (
    (1, 2),  # a alone stores, and two copies are wanted
    [
        ("order", A_, B_, 0),  # b comes
        *[("round", A_, A_, 0), ("round", A_, B_, 0)] * 6,
        ("order", A_, B_, 1),  # and is drained
        ("tell all", A_, B_, 0),
        *[("round", A_, B_, 0)] * 3,  # b hears all but that it is over
        *[("write", A_, A_, number) for number in range(4)],
        *[("give", A_, peer, 0) for peer in (C_, D_)],
    ],
)
CAME_AND_WENT = (
    (2, 3),
    [
        ("order", B_, C_, 6),  # c comes, has all and answers
        ("round", A_, A_, 0),
        ("order", D_, C_, 1),  # it is drained before that is settled, and does not hear of it
        ("write", A_, A_, 2),
        ("round", D_, C_, 0),
    ],
)


@pytest.mark.parametrize(("mesh", "happened"), [JUST_DRAINED, CAME_AND_WENT])
def test_nothing_is_readable_while_one_who_has_not_heard_that_it_holds_a_partition_no_more_answers_without_it(
    mesh, happened
):
    world = World(*mesh)
    for step in happened:
        world.step(*step)
    assert not any(world.readable.values())
    world.calm()
    assert any(world.readable.values())


@given(st.integers(1, 4), st.integers(1, 3), steps(*STEPS, "restart"))
@settings(max_examples=100, deadline=None)
def test_whatever_each_knows_an_answer_that_passes_for_whole_has_all_that_can_be_read(founders, copies, happened):
    world = World(founders, copies)
    for step in happened:
        world.step(*step)
    event(f"readable: {min(5, sum(map(len, world.readable.values())))}")
    event(f"versions: {max(len(node.view.history.versions) for node in world.nodes.values())}")
    world.calm()
