"""Several dials of one peer, from both sides: one link, and nobody waits without letting the others go on."""

import asyncio

import pytest

from mesh.adapters.quic.network import _Attempt
from tests.mesh.adapters.quic_world import SETTLE_S, run, until

ROUNDS = 20
DIALS = 4


def test_many_dials_of_one_peer_from_both_sides_end_with_one_link():
    async def case(mesh):
        for _ in range(ROUNDS):
            a, b = await mesh.node(), await mesh.node()
            ways = [(a, b), (b, a)] * DIALS
            async with asyncio.timeout(SETTLE_S):
                links = await asyncio.gather(*(one.network.dial(other.host, other.id) for one, other in ways))
            assert {link.peer for link in links} == {a.id, b.id}
            await until(lambda a=a, b=b: list(a.network.links()) == [b.id] and list(b.network.links()) == [a.id])

    run(case)


@pytest.mark.timeout(30)
def test_who_waits_for_a_dial_that_is_through_but_not_put_away_lets_it_end():
    async def case(mesh):
        a, b = await mesh.node(), await mesh.node()
        link = await a.network.dial(b.host, b.id)
        # As after both dialled at once: the peer's dial is the link, and our own is told that it crossed only now.
        attempt = a.network._attempts[b.id] = _Attempt()
        attempt.link.set_result(link)
        asyncio.get_running_loop().call_later(0.05, a.network._end_attempt, b.id, attempt, None)
        assert await a.network.dial(b.host, b.id) is link

    run(case)
