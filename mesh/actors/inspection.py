"""The actor ``actors``: tells any member how this node's actors and supervised tasks are doing.

Invariant: it has a mailbox and workers of its own, so that it answers while every other actor is stuck. What does not
fit into an answer is counted; tasks that fail or wait come before those that run.
"""

from __future__ import annotations

from typing import Any

from mesh.actors.supervisor import TaskReport
from mesh.actors.system import ActorSystem, Context
from mesh.ports import NotFound
from proto.ids import NodeId
from proto.messages.nodes import (
    ACTORS_TOLD_MAX,
    REASON_TOLD_MAX,
    TASKS_TOLD_MAX,
    ActorDoing,
    ActorsReport,
    AskActors,
    DeadLettersOf,
    TaskDoing,
)

ACTOR = "actors"
ASK_TIMEOUT_S = 5.0
WORKERS = "actor/"
"""How the names of the tasks begin that are an actor's workers: they are told with it."""


class Inspector:
    """Tells of this node."""

    def __init__(self, system: ActorSystem) -> None:
        self._system = system
        system.spawn(ACTOR, self, mailbox_max=32)

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Tell of this node."""
        if not isinstance(message, AskActors):
            raise NotFound(f"nobody tells of a {type(message).__name__} here, asked by {context.sender[:8]}")
        return report(self._system)


def report(system: ActorSystem) -> ActorsReport:
    """Tell of a node's actors, tasks and dead letters."""
    tasks = [task for task in system.supervisor.report() if not task.name.startswith(WORKERS)]
    told = sorted(tasks, key=lambda task: not _ails(task))[:TASKS_TOLD_MAX]
    return ActorsReport(
        tuple(
            ActorDoing(
                cell.name,
                cell.waiting,
                cell.mailbox_max,
                cell.busy,
                cell.concurrency,
                cell.streams,
                cell.handled,
                cell.overflows,
                cell.errors,
                cell.restarts,
                cell.failing,
                cell.last_error[:REASON_TOLD_MAX],
                cell.failed_ms,
            )
            for cell in system.report()[:ACTORS_TOLD_MAX]
        ),
        tuple(
            TaskDoing(
                task.name[:256],
                task.state,
                task.restarts,
                task.errors,
                task.last_error[:REASON_TOLD_MAX],
                task.failed_ms,
            )
            for task in sorted(told, key=lambda task: task.name)
        ),
        tuple(
            DeadLettersOf(reason.value, count, system.letters.last[reason][:64])
            for reason, count in system.letters.counts.items()
        ),
        len(tasks) - len(told),
        system.events_dropped,
    )


async def ask(system: ActorSystem, node: NodeId) -> ActorsReport:
    """Ask a node; Unavailable when it does not answer."""
    return await system.ask(node, ACTOR, AskActors(), ActorsReport, timeout_s=ASK_TIMEOUT_S)


def _ails(task: TaskReport) -> bool:
    return task.state == "waiting" or task.errors > 0
