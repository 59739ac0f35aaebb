"""Replicas that differ exchange as much as they differ by, and are equal to the byte afterwards."""

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from storage_cluster import mesh

from mesh.actors import rowsql
from mesh.core import partitionset
from mesh.core.layouts import Order
from mesh.core.replication import BUCKETS_MAX, bucketed, buckets_for, in_differing, plan_rows
from mesh.core.rows import Change, apply, digest
from proto import codec
from proto.messages.catalogue import Compare, Digests

ROWS = 3000
STAMP = 1_793_600_000_000 << 16


def entry_of(number, node, name=""):
    change = Change("assets", f"asset{number:08d}", set={"name": name or f"clip {number}", "kind": "other"})
    return apply(None, change, (STAMP + number + (1 << 20 if name else 0), node))


async def filled(one, entries):
    await one.tables.write(lambda sql: [rowsql.put(sql, entry) for entry in entries] and None)


def metered(one, sizes):
    """Count what a node's asks of others weigh, with their answers."""
    real = one.system.ask

    async def ask(node, actor, message, answer, **more):
        given = await real(node, actor, message, answer, **more)
        if node != one.node and actor == "catalogue":
            sizes.append(len(codec.encode_tagged(message)) + len(codec.encode_tagged(given)))
        return given

    one.system.ask = ask


async def healed(folder, rows, differing):
    """Give the bytes exchanged until two nodes that differ in some rows are the same, and that they are."""
    async with mesh(folder, 2, 2) as (_, (one, other)):
        entries = [entry_of(number, one.node) for number in range(rows)]
        for node in (one, other):
            await filled(node, entries)
        step = rows // differing
        await filled(one, [entry_of(number, one.node, "renamed here") for number in range(0, rows, step)])
        await filled(other, [entry_of(rows + number, other.node) for number in range(differing)])
        sizes = []
        for node in (one, other):
            metered(node, sizes)
        for node in (one, other):
            await node.server.comparer.compare_once()
        same = await one.rows.digests() == await other.rows.digests()
        return sum(sizes), same and await one.rows.count() == await other.rows.count()


@pytest.mark.parametrize("differing", [3, 30])
def test_what_is_exchanged_is_in_proportion_to_what_differs(tmp_path, differing):
    size, same = asyncio.run(healed(tmp_path, ROWS, differing))
    assert same
    # Digests of all partitions go each way once; the rest is a bucket or two, and the row, for each that differs.
    assert size < 120_000 + 2 * differing * 3_000


keys = st.tuples(st.just("assets"), st.text("abc", min_size=1, max_size=4), st.just(""))
replicas = st.dictionaries(keys, st.integers(0, 3), max_size=40).map(
    lambda rows: {key: digest(repr((key, version)).encode()) for key, version in rows.items()}
)


@given(replicas, replicas, st.sampled_from([1, 2, 8, 64]))
def test_buckets_hide_no_row_that_differs(mine, theirs, count):
    told = in_differing(theirs, bucketed(mine, count))
    assert set(plan_rows(mine, theirs).fetch) == set(plan_rows(mine, told).fetch)


@given(st.integers(0, 10**7))
def test_there_are_as_many_buckets_as_the_rows_need_and_no_more_than_a_message_holds(rows):
    count = buckets_for(rows)
    assert count & (count - 1) == 0
    assert 1 <= count <= BUCKETS_MAX
    assert count == BUCKETS_MAX or count * 8 >= rows // 2


def test_what_is_told_while_the_layout_changes_is_not_taken_for_what_was_there_by_either(tmp_path):
    """A row that came in between was confirmed by the old layout, and is not in the digests told under the new one."""

    async def main():
        async with mesh(tmp_path, 2) as (_, (one, other)):
            digests, zones = one.rows.digests, iter("ab")

            async def changed_meanwhile():
                found = await digests()
                await one.keeper.apply(await one.keeper.plan([Order(one.node, zone=next(zones))]))
                return found

            one.rows.digests = changed_meanwhile
            sender = SimpleNamespace(sender=other.node)
            for message in (Compare(partitionset.packed(0), True, bytes(32)), Digests(((0, 0),))):
                assert (await one.server.receive(message, sender)).layout == ""
            one.rows.digests = digests
            answer = await one.server.receive(Digests(((0, 0),)), sender)
            assert answer.layout == one.view.history.token

    asyncio.run(main())
