"""Search over several nodes: as good as brute force, once for every moment, and honest about what is missing."""

import asyncio
from contextlib import asynccontextmanager

import numpy as np
import pytest
from storage_cluster import join, mesh, settled, start, stop, until

from mesh.actors.search import Search
from mesh.adapters.vectors import ExactIndex, best_index
from mesh.core.rows import Change
from mesh.ports import Unavailable
from proto.ids import PARTITIONS, ModelId
from proto.messages.search import Embedded
from roles.storage.shards import Shards

MODEL = ModelId("test@1")
DIMENSION = 24


class Embedder:
    """Words are numbers of a seeded vector, or vectors given by name."""

    model, dimension, floor = MODEL, DIMENSION, -1.0

    def __init__(self):
        self.known = {}

    async def embed_text(self, text):
        return self.known[text]

    async def embed_frames(self, jpegs):
        raise AssertionError("not asked here")


class Models:
    def __init__(self):
        self.nodes = {MODEL: []}

    def embedders(self):
        return self.nodes


def vectors(count, seed=1):
    made = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype("<f4")
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def asset_id(number):
    return f"{number:026d}"


def rows_of(number, frames, **fields):
    """Give an asset whose frames, one a second, have these vectors."""
    told = {"name": f"clip {number}", "kind": "video", "state": "ready", "created_ms": 1_000_000 * number, **fields}
    changes = [Change("assets", asset_id(number), set=told)]
    for at, vector in enumerate(frames):
        row = {"model": MODEL, "vector": vector.tobytes(), "at_ms": at * 1000, "tags": ()}
        changes.append(Change("vectors", asset_id(number), f"{MODEL}/{at * 1000:012d}", set=row))
    return changes


async def with_search(one, make_index=best_index):
    one.shards = Shards(one.system, one.rows, one.executor, make_index, one.view.counting_by, one.view.held)
    await one.shards.open()
    one.embedder, one.models = Embedder(), Models()
    one.search = Search(one.system, one.catalogue, one.view, one.models, lambda: one.embedder)


@asynccontextmanager
async def searching(folder, count=3, copies=2, make_index=best_index):
    async with mesh(folder, count, copies) as (fabric, nodes):
        for one in nodes:
            await with_search(one, make_index)
        yield fabric, nodes


async def fill(nodes, changes):
    for at in range(0, len(changes), 128):
        await nodes[0].catalogue.write(*changes[at : at + 128])

    async def indexed():
        return await settled(nodes) and all(one.shards.ready and not one.shards.behind for one in nodes)

    await until(indexed, 60)


def test_sharded_search_finds_what_brute_force_finds_from_every_node_and_none_holds_all(tmp_path):
    async def main():
        async with searching(tmp_path) as (_, nodes):
            frames = vectors(60 * 20).reshape(60, 20, DIMENSION)
            # Seconds apart by a minute, so that every frame is a moment of its own.
            changes = []
            for number in range(60):
                changes += rows_of(number, frames[number])
            for change in changes:
                if change.table == "vectors":
                    change.set["at_ms"] *= 60
            await fill(nodes, changes)
            held = [sum(one.shards.sizes().values()) for one in nodes]
            assert sum(held) == 2 * 1200
            assert max(held) < 1200
            flat = frames.reshape(-1, DIMENSION)
            found = 0
            queries = vectors(30, seed=9)
            for number, query in enumerate(queries):
                one = nodes[number % 3]
                one.embedder.known["zz"] = query.tobytes()
                answer = await one.search.search("zz", limit=100)
                assert (answer.shards_ok, answer.shards_total, answer.missing) == (PARTITIONS, PARTITIONS, "")
                best = {(asset_id(at // 20), at % 20 * 60_000) for at in np.argsort(-(flat @ query))[:10]}
                places = [(hit.asset, hit.at_ms) for hit in answer.hits]
                assert len(places) == len(set(places))
                found += len(best & set(places[:10]))
            assert found / 300 >= 0.98

    asyncio.run(main())


@pytest.mark.parametrize("make_index", [best_index, ExactIndex])
def test_filters_leave_only_what_they_say_and_find_all_of_it(tmp_path, make_index):
    async def main():
        async with searching(tmp_path, 2, 1, make_index) as (_, nodes):
            frames = vectors(120).reshape(40, 3, DIMENSION)
            changes = []
            for number in range(40):
                camera = "front" if number == 7 else "back"
                kind = "image" if number % 10 == 3 else "video"
                changes += rows_of(number, frames[number], camera=camera, kind=kind)
            await fill(nodes, changes)
            one = nodes[1]
            one.embedder.known["zz"] = frames[7][1].tobytes()

            async def assets(**more):
                answer = await one.search.search("zz", limit=100, **more)
                assert answer.shards_ok == PARTITIONS
                return [hit.asset for hit in answer.hits]

            assert await assets(camera="front") == [asset_id(7)]
            assert sorted(set(await assets(kind="image"))) == [asset_id(number) for number in (3, 13, 23, 33)]
            assert (await assets(since_ms=39_000_000)) == [asset_id(39)]
            assert set(await assets(until_ms=1_500_000)) == {asset_id(0), asset_id(1)}
            assert await assets(camera="front", since_ms=8_000_000) == []
            # down to the second: only the last frame of the asset lies late enough
            late = await one.search.search("zz", since_ms=39_002_000)
            assert [hit.at_ms for hit in late.hits] == [2000]

    asyncio.run(main())


def test_words_and_looks_are_one_answer_and_a_scene_of_the_words_opens_at_its_place(tmp_path):
    async def main():
        async with searching(tmp_path) as (_, nodes):
            frames = vectors(6).reshape(2, 3, DIMENSION)
            changes = [*rows_of(0, frames[0], name="harbour"), *rows_of(1, frames[1], name="street")]
            scene = {"end_ms": 3000, "hero": "ab" * 32, "hero_ms": 2000}
            changes.append(Change("scenes", asset_id(1), f"{2000:012d}", set=scene, add={"tags": ("tram", "person")}))
            changes.append(Change("assets", asset_id(1), add={"auto_tags": ("tram", "person")}))
            await fill(nodes, changes)
            for one in nodes:
                one.embedder.known |= {word: frames[0][0].tobytes() for word in ("tram", "harbour")}
                by_scene = await one.search.search("tram", limit=10)
                there = [hit for hit in by_scene.hits if hit.asset == asset_id(1) and "seen here" in "".join(hit.why)]
                assert [(hit.at_ms, hit.poster) for hit in there] == [(2000, "ab" * 32)]
                first = (await one.search.search("harbour", limit=10)).hits[0]
                assert (first.asset, first.at_ms, len(first.why)) == (asset_id(0), 0, 2)

    asyncio.run(main())


def test_what_is_in_the_trash_is_not_found_and_comes_back_with_it(tmp_path):
    async def main():
        async with searching(tmp_path, 2, 2) as (_, nodes):
            frames = vectors(2).reshape(1, 2, DIMENSION)
            await fill(nodes, rows_of(0, frames[0]))
            nodes[1].embedder.known["zz"] = frames[0][0].tobytes()
            assert len((await nodes[1].search.search("zz")).hits) == 1
            await fill(nodes, [Change("assets", asset_id(0), set={"trashed_ms": 5})])
            assert (await nodes[1].search.search("zz")).hits == ()
            await fill(nodes, [Change("assets", asset_id(0), set={"trashed_ms": 0})])

            async def back():
                return len((await nodes[1].search.search("zz")).hits) == 1

            await until(back)

    asyncio.run(main())


def test_with_a_pair_of_holders_gone_the_answer_says_how_many_shards_are_missing(tmp_path):
    async def main():
        async with searching(tmp_path, 4, 2) as (_, nodes):
            frames = vectors(80).reshape(40, 2, DIMENSION)
            await fill(nodes, [change for number in range(40) for change in rows_of(number, frames[number])])
            for gone in nodes[2:]:
                await stop(gone)
            one = nodes[0]
            one.embedder.known["zz"] = vectors(1, 5)[0].tobytes()
            answer = await one.search.search("zz", limit=100)
            assert 0 < answer.shards_ok < answer.shards_total == PARTITIONS
            assert f"{PARTITIONS - answer.shards_ok} of {PARTITIONS} shards did not answer" in answer.missing
            assert 0 < len({hit.asset for hit in answer.hits}) < 40

    asyncio.run(main())


def test_a_replica_that_is_silent_gets_company_and_the_answer_is_whole(tmp_path):
    async def main():
        async with searching(tmp_path) as (_, nodes):
            frames = vectors(40).reshape(20, 2, DIMENSION)
            await fill(nodes, [change for number in range(20) for change in rows_of(number, frames[number])])

            async def silent(message):
                await asyncio.sleep(60)

            nodes[2].shards._search = silent
            nodes[0].embedder.known["zz"] = vectors(1, 5)[0].tobytes()
            answer = await nodes[0].search.search("zz", limit=100)
            assert (answer.shards_ok, len({hit.asset for hit in answer.hits})) == (PARTITIONS, 20)

    asyncio.run(main())


def test_a_node_that_starts_again_builds_its_shards_from_its_rows(tmp_path):
    async def main():
        async with searching(tmp_path, 2, 2) as (fabric, nodes):
            frames = vectors(30).reshape(10, 3, DIMENSION)
            await fill(nodes, [change for number in range(10) for change in rows_of(number, frames[number])])
            await stop(nodes[1])
            again = nodes[1] = await start(fabric, tmp_path, 1)
            await with_search(again)
            await join(again, nodes[:1])

            async def ready():
                return again.shards.ready and await settled(nodes)

            await until(ready)
            assert again.shards.sizes() == {MODEL: 30}
            again.embedder.known["zz"] = frames[4][2].tobytes()
            first = (await again.search.search("zz")).hits[0]
            assert (first.asset, first.at_ms) == (asset_id(4), 2000)

    asyncio.run(main())


class EncoderElsewhere:
    def __init__(self, vector):
        self.vector, self.asked = vector, 0

    async def receive(self, message, context):
        self.asked += 1
        if self.vector is None:
            raise Unavailable("the model's process ended")
        return Embedded(message.model, self.vector, -1.0)


def test_words_are_embedded_by_a_node_that_has_the_model_and_without_one_the_answer_says_so(tmp_path):
    async def main():
        async with searching(tmp_path, 2, 2) as (_, nodes):
            frames = vectors(2).reshape(1, 2, DIMENSION)
            await fill(nodes, rows_of(0, frames[0], name="harbour"))
            one, other = nodes
            one.search = Search(one.system, one.catalogue, one.view, one.models, lambda: None, lambda: "")
            there = EncoderElsewhere(frames[0][0].tobytes())
            other.system.spawn("encoder", there)
            one.models.nodes = {MODEL: [other.node]}
            answer = await one.search.search("boats")
            assert (answer.model, len(answer.hits), there.asked, answer.missing) == (MODEL, 1, 1, "")
            there.vector = None
            answer = await one.search.search("harbour")
            assert [hit.name for hit in answer.hits] == ["harbour"]
            assert "no node could run the model" in answer.missing
            one.models.nodes = {}
            answer = await one.search.search("harbour")
            assert [hit.name for hit in answer.hits] == ["harbour"]
            assert "pip install 'thatdam[ai]'" in answer.missing
            assert answer.shards_ok == PARTITIONS

    asyncio.run(main())


def test_a_filter_follows_an_asset_whose_camera_or_kind_changes(tmp_path):
    async def main():
        async with searching(tmp_path, 1, 1) as (_, nodes):
            one = nodes[0]
            one.embedder.known = {"it": vectors(1)[0].tobytes()}
            await fill(nodes, rows_of(1, vectors(1), camera="front"))

            async def found(**filters):
                return [hit.asset for hit in (await one.search.search("it", **filters)).hits]

            assert await found(camera="front", kind="video") == [asset_id(1)]
            assert await found(camera="back") == []
            await one.catalogue.write(Change("assets", asset_id(1), set={"camera": "back", "kind": "take"}))
            assert await found(camera="front") == []
            assert await found(camera="back", kind="take") == [asset_id(1)]
            assert await found(camera="back", kind="video") == []

    asyncio.run(main())
