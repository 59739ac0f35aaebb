"""A search says what is not in the index yet: counted once, whichever node is asked, and no more once it is done."""

import asyncio
import dataclasses

from storage_cluster import mesh, settled, stop, until

from mesh.actors.search import Search
from mesh.core.jobs import FRAMES, SCENES, SCENES_VERSION, Work, fields_of, new_job
from mesh.core.rows import Change
from proto.ids import AssetId, ModelId
from roles.storage.waiting import WaitingCounts

MODEL = ModelId("test@1")
LOOK = Work(FRAMES, MODEL)


class Models:
    def embedders(self):
        return {MODEL: []}


def asset(number):
    return AssetId(f"{number:026d}")


def job(number, work=LOOK, **changed):
    made = dataclasses.replace(new_job(asset(number), work, 1), **changed)
    return Change("jobs", made.asset, made.job, set=fields_of(made))


def kept(number, **fields):
    return Change("assets", asset(number), set={"name": f"clip {number}", "state": "ready", **fields})


def test_what_waits_is_counted_once_on_every_node_and_no_more_when_it_has_ended(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, 2) as (_, nodes):
            for one in nodes:
                WaitingCounts(one.system, one.rows).open()
                one.search = Search(one.system, one.catalogue, one.view, Models(), lambda: None)
            writer = nodes[0].catalogue
            takes = [kept(number, kind="take", state="recording") for number in range(3)]
            files = [kept(number, kind="other") for number in range(10, 14)]
            seen = [kept(number, kind="video", probed="1") for number in range(20, 30)]
            await writer.write(*takes, *files, *seen)
            await writer.write(*(job(number) for number in range(20, 30)))
            await writer.write(job(20, Work(SCENES, SCENES_VERSION)), job(21, Work(FRAMES, "another@1")))

            async def all_say(recording, waiting):
                told = [await one.search.search("clip") for one in nodes]
                return {(one.recording, one.waiting) for one in told} == {(recording, waiting)}

            await until(lambda: all_say(3, 14), 60)
            await writer.write(kept(0, kind="take"), kept(10, kind="video", probed="1"), kept(11, trashed_ms=5))
            await writer.write(job(20, state="done"), job(21, state="failed"), job(22, state="leased", epoch=(1, "a")))
            await writer.write(Change("jobs", asset(23), job(23).sk, delete=True))
            await until(lambda: all_say(2, 2 + 7), 60)

            # A node that went is stood in for by the others that hold its partitions.
            await until(lambda: settled(nodes), 60)
            await stop(nodes.pop())
            await until(lambda: all_say(2, 9), 60)

    asyncio.run(main())


def test_what_there_was_before_the_start_is_counted(tmp_path):
    async def main():
        async with mesh(tmp_path, 1, 1) as (_, (one,)):
            await one.catalogue.write(kept(1, kind="take", state="recording"), kept(2, kind="other"), job(3))
            search = Search(one.system, one.catalogue, one.view, Models(), lambda: None)
            told = await search.search("clip")
            assert (told.recording, told.waiting) == (0, 0)  # nobody counts, and the search does not fail for it
            WaitingCounts(one.system, one.rows).open()

            async def counted():
                told = await search.search("clip")
                return (told.recording, told.waiting) == (1, 2)

            await until(counted, 60)

    asyncio.run(main())
