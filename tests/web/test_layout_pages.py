"""Who stores what, as people see and change it: the picture of a plan, doing it, watching it move, taking it back."""

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

import web
from simulations.hosts.processes import end, mesh, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("viewer")]
AXE = Path(next(iter(web.__path__))) / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """Three nodes with two copies, two of them in one zone, that keep some megabytes."""
    nodes = mesh(tmp_path_factory.mktemp("rooms"), 3, "--copies", "2", settings={"THATDAM_NODE_ROLES": "storage"})
    try:
        first = nodes[0]
        orders = ["--zone", "n0=attic", "--zone", "n1=attic", "--zone", "n2=cellar"]
        weights = [word for node in ("n0", "n1", "n2") for word in ("--weight", f"{node}=500GB")]
        first.run("layout", "apply", *orders, *weights, "--yes")
        for number in range(6):
            sent = first.http().put("/api/v1/uploads", params={"name": f"{number}.bin"}, content=os.urandom(3_000_000))
            assert sent.status_code == 201, sent.text
        settled(first)
        yield SimpleNamespace(nodes=nodes, second=first, url=str(first.http().base_url).rstrip("/"))
    finally:
        end(nodes)


def standing(node):
    told = node.get("/api/v1/layout")
    return told, {one["name"]: one for one in told["nodes"]}


def settled(node):
    def true():
        told, nodes = standing(node)
        return not told["moving"] and told["heads"] == 1 and all(one["looked_at"] == 1 for one in nodes.values())

    until(true, 90, "everything is where it belongs")


def seat(screen, name):
    return screen.page.locator(".seat", has=screen.page.get_by_role("heading", name=name))


def plan(screen):
    return screen.page.get_by_test_id("plan")


def change(screen, name, act, **fields):
    screen.page.get_by_role("button", name=f"Change {name}", exact=True).click()
    dialog = screen.page.get_by_role("dialog", name=f"Change {name}")
    expect(dialog.get_by_label("What becomes of it")).to_be_focused()
    if act:
        dialog.get_by_label("What becomes of it").select_option(label=act)
    for label, value in fields.items():
        field = dialog.get_by_label(re.compile(f"^{label}"))
        field.select_option(label=value) if label == "Who" else field.fill(value)
    return dialog


def staged(screen, name, act="", **fields):
    change(screen, name, act, **fields).get_by_role("button", name="Put into the plan").click()
    expect(screen.page.get_by_role("dialog")).to_have_count(0)


def done(screen):
    plan(screen).get_by_role("button", name="Do it", exact=True).click()
    expect(plan(screen)).to_have_count(0)
    expect(screen.page.get_by_test_id("movement")).to_have_attribute("data-done", "true", timeout=90_000)


def barriers(screen):
    screen.page.emulate_media(reduced_motion="reduce")
    screen.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = screen.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]]


def whole(screen, name):
    screen.page.screenshot(path=screen.pictures / f"{name}.png", full_page=True)


@pytest.fixture
def desk(window, rooms):
    return window(rooms, {"width": 1440, "height": 900}).sign_in().open("/layout")


@pytest.fixture
def pocket(window, rooms):
    opened = window(rooms, {"width": 390, "height": 844}, device_scale_factor=2, has_touch=True, is_mobile=True)
    return opened.sign_in().open("/layout")


DRAIN = "Is drained: it holds nothing in the end"


def test_every_node_is_shown_in_its_zone_with_its_share_and_room(desk, rooms):
    expect(desk.page.get_by_test_id("movement")).to_contain_text("Everything is where it belongs")
    attic = desk.page.locator('[data-zone="attic"]')
    expect(attic.locator(".seat")).to_have_count(2)
    expect(attic).to_contain_text("2 nodes with 1.0 TB, 50 % of all copies")
    expect(desk.page.locator('[data-zone="cellar"]')).to_contain_text("1 node with 500 GB, 50 % of all copies")
    _, nodes = standing(rooms.second)
    expect(seat(desk, "n2")).to_contain_text("50 % · 1,024 partitions")
    expect(seat(desk, "n0")).to_contain_text(f"{nodes['n0']['partitions']} partitions")
    expect(seat(desk, "n2")).to_contain_text("18.0 MB of 500 GB")
    whole(desk, "layout")
    assert barriers(desk) == []
    assert desk.errors == []


def test_a_drain_is_shown_as_a_picture_before_it_is_done_then_watched_and_taken_back(desk, rooms):
    before, nodes = standing(rooms.second)
    staged(desk, "n1", DRAIN)
    row = plan(desk).locator(f'[data-node="{nodes["n1"]["id"]}"]')
    expect(row).to_contain_text("is drained")
    expect(row).to_contain_text(f"{nodes['n1']['partitions']} partitions go")
    other = plan(desk).locator(f'[data-node="{nodes["n0"]["id"]}"]')
    expect(other).to_contain_text(f"{nodes['n1']['partitions']} partitions come")
    widths = [one.bounding_box()["width"] for one in row.locator("[data-part]").all()]
    assert len(widths) == 1
    assert widths[0] > 40
    expect(plan(desk).locator(f'[data-node="{nodes["n2"]["id"]}"]')).to_contain_text("Nothing moves")
    whole(desk, "layout-plan-drain")
    assert barriers(desk) == []
    assert standing(rooms.second)[0]["version"] == before["version"], "a plan does nothing"
    done(desk)
    expect(seat(desk, "n1")).to_contain_text("Being drained")
    expect(seat(desk, "n1")).to_contain_text("0 partitions")
    settled(rooms.second)
    desk.page.get_by_role("button", name="Undo the last change").click()
    expect(plan(desk).locator(f'[data-node="{nodes["n1"]["id"]}"]')).to_contain_text("partitions come")
    whole(desk, "layout-plan-back")
    done(desk)
    _, now = standing(rooms.second)
    assert {name: one["partitions"] for name, one in now.items()} == {
        name: one["partitions"] for name, one in nodes.items()
    }
    assert desk.errors == []


def test_on_a_phone_several_changes_are_put_together_and_left_out_again(pocket, rooms):
    staged(pocket, "n0", Weight="1.5", Zone="barn")
    expect(plan(pocket)).to_contain_text("n0 weighs 1.5 GB, n0 stands in the zone barn")
    staged(pocket, "n2", DRAIN)
    expect(plan(pocket).locator(".tag")).to_have_count(2)
    expect(plan(pocket).locator(".plan-bar")).to_have_count(6)
    whole(pocket, "phone-layout-plan")
    assert pocket.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert barriers(pocket) == []
    plan(pocket).get_by_role("button", name="Leave out: n2 is drained").click()
    expect(plan(pocket).locator(".tag")).to_have_count(1)
    expect(plan(pocket)).not_to_contain_text("n2 is drained")
    plan(pocket).get_by_role("button", name="Forget it").click()
    expect(plan(pocket)).to_have_count(0)
    change(pocket, "n0", "", Weight="none").get_by_role("button", name="Put into the plan").click()
    expect(pocket.page.get_by_role("alert")).to_contain_text("write for example 2 TB")
    whole(pocket, "phone-layout-change")
    assert pocket.errors == []


def test_what_would_lose_something_is_refused_with_what_to_do_and_done_by_force_only_after_a_question(desk, rooms):
    staged(desk, "n1", "Is taken out for good")
    expect(plan(desk).get_by_role("alert")).to_contain_text("drain it first")
    expect(plan(desk).get_by_role("button", name="Do it…")).to_be_disabled()
    whole(desk, "layout-refused")
    plan(desk).get_by_label("Take it out all the same").check()
    expect(plan(desk)).to_contain_text("what it alone holds is lost")
    act = plan(desk).get_by_role("button", name="Do it…")
    expect(act).to_be_enabled()
    act.click()
    question = desk.page.get_by_role("dialog", name="Take n1 out?")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    desk.keep("layout-take-out")
    desk.page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    assert standing(rooms.second)[1]["n1"]["state"] == "active"


def test_who_plans_on_what_another_changed_meanwhile_sees_the_new_plan_first(desk, rooms):
    staged(desk, "n0", Zone="loft")
    expect(plan(desk).get_by_role("button", name="Do it", exact=True)).to_be_enabled()
    rooms.second.run("layout", "apply", "--zone", "n1=roof", "--yes")
    button = plan(desk).get_by_role("button", name="Do it", exact=True)
    button.click()
    expect(plan(desk).or_(seat(desk, "n1")).first).to_be_visible()
    until(lambda: standing(rooms.second)[1]["n1"]["zone"] == "roof", 10, "the other's change stays")
    if plan(desk).count():
        expect(plan(desk)).to_contain_text("changed meanwhile")
        expect(button).to_be_enabled()
        done(desk)
    until(lambda: standing(rooms.second)[1]["n0"]["zone"] == "loft", 10, "done on top of the other's")
    rooms.second.run("layout", "apply", "--zone", "n0=attic", "--zone", "n1=attic", "--yes")


def test_a_plan_is_made_with_the_keyboard_alone(desk):
    opener = desk.page.get_by_role("button", name="Change n2", exact=True)
    opener.focus()
    desk.page.keyboard.press("Enter")
    field = desk.page.get_by_label("What becomes of it")
    expect(field).to_be_focused()
    desk.page.keyboard.press("ArrowDown")
    expect(field).to_have_value("drain")
    for _ in range(2):
        desk.page.keyboard.press("Tab")
    expect(desk.page.get_by_role("button", name="Put into the plan")).to_be_focused()
    desk.page.keyboard.press("Enter")
    expect(plan(desk)).to_contain_text("n2 is drained")
    expect(plan(desk).get_by_role("heading", name="Plan")).to_be_focused()


def test_movement_tells_how_far_it_is_how_fast_and_what_it_waits_for(desk):
    told = {"part": 0.4, "moved": 0}

    def answer(route):
        layout = route.fetch().json()
        layout["moving"] = True
        one, other, third = layout["nodes"]
        one |= {"looked_at": told["part"], "chunks": 100, "moved_bytes": told["moved"]}
        other |= {"looked_at": told["part"], "chunks": 100, "synced": False, "partitions_behind": 30}
        third |= {"state": "draining", "chunks": 12, "bytes": 40_000_000, "looked_at": told["part"], "moved_bytes": 0}
        told["part"] = min(0.95, told["part"] + 0.02)
        told["moved"] += 30_000_000
        route.fulfill(json=layout)

    desk.page.route("**/api/v1/layout", answer)
    desk.open("/nodes").open("/layout")
    movement = desk.page.get_by_test_id("movement")
    expect(movement).to_contain_text(re.compile(r"\d+ %, [\d.]+ MB/s, about .* left"))
    expect(movement).to_contain_text("catches up with 30 of its")
    expect(movement).to_contain_text("holds 12 chunks (40.0 MB) still")
    whole(desk, "layout-moving")
    assert barriers(desk) == []


@pytest.mark.parametrize("given", ["screen", "phone"])
def test_who_may_only_look_changes_nothing(request, given):
    screen = request.getfixturevalue(given)
    screen.sign_in_as("vera")
    expect(screen.page.get_by_role("heading", name="Live")).to_be_visible()
    screen.open("/nodes").page.get_by_role("link", name="Layout").click()
    expect(screen.page.get_by_role("heading", name="Layout")).to_be_visible()
    expect(screen.page.locator(".seat").first).to_be_visible()
    expect(screen.page.get_by_role("button", name="Change")).to_have_count(0)
    expect(screen.page.get_by_role("button", name="Undo")).to_have_count(0)
    whole(screen, f"{given}-layout-viewer")
    assert screen.errors == []
