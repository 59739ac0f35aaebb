"""What ``ports.Network`` promises, as cases that run over any implementation.

A case is an async function of a ``World``; the world makes nodes of one mesh. ``CASES`` lists them. A world gives each
node an address of its own, at which other nodes reach it at once; ``settle_s`` is how long things may take in it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from mesh.ports import (
    DATAGRAM_BYTES_MAX,
    ByteStream,
    Channel,
    Flow,
    Host,
    Link,
    Network,
    PortError,
    Refused,
    Unavailable,
)
from proto.codec import Malformed
from proto.frames import FRAME_BYTES_MAX
from proto.ids import NodeId


class World(Protocol):
    """Makes nodes of one mesh."""

    settle_s: float

    async def node(self, handler: Recorder) -> tuple[Network, NodeId, Host]:
        """Give a started network, its node's id and where to dial it."""

    def twin(self, host: Host) -> Network:
        """Give a network, not started, of another node that would listen at the same address."""

    def network_at(self, host: Host) -> Network:
        """Give the network that listens at an address."""

    def nowhere(self) -> Host:
        """Give an address at which nobody answers."""


class Recorder:
    """A link handler that keeps what it hears, and serves streams by echoing."""

    def __init__(self) -> None:
        self.ups: list[Link] = []
        self.downs: list[tuple[NodeId, str]] = []
        self.frames: list[tuple[NodeId, Channel, bytes]] = []
        self.datagrams: list[bytes] = []
        self.streams: list[tuple[Flow, bytes]] = []
        self.serve: Callable[[bytes, ByteStream], Awaitable[None]] = echo
        self.gate = asyncio.Event()
        self.gate.set()

    def on_link_up(self, link: Link) -> None:
        self.ups.append(link)

    def on_link_down(self, link: Link, reason: str) -> None:
        self.downs.append((link.peer, reason))

    async def on_frame(self, link: Link, channel: Channel, frame: bytes) -> None:
        await self.gate.wait()
        if frame == b"malformed":
            raise Malformed("as the test wants")
        self.frames.append((link.peer, channel, frame))

    async def on_stream(self, link: Link, flow: Flow, header: bytes, stream: ByteStream) -> None:
        self.streams.append((flow, header))
        await self.serve(header, stream)

    def on_datagram(self, link: Link, data: bytes) -> None:
        self.datagrams.append(data)


async def echo(header: bytes, stream: ByteStream) -> None:
    await stream.write(header)
    while data := await stream.read():
        await stream.write(data)
    await stream.finish()


async def until(settle_s: float, true: Callable[[], object]) -> None:
    """Wait until something holds, at most ``settle_s``."""
    async with asyncio.timeout(settle_s):
        while not true():
            await asyncio.sleep(0.01)


async def read_all(stream: ByteStream) -> bytes:
    parts = []
    while part := await stream.read():
        parts.append(part)
    return b"".join(parts)


async def two(world: World) -> tuple[Network, Network, Recorder, Recorder, Link]:
    """Give two nodes, linked by the first."""
    ha, hb = Recorder(), Recorder()
    a, _, _ = await world.node(ha)
    b, b_id, b_host = await world.node(hb)
    link = await a.dial(b_host, b_id)
    await until(world.settle_s, lambda: hb.ups)
    return a, b, ha, hb, link


async def a_dial_gives_one_link_with_both_ends_named(world: World) -> None:
    ha, hb = Recorder(), Recorder()
    a, a_id, _ = await world.node(ha)
    b, b_id, b_host = await world.node(hb)
    link = await a.dial(b_host, b_id)
    assert link.peer == b_id
    await until(world.settle_s, lambda: hb.ups)
    assert [up.peer for up in ha.ups] == [b_id]
    assert [up.peer for up in hb.ups] == [a_id]
    assert a.links()[b_id] is link
    assert set(b.links()) == {a_id}


async def an_address_alone_is_enough_to_dial(world: World) -> None:
    ha, hb = Recorder(), Recorder()
    a, _, _ = await world.node(ha)
    _, b_id, b_host = await world.node(hb)
    assert (await a.dial(b_host)).peer == b_id


async def a_second_dial_gives_the_standing_link(world: World) -> None:
    ha, hb = Recorder(), Recorder()
    a, a_id, a_host = await world.node(ha)
    b, b_id, b_host = await world.node(hb)
    link = await a.dial(b_host, b_id)
    assert await a.dial(b_host, b_id) is link
    assert await a.dial(b_host) is link
    await until(world.settle_s, lambda: hb.ups)
    assert (await b.dial(a_host, a_id)) is b.links()[a_id]
    assert (len(ha.ups), len(hb.ups), ha.downs, hb.downs) == (1, 1, [], [])


async def nodes_that_dial_each_other_at_once_have_one_link(world: World) -> None:
    for _ in range(3):
        ha, hb = Recorder(), Recorder()
        a, a_id, a_host = await world.node(ha)
        b, b_id, b_host = await world.node(hb)
        one, other = await asyncio.gather(a.dial(b_host, b_id), b.dial(a_host, a_id))
        assert (one.peer, other.peer) == (b_id, a_id)
        await asyncio.sleep(world.settle_s / 10)
        assert list(a.links()) == [b_id]
        assert list(b.links()) == [a_id]
        await a.links()[b_id].send(Channel.CONTROL, b"from a")
        await b.links()[a_id].send(Channel.CONTROL, b"from b")
        await until(world.settle_s, lambda ha=ha, hb=hb: ha.frames and hb.frames)
        assert len(ha.ups) - len(ha.downs) == len(hb.ups) - len(hb.downs) == 1
        await a.close()
        await b.close()


async def a_dial_to_nobody_is_unavailable(world: World) -> None:
    a, _, _ = await world.node(Recorder())
    await fails(Unavailable, a.dial(world.nowhere(), timeout_s=0.5))


async def a_dial_to_itself_is_refused(world: World) -> None:
    a, a_id, a_host = await world.node(Recorder())
    await fails(Refused, a.dial(a_host))
    await fails(Refused, a.dial(a_host, a_id))


async def a_dial_that_expects_another_node_is_refused(world: World) -> None:
    a, _, _ = await world.node(Recorder())
    _, _, b_host = await world.node(Recorder())
    _, c_id, _ = await world.node(Recorder())
    await fails(Refused, a.dial(b_host, c_id))


async def frames_of_a_channel_keep_their_order(world: World) -> None:
    _, _, _, hb, link = await two(world)
    for number in range(200):
        await link.send(Channel.REQUEST, b"%d" % number)
        if number % 10 == 0:
            await link.send(Channel.EVENTS, b"event %d" % number)
    await until(world.settle_s, lambda: len(hb.frames) == 220)
    requests = [frame for _, channel, frame in hb.frames if channel is Channel.REQUEST]
    assert requests == [b"%d" % number for number in range(200)]


async def frames_go_both_ways_and_may_be_empty_or_large(world: World) -> None:
    _, b, ha, hb, link = await two(world)
    large = bytes(range(256)) * (FRAME_BYTES_MAX // 256)
    await link.send(Channel.CONTROL, b"")
    await link.send(Channel.REQUEST, large)
    await next(iter(b.links().values())).send(Channel.REQUEST, large)
    await until(world.settle_s, lambda: len(hb.frames) == 2 and ha.frames)
    assert {frame for _, _, frame in hb.frames} == {b"", large}
    assert ha.frames[0][2] == large


async def a_frame_over_the_bound_is_our_mistake(world: World) -> None:
    *_, link = await two(world)
    await fails(ValueError, link.send(Channel.REQUEST, bytes(FRAME_BYTES_MAX + 1)))


async def a_receiver_that_waits_makes_the_sender_wait(world: World) -> None:
    _, _, _, hb, link = await two(world)
    hb.gate.clear()
    sent = 0

    async def send() -> None:
        nonlocal sent
        for _ in range(200):
            await link.send(Channel.REQUEST, bytes(200_000))
            sent += 1

    task = asyncio.create_task(send())
    await asyncio.sleep(world.settle_s / 5)
    assert sent < 150
    # Another channel does not wait with it.
    hb.gate.set()
    await task
    await until(world.settle_s, lambda: len(hb.frames) == 200)


async def datagrams_arrive_when_nothing_loses_them(world: World) -> None:
    _, _, _, hb, link = await two(world)
    link.send_datagram(b"d" * DATAGRAM_BYTES_MAX)
    link.send_datagram(b"small")
    await until(world.settle_s, lambda: len(hb.datagrams) == 2)
    assert sorted(map(len, hb.datagrams)) == [5, DATAGRAM_BYTES_MAX]
    try:
        link.send_datagram(bytes(DATAGRAM_BYTES_MAX + 1))
    except ValueError:
        return
    raise AssertionError("an oversized datagram was taken")


async def a_stream_carries_bytes_both_ways_in_each_class(world: World) -> None:
    _, _, _, hb, link = await two(world)
    body = bytes(range(251)) * 2000
    for flow in Flow:
        stream = await link.open_stream(flow, b"head %d" % flow)
        reading = asyncio.create_task(read_all(stream))
        await stream.write(body)
        await stream.finish()
        assert await reading == b"head %d" % flow + body
    assert hb.streams == [(flow, b"head %d" % flow) for flow in Flow]


async def the_other_side_opens_streams_too(world: World) -> None:
    _, b, _, _, _ = await two(world)
    back = next(iter(b.links().values()))
    for flow in (Flow.LIVE, Flow.RECORD):
        stream = await back.open_stream(flow, b"x")
        await stream.finish()
        assert await read_all(stream) == b"x"


async def a_reader_that_stops_stops_the_writer(world: World) -> None:
    _, _, _, hb, link = await two(world)
    release = asyncio.Event()
    got = 0

    async def later(header: bytes, stream: ByteStream) -> None:
        nonlocal got
        await release.wait()
        while part := await stream.read():
            got += len(part)

    hb.serve = later
    stream = await link.open_stream(Flow.BULK, b"")
    sent = 0

    async def write() -> None:
        nonlocal sent
        for _ in range(256):
            await stream.write(bytes(65536))
            sent += 65536
        await stream.finish()

    task = asyncio.create_task(write())
    await asyncio.sleep(world.settle_s / 5)
    assert sent <= 4 << 20
    release.set()
    await task
    await until(world.settle_s, lambda: got == 256 * 65536)


async def a_finished_side_still_reads_what_the_other_writes(world: World) -> None:
    _, _, _, hb, link = await two(world)

    async def answer_after_the_end(header: bytes, stream: ByteStream) -> None:
        whole = await read_all(stream)
        for _ in range(3):
            await stream.write(whole)
            await asyncio.sleep(0.01)
        await stream.finish()

    hb.serve = answer_after_the_end
    stream = await link.open_stream(Flow.RECORD, b"")
    await stream.write(b"question")
    await stream.finish()
    assert await read_all(stream) == b"question" * 3
    assert await stream.read() == b"", "the end stays the end"
    await fails(Unavailable, stream.write(b"more"))


async def reads_give_at_most_what_is_asked_for_and_lose_nothing(world: World) -> None:
    *_, link = await two(world)
    body = bytes(range(256)) * 40
    stream = await link.open_stream(Flow.RECORD, b"head")
    await stream.write(body)
    await stream.finish()
    got = [await stream.read_exactly(4)]
    sizes = iter([1, 7, 100, 3000] * 1000)
    while part := await stream.read(size := next(sizes)):
        assert 1 <= len(part) <= size
        got.append(part)
    assert b"".join(got) == b"head" + body


async def streams_do_not_wait_for_each_other(world: World) -> None:
    _, _, _, hb, link = await two(world)
    release = asyncio.Event()

    async def some_wait(header: bytes, stream: ByteStream) -> None:
        if header == b"wait":
            await release.wait()
        await echo(header, stream)

    hb.serve = some_wait
    waiting = await link.open_stream(Flow.BULK, b"wait")
    await waiting.write(bytes(100_000))
    for number in range(20):
        stream = await link.open_stream(Flow.LIVE, b"%d" % number)
        await stream.finish()
        assert await read_all(stream) == b"%d" % number
    release.set()
    await waiting.finish()
    assert await read_all(waiting) == b"wait" + bytes(100_000)


async def a_header_over_the_bound_is_our_mistake(world: World) -> None:
    *_, link = await two(world)
    await fails(ValueError, link.open_stream(Flow.LIVE, bytes(64 * 1024 + 1)))
    stream = await link.open_stream(Flow.LIVE, bytes(64 * 1024))
    await stream.finish()
    assert await read_all(stream) == bytes(64 * 1024)


async def of_too_many_waiting_datagrams_the_oldest_are_dropped(world: World) -> None:
    _, _, _, hb, link = await two(world)
    for number in range(2000):
        link.send_datagram(number.to_bytes(4, "big") + bytes(1000))
    last = (1999).to_bytes(4, "big")
    await until(world.settle_s, lambda: any(one.startswith(last) for one in hb.datagrams))
    assert len(hb.datagrams) < 2000
    await link.send(Channel.CONTROL, b"still there")
    await until(world.settle_s, lambda: hb.frames)


async def a_handler_that_waits_stops_its_channel_only(world: World) -> None:
    _, _, _, hb, link = await two(world)
    blocked = asyncio.Event()
    real = hb.on_frame

    async def requests_wait(of: Link, channel: Channel, frame: bytes) -> None:
        if channel is Channel.REQUEST:
            await blocked.wait()
        await real(of, channel, frame)

    hb.on_frame = requests_wait  # type: ignore[method-assign]
    for number in range(20):
        await link.send(Channel.REQUEST, b"%d" % number)
    await link.send(Channel.CONTROL, b"urgent")
    await until(world.settle_s, lambda: [frame for _, _, frame in hb.frames] == [b"urgent"])
    blocked.set()
    await until(world.settle_s, lambda: len(hb.frames) == 21)
    assert [frame for _, _, frame in hb.frames][1:] == [b"%d" % number for number in range(20)]


async def whoever_waits_on_a_link_that_goes_down_is_told(world: World) -> None:
    _, b, ha, hb, link = await two(world)
    hb.gate.clear()

    async def send_much() -> None:
        while True:
            await link.send(Channel.REQUEST, bytes(200_000))

    async def never_reads(header: bytes, stream: ByteStream) -> None:
        await asyncio.Event().wait()

    hb.serve = never_reads
    stream = await link.open_stream(Flow.BULK, b"")

    async def write_much() -> None:
        while True:
            await stream.write(bytes(65536))

    waiting = [asyncio.ensure_future(work) for work in (send_much(), write_much(), read_all(stream))]
    await asyncio.sleep(world.settle_s / 5)
    assert not any(task.done() for task in waiting)
    b.drop(next(iter(b.links())), "enough")
    for task in waiting:
        async with asyncio.timeout(world.settle_s):
            await fails(Unavailable, task)
    await until(world.settle_s, lambda: ha.downs and hb.downs)


async def a_port_that_is_taken_is_unavailable(world: World) -> None:
    one, _, host = await world.node(Recorder())
    await fails(Unavailable, world.twin(host).start(Recorder()))
    assert host in one.listening()


async def a_closed_network_answers_nobody_and_its_address_is_free(world: World) -> None:
    a, _, ha, _, link = await two(world)
    where = link.address
    b = world.network_at(where)
    await b.close()
    await b.close()
    await until(world.settle_s, lambda: ha.downs)
    await fails(Unavailable, a.dial(where, timeout_s=0.3))
    await world.twin(where).start(Recorder())


async def a_reset_is_seen_by_the_other_side(world: World) -> None:
    _, _, _, hb, link = await two(world)
    seen: list[type[Exception]] = []

    async def wait(header: bytes, stream: ByteStream) -> None:
        try:
            await stream.read_exactly(1000)
        except PortError as error:
            seen.append(type(error))

    hb.serve = wait
    stream = await link.open_stream(Flow.LIVE, b"")
    await stream.write(b"some")
    await until(world.settle_s, lambda: hb.streams)
    stream.reset()
    stream.reset()
    await until(world.settle_s, lambda: seen == [Unavailable])
    await fails(Unavailable, stream.write(b"more"))
    await fails(Unavailable, stream.read())


async def streams_that_are_given_up_half_way_leave_the_way_free(world: World) -> None:
    """More of them than connections or windows hold, in either direction, and some that nobody reads."""
    _, _, _, hb, link = await two(world)
    body = bytes(range(256)) * 4000

    async def serve(header: bytes, stream: ByteStream) -> None:
        if header == b"send":
            while True:
                await stream.write(body)
        if header == b"take some":
            await stream.read_exactly(10_000)
            raise Refused("enough")
        await echo(header, stream)

    hb.serve = serve
    for flow in (Flow.RECORD, Flow.BULK):
        for _ in range(10):
            taken = await link.open_stream(flow, b"send")
            assert await taken.read_exactly(100_000)
            taken.reset()
            half_sent = await link.open_stream(flow, b"echo")
            await half_sent.write(body[:300_000])
            half_sent.reset()
            unread = await link.open_stream(flow, b"take some")
            with contextlib.suppress(Unavailable):
                for _ in range(8):
                    await unread.write(body)
            unread.reset()
        whole = await link.open_stream(flow, b"head")
        reading = asyncio.create_task(read_all(whole))
        await whole.write(body)
        await whole.finish()
        assert await reading == b"head" + body


async def a_handler_that_raises_resets_the_stream(world: World) -> None:
    _, _, _, hb, link = await two(world)

    async def fail(header: bytes, stream: ByteStream) -> None:
        raise Refused("not for you")

    hb.serve = fail
    stream = await link.open_stream(Flow.CONTROL, b"")
    await fails(Unavailable, stream.read())
    assert list(link_of(hb))


async def a_stream_that_ends_early_is_unavailable_to_read_exactly(world: World) -> None:
    _, _, _, hb, link = await two(world)

    async def short(header: bytes, stream: ByteStream) -> None:
        await stream.write(b"12345")
        await stream.finish()

    hb.serve = short
    stream = await link.open_stream(Flow.LIVE, b"")
    assert await stream.read_exactly(2) == b"12"
    await fails(Unavailable, stream.read_exactly(4))


async def a_malformed_frame_ends_that_link_only(world: World) -> None:
    ha, hb, hc = Recorder(), Recorder(), Recorder()
    a, a_id, _ = await world.node(ha)
    b, b_id, b_host = await world.node(hb)
    c, c_id, _ = await world.node(hc)
    link = await a.dial(b_host, b_id)
    other = await c.dial(b_host, b_id)
    await link.send(Channel.CONTROL, b"malformed")
    await until(world.settle_s, lambda: hb.downs and ha.downs)
    assert [peer for peer, _ in hb.downs] == [a_id]
    assert hb.downs[0][1]
    assert list(b.links()) == [c_id]
    assert (a.misbehaved, b.misbehaved) == (0, 1)
    await other.send(Channel.CONTROL, b"fine")
    await until(world.settle_s, lambda: (c_id, Channel.CONTROL, b"fine") in hb.frames)


async def a_dropped_link_is_down_on_both_sides_and_can_be_dialled_again(world: World) -> None:
    ha, hb = Recorder(), Recorder()
    a, a_id, _ = await world.node(ha)
    b, b_id, b_host = await world.node(hb)
    link = await a.dial(b_host, b_id)
    stream = await link.open_stream(Flow.LIVE, b"")
    await until(world.settle_s, lambda: hb.streams)
    b.drop(a_id, "had enough")
    await until(world.settle_s, lambda: ha.downs and hb.downs)
    assert (dict(a.links()), dict(b.links())) == ({}, {})
    await fails(Unavailable, link.send(Channel.CONTROL, b"x"))
    await fails(Unavailable, link.open_stream(Flow.LIVE, b"x"))
    await fails(Unavailable, read_all(stream))
    link.send_datagram(b"nowhere")
    again = await a.dial(b_host, b_id)
    assert again is not link
    await again.send(Channel.CONTROL, b"x")
    await until(world.settle_s, lambda: hb.frames)
    b.drop(NodeId("nobody"), "not there")


async def closing_tells_every_peer(world: World) -> None:
    a, _, ha, hb, _ = await two(world)
    await a.close()
    await until(world.settle_s, lambda: hb.downs)
    assert len(ha.downs) == 1
    assert dict(a.links()) == {}


async def a_node_says_where_it_listens(world: World) -> None:
    a, _, a_host = await world.node(Recorder())
    assert a_host in list(a.listening())


def link_of(handler: Recorder) -> list[Link]:
    return [up for up in handler.ups if up.peer not in {peer for peer, _ in handler.downs}]


async def fails(error: type[Exception], doing: Awaitable[object]) -> None:
    try:
        await doing
    except error:
        return
    raise AssertionError(f"no {error.__name__} was raised")


CASES: list[Callable[[World], Awaitable[None]]] = [
    a_dial_gives_one_link_with_both_ends_named,
    an_address_alone_is_enough_to_dial,
    a_second_dial_gives_the_standing_link,
    nodes_that_dial_each_other_at_once_have_one_link,
    a_dial_to_nobody_is_unavailable,
    a_dial_to_itself_is_refused,
    a_dial_that_expects_another_node_is_refused,
    frames_of_a_channel_keep_their_order,
    frames_go_both_ways_and_may_be_empty_or_large,
    a_frame_over_the_bound_is_our_mistake,
    a_receiver_that_waits_makes_the_sender_wait,
    datagrams_arrive_when_nothing_loses_them,
    a_stream_carries_bytes_both_ways_in_each_class,
    the_other_side_opens_streams_too,
    a_reader_that_stops_stops_the_writer,
    a_finished_side_still_reads_what_the_other_writes,
    reads_give_at_most_what_is_asked_for_and_lose_nothing,
    streams_do_not_wait_for_each_other,
    a_header_over_the_bound_is_our_mistake,
    of_too_many_waiting_datagrams_the_oldest_are_dropped,
    a_handler_that_waits_stops_its_channel_only,
    whoever_waits_on_a_link_that_goes_down_is_told,
    a_port_that_is_taken_is_unavailable,
    a_closed_network_answers_nobody_and_its_address_is_free,
    a_reset_is_seen_by_the_other_side,
    streams_that_are_given_up_half_way_leave_the_way_free,
    a_handler_that_raises_resets_the_stream,
    a_stream_that_ends_early_is_unavailable_to_read_exactly,
    a_malformed_frame_ends_that_link_only,
    a_dropped_link_is_down_on_both_sides_and_can_be_dialled_again,
    closing_tells_every_peer,
    a_node_says_where_it_listens,
]

BESIDE: list[Callable[[World], Awaitable[None]]] = [
    a_stream_carries_bytes_both_ways_in_each_class,
    the_other_side_opens_streams_too,
    a_reader_that_stops_stops_the_writer,
    a_finished_side_still_reads_what_the_other_writes,
    reads_give_at_most_what_is_asked_for_and_lose_nothing,
    streams_do_not_wait_for_each_other,
    whoever_waits_on_a_link_that_goes_down_is_told,
    streams_that_are_given_up_half_way_leave_the_way_free,
]
"""The cases in which bulk and record copies travel, which may go beside the rest."""

LASTING: list[Callable[[World], Awaitable[None]]] = [
    a_dial_gives_one_link_with_both_ends_named,
    nodes_that_dial_each_other_at_once_have_one_link,
    frames_of_a_channel_keep_their_order,
    frames_go_both_ways_and_may_be_empty_or_large,
    the_other_side_opens_streams_too,
    a_finished_side_still_reads_what_the_other_writes,
    a_dropped_link_is_down_on_both_sides_and_can_be_dialled_again,
    closing_tells_every_peer,
]
"""The cases that hold however bad the paths are."""

LARGE: list[Callable[[World], Awaitable[None]]] = [a_receiver_that_waits_makes_the_sender_wait]
"""The cases that move tens of megabytes."""
