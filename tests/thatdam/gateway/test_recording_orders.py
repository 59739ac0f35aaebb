"""Orders to record say what became of them, also where their take cannot be shown."""

import asyncio

import pytest
from lone_node import as_role, running

from mesh.ports import Unavailable

pytestmark = pytest.mark.slow


def test_what_a_start_and_a_stop_did_is_said_where_nobody_who_holds_the_take_is_reached(tmp_path, monkeypatch):
    async def main():
        async with running(tmp_path) as (node, app), await as_role(node, app, "admin") as http:
            made = await http.post("/api/v1/cameras", json={"url": "test:?size=160x120&rate=10"})
            camera = made.json()["id"]
            get = node.catalogue.get

            async def without_takes(table, pk, sk=""):
                if table == "assets":
                    raise Unavailable("no node that holds partition 746 is reachable (none is there)")
                return await get(table, pk, sk)

            monkeypatch.setattr(node.catalogue, "get", without_takes)
            begun = await http.post(f"/api/v1/cameras/{camera}/record")
            [running_take] = [take.take for take in node.recorder.running().values()]
            assert begun.status_code == 503
            assert f"the camera is being recorded as take {running_take}" in begun.json()["detail"]
            assert "start the nodes that do not answer" in begun.json()["detail"]
            ended = await http.delete(f"/api/v1/cameras/{camera}/record")
            assert ended.status_code == 503
            assert f"the recording has ended and is whole as take {running_take}" in ended.json()["detail"]
            assert not node.recorder.running()

    asyncio.run(main())
