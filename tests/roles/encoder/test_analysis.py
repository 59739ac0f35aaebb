"""What L1 and L2 write of an asset, whichever ends last, and which failures are another try."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from mesh.actors.jobs import HopelessError
from mesh.core.rows import Change, apply
from mesh.ports import NotFound, Refused, Seen, Tag, Unavailable
from proto.ids import AssetId, ModelId
from proto.messages.jobs import Lease
from roles.encoder.adapters.wire import DONE, FAILED, PICTURE, SCENE, Picture, Scene, pack
from roles.encoder.analysis import EMBED_AT_ONCE, Analyst
from roles.encoder.media_work import MediaWork

ASSET = AssetId("s" * 26)
MODEL = ModelId("m@1")


class Rows:
    """The catalogue of one node, in memory."""

    def __init__(self):
        self.entries, self.stamp = {}, 0

    async def write(self, *changes):
        for change in changes:
            self.stamp += 1
            key = (change.table, change.pk, change.sk)
            self.entries[key] = apply(self.entries.get(key), change, (self.stamp << 16, "n" * 52))
        return ""

    async def get(self, table, pk, sk=""):
        found = self.entries.get((table, pk, sk))
        return found.row() if found is not None and found.alive else None

    async def rows(self, table, pk):
        keys = sorted(key for key in self.entries if key[:2] == (table, pk))
        return [self.entries[key].row() for key in keys if self.entries[key].alive]


class Embedder:
    model, dimension, floor = MODEL, 2, 0.3

    def __init__(self):
        self.failure, self.most = None, 0

    async def embed_frames(self, jpegs):
        self.most = max(self.most, len(jpegs))
        if self.failure is not None:
            raise self.failure
        words = {b"cat": (Tag("cat", 0.9),), b"cup": (Tag("cup", 0.8), Tag("table", 0.6))}
        return [Seen(np.array([1, len(jpeg)], "<f4").tobytes(), words.get(jpeg, ())) for jpeg in jpegs]


class Worker:
    pid = 1

    def __init__(self, frames):
        self.frames, self.stopped = list(frames), False

    async def send(self, frame):
        pass

    async def receive(self):
        return self.frames.pop(0) if self.frames else None

    async def wait(self):
        return -9

    async def stop(self, grace_s=2.0):
        self.stopped = True


class World:
    """An analyst over an asset whose workers tell what a test says."""

    def __init__(self, **fields):
        self.rows, self.embedder, self.heroes, self.workers = Rows(), Embedder(), [], []
        self.fields = {"kind": "video", "name": "clip", "state": "ready", **fields}
        self.script = []
        self.missing = None
        work = MediaWork(self)
        models = SimpleNamespace(known=lambda: [MODEL])
        self.analyst = Analyst(self.rows, self, self, work, models, self.embedder)

    async def spawn(self, spec):
        self.workers.append(Worker(self.script))
        return self.workers[-1]

    async def open(self, row):
        if self.missing is not None:
            raise self.missing
        return SimpleNamespace(size=100)

    async def put(self, data, asset):
        self.heroes.append(data)
        return bytes([len(self.heroes)]) * 32

    async def begin(self):
        await self.rows.write(Change("assets", ASSET, set=self.fields))

    async def frames(self, *script, version=MODEL):
        self.script = script
        await self.analyst.frames(Lease(ASSET, "j", "L1", version, 1, "g", 30_000, 1))

    async def scenes(self, *script):
        self.script = script
        await self.analyst.scenes(Lease(ASSET, "j", "L2", "content-1", 1, "g", 30_000, 1))

    async def tags(self):
        return {int(row.sk): row.sets.get("tags", ()) for row in await self.rows.rows("scenes", ASSET)}


def picture(second, what):
    return pack(PICTURE, Picture(second * 1000, what))


def scene(start, end, hero=b"hero"):
    return pack(SCENE, Scene(start * 1000, end * 1000, start * 1000 + 500, hero))


PICTURES = (picture(0, b"cat"), picture(1, b"cat"), picture(3, b"cup"), picture(4, b"cup"), picture(5, b"wall"), DONE)
SCENES = (scene(0, 3), scene(3, 6), DONE)


def run(test, **fields):
    async def main():
        world = World(**fields)
        await world.begin()
        await test(world)

    asyncio.run(main())


@pytest.mark.parametrize("frames_first", [True, False])
def test_scenes_have_the_words_of_their_frames_whichever_job_ends_last(frames_first):
    async def test(world):
        steps = [world.frames(*PICTURES), world.scenes(*SCENES)]
        for step in steps if frames_first else reversed(steps):
            await step
        assert await world.tags() == {0: ("cat",), 3000: ("cup", "table")}
        asset = await world.rows.get("assets", ASSET)
        assert asset.sets["auto_tags"] == ("cat", "cup", "table")
        vectors = [row for row in await world.rows.rows("vectors", ASSET) if "vector" in row.fields]
        assert [row.sk for row in vectors] == [f"m@1/{second * 1000:012d}" for second in (0, 1, 3, 4, 5)]
        assert {row.fields["model"] for row in vectors} == {MODEL}
        assert [row.fields["tags"] for row in vectors][2:4] == [("cup", "table")] * 2
        first = (await world.rows.rows("scenes", ASSET))[0]
        assert (first.fields["end_ms"], first.fields["hero"]) == (3000, (b"\x01" * 32).hex())
        assert world.embedder.most <= EMBED_AT_ONCE

    run(test)


def test_a_job_that_runs_twice_changes_nothing():
    async def test(world):
        for _ in range(2):
            await world.frames(*PICTURES)
            await world.scenes(*SCENES)
        first = {key: entry.row().fields for key, entry in world.rows.entries.items() if key[0] == "vectors"}
        await world.frames(*PICTURES)
        assert {key: e.row().fields for key, e in world.rows.entries.items() if key[0] == "vectors"} == first
        assert await world.tags() == {0: ("cat",), 3000: ("cup", "table")}

    run(test)


def test_scenes_that_are_no_more_are_taken_away_and_words_that_are_not_seen_any_more_too():
    async def test(world):
        await world.frames(*PICTURES)
        await world.scenes(*SCENES)
        await world.scenes(scene(0, 6, b""), DONE)
        assert await world.tags() == {0: ("cat", "cup", "table")}
        await world.frames(picture(0, b"cat"), DONE)
        assert await world.tags() == {0: ("cat",)}
        assert (await world.rows.get("assets", ASSET)).sets["auto_tags"] == ("cat",)

    run(test)


def test_what_the_bytes_are_to_blame_for_is_hopeless():
    async def test(world):
        for job in (world.frames, world.scenes):
            with pytest.raises(HopelessError, match="no picture"):
                await job(FAILED + b"clip has no pictures")
        world.embedder.failure = Refused("not a JPEG picture")
        with pytest.raises(HopelessError, match="JPEG"):
            await world.frames(*PICTURES)

    run(test)


def test_a_dead_worker_model_or_node_is_another_try_and_no_worker_is_left_behind():
    async def test(world):
        for job in (world.frames, world.scenes):
            with pytest.raises(Unavailable, match=r"processor time|crashed"):
                await job(PICTURES[0])
        world.embedder.failure = Unavailable("the model's process ended")
        with pytest.raises(Unavailable, match="model's process"):
            await world.frames(*PICTURES)
        assert world.workers[-1].stopped
        world.embedder.failure = None
        with pytest.raises(Unavailable, match="no longer has the model"):
            await world.frames(*PICTURES, version="m@2")
        world.missing = NotFound("this asset has no bytes yet")
        with pytest.raises(Unavailable, match="no bytes yet"):
            await world.frames(*PICTURES)
        assert not any(key[0] == "vectors" for key in world.rows.entries)

    run(test)


def test_an_asset_that_is_gone_is_hopeless():
    async def test(world):
        world.rows.entries.clear()
        with pytest.raises(HopelessError, match="gone"):
            await world.frames(*PICTURES)

    run(test)
