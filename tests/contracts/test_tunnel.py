"""A tunnel carries datagrams whole and in order, or drops them; it never makes a sender wait, and ends once."""

import asyncio

import pytest

from mesh.actors.pipe import pipe
from mesh.actors.supervisor import Supervisor
from mesh.actors.tunnel import StreamTunnel
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.ports import TUNNEL_DATAGRAM_BYTES_MAX, Tunnel
from proto.ids import node_id_of
from simulations.world.tunnels import FakeTunnel, tunnel
from tests.contracts.kinds import KINDS, run, until

PORTS = (Tunnel,)
REAL = (StreamTunnel,)
FAKE = (FakeTunnel,)
ONE, OTHER, BETWEEN = (node_id_of(letter * 32) for letter in (b"a", b"b", b"c"))


class Ear:
    def __init__(self, end):
        self.heard, self.ends = [], 0
        end.listen(self.heard.append, self.over)

    def over(self):
        self.ends += 1


async def both_ways_whole_and_in_order(near, far):
    here, there = Ear(near), Ear(far)
    sent = [bytes([number]) * size for number, size in enumerate((1, 1200, TUNNEL_DATAGRAM_BYTES_MAX, 2))]
    for data in sent:
        near.send(data)
        far.send(data)
    await until(lambda: here.heard == there.heard == sent)


async def what_was_sent_before_the_other_listened_is_heard(near, far):
    Ear(near)
    near.send(b"early")
    await asyncio.sleep(0.01)
    there = Ear(far)
    await until(lambda: there.heard == [b"early"])


async def closing_ends_both_ends_once(near, far):
    here, there = Ear(near), Ear(far)
    near.close()
    await until(lambda: (here.ends, there.ends) == (1, 1))
    far.close()
    near.close()
    near.send(b"into nothing")
    await asyncio.sleep(0.01)
    assert (here.ends, there.ends, there.heard) == (1, 1, [])


async def one_that_was_closed_before_it_was_listened_to_says_so(near, far):
    near.close()
    assert Ear(near).ends == 1


async def a_datagram_over_the_bound_is_our_mistake(near, far):
    Ear(near)
    with pytest.raises(ValueError, match="bytes"):
        near.send(bytes(TUNNEL_DATAGRAM_BYTES_MAX + 1))


async def both_ends_say_where_they_lead(near, far):
    assert (near.relay, near.peer, far.relay, far.peer) == (BETWEEN, OTHER, BETWEEN, ONE)


CASES = [
    both_ways_whole_and_in_order,
    what_was_sent_before_the_other_listened_is_heard,
    closing_ends_both_ends_once,
    one_that_was_closed_before_it_was_listened_to_says_so,
    a_datagram_over_the_bound_is_our_mistake,
    both_ends_say_where_they_lead,
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_tunnel(case, kind):
    async def main():
        supervisor = Supervisor(SystemClock(), SystemEntropy())
        if kind == "fake":
            ends = tunnel(BETWEEN, ONE, OTHER)
        else:
            mine, theirs = pipe()
            ends = StreamTunnel(BETWEEN, OTHER, mine, supervisor), StreamTunnel(BETWEEN, ONE, theirs, supervisor)
        try:
            await case(*ends)
        finally:
            await supervisor.close()

    run(kind, main)


def test_what_finds_no_room_is_dropped_and_counted():
    async def main():
        supervisor = Supervisor(SystemClock(), SystemEntropy())
        mine, _ = pipe()
        end = StreamTunnel(BETWEEN, OTHER, mine, supervisor)
        end.listen(lambda _: None, lambda: None)
        for _ in range(2000):
            end.send(bytes(TUNNEL_DATAGRAM_BYTES_MAX))
            await asyncio.sleep(0)
        assert end.dropped > 1000
        end.close()
        await supervisor.close()

    asyncio.run(main())
