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
from mesh.ports import Corrupt, DiskFull, NotFound, PortError, Refused, Unavailable
from proto.codec import Malformed

_log = structlog.get_logger("http")


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
    return JSONResponse(body, status_code=status, media_type="application/problem+json", headers=shown)


_PORT_STATUS: tuple[tuple[type[PortError], int], ...] = (
    (NotFound, 404),
    (Refused, 409),
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
        return problem_response(422, f"{where}: {first['msg']}")

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
