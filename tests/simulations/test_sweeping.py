"""The summary of many seeds."""

from simulations import sweeping
from simulations.sweeping import Outcome, Tally


def test_the_summary_counts_by_kind_the_faults_of_worlds_that_kept_every_promise():
    lines = []
    tallies = {"storm": Tally(), "pair": Tally()}
    for outcome in (
        Outcome("storm", 1, (), 60.0, 2.0, 3.0, ("crash", "partition", "crash")),
        Outcome("storm", 2, ("P4: lost",), 60.0, 2.0, None, ("rot",)),
        Outcome("pair", 1, (), 30.0, 1.0, 1.0, ("pause", "crash")),
    ):
        sweeping.count_in(tallies, outcome, lines.append)
    sweeping.summary(tallies, 5.0, lines.append)
    assert "faults survived, by kind: crash 3, partition 1, pause 1" in lines
    assert "broken: thatdam sim run storm --seed 2" in lines
