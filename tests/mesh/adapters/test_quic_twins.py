"""Two processes with one key: the first goes on and its links stand; the second is refused, and told why."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.adapters.quic import twins
from mesh.adapters.quic.twins import Life
from mesh.ports import Refused
from tests.mesh.adapters.quic_world import identity, run, until

COPIED = "was copied"
lives = st.builds(Life, st.binary(min_size=16, max_size=16), st.floats(-1e6, 1e6))


def ran(node, for_s):
    """Have a node's process run for longer than it has."""
    life = node.network._life
    node.network._life = Life(life.token, life.since_s - for_s)


def die(node):
    """End a node's process without a word."""
    node.network._keeper.cancel()
    node.network._socket.close()


@given(lives, lives, st.floats(-1e6, 1e6))
def test_of_two_lives_one_is_the_node_by_whatever_clock(one, other, apart_s):
    if not twins.rivals(one, other):
        return
    assert twins.is_elder(one, other) != twins.is_elder(other, one)
    by_another = [Life(life.token, life.since_s + apart_s) for life in (one, other)]
    if abs(abs(one.since_s - other.since_s) - twins.NEAR_S) > 0.01:
        assert twins.is_elder(*by_another) == twins.is_elder(one, other)


def test_a_copy_is_refused_and_the_first_goes_on():
    async def case(mesh):
        key = identity()
        x, first, copy = await mesh.node(), await mesh.node(key), await mesh.node(key)
        ran(first, 300)
        link = await first.network.dial(x.host, x.id)
        await until(lambda: first.id in x.network.links())
        standing = x.network.links()[first.id]
        for _ in range(3):
            with pytest.raises(Refused, match=COPIED) as told:
                await copy.network.dial(x.host, x.id)
            port = first.host[1]
            assert f"runs at 127.0.0.1:{port}, for 5 min" in str(told.value)
            assert COPIED in copy.network.copied
        assert x.network.links()[first.id] is standing
        assert first.network.links()[x.id] is link
        assert not first.network.copied
        assert not copy.network.links()

    logs = run(case)
    assert sum(COPIED in line["event"] for line in logs) == 1, "it is told once a minute"


def test_a_copy_that_got_in_gives_way_to_the_first():
    async def case(mesh):
        key = identity()
        x, first, copy = await mesh.node(), await mesh.node(key), await mesh.node(key)
        ran(first, 60)
        await copy.network.dial(x.host, x.id)
        link = await first.network.dial(x.host, x.id)
        await until(lambda: not copy.network.links())
        await until(lambda: copy.network.copied)
        assert first.network.links()[x.id] is link
        assert x.network.links()[first.id].address[1] == first.host[1]
        # With the first gone, whoever is left is the node.
        die(first)
        await copy.network.dial(x.host, x.id)
        assert not copy.network.copied

    run(case)


def test_two_copies_alone_tell_each_other():
    async def case(mesh):
        key = identity()
        first, copy = await mesh.node(key), await mesh.node(key)
        ran(first, 60)
        with pytest.raises(Refused, match=COPIED):
            await copy.network.dial(first.host)
        assert COPIED in copy.network.copied
        assert not first.network.copied
        copy.network.copied = ""
        with pytest.raises(Refused):
            await first.network.dial(copy.host)
        await until(lambda: copy.network.copied)
        assert not first.network.copied
        with pytest.raises(Refused, match="this node itself"):
            await first.network.dial(first.host)

    run(case)


def test_a_node_that_was_killed_is_back_soon_at_another_port():
    async def case(mesh):
        key = identity()
        x, first = await mesh.node(), await mesh.node(key)
        ran(first, 60)
        await first.network.dial(x.host, x.id)
        await until(lambda: first.id in x.network.links())
        die(first)
        again = await mesh.node(key)
        began = asyncio.get_running_loop().time()
        await again.network.dial(x.host, x.id)
        assert asyncio.get_running_loop().time() - began < twins.ANSWER_S + 1
        await until(lambda: x.network.links()[first.id].address[1] == again.host[1])

    run(case)
