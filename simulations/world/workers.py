"""Worker processes in the simulator: scripts that speak the same frames, in the world's time.

Invariant: a script belongs to the life of the node that spawned it and ends with it; one that raises is a worker that
crashed, with exit status 1 (``SystemExit`` names another). The real processes pass the same contract tests
(``tests/contracts/test_workers.py``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from mesh.ports import WORKER_FRAME_BYTES_MAX, Unavailable, WorkerSpec

WAITING_FRAMES_MAX = 1024
WAITING_BYTES_MAX = 1 << 20
"""What is written and not read; a writer waits at more, as at a full pipe."""
SPAWN_S = 0.05


class _Way:
    """Frames one way: bounded, ended by the writer, broken when either end is gone."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._came = asyncio.Event()
        self._room = asyncio.Event()
        self.ended = False
        self.broken = False

    async def put(self, frame: bytes) -> None:
        """Write a frame; waits for room."""
        while not self.broken and (len(self._frames) >= WAITING_FRAMES_MAX or self._bytes >= WAITING_BYTES_MAX):
            self._room.clear()
            await self._room.wait()
        if self.broken:
            raise Unavailable("the worker is gone")
        self._frames.append(bytes(frame))
        self._bytes += len(frame)
        self._came.set()

    async def take(self) -> bytes | None:
        """Read the next frame, or None at the end."""
        while not self._frames:
            if self.ended or self.broken:
                return None
            self._came.clear()
            await self._came.wait()
        return self.poll()

    def poll(self) -> bytes | None:
        """Read a frame, if one is there."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self._bytes -= len(frame)
        self._room.set()
        return frame

    def end(self) -> None:
        """Write no more."""
        self.ended = True
        self._came.set()

    def tear(self) -> None:
        """Be broken: who waits for room is told."""
        self.broken = True
        self._came.set()
        self._room.set()


class ScriptPipe:
    """What a script has: frames from its node, frames to it."""

    def __init__(self, config: bytes) -> None:
        self.config = config
        self.input = _Way()
        self.output = _Way()

    @property
    def closed(self) -> bool:
        """Whether the node wants the worker to end, or it has ended."""
        return self.input.ended or self.input.broken

    async def receive(self) -> bytes | None:
        """Take a frame the node sent, or None once it wants the worker to end."""
        return await self.input.take()

    def poll(self) -> bytes | None:
        """Take a frame the node sent, if one is there."""
        return self.input.poll()

    async def send(self, frame: bytes) -> None:
        """Give the node a frame."""
        if not self.output.broken:
            await self.output.put(frame)


Script = Callable[[ScriptPipe], Awaitable[None]]
"""What a worker module does, as a coroutine function."""


class ScriptedWorker:
    """A ``ports.Worker`` that is a script."""

    def __init__(self, pid: int, script: Script, config: bytes) -> None:
        self._pid = pid
        self._pipe = ScriptPipe(config)
        self._status = 0
        self._task = asyncio.get_running_loop().create_task(self._run(script), name=f"worker/{pid}")

    @property
    def pid(self) -> int:
        """Its number in the world."""
        return self._pid

    async def send(self, frame: bytes) -> None:
        """Give it a frame."""
        if self._pipe.closed:
            raise Unavailable("the worker is gone")
        await self._pipe.input.put(frame)

    async def receive(self) -> bytes | None:
        """Take its next frame, or None when it has ended."""
        frame = await self._pipe.output.take()
        if frame is not None and len(frame) > WORKER_FRAME_BYTES_MAX:
            self.kill()
            return None
        return frame

    async def wait(self) -> int:
        """Wait for its end."""
        await asyncio.wait([self._task])
        return self._status

    async def stop(self, grace_s: float = 2.0) -> None:
        """Close its input, wait, then kill it."""
        self._pipe.input.end()
        await asyncio.wait([self._task], timeout=grace_s)
        self.kill()
        await asyncio.wait([self._task])

    def kill(self, status: int = -9) -> None:
        """Kill it, as the kernel or a person would."""
        if not self._task.done():
            self._status = status
            self._task.cancel()
        self._close()

    def _close(self) -> None:
        self._pipe.input.tear()
        self._pipe.output.end()

    async def _run(self, script: Script) -> None:
        try:
            await script(self._pipe)
        except asyncio.CancelledError:
            if self._status == 0:
                self._status = -15
        except SystemExit as error:
            self._status = error.code if isinstance(error.code, int) else 1
        except Exception:  # noqa: BLE001 - a worker that fails has an exit status, whatever failed
            self._status = 1
        finally:
            self._close()


class ScriptedWorkers:
    """A ``ports.Workers``: modules are scripts by name."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self._scripts = dict(scripts)
        self.spawned: list[ScriptedWorker] = []

    async def spawn(self, spec: WorkerSpec) -> ScriptedWorker:
        """Start a script; where none is of that name, as where no module is, the worker ends at once."""
        script = self._scripts.get(spec.module, _no_module)
        await asyncio.sleep(SPAWN_S)
        worker = ScriptedWorker(len(self.spawned) + 1, script, spec.config)
        self.spawned.append(worker)
        return worker


async def _no_module(_: ScriptPipe) -> None:
    raise SystemExit(1)
