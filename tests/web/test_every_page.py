"""What holds for every page: nodes as they are, a phone in portrait, and what a screen reader finds."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

import web

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("viewer")]
TARGET_PX = 44
SMALL = """least => [...document.querySelectorAll('a, button, input, select, summary')].filter(one => {
  const box = (one.type === 'radio' || one.type === 'checkbox' ? one.closest('label') : one).getBoundingClientRect();
  return box.width > 0 && box.height > 0 && box.bottom > 0 && (box.width < least - .5 || box.height < least - .5);
}).map(one => one.outerHTML.slice(0, 160))"""
AXE = Path(next(iter(web.__path__))) / "node_modules" / "axe-core" / "axe.min.js"


def pages(site):
    return {
        "wall": ("/", "Live"),
        "camera": (f"/camera/{site.cameras['Front door']}", "Front door"),
        "library": ("/library", "Library"),
        "trash": ("/library?trash=1", "Trash"),
        "asset": (f"/asset/{site.clip}", "harbour at dawn.mp4"),
        "search": ("/search?q=harbour", "Search"),
        "nodes": ("/nodes", "Nodes"),
        "layout": ("/layout", "Layout"),
        "add-camera": ("/nodes?add=camera", "Add camera"),
        "invite": ("/nodes?add=node", "Invite a machine"),
        "admin": ("/admin", "Admin"),
        "nowhere": ("/nowhere", "There is no such page"),
    }


def test_the_nodes_page_tells_every_node_its_roles_its_load_and_how_safe_everything_is(screen):
    screen.sign_in().open("/nodes")
    for name in ("n0", "n1"):
        node = screen.page.locator(".node", has=screen.page.get_by_role("heading", name=name))
        expect(node).to_have_attribute("data-state", "alive")
        expect(node).to_contain_text("free of")
        expect(node).to_contain_text("proxy, daemon, storage")
    safety = screen.page.get_by_test_id("safety")
    expect(safety).to_contain_text("1024 of 1024")
    figures = safety.locator("dd").all_inner_texts()
    assert figures[0] == "2"
    assert "–" not in figures
    screen.keep("nodes")


def test_no_page_needs_sideways_scrolling_or_a_fine_finger_on_a_phone(phone):
    phone.sign_in()
    for name, (path, heading) in pages(phone.site).items():
        phone.open(path)
        expect(phone.page.get_by_role("heading", name=heading).first).to_be_visible()
        expect(phone.page.locator("main .spinner")).to_have_count(0)
        phone.keep(f"phone-{name}")
        wide = phone.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is {wide} px too wide"
        assert phone.page.evaluate(SMALL, TARGET_PX) == [], name
        box = phone.page.get_by_role("heading", name=heading).first.bounding_box()
        assert box["width"] > 40, f"the heading of {name} has no room"
        assert box["height"] < 200, f"the heading of {name} is squeezed"
    assert phone.errors == []


def test_no_page_has_a_serious_barrier(screen):
    screen.sign_in()
    screen.page.emulate_media(reduced_motion="reduce")
    script = AXE.read_text(encoding="utf-8")
    for name, (path, heading) in pages(screen.site).items():
        screen.open(path)
        expect(screen.page.get_by_role("heading", name=heading).first).to_be_visible()
        screen.page.evaluate(script)
        found = screen.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious = [
            (one["id"], [node["html"][:160] for node in one["nodes"]])
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], name


def test_a_node_that_stops_answering_is_said_and_the_page_comes_back_by_itself(screen):
    screen.sign_in().open("/library")
    expect(screen.page.locator(".card").first).to_be_visible()
    screen.page.route("**/api/**", lambda route: route.abort())
    expect(screen.page.get_by_text("This node does not answer")).to_be_visible()
    expect(screen.page.locator(".card").first).to_be_visible()
    screen.page.unroute("**/api/**")
    expect(screen.page.get_by_text("This node does not answer")).to_have_count(0)


def test_fresh_parts_on_their_way_are_no_alarm_and_a_dead_node_is_called_dead(screen):
    told = {"at_risk": 3, "waiting": 3, "lag_bytes": 2_400_000, "lag_s": 0.4}

    def answer(route):
        mesh = route.fetch().json()
        mesh["copies"] |= told
        other = next(node for node in mesh["nodes"] if not node["self"])
        other |= {"state": "dead", "rtt_ms": 3.2} if told.get("dead") else {}
        route.fulfill(json=mesh)

    screen.page.route("**/api/v1/nodes", answer)
    screen.sign_in().open("/nodes")
    safety = screen.page.get_by_test_id("safety")
    expect(safety).to_contain_text("Being copied")
    expect(safety).to_contain_text("under 1 s")
    expect(screen.page.locator(".note-warning")).to_have_count(0)
    told |= {"lag_s": 11.0, "dead": True}
    expect(safety).to_contain_text("Copies at risk")
    # With the other dead, this one alone can let machines in: that is told beside.
    expect(screen.page.get_by_test_id("one-admits")).to_be_visible()
    expect(screen.page.locator(".note-warning")).to_have_count(2)
    node = screen.page.locator(".node", has=screen.page.get_by_role("heading", name="n0"))
    expect(node).to_contain_text("Dead")
    expect(node).not_to_contain_text("3.2 ms")
    expect(screen.page.get_by_text("2 nodes, 1 dead")).to_be_visible()
    screen.keep("nodes-dead")
