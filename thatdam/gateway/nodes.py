"""The nodes of the mesh over HTTP: who is there and how each is doing."""

from __future__ import annotations

import asyncio
from typing import Literal

from fastapi import FastAPI

from mesh.core.query import Query as Rows
from proto.messages.membership import State
from proto.messages.nodes import NodeReport
from thatdam.gateway import shapes
from thatdam.gateway.answers.nodes import (
    Collection,
    Copies,
    HoldsUp,
    Node,
    Nodes,
    NodeStanding,
    Partitions,
    ReadOnly,
    Refusal,
    RevokedNode,
)
from thatdam.gateway.guard import Guard
from thatdam.gateway.problems import failing
from thatdam.node import Node as ThisNode
from thatdam.reports import NodeState

_STATES: dict[State, Literal["alive", "suspect", "dead", "left"]] = {
    State.ALIVE: "alive",
    State.SUSPECT: "suspect",
    State.DEAD: "dead",
    State.LEFT: "left",
}


def install(app: FastAPI, node: ThisNode, guard: Guard) -> None:
    """Add the routes."""

    @app.get("/api/v1/nodes", tags=["nodes"], dependencies=[guard.require("viewer")], responses=failing(503))
    async def nodes() -> Nodes:
        """List the nodes of the mesh and how each is doing, and how many copies there are of what is kept."""
        states, page = await asyncio.gather(node.overview.nodes(), node.catalogue.scan(Rows("assets", limit=1)))
        told = [state.report for state in states if state.report is not None]
        names = {str(state.member.id): state.member.info.name for state in states}
        holding = sorted({one for report in told for one in report.held_up_by})
        return Nodes(
            nodes=[_shape(state, node) for state in states],
            mesh=node.mesh,
            standing=NodeStanding(
                admitting=list(node.roster.admitting()),
                admits=node.admission.admits,
                revoked=[RevokedNode(id=gone, reason=why) for gone, why in node.roster.tombstones().items()],
                refused=[Refusal(address=at, reason=why) for at, why in node.members.refusals().items()],
                certificate_expires_at=shapes.moment(int(node.admission.certificate_expires_s() * 1000)),
                warnings=node.warnings(),
            ),
            copies=Copies(
                wanted=node.view.copies(),
                at_risk=sum(report.chunks_short + report.chunks_damaged for report in told),
                repairing=sum(
                    report.chunks_repairing + max(0, report.chunks_damaged - report.chunks_unfound) for report in told
                ),
                unfound=sum(report.chunks_unfound for report in told),
                waiting=sum(report.lag_chunks for report in told),
                lag_bytes=sum(report.lag_bytes for report in told),
                lag_s=max((report.lag_s for report in told), default=0.0),
            ),
            collection=Collection(
                reclaimable_bytes=sum(report.idle_bytes for report in told),
                reclaimable_chunks=sum(report.idle_chunks for report in told),
                reclaimed_bytes=sum(report.reclaimed_bytes for report in told),
                held_up_by=[HoldsUp(id=one, name=names.get(one, "")) for one in holding],
            ),
            assets=page.total,
            partitions=Partitions(
                ok=page.partitions_ok,
                total=page.partitions_total,
                catching_up=page.partitions_ok < page.partitions_total and node.all_there(),
            ),
        )


def _safe_url(url: str) -> str | None:
    """Give what a node says its address is, where a browser may follow it: it could say `javascript:` as well."""
    return url if url.startswith(("http://", "https://")) and url.isprintable() else None


def read_only_of(report: NodeReport | None) -> ReadOnly | None:
    """Give how a node is read-only, as it tells; None when it is not."""
    if report is None or report.read_only not in ("setting", "disk"):
        return None
    return ReadOnly(
        by="setting" if report.read_only == "setting" else "disk",
        why=report.read_only_why,
        since=shapes.moment(report.read_only_since_ms),
        rows=report.takes_rows,
    )


def _shape(state: NodeState, node: ThisNode) -> Node:
    member, report = state.member, state.report
    info = member.info
    return Node(
        id=member.id,
        name=info.name,
        state="revoked" if node.roster.revoked(member.id) else _STATES[member.state],
        self=member.id == node.node_id,
        roles=list(info.roles),
        role_reasons=dict(report.role_reasons) if report else {},
        addresses=[f"{host}:{port}" for host, port in info.addresses],
        http_url=_safe_url(info.http_url),
        version=info.version,
        zone=info.zone,
        models=list(info.models),
        cpu_percent=report.cpu_percent if report else None,
        memory_bytes=report.memory_bytes if report else None,
        disk_total_bytes=report.disk_total_bytes if report else None,
        disk_free_bytes=report.disk_free_bytes if report else None,
        chunks=report.chunks if report else None,
        chunk_bytes=report.chunk_bytes if report else None,
        rows=report.rows if report else None,
        chunks_short=report.chunks_short if report else None,
        chunks_damaged=report.chunks_damaged if report else None,
        partitions_behind=report.partitions_behind if report else None,
        reclaimable_bytes=report.idle_bytes if report else None,
        reclaimed_bytes=report.reclaimed_bytes if report else None,
        scrub_began_at=shapes.moment(report.scrub_began_ms) if report else None,
        scrub_ended_at=shapes.moment(report.scrub_ended_ms) if report else None,
        scrub_found=report.scrub_found if report else None,
        read_only=read_only_of(report),
        lag_bytes=report.lag_bytes if report else None,
        lag_s=report.lag_s if report else None,
        rtt_ms=round(state.rtt_s * 1000, 2) if state.rtt_s is not None and report is not None else None,
        relay=state.relay,
        started_at=shapes.moment(report.started_ms) if report else None,
        loop_lag_ms=report.loop_lag_ms if report else None,
    )
