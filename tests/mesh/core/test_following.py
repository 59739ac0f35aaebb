"""A follower's cursor stays short in a mesh of any size, and a journal holds no more than it may."""

from mesh.core import journal as journals
from mesh.core.eventcursor import read
from mesh.core.following import Follower, Told
from mesh.core.journal import Journal
from proto.ids import MeshId, node_id_of
from proto.messages.events import LANES_TOLD_MAX, EventsGiven, EventsStand, EventsTold, Happened, LaneStand

MESH = MeshId("a" * 26)
HERE = node_id_of(bytes(32))
OTHERS = [node_id_of(number.to_bytes(2, "big") * 16) for number in range(1, 301)]
BEGAN_MS = 1_800_000_000_000


def told(origin, seq, at_ms):
    return EventsTold(1, BEGAN_MS - 1, (Happened(seq, at_ms, "job.changed", {"id": origin[:8]}),))


def test_the_quietest_lanes_are_left_out_of_a_cursor_and_still_told_of_once():
    journal = Journal(HERE)
    journal.begin(1, BEGAN_MS)
    follower = Follower(journal, HERE, (), 0.0, BEGAN_MS, since_ms=BEGAN_MS)
    had = []
    for number, origin in enumerate(OTHERS):
        follower.look(journal.heard(origin, origin, told(origin, 1, BEGAN_MS + number)))
        taken = follower.take(1.0)
        for want in taken.wants:
            follower.answered(want, EventsGiven(BEGAN_MS - 1, 0, True, ()), 1.0, origin=True)
        had += [item for item in (*taken.items, *follower.take(1.0).items) if isinstance(item, Told)]
    assert [item.origin for item in had] == OTHERS
    assert len(follower.cursor.places) == LANES_TOLD_MAX

    again = Follower(journal, HERE, (), 2.0, BEGAN_MS, cursor=read(follower.cursor.text(MESH), MESH))
    taken = again.take(2.0)
    assert taken.items == ()
    for want in taken.wants:
        again.answered(want, EventsGiven(BEGAN_MS - 1, 1, True, ()), 2.0, origin=True)
    assert again.take(2.0).items == ()
    for origin in (OTHERS[0], OTHERS[-1]):
        again.look(journal.heard(origin, origin, told(origin, 2, BEGAN_MS + 1000)))
    assert sorted(item.origin for item in again.take(2.0).items) == sorted([OTHERS[0], OTHERS[-1]])


def test_a_journal_holds_so_many_events_and_origins_and_what_is_said_of_others_makes_it_no_larger():
    journal = Journal(HERE, own_max=10, heard_max=50)
    journal.begin(1, BEGAN_MS)
    for number in range(100):
        journal.tell("job.changed", {}, BEGAN_MS + number)
        journal.tell("node.dead", {}, BEGAN_MS + number, local=True)
        journal.heard(OTHERS[0], OTHERS[0], told(OTHERS[0], number + 1, BEGAN_MS))
    for first in range(0, 2000, 200):
        nodes = [node_id_of(number.to_bytes(4, "big") * 8) for number in range(first, first + 200)]
        journal.stood(OTHERS[0], EventsStand(tuple(LaneStand(node, 1, 0, 9) for node in nodes)))
    held = [run for origin in journal._origins.values() for run in origin.runs.values()]
    assert len(held) <= journals.ORIGINS_MAX
    assert sum(len(run.events) for run in held) <= 10 + 50 + 100
    assert journal.last(journal.present(journal.lanes()[0]).lane) == 100  # this node's own are never let go for others'
    journal.stood(OTHERS[0], EventsStand((LaneStand("no node", 1, 0, 9), LaneStand(HERE, 7, 0, 9))))
    assert journal.own_stand().lanes[0].run == 1


def test_what_is_passed_on_is_its_origins_and_the_origins_own_word_counts_for_more():
    journal = Journal(HERE)
    journal.begin(1, BEGAN_MS)
    origin, relay = OTHERS[:2]
    journal.heard(relay, origin, told(origin, 1, BEGAN_MS))
    (tag,) = journal.heard(origin, origin, told(origin, 2, BEGAN_MS))
    present = journal.present(tag)
    assert (present.lane.origin, present.sure, journal.last(present.lane)) == (origin, True, 2)
    late = EventsTold(0, 1, (Happened(9, 1, "job.changed"),))
    journal.heard(relay, origin, late)
    assert journal.present(tag).lane.run == 1
