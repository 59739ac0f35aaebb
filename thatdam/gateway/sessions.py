"""Signing in and out over HTTP."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field

from mesh.core.access import Person
from thatdam.gateway import shapes
from thatdam.gateway.guard import COOKIE, Guard
from thatdam.gateway.shapes import Json
from thatdam.node import Node


class SignIn(BaseModel):
    """A name and password, or a login link's token."""

    user: str = Field("", max_length=200)
    password: str = Field("", max_length=1024)
    link: str = Field("", max_length=200)


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the routes."""

    @app.post("/api/v1/session", tags=["access"])
    async def sign_in(body: SignIn, request: Request, response: Response) -> Json:
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
        return _person(await node.access.whose_session(session))

    # A default, not Annotated: the guard is a local name, which FastAPI cannot find when it reads annotations.
    known = guard.require("viewer")

    @app.get("/api/v1/session", tags=["access"])
    async def who(person: Person = known) -> Json:
        """Tell who is signed in, where, and until when."""
        return {**_person(person), "node": node.node_id, "mesh": node.mesh}

    @app.delete("/api/v1/session", tags=["access"], status_code=204, dependencies=[guard.require("viewer")])
    async def sign_out(response: Response) -> None:
        """Sign out: the cookie is taken back."""
        response.delete_cookie(COOKIE)


def _person(person: Person) -> Json:
    return {"user": person.user, "role": person.role.value, "expires_at": shapes.moment(person.expires_ms)}
