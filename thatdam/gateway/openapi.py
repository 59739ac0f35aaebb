"""The OpenAPI of a node: what every route takes, gives and may refuse, and what the event feed tells.

FastAPI reads the routes; added here is what it does not know: problems (RFC 9457) under their own media type, who may
ask, and the events, which OpenAPI has no place for but whose shapes programs want as well.

Invariant: a route names the failures that are its own (``problems.failing``); those that follow from what it is are
added here: 401, 403 and 421 where somebody has to be known, 422 where something can be written wrong, 400 and 413 where
there is a body, 500 always.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from mesh.core.access import Role
from thatdam.gateway.answers.events import Event
from thatdam.gateway.answers.problem import ProblemDetails
from thatdam.gateway.guard import COOKIE, Needs
from thatdam.gateway.problems import PROBLEM, WHY

REFERENCE = "#/components/schemas/{model}"
FEED = "/api/v1/events"
ABOUT = (
    "Every node serves the same API for the whole mesh. Failures are problems (RFC 9457). Times are RFC 3339 in UTC, "
    "positions and durations seconds, sizes bytes; what is not known is null. The WebSocket "
    f"{FEED} sends one `Event` a message."
)
SCHEMES = {
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "What POST /api/v1/session sets."},
    "token": {"type": "http", "scheme": "bearer", "description": "A token of a program, made by an admin."},
}


def install(app: FastAPI) -> None:
    """Have the application give this OpenAPI, made once, when it is first asked for."""
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(described(app))
        return made

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's own way to extend it


def described(app: FastAPI) -> dict[str, Any]:
    """Give the OpenAPI of an application."""
    spec = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # the framework's own shape of a 422, which is not ours
        schemas.pop(name, None)
    _add(schemas, "ProblemDetails", ProblemDetails.model_json_schema(ref_template=REFERENCE))
    _add(schemas, "Event", TypeAdapter(Event).json_schema(ref_template=REFERENCE))
    spec["components"]["securitySchemes"] = SCHEMES
    needs = {(method, route.path): needed(route) for route in flat(app.routes) for method in _methods(route)}
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            _refusals(operation, needs[method.upper(), path])
    _untitle(spec["paths"])
    _untitle(schemas)
    return spec


def _untitle(part: Any) -> None:
    """Take away the titles that pydantic makes of names: they say nothing, and double what is made from this."""
    if isinstance(part, dict):
        if isinstance(part.get("title"), str):
            del part["title"]
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            _untitle(one)


def flat(routes: Iterable[Any]) -> Iterator[Any]:
    """Give every route, those of included routers too."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from flat(inner.routes)
        else:
            yield route


def needed(route: Any) -> Needs | None:
    """Give who may ask a route; None when anybody may."""
    return _needs(getattr(route, "dependant", None))


def _needs(dependant: Any) -> Needs | None:
    for inner in dependant.dependencies if dependant is not None else ():
        found = inner.call if isinstance(inner.call, Needs) else _needs(inner)
        if found is not None:
            return found
    return None


def _methods(route: Any) -> Iterable[str]:
    return getattr(route, "methods", None) or ()


def _add(schemas: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    schemas.update(schema.pop("$defs", {}))
    schemas[name] = schema


def _refusals(operation: dict[str, Any], who: Needs | None) -> None:
    answers = operation["responses"]
    statuses = {500}
    if who is not None:
        statuses |= {401, 403, 421} - ({403} if who.role is Role.VIEWER else set())
        operation["security"] = [{name: [who.role.value]} for name in SCHEMES]
    if operation.get("requestBody"):
        statuses |= {400, 413}
    if operation.get("requestBody") or operation.get("parameters"):
        statuses |= {422}
    else:
        answers.pop("422", None)
    for status in sorted(statuses):
        answers[str(status)] = {"description": WHY[status]}
    for status, answer in answers.items():
        if int(status) >= 400 and not answer.get("content"):
            answer["content"] = {PROBLEM: {"schema": {"$ref": REFERENCE.format(model="ProblemDetails")}}}
    operation["responses"] = dict(sorted(answers.items()))
