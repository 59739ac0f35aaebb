"""Catalogue rows as what the API answers. Unknown is null, never invented.

Rows come from other nodes, perhaps of another release: a field that is not of the kind it should be is told as if it
were not known, so that one odd row never spoils the list it is in.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from mesh.core.rows import Row
from roles.media.recorders import Change, changes_of, stretches
from roles.media.timeline import Gap as Missing
from roles.media.timeline import Timeline
from thatdam.gateway.answers import Kind
from thatdam.gateway.answers.assets import Analysis, AssetState, Gap, LevelState, Recorded, Scene, Takeover

_KINDS: tuple[Kind, ...] = get_args(Kind)
_STATES: tuple[AssetState, ...] = get_args(AssetState)
_LEVEL_STATES: tuple[LevelState, ...] = get_args(LevelState)

MOMENT_MS_MAX = 253_402_300_800_000
"""The year 10000, which RFC 3339 cannot tell: a row that says so was not written by this program."""

BEGINNING = "1970-01-01T00:00:00.000Z"


def moment(ms: object) -> str | None:
    """Give UTC milliseconds since 1970 as RFC 3339, or null."""
    if not isinstance(ms, int) or not 0 < ms < MOMENT_MS_MAX:
        return None
    made = datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC)
    return made.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text(value: object) -> str | None:
    """Give a field that is text, or null for anything else and for none."""
    return value if isinstance(value, str) and value else None


def whole(value: object) -> int | None:
    """Give a field that is a whole number, or null."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(value: object) -> float | None:
    """Give a field that is a number that JSON can carry, or null."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def kind(value: object) -> Kind:
    """Give a kind of asset; one that is not known here is another."""
    return next((one for one in _KINDS if one == value), "other")


def asset(
    row: Row, copies: int | None, wanted: int, jobs: Sequence[Row] = (), cameras: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Give what an Asset says, by name; ``jobs`` are its rows of the table, ``cameras`` names by id."""
    field = row.fields.get
    camera = text(field("camera"))
    meta = field("meta")
    return {
        "id": row.pk,
        "kind": kind(field("kind")),
        "name": text(field("name")) or "",
        "camera": camera,
        "camera_name": (cameras or {}).get(camera or ""),
        "node": text(field("node")),
        "state": next((one for one in _STATES if one == field("state")), None),
        "created_at": moment(field("created_ms")),
        "started_at": moment(field("started_ms")),
        "ended_at": moment(field("ended_ms")),
        "duration": number(field("duration_s")),
        "recorded": number(field("recorded_s")),
        "size_bytes": whole(field("size_bytes")) or 0,
        "mime": text(field("mime")),
        "codec": text(field("codec")),
        "width": whole(field("width")),
        "height": whole(field("height")),
        "frame_rate": number(field("frame_rate")),
        "tags": list(row.sets.get("tags", ())),
        "auto_tags": list(row.sets.get("auto_tags", ())),
        "copies": copies,
        "copies_wanted": wanted,
        "poster": text(field("poster")),
        "trashed_at": moment(field("trashed_ms")),
        "error": text(field("error")),
        "waiting_for": text(field("waiting")) if field("state") == "recording" else None,
        "takeovers": [
            Takeover(at=moment(one.at_ms), before=one.before or None, after=one.after) for one in takeovers(row)
        ],
        "meta": {name: plain(value) for name, value in meta.items()} if isinstance(meta, Mapping) else {},
        "analysis": _analysis(row, jobs),
    }


def _analysis(row: Row, jobs: Sequence[Row]) -> Analysis:
    """Give how far each level is: done, failed, leased, queued, or none when nobody has asked for it."""
    told: dict[str, LevelState] = {"l0": "none", "l1": "none", "l2": "none"}
    if row.fields.get("state") in ("ready", "interrupted"):
        told["l0"] = "queued"
    for job in sorted(jobs, key=lambda one: (whole(one.fields.get("created_ms")) or 0, one.sk)):
        level, state = str(job.fields.get("kind")).lower(), job.fields.get("state")
        known = next((one for one in _LEVEL_STATES if one == state), None)
        if level in told and known is not None:
            told[level] = known
    if row.fields.get("probed"):
        told["l0"] = "done"
    return Analysis(l0=told["l0"], l1=told["l1"], l2=told["l2"])


def takeovers(row: Row) -> tuple[Change, ...]:
    """Give the changes of a take's recorder, the first first."""
    return changes_of(row.sets.get("takeovers", ()), row.sets.get("took_over", ()))


def recorded(row: Row, line: Timeline, gaps: Sequence[Missing], name: Callable[[str], str | None]) -> list[Recorded]:
    """Give who recorded which part of a take; ``name``: what people call a node."""
    return [
        Recorded(
            node=one.node,
            node_name=name(one.node),
            start=one.start_us / 1e6,
            end=one.end_us / 1e6,
            missing=one.missing_us / 1e6,
        )
        for one in stretches(line, gaps, takeovers(row), text(row.fields.get("node")) or "")
    ]


def plain(value: object) -> Any:
    """Give a field's value as JSON can carry it: bytes as hex, numbers that are none as null."""
    match value:
        case bytes():
            return value.hex()
        case float():
            return value if math.isfinite(value) else None
        case tuple() | list():
            return [plain(one) for one in value]
        case Mapping():
            return {str(name): plain(one) for name, one in value.items()}
        case _:
            return value


def scene(row: Row) -> Scene | None:
    """Give a scene's answer, positions in seconds from the asset's start; None for a row that tells no position."""
    if not row.sk.isdecimal():
        return None
    field = row.fields.get
    hero = field("hero")
    return Scene(
        start=int(row.sk) / 1000,
        end=(whole(field("end_ms")) or 0) / 1000,
        hero=hero.hex() if isinstance(hero, bytes) else text(hero),
        tags=list(row.sets.get("tags", ())),
    )


def gap(missing: Missing) -> Gap:
    """Give a gap's answer; positions in seconds from the take's start."""
    return Gap(start=missing.start_us / 1e6, end=missing.end_us / 1e6, why=missing.why)
