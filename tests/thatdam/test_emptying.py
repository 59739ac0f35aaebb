"""The trash of a real node, emptied over HTTP and the command line: all that lay in it, and nothing else."""

import pytest

from simulations.hosts.processes import Process, end
from thatdam.gateway.trash import PAGE_ASSETS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    made = Process(tmp_path_factory.mktemp("emptying") / "n", secret="").start()
    yield made
    end([made])


def upload(node, name):
    answer = node.http().put("/api/v1/uploads", params={"name": name}, content=f"the bytes of {name}".encode())
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def thrown_away(node, count):
    made = [upload(node, f"old {number}.txt") for number in range(count)]
    for asset in made:
        assert node.http().delete(f"/api/v1/assets/{asset}").status_code == 200
    return made


def in_trash(node):
    return {row["id"] for row in node.get("/api/v1/assets", trashed=True, limit=500)["assets"]}


def test_the_trash_is_emptied_a_page_at_a_time_and_what_is_thrown_away_meanwhile_stays_in_it(node):
    kept = upload(node, "kept.txt")
    old = thrown_away(node, PAGE_ASSETS + 3)
    first = node.http().delete("/api/v1/trash").json()
    assert (first["deleted"], first["kept"]) == (PAGE_ASSETS, [])
    assert first["partitions_ok"] == first["partitions_total"]
    late = thrown_away(node, 1)
    second = node.http().delete("/api/v1/trash", params={"page": first["next"]}).json()
    assert (second["deleted"], second["next"]) == (3, None)
    assert in_trash(node) == set(late)
    assert node.http().get(f"/api/v1/assets/{old[0]}").status_code == 404
    assert node.http().get(f"/api/v1/assets/{kept}/file").content == b"the bytes of kept.txt"
    assert node.http().delete("/api/v1/trash", params={"page": "nonsense"}).status_code == 422


def test_the_verb_asks_first_and_tells_what_went(node):
    node.run("trash", "empty", "--yes")
    assert "the trash is empty" in node.run("trash", "empty")
    thrown_away(node, 2)
    assert "2 assets for good" in node.run("trash", "empty", code=2)
    assert len(in_trash(node)) == 2
    assert node.json("trash", "empty", "--yes") == {"deleted": 2, "kept": []}
    assert in_trash(node) == set()
    assert "0 assets deleted for good" in node.run("trash", "empty", "--yes")


def test_only_who_may_delete_empties_the_trash(node):
    token = node.http().post("/api/v1/tokens", json={"name": "looks", "role": "viewer"}).json()["token"]
    answer = node.http().delete("/api/v1/trash", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


def test_a_tickets_qr_code_is_whole(node):
    made = node.http().post("/api/v1/tickets", json={"roles": ["storage"], "expires_s": 600}).json()
    side = len(made["qr"])
    assert side >= 21
    assert {len(row) for row in made["qr"]} == {side}
    for row in (made["qr"][0], made["qr"][6]):  # the edges of the finder patterns at the upper corners
        assert row.startswith("1111111")
        assert row.endswith("1111111")
