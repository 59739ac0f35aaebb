"""Tasks that fail are counted each time and logged now and then; tasks that are called off leave nothing behind."""

import asyncio
import inspect

from structlog.testing import capture_logs

from mesh.actors import supervisor
from mesh.actors.supervisor import Supervisor


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def wall(self):
        return self.now


class Chance:
    def uniform(self, low, high):
        return 0.0


def test_the_same_failure_is_logged_once_and_then_every_ten_minutes():
    async def main():
        clock, texts, done = Clock(), [], asyncio.Event()
        owner = Supervisor(clock, Chance())

        async def failing():
            if not texts:
                done.set()
                return
            clock.now += 1.0
            raise OSError(texts.pop(0))

        texts += ["off"] * 5 + ["gone"] * 2 + ["off"] * (int(supervisor.SAME_FAILURE_LOGGED_S) + 2)
        count = len(texts)
        owner.run("camera/a", failing)
        await asyncio.wait_for(done.wait(), 30)
        assert owner.report()[0].errors == count
        await owner.close()

    with capture_logs() as logs:
        asyncio.run(main())
    told = [(entry["error"], entry["failures"]) for entry in logs if entry["event"] == "task failed"]
    assert told == [
        ("OSError: off", 1),
        ("OSError: gone", 5),
        ("OSError: off", 2),
        ("OSError: off", int(supervisor.SAME_FAILURE_LOGGED_S)),
    ]


def test_what_is_called_off_before_its_first_step_is_closed():
    async def main():
        owner = Supervisor(Clock(), Chance())

        async def never():
            raise AssertionError("it was called off before")

        task = never()
        owner.once("short", task).cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert inspect.getcoroutinestate(task) == inspect.CORO_CLOSED

    asyncio.run(main())
