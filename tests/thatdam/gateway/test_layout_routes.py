"""The layout over HTTP: told, planned, changed and taken back; what cannot be done is refused in a sentence."""

import asyncio

from lone_node import as_role, running


def test_the_layout_of_a_lone_node_is_told_planned_changed_and_taken_back(tmp_path):
    async def main():
        async with (
            running(tmp_path, **{"node.name": "attic"}) as (node, app),
            await as_role(node, app, "admin") as http,
        ):
            told = (await http.get("/api/v1/layout")).json()
            assert (told["moving"], told["heads"], told["zone_violations"]) == (False, 1, 0)
            [one] = told["nodes"]
            assert (one["id"], one["name"], one["state"], one["partitions"]) == (node.node_id, "attic", "active", 1024)
            body = {"zone": {"attic": "upstairs"}, "weight": {node.node_id[:8]: 5 * 10**12}}
            planned = (await http.post("/api/v1/layout/plan", json=body)).json()
            [change] = planned["nodes"]
            assert (change["partitions_before"], change["partitions_after"], change["partitions_coming"]) == (
                1024,
            ) * 2 + (0,)
            assert (planned["applied"], planned["bytes_to_move"], planned["base"]) == (False, 0, told["version"])
            assert (await http.get("/api/v1/layout")).json()["version"] == told["version"], "a plan does nothing"
            done = await http.post("/api/v1/layout/apply", json={**body, "base": planned["base"]})
            assert done.status_code == 200
            [one] = (await http.get("/api/v1/layout")).json()["nodes"]
            assert (one["zone"], one["weight_bytes"]) == ("upstairs", 5 * 10**12)
            late = await http.post("/api/v1/layout/apply", json={**body, "base": planned["base"]})
            assert (late.status_code, late.json()["detail"]) == (409, "the layout was changed meanwhile: plan again")
            back = await http.post("/api/v1/layout/apply", json={"revert": True})
            assert back.status_code == 200
            [one] = (await http.get("/api/v1/layout")).json()["nodes"]
            assert one["zone"] == ""

    asyncio.run(main())


def test_orders_that_would_lose_something_or_mean_nothing_are_refused(tmp_path):
    async def main():
        async with (
            running(tmp_path, **{"node.name": "attic"}) as (node, app),
            await as_role(node, app, "admin") as http,
        ):
            for body, status in (
                ({}, 409),
                ({"drain": ["attic"]}, 409),
                ({"remove": ["attic"]}, 409),
                ({"remove": ["attic"], "force": True}, 409),
                ({"drain": ["nobody at all"]}, 404),
                ({"weight": {"attic": 0}}, 422),
                ({"zone": {"attic": "z" * 100}}, 422),
                ({"revert": True, "drain": ["attic"]}, 422),
                ({"revert": True}, 409),
                ({"drain": ["attic"], "add": ["attic"]}, 422),
                ({"replace": [{"old": "attic", "new": "attic"}]}, 422),
                ({"what": 1}, 422),
            ):
                for route in ("plan", "apply"):
                    answer = await http.post(f"/api/v1/layout/{route}", json=body)
                    assert answer.status_code == status, (body, answer.text)
                    assert answer.json()["detail"]
            async with await as_role(node, app, "viewer") as other:
                assert (await other.get("/api/v1/layout")).status_code == 200
                assert (await other.post("/api/v1/layout/plan", json={"drain": ["attic"]})).status_code == 403

    asyncio.run(main())
