"""One correlation id follows a request over nodes: in the answer, and in the logs of both."""

import json

import pytest

from simulations.hosts.processes import end, mesh, until

pytestmark = pytest.mark.slow


def lines(node, correlation):
    told = (json.loads(line) for line in node.log().splitlines() if line.startswith("{"))
    return [line for line in told if line.get("correlation_id") == correlation]


def test_a_request_is_found_by_its_id_in_the_logs_of_every_node_it_touched(tmp_path):
    nodes = mesh(tmp_path, 2, settings={"THATDAM_LOG_FORMAT": "json", "THATDAM_LOG_LEVEL": "debug"})
    try:
        asked, other = nodes
        body = {"url": "test:?size=320x240", "name": "Hall", "node": other.node_id}
        answer = asked.http().post("/api/v1/cameras", json=body, headers={"X-Correlation-Id": "order-4711"})
        assert answer.status_code == 201
        assert answer.headers["x-correlation-id"] == "order-4711"
        request = until(lambda: [line for line in lines(asked, "order-4711") if line["event"] == "request"])
        assert (request[0]["method"], request[0]["path"], request[0]["status"]) == ("POST", "/api/v1/cameras", 201)
        handled = until(lambda: [line for line in lines(other, "order-4711") if line.get("actor") == "proxy"])
        assert handled[0]["message"] == "AddCamera"
        assert handled[0]["node"] != request[0]["node"]
        refused = asked.http().post("/api/v1/cameras", json={**body, "name": "Attic", "url": "ftp://nothing"})
        told = refused.json()
        assert (refused.status_code, "no source" in told["detail"]) == (409, True)
        until(lambda: lines(other, told["correlation_id"]), told="the refusal is in the other node's log")
    finally:
        end(nodes)
