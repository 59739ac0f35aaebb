"""Work over several nodes: queued by nobody's order, done once, elsewhere when a node fails or dies, never for ever."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from storage_cluster import mesh, settled, stop, until

import mesh.core.jobs as core
import roles.storage.leases as leases
from mesh.actors import rowscan
from mesh.actors.jobs import HopelessError, JobRunner, Jobs
from mesh.core.jobs import FRAMES, SCENES, SCENES_VERSION, Work, job_of
from mesh.core.query import Query, Where
from mesh.core.rows import Change
from mesh.ports import Unavailable
from proto.ids import AssetId, ModelId
from roles.storage.leases import PAGE, LeaseServer

LOOK = Work(FRAMES, "model@1")
CUT = Work(SCENES, SCENES_VERSION)


def asset(number):
    return AssetId(f"{number:026d}")


def take(number, node="", **fields):
    told = {"kind": "take", "state": "ready", "node": node, "name": f"take {number}", **fields}
    return Change("assets", asset(number), set=told)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Leases and rests of a second, so that a test need not wait for half a minute."""
    for module in (core, leases):
        monkeypatch.setattr(module, "LEASE_MS", 1500)
    monkeypatch.setattr(core, "BACKOFF_FIRST_MS", 300)
    monkeypatch.setattr(core, "NEAR_WAIT_MS", 1500)
    monkeypatch.setattr(core, "ELSEWHERE_WAIT_MS", 5000)
    monkeypatch.setattr(leases, "TICK_S", 0.2)


@asynccontextmanager
async def working(folder, count=3, copies=2, models=("model@1",), works=(LOOK, CUT)):
    async with mesh(folder, count, copies) as (fabric, nodes):
        for one in nodes:
            one.done = []
            one.models = [ModelId(model) for model in models]
            one.leases = LeaseServer(
                one.system, one.rows, one.catalogue, one.view, one.clock, lambda one=one: one.models, one.view.counting
            )
            await one.leases.open()
            one.runner = JobRunner(one.system, one.view, one.clock, {}, 1)
            one.runner.offer({work: handler(one) for work in works})
        yield fabric, nodes


def handler(one):
    async def work(lease):
        one.done.append((lease.asset, lease.kind))

    return work


def run(nodes):
    for one in nodes:
        one.runner.open()


async def jobs_in(one, state):
    page = await one.catalogue.scan(Query("jobs", (Where("state", "eq", state),), limit=1000))
    return [job_of(row) for row in page.rows]


async def ended(nodes, count):
    async def all_ended():
        return len(await jobs_in(nodes[0], "done")) + len(await jobs_in(nodes[0], "failed")) == count

    await until(all_ended, 60)


def test_a_take_that_is_ready_is_worked_on_without_anyone_asking_and_each_job_is_done_once(tmp_path):
    async def main():
        async with working(tmp_path) as (_, nodes):
            run(nodes)
            await nodes[0].catalogue.write(*(take(number) for number in range(12)))
            await ended(nodes, 24)
            done = [work for one in nodes for work in one.done]
            assert sorted(done) == sorted((asset(n), kind) for n in range(12) for kind in (FRAMES, SCENES))
            for one in nodes:
                assert len(await jobs_in(one, "done")) == 24

    asyncio.run(main())


def test_a_model_that_comes_to_the_mesh_is_run_over_what_there_is(tmp_path):
    async def main():
        async with working(tmp_path, 2, 2, models=()) as (_, nodes):
            await nodes[0].catalogue.write(take(1))
            run(nodes)
            await ended(nodes, 1)  # scenes need no model
            for one in nodes:
                one.models = [ModelId("model@1")]
            await ended(nodes, 2)

    asyncio.run(main())


def test_work_goes_to_the_node_that_has_the_bytes(tmp_path):
    async def main():
        async with working(tmp_path) as (_, nodes):
            near = nodes[2]
            run(nodes)
            await asyncio.sleep(0.5)  # all have asked for work
            await nodes[0].catalogue.write(take(1, near.node))
            await ended(nodes, 2)
            assert len(near.done) == 2

    asyncio.run(main())


def test_what_fails_on_one_node_is_tried_on_another_and_the_error_is_kept_meanwhile(tmp_path):
    async def main():
        async with working(tmp_path, works=()) as (_, nodes):
            failing, other, _ = nodes
            tries = []

            async def dies(lease):
                tries.append(lease.attempt)
                raise Unavailable("the worker died")

            failing.runner.offer({LOOK: dies})
            other.runner.offer({LOOK: handler(other)})
            run([failing])
            await nodes[0].catalogue.write(take(1))

            async def failed_once():
                return bool(tries)

            await until(failed_once)
            run([other])

            async def done():
                return other.done == [(asset(1), FRAMES)] and bool(await jobs_in(other, "done"))

            await until(done, 60)
            (job,) = [one for one in await jobs_in(other, "done") if one.kind == FRAMES]
            assert job.attempts == len(tries) + 1
            assert failing.node in job.tried

    asyncio.run(main())


def test_what_nobody_can_do_is_failed_at_once_with_its_reason_and_can_be_queued_again_by_hand(tmp_path):
    async def main():
        async with working(tmp_path, 2, 2, works=()) as (_, nodes):
            hopeless = True

            async def look(lease):
                if hopeless:
                    raise HopelessError("take 1 holds no picture that can be decoded")

            nodes[1].runner.offer({LOOK: look})
            run(nodes)
            await nodes[0].catalogue.write(take(1))

            async def failed():
                return bool(await jobs_in(nodes[0], "failed"))

            await until(failed)
            (job,) = await jobs_in(nodes[0], "failed")
            assert (job.attempts, job.error) == (1, "take 1 holds no picture that can be decoded")
            hopeless = False
            await Jobs(nodes[0].system, nodes[0].catalogue, nodes[0].clock).retry(asset(1), LOOK)

            async def done():
                return bool(await jobs_in(nodes[0], "done"))

            await until(done)

    asyncio.run(main())


def test_a_bug_in_a_handler_fails_its_job_after_bounded_attempts_and_nothing_else(tmp_path):
    async def main():
        async with working(tmp_path, 2, 2, works=()) as (_, nodes):

            async def broken(lease):
                raise KeyError("oops")

            nodes[0].runner.offer({LOOK: broken, CUT: handler(nodes[0])})
            run(nodes[:1])
            await nodes[0].catalogue.write(take(1))
            await ended(nodes, 2)
            (job,) = await jobs_in(nodes[0], "failed")
            assert (job.kind, job.attempts) == (FRAMES, core.ATTEMPTS_MAX)
            assert "KeyError" in job.error
            assert nodes[0].done == [(asset(1), SCENES)]

    asyncio.run(main())


def test_a_node_that_dies_in_the_middle_of_a_job_has_it_done_by_another(tmp_path):
    async def main():
        async with working(tmp_path, works=()) as (_, nodes):
            keeps, dies = nodes[0], nodes[2]
            began = asyncio.Event()

            async def stuck(lease):
                began.set()
                await asyncio.sleep(3600)

            dies.runner.offer({LOOK: stuck})
            run([dies])
            await keeps.catalogue.write(take(1))
            await began.wait()
            await until(lambda: settled(nodes))
            keeps.runner.offer({LOOK: handler(keeps)})
            run([keeps])
            await asyncio.sleep(3)
            assert keeps.done == []  # its holder renews the lease
            await stop(dies)

            async def done():
                return keeps.done == [(asset(1), FRAMES)]

            await until(done, 60)

    asyncio.run(main())


def test_a_node_that_stops_in_good_order_gives_its_work_back_before_the_lease_runs_out(tmp_path, monkeypatch):
    for module in (core, leases):
        monkeypatch.setattr(module, "LEASE_MS", 600_000)

    async def main():
        async with working(tmp_path, works=()) as (_, nodes):
            keeps, stops = nodes[0], nodes[2]
            began, cancelled = asyncio.Event(), asyncio.Event()

            async def stuck(lease):
                began.set()
                try:
                    await asyncio.sleep(3600)
                finally:
                    cancelled.set()

            stops.runner.offer({LOOK: stuck})
            run([stops])
            await keeps.catalogue.write(take(1))
            await began.wait()
            keeps.runner.offer({LOOK: handler(keeps)})
            run([keeps])
            await stops.runner.close()
            assert cancelled.is_set()
            assert stops.runner.running() == []

            async def done():
                return keeps.done == [(asset(1), FRAMES)]

            await until(done, 60)
            (job,) = await jobs_in(keeps, "done")
            assert (job.attempts, job.error) == (1, "")
            assert stops.done == []

    asyncio.run(main())


def test_a_lease_that_is_given_to_another_cancels_the_work_here(tmp_path):
    async def main():
        async with working(tmp_path, 2, 1, works=()) as (_, nodes):
            cancelled = asyncio.Event()
            began = asyncio.Event()

            async def slow(lease):
                began.set()
                try:
                    await asyncio.sleep(3600)
                finally:
                    cancelled.set()

            one = nodes[0]
            one.runner.offer({LOOK: slow})
            run([one])
            await one.catalogue.write(take(1))
            await began.wait()
            (lease,) = one.runner.running()
            row = await one.catalogue.get("jobs", asset(1), lease.lease.job)
            other = {"epoch": (row.fields["epoch"][0] + 5, "z" * 52), "holder": "z" * 52}
            await one.catalogue.write(Change("jobs", asset(1), row.sk, set=other))
            await asyncio.wait_for(cancelled.wait(), 20)

    asyncio.run(main())


def test_a_node_that_is_still_catching_up_neither_queues_nor_grants(tmp_path):
    async def main():
        async with working(tmp_path, 2, 2) as (_, nodes):
            for one in nodes:
                one.leases._synced = frozenset
            await nodes[0].catalogue.write(take(1))
            await until(lambda: settled(nodes))
            assert [await one.leases.reconcile_once() for one in nodes] == [0, 0]
            assert await nodes[0].catalogue.rows("jobs", asset(1)) == []
            await stop(nodes[1])  # alone there is nobody to catch up with
            nodes[0].leases._all_dirty = True

            async def queued():
                return len(await nodes[0].catalogue.rows("jobs", asset(1))) == 2

            await until(queued)

    asyncio.run(main())


def test_every_asset_gets_its_jobs_however_many_pages_of_them_there_are(tmp_path, monkeypatch):
    async def main():
        async with working(tmp_path, 1, 1) as (_, nodes):
            one = nodes[0]
            monkeypatch.setattr(rowscan, "SIFTED_ROWS", PAGE)
            count = 2 * PAGE + 3
            for number in range(count):
                await one.catalogue.write(take(number))
            one.leases._dirty.clear()  # as after a start: nothing tells which changed
            one.leases._all_dirty = True
            one.leases._wake.set()

            async def all_queued():
                return one.leases.waiting >= 2 * count

            await until(all_queued)

    asyncio.run(main())
