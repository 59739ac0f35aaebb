"""People, programs and login links over HTTP; the mesh tables behind them are whole on every node."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Path

from mesh.actors.access import NAME_MAX
from mesh.core.access import LINK_LIFE_S, Role
from mesh.core.rows import Row
from mesh.ports import NotFound
from thatdam.gateway import shapes
from thatdam.gateway.answers import RoleName
from thatdam.gateway.answers.access import LoginLink, NewToken, NewTokenMade, NewUser, Token, Tokens, User, Users
from thatdam.gateway.guard import Guard
from thatdam.gateway.problems import Problem, failing
from thatdam.node import Node

ROLES: dict[Role, RoleName] = {Role.VIEWER: "viewer", Role.OPERATOR: "operator", Role.ADMIN: "admin"}


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the routes."""
    admin = [guard.require("admin")]

    @app.get("/api/v1/users", tags=["access"], dependencies=admin)
    async def users() -> Users:
        """List the people who may sign in."""
        return Users(
            users=[
                User(name=user.name, role=ROLES[user.role], has_password=user.has_password)
                for user in await node.access.users()
            ]
        )

    @app.post("/api/v1/users", tags=["access"], status_code=201, dependencies=admin, responses=failing(507))
    async def add_user(body: NewUser) -> User:
        """Let somebody sign in, on every node of the mesh."""
        try:
            await node.access.add_user(body.name, body.password, body.role)
        except ValueError as error:
            raise Problem(422, str(error)) from error
        return User(name=body.name, role=ROLES[body.role], has_password=True)

    @app.delete(
        "/api/v1/users/{name}", tags=["access"], status_code=204, dependencies=admin, responses=failing(404, 409, 507)
    )
    async def remove_user(name: Annotated[str, Path(max_length=NAME_MAX)]) -> None:
        """Let somebody sign in no more; their sessions end on every node."""
        if all(user.name != name for user in await node.access.users()):
            raise NotFound(f"there is no user {name!r}")
        try:
            await node.access.remove_user(name)
        except ValueError as error:
            raise Problem(409, str(error)) from error

    @app.get("/api/v1/tokens", tags=["access"], dependencies=admin)
    async def tokens() -> Tokens:
        """List the tokens of programs; what they are is not shown again."""
        return Tokens(tokens=[_token(row) for row in await node.access.tokens()])

    @app.post("/api/v1/tokens", tags=["access"], status_code=201, dependencies=admin, responses=failing(507))
    async def add_token(body: NewToken) -> NewTokenMade:
        """Make a token for a program; it is shown this once."""
        try:
            token = await node.access.add_token(body.name, body.role, body.days)
        except ValueError as error:
            raise Problem(422, str(error)) from error
        return NewTokenMade(token=token)

    @app.delete(
        "/api/v1/tokens/{token}", tags=["access"], status_code=204, dependencies=admin, responses=failing(404, 507)
    )
    async def remove_token(token: Annotated[str, Path(max_length=64)]) -> None:
        """Let a token be worth nothing any more."""
        try:
            await node.access.remove_token(token)
        except ValueError as error:
            raise NotFound(str(error)) from error

    @app.post("/api/v1/links", tags=["access"], status_code=201, dependencies=admin)
    async def add_link() -> LoginLink:
        """Make a login link of this node; it works once, for ten minutes."""
        return LoginLink(link=node.access.login_link_token(), lives_s=LINK_LIFE_S)


def _token(row: Row) -> Token:
    field = row.fields.get
    return Token(
        id=row.pk,
        name=shapes.text(field("name")) or "",
        role=next((name for role, name in ROLES.items() if role == field("role")), "viewer"),
        created_at=shapes.moment(field("created_ms")),
        expires_at=shapes.moment(field("expires_ms")),
    )
