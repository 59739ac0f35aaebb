"""The supervision of any node over HTTP: its actors, its tasks, and the messages nobody handled."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from fastapi import FastAPI, Query

from mesh.actors import inspection
from proto.messages.nodes import ActorDoing, ActorsReport, DeadLettersOf, TaskDoing
from thatdam.gateway import shapes
from thatdam.gateway.answers.actors import Actors, ActorState, DeadLetters, Failing, TaskState
from thatdam.gateway.guard import Guard
from thatdam.gateway.naming import named
from thatdam.gateway.problems import failing
from thatdam.node import Node

_TaskWord = Literal["running", "waiting", "finished", "stopped"]
_ReasonWord = Literal["no_actor", "full", "node_gone", "late", "unknown"]
_TASK_STATES: tuple[_TaskWord, ...] = get_args(_TaskWord)
_REASONS: tuple[_ReasonWord, ...] = get_args(_ReasonWord)


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the route."""

    @app.get(
        "/api/v1/actors",
        tags=["nodes"],
        dependencies=[guard.require("operator")],
        responses=failing(404, 409, 503),
    )
    async def actors(
        of: Annotated[
            str, Query(alias="node", max_length=64, description="id, the beginning of it, or name; else the asked node")
        ] = "",
    ) -> Actors:
        """Tell how the actors and supervised tasks of a node are doing, and what was not delivered."""
        wanted = named(node, of) if of else node.node_id
        return _shape(wanted, await inspection.ask(node.system, wanted))


def _shape(node: str, report: ActorsReport) -> Actors:
    # A node of another release may know states and reasons that are not known here: the others are told.
    return Actors(
        node=node,
        actors=[_actor(one) for one in report.actors],
        tasks=[_task(one, state) for one in report.tasks for state in _TASK_STATES if state == one.state],
        tasks_left_out=max(0, report.tasks_left_out),
        dead_letters=[
            _letters(one, reason) for one in report.dead_letters for reason in _REASONS if reason == one.reason
        ],
        events_dropped=report.events_dropped,
    )


def _actor(one: ActorDoing) -> ActorState:
    return ActorState(
        name=one.name,
        state="failing" if one.failing else "busy" if one.busy else "idle",
        waiting=one.waiting,
        mailbox_max=one.mailbox_max,
        busy=one.busy,
        concurrency=one.concurrency,
        streams=one.streams,
        handled=one.handled,
        overflows=one.overflows,
        errors=one.errors,
        restarts=one.restarts,
        last_failure=_failure(one.last_error, one.failed_ms),
    )


def _task(one: TaskDoing, state: _TaskWord) -> TaskState:
    return TaskState(
        name=one.name,
        state=state,
        restarts=one.restarts,
        errors=one.errors,
        last_failure=_failure(one.last_error, one.failed_ms),
    )


def _letters(one: DeadLettersOf, reason: _ReasonWord) -> DeadLetters:
    return DeadLetters(reason=reason, count=one.count, last_actor=one.last_actor or None)


def _failure(error: str, at_ms: int) -> Failing | None:
    return Failing(error=error, at=shapes.moment(at_ms)) if error else None
