"""SQL and the pure query agree; the journal, held rows and stamping again; the schema's version."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mesh.actors import rowscan
from mesh.actors.rowsql import fts_query
from mesh.actors.rowstore import RowStore, partition_for
from mesh.actors.schema import SCHEMA_VERSION, open_schema
from mesh.adapters.tables import SqliteTables
from mesh.core.hlc import AHEAD_MS_MAX, RELEASE_MS, stamp_ms
from mesh.core.placement import partition_of
from mesh.core.query import Query, Where, first_page, matches, page_text, sort_key
from mesh.core.rows import Change, apply, digest, pack
from mesh.ports import Refused
from proto.codec import Malformed

NOW = RELEASE_MS + 10**9
ME, OTHER = "n-me", "n-other"


@asynccontextmanager
async def opened(folder, name="rows.db"):
    tables = SqliteTables(folder / name)
    store = RowStore(tables)
    await store.open()
    try:
        yield store
    finally:
        tables.close()


def entry_of(number, fields, tags=(), node=ME, stamp=None, table="assets"):
    change = Change(table, f"k{number:04d}", set=fields, add={"tags": tuple(tags)} if tags else {})
    return apply(None, change, (stamp or (NOW + number) << 16, node))


async def put(store, *entries):
    await store.take([pack(entry) for entry in entries])


values = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("aBz é", max_size=3)
fields = st.dictionaries(
    st.sampled_from(["name", "kind", "size_bytes", "extra", "created_ms", "trashed_ms"]),
    values | st.just(b"x") | st.just(b""),
    max_size=4,
)
wheres = st.lists(
    st.one_of(
        st.builds(
            Where,
            st.sampled_from(["name", "kind", "size_bytes", "extra", "updated", "created_ms", "trashed_ms"]),
            st.sampled_from(["eq", "ne", "ge", "le", "prefix", "missing"]),
            values,
        ),
        st.builds(Where, st.just("tags"), st.just("has"), st.sampled_from(["Red", "blue", "x"])),
    ),
    max_size=2,
)


@given(
    st.lists(st.tuples(fields, st.lists(st.sampled_from(["red", "Blue"]), max_size=2)), max_size=12),
    wheres,
    st.sampled_from(["name", "kind", "size_bytes", "extra", "updated_ms"]),
    st.booleans(),
    st.integers(1, 5),
)
@example([({"kind": "x"}, [])], [Where("kind", "ge", None)], "name", False, 1)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sql_gives_what_the_pure_query_says_page_by_page(tmp_path_factory, rows, where, order, descending, limit):
    entries = [entry_of(number, some, tags) for number, (some, tags) in enumerate(rows)]
    query = Query("assets", tuple(where), order=order, descending=descending, limit=limit)
    wanted = [(sort_key(entry.row(), order, 0.0), entry.row()) for entry in entries if matches(entry.row(), where)]

    async def main():
        async with opened(tmp_path_factory.mktemp("scan")) as store:
            await put(store, *entries)
            page = ""
            while True:
                asked = Query(query.table, query.where, "", order, descending, limit, page)
                found = await store.scan(asked)
                assert found.total == len(wanted)
                expected = first_page(wanted, asked)
                assert [entry.pk for entry, _, _ in found.rows] == [row.pk for _, row in expected]
                if len(expected) < limit:
                    return
                page = page_text(expected[-1][0])

    asyncio.run(main())


def test_words_are_found_by_their_beginnings_without_accents_and_ranked(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            await put(
                store,
                entry_of(1, {"name": "Café-terrace_north.mp4"}),
                entry_of(2, {"name": "dog", "meta": {"place": "terrace", "year": 2026}}),
                entry_of(3, {"name": "cat"}, tags=["terrace", "terrace north"]),
                entry_of(4, {"name": "terrace"}, table="jobs"),
            )

            async def names(text, **more):
                found = await store.scan(Query("assets", text=text, **more))
                return {entry.pk for entry, _, _ in found.rows}

            assert await names("terr") == {"k0001", "k0002", "k0003"}
            assert await names("CAFE") == {"k0001"}
            assert await names("place 2026") == {"k0002"}
            assert await names("terrace nor") == {"k0001", "k0003"}
            assert await names("nothing") == set()
            assert await names('" OR *') == set()
            assert await names("dog", where=(Where("name", "eq", "cat"),)) == set()
            ranked = await store.scan(Query("assets", text="terrace", order="rank", limit=2))
            rest = ranked.rows[-1]
            page = page_text(sort_key(rest[0].row(), "rank", rest[2]))
            last = await store.scan(Query("assets", text="terrace", order="rank", limit=2, page=page))
            assert [len(ranked.rows), len(last.rows), last.total] == [2, 1, 3]
            assert len(await store.matching("assets", "terrace")) == 3
            await put(store, apply(entry_of(2, {"name": "dog"}), Change("assets", "k0002", delete=True), (1 << 62, ME)))
            assert await names("dog") == set()

    asyncio.run(main())


def test_what_cannot_be_asked_is_refused(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            for query in (
                Query("assets; DROP TABLE rows"),
                Query("assets", order="x')"),
                Query("assets", (Where("a b", "eq", 1),)),
                Query("assets", limit=0),
                Query("assets", order="rank"),
            ):
                with pytest.raises(Refused):
                    await store.scan(query)
            with pytest.raises(Malformed):
                await store.scan(Query("assets", page="zz"))

    asyncio.run(main())


def test_a_partitions_digest_follows_every_change(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            one, two = entry_of(1, {"name": "a"}), entry_of(1, {"name": "b"}, stamp=(NOW + 5) << 16)
            part = partition_for("assets", one.pk)
            await put(store, one)
            assert (await store.digests())[part] == digest(pack(one))
            await put(store, two)
            assert (await store.digests())[part] == digest(pack(two))
            assert await store.forget({one.key: 1}) == 0, "it changed since: it stays"
            assert await store.forget({two.key: digest(pack(two))}) == 1
            assert await store.digests() == {}
            assert partition_for("references", "ab" * 32) == partition_of(bytes.fromhex("ab" * 32))

    asyncio.run(main())


def test_rows_stamped_too_far_ahead_are_held_and_never_lost(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            far = entry_of(1, {"name": "from the future"}, node=OTHER, stamp=(NOW + 10 * AHEAD_MS_MAX) << 16)
            near = entry_of(2, {"name": "now"}, node=OTHER)
            taken = await store.take([pack(far), pack(near)], now_ms=NOW, sender=OTHER)
            assert (taken.changed, taken.held) == (1, (0,))
            assert (await store.held(), await store.get("assets", far.pk, "")) == (1, [])
            assert await store.release(NOW) == 1
            assert await store.release(NOW + 10 * AHEAD_MS_MAX) == 0
            assert [entry.pk for entry in await store.get("assets", far.pk, "")] == [far.pk]

            await store.take([pack(far.__class__(*["assets", "k0009", "", far.fields, {}]))], now_ms=NOW)
            again = entry_of(9, {"name": "stamped again"}, node=OTHER)
            await store.take([pack(again)], now_ms=NOW, sender=OTHER)
            assert await store.held() == 0, "the writer's new stamp took its place"

    asyncio.run(main())


def test_a_node_that_was_ahead_stamps_its_rows_again_in_order(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            ahead = NOW + 10**8
            for number in range(5):
                entry = entry_of(number, {"size_bytes": number}, tags=["x"], stamp=(ahead + 10 - number) << 16)
                await store.write(lambda _, entry=entry: [(entry, entry.newest[0])], {})
            kept = entry_of(7, {"name": "another's"}, node=OTHER, stamp=ahead << 16)
            await put(store, kept)
            store.hlc.last = (ahead + 50) << 16
            assert await store.stamp_again(ME, NOW) == 5
            entries = {entry.pk: entry for entry in await store.every("assets")}
            assert entries[kept.pk] == kept
            mine = sorted((entry for entry in entries.values() if entry.pk != kept.pk), key=lambda e: e.newest)
            assert [entry.row().fields["size_bytes"] for entry in mine] == [4, 3, 2, 1, 0]
            assert all(stamp_ms(entry.newest[0]) == NOW for entry in mine)
            assert all(entry.row().sets == {"tags": ("x",)} for entry in mine)
            assert store.hlc.last >= mine[-1].newest[0]
            assert len(await store.kept()) == 5

    asyncio.run(main())


def test_a_database_of_a_newer_release_is_refused_untouched(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            await store.set_meta("schema", str(SCHEMA_VERSION + 1).encode())
        tables = SqliteTables(tmp_path / "rows.db")
        with pytest.raises(Refused, match="newer release"):
            await open_schema(tables)
        tables.close()

    asyncio.run(main())


def test_a_word_that_begins_others_is_found_in_them_and_one_that_does_not_is_asked_for_as_it_is(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            names = ["nikon", "nikon z9", "nikonos", "goal", "Göal", "goals", "0012", "00123"]
            await put(store, *(entry_of(number, {"name": name}) for number, name in enumerate(names)))

            async def found(text):
                return sorted(
                    entry.row().fields["name"] for entry, _, _ in (await store.scan(Query("assets", text=text))).rows
                )

            assert await found("nikon") == ["nikon", "nikon z9", "nikonos"]
            assert await found("nikonos") == ["nikonos"]
            assert await found("goal") == ["Göal", "goal", "goals"]
            assert await found("göals") == ["goals"]
            assert await found("0012") == ["0012", "00123"]
            await put(store, entry_of(2, {"name": "leica"}, stamp=(NOW + 99) << 16))
            query = await store._tables.read(lambda sql: fts_query(sql, "nikon goal"))
            assert query == '"nikon" AND "goal"*', "no word begins with it any more"
            assert await found("nikon") == ["nikon", "nikon z9"]

    asyncio.run(main())


@pytest.mark.parametrize("order", ["created_ms", "name", "size_bytes"])
def test_many_that_match_are_counted_up_to_a_bound_and_few_are_put_in_order(tmp_path, monkeypatch, order):
    monkeypatch.setattr(rowscan, "FEW", 20)

    async def main():
        async with opened(tmp_path) as store:
            rows = [
                entry_of(
                    number, {"created_ms": number // 3, "name": f"n {number % 5}", "size_bytes": number % 7}, ["raw"]
                )
                for number in range(60)
            ]
            await put(store, *rows)
            parts = [part for part in range(1024) if part % 2]
            mine = [one for one in rows if partition_for("assets", one.pk) % 2]
            for where, matching in (
                ((Where("tags", "has", "raw"), Where("trashed_ms", "missing")), mine),
                (
                    (Where("created_ms", "ge", 3), Where("created_ms", "le", 9)),
                    [o for o in mine if 3 <= o.row().fields["created_ms"] <= 9],
                ),
            ):
                for text in ("", "n"):
                    query = Query("assets", where, text, order, limit=7)
                    found = await store.scan(query, parts)
                    keyed = [(sort_key(one.row(), order, 0.0), one.row()) for one in matching]
                    assert (found.total, found.exact) == (min(len(matching), 20), len(matching) <= 20)
                    assert [one.pk for one, _, _ in found.rows] == [row.pk for _, row in first_page(keyed, query)]

    asyncio.run(main())
