"""A correlation id for every request: given back in the header, written in the log, carried to other nodes.

An id that a client sends is taken where it is harmless text, so that a program finds its own id in every node's log.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mesh.actors.system import correlation
from mesh.ports import Entropy
from proto.ids import short_id
from thatdam.gateway.traffic import Traffic

HEADER = "x-correlation-id"
_HARMLESS = re.compile(r"[A-Za-z0-9_.-]{6,64}")
_QUIET = ("GET", "HEAD", "OPTIONS", "WEBSOCKET")

_refused: ContextVar[bool] = ContextVar("websocket_refused", default=False)

_log = structlog.get_logger("http")


def _worth_telling(record: logging.LogRecord) -> bool:
    """Tell whether a line of the server is: it takes a WebSocket refused with an answer for one left without."""
    return not (_refused.get() and "without completing handshake" in record.getMessage())


class Correlate:
    """ASGI middleware. Paths are logged without their query, which may hold words people looked for."""

    def __init__(self, app: ASGIApp, entropy: Entropy, traffic: Traffic) -> None:
        self._app = app
        self._entropy = entropy
        self._traffic = traffic
        logging.getLogger("uvicorn.error").addFilter(_worth_telling)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or WebSocket under its id."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        said = next((value.decode("latin-1") for name, value in scope["headers"] if name == HEADER.encode()), "")
        mine = said if _HARMLESS.fullmatch(said) else short_id(self._entropy.token(16))
        correlation.set(mine)
        _refused.set(False)
        begun, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                _refused.set(scope["type"] == "websocket")
                _set_header(message, HEADER, mine)
                _set_header(message, "x-content-type-options", "nosniff")
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            self._tell(scope, status, time.perf_counter() - begun)

    def _tell(self, scope: Scope, status: int, took_s: float) -> None:
        method = scope.get("method", "WEBSOCKET")
        self._traffic.answered(method, status, took_s)
        level = _log.warning if status >= 500 else _log.debug if method in _QUIET else _log.info
        level("request", method=method, path=scope["path"], status=status or None, ms=round(took_s * 1000, 1))


def _set_header(message: MutableMapping[str, Any], name: str, value: str) -> None:
    headers = message.setdefault("headers", [])
    if all(one.lower() != name.encode() for one, _ in headers):
        message["headers"] = [*headers, (name.encode(), value.encode())]
