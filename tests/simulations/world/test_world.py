"""The world: virtual time, kills that are kills, disks that keep what was committed, and no way to the real one."""

import asyncio
import datetime
import os
import secrets
import threading
import time
import uuid

import pytest

from simulations.world.forbidden import Forbidden
from simulations.world.loop import Stuck
from simulations.world.world import World


class Node:
    def __init__(self):
        self.said = []


async def idle(machine, world):
    return Node()


def world(seed=1, machines=1):
    return World(seed, machines, idle)


@pytest.mark.parametrize(
    "touch",
    [
        time.time,
        uuid.uuid4,
        lambda: secrets.token_bytes(4),
        lambda: os.urandom(4),
        lambda: datetime.datetime.now(datetime.UTC),
        lambda: threading.Thread(target=print).start(),
        lambda: asyncio.get_running_loop().run_in_executor(None, print),
    ],
)
def test_a_node_that_touches_the_real_world_fails_the_run(touch):
    # Looked up when called, as code that imports modules does.
    names = {time.time: "time.time()", uuid.uuid4: "uuid.uuid4()"}

    async def story():
        eval(names[touch]) if touch in names else touch()

    with pytest.raises((Forbidden, RuntimeError)):
        world().run(story)


def test_hours_of_virtual_time_take_none():
    one = world()

    async def story():
        await asyncio.sleep(36_000)
        return one.loop.time()

    began = time.monotonic()
    assert one.run(story) == 36_000
    assert time.monotonic() - began < 5


def test_who_waits_for_nothing_is_told_so():
    async def story():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stuck):
        world().run(story)


def test_a_killed_node_runs_nothing_more_not_even_its_finally():
    one = world()
    said = []

    async def story():
        machine = one.machines[0]
        await one.boot(machine)

        async def work(node):
            try:
                await asyncio.sleep(5)
                said.append("done")
            finally:
                said.append("finally")

        asking = asyncio.ensure_future(one.on(machine, work, timeout_s=20))
        await asyncio.sleep(1)
        one.crash(machine)
        await asyncio.sleep(30)
        heard = list(said)
        asking.cancel()
        return heard

    assert one.run(story) == []


def test_a_crash_keeps_what_was_committed_and_drops_what_was_not():
    one = world()

    async def story():
        machine = one.machines[0]
        await one.boot(machine)

        async def work(node):
            await machine.tables.write(lambda sql: sql.execute("CREATE TABLE t (n INTEGER)"))
            await machine.tables.write(lambda sql: sql.execute("INSERT INTO t VALUES (1)"))
            await machine.disk.write("a", b"whole")

        await one.on(machine, work)

        async def late(node):
            await machine.tables.write(lambda sql: sql.execute("INSERT INTO t VALUES (2)"))

        asking = asyncio.ensure_future(one.on(machine, late))
        await asyncio.sleep(0.0001)
        one.crash(machine)
        await asyncio.sleep(1)
        asking.cancel()
        rows = await machine.tables.read(lambda sql: sql.execute("SELECT n FROM t").fetchall())
        return rows, await machine.disk.read("a")

    assert one.run(story) == ([(1,)], b"whole")
