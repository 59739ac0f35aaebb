"""Threads for work that would block the event loop.

Invariant: at most ``threads`` pieces of work run at once; more wait in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class ThreadExecutor:
    """A bounded pool of threads; a ``ports.Executor``."""

    def __init__(self, threads: int = 4, name: str = "work") -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(*args)`` in a thread and give its result."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args))

    def close(self) -> None:
        """Wait for running work, drop what waits, end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
