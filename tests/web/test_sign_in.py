"""Getting in: by a login link, by name and password, and not otherwise."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("viewer")]


def test_a_login_link_opens_the_wall_once_and_leaves_no_token_behind(screen, browser):
    link = screen.link()
    token = link.rpartition("/")[2]
    screen.page.goto(link)
    expect(screen.page.get_by_role("heading", name="Live")).to_be_visible()
    assert token not in screen.page.url
    assert token not in screen.page.evaluate("JSON.stringify(history.state) + document.cookie")
    other = browser.new_page()
    other.goto(link)
    expect(other.get_by_role("alert")).to_contain_text("used already")
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    other.close()


def test_a_person_signs_in_on_a_node_they_were_not_added_on(screen):
    screen.sign_in_as("vera", "not the password")
    expect(screen.page.get_by_role("alert")).to_contain_text("Wrong name or password")
    screen.keep("sign-in-refused")
    screen.sign_in_as("vera")
    expect(screen.page.get_by_role("heading", name="Live")).to_be_visible()
    screen.open("/admin")
    expect(screen.page.get_by_role("heading", name="Account")).to_be_visible()
    expect(screen.page.get_by_text("vera", exact=True)).to_be_visible()
    expect(screen.page.get_by_role("region", name="People")).to_have_count(0)
    screen.open(f"/camera/{screen.site.cameras['Yard']}")
    expect(screen.page.get_by_role("button", name="Start recording")).to_be_disabled()
    screen.open("/library")
    expect(screen.page.get_by_role("heading", name="Library")).to_be_visible()
    expect(screen.page.get_by_role("button", name="Upload")).to_have_count(0)


def test_signing_out_shows_the_door_and_a_removed_person_is_shown_it_too(screen):
    site = screen.site
    body = {"name": "gast", "password": "another long password", "role": "viewer"}
    assert site.first.http().post("/api/v1/users", json=body).status_code == 201
    screen.sign_in_as("gast", "another long password")
    expect(screen.page.get_by_role("heading", name="Live")).to_be_visible()
    assert site.first.http().delete("/api/v1/users/gast").status_code == 204
    expect(screen.page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(screen.page.get_by_role("alert")).to_contain_text("Sign in again")
    screen.sign_in().open("/admin")
    screen.page.get_by_role("button", name="Sign out").click()
    expect(screen.page.get_by_role("button", name="Sign in")).to_be_visible()
    screen.page.reload()
    expect(screen.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_an_admin_adds_a_person_and_a_token_and_ends_both(screen):
    screen.sign_in().open("/admin")
    people = screen.page.get_by_role("region", name="People")
    people.get_by_label("Name").fill("nora")
    people.get_by_label("Password").fill("one more long password")
    people.get_by_role("button", name="Add", exact=True).click()
    expect(people.get_by_text("nora")).to_be_visible()
    people.get_by_role("button", name="Remove nora").click()
    people.get_by_role("button", name="Yes, remove").click()
    expect(people.get_by_role("button", name="Remove nora")).to_have_count(0)
    tokens = screen.page.get_by_role("region", name="Tokens")
    tokens.get_by_label("What it is for").fill("Night backup")
    tokens.get_by_role("button", name="Make a token").click()
    made = tokens.get_by_label("Your token, shown only now")
    expect(made).to_have_value(re.compile(r"^tdt_"))
    screen.keep("admin")
    tokens.get_by_role("button", name="End Night backup").click()
    tokens.get_by_role("button", name="Yes, end it").click()
    expect(tokens.get_by_role("button", name="End Night backup")).to_have_count(0)
