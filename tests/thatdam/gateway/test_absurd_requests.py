"""Whatever is asked, a node answers with what is wrong, never with a bug of its own."""

import asyncio
import json
import random
from urllib.parse import quote

import pytest

from tests.thatdam.gateway.lone_node import as_role, client, running
from tools.reference import roles_needed

IDS = (
    "x",
    "0",
    "-1",
    "..",
    "../../etc/passwd",
    "a" * 26,
    "a" * 52,
    "f" * 64,
    "9" * 400,
    "\x00",
    "\x7f\r\n",
    "🎥",
    "a/b",
    "%00",
    "' OR 1=1 --",
)
QUERIES = (
    "",
    "0",
    "-1",
    "1" + "0" * 30,
    "1e999",
    "NaN",
    "x" * 5000,
    "\x00",
    "[]",
    "🎥",
    "2026-99-99T00:00:00Z",
    "9999-12-31T23:59:59+14:00",
    "0001-01-01T00:00:00-14:00",
    "true",
    '"',
    "* OR NEAR(",
)
SURROGATE = "SURROGATE"  # becomes "\ud800", which JSON can say and UTF-8 cannot
VALUES = (
    None,
    True,
    -1,
    10**400,
    1e308,
    "",
    "x" * 100_000,
    "\x00",
    "🎥" * 60,
    SURROGATE,
    [],
    [[]],
    [SURROGATE],
    ["x" * 5000],
    ["x"] * 10_000,
    {},
    {"a": {"b": []}},
    "../../x",
    "file:///etc/passwd",
)
BODIES = (b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"a":' * 500, b"\x00" * 10)
RANGES = (
    "bytes=-",
    "bytes=a-b",
    "bytes=5-1",
    "bytes=" + "9" * 40 + "-",
    "bytes=0-0,1-1,2-2",
    "lines=1-2",
    "bytes=-0",
    "🎥",
)
SILENT_S = 20.0


def calls(spec, real, chance):
    """Give (method, path, query, body, headers) of everything that is tried."""
    for path, methods in spec["paths"].items():
        for method, told in methods.items():
            places = [item for item in told.get("parameters", []) if item["in"] == "path"]
            queries = [item["name"] for item in told.get("parameters", []) if item["in"] == "query"]
            for one in (*IDS, real):
                yield method, filled(path, places, one), {}, None, {}
            where = filled(path, places, real)
            for name in queries:
                for value in QUERIES:
                    yield method, where, {name: value}, None, {}
            for _ in range(4 if queries else 0):
                yield method, where, {name: chance.choice(QUERIES) for name in queries}, None, {}
            for kind, content in (told.get("requestBody") or {}).get("content", {}).items():
                headers = {"Content-Type": kind}
                for raw in BODIES:
                    yield method, where, {} if kind == "application/json" else {"name": "x"}, raw, headers
                if kind == "application/json":
                    yield from bodies(method, where, resolved(content["schema"], spec), spec)
            if method in ("post", "put", "patch"):
                for raw in BODIES:
                    yield method, where, {"name": "x"}, raw, {"Content-Type": chance.choice(["application/sdp", "x"])}


def bodies(method, where, schema, spec):
    usual = {name: sample(part, spec) for name, part in schema.get("properties", {}).items()}
    for name in usual:
        for value in VALUES:
            text = json.dumps({**usual, name: value}).replace(SURROGATE, "\\ud800")
            yield method, where, {}, text.encode(), {"Content-Type": "application/json"}
    yield method, where, {}, json.dumps({**usual, "unknown": 1}).encode(), {"Content-Type": "application/json"}


def sample(schema, spec):
    schema = resolved(schema, spec)
    if "enum" in schema:
        return schema["enum"][0]
    return {"string": "x", "number": 1, "integer": 1, "boolean": False, "array": []}.get(schema.get("type"))


def resolved(schema, spec):
    name = schema.get("$ref", "").rpartition("/")[2]
    return spec["components"]["schemas"][name] if name else schema


def filled(path, places, value):
    for item in places:
        path = path.replace("{" + item["name"] + "}", quote(value, safe=""))
    return path


async def wrong_with(web, method, path, query, body, headers):
    """Give what is wrong with an answer, or nothing."""
    said = f"{method.upper()} {path[:60]} {str(query)[:80]} {(body or b'')[:80]!r} {headers}"
    async with asyncio.timeout(SILENT_S):
        answer = await web.request(method, path, params=query, content=body, headers=headers)
    if answer.status_code >= 500:
        return f"{said}: {answer.status_code} {answer.text[:200]}"
    if answer.status_code >= 400 and method != "head":
        if answer.headers.get("content-type") != "application/problem+json":
            return f"{said}: {answer.status_code} is no problem document but {answer.headers.get('content-type')}"
        told = answer.json()
        if not {"title", "status", "detail", "correlation_id"} <= set(told) or told["status"] != answer.status_code:
            return f"{said}: {told}"
        if len(answer.content) > 8192:
            return f"{said}: an answer of {len(answer.content)} bytes to say what is wrong"
    return ""


@pytest.mark.timeout(300)
def test_no_request_is_answered_by_a_bug(tmp_path):
    async def main():
        async with running(tmp_path) as (node, app), await as_role(node, app, "admin") as web:
            made = await web.put("/api/v1/uploads", params={"name": "note.txt"}, content=b"some text")
            assert made.status_code == 201, made.text
            real = made.json()["id"]
            wrong, tried = [], 0
            for call in calls(app.openapi(), real, random.Random(1)):
                tried += 1
                wrong.append(await wrong_with(web, *call))
            for said in RANGES:
                headers = {"Range": said.encode()}
                wrong.append(await wrong_with(web, "get", f"/api/v1/assets/{real}/file", {}, None, headers))
            wrong = [one for one in wrong if one]
            assert tried > 500
            assert not wrong, "\n".join(sorted(set(wrong))[:40]) + f"\n({len(wrong)} of {tried})"
            assert (await web.get("/health")).status_code == 200

    asyncio.run(main())


@pytest.mark.parametrize("role", [None, "viewer", "operator"])
def test_who_may_not_is_told_so_before_anything_else(tmp_path, role):
    """With every parameter wrong, too: what is wrong with a request is for those who may make it."""

    async def main():
        async with running(tmp_path) as (node, app):
            web = await as_role(node, app, role) if role else client(app, "192.0.2.1")
            async with web:
                order = ["viewer", "operator", "admin"]
                for name, needed in roles_needed(app.routes):
                    method, _, path = name.partition(" ")
                    if needed not in order or (role and order.index(role) >= order.index(needed)):
                        continue
                    for part in (
                        "{asset}",
                        "{camera}",
                        "{name}",
                        "{token}",
                        "{chunk}",
                        "{session}",
                        "{segment}",
                        "{init}",
                    ):
                        path = path.replace(part, "x")
                    answer = await web.request(method, path, content=b"{")
                    assert answer.status_code == (403 if role else 401), f"{name}: {answer.status_code} {answer.text}"

    asyncio.run(main())
