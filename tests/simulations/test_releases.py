"""A mesh whose nodes are of two releases of the wire works on, and is upgraded node after node while it is used."""

from mesh.actors.deadletters import Reason
from proto import codec
from proto.messages.nodes import AskReport
from simulations import scenario as scenarios
from simulations.releases import GREETING_NUMBER, Releases
from simulations.story import Story
from simulations.world.loop import LIFE


def test_a_mesh_is_upgraded_node_after_node_and_one_goes_back_with_no_failed_call_and_nothing_lost():
    story = Story(scenarios.load("upgrade", 1), 1)
    verdict = story.tell()
    assert verdict.kept, [*verdict.events, *verdict.broken]
    assert not story.ledger.refusals
    assert not story.ledger.unavailable
    # Only as long as a node that has just started has not been compared with is an answer said not to be whole.
    started = [(one.node, one.until_s) for one in story.ledger.outages if one.kind == "release"]
    searched = [one for one in story.ledger.searches if one.shards_ok < one.shards_total]
    assert all(any(name == one.node and 0 <= one.asked_s - at_s < 2 for name, at_s in started) for one in searched)
    listed = [one for one in story.ledger.answers if one.partitions_ok < one.partitions_total]
    assert all(any(0 <= one.asked_s - at_s < 1 for _, at_s in started) for one in listed)
    assert verdict.figures["unattended_longest_s"] < 1.0
    assert verdict.figures["writes_acknowledged"] > 60
    assert [line for line in verdict.lines if " link-down " in line and "malformed" in line] == []
    said = story.mesh.releases.counts
    assert min(said["next_heard_present"], said["present_heard_next"], said["next_heard_next"]) > 300
    assert min(said["greetings_answered"], said["streams_served"]) > 30
    assert min(said["greetings_refused"], said["streams_refused"]) > 30
    assert sum(machine.node.system.letters.counts[Reason.UNKNOWN] for machine in story.mesh.machines) > 0


def test_a_node_of_either_release_reads_what_the_other_writes_and_outside_nothing_is_changed():
    releases = Releases()
    releases.lives["n1.2"] = None
    plain = codec.encode_tagged(AskReport())
    with releases.spoken():
        token = LIFE.set("n1.2")
        grown = codec.encode_tagged(AskReport())
        heard = codec.decode_tagged(plain)
        greeting = codec.encode_tagged(releases.of_number(GREETING_NUMBER, None)())
        LIFE.reset(token)
        assert type(codec.decode_tagged(grown)) is AskReport
        assert codec.encode_tagged(AskReport()) == plain
    assert (isinstance(heard, AskReport), heard.later) == (True, "")
    assert len(grown) > len(plain)
    assert GREETING_NUMBER not in codec.registered()
    assert greeting.startswith(b"\x82")
