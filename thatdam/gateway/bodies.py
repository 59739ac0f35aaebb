"""How large a request's body may be, whoever sends it: read whole into memory, it is read before anybody is known.

Invariant: but for uploads, which are streamed to the disk and have a limit of their own, no body over
``BODY_BYTES_MAX`` is held here, whether its length is stated or not.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from thatdam.gateway.problems import problem_response

BODY_BYTES_MAX = 1 << 20
STREAMED = frozenset({("PUT", "/api/v1/uploads")})
"""What has its own, larger limit. (WHEP has its own, smaller one.)"""
TOO_LARGE = f"the body of a request has at most {BODY_BYTES_MAX} bytes; files go to PUT /api/v1/uploads"


class Bounded:
    """ASGI middleware: 413 for a body that is too large. What is not read of it the server lets go."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) in STREAMED:
            await self._app(scope, receive, send)
            return
        stated = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if len(stated) > 18 or (stated.isdigit() and int(stated) > BODY_BYTES_MAX):
            await problem_response(413, TOO_LARGE)(scope, receive, send)
            return
        got = 0

        async def bounded() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > BODY_BYTES_MAX:
                # The framework gives this one kind of error on, from whatever part of it reads the body.
                raise HTTPException(413, TOO_LARGE)
            return message

        await self._app(scope, bounded, send)
