"""An upload that its sender named and sends again is one asset."""

import asyncio

from lone_node import as_role, running

from mesh.core.rows import Change, apply
from mesh.ports import Unavailable
from thatdam.gateway import once
from thatdam.gateway.once import KEPT_S, asset_of

NAMED = {"Idempotency-Key": "holiday-1"}
DAY_MS = KEPT_S * 1000


def run(work, folder):
    async def main():
        async with running(folder) as (node, app), asyncio.timeout(120):
            await work(node, app)

    asyncio.run(main())


def put(http, data=b"a note", **headers):
    return http.put("/api/v1/uploads", params={"name": "note.txt"}, content=data, headers={**NAMED, **headers})


async def count(http):
    return (await http.get("/api/v1/assets")).json()["total"]


def test_an_upload_sent_again_is_the_same_asset(tmp_path):
    async def work(node, app):
        async with await as_role(node, app, "operator") as http:
            first = await put(http)
            assert (first.status_code, "idempotency-replayed" in first.headers) == (201, False)
            again = await put(http)
            assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
            assert again.json()["id"] == first.json()["id"]
            assert await count(http) == 1
            other = await put(http, **{"Idempotency-Key": "holiday-2"})
            assert other.json()["id"] != first.json()["id"]
            assert await count(http) == 2
            bare = await http.put("/api/v1/uploads", params={"name": "note.txt"}, content=b"a note")
            assert bare.status_code == 201
            assert await count(http) == 3

    run(work, tmp_path)


def test_an_upload_is_answered_while_nobody_who_holds_its_partition_is_reached(tmp_path):
    async def work(node, app):
        known = node.catalogue.rows

        async def rows(table, pk):
            if table == "scenes":
                raise Unavailable("no node that holds partition 349 is reachable")
            return await known(table, pk)

        node.catalogue.rows = rows
        async with await as_role(node, app, "operator") as http:
            told = await put(http)
            assert (told.status_code, told.json()["complete"], told.json()["scenes"]) == (201, False, [])
            node.catalogue.rows = known
            assert (await http.get(f"/api/v1/assets/{told.json()['id']}")).json()["complete"] is True

    run(work, tmp_path)


def test_the_key_of_somebody_else_is_another(tmp_path):
    async def work(node, app):
        async with await as_role(node, app, "operator") as ann, await as_role(node, app, "admin") as bob:
            assert (await put(ann)).json()["id"] != (await put(bob)).json()["id"]

    run(work, tmp_path)


def test_a_key_used_for_another_file_is_refused(tmp_path):
    async def work(node, app):
        async with await as_role(node, app, "operator") as http:
            await put(http)
            answer = await put(http, b"quite another file")
            assert answer.status_code == 422
            assert "another file" in answer.json()["detail"]
            assert await count(http) == 1
            for key in ("", "k" * 256):
                assert (await put(http, **{"Idempotency-Key": key})).status_code == 422

    run(work, tmp_path)


def test_an_upload_sent_again_does_not_bring_back_what_was_deleted_for_good(tmp_path):
    async def work(node, app):
        async with await as_role(node, app, "operator") as http:
            asset = (await put(http)).json()["id"]
            assert (await http.delete(f"/api/v1/assets/{asset}", params={"now": True})).status_code == 200
            again = await put(http)
            assert (again.status_code, "deleted for good" in again.json()["detail"]) == (409, True)
            changed = await http.patch(f"/api/v1/assets/{asset}", json={"name": "late"})
            assert changed.status_code == 404
            await node.catalogue.write(Change("assets", asset, set={"name": "late"}, add={"tags": ("keepme",)}))
            assert (await http.get(f"/api/v1/assets/{asset}")).status_code == 404
            assert await count(http) == 0
            assert (await put(http, **{"Idempotency-Key": "holiday-2"})).status_code == 201

    run(work, tmp_path)


def test_an_upload_that_broke_off_can_be_sent_again_under_its_key(tmp_path):
    async def work(node, app):
        async with await as_role(node, app, "operator") as http:
            cut = await put(http, b"half", **{"Content-Length": "9"})
            assert cut.status_code == 400
            assert await count(http) == 0
            whole = await put(http, b"the whole")
            assert whole.status_code == 201
            file = await http.get(f"/api/v1/assets/{whole.json()['id']}/file")
            assert file.content == b"the whole"

    run(work, tmp_path)


def test_the_same_upload_twice_at_once_is_one(tmp_path):
    async def work(node, app):
        begun, on = asyncio.Event(), asyncio.Event()

        async def slow():
            yield b"the "
            begun.set()
            await on.wait()
            yield b"whole"

        async with await as_role(node, app, "operator") as http:
            first = asyncio.create_task(put(http, slow()))
            await begun.wait()
            second = await put(http, b"the whole")
            assert (second.status_code, "still running" in second.json()["detail"]) == (409, True)
            on.set()
            assert (await first).status_code == 201
            assert (await put(http, b"the whole")).json()["id"] == (await first).json()["id"]
            assert await count(http) == 1

    run(work, tmp_path)


def test_a_key_means_its_upload_for_a_day_across_midnight_and_no_longer():
    fields = {"created_ms": 10 * DAY_MS - 1000, "size_bytes": 3}
    entry = apply(None, Change("assets", "a", set=fields), (1, "n1"))

    class Catalogue:
        async def state(self, table, pk):
            return entry if pk == asset_of("ann", "k", 9) else None

    async def work():
        uploads = once.Once(Catalogue())
        old = asset_of("ann", "k", 9)
        assert await uploads.find("ann", "k", 3, 10 * DAY_MS + 5000) == (old, True)
        assert await uploads.find("ann", "k", None, 11 * DAY_MS - 1000) == (old, True)
        assert await uploads.find("ann", "k", 3, 11 * DAY_MS + 5000) == (asset_of("ann", "k", 11), False)

    asyncio.run(work())
