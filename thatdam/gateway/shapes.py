"""Catalogue rows as the API's JSON shapes (docs/API.md). Unknown is null, never invented."""

from __future__ import annotations

import datetime
from typing import Any

from mesh.core.rows import Row

Json = dict[str, Any]


def moment(ms: object) -> str | None:
    """Give UTC milliseconds since 1970 as RFC 3339, or null."""
    if not isinstance(ms, int) or ms <= 0:
        return None
    made = datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC)
    return made.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def asset(row: Row, copies: int | None = None, wanted: int | None = None) -> Json:
    """Give an asset's JSON."""
    field = row.fields.get
    return {
        "id": row.pk,
        "kind": field("kind"),
        "name": field("name"),
        "camera": field("camera"),
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
        "trashed_at": moment(field("trashed_ms")),
        "error": field("error") or None,
    }


def camera(row: Row) -> Json:
    """Give a camera's JSON, without what only the node that has it knows."""
    field = row.fields.get
    return {
        "id": row.pk,
        "name": field("name"),
        "node": field("node"),
        "source": field("source"),
        "state": field("state"),
        "error": field("error") or None,
        "codec": field("codec"),
        "width": field("width"),
        "height": field("height"),
        "frame_rate": field("frame_rate"),
        "bit_rate": field("bit_rate"),
        "recording": field("record") or None,
    }
