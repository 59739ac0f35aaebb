"""What the driver promises: classes in order within budgets, state that is freed, tasks that end, any event loop."""

import asyncio
import gc
import socket
import sys
import tracemalloc
import weakref
from pathlib import Path

import pytest
import uvloop

from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.quic.aioquic_engine import AioquicEngine
from mesh.adapters.quic.driver import BUDGET_BYTES, Driver, Lane
from mesh.adapters.quic.link import WINDOWS
from mesh.adapters.quic.udp import BUFFER_BYTES, DRAINED_MAX
from mesh.ports import Channel, Flow, Unavailable
from simulations.world.clock import FakeClock
from tests.contracts.kinds import run as run_simulated
from tests.contracts.network_cases import read_all
from tests.mesh.adapters.quic_world import Mesh, identity, run, until


class FakeConnection:
    """Sends as much as it may from what is waiting."""

    def __init__(self, name, waiting, sent):
        self.name, self.waiting, self.sent = name, waiting, sent
        self.address, self.over = ("10.0.0.1", 1), False

    def transmit(self, now_s, budget_bytes):
        size = min(self.waiting, budget_bytes)
        self.waiting -= size
        if size:
            self.sent.append((self.name, size))
        return [(b"x" * size, self.address)] if size else []

    def receive(self, data, address, now_s):
        pass

    def events(self):
        return []

    def routes(self):
        return [], []

    def timer(self):
        return None

    def close(self, code, reason):
        self.over = True


class FakeSocket:
    def __init__(self):
        self.datagrams = 0

    def send(self, data, address):
        self.datagrams += 1


class FakeEngine:
    def route(self, datagram):
        return datagram[:1]


def driven(**waiting):
    """Give a driver with a connection a lane, the least urgent added first, and what they have sent."""
    sent = []
    driver = Driver(FakeEngine(), FakeSocket(), SystemClock(), lambda *_: None)
    for name in sorted(waiting, key=lambda name: -Lane[name]):
        carrier = driver.add(FakeConnection(name, waiting[name], sent))
        carrier.lane = Lane[name]
    return driver, sent


def test_a_timer_that_is_due_but_for_a_rounding_error_does_not_turn_in_circles():
    async def main():
        loop = asyncio.get_running_loop()
        clock = FakeClock(loop.time)
        driver = Driver(FakeEngine(), FakeSocket(), clock, lambda *_: None)

        class Paced(FakeConnection):
            fired = 0

            def timer(self):
                return 1.0 if loop.time() <= 1.0 else None

            def fire(self, now_s):
                self.fired += 1

        paced = Paced("paced", 0, [])
        driver.add(paced)
        await asyncio.sleep(2.0)
        assert 1 <= paced.fired < 5

    run_simulated("fake", main)


def test_the_more_urgent_class_is_sent_first_whoever_came_first():
    async def main():
        driver, sent = driven(BULK=1000, MAIN=1000, RECORD=1000)
        driver.flush()
        assert [name for name, _ in sent] == ["MAIN", "RECORD", "BULK"]

    asyncio.run(main())


def test_a_class_sends_its_budget_a_wake_and_the_rest_later():
    async def main():
        driver, sent = driven(BULK=1 << 20, MAIN=100)
        driver.flush()
        assert sent == [("MAIN", 100), ("BULK", BUDGET_BYTES[Lane.BULK])]
        driver.carriers[1].connection.waiting = 50
        driver.touch(driver.carriers[1])
        driver.flush()
        # What has become urgent meanwhile does not wait for the rest of the bulk.
        assert sent[2:4] == [("MAIN", 50), ("BULK", BUDGET_BYTES[Lane.BULK])]
        while driver._dirty:
            driver.flush()
        assert sum(size for name, size in sent if name == "BULK") == 1 << 20

    asyncio.run(main())


def test_a_batch_of_datagrams_is_answered_by_one_transmit():
    async def main():
        driver, _ = driven(MAIN=0)
        carrier = driver.carriers[0]
        driver._routes[b"a"] = carrier
        calls = []
        carrier.connection.transmit = lambda now_s, budget_bytes: calls.append(budget_bytes) or []
        await asyncio.sleep(0)
        calls.clear()
        driver.receive([(b"a", ("10.0.0.1", 1))] * DRAINED_MAX)
        assert calls == []
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(calls) == 1

    asyncio.run(main())


def test_a_connection_that_breaks_takes_nobody_with_it():
    async def main():
        driver, sent = driven(MAIN=10, BULK=10)
        bulk, main_ = driver.carriers

        def broken(now_s, budget_bytes):
            raise RuntimeError("a bug over what a peer sent")

        main_.connection.transmit = broken
        driver.flush()
        assert sent == [("BULK", 10)]
        assert driver.carriers == [bulk]

    asyncio.run(main())


def test_record_copies_and_bulk_have_small_windows_and_connections_of_their_own():
    assert WINDOWS[Lane.RECORD].stream_bytes <= 1 << 20
    assert WINDOWS[Lane.RECORD].connection_bytes <= 1 << 20
    assert WINDOWS[Lane.BULK].connection_bytes <= 1 << 20

    async def case(mesh):
        one, other = await mesh.node(), await mesh.node()
        link = await one.network.dial(other.host, other.id)
        for flow in Flow:
            stream = await link.open_stream(flow, b"x")
            await stream.finish()
            assert await read_all(stream) == b"x"
        assert sorted(carrier.lane for carrier in link.carriers) == [Lane.MAIN, Lane.RECORD, Lane.BULK]

    run(case)


def joined():
    """Give two connections of the engine that have shaken hands, without sockets."""
    engine, one, other = AioquicEngine(SystemEntropy()), identity(), identity()
    here, there = ("10.0.0.1", 1), ("10.0.0.2", 2)
    dialled = engine.dial(there, "x", one, other.node, WINDOWS[Lane.MAIN], 1200, 0.0)
    first = dialled.transmit(0.0, 1 << 20)
    accepted = engine.accept(first[0][0], here, ["x"], other, WINDOWS[Lane.MAIN], 1200, False, 0.0)
    for data, _ in first:
        accepted.receive(data, here, 0.0)
    for _ in range(4):
        for data, _ in accepted.transmit(0.0, 1 << 20):
            dialled.receive(data, there, 0.0)
        for data, _ in dialled.transmit(0.0, 1 << 20):
            accepted.receive(data, here, 0.0)
    accepted.events(), dialled.events()
    return dialled, accepted, here


def test_frames_go_before_what_the_streams_beside_them_have_waiting():
    dialled, accepted, here = joined()
    for _ in range(8):
        dialled.send(dialled.open(unidirectional=False), bytes(100_000))
    channel = dialled.open(unidirectional=True)
    dialled.send(channel, bytes(2000))
    for now_s in (1.0, 1.1, 1.2):  # packets are paced: one transmit does not send the whole first flight
        for data, _ in dialled.transmit(now_s, 1 << 20):
            accepted.receive(data, here, now_s)
    came = [(event.stream, len(event.data)) for event in accepted.events()]
    assert sum(size for stream, size in came if stream == channel) == 2000
    assert came[0][0] == channel
    assert len(came) > 1, "what is left of the flight goes to the streams"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's bound is read from /proc")
def test_the_socket_has_room_for_bursts():
    async def case(mesh):
        node = await mesh.node()
        made = node.network._socket._socket
        limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= min(BUFFER_BYTES, limit)
        assert BUFFER_BYTES >= 4 << 20

    run(case)


async def exchange(link, number):
    stream = await link.open_stream(Flow.LIVE, b"%d" % number)
    await stream.finish()
    assert await read_all(stream) == b"%d" % number


async def many(link, start, count):
    for at in range(start, start + count, 20):
        await asyncio.gather(*(exchange(link, number) for number in range(at, at + 20)))


def test_closed_streams_are_freed():
    async def case(mesh):
        one, other = await mesh.node(), await mesh.node()
        link = await one.network.dial(other.host, other.id)
        back = (await first(other)).main
        await many(link, 0, 400)
        gc.collect()
        tracemalloc.start()
        await many(link, 400, 200)
        other.handler.streams.clear()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        await many(link, 600, 2400)
        other.handler.streams.clear()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        for session in (link.main, back):
            await until(lambda session=session: session.carrier.connection.streams_held() <= 8)
            await until(lambda session=session: len(session.streams) <= len(Channel))
        assert len(link._tasks) + len(back._link._tasks) <= 2 * len(Channel)
        # A stream's state is some kilobytes at each end; 2,400 kept ones would be many megabytes.
        assert grown < 300_000

    run(case)


async def first(node):
    await until(lambda: node.network.links())
    return next(iter(node.network.links().values()))


def test_streams_that_are_reset_by_either_side_are_freed():
    async def case(mesh):
        one, other = await mesh.node(), await mesh.node()
        link = await one.network.dial(other.host, other.id)
        back = await first(other)

        async def serve(header, stream):
            if header == b"reset":
                stream.reset()
            else:
                await stream.read()

        other.handler.serve = serve
        for number in range(300):
            stream = await link.open_stream(Flow.LIVE, b"reset" if number % 2 else b"keep")
            await stream.write(bytes(2000))
            if number % 3 == 0:
                stream.reset()
            elif number % 2 == 0:
                await stream.finish()
                await read_all(stream)
            else:
                stream.reset()
        for end in (link, back):
            await until(lambda end=end: end.main.carrier.connection.streams_held() <= 8)
            await until(lambda end=end: len(end.main.streams) <= 8)

    run(case)


def test_links_that_come_and_go_leave_nothing_behind():
    async def case(mesh):
        one, other = await mesh.node(), await mesh.node()
        gone = []
        before = len(asyncio.all_tasks())
        for number in range(20):
            link = await one.network.dial(other.host, other.id)
            await link.send(Channel.REQUEST, b"x")
            await exchange(link, number)
            await (await link.open_stream(Flow.BULK, b"left open")).write(b"x")
            gone.append(weakref.ref(link))
            one.network.drop(other.id, "again")
            await until(lambda: not other.network.links())
            del link
        for node in (one, other):
            await until(lambda node=node: not node.carriers and not node.gates)
            assert not node.network._driver._routes
            node.handler.ups.clear()
        await until(lambda: len(asyncio.all_tasks()) <= before)
        gc.collect()
        assert sum(ref() is not None for ref in gone) <= 1

    run(case)


def test_closing_a_node_leaves_no_task_and_no_timer_that_matters():
    async def main():
        async with Mesh() as mesh:
            one, other = await mesh.node(), await mesh.node()
            link = await one.network.dial(other.host, other.id)
            await exchange(link, 1)
            asyncio.get_running_loop().create_task(ignored(link))
            await asyncio.sleep(0)
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})

    async def ignored(link):
        stream = await link.open_stream(Flow.LIVE, b"x")
        with pytest.raises(Unavailable, match="the node stops"):
            await read_all(stream)

    asyncio.run(main())


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_it_runs_on_either_event_loop(runner):
    async def main():
        async with Mesh() as mesh:
            one, other = await mesh.node(), await mesh.node()
            link = await one.network.dial(other.host)
            stream = await link.open_stream(Flow.BULK, b"")
            body = bytes(range(256)) * 4096

            async def write():
                for at in range(0, len(body), 100_000):
                    await stream.write(body[at : at + 100_000])
                await stream.finish()

            writing = asyncio.ensure_future(write())
            assert await read_all(stream) == body
            await writing
            link.send_datagram(b"d")
            await until(lambda: other.handler.datagrams == [b"d"])

    runner(main())
