"""Supervision: tasks with an owner, restarted with jittered back-off, and a report of how each is doing.

Invariant: a task that fails is seen (in the report: state, error count, last error) and runs again; one that keeps
failing is escalated once for every ``FAILURES_ESCALATE`` failures in a row. Cancelling always propagates.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass

import structlog

from mesh.ports import Clock, Entropy

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
HEALTHY_AFTER_S = 30.0
"""A task that ran this long has recovered: its back-off starts over."""
FAILURES_ESCALATE = 5
SAME_FAILURE_LOGGED_S = 600.0
"""A task that goes on failing in the same way is logged this often: a camera that is off must not fill the disk."""

_log = structlog.get_logger("supervisor")


@dataclass(slots=True)
class TaskReport:
    """How one supervised task is doing. ``state`` is running, waiting (to be run again), finished or stopped.

    ``failed_ms`` is when it failed last, in UTC milliseconds; 0: never.
    """

    name: str
    state: str = "running"
    restarts: int = 0
    errors: int = 0
    last_error: str = ""
    failed_ms: int = 0


class Supervisor:
    """Owns named tasks and runs them again when they fail."""

    def __init__(
        self, clock: Clock, entropy: Entropy, escalate: Callable[[str, BaseException], None] | None = None
    ) -> None:
        self._clock = clock
        self._entropy = entropy
        self._escalate = escalate
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reports: dict[str, TaskReport] = {}
        self._logged: dict[str, tuple[str, float, int]] = {}
        """By task: the failure logged last, when (monotonic seconds), and how many failures the task had by then."""
        self._transient: set[asyncio.Task[None]] = set()
        self._transient_running: Counter[str] = Counter()

    def run(self, name: str, task: Callable[[], Awaitable[None]]) -> None:
        """Run ``task`` until it returns, is stopped, or the supervisor closes; ValueError when the name is in use."""
        standing = self._tasks.get(name)
        if standing is not None and not standing.done():
            raise ValueError(f"task {name!r} runs already")
        report = self._reports[name] = TaskReport(name)
        self._tasks[name] = asyncio.get_running_loop().create_task(self._keep(report, task), name=name)

    def once(self, name: str, task: Awaitable[None]) -> asyncio.Task[None]:
        """Run something once under this owner; a failure is logged and counted, not repeated."""

        async def guarded() -> None:
            report = self._reports.setdefault(name, TaskReport(name))
            report.state = "running"
            self._transient_running[name] += 1
            try:
                await task
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - the owner of a task is where its failure is told
                self._failed(report, error)
            finally:
                self._transient_running[name] -= 1
                if not self._transient_running[name]:
                    del self._transient_running[name]
                    report.state = "finished"

        made = asyncio.get_running_loop().create_task(guarded(), name=name)
        self._transient.add(made)
        made.add_done_callback(self._transient.discard)
        if isinstance(task, Coroutine):
            # One that was called off before its first step is closed; to one that has run this is nothing.
            made.add_done_callback(lambda _: task.close())
        return made

    async def stop(self, name: str) -> None:
        """Stop one task and wait for its end; unknown names are ignored."""
        task = self._tasks.pop(name, None)
        self._reports.pop(name, None)
        self._logged.pop(name, None)
        if task is not None:
            await _end(task)

    def report(self) -> list[TaskReport]:
        """Give how every task is doing, by name."""
        return [self._reports[name] for name in sorted(self._reports)]

    async def close(self) -> None:
        """Stop everything, the last started first."""
        for name in reversed(list(self._tasks)):
            await self.stop(name)
        for task in list(self._transient):
            await _end(task)

    async def _keep(self, report: TaskReport, task: Callable[[], Awaitable[None]]) -> None:
        failures_in_row = 0
        while True:
            report.state = "running"
            started = self._clock.monotonic()
            try:
                await task()
            except asyncio.CancelledError:
                report.state = "stopped"
                raise
            except Exception as error:  # noqa: BLE001 - supervision is where failures are answered
                self._failed(report, error)
                if self._clock.monotonic() - started > HEALTHY_AFTER_S:
                    failures_in_row = 0
                failures_in_row += 1
                if failures_in_row % FAILURES_ESCALATE == 0 and self._escalate is not None:
                    self._escalate(report.name, error)
            else:
                report.state = "finished"
                return
            report.state = "waiting"
            report.restarts += 1
            ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(failures_in_row - 1, 10))
            await asyncio.sleep(self._entropy.uniform(ceiling / 2, ceiling))

    def _failed(self, report: TaskReport, error: BaseException) -> None:
        report.errors += 1
        report.last_error = f"{type(error).__name__}: {error}"
        report.failed_ms = int(self._clock.wall() * 1000)
        now = self._clock.monotonic()
        told, at, before = self._logged.get(report.name, ("", 0.0, report.errors - 1))
        if told == report.last_error and now - at < SAME_FAILURE_LOGGED_S:
            return
        self._logged[report.name] = (report.last_error, now, report.errors)
        failures = report.errors - before
        _log.warning("task failed", task=report.name, error=report.last_error, failures=failures, exc_info=error)


async def _end(task: asyncio.Task[None]) -> None:
    if task is asyncio.current_task():
        return
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=5.0)
