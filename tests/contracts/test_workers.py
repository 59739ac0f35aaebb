"""What Workers and Worker promise: the same cases over processes and over the simulator's scripts."""

import asyncio
import functools
import os
import signal

import pytest

from mesh.adapters.workers import ProcessWorker, ProcessWorkers
from mesh.ports import Unavailable, Worker, Workers, WorkerSpec
from simulations.world.workers import ScriptedWorker, ScriptedWorkers
from tests.contracts.kinds import KINDS, run
from tests.contracts.worker_scripts import NAMES, script

PORTS = (Workers, Worker)
REAL = (ProcessWorkers, ProcessWorker)
FAKE = (ScriptedWorkers, ScriptedWorker)
WAIT_S = 60.0
PREFIX = "tests.contracts.workers."


class Made:
    """Spawns workers, and ends those a case leaves."""

    def __init__(self, kind):
        self.kind = kind
        scripts = {PREFIX + name: functools.partial(script, name) for name in NAMES}
        self._workers = ProcessWorkers() if kind == "real" else ScriptedWorkers(scripts)
        self._made = []

    async def __call__(self, name, config=b"config", **limits):
        worker = await self._workers.spawn(WorkerSpec(PREFIX + name, config, **limits))
        self._made.append(worker)
        return worker

    def kill(self, worker):
        if self.kind == "real":
            os.kill(worker.pid, signal.SIGKILL)
        else:
            worker.kill()

    async def end(self):
        for worker in self._made:
            await worker.stop(0.0)


@pytest.fixture(params=KINDS)
def running(request):
    def go(case):
        async def whole():
            made = Made(request.param)
            try:
                async with asyncio.timeout(WAIT_S):
                    await case(made)
            finally:
                await made.end()

        run(request.param, whole)

    return go


async def send_much(worker):
    for _ in range(1000):
        await worker.send(bytes(10_000))


def test_its_config_is_the_first_it_hears_and_the_end_is_none(running):
    async def case(spawn):
        worker = await spawn("configured", b"\0\1 anything")
        assert await worker.receive() == b"config: \0\1 anything"
        assert await worker.receive() is None
        assert await worker.receive() is None
        assert await worker.wait() == 0

    running(case)


def test_frames_go_both_ways_in_order_whole_and_of_any_size(running):
    async def case(spawn):
        worker = await spawn("echo")
        frames = [b"", b"1", bytes(range(256)) * 8192, b"", b"last"]
        for frame in frames:
            await worker.send(frame)
        assert [await worker.receive() for _ in frames] == frames

    running(case)


def test_workers_are_told_apart(running):
    async def case(spawn):
        one, other = await spawn("echo"), await spawn("echo")
        assert one.pid != other.pid
        await one.send(b"one")
        await other.send(b"other")
        assert (await other.receive(), await one.receive()) == (b"other", b"one")

    running(case)


@pytest.mark.parametrize(("name", "status"), [("fails", 1), ("exits", 7), ("no_such_module", 1)])
def test_one_that_fails_ends_with_its_status_and_nothing_else_happens(running, name, status):
    async def case(spawn):
        worker = await spawn(name)
        assert await worker.receive() is None
        assert await worker.wait() == status
        with pytest.raises(Unavailable):
            await send_much(worker)

    running(case)


def test_one_that_is_killed_ends_with_the_signal_and_wakes_whoever_waits(running):
    async def case(spawn):
        worker = await spawn("echo")
        await worker.send(b"there?")
        assert await worker.receive() == b"there?"
        receiving, waiting = asyncio.ensure_future(worker.receive()), asyncio.ensure_future(worker.wait())
        await asyncio.sleep(0.01)
        spawn.kill(worker)
        assert await receiving is None
        assert await waiting == -9

    running(case)


def test_one_that_does_not_read_makes_the_sender_wait_until_it_is_gone(running):
    async def case(spawn):
        worker = await spawn("deaf")
        sent = 0

        async def send():
            nonlocal sent
            for _ in range(1000):
                await worker.send(bytes(100_000))
                sent += 1

        sending = asyncio.ensure_future(send())
        await asyncio.sleep(1.0)
        assert sent < 100
        spawn.kill(worker)
        with pytest.raises(Unavailable):
            await sending

    running(case)


def test_one_that_is_not_read_waits_and_nothing_is_lost(running):
    async def case(spawn):
        worker = await spawn("floods")
        await asyncio.sleep(0.5)
        for number in range(4000):
            assert await worker.receive() == number.to_bytes(4, "big") * 1024
        assert await worker.receive() is None

    running(case)


def test_stop_lets_it_end_by_itself(running):
    async def case(spawn):
        worker = await spawn("echo")
        await worker.send(b"x")
        assert await worker.receive() == b"x"
        await worker.stop(30.0)
        assert await worker.wait() == 0
        assert await worker.receive() is None
        await worker.stop()

    running(case)


def test_stop_kills_one_that_does_not_end(running):
    async def case(spawn):
        worker = await spawn("stubborn")
        began_s = asyncio.get_running_loop().time()
        await worker.stop(0.3)
        assert asyncio.get_running_loop().time() - began_s < 30
        assert await worker.wait() == -9

    running(case)


def test_a_frame_over_the_bound_is_its_end(running):
    async def case(spawn):
        worker = await spawn("giant")
        assert await worker.receive() is None
        assert await worker.wait() == -9

    running(case)


def test_it_can_be_stopped_while_somebody_waits_for_its_next_frame(running):
    async def case(spawn):
        worker = await spawn("echo")
        await worker.send(b"there?")
        assert await worker.receive() == b"there?"
        waiting = asyncio.create_task(worker.receive())
        await asyncio.sleep(0.05)
        await worker.stop()
        assert await waiting is None

    running(case)
