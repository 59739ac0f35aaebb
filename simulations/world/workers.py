"""Worker processes in the simulator: scripts that speak the same frames, in the world's time.

Invariant: a script belongs to the life of the node that spawned it and ends with it; one that raises is a worker that
crashed, with exit status 1.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from mesh.ports import Unavailable, WorkerSpec

WAITING_FRAMES_MAX = 1024
"""Frames written and not read; a script waits at one more, as at a full pipe."""


class ScriptPipe:
    """What a script has: frames from its node, frames to it."""

    def __init__(self, config: bytes) -> None:
        self.config = config
        self._to_script: deque[bytes | None] = deque()
        self._to_node: deque[bytes | None] = deque()
        self._script_wakes = asyncio.Event()
        self._node_wakes = asyncio.Event()
        self._room = asyncio.Event()
        self.closed = False

    async def receive(self) -> bytes | None:
        """Take a frame the node sent, or None once it wants the worker to end."""
        while not self._to_script:
            if self.closed:
                return None
            self._script_wakes.clear()
            await self._script_wakes.wait()
        return self._to_script.popleft()

    def poll(self) -> bytes | None:
        """Take a frame the node sent, if one is there."""
        return self._to_script.popleft() if self._to_script else None

    async def send(self, frame: bytes) -> None:
        """Give the node a frame."""
        while len(self._to_node) >= WAITING_FRAMES_MAX and not self.closed:
            self._room.clear()
            await self._room.wait()
        self._to_node.append(frame)
        self._node_wakes.set()

    def put(self, frame: bytes) -> None:
        """Take a frame from the node."""
        self._to_script.append(frame)
        self._script_wakes.set()

    async def take(self) -> bytes | None:
        """Give the node a frame, or None at the end."""
        while not self._to_node:
            if self.closed:
                return None
            self._node_wakes.clear()
            await self._node_wakes.wait()
        self._room.set()
        return self._to_node.popleft()

    def close(self) -> None:
        """Be at the end: nothing more comes either way."""
        self.closed = True
        self._script_wakes.set()
        self._node_wakes.set()
        self._room.set()


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
        self._pipe.put(frame)

    async def receive(self) -> bytes | None:
        """Take its next frame, or None when it has ended."""
        return await self._pipe.take()

    async def wait(self) -> int:
        """Wait for its end."""
        await asyncio.wait([self._task])
        return self._status

    async def stop(self, grace_s: float = 2.0) -> None:
        """End it."""
        del grace_s
        self.kill(0)
        await asyncio.wait([self._task])

    def kill(self, status: int = -9) -> None:
        """Kill it, as the kernel or a person would."""
        if not self._task.done():
            self._status = status
            self._task.cancel()
        self._pipe.close()

    async def _run(self, script: Script) -> None:
        try:
            await script(self._pipe)
        except asyncio.CancelledError:
            if self._status == 0:
                self._status = -15
        except Exception:  # noqa: BLE001 - a worker that fails has an exit status, whatever failed
            self._status = 1
        finally:
            self._pipe.close()


class ScriptedWorkers:
    """A ``ports.Workers``: modules are scripts by name."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self._scripts = dict(scripts)
        self.spawned: list[ScriptedWorker] = []

    async def spawn(self, spec: WorkerSpec) -> ScriptedWorker:
        """Start a script; Unavailable when there is none of that name."""
        script = self._scripts.get(spec.module)
        if script is None:
            raise Unavailable(f"no script plays {spec.module}")
        await asyncio.sleep(0.05)
        worker = ScriptedWorker(len(self.spawned) + 1, script, spec.config)
        self.spawned.append(worker)
        return worker
