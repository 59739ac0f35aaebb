"""Bytes nobody needs leave every disk once it is safe; what is needed again, or may be, never does."""

import asyncio
import random

import pytest
from storage_cluster import LONG, join, mesh, settled, start, stop, until

from mesh.actors.chunks import carry, dereference, reference
from mesh.core import collection
from mesh.core.collection import Graces
from mesh.core.placement import partition_of
from mesh.core.rows import Change
from mesh.ports import NotFound, Refused
from proto.ids import AssetId, ChunkId
from roles.media.timeline import Entry, Page
from roles.storage import collector as collectors

ASSET, OTHER = AssetId("a" * 26), AssetId("b" * 26)
AT_ONCE = Graces(1, 1)


@pytest.fixture(autouse=True)
def no_slack(monkeypatch):
    """Writes of a test are in their journal when they return."""
    monkeypatch.setattr(collection, "SLACK_MS", 0)


async def passes(nodes, count=2):
    """Let every node collect, one after another; gives how many chunks went."""
    gone = 0
    for _ in range(count):
        for one in nodes:
            if not one.stopped:
                await asyncio.sleep(0.01)
                gone += await one.collector.pass_once()
    return gone


async def held(nodes, chunks):
    return sum(chunk in one.store for chunk in chunks for one in nodes)


async def copied(nodes, chunks):
    """Every owner has every chunk, and nothing is on its way."""

    async def there():
        owned = [(one, c) for c in chunks for one in nodes if one.node in one.view.owners(partition_of(c))]
        return all(c in one.store for one, c in owned) and await settled(nodes)

    await until(there)


async def kept(one, count, *, asset=ASSET, seed=1):
    chance = random.Random(seed)
    data = [chance.randbytes(2000) for _ in range(count)]
    chunks = [await one.chunks.put(part, asset, copies=2) for part in data]
    await one.catalogue.write(*(reference(chunk, asset, 2000) for chunk in chunks))
    return chunks, data


def test_what_nobody_refers_to_goes_from_every_disk_and_what_is_referred_to_stays(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=3, graces=AT_ONCE) as (_, nodes):
            chunks, data = await kept(nodes[0], 12)
            await copied(nodes, chunks)
            assert await passes(nodes) == 0
            await nodes[1].catalogue.write(*(dereference(chunk, ASSET) for chunk in chunks[:6]))
            await until(lambda: settled(nodes))
            await passes(nodes, 3)
            assert await held(nodes, chunks[:6]) == 0
            assert await held(nodes, chunks[6:]) == 18
            told = [await one.collector.report() for one in nodes]
            assert [one.reclaimed_bytes for one in told] == [12_000] * 3
            assert not any(one.held_up_by or one.bytes for one in told)
            assert [await nodes[2].chunks.get(chunk) for chunk in chunks[6:]] == data[6:]
            with pytest.raises(NotFound):
                await nodes[0].chunks.get(chunks[0])
            for one in nodes:
                for peer in nodes:
                    if peer is not one:
                        await one.repair.compare_with(peer.node)
                await one.repair.heal_once()
            await passes(nodes)
            assert await held(nodes, chunks[:6]) == 0, "comparing inventories brings nothing back"

    asyncio.run(main())


def test_nothing_goes_before_its_grace_is_over(tmp_path):
    async def main():
        async with mesh(tmp_path, 2, graces=LONG) as (_, nodes):
            chunks, _ = await kept(nodes[0], 3)
            await nodes[0].catalogue.write(*(dereference(chunk, ASSET) for chunk in chunks))
            await copied(nodes, chunks)
            assert await passes(nodes) == 0
            assert (await nodes[0].collector.report()).bytes == 6000

            for one in nodes:
                one.collector.graces = AT_ONCE
            await passes(nodes)
            assert await held(nodes, chunks) == 0

    asyncio.run(main())


def test_a_node_that_is_gone_holds_collection_up_and_is_named_until_it_is_back(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=3, graces=AT_ONCE) as (fabric, nodes):
            chunks, _ = await kept(nodes[0], 4)
            await copied(nodes, chunks)
            away = nodes[2]
            await stop(away)
            await nodes[0].catalogue.write(*(dereference(chunk, ASSET) for chunk in chunks))
            rest = nodes[:2]

            async def seen():
                return not [one for one in rest if await one.store.referred(chunks)]

            await until(seen)
            assert await passes(rest, 3) == 0
            assert [(await one.collector.report()).held_up_by for one in rest] == [(away.node,)] * 2
            nodes[2] = await start(fabric, tmp_path, 2, 3, graces=AT_ONCE)
            await join(nodes[2], rest)
            await until(lambda: settled(nodes))
            await passes(nodes, 3)
            assert await held(nodes, chunks) == 0
            assert not any([(await one.collector.report()).held_up_by for one in nodes])

    asyncio.run(main())


def test_a_node_that_only_wrote_a_reference_and_stores_nothing_holds_up_and_its_reference_counts(tmp_path):
    async def main():
        async with mesh(tmp_path, 2, graces=AT_ONCE) as (fabric, nodes):
            chunks, data = await kept(nodes[0], 3)
            writer = await start(fabric, tmp_path, 7, stores=False, graces=AT_ONCE)
            for one in nodes:
                one.collector._admitted = lambda: [writer.node]
            await writer.catalogue.write(reference(chunks[0], OTHER, 2000))
            await nodes[0].catalogue.write(*(dereference(chunk, ASSET) for chunk in chunks))
            await copied(nodes, chunks)
            assert await passes(nodes) == 0
            assert (await nodes[0].collector.report()).held_up_by == (writer.node,)
            await join(writer, nodes)
            nodes.append(writer)
            await until(lambda: settled(nodes[:2]))

            async def arrived():
                return not await writer.rows.journal_count()

            await until(arrived)
            await passes(nodes[:2], 3)
            assert await held(nodes, chunks) == 2
            assert await nodes[1].chunks.get(chunks[0]) == data[0]

    asyncio.run(main())


def test_a_present_node_that_knows_a_need_the_owners_have_not_heard_of_is_heard_when_asked(tmp_path):
    async def main():
        async with mesh(tmp_path, 2, graces=AT_ONCE) as (fabric, nodes):
            chunks, _ = await kept(nodes[0], 2)
            await nodes[0].catalogue.write(*(dereference(chunk, ASSET) for chunk in chunks))
            await copied(nodes, chunks)
            await nodes[0].collector.ask_settled()
            await nodes[0].collector.review()
            writer = await start(fabric, tmp_path, 7, stores=False, graces=AT_ONCE)
            await writer.rows.open()
            await writer.catalogue.write(reference(chunks[0], OTHER, 2000))
            await join(writer, nodes)
            nodes.append(writer)
            await asyncio.sleep(0.02)
            await passes(nodes[:2], 3)
            assert await held(nodes, [chunks[0]]) == 2
            assert await held(nodes, [chunks[1]]) == 0

    asyncio.run(main())


def test_one_that_answers_nothing_when_asked_at_the_last_moment_stops_it(tmp_path, monkeypatch):
    async def main():
        async with mesh(tmp_path, 2, graces=AT_ONCE) as (_, nodes):
            chunks, _ = await kept(nodes[0], 2)
            await nodes[0].catalogue.write(*(dereference(chunk, ASSET) for chunk in chunks))
            await copied(nodes, chunks)

            async def silent(node, batch):
                return None

            monkeypatch.setattr(nodes[0].collector, "_word", silent)
            assert await passes(nodes[:1], 3) == 0
            assert await held(nodes, chunks) == 4

    asyncio.run(main())


def test_content_stored_again_while_it_is_being_collected_is_never_lost(tmp_path):
    """Whatever the order: a put that was answered is there, wherever collection was at that moment."""

    async def main():
        async with mesh(tmp_path, 3, copies=2, graces=AT_ONCE) as (_, nodes):
            chance = random.Random(5)
            for turn in range(25):
                chunks, data = await kept(nodes[0], 4, seed=turn)
                await copied(nodes, chunks)
                await nodes[0].catalogue.write(*(dereference(chunk, ASSET) for chunk in chunks))

                pause_s = chance.uniform(0.0, 0.05)

                async def again(number, data=data, pause_s=pause_s):
                    await asyncio.sleep(pause_s)
                    writer = nodes[number % 3]
                    chunk = ChunkId(await writer.store.hash(data[number]))
                    await writer.catalogue.write(reference(chunk, OTHER, 2000))
                    await writer.chunks.put(data[number], OTHER, copies=2)

                await asyncio.gather(*(again(number) for number in range(4)), passes(nodes, 3))
                for one in nodes:
                    assert [await one.chunks.get(chunk) for chunk in chunks] == data, turn
                await until(lambda: settled(nodes))
                await passes(nodes, 2)
                counts = await nodes[0].chunks.copies(chunks)
                assert min(counts.values()) >= 2, turn
                await nodes[0].catalogue.write(*(dereference(chunk, OTHER) for chunk in chunks))

    asyncio.run(main())


def test_a_chunk_noted_as_needed_while_it_is_decided_about_stays(tmp_path):
    async def main():
        async with mesh(tmp_path, 1, copies=1, graces=AT_ONCE) as (_, nodes):
            (one,) = nodes
            chunk = await one.chunks.put(b"bytes", ASSET, copies=1)
            await one.collector.review()
            await asyncio.sleep(0.01)
            (seen,) = await one.store.idle((0, b""), 10, 1 << 60, 1 << 60)
            assert await one.store.refer(chunk, OTHER)
            assert not await one.store.collect(seen)
            await one.collector.review()
            (seen,) = await one.store.idle((0, b""), 10, 1 << 60, 1 << 60)
            assert await one.store.collect(seen)
            assert not await one.store.refer(chunk, OTHER), "the sender is told to bring the bytes"
            assert not await one.store.collect(seen)

    asyncio.run(main())


# ---------------------------------------------------------------- packed parts


def page_of(chunks, size=2000):
    entries = [
        Entry(chunk, size, 7, number, 0, True, number * 500_000, 500_000, 10**12 + number)
        for number, chunk in enumerate(chunks)
    ]
    return Page(ASSET, bytes(32), 4, (), tuple(entries))


def test_parts_whose_bytes_are_carried_go_after_the_short_grace_once_every_owner_has_the_carrier(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=2, graces=Graces(86_400_000, 1)) as (_, nodes):
            chunks, data = await kept(nodes[0], 5)
            packed = await nodes[0].chunks.put(b"".join(data), ASSET, copies=2)
            await nodes[0].catalogue.write(
                reference(packed, ASSET, 10_000),
                dereference(chunks[4], ASSET),
                *(change for chunk in chunks[:4] for change in carry(chunk, ASSET, packed)),
            )
            await copied(nodes, [*chunks, packed])
            holder = next(one for one in nodes if packed in one.store)
            await holder.store.remove(packed)
            await passes(nodes, 2)
            assert await held(nodes, chunks) == 10, "one owner lacks what carries them"
            await holder.chunks.put(b"".join(data), ASSET, copies=2)
            await copied(nodes, [packed])
            await passes(nodes, 3)
            assert await held(nodes, chunks[:4]) == 0
            assert await held(nodes, chunks[4:]) == 2, "nothing says where the bytes of this one are"

    asyncio.run(main())


def test_a_part_that_a_page_still_names_is_referred_to_again_instead(tmp_path):
    async def main():
        async with mesh(tmp_path, 2, graces=AT_ONCE) as (_, nodes):
            chunks, _ = await kept(nodes[0], 3)
            page = page_of(chunks[:2])
            await nodes[0].catalogue.write(
                Change("pages", ASSET, page.name(), set={"body": page.pack()}),
                *(dereference(chunk, ASSET) for chunk in chunks),
            )
            await copied(nodes, chunks)
            await passes(nodes, 3)
            assert await held(nodes, chunks[:2]) == 4
            assert await held(nodes, chunks[2:]) == 0
            assert await nodes[1].catalogue.get("references", chunks[0].hex(), ASSET) is not None

    asyncio.run(main())


# ---------------------------------------------------------------- the trash


def test_what_lay_in_the_trash_for_long_enough_goes_with_all_its_rows_and_bytes(tmp_path):
    async def main():
        async with mesh(tmp_path, 2, graces=AT_ONCE) as (_, nodes):
            chunks, _ = await kept(nodes[0], 3)
            page = page_of(chunks)
            now_ms = int(nodes[0].clock.wall() * 1000)
            fields = {"kind": "take", "state": "ready", "trashed_ms": now_ms, "poster": chunks[0].hex()}
            await nodes[0].catalogue.write(
                Change("assets", ASSET, set=fields),
                Change("assets", OTHER, set={"kind": "take", "state": "ready"}),
                Change("pages", ASSET, page.name(), set={"body": page.pack()}),
                Change("scenes", ASSET, "0" * 12, set={"end_ms": 5}),
            )
            await copied(nodes, chunks)
            await passes(nodes, 1)
            assert sum([await one.trash.empty_once() for one in nodes]) == 1
            await until(lambda: settled(nodes))
            await passes(nodes, 3)
            assert await held(nodes, chunks) == 0
            for one in nodes:
                assert await one.catalogue.get("assets", ASSET) is None
                assert await one.catalogue.get("assets", OTHER) is not None
                assert not await one.catalogue.rows("pages", ASSET) + await one.catalogue.rows("scenes", ASSET)

    asyncio.run(main())


def test_what_comes_late_of_an_asset_that_was_deleted_for_good_goes_too_and_revives_nothing(tmp_path):
    async def main():
        async with mesh(tmp_path, 2, graces=AT_ONCE) as (_, nodes):
            one, other = nodes
            chunks, _ = await kept(one, 2)
            page = page_of(chunks)
            await one.catalogue.write(
                Change("assets", ASSET, set={"kind": "take", "state": "ready", "trashed_ms": 1}),
                Change("assets", OTHER, set={"kind": "take", "state": "ready"}),
                Change("scenes", OTHER, "0" * 12, set={"end_ms": 5}),
            )
            await copied(nodes, chunks)
            await one.trash.empty(ASSET)
            await until(lambda: settled(nodes))
            await other.catalogue.write(
                Change("assets", ASSET, set={"name": "edited", "size_bytes": 9}, add={"tags": ("keepme",)}),
                *(reference(chunk, ASSET, 2000) for chunk in chunks),
                Change("pages", ASSET, page.name(), set={"body": page.pack()}),
                Change("scenes", ASSET, "0" * 12, set={"end_ms": 5}),
            )
            await until(lambda: settled(nodes))
            assert sum([await each.trash.drop_late_once() for each in nodes]) == 2
            assert sum([await each.trash.drop_dangling_once() for each in nodes]) >= 2
            assert sum([await each.trash.drop_late_once() for each in nodes]) == 0
            await until(lambda: settled(nodes))
            await passes(nodes, 3)
            assert await held(nodes, chunks) == 0
            for each in nodes:
                assert await each.catalogue.get("assets", ASSET) is None
                assert not await each.catalogue.rows("pages", ASSET) + await each.catalogue.rows("scenes", ASSET)
                assert len(await each.catalogue.rows("scenes", OTHER)) == 1

    asyncio.run(main())


def test_an_asset_taken_out_of_the_trash_by_a_node_that_was_away_is_not_emptied(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=2, graces=AT_ONCE) as (fabric, nodes):
            now_ms = int(nodes[0].clock.wall() * 1000)
            await nodes[0].catalogue.write(Change("assets", ASSET, set={"kind": "video", "trashed_ms": now_ms - 100}))
            await until(lambda: settled(nodes))
            away = nodes[2]
            for one in nodes[:2]:
                one.collector._settled.clear()
            await stop(away)
            await passes(nodes[:2], 1)
            assert sum([await one.trash.empty_once() for one in nodes[:2]]) == 0
            nodes[2] = await start(fabric, tmp_path, 2, 2, graces=AT_ONCE)
            await nodes[2].catalogue.write(Change("assets", ASSET, set={"trashed_ms": 0}))
            await join(nodes[2], nodes[:2])
            await until(lambda: settled(nodes))
            await passes(nodes, 1)
            assert sum([await one.trash.empty_once() for one in nodes]) == 0
            with pytest.raises(Refused):
                await nodes[0].trash.empty(ASSET)

    asyncio.run(main())


def test_references_of_an_upload_that_was_cut_off_are_taken_back_and_those_of_a_slow_one_are_not(tmp_path):
    async def main():
        async with mesh(tmp_path, 2, graces=Graces(25_000, 25_000), off_s=-50.0) as (_, nodes):
            chunks, _ = await kept(nodes[0], 3)
            await nodes[0].catalogue.write(
                reference(chunks[0], OTHER, 2000), Change("assets", OTHER, set={"kind": "x"})
            )
            await copied(nodes, chunks)
            assert sum([await one.trash.drop_dangling_once() for one in nodes]) == 0
            for one in nodes:
                one.machine.off_s = 0.0
            await nodes[0].catalogue.write(reference(chunks[1], ASSET, 2000))  # the upload goes on
            await until(lambda: settled(nodes))
            await passes(nodes, 1)
            assert sum([await one.trash.drop_dangling_once() for one in nodes]) == 2
            await until(lambda: settled(nodes))
            left = [(row.pk, row.sk) for row in await nodes[0].rows.every("references")]
            both = [(row.pk, row.sk) for row in await nodes[1].rows.every("references")]
            assert sorted({*left, *both}) == sorted([(chunks[0].hex(), OTHER), (chunks[1].hex(), ASSET)])

    asyncio.run(main())


def test_a_pass_that_finds_more_than_fits_one_batch_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(collectors, "COLLECTED_AT_ONCE", 3)
    monkeypatch.setattr(collectors, "REVIEWED_AT_ONCE", 4)

    async def main():
        async with mesh(tmp_path, 1, copies=1, graces=AT_ONCE) as (_, nodes):
            for number in range(11):
                await nodes[0].chunks.put(b"%d" % number, ASSET, copies=1)
            assert await passes(nodes, 2) == 11

    asyncio.run(main())


def test_a_scrub_finds_every_flipped_bit_and_goes_on_after_a_restart_where_it_was(tmp_path):
    async def main():
        async with mesh(tmp_path, 2, graces=LONG) as (fabric, nodes):
            chunks, data = await kept(nodes[0], 12)
            await copied(nodes, chunks)
            one = nodes[0]
            for _ in range(5):
                assert await one.repair.scrub_once()
            await one.repair._keep_scrub()
            place = one.repair.scrub.place
            await stop(one)
            one = nodes[0] = await start(fabric, tmp_path, 0)
            assert one.repair.scrub.place == place
            await join(one, nodes[1:])
            rotten = sorted(chunks)[6:]
            for chunk in rotten:
                path = one.disk.path(f"chunks/{chunk.hex()[:2]}/{chunk.hex()}")
                raw = bytearray(path.read_bytes())
                raw[7] ^= 4
                path.write_bytes(raw)

            async def whole():
                await one.repair.scrub_once()
                return one.repair.scrub.last_ended_ms > 0

            await until(whole)
            assert one.repair.scrub.found == one.store.quarantined == len(rotten)

            async def healed():
                return all(chunk in one.store for chunk in chunks) and not await one.store.damaged_count()

            await until(healed)
            assert [await one.store.read(chunk) for chunk in chunks] == data

    asyncio.run(main())
