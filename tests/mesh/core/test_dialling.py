"""Links that make a mesh full wait for who comes and are dialled few at once; whom one needs is dialled now."""

from mesh.core.dialling import CALM_MAX_S, CALM_WAITED_S, FIRST_AT_ONCE, RELAYED_AT_ONCE, Dialling
from mesh.core.member import DialEnded, GossipCame, LinkDown, LinkUp, Start, Tell, Tick
from mesh.core.membership import Membership
from mesh.core.vouching import statement
from proto.ids import NodeId
from proto.messages.membership import Gossip, NodeInfo, Rumour, State
from simulations.world.cores import CoreWorld, Marks
from simulations.world.entropy import SeededEntropy

ME = NodeId("a" * 52)
OTHERS = [NodeId(letter * 52) for letter in "bcdefghijklmnop"]


def dialling():
    return Dialling(ME, SeededEntropy(1, "dialling"))


def want(made, node, now, **how):
    made.want(node, ((node[:1], 1),), now, alive=True, **how)


def begun(made, now):
    return [dial.key for dial in made.due(now, (), lambda _: False)]


def test_first_dials_wait_while_newcomers_come_but_not_for_ever():
    made, now, dialled = dialling(), 0.0, []
    for node in OTHERS:
        want(made, node, now, unhurried=True)
    for number in range(100):
        want(made, NodeId(f"b{number:051d}"), now, unhurried=True)
        now += 0.05
        dialled += begun(made, now)
        assert not dialled or now >= CALM_WAITED_S
    assert dialled


def test_few_first_dials_run_at_once_and_all_come_to_their_turn():
    made, now = dialling(), 0.0
    for node in OTHERS:
        want(made, node, now, unhurried=True)
    running, seen, most = [], set(), 0
    while seen < set(OTHERS) and now < 10.0:
        now += 0.05
        for key in running:
            made.ended(key, None, now, refused=True)
        running = begun(made, now)
        assert not running or now >= CALM_MAX_S - 0.001
        most = max(most, len(running))
        seen |= set(running)
    assert seen == set(OTHERS)
    assert most <= FIRST_AT_ONCE


def test_whom_somebody_needs_is_dialled_at_once_whatever_waits():
    made = dialling()
    for node in OTHERS[:-1]:
        want(made, node, 0.0, unhurried=True)
    want(made, OTHERS[-1], 0.0, at_once=True)
    assert begun(made, 0.0) == [OTHERS[-1]]


def test_a_node_is_fresh_until_it_was_tried_or_linked():
    made = dialling()
    for node in OTHERS[:3]:
        want(made, node, 0.0, unhurried=True)
    made.forget(OTHERS[0])
    now = 0.0
    while not (running := begun(made, now)):
        now += 0.05
    assert all(made.fresh(key) for key in running)
    for key in running:
        made.ended(key, None, now, refused=False)
    assert [node for node in OTHERS[:3] if made.fresh(node)] == [node for node in OTHERS[1:3] if node not in running]


def alive(node, incarnation=1):
    info = NodeInfo(node[:1], ((node[:1], 1),))
    proof = Marks(node).sign(statement(node, State.ALIVE, incarnation, info))
    return Rumour(node, State.ALIVE, incarnation, node, info, proof)


def core():
    made = Membership(ME, NodeInfo("a"), 0, SeededEntropy(1, "a"), Marks(ME))
    made.handle(Start(), 0.0)
    return made


def test_who_came_by_this_node_is_told_of_to_all_it_has_links_with_and_once():
    me = core()
    for node in OTHERS[:3]:
        me.handle(LinkUp(node, (node[:1], 1)), 0.0)
        me.handle(GossipCame(node, (alive(node),)), 0.0)
    effects = me.handle(Tick(), 0.1) + me.handle(Tick(), 0.2)
    told = {
        effect.peer: {rumour.node for rumour in effect.message.rumours}
        for effect in effects
        if isinstance(effect, Tell)
    }
    assert told == {node: set(OTHERS[:3]) - {node} for node in OTHERS[:3]}
    assert sum(isinstance(effect, Tell) for effect in effects) == 3


def test_who_is_only_heard_of_is_not_told_of_so():
    me = core()
    me.handle(LinkUp(OTHERS[0], ("b", 1)), 0.0)
    effects = me.handle(GossipCame(OTHERS[0], (alive(OTHERS[1]),)), 0.0) + me.handle(Tick(), 0.2)
    assert not [effect for effect in effects if isinstance(effect, Tell) and isinstance(effect.message, Gossip)]


def test_a_member_can_be_reached_before_its_turn_until_that_was_tried_in_vain():
    me = core()
    me.handle(LinkUp(OTHERS[0], ("b", 1)), 0.0)
    me.handle(GossipCame(OTHERS[0], (alive(OTHERS[1]),)), 0.0)
    assert me.hosts(OTHERS[1]) == (("c", 1),)
    now = 0.0
    while OTHERS[1] not in [getattr(effect, "key", "") for effect in me.handle(Tick(), now)]:
        now += 0.05
    me.handle(DialEnded(OTHERS[1], None), now)
    assert me.hosts(OTHERS[1]) == ()


def test_who_has_no_link_yet_and_was_not_tried_is_not_accused():
    me = core()
    me.handle(LinkUp(OTHERS[0], ("b", 1)), 0.0)
    heard = tuple(alive(node) for node in OTHERS[1:])
    me.handle(GossipCame(OTHERS[0], heard), 0.0)
    assert not set(me._probed()) & set(OTHERS[1:])


def test_everybody_knows_everybody_long_before_the_mesh_is_full_and_it_becomes_full():
    world = CoreWorld(3, 24)
    world.start()
    ids = list(world.nodes)
    known = world.run_until(lambda: world.agree(ids), 5.0, step_s=0.01)
    assert known is not None
    links = sum(len(world.nodes[node].core.links) for node in ids)
    assert known < 1.0
    assert links < 24 * 23 // 4
    world.run(8.0)
    assert all(len(world.nodes[node].core.links) == 23 for node in ids)
    assert world.false_deaths == []


RELAYS = (OTHERS[5], OTHERS[6])


def due(made, now, linked=()):
    return made.due(now, linked, lambda _: False, lambda _: RELAYS)


def next_dial(made, now, linked=()):
    """Let time pass until something is dialled; gives it and when."""
    while not (dials := due(made, now, linked)):
        now += 0.05
    assert len(dials) == 1
    return dials[0], now


def test_who_was_dialled_in_vain_is_asked_for_by_way_of_others():
    made = dialling()
    want(made, OTHERS[0], 0.0)
    first, now = next_dial(made, 0.0)
    assert first.relays == ()
    made.ended(OTHERS[0], None, now, refused=False)
    second, _ = next_dial(made, now)
    assert second.relays == RELAYS
    assert second.hosts == (("b", 1),)


def test_who_is_believed_dead_is_not_asked_for_by_way_of_others():
    made = dialling()
    made.want(OTHERS[0], (("b", 1),), 0.0, alive=False)
    now = 0.0
    for _ in range(5):
        dial, now = next_dial(made, now)
        assert dial.relays == ()
        made.ended(OTHERS[0], None, now, refused=False)


def relayed_one(made, now=0.0):
    want(made, OTHERS[0], now)
    for _ in range(2):
        _, now = next_dial(made, now)
        made.ended(OTHERS[0], None, now, refused=False)
    _, now = next_dial(made, now)
    made.relayed(OTHERS[0], (("b", 1),), now)
    made.ended(OTHERS[0], OTHERS[0], now, refused=False)
    return now


def test_who_is_reached_by_way_of_another_is_dialled_on_more_and_more_seldom():
    made = dialling()
    now, pauses = relayed_one(made), []
    for _ in range(12):
        dial, later = next_dial(made, now, {OTHERS[0]})
        assert dial.relays == ()
        pauses.append(later - now)
        now = later + 5.0
        made.ended(OTHERS[0], None, now, refused=False)
        now = later + 5.0
    assert pauses[0] < 6.0
    assert 10.0 < sum(pauses[6:]) / 6 < 31.0


def test_when_the_way_by_another_is_lost_a_new_one_is_asked_for_at_once():
    made = dialling()
    now = relayed_one(made)
    want(made, OTHERS[0], now)
    dial, later = next_dial(made, now)
    assert later - now < 0.3
    assert dial.relays == RELAYS


def test_an_own_link_ends_the_dialling():
    made = dialling()
    now = relayed_one(made)
    dial, now = next_dial(made, now, {OTHERS[0]})
    made.forget(OTHERS[0])
    made.ended(dial.key, OTHERS[0], now, refused=False)
    assert not due(made, now + 1000.0)


def test_few_dials_of_those_reached_by_way_of_another_run_at_once():
    made, now = dialling(), 0.0
    for node in OTHERS[:8]:
        made.relayed(node, ((node[:1], 1),), now)
    seen = set()
    for _ in range(4000):
        now += 0.05
        running = [dial.key for dial in due(made, now, set(OTHERS))]
        assert len(running) <= RELAYED_AT_ONCE
        seen |= set(running)
        for key in running:
            made.ended(key, None, now, refused=False)
    assert seen == set(OTHERS[:8])


def test_a_core_asks_those_it_has_own_links_with_the_last_that_could_first():
    me = core()
    for node in OTHERS[:6]:
        me.handle(LinkUp(node, (node[:1], 1), OTHERS[0] if node == OTHERS[5] else None), 0.0)
        me.handle(GossipCame(node, (alive(node),)), 0.0)
    me.handle(GossipCame(OTHERS[0], (alive(OTHERS[7]),)), 0.0)
    asked = me.relays(OTHERS[7])
    assert len(asked) == 3
    assert set(asked) <= set(OTHERS[:5])
    assert me.relays(OTHERS[5])[0] == OTHERS[0]
    assert me.relays(OTHERS[9]) == ()
    me.handle(LinkDown(OTHERS[5]), 0.0)
    assert me.relays(OTHERS[5])[0] == OTHERS[0]
