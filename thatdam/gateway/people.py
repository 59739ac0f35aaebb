"""People, programs and login links over HTTP; the mesh tables behind them are whole on every node."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Path
from pydantic import BaseModel, Field

from mesh.actors.access import NAME_MAX, PASSWORD_MAX
from mesh.core.access import LINK_LIFE_S, Role
from mesh.core.rows import Row
from mesh.ports import NotFound
from thatdam.gateway import shapes
from thatdam.gateway.guard import Guard
from thatdam.gateway.problems import Problem
from thatdam.gateway.shapes import Json
from thatdam.node import Node


class NewUser(BaseModel):
    """A person to add, or whose password and role to change; the sessions of that person end."""

    name: str = Field(max_length=NAME_MAX)
    password: str = Field(max_length=PASSWORD_MAX)
    role: Role = Role.VIEWER


class NewToken(BaseModel):
    """A program's token to make."""

    name: str = Field(max_length=NAME_MAX)
    role: Role = Role.VIEWER
    days: float = 90.0


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the routes."""
    admin = [guard.require("admin")]

    @app.get("/api/v1/users", tags=["access"], dependencies=admin)
    async def users() -> Json:
        """List the people who may sign in."""
        return {
            "users": [
                {"name": user.name, "role": user.role.value, "has_password": user.has_password}
                for user in await node.access.users()
            ]
        }

    @app.post("/api/v1/users", tags=["access"], status_code=201, dependencies=admin)
    async def add_user(body: NewUser) -> Json:
        """Let somebody sign in, on every node of the mesh."""
        try:
            await node.access.add_user(body.name, body.password, body.role)
        except ValueError as error:
            raise Problem(422, str(error)) from error
        return {"name": body.name, "role": body.role.value, "has_password": True}

    @app.delete("/api/v1/users/{name}", tags=["access"], status_code=204, dependencies=admin)
    async def remove_user(name: Annotated[str, Path(max_length=NAME_MAX)]) -> None:
        """Let somebody sign in no more; their sessions end on every node."""
        if all(user.name != name for user in await node.access.users()):
            raise NotFound(f"there is no user {name!r}")
        try:
            await node.access.remove_user(name)
        except ValueError as error:
            raise Problem(409, str(error)) from error

    @app.get("/api/v1/tokens", tags=["access"], dependencies=admin)
    async def tokens() -> Json:
        """List the tokens of programs; what they are is not shown again."""
        return {"tokens": [_token(row) for row in await node.access.tokens()]}

    @app.post("/api/v1/tokens", tags=["access"], status_code=201, dependencies=admin)
    async def add_token(body: NewToken) -> Json:
        """Make a token for a program; it is shown this once."""
        try:
            token = await node.access.add_token(body.name, body.role, body.days)
        except ValueError as error:
            raise Problem(422, str(error)) from error
        return {"token": token}

    @app.delete("/api/v1/tokens/{token}", tags=["access"], status_code=204, dependencies=admin)
    async def remove_token(token: Annotated[str, Path(max_length=64)]) -> None:
        """Let a token be worth nothing any more."""
        try:
            await node.access.remove_token(token)
        except ValueError as error:
            raise NotFound(str(error)) from error

    @app.post("/api/v1/links", tags=["access"], status_code=201, dependencies=admin)
    async def add_link() -> Json:
        """Make a login link of this node; it works once, for ten minutes."""
        return {"link": node.access.login_link_token(), "lives_s": LINK_LIFE_S}


def _token(row: Row) -> Json:
    field = row.fields.get
    return {
        "id": row.pk,
        "name": field("name"),
        "role": field("role"),
        "created_at": shapes.moment(field("created_ms")),
        "expires_at": shapes.moment(field("expires_ms")),
    }
