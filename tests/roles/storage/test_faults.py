"""What storage promises while nodes die, stand in, come back, join late and have wrong clocks."""

import asyncio
import random

import pytest
from storage_cluster import assets, gone_away, join, mesh, settled, start, stop, until

from mesh.actors import scatter
from mesh.actors.chunks import reference
from mesh.core.hlc import stamp_ms
from mesh.core.placement import partition_of
from mesh.core.query import Query, Where
from mesh.core.rows import Change, apply, pack
from mesh.ports import DiskUsage, NotFound, Unavailable
from proto.ids import AssetId, ChunkId
from proto.messages.catalogue import PutRows, Scan
from simulations.world.network import FakeFabric

ASSET = AssetId("a" * 26)
ALL = 1024


async def listed(one, **more):
    return await one.catalogue.scan(Query("assets", limit=1000, **more))


def test_a_dead_holder_does_not_hold_up_what_the_others_should_get(tmp_path):
    async def main():
        async with mesh(tmp_path) as (_, nodes):
            one, other, dead = nodes
            await stop(dead)
            await one.catalogue.write(*assets(600))

            async def other_has():
                wanted = [n for n in range(600) if other.node in one.view.holders(partition_of(f"{n:026d}"))]
                return len(await other.rows.every("assets")) == len(wanted) > 300

            await until(other_has)
            page = await listed(other)
            assert (len(page.rows), page.partitions_ok) == (600, ALL)
            waiting = await one.rows.journal(0, 1000)
            assert waiting, "what the dead holder lacks is kept for it"
            assert all(dead.node in one.view.holders(row.partition) for row in waiting)
            chunks = [await one.chunks.keep(b"%d" % n, ASSET) for n in range(300)]
            theirs = [c for c in chunks if other.node in one.view.holders(partition_of(c))]

            async def copied():
                return all(chunk in other.store for chunk in theirs)

            await until(copied)

    asyncio.run(main())


def test_stand_ins_take_over_and_a_node_that_returns_counts_only_once_it_caught_up(tmp_path):
    async def main():
        async with mesh(tmp_path, 4, keep_confirmed_s=0.0) as (fabric, nodes):
            await nodes[0].catalogue.write(*assets(100))
            chunks = [await nodes[0].chunks.put(b"chunk %d" % n, ASSET, copies=2) for n in range(60)]
            await until(lambda: settled(nodes))
            away, rest = nodes[3], nodes[:3]
            await gone_away(rest, away)

            async def two_copies():
                counts = await rest[0].chunks.copies(chunks)
                pages = [await listed(one) for one in rest]
                whole = all(len(page.rows) == 100 and page.partitions_ok == ALL for page in pages)
                return min(counts.values()) >= 2 and whole and await settled(rest)

            await until(two_copies)
            await rest[0].catalogue.write(*assets(50, 100), Change("assets", f"{5:026d}", set={"name": "renamed"}))
            more = [await rest[1].chunks.put(b"later %d" % n, ASSET, copies=2) for n in range(40)]
            await until(lambda: settled(rest))

            back = await start(fabric, tmp_path, 3, keep_confirmed_s=0.0)
            nodes[3] = back
            owned = [part for part, share in back.view.shares().items() if back.node in share.owners]
            assert owned
            assert not any(back.view.sync.counts(part) for part in owned), "it may have missed anything"
            await join(back, rest)
            for one in rest:
                one.peers.gone = frozenset()

            async def caught_up():
                pages = [await listed(one) for one in nodes]
                return all(len(page.rows) == 150 and page.partitions_ok == ALL for page in pages)

            await until(caught_up)
            row = await back.catalogue.get("assets", f"{5:026d}")
            assert row.fields["name"] == "renamed"
            owned_chunks = [c for c in chunks + more if back.node in back.view.owners(partition_of(c))]

            async def all_where_they_belong():
                for one in nodes:
                    await one.repair.hand_over_once()
                    await one.chunks.copier.drop_once()
                rows = sum([len(await one.rows.every("assets")) for one in nodes])
                held = sum(chunk in one.store for chunk in chunks + more for one in nodes)
                return all(c in back.store for c in owned_chunks) and rows == 300 and held == 200

            await until(all_where_they_belong)
            for chunk in chunks + more:
                assert await nodes[2].chunks.get(chunk)

    asyncio.run(main())


def test_a_stand_in_for_a_pair_of_owners_that_are_both_away_does_not_pass_for_whole(tmp_path):
    async def main():
        async with mesh(tmp_path, 4) as (_, nodes):
            await nodes[0].catalogue.write(*assets(60))
            await until(lambda: settled(nodes))
            rest = nodes[:2]
            await gone_away(rest, *nodes[2:])
            await asyncio.sleep(1.5)
            for one in rest:
                page = await listed(one)
                orphans = sum({nodes[2].node, nodes[3].node} == set(s.owners) for s in one.view.shares().values())
                assert 0 < orphans == ALL - page.partitions_ok
                assert len(page.rows) < 60

    asyncio.run(main())


def test_a_node_that_joins_an_old_mesh_counts_only_once_it_has_what_it_owns(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (fabric, nodes):
            await nodes[0].catalogue.write(*assets(80))
            await until(lambda: settled(nodes))
            new = await start(fabric, tmp_path, 2)
            nodes.append(new)
            assert (await listed(new)).partitions_ok == ALL, "alone it is a whole system"
            await join(new, nodes[:2])
            seen = []
            async with asyncio.timeout(60):
                while not seen or seen[-1] != (80, ALL) or not await settled(nodes):
                    page = await listed(new)
                    seen.append((len(page.rows), page.partitions_ok))
                    await asyncio.sleep(0.02)
            whole_from = next(at for at, (rows, _) in enumerate(seen) if rows == 80)
            assert all(rows == 80 for rows, ok in seen[whole_from:] if ok == ALL), seen

    asyncio.run(main())


def test_every_owner_restarted_at_once_counts_again(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=3) as (fabric, nodes):
            await nodes[0].catalogue.write(*assets(20))
            await until(lambda: settled(nodes))
            for one in nodes:
                await stop(one)
            nodes[:] = [await start(fabric, tmp_path, number, 3) for number in range(3)]
            assert (await listed(nodes[0])).partitions_ok == 0
            assert len((await listed(nodes[0])).rows) == 20, "what there is is shown, and said not to be whole"
            for at, one in enumerate(nodes):
                await join(one, nodes[:at])
            await until(lambda: settled(nodes))
            assert (await listed(nodes[1])).partitions_ok == ALL

    asyncio.run(main())


def test_a_write_on_one_node_is_in_the_next_answer_of_another_that_waits_for_it(tmp_path):
    async def main():
        async with mesh(tmp_path) as (fabric, nodes):
            for number in range(20):
                cursor = await nodes[0].catalogue.write(*assets(1, number))
                page = await nodes[1 + number % 2].catalogue.scan(Query("assets", limit=100, after=cursor))
                assert (len(page.rows), page.stale) == (number + 1, False)
            for one in nodes[1:]:
                fabric.cut(nodes[0].node, one.node)
            cursor = await nodes[0].catalogue.write(*assets(1, 50))
            assert not (await nodes[0].catalogue.scan(Query("assets", after=cursor))).stale
            assert (await nodes[1].catalogue.scan(Query("assets", after=cursor))).stale

    asyncio.run(main())


def test_own_changes_of_single_fields_are_laid_over_whole_rows(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=1) as (fabric, nodes):
            await nodes[0].catalogue.write(*assets(30, tag="x"))
            await until(lambda: settled(nodes))
            writer = nodes[0]
            foreign = [n for n in range(30) if writer.node not in writer.view.holders(partition_of(f"{n:026d}"))]
            assert foreign
            for number in foreign:
                await writer.catalogue.write(Change("assets", f"{number:026d}", set={"name": f"new {number}"}))
                page = await listed(writer, order="size_bytes", descending=False)
                assert [row.fields["size_bytes"] for row in page.rows] == list(range(30))
                assert page.rows[number].fields["name"] == f"new {number}"
                assert page.total == 30
            found = await listed(writer, text="new")
            assert (len(found.rows), found.total) == (len(foreign), len(foreign))

            target = f"{foreign[0]:026d}"
            await nodes[1].catalogue.write(Change("assets", target, add={"tags": ("dog", "cat")}))
            await until(lambda: settled(nodes))
            await writer.catalogue.write(Change("assets", target, remove={"tags": ("dog",)}))
            await until(lambda: settled(nodes))
            assert (await writer.catalogue.get("assets", target)).sets == {"tags": ("cat",)}
            for one in nodes[1:]:
                fabric.cut(writer.node, one.node)
            with pytest.raises(Unavailable):
                await writer.catalogue.write(Change("assets", target, remove={"tags": ("cat",)}))

    asyncio.run(main())


def test_answers_larger_than_a_frame_come_in_pieces(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=1) as (_, nodes):
            pk = next(
                f"{n:026d}" for n in range(99) if nodes[0].node not in nodes[0].view.holders(partition_of(f"{n:026d}"))
            )
            body = random.Random(1).randbytes(100_000)
            await nodes[0].catalogue.write(*(Change("pages", pk, f"{n:03d}", set={"body": body}) for n in range(30)))
            await nodes[0].catalogue.write(*assets(40, manifest=body))
            await until(lambda: settled(nodes))
            rows = await nodes[0].catalogue.rows("pages", pk)
            assert [row.sk for row in rows] == [f"{n:03d}" for n in range(30)]
            seen, page = [], ""
            while True:
                answer = await nodes[1].catalogue.scan(
                    Query("assets", order="size_bytes", descending=False, limit=1000, page=page)
                )
                seen += [row.fields["size_bytes"] for row in answer.rows]
                page = answer.next
                if not page:
                    break
            assert seen == list(range(40))

    asyncio.run(main())


def test_a_node_that_was_a_day_ahead_takes_the_meshs_time_and_its_rows_are_believed(tmp_path):
    async def main():
        async with mesh(tmp_path, 3) as (fabric, nodes):
            ahead = await start(fabric, tmp_path, 3, off_s=86_400.0)
            nodes.append(ahead)
            await ahead.catalogue.write(*assets(10))
            old = max(stamp_ms(entry.newest[0]) for entry in await ahead.rows.every("assets"))
            assert old > nodes[0].machine.wall() * 1000 + 80_000_000
            await join(ahead, nodes[:3])

            async def believed():
                return len((await listed(nodes[0])).rows) == 10 and ahead.node in nodes[0].view.layout.places

            await until(believed)
            assert abs(ahead.clock.wall() - nodes[0].machine.wall()) < 5
            row = (await listed(nodes[0])).rows[0]
            assert abs(row.updated_ms - nodes[0].machine.wall() * 1000) < 60_000

            async def none_held():
                return not any([await one.rows.held() for one in nodes])

            await until(none_held)

    asyncio.run(main())


def test_a_node_booted_in_1970_writes_with_the_meshs_time(tmp_path):
    async def main():
        async with mesh(tmp_path, 3) as (fabric, nodes):
            lost = await start(fabric, tmp_path, 3, off_s=-nodes[0].machine.wall() + 100)
            nodes.append(lost)
            await nodes[0].catalogue.write(*assets(1))
            await join(lost, nodes[:3])

            async def corrected():
                return lost.clock.correction_ms() > 0 and await settled(nodes)

            await until(corrected)
            await lost.catalogue.write(Change("assets", f"{0:026d}", set={"name": "the later writer"}))
            await until(lambda: settled(nodes))
            assert (await nodes[1].catalogue.get("assets", f"{0:026d}")).fields["name"] == "the later writer"

    asyncio.run(main())


def test_a_chunk_lost_or_damaged_without_notice_is_found_and_fetched_again(tmp_path):
    async def main():
        async with mesh(tmp_path, 3) as (_, nodes):
            chunks = [await nodes[0].chunks.put(b"data %d" % n * 100, ASSET, copies=2) for n in range(6)]
            await nodes[0].catalogue.write(*(reference(chunk, ASSET, n) for n, chunk in enumerate(chunks)))
            await until(lambda: settled(nodes))
            holder = next(one for one in nodes if chunks[0] in one.store)
            await holder.store.remove(chunks[0])  # as if the inventory had been put back from an older copy
            for one in nodes:
                if one is not holder and chunks[0] in one.store:
                    await holder.repair.compare_with(one.node)

            async def back():
                return chunks[0] in holder.store

            await until(back)
            path = holder.disk.path(f"chunks/{chunks[0].hex()[:2]}/{chunks[0].hex()}")
            path.write_bytes(b"rotten")
            while await holder.repair.scrub_once():
                pass
            assert holder.store.quarantined == 1

            async def healed():
                return path.exists() and path.read_bytes() == b"data 0" * 100

            await until(healed)
            assert (holder.disk.root / "quarantine" / chunks[0].hex()).read_bytes() == b"rotten"

    asyncio.run(main())


def test_a_recorder_that_does_not_store_keeps_bytes_until_every_owner_has_them(tmp_path):
    async def main():
        async with mesh(tmp_path, 2, keep_confirmed_s=0.0) as (fabric, nodes):
            recorder = await start(fabric, tmp_path, 5, stores=False, keep_confirmed_s=0.0)
            nodes.append(recorder)
            parts = [await recorder.chunks.keep(b"part %d" % n, ASSET) for n in range(10)]
            await recorder.catalogue.write(*(reference(part, ASSET, 7) for part in parts))
            assert all(part in recorder.store for part in parts), "alone it records all the same"
            await join(recorder, nodes[:2])
            await asyncio.sleep(0)
            assert await nodes[0].chunks.get(parts[3]) == b"part 3", "read from the one that has it"

            async def copied():
                await recorder.chunks.copier.drop_once()
                both = all(part in one.store for part in parts for one in nodes[:2])
                return both and recorder.chunks.lag().chunks == 0 and not any(part in recorder.store for part in parts)

            await until(copied)
            assert await recorder.chunks.get(parts[3]) == b"part 3"
            with pytest.raises(NotFound):
                await recorder.chunks.get(ChunkId(bytes(32)))

            async def referenced():
                return await nodes[0].catalogue.get("references", parts[0].hex(), ASSET) is not None

            await until(referenced)
            assert await nodes[0].store.latest_of(ASSET, 5)

    asyncio.run(main())


def test_a_stand_in_takes_nothing_that_would_fill_its_disk(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=1) as (_, nodes):
            full = nodes[0]

            async def usage():
                return DiskUsage(1000, 100)

            full.store.usage = usage
            data = next(d for n in range(99) if (d := b"%d" % n) and owner_of(nodes, d) is not full)
            with pytest.raises(Unavailable, match=r"only 2 of 3.*too full to stand in"):
                await nodes[1].chunks.put(data, ASSET, copies=3)
            mine = next(d for n in range(99) if (d := b"%d" % n) and owner_of(nodes, d) is full)
            await nodes[1].chunks.put(mine, ASSET, copies=1)

    asyncio.run(main())


def owner_of(nodes, data):
    from blake3 import blake3

    owner = nodes[0].view.owners(partition_of(blake3(data).digest()))[0]
    return next(one for one in nodes if one.node == owner)


def test_a_row_that_is_confirmed_while_a_list_is_made_is_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr(scatter, "HEDGE_S", 60.0)

    async def main():
        async with mesh(tmp_path, 3, copies=1) as (_, nodes):
            writer, scanned = nodes[0], asyncio.Event()

            def slow_to_take(other):
                answer = other.server.receive

                async def receive(message, context):
                    if isinstance(message, PutRows):
                        await scanned.wait()
                        return await answer(message, context)
                    given = await answer(message, context)
                    if isinstance(message, Scan):
                        scanned.set()
                        await until(lambda: settled(nodes), timeout_s=4)
                    return given

                other.server.receive = receive

            for other in nodes[1:]:
                slow_to_take(other)
            await writer.catalogue.write(*assets(30))
            page = await listed(writer)
            assert not scanned.is_set() or await writer.rows.journal_count() == 0
            assert (len(page.rows), page.total, page.stale) == (30, 30, False)
            assert len((await listed(nodes[1])).rows) == 30

    asyncio.run(main())


def test_a_list_that_cannot_have_all_of_this_nodes_writes_says_that_it_is_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(scatter, "OVERLAY_ROWS_MAX", 10)

    async def main():
        async with mesh(tmp_path, 2, copies=1) as (fabric, nodes):
            fabric.cut(nodes[0].node, nodes[1].node)
            await nodes[0].catalogue.write(*assets(100))
            page = await listed(nodes[0])
            assert page.stale
            assert len(page.rows) < 100
            fabric.heal()
            await join(nodes[0], nodes[1:])
            await until(lambda: settled(nodes))
            page = await listed(nodes[0])
            assert (len(page.rows), page.stale) == (100, False)

    asyncio.run(main())


def test_a_row_found_where_it_does_not_belong_goes_to_its_holders_with_no_other_write(tmp_path):
    async def main():
        async with mesh(tmp_path, 3, copies=1) as (_, nodes):
            await until(lambda: settled(nodes))
            stranger = nodes[0]
            number = next(n for n in range(99) if stranger.node not in stranger.view.holders(partition_of(f"{n:026d}")))
            entry = apply(None, assets(1, number)[0], (stranger.rows.hlc.tick(0), stranger.node))
            await stranger.rows.take([pack(entry)])
            await stranger.repair.hand_over_once()

            async def handed_over():
                held = [len(await one.rows.every("assets")) for one in nodes]
                return held[0] == 0 and sum(held) == 1 and await settled(nodes)

            await until(handed_over)

    asyncio.run(main())


def test_a_slow_replica_is_passed_over(tmp_path):
    async def main():
        async with mesh(tmp_path, 3) as (_, nodes):
            await nodes[0].catalogue.write(*assets(30))
            await until(lambda: settled(nodes))
            slow = nodes[2]
            answer = slow.server.receive

            async def slowly(message, context):
                await asyncio.sleep(4)
                return await answer(message, context)

            slow.server.receive = slowly
            loop = asyncio.get_running_loop()
            began = loop.time()
            page = await listed(nodes[0])
            took_s = loop.time() - began
            assert (len(page.rows), page.partitions_ok, page.total) == (30, ALL, 30)
            assert took_s < 2

    asyncio.run(main())


def test_what_is_marked_as_thrown_away_is_hidden_and_comes_back(tmp_path):
    async def main():
        async with mesh(tmp_path, 2) as (_, nodes):
            await nodes[0].catalogue.write(*assets(3))
            await until(lambda: settled(nodes))
            one, shown, gone = nodes[1].catalogue, Where("trashed_ms", "missing"), f"{1:026d}"
            await one.write(Change("assets", gone, set={"trashed_ms": 1_800_000_000_000}))
            trashed = await one.scan(Query("assets", (Where("trashed_ms", "ge", 1),), order="trashed_ms"))
            assert [row.pk for row in trashed.rows] == [gone]
            kept = await one.scan(Query("assets", (shown, Where("kind", "eq", "Video"))))
            assert (len(kept.rows), kept.total) == (2, 2)
            await one.write(Change("assets", gone, set={"trashed_ms": 0}))
            assert (await one.scan(Query("assets", (shown,)))).total == 3

    asyncio.run(main())


def test_what_a_writer_had_not_passed_on_survives_its_restart(tmp_path):
    async def main():
        fabric = FakeFabric(0.0005)
        one, other = await start(fabric, tmp_path, 0), await start(fabric, tmp_path, 1, stores=False)
        await join(other, [one])
        await until(lambda: settled([one, other]))
        fabric.cut(one.node, other.node)
        await other.catalogue.write(*assets(5))
        await stop(other)
        other = await start(fabric, tmp_path, 1, stores=False)
        assert len(await other.rows.kept()) == 5
        fabric.heal()
        await join(other, [one])

        async def arrived():
            return len(await one.rows.every("assets")) == 5 and not await other.rows.kept()

        await until(arrived)
        assert await other.rows.every("assets") == [], "confirmed, and not its to hold"
        for node in (one, other):
            await stop(node)
        await fabric.close()

    asyncio.run(main())
