"""A large mesh: bounded views, trees of news, and what membership promises with them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.core.member import NearCame, Release, Tell, Timing
from mesh.core.neighbours import Neighbours, most, wanted
from mesh.core.plumtree import Plumtree, name_of
from mesh.core.vouching import statement
from proto.ids import NodeId
from proto.messages.membership import Graft, Neighbour, Neighboured, Prune, Rumour, Spread, State
from simulations.world.cores import CoreWorld, Marks
from simulations.world.entropy import SeededEntropy

IDS = [NodeId(f"{number:052d}") for number in range(40)]
CROWDED = Timing(full_mesh_max=8)


class Room:
    """Active views that talk without loss, each message after those before it."""

    def __init__(self, seed, count):
        self.chance = SeededEntropy(seed, "room")
        self.views = {node: Neighbours(node, SeededEntropy(seed, node)) for node in IDS[:count]}
        self.most = most(count)
        self.sent = []
        self.asked = self.answered = 0
        for view in self.views.values():
            view.begin(0.0)

    def step(self, now):
        for node, view in self.views.items():
            for peer in view.tick(now, [other for other in self.views if other != node], ()):
                view.linked(peer)
            self._collect(node)
        while self.sent:
            sender, effect = self.sent.pop(0)
            view = self.views.get(effect.peer)
            if view is None:
                continue
            match effect.message:
                case Neighbour(urgent):
                    self.asked += 1
                    view.wants(sender, now, len(self.views), urgent=urgent)
                case Neighboured(taken):
                    view.told(sender, now, len(self.views), taken=taken)
            self._collect(effect.peer)
            assert all(len(view.active) <= self.most for view in self.views.values())

    def _collect(self, node):
        self.sent += [(node, effect) for effect in self.views[node].effects]
        self.views[node].effects.clear()

    def drop(self, node):
        del self.views[node]
        for view in self.views.values():
            view.lost(node, self.now)

    def run(self, begin, seconds):
        for step in range(int(seconds * 4)):
            self.now = begin + step / 4
            self.step(self.now)
        return self.now

    def reached(self):
        first = next(iter(self.views))
        seen, front = {first}, [first]
        while front:
            front = [peer for node in front for peer in self.views[node].active if peer not in seen]
            seen.update(front)
        return seen


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(2, 40), st.integers(0, 10))
def test_views_are_bounded_mutual_and_join_everybody_also_after_many_went(seed, count, going):
    room = Room(seed, count)
    now = room.run(0.0, 12.0)
    for node in list(room.views)[: min(going, count - 2)]:
        room.drop(node)
    now = room.run(now, 20.0)
    most_had = dict.fromkeys(room.views, 0)
    for _ in range(30):  # one that was let go for a fresh one is short for a moment; nobody stays so
        now = room.run(now, 0.5)
        most_had = {node: max(had, len(room.views[node].active)) for node, had in most_had.items()}
    assert min(most_had.values()) >= min(wanted(len(room.views)), len(room.views) - 1)
    for node, view in room.views.items():
        assert node not in view.active
        assert all(node in room.views[peer].active for peer in view.active)
    assert room.reached() == room.views.keys()


def test_an_urgent_wish_is_granted_and_another_is_told():
    view = Neighbours(IDS[0], SeededEntropy(1, "view"))
    for node in IDS[1 : 1 + most(16)]:
        assert view.wants(node, 0.0, 16, urgent=False)
    view.effects.clear()
    assert not view.wants(IDS[30], 1.0, 16, urgent=False)
    assert view.effects == [Tell(IDS[30], Neighboured(taken=False))]
    view.effects.clear()
    assert view.wants(IDS[30], 1.0, 16, urgent=True)
    assert len(view.active) == most(16)
    parted = [effect.peer for effect in view.effects if effect.message == Neighboured(taken=False)]
    assert len(parted) == 1
    assert parted[0] not in view.active


def test_nobody_is_asked_again_at_once_who_had_no_room():
    view = Neighbours(IDS[0], SeededEntropy(1, "view"))
    view.begin(0.0)
    assert view.tick(0.0, IDS[1:2], ()) == [IDS[1]]
    view.told(IDS[1], 0.1, 2, taken=False)
    assert all(view.tick(step / 4, IDS[1:2], ()) == [] for step in range(1, 36))
    assert view.tick(12.0, IDS[1:2], ()) == [IDS[1]]


class Wood:
    """Trees over a graph; messages take a tenth of a second each, and some whole ones are lost."""

    def __init__(self, seed, count, degree, lost):
        self.chance = SeededEntropy(seed, "wood")
        self.lost = lost
        self.trees = {node: Plumtree() for node in IDS[:count]}
        self.heard = {node: [] for node in self.trees}
        self.whole = 0
        self.way = []
        for at, node in enumerate(IDS[:count]):
            others = [IDS[(at + 1) % count], *(IDS[self.chance.below(count)] for _ in range(degree - 1))]
            for other in others:
                if other != node:
                    self.trees[node].join(other)
                    self.trees[other].join(node)

    def run(self, begin, seconds):
        for step in range(int(seconds * 10)):
            now = begin + step / 10
            while self.way and self.way[0][0] <= now:
                self._take(*self.way.pop(0), now)
            for node, tree in self.trees.items():
                tree.tick(now)
                self._collect(node, now)
        return begin + seconds

    def _collect(self, node, now):
        tree = self.trees[node]
        for effect in tree.effects:
            if isinstance(effect.message, Spread) and effect.message.rumours:
                self.whole += len(effect.message.rumours)
                if self.chance.chance(self.lost):
                    continue
            self.way.append((now + 0.1, node, effect.peer, effect.message))
        tree.effects.clear()

    def _take(self, _, sender, node, message, now):
        tree = self.trees[node]
        match message:
            case Spread(rumours, names):
                for rumour in tree.take(sender, rumours, now):
                    self.heard[node].append(rumour)
                    tree.push(rumour, now, sender)
                tree.named(sender, names, now)
            case Graft(names):
                tree.grafted(sender, names, now)
            case Prune():
                tree.pruned(sender)
        self._collect(node, now)


def told(seed, lost):
    """Tell twelve pieces of news in 2.5 s each; gives the share of nodes they came to, and the messages of the last."""
    wood = Wood(seed, 24, 3, lost)
    came = before = 0
    now = 0.0
    for number in range(12):
        rumour = Rumour(IDS[39], State.ALIVE, number, IDS[39])
        teller = IDS[number % 3]
        wood.heard[teller].append(rumour)
        before = wood.whole
        wood.trees[teller].push(rumour, now)
        now = wood.run(now, 2.5)
        counts = [heard.count(rumour) for heard in wood.heard.values()]
        assert max(counts) == 1
        came += sum(counts)
    return came / (12 * len(wood.trees)), wood.whole - before


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1 << 30))
def test_news_comes_to_all_once_and_soon_along_a_tree(seed):
    came, sent = told(seed, 0.0)
    assert came == 1
    assert sent <= 2 * 24, "the tree has hardly more branches than nodes"


def test_most_news_that_is_lost_with_a_message_is_asked_for_soon():
    # A piece is lost for good where nobody names it: one draw says little of how often, and twenty say it well.
    came = [told(seed, 0.2)[0] for seed in range(20)]
    assert sum(came) / len(came) > 0.94
    assert min(came) > 0.8


def test_news_is_named_by_what_it_says_and_a_suspicion_also_by_who_says_it():
    suspects = [Rumour(IDS[0], State.SUSPECT, 3, by) for by in IDS[1:3]]
    deaths = [Rumour(IDS[0], State.DEAD, 3, by) for by in IDS[1:3]]
    assert name_of(suspects[0]) != name_of(suspects[1])
    assert name_of(deaths[0]) == name_of(deaths[1])


def crowd(seed, count=20, **what):
    world = CoreWorld(seed, count, timing=CROWDED, **what)
    world.start()
    assert world.run_until(lambda: world.agree(list(world.nodes)), 20.0) is not None
    world.run(world.now + 60.0)
    return world


def test_in_a_crowd_links_are_few_and_silence_is_cheap():
    world = crowd(1, 32)
    assert world.agree(list(world.nodes))
    assert all(
        wanted(32) <= len(node.core.near.active) <= most(32) and node.core.near.active.keys() == node.core.tree.peers
        for node in world.nodes.values()
    )
    assert max(len(node.core.links) for node in world.nodes.values()) < 24
    began = world.bytes_sent
    world.run(world.now + 20.0)
    assert (world.bytes_sent - began) / 20.0 / len(world.nodes) < 100


def test_in_a_crowd_a_silent_death_is_seen_by_all_and_nobody_is_buried_alive_under_loss():
    world = crowd(2, loss=0.3)
    victim, *rest = world.nodes
    world.crash(victim)
    died = world.now
    assert world.run_until(lambda: world.sees_dead(victim, rest), 30.0) is not None
    assert world.now - died < 15.0
    world.restart(victim)
    assert world.run_until(lambda: world.agree(list(world.nodes)), 40.0) is not None
    assert world.false_deaths == []


def test_in_a_crowd_a_partition_heals_and_views_grow_together():
    world = crowd(3)
    ids = list(world.nodes)
    world.partition([ids[:10], ids[10:]])
    world.run(world.now + 40.0)
    world.heal()
    healed = world.now
    assert world.run_until(lambda: world.agree(ids), 60.0) is not None
    assert world.now - healed < 10.0
    world.run(world.now + 5.0)
    assert any(peer in ids[10:] for node in ids[:10] for peer in world.nodes[node].core.near.active)


def test_who_stood_still_in_a_crowd_accuses_nobody():
    world = crowd(4)
    stopped = list(world.nodes)[:5]
    for _ in range(2):
        for node in stopped:
            world.pause(node)
        world.run(world.now + 12.0)
        for node in stopped:
            world.resume(node)
        world.run(world.now + 0.5)
    world.run(world.now + 1.0)
    assert [node for node in world.false_deaths if node not in stopped] == []
    assert world.run_until(lambda: world.agree(list(world.nodes)), 60.0) is not None


def test_a_mesh_that_shrinks_has_links_with_all_again():
    world = crowd(5, 12)
    ids = list(world.nodes)
    for node in ids[8:]:
        world.crash(node)
    rest = ids[:8]
    assert world.run_until(lambda: world.agree(rest), 60.0) is not None
    world.run(world.now + 6.0)
    assert all(len([peer for peer in world.nodes[node].core.links if peer in rest]) == 7 for node in rest)


def test_a_link_with_no_neighbour_is_offered_for_release_and_one_with_a_neighbour_is_not():
    world = crowd(6)
    node = next(iter(world.nodes.values()))
    stranger = next(peer for peer in world.nodes if peer not in node.core.links and peer != node.id)
    world._link(node.id, stranger)
    world.run(world.now + 20.0)
    assert stranger in node.core.links
    world.run(world.now + 40.0)
    assert stranger not in node.core.links or stranger in node.core.near.active
    assert node.core.near.active.keys() <= node.core.links.keys()


@pytest.mark.parametrize(
    "message", [Spread((), (b"12345678",)), Graft((b"12345678",)), Prune(), Neighbour(urgent=True)]
)
def test_what_neighbours_tell_counts_over_a_link_only(message):
    world = crowd(7, 10)
    node = next(iter(world.nodes.values()))
    assert [
        effect for effect in node.core.handle(NearCame(IDS[0], message), world.now) if isinstance(effect, Tell)
    ] == []
    assert not any(isinstance(effect, Release) for effect in node.core.handle(NearCame(IDS[0], message), world.now))


@pytest.mark.parametrize("proof", [b"", b"x" * 64])
def test_a_lie_that_came_first_does_not_hide_what_is_true(proof):
    world = crowd(8, 10)
    one, other = list(world.nodes.values())[:2]
    peer = next(iter(one.core.near.active))
    mine = other.core.members[other.id]
    content = statement(other.id, State.ALIVE, mine.incarnation + 1, mine.said)
    true = Rumour(other.id, State.ALIVE, mine.incarnation + 1, other.id, mine.said, Marks(other.id).sign(content))
    lie = Rumour(other.id, State.ALIVE, mine.incarnation + 1, peer, mine.said, proof)
    one.core.handle(NearCame(peer, Spread((lie,), ())), world.now)
    assert one.core.members[other.id].incarnation == mine.incarnation
    one.core.handle(NearCame(peer, Spread((true,), ())), world.now)
    assert one.core.members[other.id].incarnation == mine.incarnation + 1
