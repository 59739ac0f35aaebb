"""Asking several nodes for the same thing without waiting long for a slow one (Dean and Barroso, 2013).

Invariant: the next node is asked as soon as one has failed, given too little, or been silent for ``after_s``; when the
call returns, none of its asks runs on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from mesh.ports import PortError
from proto.ids import NodeId

A = TypeVar("A")


async def hedged(
    nodes: Sequence[NodeId],
    ask: Callable[[NodeId], Awaitable[A]],
    *,
    after_s: float,
    enough: Callable[[A], bool],
) -> tuple[list[A], dict[NodeId, PortError]]:
    """Ask nodes one after another until an answer is enough.

    Gives the answers that came, the one that was enough last, and the failures by node.
    """
    rest = list(nodes)
    running: dict[asyncio.Future[A], NodeId] = {}
    answers: list[A] = []
    failures: dict[NodeId, PortError] = {}
    try:
        while rest or running:
            if rest:
                node = rest.pop(0)
                running[asyncio.ensure_future(ask(node))] = node
            done, _ = await asyncio.wait(
                running, timeout=after_s if rest else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in [task for task in running if task in done]:
                node = running.pop(task)
                try:
                    answer = task.result()
                except PortError as error:
                    failures[node] = error
                    continue
                answers.append(answer)
                if enough(answer):
                    return answers, failures
        return answers, failures
    finally:
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
