"""Who may ask: the session cookie or bearer token, the Host and Origin checks, and the role a route needs.

Invariant: deny by default. A route without a guard does not exist but those that tell nothing (health, sign-in, the
viewer's own files). A browser on a foreign page can neither change state nor open a WebSocket here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends
from starlette.requests import HTTPConnection

from mesh.actors.access import Access
from mesh.core.access import Denied, Person, Role
from thatdam.gateway.problems import Problem

COOKIE = "thatdam_session"
_SAFE = ("GET", "HEAD", "OPTIONS")


class Guard:
    """Checks who asks. ``names`` are host names this node is known by, besides plain addresses and localhost."""

    def __init__(self, access: Access, names: Callable[[], frozenset[str]]) -> None:
        self._access = access
        self._names = names

    def require(self, role: Role | str) -> Any:
        """Give the dependency of a route that needs at least ``role``; it gives the Person."""
        return Depends(Needs(self, Role(role)))

    def local_or(self, role: Role | str) -> Any:
        """Give the dependency of a route that this machine may ask unnamed, and others with ``role``."""
        return Depends(Needs(self, Role(role), here=True))

    async def who(self, connection: HTTPConnection) -> Person:
        """Tell who asks; Denied when nobody known."""
        self.check_host(connection)
        header = connection.headers.get("authorization", "")
        if header.lower().startswith("bearer "):
            return await self._access.whose_token(header[7:].strip())
        cookie = connection.cookies.get(COOKIE)
        if not cookie:
            raise Denied("sign in first, or send a token")
        changes = connection.scope["type"] == "websocket" or connection.scope.get("method", "GET") not in _SAFE
        if changes:
            self.check_origin(connection)
        return await self._access.whose_session(cookie)

    def check_host(self, connection: HTTPConnection) -> None:
        """Refuse a Host that is neither an address nor a name of this node (DNS rebinding)."""
        said = connection.headers.get("host", "")
        try:
            host = urlsplit("//" + said).hostname or ""
        except ValueError:
            raise Problem(421, f"this node is not called {said[:80]!r}") from None
        if host in ("localhost", *self._names()):
            return
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise Problem(421, f"this node is not called {host[:80]!r}") from None

    def check_origin(self, connection: HTTPConnection) -> None:
        """Refuse a state change or WebSocket that another site's page started."""
        scheme = "https" if connection.scope.get("scheme") in ("https", "wss") else "http"
        # Compared as text: a browser sends exactly this, and what else there may be need not be understood.
        if connection.headers.get("origin", "") != f"{scheme}://{connection.headers.get('host', '')}":
            raise Problem(403, "a request with a session cookie must come from this node's own pages (Origin)")


class Needs:
    """What a route needs of who asks it: at least ``role``, or nothing of programs on this machine (``here``)."""

    def __init__(self, guard: Guard, role: Role, *, here: bool = False) -> None:
        self._guard = guard
        self.role = role
        self.here = here

    async def __call__(self, connection: HTTPConnection) -> Person | None:
        """Give the one who asks, or raise what is to be answered; None: a program of this machine."""
        if self.here:
            self._guard.check_host(connection)
            if connection.client is not None and _is_loopback(connection.client.host):
                return None
        person = await self._guard.who(connection)
        if not person.role.includes(self.role):
            raise Problem(403, f"this needs the role {self.role.value}; you are {person.role.value}")
        return person


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


Require = Callable[[Role | str], Any]
Handler = Callable[..., Awaitable[Any]]
Present = Callable[[str], Awaitable[None]]
"""Returns when a camera of this id can be seen now; raises what is to be answered when not."""
