"""A whole simulated mesh of which one node's disk takes no writes for a while."""

from simulations import scenario as scenarios
from simulations.story import Story


def test_while_a_disk_takes_no_writes_every_promise_is_kept_and_its_take_goes_on_elsewhere_whole():
    story = Story(scenarios.load("shut", 1), 1)
    filmed_by, records = story.mesh.machine("n1"), story.mesh.machine("n3")
    told, takeovers = [], []

    def look():
        if filmed_by.node is not None and records.node is not None:
            takeovers.append(filmed_by.node.recordings.takeovers)
            shut = records.node.guard.told()
            if not told or told[-1] != shut:
                told.append(shut)
        story.mesh.fabric.later(1.0, look)

    story.mesh.fabric.later(1.0, look)
    verdict = story.tell()
    assert verdict.kept, "\n".join([*verdict.events, *(f"{one.promise}: {one.why}" for one in verdict.broken)])
    assert [one and (one.by, one.why) for one in told] == [None, ("disk", "the file system is read-only"), None]
    assert not told[1].rows
    assert max(takeovers) >= 1, "what is lost on a recorder's sick disk no promise allows for"
    assert verdict.figures["lists_partial"] == 0, "the others' replicas count"
