"""What ``ports.Network`` promises of links by way of another node, as cases; the way itself is one in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mesh.ports import Channel, Flow, Link, Network, Refused, Unavailable
from proto.ids import NodeId
from simulations.world.tunnels import FakeTunnel, tunnel
from tests.contracts.network_cases import Recorder, World, fails, read_all, until

BETWEEN = NodeId("c" * 52)


def tubes(one: NodeId, other: NodeId) -> tuple[FakeTunnel, FakeTunnel]:
    """Give both ends of a way."""
    return tunnel(BETWEEN, one, other)


async def two_by_way(world: World) -> tuple[Network, Network, Recorder, Recorder, Link, FakeTunnel]:
    """Give two nodes whose link another one carries, and the first one's end of the way."""
    ha, hb = Recorder(), Recorder()
    a, a_id, _ = await world.node(ha)
    b, b_id, _ = await world.node(hb)
    near, far = tubes(a_id, b_id)
    b.enter(far)
    link = await a.dial_through(near)
    await until(world.settle_s, lambda: hb.ups)
    return a, b, ha, hb, link, near


async def a_node_is_reached_by_way_of_another(world: World) -> None:
    a, b, ha, hb, link, _ = await two_by_way(world)
    assert (link.relay, hb.ups[0].relay) == (BETWEEN, BETWEEN)
    assert a.links()[link.peer] is link
    assert set(b.links()) == {hb.ups[0].peer}
    await link.send(Channel.REQUEST, b"there")
    await hb.ups[0].send(Channel.REQUEST, b"back")
    await until(world.settle_s, lambda: ha.frames and hb.frames)
    for flow in (Flow.CONTROL, Flow.RECORD, Flow.BULK):
        stream = await link.open_stream(flow, b"header")
        await stream.write(b"x" * 200_000)
        await stream.finish()
        assert (await read_all(stream)).endswith(b"x" * 200_000)


async def live_does_not_go_by_way_of_another(world: World) -> None:
    *_, hb, link, _ = await two_by_way(world)
    await fails(Refused, link.open_stream(Flow.LIVE, b""))
    await fails(Refused, hb.ups[0].open_stream(Flow.LIVE, b""))


async def a_way_that_ends_takes_its_link_down(world: World) -> None:
    a, b, ha, hb, link, near = await two_by_way(world)
    stream = await link.open_stream(Flow.CONTROL, b"")
    near.close()
    await until(world.settle_s, lambda: ha.downs and hb.downs)
    assert (dict(a.links()), dict(b.links())) == ({}, {})
    await fails(Unavailable, read_all(stream))


async def a_dropped_link_closes_its_way(world: World) -> None:
    a, _, _, hb, link, near = await two_by_way(world)
    a.drop(link.peer, "had enough")
    await until(world.settle_s, lambda: hb.downs and near.closed)


async def an_own_link_takes_the_place_of_one_by_way_of_another(world: World) -> None:
    ha, hb = Recorder(), Recorder()
    a, a_id, _ = await world.node(ha)
    b, b_id, b_host = await world.node(hb)
    near, far = tubes(a_id, b_id)
    b.enter(far)
    carried = await a.dial_through(near)
    await until(world.settle_s, lambda: hb.ups)
    own = await a.dial(b_host, b_id)
    assert own is not carried
    assert own.relay is None
    await until(world.settle_s, lambda: len(hb.ups) == 2)
    assert b.links()[a_id].relay is None
    await until(world.settle_s, lambda: near.closed)
    await own.send(Channel.CONTROL, b"x")
    await until(world.settle_s, lambda: hb.frames)


async def where_a_link_stands_no_way_by_another_is_needed(world: World) -> None:
    ha, hb = Recorder(), Recorder()
    a, a_id, _ = await world.node(ha)
    b, b_id, b_host = await world.node(hb)
    link = await a.dial(b_host, b_id)
    near, far = tubes(a_id, b_id)
    b.enter(far)
    assert await a.dial_through(near) is link
    assert near.closed
    assert (ha.downs, hb.downs) == ([], [])


async def a_way_that_leads_to_another_node_is_refused(world: World) -> None:
    a, a_id, _ = await world.node(Recorder())
    _, b_id, _ = await world.node(Recorder())
    c, _, _ = await world.node(Recorder())
    near, far = tubes(a_id, b_id)
    c.enter(far)
    await fails(Refused, a.dial_through(near))
    assert near.closed
    assert dict(a.links()) == {}


async def a_way_on_which_nobody_answers_is_unavailable(world: World) -> None:
    a, a_id, _ = await world.node(Recorder())
    _, b_id, _ = await world.node(Recorder())
    near, _ = tubes(a_id, b_id)
    await fails(Unavailable, a.dial_through(near, timeout_s=0.5))
    assert near.closed


RELAYED: list[Callable[[World], Awaitable[None]]] = [
    a_node_is_reached_by_way_of_another,
    live_does_not_go_by_way_of_another,
    a_way_that_ends_takes_its_link_down,
    a_dropped_link_closes_its_way,
    an_own_link_takes_the_place_of_one_by_way_of_another,
    where_a_link_stands_no_way_by_another_is_needed,
    a_way_that_leads_to_another_node_is_refused,
    a_way_on_which_nobody_answers_is_unavailable,
]
