"""What a node supervises, over HTTP and on the command line."""

import asyncio

import pytest
from lone_node import as_role, client, running

from mesh.ports import NotFound, Unavailable
from proto.messages.nodes import AskReport, NodeReport


def run(work, folder):
    async def main():
        async with running(folder) as (node, app):
            await work(node, app)

    asyncio.run(main())


def test_actors_tasks_and_dead_letters_are_told_to_operators(tmp_path):
    async def work(node, app):
        async def broken():
            raise NotFound("the lens cap is on")

        node.system.supervisor.run("camera/one", broken)
        before = node.system.letters.total
        for _ in range(2):
            with pytest.raises(Unavailable):
                await node.system.ask(node.node_id, "nobody", AskReport(), NodeReport)
        async with await as_role(node, app, "operator") as http, asyncio.timeout(30):
            while True:
                told = (await http.get("/api/v1/actors")).json()
                tasks = {one["name"]: one for one in told["tasks"]}
                if tasks["camera/one"]["last_failure"] is not None:
                    break
                await asyncio.sleep(0.02)
            assert "the lens cap is on" in tasks["camera/one"]["last_failure"]["error"]
            assert tasks["camera/one"]["last_failure"]["at"].endswith("Z")
            assert told["node"] == node.node_id
            actors = {one["name"]: one for one in told["actors"]}
            assert actors["actors"]["state"] == "busy"
            assert actors["node"]["mailbox_max"] == 256
            letters = {one["reason"]: one for one in told["dead_letters"]}
            assert sum(one["count"] for one in letters.values()) == before + 2
            assert letters["no_actor"]["last_actor"] == "nobody"
            by_name = (await http.get("/api/v1/actors", params={"node": node.node_id[:8]})).json()
            assert by_name["node"] == node.node_id
            assert (await http.get("/api/v1/actors", params={"node": "none such"})).status_code == 404
            text = (await http.get("/metrics")).text
            assert f'thatdam_dead_letters_total{{reason="no_actor"}} {letters["no_actor"]["count"]:.1f}' in text

    run(work, tmp_path)


def test_viewers_and_strangers_are_told_nothing_of_it(tmp_path):
    async def work(node, app):
        async with client(app) as stranger, await as_role(node, app, "viewer") as viewer:
            assert (await stranger.get("/api/v1/actors")).status_code == 401
            assert (await viewer.get("/api/v1/actors")).status_code == 403

    run(work, tmp_path)
