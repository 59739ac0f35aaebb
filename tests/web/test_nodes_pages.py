"""Machines as people see them: invited with a ticket, allowed to admit, revoked; what collection waits for."""

import re
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from simulations.hosts.processes import Process, alive, end, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("viewer")]


@pytest.fixture
def lone(tmp_path):
    """A node that was born alone, and a list to put further ones into, which are ended."""
    nodes = [Process(tmp_path / "attic", "--name", "attic", secret="").start()]
    yield SimpleNamespace(nodes=nodes, second=nodes[0], url=str(nodes[0].http().base_url).rstrip("/"), folder=tmp_path)
    end(nodes)


def node(screen, name):
    return screen.page.locator(".node", has=screen.page.get_by_role("heading", name=name))


def test_a_machine_is_invited_let_admit_and_revoked(window, lone):
    screen = window(lone, {"width": 1440, "height": 900})
    screen.sign_in().open("/nodes")
    expect(node(screen, "attic")).to_have_attribute("data-state", "alive")
    screen.page.get_by_role("link", name="Invite").click()
    dialog = screen.page.get_by_role("dialog", name="Invite a machine")
    dialog.get_by_label("encoder").uncheck()
    dialog.get_by_label("daemon").uncheck()
    dialog.get_by_label("Good for").select_option("10 minutes")
    screen.keep("invite")
    dialog.get_by_role("button", name="Make a ticket").click()
    made = screen.page.get_by_role("dialog", name="Its ticket")
    ticket = made.get_by_label("The ticket", exact=True).input_value()
    assert ticket.startswith("tdj")
    expect(made.get_by_role("img", name="The ticket as a QR code")).to_be_visible()
    expect(made).to_contain_text("for proxy, storage")
    screen.keep("ticket")
    joins = Process(
        lone.folder / "cellar", "--name", "cellar", "--join", ticket, secret="", settings={"THATDAM_NODE_ROLES": ""}
    )
    lone.nodes.append(joins.start())
    made.get_by_role("button", name="Done").click()
    expect(node(screen, "cellar")).to_have_attribute("data-state", "alive")
    expect(node(screen, "cellar")).to_contain_text("proxy, storage")

    expect(screen.page.get_by_text("This node alone can let machines in")).to_be_visible()
    screen.keep("nodes-one-admits")
    screen.page.get_by_role("button", name="Let cellar admit too").click()
    expect(screen.page.get_by_text("cellar can let machines in too.")).to_be_visible()
    expect(screen.page.get_by_test_id("one-admits")).to_have_count(0)

    node(screen, "cellar").locator("summary").click()
    screen.page.get_by_role("button", name="Revoke cellar").click()
    question = screen.page.get_by_role("dialog", name="Revoke cellar?")
    expect(question).to_contain_text("new authority")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    question.get_by_label("Why").fill("sold")
    screen.keep("revoke")
    question.get_by_role("button", name="Revoke for ever").click()
    expect(screen.page.get_by_text("cellar is revoked.")).to_be_visible()
    revoked = screen.page.get_by_test_id("revoked")
    revoked.locator("summary").click()
    expect(revoked).to_contain_text("sold")
    screen.keep("nodes-revoked")
    until(lambda: "cellar" not in alive(lone.second), 60, "cellar is out")
    expect(node(screen, "cellar").and_(screen.page.locator("[data-state=alive]"))).to_have_count(0)
    assert screen.errors == []


def told(screen, **collection):
    """Have the page see a mesh whose collection waits, and a node that was revoked."""

    def answer(route):
        mesh = route.fetch().json()
        other = next(one for one in mesh["nodes"] if not one["self"])
        mesh["collection"] |= {"held_up_by": [{"id": other["id"], "name": other["name"]}], **collection}
        other |= {"state": "dead", "scrub_ended_at": None}
        here = next(one for one in mesh["nodes"] if one["self"])
        here |= {"scrub_ended_at": "2026-05-01T12:00:00Z", "scrub_found": 2, "reclaimable_bytes": 4_200_000}
        mesh["nodes"].append(other | {"id": "z" * 52, "name": "gone", "state": "revoked"})
        mesh["standing"]["revoked"] = [{"id": "z" * 52, "reason": ""}]
        route.fulfill(json=mesh)

    screen.page.route("**/api/v1/nodes", answer)


@pytest.mark.parametrize("given", ["screen", "phone"])
def test_what_can_be_given_back_is_told_with_who_holds_it_up(request, given):
    screen = request.getfixturevalue(given)
    screen.sign_in()
    told(screen, reclaimable_bytes=1_234_000_000, reclaimable_chunks=310, reclaimed_bytes=5_000_000)
    screen.open("/nodes")
    figures = screen.page.get_by_test_id("collection")
    expect(figures).to_contain_text("1.2 GB")
    expect(figures).to_contain_text("310 chunks")
    expect(figures).to_contain_text("5.0 MB")
    expect(screen.page.get_by_text("n0 may know of a need")).to_be_visible()
    expect(node(screen, "gone")).to_contain_text("Revoked")
    expect(node(screen, "gone").get_by_role("button", name="Revoke")).to_have_count(0)
    expect(node(screen, "n1")).to_contain_text(re.compile(r"Full check\s*(1 May|May 1)"))
    expect(node(screen, "n1")).to_contain_text("2 damaged chunks were found")
    expect(node(screen, "n1")).to_contain_text("4.2 MB")
    expect(screen.page.get_by_text("2 nodes")).to_have_count(0)
    screen.page.screenshot(path=screen.pictures / f"{given}-nodes-collection.png", full_page=True)
    assert screen.errors == []


@pytest.mark.parametrize(
    ("shut", "words"),
    [
        ({"by": "setting", "why": "", "since": None, "rows": True}, "as its setting storage.read_only says"),
        (
            {"by": "disk", "why": "the file system is read-only", "since": "2026-05-01T12:00:00Z", "rows": False},
            "Its disk takes no writes: The file system is read-only. It serves all it has, and other nodes stand in.",
        ),
    ],
)
def test_a_node_that_takes_nothing_new_says_why_and_what_to_do(screen, shut, words):
    def answer(route):
        mesh = route.fetch().json()
        next(one for one in mesh["nodes"] if one["name"] == "n1")["read_only"] = shut
        route.fulfill(json=mesh)

    screen.page.route("**/api/v1/nodes", answer)
    screen.sign_in().open("/nodes")
    expect(node(screen, "n1").get_by_test_id("read-only")).to_contain_text(words)
    expect(node(screen, "n0").get_by_test_id("read-only")).to_have_count(0)
    assert screen.errors == []


def test_what_is_wrong_with_this_nodes_place_in_the_mesh_is_told_as_thatdam_status_tells_it(screen):
    def answer(route):
        mesh = route.fetch().json()
        mesh["standing"]["warnings"] = ["the mesh's authority was renewed on two sides. Decide", "another"]
        route.fulfill(json=mesh)

    screen.page.route("**/api/v1/nodes", answer)
    screen.sign_in().open("/nodes")
    told = screen.page.get_by_test_id("attention")
    expect(told.first).to_contain_text("The mesh's authority was renewed on two sides. Decide.")
    expect(told).to_have_count(2)
    assert screen.errors == []


def test_who_catches_up_is_waited_for_and_who_is_gone_is_to_be_started(screen):
    told = {"ok": 1000, "total": 1024, "catching_up": True}
    screen.page.route("**/api/v1/nodes", lambda route: route.fulfill(json=route.fetch().json() | {"partitions": told}))
    screen.sign_in().open("/nodes")
    expect(screen.page.get_by_text("24 of 1024 partitions are being caught up with")).to_be_visible()
    expect(screen.page.get_by_text("Start the nodes that do not answer")).to_have_count(0)
    told |= {"catching_up": False}
    expect(screen.page.get_by_text("Start the nodes that do not answer")).to_be_visible()
    told |= {"ok": 1024}
    expect(screen.page.get_by_text("partitions cannot be reached")).to_have_count(0)
    assert screen.errors == []


def test_a_viewer_sees_the_machines_and_can_end_none(screen):
    screen.sign_in_as("vera")
    expect(screen.page.get_by_role("heading", name="Live")).to_be_visible()
    screen.open("/nodes")
    node(screen, "n0").locator("summary").click()
    expect(node(screen, "n0")).to_contain_text("Can let machines in")
    expect(screen.page.get_by_role("button", name="Revoke")).to_have_count(0)
    expect(screen.page.get_by_role("link", name="Invite")).to_have_count(0)
    screen.open("/nodes?add=node")
    expect(screen.page.get_by_role("dialog")).to_have_count(0)
