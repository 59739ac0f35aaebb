"""Errors as RFC 9457 problem details: one shape for every failure, with the correlation id to look for in the logs."""

from __future__ import annotations

import http
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mesh.actors.system import correlation
from mesh.core.access import Denied, TooManyTries
from mesh.ports import Corrupt, DiskFull, NotFound, PortError, ReadOnly, Refused, Unavailable
from proto.codec import Malformed

PROBLEM = "application/problem+json"
WHY: dict[int, str] = {
    400: "What was sent cannot be read.",
    401: "Nobody known asks: sign in, or send a token.",
    403: "The role does not allow it, or the request came from a foreign page.",
    404: "There is no such thing.",
    408: "Nothing came for too long.",
    409: "It cannot be done as things are.",
    413: "The body is too large.",
    415: "The body is of another type than this takes.",
    416: "The range begins after the last byte.",
    421: "This node is not called by this host name.",
    422: "A parameter or field is wrong; the detail names it.",
    429: "Too much at once, or too many tries; come again later.",
    500: "A bug of this node; its log has it by the correlation id.",
    502: "What another node gave, or a disk, is damaged.",
    503: "It cannot be done now, or those who know do not answer; try again.",
    507: "There is no room for it.",
}
"""What each status of a problem means, whatever route gives it."""

_log = structlog.get_logger("http")


BYTES = {"type": "string", "format": "binary"}
TEXT = {"type": "string"}


def media(kinds: dict[str, Any], *others: int, code: int = 200) -> dict[int | str, dict[str, Any]]:
    """Give what a route that answers otherwise than JSON says of its answers in the OpenAPI: schemas by media type.

    ``others`` are statuses beside ``code``: 206 has a part of the same, 304 nothing.
    """
    content = {"content": {kind: {"schema": schema} for kind, schema in kinds.items()}}
    told: dict[int, dict[str, Any]] = {
        206: {"description": "The part that was asked for.", **content},
        304: {"description": "As it was."},
    }
    return {code: {"description": "Done.", **content}, **{status: told[status] for status in others}}


def sent(kind: str, told: str) -> dict[str, Any]:
    """Give what a route says of a body that is not JSON."""
    schema = TEXT if kind != "application/octet-stream" else BYTES
    body = {"required": True, "description": told, "content": {kind: {"schema": schema}}}
    return {"requestBody": body}


def failing(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Give what a route says of its own failures in the OpenAPI."""
    return {status: {"description": WHY[status]} for status in statuses}


class Problem(Exception):
    """An answer that is an error, in words for the one who asked."""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = more


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """Give a problem as a response."""
    body = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "correlation_id": correlation.get(),
        **more,
    }
    shown = {"Cache-Control": "no-store", **(headers or {})}
    if correlation.get():
        shown["X-Correlation-Id"] = correlation.get()
    return JSONResponse(body, status_code=status, media_type=PROBLEM, headers=shown)


_PORT_STATUS: tuple[tuple[type[PortError], int], ...] = (
    (NotFound, 404),
    (Refused, 409),
    (ReadOnly, 503),
    (DiskFull, 507),
    (Corrupt, 502),
    (Unavailable, 503),
)


def install(app: FastAPI) -> None:
    """Have every failure of the application answered as a problem."""

    async def on_problem(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return problem_response(error.status, error.detail, **error.more)

    async def on_denied(_: Request, error: Exception) -> JSONResponse:
        if isinstance(error, TooManyTries):
            return problem_response(429, str(error), {"Retry-After": "60"})
        return problem_response(401, str(error), {"WWW-Authenticate": "Bearer"})

    async def on_port_error(_: Request, error: Exception) -> JSONResponse:
        status = next((code for kind, code in _PORT_STATUS if isinstance(error, kind)), 500)
        return problem_response(status, str(error))

    async def on_malformed(_: Request, error: Exception) -> JSONResponse:
        return problem_response(400, str(error))

    async def on_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return problem_response(error.status_code, str(error.detail), dict(error.headers or {}))

    async def on_invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0] if error.errors() else {"loc": (), "msg": "invalid"}
        where = ".".join(str(part) for part in first["loc"])
        told = str(first["msg"]).removeprefix("Value error, ")
        return problem_response(422, f"{where}: {told}")

    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        _log.error("request failed by a bug", path=request.url.path, error=repr(error), exc_info=error)
        return problem_response(
            500, f"a bug in this node: {type(error).__name__}; the log has it by the correlation id"
        )

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(Denied, on_denied)
    app.add_exception_handler(PortError, on_port_error)
    app.add_exception_handler(Malformed, on_malformed)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_bug)
