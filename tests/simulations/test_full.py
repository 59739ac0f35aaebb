"""A whole simulated mesh in which the disk of a recorder fills up while other nodes have room."""

from simulations import scenario as scenarios
from simulations.story import Story


def test_a_take_whose_recorder_has_a_full_disk_goes_on_elsewhere_whole_and_stays_there():
    story = Story(scenarios.load("full", 1), 1)
    filmed_by, takeovers = story.mesh.machine("n1"), []

    def look():
        if filmed_by.node is not None:
            takeovers.append(filmed_by.node.recordings.takeovers)
        story.mesh.fabric.later(1.0, look)

    story.mesh.fabric.later(1.0, look)
    verdict = story.tell()
    # What is lost on a recorder's full disk no promise allows for: the checkers miss every unit.
    assert verdict.kept, "\n".join([*verdict.events, *(f"{one.promise}: {one.why}" for one in verdict.broken)])
    assert max(takeovers) == 1, "the recording does not go back and forth"
