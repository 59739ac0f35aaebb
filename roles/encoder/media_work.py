"""Runs media workers: gives each its task, answers its reads, bounds its time, and tells how it ended.

A worker is untrusted code on untrusted bytes: it may crash, hang or fill its memory. Invariant: each of these ends as
``UnreadableError`` with a sentence about the file, and a copy that cannot be reached now ends as the PortError it is,
so that a node's trouble is never taken for the file's. What became of one file is never told of another: a worker that
had other files before, and dies, is not believed, and a fresh one is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import structlog

from mesh.ports import Unavailable, Worker, Workers, WorkerSpec
from proto import codec
from proto.codec import Malformed
from roles.encoder.adapters.wire import DONE, FAILED, PROBED, READ, MediaConfig, Probed, unpack, unpack_read
from roles.encoder.content import Content

PROBE_WORKER = "roles.encoder.adapters.probe_worker"
PROBE_NAME_CHARS_MAX = 200
STOP_GRACE_S = 0.2
KEPT_S = 10.0
"""How long a worker without a task is kept for the next: starting one takes a second of a processor."""

_log = structlog.get_logger("media work")


class UnreadableError(Exception):
    """The bytes themselves are the reason; one sentence for the one who brought them."""


class WorkerDiedError(UnreadableError):
    """The reader crashed, was killed or hung: the bytes may be the reason, and another try may tell."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker may use: seconds of processor, of waiting in all, and of silence between two frames; bytes of
    memory; and how much it yields to everything else."""

    cpu_s: int
    wall_s: float
    memory_bytes: int
    silent_s: float = 120.0
    nice: int = 5


PROBE_LIMITS = Limits(60, 120.0, 1 << 30)


class MediaWork:
    """Makes media workers. ``kept_s``: how long one that is done waits for another task."""

    def __init__(self, workers: Workers, kept_s: float = 0.0) -> None:
        self._workers = workers
        self._kept_s = kept_s
        self._kept: dict[tuple[str, Limits], list[tuple[Worker, asyncio.TimerHandle]]] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Stop the workers that wait for a task."""
        self._kept_s = 0.0
        for waiting in list(self._kept.values()):
            for worker, timer in list(waiting):
                timer.cancel()
                self._stop(worker)
        self._kept.clear()
        if self._stopping:
            await asyncio.wait(self._stopping)

    async def _given(self, module: str, task: bytes, limits: Limits) -> tuple[Worker, bool]:
        """Give a worker its task; tells whether it had others before."""
        waiting = self._kept.get((module, limits), [])
        while waiting:
            worker, timer = waiting.pop()
            timer.cancel()
            try:
                await worker.send(task)
            except Unavailable:
                self._stop(worker)
            else:
                return worker, True
        return await self._fresh(module, task, limits), False

    async def _fresh(self, module: str, task: bytes, limits: Limits) -> Worker:
        return await self._workers.spawn(WorkerSpec(module, task, limits.memory_bytes, limits.cpu_s, nice=limits.nice))

    def _keep(self, module: str, limits: Limits, worker: Worker) -> bool:
        if not self._kept_s:
            return False
        waiting = self._kept.setdefault((module, limits), [])

        def over() -> None:
            waiting.remove(one)
            self._stop(worker)

        one = worker, asyncio.get_running_loop().call_later(self._kept_s, over)
        waiting.append(one)
        return True

    def _stop(self, worker: Worker) -> None:
        task = asyncio.ensure_future(worker.stop(STOP_GRACE_S))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def probe(self, content: Content, name: str, limits: Limits = PROBE_LIMITS) -> Probed:
        """Tell what a file is; UnreadableError when it is nothing that can be shown or heard."""
        config = MediaConfig(name[:PROBE_NAME_CHARS_MAX], content.size)
        found: Probed | None = None
        async for frame in self.run(PROBE_WORKER, config, content, limits):
            if frame[:1] == PROBED:
                found = unpack(Probed, frame)
        if found is None:
            raise UnreadableError(f"{config.name} could not be read: its reader told nothing")
        return found

    async def run(
        self, module: str, config: MediaConfig, content: Content, limits: Limits
    ) -> AsyncGenerator[bytes, None]:
        """Run a worker over ``content``; gives its frames other than reads. UnreadableError says why it failed."""
        task = codec.encode(config)
        worker, used = await self._given(module, task, limits)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limits.wall_s
        ended = False
        try:
            while True:
                try:
                    async with asyncio.timeout_at(min(deadline, loop.time() + limits.silent_s)):
                        frame = await self._next(worker, content)
                except TimeoutError:
                    took_s = limits.wall_s if loop.time() >= deadline else limits.silent_s
                    raise WorkerDiedError(f"{config.name} took longer than {took_s:g} s to read") from None
                if frame is None and used:
                    await worker.wait()
                    worker, used = await self._fresh(module, task, limits), False
                    continue
                if frame is None:
                    ended = True
                    status = await worker.wait()
                    _log.warning("worker ended early", module=module, name=config.name, status=status)
                    raise WorkerDiedError(f"{config.name} could not be read: {_died(status, limits)}")
                if frame[:1] in (DONE, FAILED):
                    ended = self._keep(module, limits, worker)
                    if frame[:1] == FAILED:
                        raise UnreadableError(frame[1:].decode(errors="replace"))
                    return
                used = False  # it has told something of this file, which must not be told twice
                yield frame
        except Malformed as error:
            raise UnreadableError(f"{config.name} could not be read: its reader broke ({error})") from error
        finally:
            if not ended:
                await asyncio.shield(worker.stop(STOP_GRACE_S))

    async def _next(self, worker: Worker, content: Content) -> bytes | None:
        while True:
            frame = await worker.receive()
            if frame is None or frame[:1] != READ:
                return frame
            data = await content.read(*unpack_read(frame))
            try:
                await worker.send(data)
            except Unavailable:
                return None


def _died(status: int, limits: Limits) -> str:
    """Say in words why a worker ended."""
    if status in (-24, -9):  # SIGXCPU, and SIGKILL five seconds after it
        return f"it takes more than {limits.cpu_s} s of processor time"
    return f"its reader crashed (exit {status})"
