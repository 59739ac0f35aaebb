"""Lists are complete from every node, page by page, while others write; however a page is found."""

import asyncio

import pytest
from storage_cluster import mesh, settled, until

from mesh.actors import rowscan
from mesh.core.query import Query, Where
from mesh.core.rows import Change

ASSETS = 120
THERE = Where("trashed_ms", "missing")


def asset(number, **more):
    fields = {"name": f"clip {number % 7} {number:04d}", "kind": "image" if number % 3 else "audio", "probed": "1"}
    return Change("assets", f"k{number:04d}", set=fields | {"created_ms": number // 4} | more, add={"tags": ("t",)})


async def pages(nodes, query):
    """Page through a list, each page from another node; gives the keys, and the totals told."""
    found, totals, page, turn = [], [], "", 0
    while True:
        asked = Query(query.table, query.where, query.text, query.order, query.descending, 10, page)
        answer = await nodes[turn % len(nodes)].catalogue.scan(asked)
        assert answer.partitions_ok == answer.partitions_total
        found += [row.pk for row in answer.rows]
        totals.append((answer.total, answer.exact))
        page, turn = answer.next, turn + 1
        if not page:
            return found, totals


@pytest.mark.parametrize("few", [5000, 8], ids=["all looked at", "walked"])
def test_paging_over_all_nodes_loses_and_repeats_nothing_while_all_write(tmp_path, monkeypatch, few):
    monkeypatch.setattr(rowscan, "FEW", few)

    async def main():
        async with mesh(tmp_path, 3, 2) as (_, nodes):
            await nodes[0].catalogue.write(*(asset(number) for number in range(ASSETS)))
            await until(lambda: settled(nodes))
            stop = asyncio.Event()

            async def write(one, first):
                number = first
                # New ones come to an end: a list in the order of their coming would have none.
                while not stop.is_set() and number < 4 * ASSETS:
                    await one.catalogue.write(
                        asset(number), Change("assets", f"k{number % ASSETS:04d}", set={"x": number})
                    )
                    number += 3
                    await asyncio.sleep(0.01)

            writing = [asyncio.create_task(write(one, ASSETS + at)) for at, one in enumerate(nodes)]
            there = {f"k{number:04d}" for number in range(ASSETS)}
            for query in (
                Query("assets", (THERE,), order="created_ms", descending=False),
                Query("assets", (THERE,), order="name"),
                Query("assets", (THERE, Where("tags", "has", "t")), order="created_ms"),
                Query("assets", (THERE,), "clip", order="created_ms", descending=False),
            ):
                found, totals = await pages(nodes, query)
                assert len(found) == len(set(found)), "nothing twice"
                assert there <= set(found), "nothing left out"
                assert all(total >= (ASSETS if exact else 3 * few) or total >= few for total, exact in totals)
            stop.set()
            await asyncio.gather(*writing)
            await until(lambda: settled(nodes))
            audio = Query("assets", (THERE, Where("kind", "eq", "audio")), order="created_ms")
            lists = [await pages([one], audio) for one in nodes]
            assert lists[0] == lists[1] == lists[2], "every node tells the same"
            assert lists[0][1][0] == (len(lists[0][0]), True), "tallies count what there is"

    asyncio.run(main())


def test_a_page_whose_matches_lie_far_from_where_the_order_begins_is_found_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(rowscan, "FEW", 4)
    monkeypatch.setattr(rowscan, "WALKED_MAX", 20)

    async def main():
        async with mesh(tmp_path, 1, 1) as (_, [one]):
            await one.catalogue.write(*(asset(number, codec="x" if number < 15 else "y") for number in range(ASSETS)))
            found, totals = await pages([one], Query("assets", (THERE, Where("codec", "eq", "x")), order="created_ms"))
            assert found == [f"k{number:04d}" for number in range(14, -1, -1)]
            assert totals[0] == (10, False), "at least what is shown"

    asyncio.run(main())
