"""The library over HTTP: lists, one asset with what is known of it, changes, trash."""

from __future__ import annotations

import asyncio
import datetime
import re
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import FastAPI, Path, Query, Response

from mesh.actors.files import DURABLE_COPIES
from mesh.core.names import clean_name
from mesh.core.query import Query as Rows
from mesh.core.query import Where
from mesh.core.rows import Change, Row
from mesh.ports import NotFound, PortError
from proto.codec import Malformed, Value
from proto.ids import AssetId, NodeId, is_short_id
from roles.media.timeline import Gap, Loss, Timeline, explained, stopped_at
from thatdam.gateway import shapes
from thatdam.gateway.answers.assets import Asset, AssetChange, AssetDetails, AssetPage
from thatdam.gateway.guard import Guard
from thatdam.gateway.problems import Problem, failing
from thatdam.node import Node

CURSOR_HEADER = "Thatdam-Cursor"
"""What a write gives back: with ``after`` any node's list waits until it has that write."""
TAGS_MAX = 64
TAG_CHARS_MAX = 100
COUNTED_S, COUNTED_POLL_S = 3.0, 0.2

Kind = Literal["", "take", "video", "image", "audio", "other"]
State = Literal["", "recording", "ready", "interrupted"]
Order = Literal[
    "created_ms", "started_ms", "ended_ms", "updated_ms", "name", "size_bytes", "duration_s", "kind", "rank"
]
_CONTENT = re.compile(r"[0-9a-f]{64}\Z")


def checked_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Give tags as they are kept: trimmed, each once; Problem 422 says what is wrong with one."""
    kept = dict.fromkeys(tag.strip() for tag in tags)
    if len(kept) > TAGS_MAX:
        raise Problem(422, f"an asset takes at most {TAGS_MAX} tags at once")
    for tag in kept:
        if not tag or len(tag) > TAG_CHARS_MAX or clean_name(tag) != tag or "," in tag:
            raise Problem(422, f"a tag has 1 to {TAG_CHARS_MAX} characters on one line, without a comma: {tag[:40]!r}")
    return tuple(kept)


def moment_ms(text: str, name: str) -> int:
    """Read an RFC 3339 moment as UTC milliseconds; without a zone it is UTC. Problem 422 names the parameter."""
    try:
        # A plus sign that was not escaped arrives as a blank.
        made = datetime.datetime.fromisoformat(text.strip().replace(" 0", "+0").replace(" 1", "+1"))
        zoned = made if made.tzinfo is not None else made.replace(tzinfo=datetime.UTC)
        return int(zoned.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Problem(422, f"{name}: {text[:40]!r} is no moment; write 2026-05-01 or 2026-05-01T12:00:00Z") from error


class Assets:
    """Assets as the API shows them."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def row(self, asset: str) -> Row:
        """Give an asset's row; NotFound when there is none, whatever the id looks like."""
        row = await self._node.catalogue.get("assets", asset) if is_short_id(asset) else None
        if row is None:
            raise NotFound(f"there is no asset {asset[:80]}; `thatdam ls` lists them")
        return row

    async def shown(self, asset: str) -> AssetDetails:
        """Give one asset with its scenes and gaps, as far as they can be read now."""
        row = await self.row(asset)
        line = await self._line(row)
        copies = await self._copies([row])
        complete = line is not None or row.fields.get("kind") != "take"
        try:
            scenes = await self._node.catalogue.rows("scenes", asset)
        except PortError:
            # This node's own write is here also when all who hold its partition are out of reach.
            scenes, complete = [], False
        gaps: Sequence[Gap] = ()
        if line is not None:
            gaps = explained(line, filter(None, map(Loss.read, row.sets.get("lost", ()))), stopped_at(row.fields))
        told = shapes.asset(
            row, copies[0], self._node.view.copies(), await self._jobs(row), await self._camera_names([row])
        )
        if line is not None and line.parts:
            # What there is now: the row is a moment behind, or its recorder went before it could tell.
            told |= {"duration": line.duration_us / 1e6, "recorded": line.recorded_us / 1e6}
        return AssetDetails(
            **told,
            complete=complete,
            scenes=[one for one in map(shapes.scene, scenes) if one is not None],
            gaps=[shapes.gap(one) for one in gaps],
            recorders=shapes.recorded(row, line, gaps, self._node_name) if line is not None else [],
        )

    def _node_name(self, node: str) -> str | None:
        member = self._node.members.all().get(NodeId(node))
        return member.info.name or None if member is not None else None

    async def shown_copied(self, asset: str) -> AssetDetails:
        """Give an asset that has just been taken in, once the copies it waited for are counted, or soon after."""
        for _ in range(int(COUNTED_S / COUNTED_POLL_S)):
            shown = await self.shown(asset)
            if shown.copies is None or shown.copies >= min(DURABLE_COPIES, shown.copies_wanted):
                return shown
            await asyncio.sleep(COUNTED_POLL_S)
        return await self.shown(asset)

    async def listed(self, rows: Sequence[Row]) -> list[Asset]:
        """Give a page of assets."""
        jobs, copies, names = await asyncio.gather(
            self._node.catalogue.rows_of_several("jobs", [row.pk for row in rows]),
            self._copies(rows),
            self._camera_names(rows),
        )
        wanted = self._node.view.copies()
        return [
            Asset(**shapes.asset(row, count, wanted, jobs.get(row.pk, []), names))
            for row, count in zip(rows, copies, strict=True)
        ]

    async def _line(self, row: Row) -> Timeline | None:
        if row.fields.get("kind") != "take":
            return None
        try:
            return await self._node.contents.line(row.pk)
        except (PortError, Malformed):
            return None

    async def _copies(self, rows: Sequence[Row]) -> list[int | None]:
        """Give the copies there are of each asset: of the chunk that has fewest; None when that cannot be told."""
        wanted = self._node.view.copies()
        found = await self._node.chunks.copies_of([AssetId(row.pk) for row in rows])
        # A file without bytes lacks nothing.
        return [found[AssetId(row.pk)].copies if row.fields.get("size_bytes") else wanted for row in rows]

    async def _jobs(self, row: Row) -> list[Row]:
        try:
            return await self._node.catalogue.rows("jobs", row.pk)
        except PortError:
            return []

    async def _camera_names(self, rows: Sequence[Row]) -> dict[str, str]:
        names = {}
        for camera in dict.fromkeys(str(row.fields["camera"]) for row in rows if row.fields.get("camera")):
            try:
                found = await self._node.catalogue.get("cameras", camera)
            except PortError:
                continue
            if found is not None and found.fields.get("name"):
                names[camera] = str(found.fields["name"])
        return names


_Asset = Annotated[str, Path(max_length=256)]


def install(app: FastAPI, node: Node, guard: Guard, assets: Assets) -> None:
    """Add the routes."""

    @app.get(
        "/api/v1/assets", tags=["assets"], dependencies=[guard.require("viewer")], responses=failing(400, 409, 503)
    )
    async def listed(
        text: Annotated[str, Query(max_length=1024)] = "",
        kind: Kind = "",
        camera: Annotated[str, Query(max_length=64)] = "",
        tag: Annotated[str, Query(max_length=TAG_CHARS_MAX)] = "",
        state: State = "",
        since: Annotated[str, Query(max_length=40)] = "",
        until: Annotated[str, Query(max_length=40)] = "",
        content: Annotated[str, Query(max_length=64, description="blake3 of a file's bytes, in hex")] = "",
        order: Order = "created_ms",
        page: Annotated[str, Query(max_length=4096)] = "",
        after: Annotated[str, Query(max_length=256)] = "",
        trashed: bool = False,
        descending: bool = True,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    ) -> AssetPage:
        """List what is kept, in the whole mesh: by words, kind, camera, tag, state and time; a page at a time."""
        if content and not _CONTENT.match(content):
            raise Problem(422, "content: write the 64 hex digits of a blake3 hash")
        if order == "rank" and not text:
            raise Problem(422, "order: rank needs words to look for (text)")
        where = [Where("trashed_ms", "ge", 1) if trashed else Where("trashed_ms", "missing")]
        exact = (("kind", kind), ("camera", camera), ("state", state), ("content", content))
        where += [Where(name, "eq", value) for name, value in exact if value]
        where += [Where("tags", "has", tag)] if tag else []
        where += [Where("created_ms", "ge", moment_ms(since, "since"))] if since else []
        where += [Where("created_ms", "le", moment_ms(until, "until"))] if until else []
        found = await node.catalogue.scan(Rows("assets", tuple(where), text, order, descending, limit, page, after))
        return AssetPage(
            assets=await assets.listed(found.rows),
            next=found.next or None,
            total=found.total,
            total_exact=found.exact,
            partitions_ok=found.partitions_ok,
            partitions_total=found.partitions_total,
            catching_up=found.partitions_ok < found.partitions_total and node.all_there(),
            stale=found.stale,
        )

    @app.get(
        "/api/v1/assets/{asset}", tags=["assets"], dependencies=[guard.require("viewer")], responses=failing(404, 503)
    )
    async def one(asset: _Asset) -> AssetDetails:
        """Give an asset, with its scenes, its gaps and how many copies there are."""
        return await assets.shown(asset)

    @app.patch(
        "/api/v1/assets/{asset}",
        tags=["assets"],
        dependencies=[guard.require("operator")],
        responses=failing(404, 503, 507),
    )
    async def change(asset: _Asset, body: AssetChange, response: Response) -> AssetDetails:
        """Rename an asset, or change its tags."""
        await assets.row(asset)
        fields: dict[str, Value] = {} if body.name is None else {"name": clean_name(body.name)}
        add, remove = {"tags": checked_tags(body.tags_add)}, {"tags": checked_tags(body.tags_remove)}
        if fields or add["tags"] or remove["tags"]:
            written = Change("assets", AssetId(asset), set=fields, add=add, remove=remove)
            response.headers[CURSOR_HEADER] = await node.catalogue.write(written)
        return await assets.shown(asset)

    async def trash(asset: str, ms: int, response: Response) -> AssetDetails:
        row = await assets.row(asset)
        if row.fields.get("state") == "recording":
            raise Problem(409, "this take is still being recorded; stop it first")
        if not ms and row.fields.get("trashed_ms") and node.trash.lies_too_long(row):
            raise Problem(409, "its time in the trash is over: it is being deleted for good")
        if bool(row.fields.get("trashed_ms")) != bool(ms):
            written = Change("assets", AssetId(asset), set={"trashed_ms": ms})
            response.headers[CURSOR_HEADER] = await node.catalogue.write(written)
        return await assets.shown(asset)

    @app.delete(
        "/api/v1/assets/{asset}",
        tags=["assets"],
        dependencies=[guard.require("operator")],
        responses=failing(404, 409, 503, 507),
    )
    async def throw_away(asset: _Asset, response: Response, now: bool = False) -> AssetDetails:
        """Put an asset into the trash, from which it can be restored; with ``now`` delete it for good."""
        shown = await trash(asset, node.now_ms(), response)
        if now:
            await node.trash.empty(AssetId(asset))
        return shown

    @app.post(
        "/api/v1/assets/{asset}/restore",
        tags=["assets"],
        dependencies=[guard.require("operator")],
        responses=failing(404, 409, 503, 507),
    )
    async def restore(asset: _Asset, response: Response) -> AssetDetails:
        """Take an asset out of the trash."""
        return await trash(asset, 0, response)
