"""Catalogue rows as the API's JSON shapes (docs/API.md). Unknown is null, never invented."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mesh.core.rows import Row

Json = dict[str, Any]


MOMENT_MS_MAX = 253_402_300_800_000
"""The year 10000, which RFC 3339 cannot tell: a row that says so was not written by this program."""


def moment(ms: object) -> str | None:
    """Give UTC milliseconds since 1970 as RFC 3339, or null."""
    if not isinstance(ms, int) or not 0 < ms < MOMENT_MS_MAX:
        return None
    made = datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC)
    return made.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def asset(
    row: Row, copies: int | None, wanted: int, jobs: Sequence[Row] = (), cameras: Mapping[str, str] | None = None
) -> Json:
    """Give an asset's JSON; ``jobs`` are its rows of the table, ``cameras`` names by id."""
    field = row.fields.get
    camera = field("camera") or None
    meta = field("meta")
    return {
        "id": row.pk,
        "kind": field("kind"),
        "name": field("name"),
        "camera": camera,
        "camera_name": (cameras or {}).get(str(camera)),
        "node": field("node"),
        "state": field("state"),
        "created_at": moment(field("created_ms")),
        "started_at": moment(field("started_ms")),
        "ended_at": moment(field("ended_ms")),
        "duration": field("duration_s"),
        "size_bytes": field("size_bytes") or 0,
        "mime": field("mime"),
        "codec": field("codec"),
        "width": field("width"),
        "height": field("height"),
        "frame_rate": field("frame_rate"),
        "tags": list(row.sets.get("tags", ())),
        "auto_tags": list(row.sets.get("auto_tags", ())),
        "copies": copies,
        "copies_wanted": wanted,
        "poster": field("poster") or None,
        "trashed_at": moment(field("trashed_ms")),
        "error": field("error") or None,
        "meta": {name: plain(value) for name, value in meta.items()} if isinstance(meta, Mapping) else {},
        "analysis": _analysis(row, jobs),
    }


def _analysis(row: Row, jobs: Sequence[Row]) -> Json:
    """Give how far each level is: done, failed, leased, queued, or none when nobody has asked for it."""
    told = dict.fromkeys(("l0", "l1", "l2"), "none")
    if row.fields.get("state") in ("ready", "interrupted"):
        told["l0"] = "queued"
    for job in sorted(jobs, key=lambda one: (_number(one.fields.get("created_ms")), one.sk)):
        level, state = str(job.fields.get("kind")).lower(), job.fields.get("state")
        if level in told and isinstance(state, str):
            told[level] = state
    if row.fields.get("probed"):
        told["l0"] = "done"
    return told


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


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


def scene(row: Row) -> Json:
    """Give a scene's JSON; positions in seconds from the asset's start."""
    field = row.fields.get
    hero = field("hero")
    return {
        "start": int(row.sk) / 1000 if row.sk.isdecimal() else None,
        "end": _number(field("end_ms")) / 1000,
        "hero": hero.hex() if isinstance(hero, bytes) else hero or None,
        "tags": list(row.sets.get("tags", ())),
    }
