"""Liveness, readiness with reasons, metrics, the correlation id, and what the viewer's files are served with."""

import asyncio
import io
import json
import logging

import httpx
import pytest
import structlog
from fastapi import FastAPI
from lone_node import as_role, client, running
from prometheus_client.parser import text_string_to_metric_families

from mesh.ports import NotFound
from thatdam import logs
from thatdam.config import LogConfig
from thatdam.gateway import viewer
from thatdam.gateway.viewer import File
from thatdam.pulse import BEATS_KEPT


def run(work, folder):
    async def main():
        async with running(folder) as (node, app):
            await work(node, app)

    asyncio.run(main())


def test_a_node_is_ready_and_says_why_when_it_is_not(tmp_path):
    async def work(node, app):
        async with client(app) as http:
            assert (await http.get("/health")).json() == {"status": "alive"}
            assert (await http.get("/ready")).json() == {"status": "ready", "reasons": [], "notes": []}

            async def broken():
                raise NotFound("the lens cap is on")

            node.system.supervisor.run("camera/one", broken)
            node.system.supervisor.run("catalogue/broken", broken)
            async with asyncio.timeout(10):
                while (answer := await http.get("/ready")).status_code == 200:
                    await asyncio.sleep(0.02)
            assert answer.status_code == 503
            assert ["catalogue/broken" in reason for reason in answer.json()["reasons"]] == [True]
            assert "the lens cap is on" in answer.json()["notes"][0]

    run(work, tmp_path)


def test_metrics_are_named_by_the_rules_and_count_what_happened(tmp_path):
    async def work(node, app):
        async with client(app) as http, await as_role(node, app, "viewer") as viewer_:
            await viewer_.get("/api/v1/cameras")
            await viewer_.get("/api/v1/assets/none")
            text = (await http.get("/metrics")).text
        families = {family.name: family for family in text_string_to_metric_families(text)}
        for name in (
            "thatdam_rows",
            "thatdam_rows_waiting",
            "thatdam_chunks",
            "thatdam_copy_lag_bytes",
            "thatdam_copy_lag_seconds",
            "thatdam_live_viewers",
            "thatdam_chunks_short",
            "thatdam_partitions_behind",
            "thatdam_index_vectors",
            "thatdam_index_changes_waiting",
            "thatdam_takes_to_pack",
            "thatdam_stretches_packed",
            "thatdam_jobs_open",
            "thatdam_jobs_running",
            "thatdam_jobs_done",
            "thatdam_jobs_failed",
            "thatdam_supervisor_restarts",
            "thatdam_actor_handled",
            "thatdam_http_requests",
            "thatdam_process_cpu_seconds",
            "thatdam_process_resident_memory_bytes",
        ):
            assert name in families, name
        assert all(name.startswith("thatdam_") for name in families)
        answered = {
            (sample.labels["method"], sample.labels["status"]): sample.value
            for sample in families["thatdam_http_requests"].samples
        }
        assert answered["GET", "200"] >= 1
        assert answered["GET", "404"] == 1
        assert families["thatdam_rows"].samples[0].value > 0
        assert [sample.value for sample in families["thatdam_jobs_open"].samples] == [0]

    run(work, tmp_path)


def test_what_is_late_is_told_once_and_the_same_everywhere(tmp_path):
    async def work(node, app):
        async with asyncio.timeout(30):
            while node.pulse.usual_s is None:
                await asyncio.sleep(0.05)
        node.pulse._lags.extend([1.5] * BEATS_KEPT)
        async with await as_role(node, app, "viewer") as http:
            (shown,) = (await http.get("/api/v1/nodes")).json()["nodes"]
            text = (await http.get("/metrics")).text
        assert shown["loop_lag_ms"] == 1500
        assert "thatdam_loop_lag_median_seconds 1.5" in text
        assert [row.name for row in node.system.supervisor.report() if "lag" in row.name or "pulse" in row.name] == [
            "node/loop-lag"
        ]

    run(work, tmp_path)


def test_a_correlation_id_is_taken_when_harmless_and_made_otherwise(tmp_path):
    async def work(node, app):
        async with client(app) as http:
            given = await http.get("/health", headers={"X-Correlation-Id": "my-id-1234"})
            assert given.headers["x-correlation-id"] == "my-id-1234"
            for harmful in ("x", "a b c d e f", "ä" * 10, "y" * 300):
                made = await http.get("/health", headers={"X-Correlation-Id": harmful.encode()})
                assert len(made.headers["x-correlation-id"]) == 26
            first, second = [(await http.get("/api/v1/cameras")).json()["correlation_id"] for _ in range(2)]
            assert first != second

    run(work, tmp_path)


def test_a_bug_is_a_problem_with_its_id_and_the_node_goes_on(tmp_path):
    async def work(node, app):
        @app.get("/api/v1/broken")
        async def broken():
            raise ZeroDivisionError

        async with client(app) as http:
            answer = await http.get("/api/v1/broken")
            assert answer.status_code == 500
            assert answer.headers["x-correlation-id"] == answer.json()["correlation_id"] != ""
            assert (await http.get("/health")).status_code == 200

    run(work, tmp_path)


def test_json_logs_carry_the_node_and_the_id_also_from_libraries(monkeypatch):
    kept = logging.getLogger().handlers[:], logging.getLogger().level
    told = io.StringIO()
    monkeypatch.setattr("sys.stderr", told)
    try:
        logs.configure(LogConfig("json", "info"), "abcdefgh" * 6)
        structlog.get_logger("x").warning("one", key=1)
        logging.getLogger("uvicorn.error").error("two")
        logging.getLogger("aiortc").info("not told")
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers[:] = kept[0]
        logging.getLogger().setLevel(kept[1])
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    assert [(line["event"], line["level"], line["node"]) for line in lines] == [
        ("one", "warning", "abcdefgh"),
        ("two", "error", "abcdefgh"),
    ]


def served(files):
    app = FastAPI()
    viewer.install(app, files)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


BUILT = {
    "index.html": File(b"<html>", None, "text/html", '"a"'),
    "assets/index-abc.js": File(b"let x = 1", b"packed", "text/javascript", '"b"'),
}


def test_the_page_is_asked_anew_and_its_files_are_kept():
    async def work():
        async with served(BUILT) as http:
            page = await http.get("/")
            assert (page.text, page.headers["cache-control"]) == ("<html>", "no-cache")
            policy = page.headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
            assert "http" not in policy
            assert (await http.get("/", headers={"If-None-Match": '"a"'})).status_code == 304
            plain = await http.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})
            assert (plain.content, plain.headers["content-type"]) == (b"let x = 1", "text/javascript; charset=utf-8")
            assert "immutable" in plain.headers["cache-control"]

    asyncio.run(work())


@pytest.mark.parametrize(
    "path", ["/assets/none.js", "/assets/..%2f..%2fthatdam%2fnode.py", "/assets/%2e%2e/index.html"]
)
def test_only_files_of_the_viewer_are_served(tmp_path, path):
    async def work(node, app):
        async with client(app) as http:
            answer = await http.get(path, headers={"Accept": "text/html"})
            assert answer.status_code in (307, 404)
            assert answer.headers.get("location", "/#").startswith("/#")

    run(work, tmp_path)


def test_an_address_typed_by_a_person_leads_to_the_page_and_the_api_keeps_its_404(tmp_path):
    async def work(node, app):
        async with client(app) as http:
            typed = await http.get("/library", headers={"Accept": "text/html,*/*"})
            assert (typed.status_code, typed.headers["location"]) == (307, "/#/library")
            for path in ("/api/v1/none", "/hls/x/none", "/whep/none/none/none", "/metrics/none"):
                unknown = await http.get(path, headers={"Accept": "text/html,*/*"})
                assert unknown.status_code == 404, path
                assert unknown.json()["title"] == "Not Found"
            assert (await http.get("/library")).status_code == 404
            assert (await http.post("/library", headers={"Accept": "text/html"})).status_code == 404

    run(work, tmp_path)


def test_a_viewer_that_was_not_built_is_said_on_the_page():
    async def work():
        async with served({}) as http:
            page = await http.get("/")
            assert page.status_code == 503
            assert "make web" in page.text

    asyncio.run(work())


def test_the_built_viewer_asks_nobody_else():
    files = viewer.built()
    if not files:
        pytest.fail("the viewer is not built here; run `make web`")
    for name, file in files.items():
        if name.endswith((".html", ".css")):
            assert b"http://" not in file.body.replace(b"http://www.w3.org", b""), name
            assert b"https://" not in file.body, name
    assert any(name.endswith(".js") for name in files)
