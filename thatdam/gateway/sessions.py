"""Signing in and out over HTTP."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from mesh.core.access import Person
from thatdam.gateway import shapes
from thatdam.gateway.answers.access import Session, SignedIn, SignIn
from thatdam.gateway.guard import COOKIE, Guard
from thatdam.gateway.people import ROLES
from thatdam.gateway.problems import failing
from thatdam.node import Node


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the routes."""

    @app.post("/api/v1/session", tags=["access"], responses=failing(401, 403, 421, 429))
    async def sign_in(body: SignIn, request: Request, response: Response) -> SignedIn:
        """Sign in by name and password or by a login link; sets the session cookie."""
        guard.check_host(request)
        if request.headers.get("origin"):
            guard.check_origin(request)
        sender = request.client.host if request.client else ""
        if body.link:
            session = await node.access.sign_in_by_link(body.link, sender)
        else:
            session = await node.access.sign_in(body.user, body.password, sender)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, session, max_age=12 * 3600, httponly=True, samesite="lax", secure=secure)
        person = await node.access.whose_session(session)
        return SignedIn(user=person.user, role=ROLES[person.role], expires_at=shapes.moment(person.expires_ms))

    # A default, not Annotated: the guard is a local name, which FastAPI cannot find when it reads annotations.
    known = guard.require("viewer")

    @app.get("/api/v1/session", tags=["access"])
    async def who(person: Person = known) -> Session:
        """Tell who is signed in, where, and until when."""
        return Session(
            user=person.user,
            role=ROLES[person.role],
            expires_at=shapes.moment(person.expires_ms),
            node=node.node_id,
            mesh=node.mesh,
        )

    @app.delete("/api/v1/session", tags=["access"], status_code=204, dependencies=[guard.require("viewer")])
    async def sign_out(request: Request, response: Response) -> None:
        """Sign out: the session ends on every node, and the cookie is taken back."""
        cookie = request.cookies.get(COOKIE)
        if cookie and not request.headers.get("authorization"):  # a token is no session, and lives on
            await node.access.end_session(cookie)
        response.delete_cookie(COOKIE)
