"""The OpenAPI describes every answer, body and failure, and rows of other releases never spoil an answer.

That what a node answers is what its OpenAPI names is checked beside, by the client of all tests of the gateway
(``lone_node.documented``).
"""

import asyncio
import json

import pytest
from lone_node import as_role, running
from pydantic import TypeAdapter

from mesh.core.rows import Change
from proto.messages.membership import State
from thatdam.gateway.answers.events import Event
from thatdam.gateway.telling import TOLD


def run(work, folder):
    async def main():
        async with running(folder) as (node, app), asyncio.timeout(60):
            await work(node, app)

    asyncio.run(main())


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    told = {}

    async def work(_, app):
        told.update(app.openapi())

    run(work, tmp_path_factory.mktemp("openapi"))
    return told


def operations(spec):
    for path, methods in spec["paths"].items():
        for method, told in methods.items():
            yield f"{method.upper()} {path}", told


def test_every_route_names_what_it_answers(spec):
    for name, told in operations(spec):
        for status, answer in told["responses"].items():
            assert answer["description"], f"{name}: {status}"
            for kind, body in answer.get("content", {}).items():
                if kind == "application/json":
                    assert "$ref" in body["schema"], f"{name} answers {status} of no model in thatdam/gateway/answers"
        good = [status for status in told["responses"] if int(status) < 300]
        assert good, name
        for status in good:
            assert status == "204" or told["responses"][status].get("content"), f"{name} says nothing of {status}"


def test_every_failure_is_a_problem_of_rfc_9457(spec):
    for name, told in operations(spec):
        for status, answer in told["responses"].items():
            if int(status) >= 400 and (name, status) != ("GET /ready", "503"):  # whose reasons are for monitors
                assert list(answer["content"]) == ["application/problem+json"], f"{name}: {status}"
                assert answer["content"]["application/problem+json"]["schema"] == {
                    "$ref": "#/components/schemas/ProblemDetails"
                }


def test_every_route_that_needs_somebody_known_says_so(spec):
    open_to_all = {name for name, told in operations(spec) if "security" not in told}
    assert open_to_all == {"POST /api/v1/session", "GET /health"}
    for name, told in operations(spec):
        if "security" in told:
            assert {"401", "421"} <= told["responses"].keys(), name


def test_every_field_says_what_it_is(spec):
    for name, schema in spec["components"]["schemas"].items():
        assert schema.get("description") or name == "Event", f"{name} has no docstring"
        for key, part in schema.get("properties", {}).items():
            assert part.get("description"), f"{name}.{key} has no text beneath it"


def test_every_reference_leads_to_a_schema(spec):
    for reference in set(_references(spec)):
        assert reference.removeprefix("#/components/schemas/") in spec["components"]["schemas"]


def _references(part):
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _references(one)


def test_every_topic_of_the_feed_is_described(spec):
    topics = set(spec["components"]["schemas"]["Event"]["discriminator"]["mapping"])
    for table in TOLD:
        thing = table.removesuffix("s")
        assert {f"{thing}.changed", f"{thing}.removed"} <= topics
    assert {f"node.{state.value}" for state in State} <= topics


WHEN = {"at": "2026-01-01T00:00:00.000Z", "node": "n" * 52, "cursor": "e1.a"}


def test_a_topic_that_is_not_described_cannot_be_told():
    told = {**WHEN, "topic": "asset.eaten", "data": {"id": "a"}}
    with pytest.raises(ValueError, match=r"asset\.eaten"):
        TypeAdapter(Event).validate_python(told)


def test_a_field_that_did_not_change_is_absent_and_one_that_was_emptied_is_null():
    told = TypeAdapter(Event).validate_python({**WHEN, "topic": "camera.changed", "data": {"id": "c", "record": None}})
    assert json.loads(told.model_dump_json(exclude_unset=True))["data"] == {"id": "c", "record": None}


def test_rows_of_another_release_do_not_spoil_the_lists_they_are_in(tmp_path):
    odd = {"kind": "hologram", "name": 7, "state": "dreaming", "width": "wide", "duration_s": float("nan")}

    async def work(node, app):
        await node.catalogue.write(
            Change("assets", "a" * 26, set={**odd, "created_ms": 1, "size_bytes": -0.5, "poster": b"\x01"}),
            Change("cameras", "c" * 26, set={"source": "test:", "name": 3, "state": "asleep", "width": "w"}),
            Change("jobs", "a" * 26, "j", set={"kind": "L1", "state": "dreaming", "created_ms": "soon"}),
        )
        async with await as_role(node, app, "viewer") as http:
            (asset,) = (await http.get("/api/v1/assets")).json()["assets"]
            assert (asset["kind"], asset["name"], asset["state"]) == ("other", "", None)
            assert asset["duration"] is asset["width"] is asset["poster"] is None
            (camera,) = (await http.get("/api/v1/cameras")).json()["cameras"]
            assert (camera["name"], camera["state"], camera["width"]) == ("", "offline", None)
            (job,) = (await http.get("/api/v1/jobs")).json()["jobs"]
            assert (job["state"], job["created_at"]) == ("queued", None)

    run(work, tmp_path)
