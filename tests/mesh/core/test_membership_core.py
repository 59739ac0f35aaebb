"""Membership converges, survives loss, finds deaths, refutes what is false, and heals."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.core.agenda import Agenda
from mesh.core.member import (
    AskPushPull,
    DatagramCame,
    Found,
    GossipCame,
    InfoChanged,
    Leave,
    LinkUp,
    PersistIncarnation,
    PushPullAnswered,
    PushPullAsked,
    SendDatagram,
    Start,
    Tell,
    Tick,
    Timing,
)
from mesh.core.membership import Membership
from mesh.core.rumours import RumourQueue, believed
from mesh.core.suspicion import Awareness, Suspicion
from mesh.core.vouching import Signatures, statement
from mesh.ports import DATAGRAM_BYTES_MAX
from proto import codec
from proto.ids import NodeId, node_id_of
from proto.messages.membership import (
    INCARNATION_MAX,
    Ack,
    Gossip,
    Nack,
    NodeInfo,
    Ping,
    PingRequest,
    PushPull,
    Rumour,
    State,
)
from simulations.world.cores import CoreWorld, Marks
from simulations.world.entropy import SeededEntropy

NODES = [NodeId(letter * 52) for letter in "abcd"]
RUMOURS = st.builds(
    Rumour, st.sampled_from(NODES), st.sampled_from(list(State)), st.integers(0, 3), st.sampled_from(NODES)
)


@given(st.lists(RUMOURS, max_size=8), st.randoms())
def test_beliefs_do_not_depend_on_the_order_of_rumours(rumours, chance):
    shuffled = list(rumours)
    chance.shuffle(shuffled)
    one = {node: (rumour.state, rumour.incarnation) for node, rumour in believed(rumours).items()}
    other = {node: (rumour.state, rumour.incarnation) for node, rumour in believed([*shuffled, *rumours]).items()}
    assert one == other


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 100)), max_size=30), st.lists(st.integers(0, 5), max_size=5))
def test_an_agenda_gives_what_is_due_in_order(deadlines, cancelled):
    agenda: Agenda[int] = Agenda()
    wanted = {}
    for name, at in deadlines:
        agenda.set(name, at)
        wanted[name] = at
    for name in cancelled:
        agenda.cancel(name)
        wanted.pop(name, None)
    got = []
    while (name := agenda.pop(50.0)) is not None:
        got.append(name)
    times = [wanted[name] for name in got]
    assert times == sorted(times)
    assert sorted(got) == sorted(name for name, at in wanted.items() if at <= 50.0)
    assert agenda.next_at() == min((at for at in wanted.values() if at > 50.0), default=None)


@given(st.integers(4, 500), st.lists(st.sampled_from(NODES), max_size=6))
def test_confirmations_shorten_a_suspicion_never_below_its_least(nodes, confirmers):
    suspicion = Suspicion.start(0.0, nodes, 1.0, NODES[0])
    ends = [suspicion.ends_at()]
    for node in confirmers:
        suspicion.confirm(node)
        ends.append(suspicion.ends_at())
    assert ends == sorted(ends, reverse=True)
    assert min(ends) >= suspicion.min_s
    assert ends[0] == suspicion.max_s


@given(st.lists(st.integers(0, 8), min_size=1, max_size=60))
def test_datagrams_with_rumours_fit(sizes):
    queue = RumourQueue()
    for number, size in enumerate(sizes):
        node = NodeId(f"{number:052d}")
        queue.add(Rumour(node, State.ALIVE, 1 << 40, node, NodeInfo("x" * 60, (("h" * 100, 65535),) * size, "u" * 200)))
    while len(queue):
        taken = queue.take(DATAGRAM_BYTES_MAX - 96, 100)
        assert taken
        message = PingRequest(1 << 62, NODES[0], taken)
        assert len(codec.encode_tagged(message)) <= DATAGRAM_BYTES_MAX


def core(letter="a", incarnation=5):
    node = NodeId(letter * 52)
    return Membership(node, NodeInfo(letter), incarnation, SeededEntropy(1, letter), Marks(node))


def signed(node, state, incarnation, by, info=None):
    """What ``node`` itself would have said, told by ``by``."""
    info = info or NodeInfo(node[:1])
    return Rumour(node, state, incarnation, by, info, Marks(node).sign(statement(node, state, incarnation, info)))


@pytest.mark.parametrize("state", [State.SUSPECT, State.DEAD, State.LEFT])
def test_a_node_refutes_and_persists_before_it_tells(state):
    me = core()
    effects = me.handle(Start(), 0.0)
    assert PersistIncarnation(6) in effects
    me.handle(LinkUp(NODES[1], ("h", 1)), 0.0)
    effects = me.handle(DatagramCame(NODES[1], Ping(1, (Rumour(me.node, state, 6, NODES[1]),))), 1.0)
    persisted = effects.index(PersistIncarnation(7))
    told = next(number for number, effect in enumerate(effects) if isinstance(effect, Tell))
    assert persisted < told
    assert me.members[me.node].incarnation == 7
    assert me.members[me.node].state is State.ALIVE


def test_an_old_accusation_is_ignored():
    me = core()
    me.handle(Start(), 0.0)
    me.handle(DatagramCame(NODES[1], Ack(1, (Rumour(me.node, State.DEAD, 5, NODES[1]),))), 1.0)
    assert me.members[me.node].incarnation == 6


def test_saying_something_new_raises_the_incarnation():
    me = core()
    me.handle(Start(), 0.0)
    me.handle(InfoChanged(NodeInfo("other")), 1.0)
    assert me.members[me.node].incarnation == 7
    assert me.members[me.node].info.name == "other"


@pytest.mark.parametrize("seed", range(5))
def test_five_nodes_started_at_once_become_one_mesh(seed):
    world = CoreWorld(seed, 5)
    world.start()
    assert world.run_until(lambda: world.agree(list(world.nodes)), 5.0) is not None
    world.run(world.now + 2.0)
    assert all(len(node.core.links) == 4 for node in world.nodes.values())


@pytest.mark.parametrize("seed", range(3))
def test_nobody_is_buried_alive_under_loss(seed):
    world = CoreWorld(seed, 16, loss=0.3)
    world.start()
    assert world.run_until(lambda: world.agree(list(world.nodes)), 20.0) is not None
    world.run(world.now + 60.0)
    assert world.false_deaths == []


def test_a_silent_death_is_seen_by_all():
    world = CoreWorld(4, 16)
    world.start()
    world.run(10.0)
    victim, *rest = world.nodes
    world.crash(victim)
    died = world.now
    seen = world.run_until(lambda: world.sees_dead(victim, rest), 30.0)
    assert seen is not None
    assert seen - died < 12.0
    world.restart(victim)
    assert world.run_until(lambda: world.agree(list(world.nodes)), 40.0) is not None
    assert world.false_deaths == []


@pytest.mark.parametrize("seed", range(3))
def test_a_partition_heals(seed):
    world = CoreWorld(seed, 8)
    world.start()
    world.run(5.0)
    ids = list(world.nodes)
    world.partition([ids[:4], ids[4:]])
    world.run(45.0)
    assert world.agree(ids[:4]) or world.nodes[ids[0]].core.alive().keys() == set(ids[:4])
    world.heal()
    healed = world.now
    seen = world.run_until(lambda: world.agree(ids), 60.0)
    assert seen is not None
    assert seen - healed < 10.0


@pytest.mark.parametrize("seed", range(3))
def test_a_node_that_stood_still_accuses_nobody(seed):
    world = CoreWorld(seed, 12)
    world.start()
    world.run(10.0)
    stopped = list(world.nodes)[:3]
    for _ in range(3):
        for node in stopped:
            world.pause(node)
        world.run(world.now + 12.0)
        for node in stopped:
            world.resume(node)
        world.run(world.now + 0.5)
    world.run(world.now + 1.0)
    assert [node for node in world.false_deaths if node not in stopped] == []
    assert world.run_until(lambda: world.agree(list(world.nodes)), 60.0) is not None


def test_who_leaves_is_not_suspected_and_may_come_back():
    world = CoreWorld(7, 5)
    world.start()
    world.run(5.0)
    *rest, gone = world.nodes  # not the seed: a lone node has to dial one
    world.feed(world.nodes[gone], Leave())
    world.run(world.now + 0.5)
    world.crash(gone)
    for node in rest:
        assert world.nodes[node].core.members[gone].state is State.LEFT
    world.run(world.now + 30.0)
    assert not any("suspect" in line for line in world.trace.lines if gone[:8] in line)
    world.restart(gone)
    assert world.run_until(lambda: world.agree(list(world.nodes)), 10.0) is not None


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1 << 30))
def test_whatever_fails_the_healed_mesh_agrees(seed):
    world = CoreWorld(seed, 6, loss=0.1, timing=Timing(push_pull_s=10.0))
    world.start()
    chance = SeededEntropy(seed, "faults")
    ids = list(world.nodes)
    down: list[NodeId] = []
    for _ in range(6):
        world.run(world.now + chance.uniform(1.0, 15.0))
        what = chance.below(4)
        node = ids[chance.below(len(ids))]
        if what == 0 and node not in down:
            world.crash(node)
            down.append(node)
        elif what == 1 and down:
            world.restart(down.pop())
        elif what == 2:
            cut = 1 + chance.below(5)
            mixed = [NodeId(name) for name in chance.shuffled(list(ids))]
            world.partition([mixed[:cut], mixed[cut:]])
        else:
            world.heal()
    world.heal()
    for node in down:
        world.restart(node)
    assert world.run_until(lambda: world.agree(ids), 120.0) is not None


def test_the_same_seed_tells_the_same_story():
    def story():
        world = CoreWorld(11, 10, loss=0.1)
        world.start()
        world.run(15.0)
        return world.trace.hexdigest()

    assert story() == story()


def told_of(me, node, state, incarnation, peer, info=None, now=1.0):
    return me.handle(GossipCame(peer, (signed(node, state, incarnation, peer, info),)), now)


def claimed(me, rumour, peer, now=1.0):
    return me.handle(GossipCame(peer, (rumour,)), now)


def beginning(*known, incarnation=5):
    me = core(incarnation=incarnation)
    me.handle(Start(), 0.0)
    for node in known:
        me.handle(LinkUp(node, ("h", 1)), 0.0)
        told_of(me, node, State.ALIVE, 3, node, NodeInfo(node[:1]))
    return me


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("incarnation", [4, 100, 1 << 41, INCARNATION_MAX])
@pytest.mark.parametrize("proof", ["", "its own", "of another incarnation", "of another info"])
def test_nobody_raises_the_incarnation_of_another(state, incarnation, proof):
    me = beginning(NODES[1], NODES[2])
    liar, victim = NODES[1], NODES[2]
    info = NodeInfo("made up", (("10.6.6.6", 1),))
    proofs = {
        "": b"",
        "its own": Marks(liar).sign(statement(victim, state, incarnation, info)),
        "of another incarnation": Marks(victim).sign(statement(victim, state, 3, info)),
        "of another info": Marks(victim).sign(statement(victim, state, incarnation, NodeInfo("c"))),
    }
    lie = Rumour(victim, state, incarnation, liar, info, proofs[proof])
    before = me.members[victim]
    claimed(me, lie, liar)
    me.handle(PushPullAsked(liar, PushPull(b"x" * 16, (lie,))), 1.0)
    assert me.members[victim] == before
    stranger = Rumour(NODES[3], state, incarnation, liar, info, Marks(liar).sign(b"x"))
    claimed(me, stranger, liar)
    assert NODES[3] not in me.members


@pytest.mark.parametrize("state", list(State))
def test_a_made_up_incarnation_of_oneself_is_not_taken_up_and_the_liar_hears_what_is_true(state):
    me = beginning(NODES[1])
    lie = Rumour(me.node, state, 1 << 41, NODES[1], NodeInfo("a"), b"x" * 64)
    effects = claimed(me, lie, NODES[1])
    assert not any(isinstance(effect, PersistIncarnation) for effect in effects)
    assert me.members[me.node].incarnation == 6
    assert [effect for effect in effects if isinstance(effect, Tell)]
    assert me.incredible == 1


def test_nobody_says_of_another_that_it_left():
    me = beginning(NODES[1], NODES[2])
    info = me.members[NODES[2]].said
    alive = Marks(NODES[2]).sign(statement(NODES[2], State.ALIVE, 3, info))
    claimed(me, Rumour(NODES[2], State.LEFT, 3, NODES[1], info, alive), NODES[1])
    assert me.members[NODES[2]].state is State.ALIVE
    told_of(me, NODES[2], State.LEFT, 3, NODES[1])
    assert me.members[NODES[2]].state is State.LEFT


def test_an_unproven_incarnation_is_asked_for_and_taken_once_it_is_shown():
    me = beginning(NODES[1], NODES[2])
    effects = claimed(me, Rumour(NODES[2], State.SUSPECT, 4, NODES[1]), NODES[1])
    assert [effect.peer for effect in effects if isinstance(effect, AskPushPull)] == [NODES[1]]
    assert me.members[NODES[2]].state is State.ALIVE
    shown = signed(NODES[2], State.ALIVE, 4, NODES[1])
    suspected = Rumour(NODES[2], State.SUSPECT, 4, NODES[1], shown.info, shown.proof)
    me.handle(PushPullAnswered(NODES[1], PushPull(b"x" * 16, (suspected,))), 1.5)
    assert (me.members[NODES[2]].state, me.members[NODES[2]].incarnation) == (State.SUSPECT, 4)


def test_a_node_that_lost_its_incarnation_is_shown_what_it_signed_and_goes_above_it():
    me = beginning(NODES[1])
    claimed(me, Rumour(me.node, State.DEAD, 40, NODES[1]), NODES[1])
    assert me.members[me.node].incarnation == 6, "a death is signed by nobody: what was signed is that it lived"
    shown = signed(me.node, State.ALIVE, 40, NODES[1])
    dead = Rumour(me.node, State.DEAD, 40, NODES[1], shown.info, shown.proof)
    effects = me.handle(PushPullAnswered(NODES[1], PushPull(b"x" * 16, (dead,))), 1.0)
    assert PersistIncarnation(41) in effects
    assert me.twin is None


def test_two_nodes_with_one_key_find_out():
    one, other = core(), core()
    for node in (one, other):
        node.handle(Start(), 0.0)
        node.handle(LinkUp(NODES[1], ("h", 1)), 0.0)
    other.handle(InfoChanged(NodeInfo("copy", (("10.0.0.9", 1),))), 0.5)
    for step in range(8):
        for node, heard in ((one, other), (other, one)):
            rumour = heard._rumour(heard.members[heard.node])
            node.handle(GossipCame(NODES[1], (rumour,)), 1.0 + step)
    assert one.twin == NodeInfo("copy", (("10.0.0.9", 1),))
    assert other.twin is not None


def test_real_keys_vouch_for_what_was_said_and_nothing_else():
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    node = node_id_of(key.public_key().public_bytes_raw())
    vouching = Signatures(key.sign)
    content = statement(node, State.ALIVE, 7, NodeInfo("n"))
    proof = vouching.sign(content)
    assert vouching.holds(node, content, proof)
    assert not vouching.holds(node, statement(node, State.ALIVE, 8, NodeInfo("n")), proof)
    assert not vouching.holds(node, statement(node, State.LEFT, 7, NodeInfo("n")), proof)
    assert not vouching.holds(NODES[1], content, proof)
    assert not vouching.holds(node, content, b"")


@pytest.mark.parametrize("nacks", [True, False])
def test_who_hears_no_nacks_mistrusts_itself_and_who_hears_them_does_not(nacks):
    me, silent = beginning(*NODES[1:]), NODES[3]
    now = 0.0
    while me.members[silent].state is State.ALIVE:
        now += 0.1
        assert now < 20.0
        for effect in me.handle(Tick(), now):
            match effect:
                case SendDatagram(peer, Ping(seq)) if peer != silent:
                    me.handle(DatagramCame(peer, Ack(seq)), now)
                case SendDatagram(peer, PingRequest(seq)) if nacks:
                    me.handle(DatagramCame(peer, Nack(seq)), now)
                case _:
                    pass
    assert (me.awareness > 0) is not nacks


def test_a_node_that_feels_unwell_waits_longer():
    awareness = Awareness()
    for _ in range(20):
        awareness.add(1)
    assert awareness.factor == 8
    awareness.add(-20)
    assert awareness.factor == 1


def test_the_suspected_hears_it_first_and_from_whoever_speaks_to_it():
    me = beginning(NODES[1], NODES[2])
    claimed(me, Rumour(NODES[2], State.SUSPECT, 3, NODES[1]), NODES[1])
    for _ in range(100):
        me.talk.queue.take(1000, 3)  # told so often that nothing waits any more
    effects = me.handle(DatagramCame(NODES[2], Ping(9)), 1.1)
    acks = [effect.message for effect in effects if isinstance(effect, SendDatagram) and effect.peer == NODES[2]]
    assert [(rumour.node, rumour.state) for rumour in acks[0].rumours] == [(NODES[2], State.SUSPECT)]


def test_dead_in_a_push_pull_is_a_suspicion_that_can_be_refuted():
    me = beginning(NODES[1], NODES[2])
    shown = signed(NODES[2], State.ALIVE, 3, NODES[1])
    dead = Rumour(NODES[2], State.DEAD, 3, NODES[1], shown.info, shown.proof)
    me.handle(PushPullAsked(NODES[1], PushPull(b"x" * 16, (dead,))), 1.0)
    assert me.members[NODES[2]].state is State.SUSPECT
    told_of(me, NODES[2], State.ALIVE, 4, NODES[2])
    assert me.members[NODES[2]].state is State.ALIVE


@pytest.mark.parametrize("seed", range(3))
def test_a_new_node_at_the_address_of_a_dead_one_takes_its_place_and_not_its_id(seed):
    world = CoreWorld(seed, 8)
    world.start()
    world.run(5.0)
    *rest, old = world.nodes
    world.crash(old)
    world.run(world.now + 1.0)
    new = world.replace(old)
    assert world.run_until(lambda: world.agree([*rest, new]), 30.0) is not None
    assert all(world.nodes[node].core.members[old].state is State.DEAD for node in [*rest, new])
    assert world.false_deaths == []


@pytest.mark.parametrize("seed", range(3))
def test_one_that_restarts_is_back_at_once(seed):
    world = CoreWorld(seed, 12)
    world.start()
    world.run(10.0)
    _, victim, *_ = world.nodes
    world.crash(victim)
    world.run(world.now + 9.0)
    world.restart(victim)
    began = world.now
    assert world.run_until(lambda: world.agree(list(world.nodes)), 30.0) is not None
    assert world.now - began < 5.0


@pytest.mark.parametrize("kept", [INCARNATION_MAX, 1 << 63, 1 << 70, -4])
def test_an_incarnation_that_was_kept_wrongly_still_goes_over_the_wire(kept):
    me = core(incarnation=kept)
    me.handle(Start(), 0.0)
    for _ in range(3):
        me.handle(InfoChanged(NodeInfo("n")), 1.0)
    told = Gossip((me._rumour(me.members[me.node]),))
    assert codec.decode_tagged(codec.encode_tagged(told)) == told
    me._raise(1 << 80, 2.0)
    assert me.members[me.node].incarnation == INCARNATION_MAX


@pytest.mark.parametrize("name", ["", "bb", "A" * 52, "a" * 51, "a" * 52 + "\n", "../../etc"])
def test_what_is_no_node_id_becomes_no_member_and_is_not_dialled(name):
    me = beginning(NODES[1])
    told_of(me, NodeId(name), State.ALIVE, 1, NODES[1], NodeInfo("x", (("h", 1),)))
    me.handle(Found(NodeId(name), (("h", 1),)), 1.0)
    assert name not in me.members
    assert name not in dict(me.addresses())
    remembered = [(NodeId(name), (("h", 1),))]
    kept = Membership(NODES[0], NodeInfo("a"), 0, SeededEntropy(1, "a"), Marks(NODES[0]), remembered=remembered)
    assert kept.addresses() == ()


def test_names_of_nodes_hold_nothing_that_a_terminal_obeys():
    me = beginning(NODES[1])
    info = NodeInfo("ca\x1b[31mm\n1", zone="a\x00b", version="1\r\u202e2")
    told_of(me, NODES[2], State.ALIVE, 1, NODES[1], info)
    taken = me.members[NODES[2]].info
    assert (taken.name, taken.zone, taken.version) == ("ca[31mm1", "ab", "12")
    assert not [
        effect for effect in told_of(me, NODES[2], State.ALIVE, 1, NODES[1], info, 2.0) if "Changed" in repr(effect)
    ]
