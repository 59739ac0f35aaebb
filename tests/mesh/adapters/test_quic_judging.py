"""Certificates are judged by the mesh's time, not by a machine's clock that was never set or is years ahead."""

import time

import pytest

from mesh.adapters.clock import SystemClock
from mesh.adapters.quic import network as quic_network
from mesh.ports import Refused
from tests.mesh.adapters.quic_world import ShiftedClock, run, until

YEAR = 365 * 86400.0


class Mesh:
    """A judge whose time is ``shift_s`` from the real one, and who hears those it would refuse."""

    def __init__(self, shift_s=0.0, believes=False):
        self.shift_s, self.believes, self.heard = shift_s, believes, []

    def wall(self):
        return SystemClock().wall() + self.shift_s

    def contradicted(self, peer, wall_ms):
        self.heard.append((peer, wall_ms))
        if self.believes:
            self.shift_s = wall_ms / 1000 - SystemClock().wall()


def judged_by(node, judge):
    node.network._judge = judge
    return judge


@pytest.mark.parametrize("shift_s", [5 * YEAR, -50 * YEAR], ids=["years ahead", "never set"])
def test_a_wrong_clock_refuses_nobody_once_the_time_is_known(shift_s):
    async def case(mesh):
        wrong, right = await mesh.node(clock=ShiftedClock(shift_s)), await mesh.node()
        judged_by(wrong, Mesh())
        await right.network.dial(wrong.host, wrong.id)
        await until(lambda: right.id in wrong.network.links())

    run(case)


def test_who_is_refused_says_what_its_clock_shows_and_both_are_told_the_dates():
    async def case(mesh):
        ahead, right = await mesh.node(), await mesh.node()
        judge = judged_by(ahead, Mesh(5 * YEAR))
        with pytest.raises(Refused, match=r"has expired: it ended on 20\d\d-.*, and here it is 20\d\d-.* clock shows"):
            await right.network.dial(ahead.host, ahead.id)
        ((peer, wall_ms),) = judge.heard
        assert peer == right.id
        assert abs(wall_ms / 1000 - time.time()) < 60
        # Once enough have said so, the same dial is taken.
        judge.believes = True
        await right.network.dial(ahead.host, ahead.id)

    run(case)


def test_somebody_who_is_refused_anyway_has_no_say():
    async def case(mesh):
        ahead, right = await mesh.node(accepts=lambda _: "revoked: stolen"), await mesh.node()
        judge = judged_by(ahead, Mesh(5 * YEAR))
        with pytest.raises(Refused):
            await right.network.dial(ahead.host, ahead.id)
        assert not judge.heard

    run(case)


def test_a_server_whose_time_is_over_is_not_taken_though_this_machine_does_not_know_the_date():
    async def case(mesh):
        one, other = await mesh.node(), await mesh.node()
        judged_by(one, Mesh(5 * YEAR))
        with pytest.raises(Refused, match="has expired: it ended on"):
            await one.network.dial(other.host, other.id)
        assert not one.network.links()

    run(case)


@pytest.mark.parametrize(("over_s", "stands"), [(-60.0, True), (60.0, False)], ids=["within the skew", "past it"])
def test_a_link_ends_when_the_time_turns_out_to_be_past_its_certificates(monkeypatch, over_s, stands):
    monkeypatch.setattr(quic_network, "KEEPALIVE_LOOK_S", 0.1)

    async def case(mesh):
        one, other = await mesh.node(), await mesh.node()
        judge = judged_by(one, Mesh())
        await one.network.dial(other.host, other.id)
        ends_s = one.identity.ends_s(other.identity.certificate)
        judge.shift_s = ends_s - time.time() + over_s
        asked = 0

        def wall(told=judge.wall):
            nonlocal asked
            asked += 1
            return told()

        judge.wall = wall
        await until(lambda: asked > 3 or not one.network.links())
        assert bool(one.network.links()) == stands

    run(case)
