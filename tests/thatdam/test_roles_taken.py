"""Which roles a machine takes, and what it says of those it leaves out."""

import pytest

from mesh.ports import Refused
from thatdam.capabilities import Machine, choose, granted

SMALL = Machine(cores=4, memory_bytes=8 << 30, disk_free_bytes=3 << 30, analysis=False)


def test_a_role_that_a_ticket_permits_and_the_machine_is_too_small_for_is_left_out_with_how_to_force_it():
    roles = granted(choose((), SMALL), (), ("proxy", "storage"))
    assert roles["proxy"] == (True, "every machine may have cameras")
    taken, why = roles["storage"]
    assert not taken
    assert why == (
        "only 3.0 GiB free on the disk; this needs 4.0 GiB. Its ticket permits it, though: "
        "`thatdam up --role proxy --role storage` takes it all the same"
    )
    assert roles["daemon"] == (False, "this node's ticket does not grant it")


def test_what_was_said_by_name_is_taken_and_nothing_more_is_said_of_the_rest():
    roles = granted(choose(("storage",), SMALL), ("storage",), ("proxy", "storage"))
    assert roles["storage"] == (True, "as the settings say")
    assert roles["proxy"] == (False, "the settings leave it out")


def test_what_was_not_granted_is_refused_when_it_is_asked_for():
    with pytest.raises(Refused, match="not granted the role daemon"):
        granted(choose(("daemon",), SMALL), ("daemon",), ("storage",))
