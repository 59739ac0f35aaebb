"""The list of nodes: what a node says of itself is shown, and never more than shown."""

import asyncio
import dataclasses

import pytest
from lone_node import PASSWORD, as_role, running

from thatdam.cli.mesh import read_only_told


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("", None),
        ("https://10.1.2.3:8326", "https://10.1.2.3:8326"),
        ("http://10.1.2.3:8326", "http://10.1.2.3:8326"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("//evil.example", None),
        ("http://a\nb", None),
    ],
)
def test_only_an_address_that_a_browser_may_follow_is_passed_on(tmp_path, monkeypatch, said, shown):
    async def main():
        async with running(tmp_path) as (node, app), await as_role(node, app, "viewer") as http:
            [state] = await node.overview.nodes()
            member = state.member
            told = dataclasses.replace(
                state, member=dataclasses.replace(member, info=dataclasses.replace(member.info, http_url=said))
            )

            async def nodes():
                return [told]

            monkeypatch.setattr(node.overview, "nodes", nodes)
            [one] = (await http.get("/api/v1/nodes")).json()["nodes"]
            assert one["http_url"] == shown

    asyncio.run(main())


def test_a_node_keeps_the_name_it_was_given_until_it_is_given_another(tmp_path):
    async def called(**flags):
        async with running(tmp_path, **flags) as (node, _):
            return node.name

    async def main():
        machine = await called()
        assert await called(**{"node.name": "attic"}) == "attic" != machine
        assert await called() == "attic"
        assert await called(**{"node.name": "barn"}) == "barn"
        assert await called() == "barn"

    asyncio.run(main())


def test_a_read_only_node_says_so_everywhere_takes_no_upload_and_takes_rows(tmp_path):
    async def main():
        flags = {"node.name": "attic", "storage.read_only": True, "node.reserve_mb": 1}
        async with running(tmp_path, **flags) as (node, app), await as_role(node, app, "admin") as http:
            [one] = (await http.get("/api/v1/nodes")).json()["nodes"]
            assert (one["read_only"]["by"], one["read_only"]["rows"]) == ("setting", True)
            [seat] = (await http.get("/api/v1/layout")).json()["nodes"]
            assert seat["read_only"]
            [told] = read_only_told([one])
            assert told.startswith("read-only   attic takes no new chunks, as storage.read_only says")
            refused = await http.put("/api/v1/uploads", params={"name": "a.bin"}, content=b"some bytes")
            assert refused.status_code == 503
            assert "storage.read_only" in refused.json()["detail"]
            made = await http.post("/api/v1/users", json={"name": "vera", "password": PASSWORD, "role": "viewer"})
            assert made.status_code == 201, "a row is small"

    asyncio.run(main())


def test_what_a_disk_that_takes_no_writes_means_is_said_with_what_to_do():
    shut = {"by": "disk", "why": "the file system is read-only", "since": "2026-05-01T12:00:00Z", "rows": False}
    nodes = [{"id": "a" * 52, "name": "attic", "read_only": None}, {"id": "b" * 52, "name": "barn", "read_only": shut}]
    [told] = read_only_told(nodes)
    assert "barn takes no new chunks since 2026-05-01T12:00:00Z: the file system is read-only" in told
    assert "--drain" in told
    assert "no rows either" in told
