"""What is told of this node's writes and beliefs: that it happened, and a few harmless fields; for more, ask again.

Invariant: a row that changes often is told at most once in ``GATHER_S``, as it is by then, and nothing but the fields
named in ``TOLD`` ever leaves a row.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from mesh.actors.catalogue import Catalogue
from mesh.actors.events import EventLog
from mesh.actors.membership import Members
from mesh.actors.system import ActorSystem, Context
from mesh.core.member import Member
from mesh.core.rows import Change
from proto.messages.events import RowChanged
from proto.messages.membership import State
from thatdam.gateway.answers import Answer
from thatdam.gateway.answers.events import AssetTold, CameraTold, JobTold

ROWS = "rows"
"""The topic on which nodes that do not number their events tell of their rows."""
GATHERED_MAX = 1024
"""Changed rows waiting to be told; the oldest is let go."""
GATHER_S = 0.1
TEXT_TOLD_MAX = 120
_MODELS: dict[str, type[Answer]] = {"cameras": CameraTold, "assets": AssetTold, "jobs": JobTold}
TOLD = {table: tuple(name for name in model.model_fields if name != "id") for table, model in _MODELS.items()}
"""What of each watched table's fields is told."""


class Telling:
    """Gathers what this node writes and believes, and tells it."""

    def __init__(self, system: ActorSystem, catalogue: Catalogue, members: Members, log: EventLog) -> None:
        self._log = log
        self._gathered: OrderedDict[tuple[str, str], RowChanged] = OrderedDict()
        self._wake = asyncio.Event()
        catalogue.on_write(self._wrote)
        members.watch(self._member)
        system.subscribe(ROWS, self._heard)
        system.supervisor.run("gateway/events", self._tell)

    def _wrote(self, changes: tuple[Change, ...]) -> None:
        # Who ends a take writes the take's row and its camera's together.
        ended = next((one.pk for one in changes if one.table == "assets"), "")
        for change in changes:
            if change.table not in TOLD:
                continue
            key = (change.table, change.pk)
            before = self._gathered.pop(key, None)
            told = dict(before.told) if before else {}
            for name in TOLD[change.table]:
                if name == "record" and "created_ms" in change.set and not change.set.get(name):
                    continue  # a camera that is new has not stopped anything
                if name in change.set:
                    told[name] = str(change.set[name] or "")[:TEXT_TOLD_MAX]
            if "record" in told and not told["record"] and ended:
                told["ended"] = ended
            self._gathered[key] = RowChanged(change.table, change.pk, change.delete, told)
            if len(self._gathered) > GATHERED_MAX:
                self._gathered.popitem(last=False)
            self._wake.set()

    async def _tell(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_S)
            self._wake.clear()
            while self._gathered:
                _, changed = self._gathered.popitem(last=False)
                for topic, data in events_of(changed):
                    self._log.tell(topic, data)

    async def _heard(self, _: str, event: Any, context: Context) -> None:
        del context
        if isinstance(event, RowChanged):
            for topic, data in events_of(event):
                self._log.note(topic, data)

    def _member(self, member: Member) -> None:
        name = (member.info.name or member.id[:8])[:TEXT_TOLD_MAX]
        self._log.note(_BELIEVED[member.state], {"id": member.id, "name": name})


def events_of(changed: RowChanged) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Give the events that the change of a row is: topic and data, in which an empty text was emptied."""
    told = {name: value for name, value in changed.told.items() if name in TOLD.get(changed.table, ())}
    changes, pk = "removed" if changed.removed else "changed", changed.pk
    match changed.table:
        case "cameras":
            yield f"camera.{changes}", {"id": pk, **told}
            if "record" in told:
                take = told["record"]
                topic = "capture.started" if take else "capture.stopped"
                yield topic, {"camera": pk, "take": take or told.get("ended", "")}
            elif recorder := told.get("recorder"):
                yield "capture.moved", {"camera": pk, "recorder": recorder}
        case "assets":
            yield f"asset.{changes}", {"id": pk, **told}
            if "waiting" in told:
                waits = "capture.waiting" if told["waiting"] else "capture.resumed"
                yield waits, {"take": pk, "waiting_for": told["waiting"]}
        case "jobs":
            yield f"job.{changes}", {"id": pk, **told}


_BELIEVED: dict[State, str] = {
    State.ALIVE: "node.alive",
    State.SUSPECT: "node.suspect",
    State.DEAD: "node.dead",
    State.LEFT: "node.left",
}
