"""Routes of live tracks over random meshes: found everywhere, never a loop, one upstream a hop, healed after a loss."""

from collections import deque

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.core.live import (
    GRACE_S,
    STALL_S,
    Heard,
    LinkDown,
    LinkUp,
    LiveRoutes,
    Lost,
    News,
    NotTold,
    Offered,
    Progress,
    Subscribe,
    Tick,
    Unsubscribe,
    Unwanted,
    UpstreamEnded,
    UpstreamFailed,
    Wanted,
    Withdrawn,
)
from proto.ids import NodeId
from proto.messages.live import HOPS_MAX, Route

TRACK = "cam/main"


class Mesh:
    """Nodes, links and who serves whom; announcements travel one at a time in an order the test chooses."""

    def __init__(self, count, edges):
        self.nodes = {NodeId(f"n{number:02d}"): LiveRoutes(NodeId(f"n{number:02d}")) for number in range(count)}
        self.ids = list(self.nodes)
        self.edges = set()
        self.serving = {node: {} for node in self.ids}  # track -> {downstream: number}
        self.lost = []
        self.now = 0.0
        self.ready = deque()
        for one, other in edges:
            self.link(self.ids[one], self.ids[other])

    def link(self, one, other):
        if one == other or frozenset((one, other)) in self.edges:
            return
        self.edges.add(frozenset((one, other)))
        self.do(one, LinkUp(other))
        self.do(other, LinkUp(one))

    def cut(self, one, other):
        self.edges.discard(frozenset((one, other)))
        self.serving[one].pop(other, None)
        self.serving[other].pop(one, None)
        self.do(one, LinkDown(other))
        self.do(other, LinkDown(one))

    def do(self, node, event):
        for effect in self.nodes[node].handle(event, self.now):
            match effect:
                case News(peer):
                    if (node, peer) not in self.ready:
                        self.ready.append((node, peer))
                case Subscribe(peer, track, number, _):
                    assert frozenset((node, peer)) in self.edges, "only neighbours are asked"
                    self.serving[peer][node] = number
                    self.do(peer, Wanted(track, False))
                case Unsubscribe(peer, track, number):
                    if self.serving[peer].get(node) == number:
                        del self.serving[peer][node]
                        if not self.serving[peer] and peer not in self.viewers:
                            self.do(peer, Unwanted(track))
                case Lost(track, reason):
                    self.lost.append((node, track, reason))

    viewers: frozenset = frozenset()

    def settle(self, pick=lambda size: 0, budget=20_000):
        while self.ready:
            budget -= 1
            assert budget > 0, "announcements never came to rest"
            index = pick(len(self.ready))
            self.ready.rotate(-index)
            node, peer = self.ready.popleft()
            if frozenset((node, peer)) not in self.edges:
                continue
            news = self.nodes[node].news(peer)
            if news is not None:
                self.do(peer, Heard(node, *news))

    def distances(self, source):
        found = {source: 0}
        queue = deque([source])
        while queue:
            node = queue.popleft()
            for edge in sorted(self.edges, key=sorted):
                if node in edge:
                    (other,) = edge - {node}
                    if other not in found:
                        found[other] = found[node] + 1
                        queue.append(other)
        return found

    def check(self, source):
        distances = self.distances(source)
        for node, routes in self.nodes.items():
            way = routes.way(TRACK)
            if node not in distances or distances[node] >= HOPS_MAX:
                assert way is None, f"{node} believes in a path that is not there: {way}"
                continue
            assert way is not None, f"{node} did not find the track"
            assert way.path[0] == node
            assert way.path[-1] == source
            assert len(set(way.path)) == len(way.path)
            assert all(frozenset(pair) in self.edges for pair in zip(way.path, way.path[1:], strict=False))
            assert way.hops == distances[node]


@st.composite
def meshes(draw):
    count = draw(st.integers(2, 9))
    tree = [(draw(st.integers(0, number - 1)), number) for number in range(1, count)]
    more = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=count))
    return Mesh(count, tree + more)


fast = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@fast
@given(meshes(), st.randoms(use_true_random=False))
def test_every_node_finds_the_track_by_the_shortest_path_whatever_the_order(mesh, chance):
    source = chance.choice(mesh.ids)
    mesh.do(source, Offered(TRACK))
    mesh.settle(chance.randrange)
    mesh.check(source)


@fast
@given(meshes(), st.randoms(use_true_random=False))
def test_routes_heal_after_links_come_and_go_and_end_with_the_track(mesh, chance):
    source = chance.choice(mesh.ids)
    mesh.do(source, Offered(TRACK))
    mesh.settle(chance.randrange)
    for _ in range(6):
        one, other = chance.sample(mesh.ids, 2)
        if frozenset((one, other)) in mesh.edges:
            mesh.cut(one, other)
        else:
            mesh.link(one, other)
        if chance.random() < 0.5:
            mesh.settle(chance.randrange)
    mesh.settle(chance.randrange)
    mesh.check(source)
    mesh.do(source, Withdrawn(TRACK, "closed"))
    mesh.settle(chance.randrange)
    assert all(routes.way(TRACK) is None for routes in mesh.nodes.values())


@fast
@given(meshes(), st.randoms(use_true_random=False))
def test_each_hop_has_one_upstream_and_they_make_a_tree_to_the_source(mesh, chance):
    source = chance.choice(mesh.ids)
    mesh.viewers = frozenset(chance.sample(mesh.ids, chance.randint(1, len(mesh.ids))))
    mesh.do(source, Offered(TRACK))
    for viewer in sorted(mesh.viewers):
        mesh.do(viewer, Wanted(TRACK, False))
    mesh.settle(chance.randrange)
    if len(mesh.edges) > 1:
        mesh.cut(*sorted(chance.choice(sorted(mesh.edges, key=sorted))))
    mesh.settle(chance.randrange)
    distances = mesh.distances(source)
    for viewer in sorted(mesh.viewers):
        seen, node = [], viewer
        while node != source and node in distances:
            seen.append(node)
            assert len(seen) == len(set(seen)), "a loop of subscriptions"
            upstream = mesh.nodes[node].upstream(TRACK)
            assert upstream is not None
            assert mesh.serving[upstream[0]].get(node) == upstream[1], "the upstream does not know of it"
            node = upstream[0]
    taken = [
        (node, routes.upstream(TRACK)) for node, routes in mesh.nodes.items() if node in distances and node != source
    ]
    served = {(down, up) for up, downs in mesh.serving.items() for down in downs}
    for node, upstream in taken:
        if upstream is not None:
            assert [up for down, up in served if down == node] == [upstream[0]]


def chain():
    """n00 is the source, n01 and n03 between, n02 the viewer."""
    mesh = Mesh(4, [(0, 1), (1, 2), (0, 3), (3, 2)])
    mesh.viewers = frozenset({NodeId("n02")})
    mesh.do(NodeId("n00"), Offered(TRACK))
    mesh.settle()
    mesh.do(NodeId("n02"), Wanted(TRACK, False))
    return mesh, mesh.nodes[NodeId("n02")]


def test_a_dead_path_is_left_for_the_other_at_once():
    mesh, viewer = chain()
    assert viewer.upstream(TRACK) == ("n01", 1)
    mesh.cut(NodeId("n01"), NodeId("n02"))
    assert viewer.upstream(TRACK) == ("n03", 2)
    assert mesh.lost == []


def test_a_path_that_dies_upstream_is_left_once_its_withdrawal_comes():
    mesh, viewer = chain()
    mesh.cut(NodeId("n00"), NodeId("n01"))
    mesh.settle()
    assert viewer.upstream(TRACK) == ("n03", 2)


def test_a_silent_upstream_is_asked_and_left_when_it_does_not_answer():
    _, viewer = chain()
    viewer.handle(Progress(TRACK), 1.0)
    assert viewer.wake_at() == 1.0 + STALL_S
    assert viewer.handle(Tick(), 1.0 + STALL_S) == [Subscribe(NodeId("n01"), TRACK, 1, False)]
    effects = viewer.handle(UpstreamFailed(TRACK, 1), 4.5)
    assert Unsubscribe(NodeId("n01"), TRACK, 1) in effects
    assert Subscribe(NodeId("n03"), TRACK, 2, False) in effects
    viewer.handle(Tick(), 60.0)
    assert viewer.upstream(TRACK) == ("n03", 2), "an equal path is no reason to go back"


def test_subscribers_wait_a_while_for_another_path_and_are_told_when_there_is_none():
    mesh, viewer = chain()
    mesh.cut(NodeId("n01"), NodeId("n02"))
    mesh.cut(NodeId("n03"), NodeId("n02"))
    assert viewer.upstream(TRACK) is None
    assert mesh.lost == []
    assert viewer.wake_at() == GRACE_S
    effects = viewer.handle(Tick(), GRACE_S)
    assert [type(effect) for effect in effects] == [Lost]


def test_an_ended_track_ends_at_once_and_a_late_word_of_an_old_subscription_is_ignored():
    _, viewer = chain()
    viewer.handle(Heard(NodeId("n03"), (Route(TRACK, ()),), False), 0.0)
    assert viewer.handle(UpstreamEnded(TRACK, 99, "old"), 0.0) == []
    effects = viewer.handle(UpstreamEnded(TRACK, 1, "the source is gone"), 0.0)
    assert Lost(TRACK, "the source is gone") in effects


def test_paths_that_lie_are_refused():
    routes = LiveRoutes(NodeId("me"))
    peer = NodeId("peer")
    routes.handle(LinkUp(peer), 0.0)
    bad = [("other", "s"), ("peer", "me", "s"), ("peer", "s", "s"), ("peer", *(f"x{n}" for n in range(HOPS_MAX)))]
    for path in bad:
        routes.handle(Heard(peer, (Route(TRACK, path),), False), 0.0)
        assert routes.way(TRACK) is None
    assert routes.refused_routes == len(bad)


def test_a_lost_announcement_is_followed_by_everything():
    routes = LiveRoutes(NodeId("me"))
    peer = NodeId("peer")
    routes.handle(LinkUp(peer), 0.0)
    routes.handle(Offered("a"), 0.0)
    assert routes.news(peer) == ((Route("a", ("me",)),), True)
    assert routes.news(peer) is None
    routes.handle(Offered("b"), 0.0)
    assert routes.news(peer) == ((Route("b", ("me",)),), False)
    routes.handle(NotTold(peer), 0.0)
    assert routes.news(peer) == ((Route("a", ("me",)), Route("b", ("me",))), True)
