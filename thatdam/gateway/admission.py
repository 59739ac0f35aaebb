"""Letting nodes in and ending them, over HTTP: tickets, who else can admit, revoking, the authority."""

from __future__ import annotations

from typing import Annotated

import segno
from fastapi import FastAPI, Path

from mesh.core.tickets import write_ticket
from thatdam.config import ROLES
from thatdam.gateway import shapes
from thatdam.gateway.answers.admission import Admitting, AuthorityRenewed, Ending, NewTicket, Revoked, TicketMade
from thatdam.gateway.guard import Guard
from thatdam.gateway.naming import named
from thatdam.gateway.problems import Problem, failing
from thatdam.node import Node

NodeName = Annotated[str, Path(max_length=64)]


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the routes."""
    admin = [guard.require("admin")]

    @app.post("/api/v1/tickets", tags=["nodes"], status_code=201, dependencies=admin, responses=failing(409, 503, 507))
    async def add_ticket(body: NewTicket) -> TicketMade:
        """Make a ticket: `thatdam up --join TICKET` on one other machine, once, before it expires."""
        for role in body.roles:
            if role not in ROLES:
                raise Problem(422, f"there is no role {role!r}; the roles are {', '.join(ROLES)}")
        roles = tuple(role for role in ROLES if role in body.roles)
        ticket = await node.admission.invite(roles, body.expires_s)
        await node.keep_company()
        text = write_ticket(ticket)
        return TicketMade(
            ticket=text,
            qr=_qr_rows(text),
            mesh=node.mesh,
            node=node.node_id,
            addresses=[f"{host}:{port}" for host, port in ticket.addresses],
            here_only=node.here_only(),
            roles=list(roles),
            expires_at=shapes.moment(ticket.expires_s * 1000),
        )

    @app.post("/api/v1/nodes/{name}/revoke", tags=["nodes"], dependencies=admin, responses=failing(404, 409, 503, 507))
    async def revoke(name: NodeName, body: Ending) -> Revoked:
        """End a node for ever: its links are cut everywhere, and what it says or signed is refused from now on."""
        done = await node.admission.revoke(named(node, name), body.reason)
        return Revoked(
            node=done.node,
            already=done.already,
            authority_renewed=done.renewed,
            admitting=list(node.roster.admitting()),
        )

    @app.post("/api/v1/nodes/{name}/admit", tags=["nodes"], dependencies=admin, responses=failing(404, 409, 503, 507))
    async def admit(name: NodeName) -> Admitting:
        """Let another node admit too, so that the mesh does not hang on this one."""
        wanted = named(node, name)
        await node.admission.grant(wanted)
        return Admitting(node=wanted, admitting=sorted({*node.roster.admitting(), wanted}))

    @app.post("/api/v1/authority", tags=["nodes"], dependencies=admin, responses=failing(409, 503, 507))
    async def renew_authority() -> AuthorityRenewed:
        """Give the mesh a new authority: a secret or key that got into wrong hands is worth nothing afterwards."""
        await node.admission.renew_authority()
        return AuthorityRenewed(mesh=node.mesh, admitting=list(node.roster.admitting()))


def _qr_rows(ticket: str) -> list[str]:
    # Capital letters have a QR alphabet of their own, half the size; a ticket's case does not matter.
    code = segno.make(ticket.upper(), error="l", micro=False)
    return ["".join("1" if module else "0" for module in row) for row in code.matrix]
