"""What Clock, Entropy and Executor promise: the same cases over the machine's and the simulator's."""

import asyncio
import functools

import pytest

from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.executor import ThreadExecutor
from mesh.ports import Clock, Entropy, Executor
from simulations.world.clock import FakeClock
from simulations.world.entropy import SeededEntropy
from simulations.world.executor import InlineExecutor
from tests.contracts.kinds import KINDS, run

PORTS = (Clock, Entropy, Executor)
REAL = (SystemClock, SystemEntropy, ThreadExecutor)
FAKE = (FakeClock, SeededEntropy, InlineExecutor)
YEAR_2026_S, YEAR_2100_S = 1_767_000_000, 4_102_000_000


def clock_of(kind):
    return SystemClock() if kind == "real" else FakeClock(asyncio.get_running_loop().time, drift=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_monotonic_goes_with_the_loop_on_which_asyncio_sleeps_and_never_back(kind):
    async def case():
        clock, loop = clock_of(kind), asyncio.get_running_loop()
        seen = [clock.monotonic()]
        began_s = loop.time()
        for _ in range(5):
            await asyncio.sleep(0.02)
            seen.append(clock.monotonic())
        assert seen == sorted(seen)
        assert seen[-1] - seen[0] == pytest.approx(loop.time() - began_s, abs=0.02)

    run(kind, case)


@pytest.mark.parametrize("kind", KINDS)
def test_wall_is_utc_seconds_since_1970_and_goes_on(kind):
    async def case():
        clock = clock_of(kind)
        first = clock.wall()
        assert YEAR_2026_S < first < YEAR_2100_S
        await asyncio.sleep(0.05)
        assert first + 0.03 < clock.wall() < first + 60

    run(kind, case)


def test_a_simulated_wall_clock_may_jump_while_monotonic_goes_on():
    async def case():
        clock = clock_of("fake")
        before = clock.monotonic()
        clock.jump(-3600.0)
        assert clock.wall() < clock.true() - 3599
        clock.boot_in_1970()
        assert clock.wall() < 3600
        assert clock.monotonic() == before

    run("fake", case)


def entropy_of(kind):
    return SystemEntropy() if kind == "real" else SeededEntropy(1, "n1.1")


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_have_their_size_and_none_comes_twice(kind):
    chance = entropy_of(kind)
    assert [len(chance.token(size)) for size in (0, 1, 16, 32, 4096)] == [0, 1, 16, 32, 4096]
    tokens = [chance.token(16) for _ in range(1000)]
    assert len(set(tokens)) == 1000
    assert len(set(b"".join(tokens))) == 256


@pytest.mark.parametrize("kind", KINDS)
def test_uniform_stays_within_its_bounds_and_fills_them(kind):
    chance = entropy_of(kind)
    drawn = [chance.uniform(-2.0, 6.0) for _ in range(2000)]
    assert all(-2.0 <= one <= 6.0 for one in drawn)
    assert 1.5 < sum(drawn) / len(drawn) < 2.5
    assert min(drawn) < -1.5
    assert max(drawn) > 5.5
    assert chance.uniform(3.0, 3.0) == 3.0


def test_seeded_chance_is_the_same_for_one_seed_and_name_only():
    assert SeededEntropy(1, "a").token(16) == SeededEntropy(1, "a").token(16)
    assert len({SeededEntropy(seed, name).token(16) for seed in (1, 2) for name in "ab"}) == 4


def with_executor(kind, case):
    async def whole():
        executor = ThreadExecutor(2) if kind == "real" else InlineExecutor()
        try:
            await case(executor)
        finally:
            if kind == "real":
                executor.close()

    run(kind, whole)


@pytest.mark.parametrize("kind", KINDS)
def test_work_gets_its_arguments_and_gives_its_result(kind):
    async def case(executor):
        assert await executor.run(divmod, 17, 5) == (3, 2)
        assert await executor.run(functools.partial(sorted, reverse=True), [1, 3, 2]) == [3, 2, 1]
        assert await executor.run(list) == []

    with_executor(kind, case)


@pytest.mark.parametrize("kind", KINDS)
def test_what_work_raises_comes_through_and_the_next_runs(kind):
    async def case(executor):
        with pytest.raises(ZeroDivisionError):
            await executor.run(divmod, 1, 0)
        assert await executor.run(divmod, 4, 2) == (2, 0)

    with_executor(kind, case)


@pytest.mark.parametrize("kind", KINDS)
def test_a_great_deal_at_once_is_all_done_and_answers_are_not_mixed_up(kind):
    async def case(executor):
        assert await asyncio.gather(*(executor.run(pow, number, 2) for number in range(500))) == [
            number**2 for number in range(500)
        ]

    with_executor(kind, case)


@pytest.mark.parametrize("kind", KINDS)
def test_others_come_to_run_before_work_gives_its_result(kind):
    async def case(executor):
        told = []
        asyncio.get_running_loop().call_soon(told.append, "another")
        await executor.run(list)
        assert told == ["another"]

    with_executor(kind, case)


@pytest.mark.parametrize("kind", KINDS)
def test_an_asker_that_goes_away_does_no_harm(kind):
    async def case(executor):
        asking = asyncio.ensure_future(executor.run(pow, 3, 3))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await executor.run(pow, 2, 3) == 8

    with_executor(kind, case)
