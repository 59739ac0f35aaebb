"""Uploads over HTTP: a raw body becomes an asset, or nothing does.

Invariant: what cannot be taken (too large, no room, a wrong name) is said before the body is read where the length is
stated; a body that breaks off half-way, or of which nothing comes for ``IDLE_S``, leaves no asset. One person's uploads
never take every place there is. An upload that its sender named (``Idempotency-Key``) and sends again is one asset.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Header, Query, Request, Response
from starlette.requests import ClientDisconnect

from mesh.actors.files import TooLargeError
from mesh.core.access import Person
from mesh.core.names import NAME_CHARS_MAX
from proto.ids import AssetId
from thatdam.gateway.answers.assets import AssetDetails
from thatdam.gateway.assets import Assets, checked_tags
from thatdam.gateway.guard import Guard
from thatdam.gateway.once import KEY_CHARS_MAX, Once
from thatdam.gateway.problems import Problem, failing, sent
from thatdam.node import Node

REPLAYED_HEADER = "Idempotency-Replayed"
IDLE_S = 30.0
"""How long an upload may be silent while this node waits for its bytes."""
UPLOADS_EACH_MAX = 8
"""Uploads of one person, or of the tokens of one name, at once."""


class IdleError(Exception):
    """The one who uploads has sent nothing for too long."""


class BrokenOffError(Exception):
    """The one who uploaded is gone: there is nobody to answer."""


def install(app: FastAPI, node: Node, guard: Guard, assets: Assets) -> None:
    """Add the route."""
    operator = guard.require("operator")
    running: Counter[str] = Counter()
    size_max = node.ingest.size_bytes_max
    once = Once(node.catalogue)

    def too_large() -> Problem:
        return Problem(413, f"this node takes files of up to {size_max} bytes (http.upload_max_gb)")

    async def check_room(request: Request) -> int | None:
        stated = request.headers.get("content-length")
        if stated is None:
            return None
        size = int(stated) if stated.isascii() and stated.isdecimal() else -1
        if size < 0:
            raise Problem(400, "the Content-Length is no number")
        if size > size_max:
            raise too_large()
        free = await node.free_bytes()
        if size > free:
            raise Problem(
                507, f"the file has {size} bytes, and this node has room for {free}; free some, or try another"
            )
        return size

    async def body(request: Request, stated: int | None) -> AsyncIterator[bytes]:
        got = 0
        pieces = request.stream()
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    data = await anext(pieces, None)
            except TimeoutError as error:
                raise IdleError from error
            except ClientDisconnect as error:
                raise BrokenOffError from error
            if data is None:
                break
            got += len(data)
            yield data
        if stated is not None and got != stated:
            raise BrokenOffError

    @app.put(
        "/api/v1/uploads",
        tags=["assets"],
        status_code=201,
        responses=failing(400, 408, 409, 429, 503, 507),
        openapi_extra=sent("application/octet-stream", "The bytes of the file."),
    )
    async def upload(
        request: Request,
        response: Response,
        name: Annotated[str, Query(min_length=1, max_length=NAME_CHARS_MAX)],
        tags: Annotated[str, Query(max_length=8192)] = "",
        idempotency_key: Annotated[
            str | None,
            Header(
                min_length=1,
                max_length=KEY_CHARS_MAX,
                description="names this upload: sent again within a day, by the same person, it is the same asset",
            ),
        ] = None,
        person: Person = operator,
    ) -> AssetDetails:
        """Take the body as a file under this name; answered when it is durable.

        An upload sent again under its `Idempotency-Key` is not read: the asset there is is answered, with the header
        `Idempotency-Replayed`.
        """
        wanted = checked_tags(tuple(tag for tag in tags.split(",") if tag.strip()))
        stated = await check_room(request)
        given: AssetId | None = None
        alone: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if idempotency_key is not None:
            given, there = await once.find(person.user, idempotency_key, stated, node.now_ms())
            if there:
                if (await assets.shown(given)).trashed_at is not None:
                    raise Problem(409, f"the upload of this Idempotency-Key is in the trash as {given}; restore it")
                response.headers[REPLAYED_HEADER] = "true"
                return await assets.shown_copied(given)
            alone = once.running(given)
        if running[person.user] >= UPLOADS_EACH_MAX:
            raise Problem(
                429, f"{UPLOADS_EACH_MAX} uploads of yours are running on this node; send this one when one is done"
            )
        running[person.user] += 1
        try:
            with alone:
                asset = await node.ingest.take_in(name, wanted, body(request, stated), given)
        except TooLargeError:
            raise too_large() from None
        except BrokenOffError:
            raise Problem(400, "the upload broke off; nothing of it is kept") from None
        except IdleError:
            raise Problem(
                408, f"nothing came for {IDLE_S:g} s, so nothing of the upload is kept; send it again"
            ) from None
        finally:
            running[person.user] -= 1
            if not running[person.user]:
                del running[person.user]
        return await assets.shown_copied(asset)
