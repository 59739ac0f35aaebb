"""The actors and supervised tasks of a node, and what was not delivered."""

from __future__ import annotations

from typing import Literal

from thatdam.gateway.answers import Answer, Moment


class Failing(Answer):
    """A failure, as it was seen last."""

    error: str
    """What it was, in words."""
    at: Moment | None
    """When it was."""


class ActorState(Answer):
    """An actor: takes messages from a bounded mailbox. Counts are since the node was started."""

    name: str
    """Its name, the same on every node."""
    state: Literal["idle", "busy", "failing"]
    """Failing: a worker of it failed and is about to be started again."""
    waiting: int
    """Messages in its mailbox."""
    mailbox_max: int
    """Messages that its mailbox holds; one more is refused."""
    busy: int
    """Messages that it handles now."""
    concurrency: int
    """Messages that it handles at once."""
    streams: int
    """Streams that it serves now."""
    handled: int
    """Messages that it handled."""
    overflows: int
    """Messages and streams that were refused because it was full."""
    errors: int
    """Messages at which it failed by a bug of ours."""
    restarts: int
    """How often its workers were started again."""
    last_failure: Failing | None
    """The last of the errors."""


class TaskState(Answer):
    """A supervised task that is no actor's worker: it runs again when it fails."""

    name: str
    """Its name: the part before the first slash is its family."""
    state: Literal["running", "waiting", "finished", "stopped"]
    """Waiting: it failed and is about to be started again."""
    restarts: int
    """How often it was started again."""
    errors: int
    """How often it failed."""
    last_failure: Failing | None
    """The last of the errors."""


class DeadLetters(Answer):
    """Messages that nobody handled, of one reason. Each is counted by one node: tells where they ended, asks where
    they were asked."""

    reason: Literal["no_actor", "full", "node_gone", "late", "unknown"]
    """No such actor there; its mailbox was full; no link, or it was lost; no answer in time; of another release."""
    count: int
    """How many, since the node was started."""
    last_actor: str | None
    """The actor that the last of them was for."""


class Actors(Answer):
    """What a node supervises."""

    node: str
    """The node's id."""
    actors: list[ActorState]
    """Its actors, by name."""
    tasks: list[TaskState]
    """Its other supervised tasks, by name."""
    tasks_left_out: int
    """Tasks that were too many to be told of; they run well."""
    dead_letters: list[DeadLetters]
    """What was not delivered, by reason."""
    events_dropped: int
    """Events that slow peers did not get in time; they ask for them again."""
