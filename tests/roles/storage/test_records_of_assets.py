"""A catalogue whose database was lost is made again from the records beside the chunks."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from mesh.actors.chunks import carry, reference
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.records import FOLDER, Records
from mesh.actors.rowstore import RowStore
from mesh.adapters.clock import SystemClock
from mesh.adapters.disk import FolderDisk
from mesh.adapters.executor import ThreadExecutor
from mesh.adapters.tables import SqliteTables
from mesh.core import records as core
from mesh.core.manifest import Manifest
from mesh.core.rows import Change, apply, pack
from mesh.ports import Unavailable
from proto.ids import AssetId, ChunkId, MeshId, node_id_of
from roles.storage.referring import refer_again

ME, OTHER = node_id_of(b"\1" * 32), node_id_of(b"\2" * 32)
MESH = MeshId("m" * 52)
STAMP = 1_793_600_000_000 << 16


def aid(number):
    return AssetId(f"{number:026d}")


@asynccontextmanager
async def opened(folder):
    executor = ThreadExecutor(2)
    disk = FolderDisk(folder, executor)
    tables = SqliteTables(folder / "node.db")
    rows = RowStore(tables)
    await rows.open()
    kept = Records(disk, tables, rows, executor, MESH, ME)
    try:
        came = await kept.open()
        store = ChunkStore(disk, tables, executor, SystemClock())
        await store.open()
        if came:
            await refer_again(rows, store)
        yield SimpleNamespace(rows=rows, kept=kept, store=store, disk=disk, came=came, tables=tables)
    finally:
        tables.close()
        executor.close()


class Writer:
    """Stamps changes one after another."""

    def __init__(self):
        self.stamp = STAMP

    async def write(self, one, *changes, node=ME):
        for change in changes:
            self.stamp += 1 << 16
            standing = await one.rows.get(change.table, change.pk, change.sk)
            entry = apply(standing[0] if standing else None, change, (self.stamp, node))
            await one.rows.take([pack(entry)])


def lose(folder):
    for path in folder.glob("node.db*"):
        path.unlink()


async def fill(one, writer, count=20):
    """Files of one chunk each, with tags; the third is in the trash, the fourth is deleted for good."""
    chunks = []
    for number in range(count):
        data = b"bytes of %d" % number
        chunk = await one.store.add(data, aid(number))
        chunks.append(chunk)
        manifest = Manifest(len(data), (chunk,), bytes(chunk))
        await writer.write(
            one,
            reference(chunk, aid(number), len(data)),
            Change(
                "assets",
                aid(number),
                set={"name": f"clip {number}", "kind": "video", "manifest": manifest.pack()},
                add={"tags": ("best", f"n{number}")},
            ),
        )
    await writer.write(one, Change("assets", aid(2), set={"trashed_ms": 5}))
    await writer.write(one, reference(chunks[3], aid(3), 1), Change("references", chunks[3].hex(), aid(3), delete=True))
    await writer.write(one, Change("assets", aid(3), delete=True))
    return chunks


async def seen(one):
    return {row.pk: row for row in (entry.row() for entry in await one.rows.every("assets"))}


def test_the_same_assets_names_tags_and_trash_come_back_and_their_chunks_are_referenced(tmp_path):
    async def main():
        writer = Writer()
        async with opened(tmp_path) as one:
            chunks = await fill(one, writer)
            before = await seen(one)
            await one.kept.keep()
        lose(tmp_path)
        async with opened(tmp_path) as again:
            assert again.came
            assert await seen(again) == before
            assert "trashed_ms" in before[aid(2)].fields
            assert aid(3) not in before
            assert await again.store.referred(chunks) == {one for at, one in enumerate(chunks) if at != 3}
            assert (await again.rows.get("assets", aid(3), ""))[0].dead, "that it was deleted is known for good"
            assert again.rows.hlc.last >= writer.stamp, "what is written next is later"
            assert await again.rows.journal_count() >= 20, "peers that lack them are given them"
            assert await again.store.latest_of(aid(7), 5) == [chunks[7]]
            await again.kept.keep()
        async with opened(tmp_path) as third:
            assert not third.came, "a database that has them is left alone"
            assert await seen(third) == before

    asyncio.run(main())


def test_what_was_not_recorded_before_a_kill_is_recorded_by_the_next_start(tmp_path):
    async def main():
        writer = Writer()
        async with opened(tmp_path) as one:
            await one.kept.keep()
            await fill(one, writer, 5)  # and killed here
        async with opened(tmp_path) as two:
            before = await seen(two)
            await two.kept.keep()
        lose(tmp_path)
        async with opened(tmp_path) as three:
            assert await seen(three) == before
            assert len(before) == 4

    asyncio.run(main())


@pytest.mark.parametrize("fails_at", range(1, 13))
def test_killed_at_any_write_nothing_that_was_recorded_is_lost(tmp_path, fails_at):
    async def main():
        writer = Writer()
        async with opened(tmp_path) as one:
            await fill(one, writer, 6)
            await one.kept.keep()
            recorded = await seen(one)
            await writer.write(one, Change("assets", aid(1), set={"name": "renamed"}))
            one.kept._fresh = True  # a new generation is due
            count = 0

            def guard(call):
                async def guarded(*args):
                    nonlocal count
                    count += 1
                    if count == fails_at:
                        raise Unavailable("killed")
                    return await call(*args)

                return guarded

            for name in ("write", "delete"):
                setattr(one.disk, name, guard(getattr(one.disk, name)))
            one.tables.write = guard(one.tables.write)
            try:
                await one.kept.keep()
                finished = True
            except Unavailable:
                finished = False
        assert finished == (fails_at > count)
        lose(tmp_path)
        async with opened(tmp_path) as two:
            found = await seen(two)
            assert found.keys() == recorded.keys()
            assert found[aid(1)].fields["name"] in ("clip 1", "renamed")
            await two.kept.keep()
            assert sum(1 for name in await two.disk.list(FOLDER) if name.endswith(".whole")) == 1

    asyncio.run(main())


def test_damaged_and_foreign_files_cost_no_more_than_themselves(tmp_path):
    async def main():
        writer = Writer()
        async with opened(tmp_path) as one:
            await one.kept.keep()
            for number in range(4):
                await writer.write(one, Change("assets", aid(number), set={"name": f"clip {number}"}))
                await one.kept.keep()
        folder = tmp_path / FOLDER
        segments = sorted(folder.glob("*.records"))
        assert len(segments) == 4
        data = bytearray(segments[1].read_bytes())
        data[-5] ^= 1
        segments[1].write_bytes(data)
        segments[2].write_bytes(segments[2].read_bytes()[:30])
        (folder / "notes.txt").write_text("not a record")
        strange = core.pack_segment(MeshId("x" * 52), [core.Record(9, "assets", aid(9), "", b"no row")])
        (folder / core.Segment(1, 900).name).write_bytes(strange)
        users = apply(None, Change("users", "eve", set={"role": "admin"}), (STAMP, OTHER))
        lying = [core.Record(9, "users", "eve", "", pack(users)), core.Record(9, "assets", aid(8), "", pack(users))]
        (folder / core.Segment(1, 901).name).write_bytes(core.pack_segment(MESH, lying))
        lose(tmp_path)
        async with opened(tmp_path) as again:
            assert set(await seen(again)) == {aid(0), aid(3)}
            assert await again.rows.get("users", "eve", "") == [], "only what is recorded is taken from records"
            assert again.kept.damaged == 2
            await again.kept.keep()
        assert (folder / "notes.txt").read_text() == "not a record", "what is not ours is left alone"

    asyncio.run(main())


def test_a_row_that_is_newer_in_the_database_wins(tmp_path):
    async def main():
        writer = Writer()
        async with opened(tmp_path) as one:
            await fill(one, writer, 4)
            await one.kept.keep()
        lose(tmp_path)
        newer = Change("assets", aid(1), set={"name": "newer"})
        tables = SqliteTables(tmp_path / "node.db")
        rows = RowStore(tables)
        await rows.open()
        await rows.take([pack(apply(None, newer, (STAMP + (1 << 40), OTHER)))])
        tables.close()
        async with opened(tmp_path) as again:
            row = (await seen(again))[aid(1)]
            assert row.fields["name"] == "newer"
            assert row.sets["tags"] == ("best", "n1")

    asyncio.run(main())


def test_rows_this_node_handed_over_do_not_come_back(tmp_path):
    async def main():
        writer = Writer()
        async with opened(tmp_path) as one:
            await fill(one, writer, 4)
            await one.kept.keep()
            entry = (await one.rows.get("assets", aid(1), ""))[0]
            digest = (await one.rows.listing(entry_part(entry), (), 100))[0][3]
            assert await one.rows.forget({entry.key: digest}) == 1
            await one.kept.keep()
        lose(tmp_path)
        async with opened(tmp_path) as again:
            assert set(await seen(again)) == {aid(0), aid(2)}

    def entry_part(entry):
        from mesh.actors.rowsql import partition_for

        return partition_for(entry.table, entry.pk)

    asyncio.run(main())


def test_a_reference_that_packing_took_back_stays_taken_back(tmp_path):
    async def main():
        writer = Writer()
        async with opened(tmp_path) as one:
            part, packed = ChunkId(b"p" * 32), ChunkId(b"q" * 32)
            row = Change("assets", aid(1), set={"kind": "image", "poster": part.hex()})
            await writer.write(one, reference(part, aid(1), 9), row)
            naming = (await one.rows.get("assets", aid(1), ""))[0]
            await writer.write(one, *carry(part, aid(1), packed))
            taken_back = await one.rows.get("references", part.hex(), aid(1))
            await one.kept.keep()
        lose(tmp_path)
        async with opened(tmp_path) as again:
            made = (await again.rows.get("references", part.hex(), aid(1)))[0]
            assert made.alive
            assert made.newest == naming.fields["poster"][0]
            await again.rows.take([pack(taken_back[0])])
            assert await again.store.referred([part]) == set()

    asyncio.run(main())


def test_damage_that_is_met_while_segments_are_joined_is_mended_from_the_database(tmp_path):
    async def main():
        writer = Writer()
        async with opened(tmp_path) as one:
            await one.kept.keep()
            for number in range(core.FAN):
                await writer.write(one, Change("assets", aid(number), set={"name": f"clip {number}"}))
                if number == 5:
                    segment = min((tmp_path / FOLDER).glob("*.records"))
                    segment.write_bytes(segment.read_bytes()[:-3])
                await one.kept.keep()
            before = await seen(one)
        lose(tmp_path)
        async with opened(tmp_path) as again:
            assert await seen(again) == before
            assert len(before) == core.FAN

    asyncio.run(main())
