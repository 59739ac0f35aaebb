"""A list of cameras from a node that cannot ask the others says so, and has what this node records all the same."""

import asyncio
from dataclasses import replace

from lone_node import as_role, running

from mesh.core.rows import Change

CAMERA, OTHER = "c" * 26, "d" * 26


def test_what_this_node_records_is_listed_when_its_row_is_out_of_reach(tmp_path):
    async def main():
        async with running(tmp_path) as (node, app), asyncio.timeout(60):
            fields = {"source": "test:", "name": "bikes", "node": node.system.node_id, "created_ms": 5}
            await node.catalogue.write(
                Change("cameras", CAMERA, set=fields), Change("cameras", OTHER, set={**fields, "name": "door"})
            )
            take = await node.recorder.start(CAMERA)
            real = node.catalogue.scan

            async def cut_off(query):
                page = await real(query)
                return replace(page, rows=(), partitions_ok=page.partitions_total - 2)

            async with await as_role(node, app, "viewer") as http:
                whole = (await http.get("/api/v1/cameras")).json()
                assert [one["name"] for one in whole["cameras"]] == ["bikes", "door"]
                assert (whole["complete"], whole["partitions_ok"]) == (True, whole["partitions_total"])
                node.catalogue.scan = cut_off
                part = (await http.get("/api/v1/cameras")).json()
                del node.catalogue.scan
            [one] = part["cameras"]
            assert (one["name"], one["recording"]["take"]) == ("bikes", take)
            assert (part["complete"], part["partitions_ok"]) == (False, part["partitions_total"] - 2)

    asyncio.run(main())
