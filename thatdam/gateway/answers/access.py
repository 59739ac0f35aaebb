"""Sessions, people, tokens of programs, login links."""

from __future__ import annotations

from pydantic import Field

from mesh.actors.access import NAME_MAX, PASSWORD_MAX
from mesh.core.access import Role
from thatdam.gateway.answers import Answer, Body, Moment, RoleName


class SignIn(Body):
    """A name and password, or a login link's token."""

    user: str = Field("", max_length=200)
    """The name of the person."""
    password: str = Field("", max_length=1024)
    """The person's password."""
    link: str = Field("", max_length=200)
    """The token of a login link; the name and password are then not looked at."""


class NewUser(Body):
    """A person to add, or whose password and role to change; the sessions of that person end."""

    name: str = Field(max_length=NAME_MAX)
    """Letters, digits, '.', '-' and '_'."""
    password: str = Field(max_length=PASSWORD_MAX)
    """At least ten characters."""
    role: Role = Role.VIEWER
    """What the person may do; each role may what the one before may."""


class NewToken(Body):
    """A program's token to make."""

    name: str = Field(max_length=NAME_MAX)
    """What the token is for."""
    role: Role = Role.VIEWER
    """What the program may do."""
    days: float = 90.0
    """Days until it is worth nothing any more."""


class SignedIn(Answer):
    """Who is signed in now; the session itself is in the cookie."""

    user: str
    """The name of the person."""
    role: RoleName
    """What the person may do."""
    expires_at: Moment | None
    """When the session ends by itself."""


class Session(SignedIn):
    """Who asks, and whom."""

    node: str
    """The id of the node that answers."""
    mesh: str
    """The id of its mesh."""


class User(Answer):
    """A person who may sign in."""

    name: str
    """The name of the person."""
    role: RoleName
    """What the person may do."""
    has_password: bool
    """Whether the person can sign in by a password; the first admin may have login links alone."""


class Users(Answer):
    """The people of the mesh."""

    users: list[User]
    """By name."""


class Token(Answer):
    """A program's token, without the token itself."""

    id: str
    """What to name it by: the hash of the token."""
    name: str
    """What it is for."""
    role: RoleName
    """What the program may do."""
    created_at: Moment | None
    """When it was made."""
    expires_at: Moment | None
    """When it is worth nothing any more."""


class Tokens(Answer):
    """The tokens of programs."""

    tokens: list[Token]
    """All of the mesh."""


class NewTokenMade(Answer):
    """A token, shown this once."""

    token: str
    """What the program sends: ``Authorization: Bearer TOKEN``."""


class LoginLink(Answer):
    """A login link's token."""

    link: str
    """The token; the link is ``NODE_URL/#/login/TOKEN``."""
    lives_s: int
    """Seconds until it is worth nothing any more."""
