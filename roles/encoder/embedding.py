"""A model behind a worker process: a ``ports.Embedder`` whose crash, hang or hunger for memory costs a process.

The worker is started when it is first needed and stopped again once nobody has asked for IDLE_S, unless it is to stay.
Invariant: requests take turns; at most WAITING_MAX wait; a request that was begun is read to its end even when its
asker has gone, so that no answer is taken for another's.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from mesh.ports import Clock, Refused, Seen, Tag, Unavailable, Worker, Workers, WorkerSpec
from proto import codec
from proto.codec import Malformed
from proto.ids import ModelId
from roles.encoder.adapters.wire import (
    FAILED,
    FRAMES,
    LATER,
    LOOKS,
    MODEL,
    TEXT,
    VECTOR,
    EmbedConfig,
    Frames,
    Looks,
    Model,
    pack,
    unpack,
)

WORKER = "roles.encoder.adapters.embed_worker"
LOAD_S, FETCH_S = 180.0, 3600.0
"""A large model from a slow disk; a model id, which is downloaded the first time."""
ANSWER_S = 60.0
WAITING_MAX = 64
TEXTS_KEPT = 256
IDLE_S = 60.0
STOP_GRACE_S = 1.0
OFFLINE_MEMORY_BYTES, GIVEN_MEMORY_BYTES = 3 << 30, 12 << 30
"""Bytes of data a worker may map: the offline models, or a model of the user's choice with torch."""

_log = structlog.get_logger("embedding")


class NoModelError(Unavailable):
    """The model cannot be loaded here; the text names what is missing and how to add it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which model: empty for the offline one; ``cache`` is a folder for what it keeps."""

    model: str
    cache: str

    @property
    def memory_bytes(self) -> int:
        """Bytes the worker may map."""
        return GIVEN_MEMORY_BYTES if self.model else OFFLINE_MEMORY_BYTES

    @property
    def load_s(self) -> float:
        """How long loading may take."""
        return FETCH_S if self.model else LOAD_S


class WorkerEmbedder:
    """The model a Choice names. ``stays``: its worker is kept while nobody asks."""

    def __init__(self, workers: Workers, choice: Choice, clock: Clock, *, nice: int, stays: bool) -> None:
        self._workers = workers
        self._choice = choice
        self._clock = clock
        self._nice = nice
        self._stays = stays
        self._worker: Worker | None = None
        self._told: Model | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._used_s = 0.0
        self._texts: OrderedDict[str, bytes] = OrderedDict()
        self._running: set[asyncio.Task[bytes]] = set()

    @property
    def model(self) -> ModelId:
        """The loaded model's id with its version; ``load`` first."""
        return ModelId(self._known.model)

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        return self._known.dimension

    @property
    def floor(self) -> float:
        """Similarity under which words and a picture have nothing to do with each other."""
        return self._known.floor

    @property
    def _known(self) -> Model:
        if self._told is None:
            raise NoModelError("the model is not loaded yet")
        return self._told

    async def load(self) -> Model:
        """Start the worker and give what it loaded; NoModelError says what is missing."""
        async with self._turn:
            await self._start()
        return self._known

    async def embed_text(self, text: str) -> bytes:
        """Give the unit vector of a text; the last TEXTS_KEPT are remembered."""
        kept = self._texts.get(text)
        if kept is None:
            answer = await self._request(TEXT + text.encode())
            if answer[:1] != VECTOR:
                raise Unavailable("the model answered something else than a vector")
            kept = self._texts[text] = answer[1:]
            if len(self._texts) > TEXTS_KEPT:
                self._texts.popitem(last=False)
        self._texts.move_to_end(text)
        return kept

    async def embed_frames(self, jpegs: Sequence[bytes]) -> list[Seen]:
        """Give what is seen in each JPEG; Refused when one is no picture."""
        answer = await self._request(pack(FRAMES, Frames(tuple(jpegs))))
        looks = unpack(Looks, answer).looks if answer[:1] == LOOKS else ()
        if len(looks) != len(jpegs):
            raise Unavailable("the model answered for another number of pictures")
        return [Seen(look.vector, tuple(Tag(word, sure) for word, sure in look.tags)) for look in looks]

    async def keep(self) -> None:
        """Stop the worker when nobody asks for long. Runs until cancelled."""
        try:
            while True:
                await asyncio.sleep(IDLE_S / 4)
                idle = self._clock.monotonic() - self._used_s > IDLE_S
                if idle and not self._stays and not self._turn.locked():
                    async with self._turn:
                        await self._stop()
        finally:
            await self._stop()

    # ------------------------------------------------------------ the worker

    async def _request(self, frame: bytes) -> bytes:
        if self._waiting >= WAITING_MAX:
            raise Unavailable(f"{WAITING_MAX} requests wait for the model; try again in a moment")
        self._waiting += 1
        task = asyncio.get_running_loop().create_task(self._exchange(frame), name="embedding/exchange")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[bytes]) -> None:
        self._waiting -= 1
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # its asker may have gone; then nobody else looks

    async def _exchange(self, frame: bytes) -> bytes:
        async with self._turn:
            worker = await self._start()
            self._used_s = self._clock.monotonic()
            try:
                async with asyncio.timeout(ANSWER_S):
                    await worker.send(frame)
                    answer = await worker.receive()
            except TimeoutError:
                await self._stop()
                raise Unavailable(f"the model did not answer within {ANSWER_S:g} s") from None
            except BaseException:
                await self._stop()
                raise
            self._used_s = self._clock.monotonic()
            if answer is None:
                await self._stop()
                raise Unavailable("the model's process ended in the middle of a request")
            if answer[:1] == FAILED:
                raise Refused(answer[1:].decode(errors="replace"))
            return answer

    async def _start(self) -> Worker:
        if self._worker is not None:
            return self._worker
        config = EmbedConfig(self._choice.model, self._choice.cache)
        worker = await self._workers.spawn(
            WorkerSpec(WORKER, codec.encode(config), self._choice.memory_bytes, None, nice=self._nice)
        )
        try:
            async with asyncio.timeout(self._choice.load_s):
                first = await worker.receive()
            if first is None:
                raise Unavailable("the model's process ended while it loaded")
            if first[:1] == LATER:
                raise Unavailable(first[1:].decode(errors="replace"))
            if first[:1] != MODEL:
                raise NoModelError(first[1:].decode(errors="replace"))
            told = unpack(Model, first)
        except TimeoutError:
            await worker.stop(STOP_GRACE_S)
            raise Unavailable(f"the model did not load within {self._choice.load_s:g} s") from None
        except Malformed as error:
            await worker.stop(STOP_GRACE_S)
            raise Unavailable("the model's process told nonsense") from error
        except BaseException:
            await asyncio.shield(worker.stop(STOP_GRACE_S))
            raise
        if self._told is not None and told.model != self._told.model:
            _log.warning("another model than before", model=told.model, before=self._told.model)
        self._told, self._worker = told, worker
        self._used_s = self._clock.monotonic()
        _log.info("model loaded", model=told.model, pid=worker.pid)
        return worker

    async def _stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await asyncio.shield(worker.stop(STOP_GRACE_S))
