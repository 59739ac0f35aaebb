"""A repeated ask with one key is done once and answered the same, within a window of time, number and bytes."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_network import MemoryMesh

from mesh.actors.dedupe import DedupeWindow
from mesh.ports import PortError, Refused, Unavailable
from proto.ids import NodeId
from proto.messages.events import RowChanged
from proto.messages.jobs import JobState

HERE, THERE = "here", "there"


class Counter:
    """Answers how often it did something."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.gate.set()
        self.done = 0
        self.error = None

    async def receive(self, message, context):
        self.done += 1
        number = self.done
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return JobState("asset", str(number), "l1", "done")


def run(work):
    async def main():
        mesh = MemoryMesh([HERE, THERE])
        counter = Counter()
        mesh.systems[THERE].spawn("counter", counter, concurrency=2)
        mesh.systems[HERE].spawn("counter", counter, concurrency=2)
        mesh.join(HERE, THERE)
        try:
            async with asyncio.timeout(60):
                await work(mesh, counter)
        finally:
            await mesh.close()

    asyncio.run(main())


async def ask(mesh, node, key, of=HERE, pk="x", timeout_s=30.0):
    message = RowChanged("assets", pk)
    answer = await mesh.systems[of].ask(node, "counter", message, JobState, idempotency_key=key, timeout_s=timeout_s)
    return answer.job


@pytest.mark.parametrize("node", [HERE, THERE])
def test_a_repeated_ask_is_done_once_and_answered_the_same(node):
    async def work(mesh, counter):
        assert [await ask(mesh, node, "a") for _ in range(3)] == ["1"] * 3
        assert await ask(mesh, node, "b") == "2"
        assert await ask(mesh, node, "a") == "1"
        assert [await ask(mesh, node, "") for _ in range(2)] == ["3", "4"], "without a key each is done"

    run(work)


@pytest.mark.parametrize("node", [HERE, THERE])
def test_an_ask_repeated_while_the_first_is_at_work_waits_for_its_answer(node):
    async def work(mesh, counter):
        counter.gate.clear()
        asks = [asyncio.create_task(ask(mesh, node, "a")) for _ in range(5)]
        while not counter.done:
            await asyncio.sleep(0.01)
        counter.gate.set()
        assert await asyncio.gather(*asks) == ["1"] * 5
        assert counter.done == 1

    run(work)


def test_an_ask_repeated_after_its_answer_came_too_late_gets_that_answer():
    async def work(mesh, counter):
        counter.gate.clear()
        with pytest.raises(Unavailable):
            await ask(mesh, THERE, "a", timeout_s=0.1)
        while not counter.done:
            await asyncio.sleep(0.01)
        counter.gate.set()
        assert await ask(mesh, THERE, "a") == "1"

    run(work)


def test_keys_of_two_senders_are_two_keys():
    async def work(mesh, _):
        assert await ask(mesh, THERE, "a") == "1"
        assert await ask(mesh, THERE, "a", of=THERE) == "2"

    run(work)


def test_an_ask_that_failed_may_be_tried_again_under_its_key():
    async def work(mesh, counter):
        counter.error = Refused("not today")
        with pytest.raises(Refused):
            await ask(mesh, THERE, "a")
        counter.error = None
        assert await ask(mesh, THERE, "a") == "2"

    run(work)


@pytest.mark.parametrize("node", [HERE, THERE])
def test_a_key_used_for_another_message_is_refused_and_the_first_stands(node):
    async def work(mesh, counter):
        assert await ask(mesh, node, "a") == "1"
        with pytest.raises(Refused, match="another message"):
            await ask(mesh, node, "a", pk="y")
        assert await ask(mesh, node, "a") == "1"
        assert counter.done == 1

    run(work)


def test_after_the_window_it_is_done_again():
    async def work(mesh, counter):
        mesh.systems[THERE]._cells.window = DedupeWindow(kept_s=0.0)
        assert await ask(mesh, THERE, "a") == "1"
        assert await ask(mesh, THERE, "a") == "2"

    run(work)


def name(number):
    return NodeId("n"), "actor", str(number)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 400), st.integers(0, 3)), max_size=60))
def test_the_window_holds_in_number_bytes_and_time_whatever_is_asked(asks):
    async def main():
        window, now, remembered = DedupeWindow(5, 1000, 10.0), 0.0, {}
        for number, size, passed in asks:
            now += passed
            known = window.find(name(number), RowChanged("t", str(number)), now)
            if known is not None:
                then, answer = remembered[number]
                assert known.result() is answer
                assert now - then < 10.0
                continue
            window.begin(name(number), RowChanged("t", str(number)))
            answer = RowChanged("t", "x", told={"x": "y" * size})
            window.settle(name(number), answer, now)
            remembered[number] = (now, answer)
            assert len(window) <= 5
            assert 0 <= window.bytes <= 1000
        window.find(name(0), RowChanged("t", "0"), now + 10.0)
        assert (len(window), window.bytes) == (0, 0)

    asyncio.run(main())


def test_the_oldest_answer_goes_first_and_asks_at_work_never():
    async def main():
        window = DedupeWindow(2, 1000, 10.0)
        window.begin(name("slow"), RowChanged("t", "x"))
        for number in range(5):
            window.begin(name(number), RowChanged("t", "x"))
            window.settle(name(number), None, 0.0)
        kept = [one for one in range(5) if window.find(name(one), RowChanged("t", "x"), 0.0) is not None]
        assert kept == [3, 4]
        slow = window.find(name("slow"), RowChanged("t", "x"), 9.0)
        assert not slow.done()
        window.fail(name("slow"), PortError("no"))
        with pytest.raises(PortError):
            await slow
        assert window.find(name("slow"), RowChanged("t", "x"), 9.0) is None

    asyncio.run(main())
