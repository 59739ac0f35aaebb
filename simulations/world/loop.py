"""An asyncio event loop in virtual time, on which many nodes live and can be stopped and killed.

When nothing is ready, time jumps to the next timer. There are no sockets and no threads. Each callback belongs to the
node in whose context it was made: those of a paused node wait, those of a killed node never run, so that a kill is a
kill: no ``finally``, no goodbye.

Invariant: callbacks run in the order of (time, number); sets of tasks iterate in the order of the tasks' making.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

LIFE: contextvars.ContextVar[str] = contextvars.ContextVar("life", default="")
"""Whose callback runs: a node's name and the number of its life; empty: the world's own."""

NAMES_KEPT = 4096
"""Tasks of a life held before those that are done are let go."""


class Stuck(Exception):
    """Nothing is ready and no timer is set: the simulation would wait for ever."""


class OrderedTask(asyncio.Task[Any]):
    """A task whose hash is its number, so that sets of tasks do not iterate by memory address."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], number: int, **options: Any) -> None:
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop of one world."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._queue: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count(1)
        self._paused: dict[str, deque[asyncio.Handle]] = {}
        self._killed: dict[str, deque[asyncio.Handle]] = {}
        self._tasks: dict[str, list[OrderedTask]] = {}
        self._over = False
        self.callbacks = 0
        self.callbacks_max: int | None = None
        self.set_task_factory(self._make_task)

    # ------------------------------------------------------------ time

    def time(self) -> float:
        """Give virtual seconds since the world began."""
        return self._now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Run a callback after those that are ready."""
        handle = asyncio.Handle(callback, args, self, context)
        self._queue.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Run a callback; there are no threads here."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback after virtual seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at a virtual time."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        del handle  # skipped when its time comes

    def _run_once(self) -> None:
        timers, queue, run, pop = self._timers, self._queue, self._run, heapq.heappop
        most = self.callbacks_max
        while True:
            while timers and timers[0][2]._cancelled:  # noqa: SLF001 - a loop runs handles
                pop(timers)
            if not queue:
                if not timers:
                    raise Stuck("every task waits and no timer is set")
                self._now = max(self._now, timers[0][0])
            now = self._now
            while timers and timers[0][0] <= now:
                handle = pop(timers)[2]
                if not handle._cancelled:  # noqa: SLF001
                    queue.append(handle)
            for _ in range(len(queue)):
                handle_now = queue.popleft()
                if not handle_now._cancelled:  # noqa: SLF001
                    run(handle_now)
            if most is not None and self.callbacks > most:
                raise Stuck(f"more than {most} callbacks: something turns in circles at {self._now:.3f} s")
            if self._stopping:  # type: ignore[attr-defined]
                return

    def _run(self, handle: asyncio.Handle) -> None:
        life = handle._context.get(LIFE, "")  # type: ignore[attr-defined]  # noqa: SLF001 - a loop runs handles
        if life and not self._over:
            dropped = self._killed.get(life)
            if dropped is not None:
                dropped.append(handle)  # never run while the world goes on; the end wakes what waits for it
                return
            held = self._paused.get(life)
            if held is not None:
                held.append(handle)
                return
        self.callbacks += 1
        handle._run()  # noqa: SLF001 - a loop runs handles

    # ------------------------------------------------------------ lives

    def pause(self, life: str) -> None:
        """Hold back every callback of a node."""
        self._paused.setdefault(life, deque())

    def resume(self, life: str) -> None:
        """Run what was held back, in its order."""
        self._queue.extend(self._paused.pop(life, ()))

    def kill(self, life: str) -> None:
        """Never run a callback of this life again. Its tasks are kept, so that nothing of them runs when collected."""
        self._killed[life] = self._paused.pop(life, deque())

    def context_of(self, life: str) -> contextvars.Context:
        """Give a fresh context in which callbacks belong to a life."""
        context = contextvars.Context()
        context.run(LIFE.set, life)
        return context

    def _make_task(self, loop: Any, coroutine: Any, **options: Any) -> OrderedTask:
        context = options.get("context")
        life = context.get(LIFE, "") if context is not None else LIFE.get()
        task = OrderedTask(coroutine, next(self._numbers), loop=loop, **options)
        kept = self._tasks.setdefault(life, [])
        kept.append(task)
        if len(kept) > NAMES_KEPT and len(kept) & (len(kept) - 1) == 0:
            self._tasks[life] = [known for known in kept if not known.done()]
        return task

    def end(self) -> None:
        """End every task that is left, the killed ones too: the trace is closed by now."""
        self._over = True
        for life in sorted(self._paused):
            self.resume(life)
        for life in sorted(self._killed):
            self._queue.extend(self._killed.pop(life))
        left = [task for life in sorted(self._tasks) for task in self._tasks[life] if not task.done()]
        for _ in range(50):
            left = [task for task in left if not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            self.run_for(1.0)
        self._tasks.clear()

    def run_for(self, duration_s: float) -> None:
        """Let virtual seconds pass."""
        with contextlib.suppress(Stuck):
            self.run_until_complete(asyncio.sleep(duration_s))

    # ------------------------------------------------------------ what there is not

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> NoReturn:  # type: ignore[override]
        """There are no threads."""
        raise RuntimeError("a simulated node may not use threads: go through the Executor port")

    def _write_to_self(self) -> None:
        pass

    def _process_events(self, event_list: Any) -> None:
        del event_list

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There is none."""
