"""Work done inline, in order: a simulated node has no threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class InlineExecutor:
    """A ``ports.Executor``."""

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(*args)`` after what is ready now."""
        await asyncio.sleep(0)
        return work(*args)
