"""The layout over HTTP: how it is, what a change would move, and doing it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from fastapi import FastAPI

from mesh.core.layouts import Movement, Order, Version, movement, replacing
from mesh.core.placement import Layout
from proto.ids import NodeId
from roles.storage.chunks import STAND_IN_FULL
from thatdam.gateway.answers.layout import Change, LayoutTold, Orders, Plan, Standing
from thatdam.gateway.guard import Guard
from thatdam.gateway.naming import named
from thatdam.gateway.problems import Problem, failing
from thatdam.node import Node
from thatdam.reports import NodeState

UNEVEN_TOLD = 1.10
"""A load over its share from which a plan warns."""


def install(app: FastAPI, node: Node, guard: Guard) -> None:
    """Add the routes."""
    admin = [guard.require("admin")]

    @app.get("/api/v1/layout", tags=["layout"], dependencies=[guard.require("viewer")])
    async def layout() -> LayoutTold:
        """Tell who stores what, and whether all of it is where it belongs."""
        history, copies = node.view.history, node.view.copies_wanted
        now = node.view.layout
        told = await node.layouts.work(lambda: movement(now, now, copies))
        states = await _states(node)
        return LayoutTold(
            version=history.now.id,
            parents=list(history.now.parents),
            moving=history.moving,
            heads=len(history.heads),
            copies=node.view.copies(),
            zone_violations=told.violations,
            uneven=round(told.uneven, 3),
            nodes=[_standing(node, states, one.node, one.after) for one in told.nodes],
        )

    @app.post("/api/v1/layout/plan", tags=["layout"], dependencies=admin, responses=failing(404, 409, 503))
    async def plan_layout(body: Orders) -> Plan:
        """Tell what a change would move; nothing is done."""
        planned = await _plan(node, body)
        return await _told(node, planned, applied=False)

    @app.post("/api/v1/layout/apply", tags=["layout"], dependencies=admin, responses=failing(404, 409, 503, 507))
    async def apply_layout(body: Orders) -> Plan:
        """Change the layout; what has to moves by itself from then on, and everything is served meanwhile."""
        planned = await _plan(node, body)
        answer = await _told(node, planned, applied=True)
        await node.layouts.apply(planned.version)
        return answer


@dataclass(frozen=True)
class _Planned:
    version: Version
    before: Layout
    movement: Movement
    base: str
    states: dict[NodeId, NodeState]
    warnings: list[str]


async def _states(node: Node) -> dict[NodeId, NodeState]:
    return {NodeId(state.member.id): state for state in await node.overview.nodes()}


def _standing(node: Node, states: dict[NodeId, NodeState], one: NodeId, partitions: int) -> Standing:
    place, state = node.view.layout.places[one], states.get(one)
    report = state.report if state is not None else None
    history = node.view.history
    return Standing(
        id=one,
        name=state.member.info.name if state is not None else "",
        state=place.state,
        zone=place.zone,
        weight_bytes=place.capacity_bytes,
        partitions=partitions,
        bytes=report.chunk_bytes if report else None,
        chunks=report.chunks if report else None,
        partitions_behind=report.partitions_behind if report else None,
        chunks_to_copy=report.chunks_repairing if report else None,
        looked_at=report.looked_at if report else None,
        moved_bytes=report.moved_bytes if report else None,
        read_only=bool(report and report.read_only),
        synced=not history.moving or history.synced.get(one) == history.now.id,
        present=report is not None,
    )


async def _plan(node: Node, body: Orders) -> _Planned:
    states = await _states(node)
    before = node.view.layout
    warnings: list[str] = []
    if body.revert:
        if any((body.add, body.drain, body.remove, body.replace, body.weight, body.zone)):
            raise Problem(422, "going back goes alone: say other changes in a second step")
        version = await node.layouts.plan_back()
    else:
        version = await node.layouts.plan(_orders(node, body, states, warnings))
    base = version.parents[0] if len(version.parents) == 1 else ""
    if body.base and body.base != base:
        raise Problem(409, "the layout was changed meanwhile: plan again")
    copies = node.view.copies_wanted
    told = await node.layouts.work(lambda: movement(before, version.layout, copies))
    return _Planned(version, before, told, base, states, warnings)


def _orders(node: Node, body: Orders, states: dict[NodeId, NodeState], warnings: list[str]) -> list[Order]:
    orders = []
    moved = Counter(
        named(node, said)
        for said in (
            *body.add,
            *body.drain,
            *body.remove,
            *(one for pair in body.replace for one in (pair.old, pair.new)),
        )
    )
    for one, times in moved.items():
        if times > 1:
            member = node.members.all().get(one)
            name = (member.info.name if member is not None else "") or one[:12]
            raise Problem(422, f"{name} is to be added, drained, removed or replaced twice: say one of them")
    for said in body.add:
        one = named(node, said)
        state = states.get(one)
        if state is None or not state.member.info.capacity_bytes or "storage" not in state.member.info.roles:
            raise Problem(409, f"the node {said!r} does not store: start it with the role storage first")
        orders.append(Order(one, state.member.info.capacity_bytes, state.member.info.zone, "active"))
    orders += [Order(_seated(node, said), state="draining") for said in body.drain]
    for pair in body.replace:
        orders += replacing(_seated(node, pair.old), named(node, pair.new))
    orders += [Order(_seated(node, said), capacity_bytes=size) for said, size in body.weight.items()]
    orders += [Order(_seated(node, said), zone=zone) for said, zone in body.zone.items()]
    for said in body.remove:
        one = _seated(node, said)
        left = _left_on(node, one, states.get(one))
        if left and not body.force:
            raise Problem(409, f"{left}: drain it first, or remove it by force and lose what it alone holds")
        if left:
            warnings.append(f"{left}: what it alone holds is lost")
        orders.append(Order(one, state="removed"))
    return orders


def _left_on(node: Node, one: NodeId, state: NodeState | None) -> str:
    """Say why a node cannot go yet without a loss; empty when it can."""
    name = state.member.info.name if state is not None and state.member.info.name else one[:12]
    report = state.report if state is not None else None
    if node.view.layout.places[one].state == "active":
        return f"{name} stores still"
    if report is None:
        return f"{name} is not there to say that it holds nothing"
    if report.chunks:
        return f"{name} holds {report.chunks} chunks still ({report.chunk_bytes} bytes)"
    if node.view.history.moving:
        return f"{name} serves until all that moved is where it belongs"
    return ""


def _seated(node: Node, said: str) -> NodeId:
    one = named(node, said)
    if one not in node.view.layout.places:
        raise Problem(409, f"the node {said!r} does not stand in the layout; `thatdam layout show` lists who does")
    return one


async def _told(node: Node, planned: _Planned, *, applied: bool) -> Plan:
    told, places = planned.movement, planned.version.layout.places
    held = sum(state.report.chunk_bytes or 0 for state in planned.states.values() if state.report is not None)
    # Content is spread evenly over partitions: what a partition weighs is what all hold, by partition and copy.
    each = held / max(1, sum(one.before for one in told.nodes))
    names = {one: state.member.info.name for one, state in planned.states.items()}
    changes = [
        Change(
            id=one.node,
            name=names.get(one.node, ""),
            state=places[one.node].state,
            zone=places[one.node].zone,
            weight_bytes=places[one.node].capacity_bytes,
            partitions_before=one.before,
            partitions_after=one.after,
            partitions_coming=one.comes,
            bytes_before=round(one.before * each),
            bytes_after=round(one.after * each),
            bytes_coming=round(one.comes * each),
        )
        for one in told.nodes
    ]
    return Plan(
        base=planned.base,
        version=planned.version.id,
        applied=applied,
        nodes=changes,
        bytes_to_move=round(told.moved * each),
        over_least=round(told.moved / told.least, 3) if told.least else 1.0,
        zone_violations=told.violations,
        uneven=round(told.uneven, 3),
        warnings=[*planned.warnings, *_warnings(node, planned, changes)],
    )


def _warnings(node: Node, planned: _Planned, changes: list[Change]) -> list[str]:
    told = planned.movement
    wanted = node.view.copies_wanted
    active = [one for one in changes if one.state == "active"]
    zones = {one.zone or one.id for one in active}
    found = []
    if len(active) < wanted:
        found.append(f"{wanted} copies are wanted, and {len(active)} nodes will store: there will be {len(active)}")
    if told.violations:
        found.append(f"{told.violations} partitions will have two copies in one zone")
    elif len(zones) < min(wanted, len(active)):
        found.append(f"there are {len(zones)} zones for {wanted} copies: some zones hold two copies of everything")
    if told.uneven > UNEVEN_TOLD:
        found.append(f"one node will carry {told.uneven:.2f} times its share: zones or weights leave no better way")
    for one in active:
        state = planned.states.get(NodeId(one.id))
        name = one.name or one.id[:12]
        if one.bytes_after > STAND_IN_FULL * one.weight_bytes:
            found.append(f"{name} will be over {STAND_IN_FULL:.0%} full")
        if one.bytes_coming and state is not None and state.report is not None and state.report.read_only:
            found.append(
                f"{name} is read-only: what it is to hold waits until it is not, and stand-ins hold it meanwhile"
            )
        if one.bytes_coming and (state is None or state.report is None):
            found.append(f"{name} is not there: what it is to hold waits until it is, and stand-ins hold it meanwhile")
    return found
