"""The trash as people see it: taken back one by one, deleted for good after a question, emptied as a whole."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("viewer")]


def thrown_away(screen, name):
    http = screen.site.second.http()
    made = http.put("/api/v1/uploads", params={"name": name}, content=f"the bytes of {name}".encode())
    assert made.status_code == 201, made.text
    asset = made.json()["id"]
    assert http.delete(f"/api/v1/assets/{asset}").status_code == 200
    return asset


def card(screen, name):
    return screen.page.locator(".card", has_text=name)


def test_one_thing_is_deleted_for_good_only_after_a_question(screen):
    asset = thrown_away(screen, "letter.txt")
    screen.sign_in().open("/library?trash=1")
    expect(screen.page.get_by_role("heading", name="Trash", exact=True)).to_be_visible()
    expect(card(screen, "letter.txt")).to_contain_text("Thrown away today")
    end = screen.page.get_by_role("button", name="Delete letter.txt for good")
    end.click()
    dialog = screen.page.get_by_role("dialog", name="Delete for good?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    screen.keep("trash-delete")
    screen.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert screen.site.second.http().get(f"/api/v1/assets/{asset}").status_code == 200
    end.click()
    dialog.get_by_role("button", name="Delete for good").click()
    expect(screen.page.get_by_text("“letter.txt” was deleted for good.")).to_be_visible()
    expect(card(screen, "letter.txt")).to_have_count(0)
    assert screen.site.second.http().get(f"/api/v1/assets/{asset}").status_code == 404
    assert screen.errors == []


def test_an_asset_in_the_trash_says_so_on_its_page_and_ends_there(screen):
    asset = thrown_away(screen, "note.txt")
    screen.sign_in().open(f"/asset/{asset}")
    expect(screen.page.get_by_text("This is in the trash since")).to_be_visible()
    expect(screen.page.get_by_role("button", name="Restore")).to_be_visible()
    screen.page.get_by_role("button", name="Delete for good").click()
    dialog = screen.page.get_by_role("dialog", name="Delete for good?")
    dialog.get_by_role("button", name="Delete for good").click()
    expect(screen.page.get_by_role("heading", name="Trash", exact=True)).to_be_visible()
    assert screen.site.second.http().get(f"/api/v1/assets/{asset}").status_code == 404


def test_the_trash_is_emptied_as_a_whole_and_the_library_keeps_the_rest(screen, phone):
    names = [f"draft {number}.txt" for number in range(3)]
    gone = [thrown_away(screen, name) for name in names]
    phone.sign_in().open("/library?trash=1")
    expect(card(phone, names[0])).to_be_visible()
    phone.keep("phone-trash-full")
    screen.sign_in().open("/library?trash=1")
    for name in names:
        expect(card(screen, name)).to_be_visible()
    screen.keep("trash")
    screen.page.get_by_role("button", name="Empty trash").click()
    dialog = screen.page.get_by_role("dialog", name="Empty the trash?")
    screen.keep("trash-empty")
    dialog.get_by_role("button", name="for good").click()
    expect(screen.page.get_by_text("The trash is empty:")).to_be_visible()
    expect(screen.page.locator(".card")).to_have_count(0)
    expect(screen.page.get_by_text("Nothing here")).to_be_visible()
    http = screen.site.second.http()
    assert {http.get(f"/api/v1/assets/{asset}").status_code for asset in gone} == {404}
    assert http.get(f"/api/v1/assets/{screen.site.clip}").status_code == 200
    assert screen.errors == []


def test_nothing_of_the_library_is_shown_as_trash_while_the_trash_loads(screen):
    screen.sign_in().open("/library")
    expect(card(screen, "harbour at dawn.mp4").first).to_be_visible()
    held = []
    screen.page.route("**/api/v1/assets?*trashed=true*", lambda route: held.append(route))
    screen.page.get_by_role("link", name="Trash").click()
    expect(screen.page.get_by_role("heading", name="Trash", exact=True)).to_be_visible()
    expect(screen.page.get_by_text("Loading the trash")).to_be_visible()
    expect(screen.page.locator(".card")).to_have_count(0)
    for route in held:
        route.continue_()
    expect(screen.page.get_by_text("Loading the trash")).to_have_count(0)


def test_who_may_only_look_deletes_nothing(screen):
    thrown_away(screen, "kept from vera.txt")
    screen.sign_in_as("vera")
    expect(screen.page.get_by_role("heading", name="Live")).to_be_visible()
    screen.open("/library?trash=1")
    expect(card(screen, "kept from vera.txt")).to_be_visible()
    expect(screen.page.get_by_role("button", name="for good")).to_have_count(0)
    expect(screen.page.get_by_role("button", name="Empty trash")).to_have_count(0)
