"""What an Embedder promises: the offline model in its worker, and the simulator's eyes, bare and in one."""

import asyncio
import math
import struct

import pytest

from mesh.adapters.clock import SystemClock
from mesh.adapters.workers import ProcessWorkers
from mesh.ports import Embedder, Refused
from roles.encoder.embedding import WORKER, Choice, WorkerEmbedder
from simulations.world import eyes
from simulations.world.clock import FakeClock
from simulations.world.eyes import Eyes, picture_of
from simulations.world.workers import ScriptedWorkers
from tests.contracts.kinds import run

PORTS = (Embedder,)
REAL = (WorkerEmbedder,)
FAKE = (Eyes,)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("models"))


@pytest.fixture(params=["offline", "eyes", "scripted"])
def over(request, cache):
    """Run a case over an embedder and its pictures of coffee and of a cat."""

    async def whole(case):
        if request.param == "offline":
            from tests.roles.encoder import photos

            made = WorkerEmbedder(ProcessWorkers(), Choice("", cache), SystemClock(), nice=0, stays=True)
            all_photos = photos.jpegs()
            pictures = {"coffee": all_photos["coffee"], "cat": all_photos["chelsea"]}
        else:
            pictures = {"coffee": picture_of("coffee"), "cat": picture_of("cat", 500)}
            if request.param == "eyes":
                await case(Eyes(), pictures)
                return
            workers = ScriptedWorkers({WORKER: eyes.embed})
            clock = FakeClock(asyncio.get_running_loop().time)
            made = WorkerEmbedder(workers, Choice("", ""), clock, nice=0, stays=True)
        await made.load()
        keeping = asyncio.ensure_future(made.keep())
        try:
            await case(made, pictures)
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])

    return lambda case: run("real" if request.param == "offline" else "fake", whole, case)


def numbers(embedder, vector):
    assert len(vector) == 4 * embedder.dimension
    return struct.unpack(f"<{embedder.dimension}f", vector)


def similarity(embedder, one, other):
    return sum(a * b for a, b in zip(numbers(embedder, one), numbers(embedder, other), strict=True))


def test_words_and_pictures_have_unit_vectors_of_one_length_and_words_with_confidence(over):
    async def case(embedder, pictures):
        assert embedder.model
        assert -1.0 < embedder.floor < 1.0
        seen = await embedder.embed_frames(list(pictures.values()))
        assert len(seen) == 2
        for vector in (await embedder.embed_text("a cup of coffee"), *(one.vector for one in seen)):
            assert math.hypot(*numbers(embedder, vector)) == pytest.approx(1.0, abs=1e-3)
        for one in seen:
            sure = [tag.confidence for tag in one.tags]
            assert all(0.0 < confidence <= 1.0 for confidence in sure)
            assert sure == sorted(sure, reverse=True)
            assert all(tag.word for tag in one.tags)

    over(case)


def test_the_same_gives_the_same_and_pictures_keep_their_order(over):
    async def case(embedder, pictures):
        assert await embedder.embed_text("coffee") == await embedder.embed_text("coffee")
        assert await embedder.embed_text("coffee") != await embedder.embed_text("cat")
        coffee, cat = pictures["coffee"], pictures["cat"]
        one = await embedder.embed_frames([coffee, cat, coffee])
        other = await embedder.embed_frames([cat, coffee])
        assert [one[0].vector, one[1].vector] == [other[1].vector, other[0].vector]
        assert one[0].vector == one[2].vector

    over(case)


def test_a_picture_is_over_the_floor_of_its_word_and_nearer_to_it_than_another(over):
    async def case(embedder, pictures):
        words = {word: await embedder.embed_text(word) for word in pictures}
        for word, picture in pictures.items():
            (seen,) = await embedder.embed_frames([picture])
            near = {other: similarity(embedder, seen.vector, vector) for other, vector in words.items()}
            assert max(near, key=near.__getitem__) == word
            assert near[word] >= embedder.floor

    over(case)


def test_what_is_no_picture_is_refused_and_the_next_is_seen(over):
    async def case(embedder, pictures):
        with pytest.raises(Refused):
            await embedder.embed_frames([pictures["cat"], b"nothing of the kind"])
        assert len(await embedder.embed_frames([pictures["cat"]])) == 1
        assert await embedder.embed_frames([]) == []

    over(case)


def test_many_ask_at_once_and_each_gets_its_own(over):
    async def case(embedder, pictures):
        words = [f"word {number}" for number in range(12)]
        alone = [await embedder.embed_text(word) for word in words[:3]]
        at_once = await asyncio.gather(*(embedder.embed_text(word) for word in words))
        assert at_once[:3] == alone
        assert len(set(at_once)) == len(words)

    over(case)
