"""What is kept: uploaded, filtered, played at a moment, found by words, thrown away and taken back."""

import re

import pytest
from playwright.sync_api import expect

from simulations.hosts.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("viewer")]


def card(screen, name):
    return screen.page.locator(".card", has_text=name)


def test_a_file_is_uploaded_shown_with_its_poster_filtered_thrown_away_and_restored(screen, clip):
    screen.sign_in().open("/library")
    expect(screen.page.get_by_role("heading", name="Library")).to_be_visible()
    screen.page.get_by_label("Files to upload").set_input_files(
        {"name": "Lighthouse.mp4", "mimeType": "video/mp4", "buffer": clip.read_bytes()}
    )
    mine = card(screen, "Lighthouse.mp4")
    expect(mine).to_be_visible()
    expect(mine).to_contain_text("0:06")
    uploads = screen.page.get_by_role("region", name="Uploads")
    expect(uploads).to_contain_text("Kept")
    box = uploads.bounding_box()
    assert box["width"] <= 360
    assert box["height"] <= 220
    screen.keep("uploads")
    poster = mine.locator("img")
    expect(poster).to_be_visible()
    until(lambda: poster.evaluate("image => image.complete && image.naturalWidth > 0"), 45, "the poster is there")
    screen.keep("library")
    screen.page.get_by_label("Text in names and tags").fill("lighthouse")
    expect(screen.page.locator(".card")).to_have_count(1)
    assert "lighthouse" in screen.page.url
    screen.page.get_by_label("Text in names and tags").fill("nothing is called so")
    expect(screen.page.get_by_text("Nothing matches these filters")).to_be_visible()
    screen.page.get_by_role("link", name="Clear filters").click()
    mine.get_by_role("link").first.click()
    screen.page.get_by_role("button", name="Move to trash").click()
    expect(screen.page.get_by_text("is in the trash")).to_be_visible()
    expect(mine).to_have_count(0)
    screen.page.get_by_role("button", name="Undo").click()
    expect(screen.page.get_by_role("heading", name="Lighthouse.mp4")).to_be_visible()
    screen.page.get_by_role("button", name="Move to trash").click()
    expect(screen.page.get_by_text("is in the trash").last).to_be_visible()
    screen.open("/library?trash=1")
    restore = screen.page.get_by_role("button", name="Restore Lighthouse.mp4")
    restore.click()
    expect(restore).to_have_count(0)
    screen.open("/library")
    expect(mine).to_be_visible()
    assert screen.errors == []


def test_a_file_that_is_refused_says_why(screen):
    screen.sign_in().open("/library")
    screen.page.route(
        "**/api/v1/uploads*",
        lambda route: route.fulfill(
            status=507, content_type="application/problem+json", body='{"status": 507, "detail": "the disk is full"}'
        ),
    )
    screen.page.get_by_label("Files to upload").set_input_files(
        {"name": "Big.mp4", "mimeType": "video/mp4", "buffer": b"x" * 1000}
    )
    expect(screen.page.get_by_text("The disk is full.")).to_be_visible()


def test_an_upload_whose_answer_was_lost_is_sent_again_and_is_one_asset(screen, clip):
    keys = []

    def answer(route):
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:  # the node has the file, and the browser hears nothing of it
            assert route.fetch().status == 201
            route.abort()
        else:
            route.continue_()

    screen.page.route("**/api/v1/uploads*", answer)
    screen.sign_in().open("/library")
    screen.page.get_by_label("Files to upload").set_input_files(
        {"name": "Twice sent.mp4", "mimeType": "video/mp4", "buffer": clip.read_bytes()}
    )
    expect(screen.page.get_by_text("The connection to the node broke")).to_be_visible()
    screen.page.get_by_role("button", name="Send Twice sent.mp4 again").click()
    expect(screen.page.get_by_role("region", name="Uploads")).to_contain_text("1 file kept")
    assert len(keys) == 2
    assert keys[0] == keys[1]
    listed = screen.site.second.get("/api/v1/assets", text="twice sent")["assets"]
    assert [row["name"] for row in listed] == ["Twice sent.mp4"]
    expect(card(screen, "Twice sent.mp4")).to_have_count(1)


def recorded(site):
    """Record a camera for some seconds; gives the take's id."""
    http, path = site.second.http(), f"/api/v1/cameras/{site.cameras['Yard']}/record"
    begun = http.post(path)
    assert begun.status_code == 200, begun.text
    take = begun.json()["take"]["id"]
    until(lambda: (site.second.get(f"/api/v1/assets/{take}")["duration"] or 0) > 2, 60, "something is recorded")
    assert http.delete(path).status_code == 200
    return take


def test_a_take_with_holes_tells_both_lengths_and_why_each_hole_is_there(screen):
    take = recorded(screen.site)
    gaps = [{"start": 2.0, "end": 4.0, "why": "the disk was full"}]
    holes = {"duration": 6.0, "recorded": 4.0, "gaps": gaps}

    told = screen.site.second.get(f"/api/v1/assets/{take}") | holes
    screen.page.route(f"**/api/v1/assets/{take}", lambda route: route.fulfill(json=told))
    screen.sign_in().open(f"/asset/{take}")
    facts = screen.page.get_by_test_id("facts")
    expect(facts).to_contain_text(re.compile(r"Length\s*0:06"))
    expect(facts).to_contain_text(re.compile(r"Recorded\s*0:04"))
    screen.video("video.readyState >= 1")
    bar = screen.page.get_by_role("slider", name="Position").bounding_box()
    length = screen.page.get_by_role("slider", name="Position").evaluate("one => Number(one.max)")
    screen.page.mouse.move(bar["x"] + bar["width"] * 3 / length, bar["y"] + bar["height"] / 2)
    expect(screen.page.get_by_test_id("gap-tip")).to_contain_text("0:02: the disk was full")
    screen.keep("take-gap")
    screen.page.mouse.move(bar["x"] + bar["width"] * 0.9, bar["y"] + bar["height"] / 2)
    expect(screen.page.get_by_test_id("gap-tip")).to_have_count(0)


@pytest.mark.parametrize("given", ["screen", "phone"])
def test_a_take_of_several_recorders_says_who_recorded_which_part_and_what_is_missing(request, given):
    screen = request.getfixturevalue(given)
    recorders = [
        {"node": "a" * 52, "node_name": "attic", "start": 0.0, "end": 2.5, "missing": 0.0},
        {"node": "b" * 52, "node_name": None, "start": 2.5, "end": 6.0, "missing": 1.2},
    ]
    path = f"**/api/v1/assets/{screen.site.clip}"
    screen.page.route(path, lambda route: route.fulfill(json=route.fetch().json() | {"recorders": recorders}))
    screen.sign_in().open(f"/asset/{screen.site.clip}")
    told = screen.page.get_by_test_id("recorders")
    expect(told).to_contain_text("1.2 s in all are missing")
    expect(told.get_by_role("listitem").nth(0)).to_contain_text("attic, 2.5 s")
    expect(told.get_by_role("listitem").nth(1)).to_contain_text("bbbbbbbb, 3.5 s, 1.2 s of it missing")
    screen.page.screenshot(path=screen.pictures / f"{given}-asset-recorders.png", full_page=True)
    told.get_by_role("button", name="Go to 0:02").click()
    screen.video_at(2.5)
    recorders.pop()
    screen.page.reload()
    expect(screen.page.get_by_test_id("facts")).to_be_visible()
    expect(told).to_have_count(0)
    assert screen.errors == []


def test_an_asset_opens_at_the_moment_in_its_address(screen):
    screen.sign_in().open(f"/asset/{screen.site.clip}?t=4")
    expect(screen.page.get_by_role("heading", name="harbour at dawn.mp4")).to_be_visible()
    screen.video_at(4)
    expect(screen.page.get_by_test_id("timeline")).to_contain_text("0:04 / 0:06")
    expect(screen.page.get_by_test_id("facts")).to_contain_text(re.compile(r"[12] of 2"))
    screen.keep("asset")
    slider = screen.page.get_by_role("slider", name="Position")
    slider.fill("1")
    screen.video_at(1)
    assert screen.errors == []


def test_scenes_are_marked_and_jumped_to(screen):
    site = screen.site
    scenes = until(
        lambda: site.second.get(f"/api/v1/assets/{site.clip}").get("scenes") or None, 150, "the clip's scenes are found"
    )
    assert len(scenes) == 2
    screen.sign_in().open(f"/asset/{site.clip}")
    expect(screen.page.locator(".timeline-scene")).to_have_count(2)
    hero = screen.page.locator(".scenes img")
    expect(hero).to_have_count(2)
    screen.until(
        "[...document.querySelectorAll('.scenes img')].every(one => one.naturalWidth > 0)", "the player is there"
    )
    screen.video("video.readyState >= 1")
    screen.page.locator(".scenes button").nth(1).click()
    screen.video_at(3)
    screen.keep("scenes")


def test_a_search_says_how_much_it_looked_at_and_opens_what_it_found(screen):
    screen.sign_in().open("/search")
    screen.page.get_by_role("searchbox", name="What to find").fill("harbour dawn")
    screen.page.get_by_role("button", name="Search").click()
    hit = screen.page.locator(f'[data-hit="{screen.site.clip}"]').first
    expect(hit).to_be_visible()
    expect(screen.page.get_by_test_id("shards")).to_have_text("1024 of 1024")
    screen.keep("search")
    hit.get_by_role("link").first.click()
    expect(screen.page.get_by_role("heading", name="harbour at dawn.mp4")).to_be_visible()
    screen.open("/search?q=zyzzyva")
    expect(screen.page.get_by_text("Nothing found for “zyzzyva”")).to_be_visible()


def test_a_search_that_reached_part_of_the_mesh_says_so(screen):
    body = '{"hits": [], "shards_ok": 700, "shards_total": 1024, "model": "", "missing": "no node has a model", '
    body += '"pending": {"recording": 1, "waiting": 2}}'
    screen.page.route("**/api/v1/search*", lambda route: route.fulfill(content_type="application/json", body=body))
    screen.sign_in().open("/search?q=boat")
    expect(screen.page.get_by_text("Only 700 of 1024 shards answered")).to_be_visible()
    expect(screen.page.get_by_text("No node has a model.")).to_be_visible()
    pending = "Not searched by what is seen yet: 1 take still being recorded, 2 assets waiting to be looked at."
    expect(screen.page.get_by_text(pending)).to_be_visible()
    screen.keep("search-partial")


def test_a_take_with_nothing_in_it_says_so_and_is_not_asked_for(screen):
    asked = []
    screen.page.on("request", lambda one: asked.append(one.url) if "/hls/" in one.url else None)
    empty = {"kind": "take", "state": "ready", "size_bytes": 0, "duration": 0}
    screen.page.route(
        f"**/api/v1/assets/{screen.site.clip}", lambda route: route.fulfill(json=route.fetch().json() | empty)
    )
    screen.sign_in().open(f"/asset/{screen.site.clip}")
    expect(screen.page.get_by_text("Nothing was recorded")).to_be_visible()
    expect(screen.page.get_by_text("Download", exact=True)).to_have_count(0)
    screen.keep("take-empty")
    assert asked == []
