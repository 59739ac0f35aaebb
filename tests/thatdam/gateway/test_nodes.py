"""The list of nodes: what a node says of itself is shown, and never more than shown."""

import asyncio
import dataclasses

import pytest
from lone_node import as_role, running


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
