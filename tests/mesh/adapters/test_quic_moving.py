"""Addresses change while links stand: links go on, or are known to be down soon and can be dialled anew."""

import asyncio

from mesh.adapters.quic.moving import SIGN_S
from mesh.adapters.quic.network import KEEPALIVE_LOOK_S
from mesh.ports import Channel, Flow
from tests.contracts.network_cases import read_all
from tests.mesh.adapters.paths_world import on_paths

KNOWN_S = KEEPALIVE_LOOK_S + SIGN_S + 0.5
"""How long it takes until a link that does not stand any more is down."""


def socket_of(network):
    return network._socket


def test_a_dialler_that_moves_keeps_its_link_and_what_is_under_way_on_it():
    async def case(paths):
        a, b, ha, hb = await paths.two()
        link = next(iter(a.links().values()))
        stream = await link.open_stream(Flow.LIVE, b"head")
        body = bytes(range(256)) * 4000
        reading = asyncio.create_task(read_all(stream))
        await stream.write(body[:500_000])
        socket_of(a).move(("10.0.1.1", 1))
        await stream.write(body[500_000:])
        await stream.finish()
        assert await reading == b"head" + body
        assert (ha.downs, hb.downs) == ([], [])
        assert next(iter(b.links().values())).address == ("10.0.1.1", 1)

    on_paths(case)


def test_a_dialler_that_moves_is_followed_though_nothing_is_said():
    async def case(paths):
        a, b, ha, hb = await paths.two()
        socket_of(a).move(("10.0.1.1", 1))
        back = next(iter(b.links().values()))
        await paths.until(lambda: back.address == ("10.0.1.1", 1), KNOWN_S)
        await back.send(Channel.CONTROL, b"there")
        await paths.until(lambda: ha.frames)
        assert (ha.downs, hb.downs) == ([], [])

    on_paths(case)


def test_a_node_that_was_dialled_and_moves_knows_soon_that_the_link_is_down_and_dials_anew():
    async def case(paths):
        a, b, ha, hb = await paths.two()
        socket_of(b).move(("10.0.1.2", 1))
        await paths.until(lambda: hb.downs, KNOWN_S)
        link = await b.dial(a.listening()[0], a.identity.node)
        await link.send(Channel.CONTROL, b"here I am")
        await paths.until(lambda: ha.frames)
        assert len(ha.ups) - len(ha.downs) == len(hb.ups) - len(hb.downs) == 1

    on_paths(case)


def test_a_node_that_was_dialled_and_that_its_nat_forgot_is_dialled_anew():
    async def case(paths):
        a, b, ha, hb = await paths.two()
        paths.datagrams.show(socket_of(b))
        await next(iter(b.links().values())).send(Channel.CONTROL, b"from elsewhere")
        await paths.until(lambda: ha.downs, KNOWN_S)
        socket_of(b).shown = socket_of(b).host
        again = await a.dial(b.listening()[0], b.identity.node)
        await again.send(Channel.CONTROL, b"again")
        await paths.until(lambda: hb.frames)

    on_paths(case)


def test_datagrams_that_somebody_sends_again_from_elsewhere_end_no_link():
    async def case(paths):
        _, b, ha, hb = await paths.two()
        carry = paths.datagrams.carry

        def twice(source, data, target):
            carry(source, data, target)
            if source is socket_of(b):
                source.shown = ("10.0.6.6", 6)
                carry(source, data, target)
                source.shown = source.host

        paths.datagrams.carry = twice
        for number in range(30):
            await next(iter(b.links().values())).send(Channel.CONTROL, b"%d" % number)
            await asyncio.sleep(0.5)
        assert len(ha.frames) == 30
        assert (ha.downs, hb.downs) == ([], [])

    on_paths(case)
