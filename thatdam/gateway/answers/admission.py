"""Letting nodes in and ending them: tickets, revoking, the authority."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mesh.actors.admission import LIFE_S_MAX, LIFE_S_MIN, REASON_MAX
from mesh.core.tickets import ROLES_MAX
from thatdam.config import ROLES
from thatdam.gateway.answers import Answer, Body, Moment


class NewTicket(Body):
    """A ticket to make: it lets one machine in, with these roles at most."""

    roles: list[Annotated[str, Field(max_length=16)]] = Field(default=list(ROLES), max_length=ROLES_MAX)
    """What the machine may do at most."""
    expires_s: float = Field(default=3600.0, ge=LIFE_S_MIN, le=LIFE_S_MAX)
    """Seconds until it is worth nothing any more."""


class Ending(Body):
    """Why a node is revoked."""

    reason: str = Field(default="", max_length=REASON_MAX)
    """Why, in words; everybody can read it."""


class TicketMade(Answer):
    """A ticket that lets one machine in, once."""

    ticket: str
    """What that machine is started with: ``thatdam up --join TICKET``."""
    qr: list[str]
    """The ticket as a QR code: its rows, 1 for a dark module and 0 for a light one, without the margin."""
    mesh: str
    """The id of the mesh it leads into."""
    node: str
    """The id of the node that redeems it."""
    addresses: list[str]
    """Where that node is reached, as host:port."""
    here_only: bool
    """Whether these addresses lead nowhere from another machine."""
    roles: list[str]
    """What the machine may do at most."""
    expires_at: Moment | None
    """When it is worth nothing any more."""


class Revoked(Answer):
    """A node that was ended for ever."""

    node: str
    """Its id."""
    already: bool
    """Whether it had been before."""
    authority_renewed: bool
    """Whether the mesh got a new authority, since the node knew the old one."""
    admitting: list[str]
    """The ids of the nodes that can let others in now."""


class Admitting(Answer):
    """A node that can let others in from now on."""

    node: str
    """Its id."""
    admitting: list[str]
    """The ids of the nodes that can let others in now."""


class AuthorityRenewed(Answer):
    """The mesh has a new authority."""

    mesh: str
    """The id of the mesh, which stays."""
    admitting: list[str]
    """The ids of the nodes that can let others in now."""
