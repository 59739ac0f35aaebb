"""Who gets in: every route there is, asked by nobody, by a viewer, and from a foreign page."""

import asyncio
import re

import pytest
from lone_node import PASSWORD, as_role, client, running

from thatdam.gateway.guard import COOKIE

OPEN = {("post", "/api/v1/session"), ("get", "/health")}
LOCAL = {("get", "/ready"), ("get", "/metrics")}
A_VIEWER_MAY_CHANGE = {
    ("delete", "/api/v1/session"),  # signs out
    ("post", "/whep/{camera}"),  # watching
    ("patch", "/whep/{camera}/{session}"),
    ("delete", "/whep/{camera}/{session}"),
}


def run(work, folder, **flags):
    async def main():
        async with running(folder, **flags) as (node, app):
            await work(node, app)

    asyncio.run(main())


def routes(app):
    return [(method, path) for path, methods in app.openapi()["paths"].items() for method in methods]


def filled(path):
    return re.sub(r"\{[^}]*\}", "nothing-like-this", path)


def test_every_route_refuses_who_is_not_known(tmp_path):
    async def work(node, app):
        listed = routes(app)
        assert len(listed) > 20
        async with client(app, "192.168.7.7") as http:
            for method, path in listed:
                if (method, path) in OPEN:
                    continue
                answer = await http.request(method, filled(path))
                assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
                assert answer.headers["content-type"] == "application/problem+json"
                if method == "head":
                    continue
                assert answer.json()["correlation_id"] == answer.headers["x-correlation-id"]

    run(work, tmp_path)


def test_a_viewer_can_change_nothing(tmp_path):
    async def work(node, app):
        async with await as_role(node, app, "viewer") as http:
            for method, path in routes(app):
                if method in ("get", "head") or (method, path) in A_VIEWER_MAY_CHANGE | OPEN:
                    continue
                answer = await http.request(method, filled(path))
                assert answer.status_code == 403, f"{method} {path}: {answer.status_code}"
                assert "viewer" in answer.json()["detail"]

    run(work, tmp_path)


def test_people_and_programs_are_an_admins(tmp_path):
    async def work(node, app):
        admins = [one for one in routes(app) if re.match(r"/api/v1/(users|tokens|links)", one[1])]
        assert len(admins) == 7
        async with await as_role(node, app, "operator") as http:
            for method, path in admins:
                assert (await http.request(method, filled(path))).status_code == 403, f"{method} {path}"

    run(work, tmp_path)


def test_operations_are_told_to_this_machine_alone(tmp_path):
    async def work(node, app):
        async with client(app) as http:
            for method, path in LOCAL:
                assert (await http.request(method, path)).status_code == 200
            assert (await http.get("/metrics", headers={"Host": "evil.example"})).status_code == 421

    run(work, tmp_path)


def test_a_login_link_signs_in_once(tmp_path):
    async def work(node, app):
        async with await as_role(node, app, "admin") as http:
            link = (await http.post("/api/v1/links")).json()["link"]
        async with client(app) as http:
            first = await http.post("/api/v1/session", json={"link": link})
            assert (first.status_code, first.json()["role"]) == (200, "admin")
            cookie = first.headers["set-cookie"].lower()
            assert "httponly" in cookie
            assert "samesite=lax" in cookie
            assert "secure" not in cookie
            assert (await http.get("/api/v1/session")).json()["user"] == "admin"
            assert (await http.post("/api/v1/session", json={"link": link})).status_code == 401

    run(work, tmp_path)


def test_a_cookie_from_a_foreign_page_changes_nothing(tmp_path):
    async def work(node, app):
        link = node.access.login_link_token()
        async with client(app) as http:
            await http.post("/api/v1/session", json={"link": link})
            assert COOKIE in http.cookies
            for origin in (None, "http://evil.example", "https://127.0.0.1:8326", "http://127.0.0.1:9999"):
                headers = {"Origin": origin} if origin else {}
                assert (await http.post("/api/v1/links", headers=headers)).status_code == 403, origin
            mine = {"Origin": "http://127.0.0.1:8326"}
            assert (await http.post("/api/v1/links", headers=mine)).status_code == 201
            assert (await http.delete("/api/v1/session", headers=mine)).status_code == 204
            assert (await http.get("/api/v1/session")).status_code == 401

    run(work, tmp_path)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "[::1"}, 421),
        ({"Host": "[evil.example]"}, 421),
        ({"Origin": "http://["}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_a_host_or_origin_that_is_none_is_refused_in_words(tmp_path, headers, status):
    async def work(node, app):
        link = node.access.login_link_token()
        async with client(app) as http:
            await http.post("/api/v1/session", json={"link": link})
            for method, path in (("POST", "/api/v1/session"), ("POST", "/api/v1/links")):
                answer = await http.request(method, path, headers=headers, json={"link": "x"})
                assert answer.status_code == status, answer.text
                assert answer.headers["content-type"] == "application/problem+json"
            if status == 421:
                assert (await http.get("/metrics", headers=headers)).status_code == 421

    run(work, tmp_path)


def test_signing_out_ends_the_session_and_not_only_the_cookie(tmp_path):
    async def work(node, app):
        await node.access.add_user("ann", PASSWORD, _role("viewer"))
        async with client(app) as http, client(app) as thief:
            await http.post("/api/v1/session", json={"user": "ann", "password": PASSWORD})
            thief.cookies.set(COOKIE, http.cookies[COOKIE])
            assert (await thief.get("/api/v1/session")).status_code == 200
            gone = await http.delete("/api/v1/session", headers={"Origin": "http://127.0.0.1:8326"})
            assert gone.status_code == 204
            answer = await thief.get("/api/v1/session")
            assert (answer.status_code, answer.json()["detail"]) == (401, "this session was ended; sign in again")

    run(work, tmp_path)


def test_signing_out_with_a_token_leaves_the_token(tmp_path):
    async def work(node, app):
        async with await as_role(node, app, "viewer") as http:
            assert (await http.delete("/api/v1/session")).status_code == 204
            assert (await http.get("/api/v1/session")).status_code == 200

    run(work, tmp_path)


def test_a_cookie_stays_dead_when_its_name_is_added_again(tmp_path):
    async def work(node, app):
        await node.access.add_user("ann", PASSWORD, _role("admin"))
        old = await node.access.sign_in("ann", PASSWORD)
        await node.access.remove_user("ann")
        await node.access.add_user("ann", PASSWORD, _role("viewer"))
        async with client(app, cookies={COOKIE: old}) as http:
            assert (await http.get("/api/v1/session")).status_code == 401

    run(work, tmp_path)


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31mred", "gnp.\u202eexe", "  "])
def test_a_name_that_would_not_show_as_it_is_is_refused(tmp_path, name):
    async def work(node, app):
        async with await as_role(node, app, "admin") as http:
            token = await http.post("/api/v1/tokens", json={"name": name, "days": 1})
            assert token.status_code == 422
            assert "one line" in token.json()["detail"]
            if name.strip():  # a camera without a name gets one from its source
                camera = await http.post("/api/v1/cameras", json={"url": "test://bars", "name": name})
                assert camera.status_code == 422
                assert "one line" in camera.json()["detail"]

    run(work, tmp_path)


def test_a_new_password_ends_sessions_and_a_removed_person_is_out(tmp_path):
    async def work(node, app):
        async with await as_role(node, app, "admin") as admin, client(app) as http:
            ann = {"name": "ann", "password": PASSWORD, "role": "operator"}
            assert (await admin.post("/api/v1/users", json=ann)).status_code == 201
            assert (await http.post("/api/v1/session", json={"user": "ann", "password": "wrong"})).status_code == 401
            signed = await http.post("/api/v1/session", json={"user": "ann", "password": PASSWORD})
            assert signed.json()["role"] == "operator"
            await admin.post("/api/v1/users", json={**ann, "role": "viewer"})
            assert (await http.get("/api/v1/session")).status_code == 401
            await http.post("/api/v1/session", json={"user": "ann", "password": PASSWORD})
            assert (await http.get("/api/v1/session")).json()["role"] == "viewer"
            assert (await admin.delete("/api/v1/users/ann")).status_code == 204
            assert (await http.get("/api/v1/session")).status_code == 401
            assert (await admin.delete("/api/v1/users/ann")).status_code == 404

    run(work, tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "ann", "password": "short"},
        {"name": "../ann", "password": PASSWORD},
        {"name": "", "password": PASSWORD},
        {"name": "ann", "password": PASSWORD, "role": "root"},
        {"name": "ann", "password": "x" * 5000},
        {"name": "admin", "password": PASSWORD, "role": "viewer"},
        {},
    ],
)
def test_a_person_who_cannot_be_added_is_told_why(tmp_path, wrong):
    async def work(node, app):
        async with await as_role(node, app, "admin") as http:
            answer = await http.post("/api/v1/users", json=wrong)
            assert answer.status_code == 422
            assert len(answer.json()["detail"]) > 10
            if wrong.get("password"):
                assert wrong["password"] not in answer.text

    run(work, tmp_path)


def test_the_first_admin_stays(tmp_path):
    async def work(node, app):
        await node.access.add_user("admin", PASSWORD, _role("admin"))
        async with await as_role(node, app, "admin") as http:
            assert (await http.delete("/api/v1/users/admin")).status_code == 409

    run(work, tmp_path)


def _role(name):
    from mesh.core.access import Role

    return Role(name)


def test_a_token_is_shown_once_and_ends(tmp_path):
    async def work(node, app):
        async with await as_role(node, app, "admin") as admin:
            made = (await admin.post("/api/v1/tokens", json={"name": "backup", "role": "viewer", "days": 7})).json()
            listed = (await admin.get("/api/v1/tokens")).json()["tokens"]
            assert made["token"] not in str(listed)
            mine = next(one for one in listed if one["name"] == "backup")
            async with client(app, headers={"Authorization": f"Bearer {made['token']}"}) as http:
                assert (await http.get("/api/v1/cameras")).status_code == 200
                assert (await admin.delete(f"/api/v1/tokens/{mine['id']}")).status_code == 204
                assert (await http.get("/api/v1/cameras")).status_code == 401
            assert (await admin.delete(f"/api/v1/tokens/{mine['id']}")).status_code == 404
            for wrong in ({"name": "x", "days": 0}, {"name": "x", "days": 1e9}, {"name": "", "days": 1}):
                assert (await admin.post("/api/v1/tokens", json=wrong)).status_code == 422

    run(work, tmp_path)


def test_guessing_is_slowed_for_the_one_who_guesses_alone(tmp_path):
    async def work(node, app):
        await node.access.add_user("ann", PASSWORD, _role("viewer"))
        await node.access.add_user("bob", PASSWORD, _role("viewer"))

        async def status(http, **said):
            return (await http.post("/api/v1/session", json=said)).status_code

        async with client(app, "10.0.0.9") as guesser, client(app, "10.0.0.8") as ann:
            for _ in range(10):
                assert await status(guesser, link="guess") == 401
                assert await status(guesser, user="ann", password="guess") == 401
            assert await status(guesser, link=node.access.login_link_token()) == 429
            blocked = await guesser.post("/api/v1/session", json={"user": "ann", "password": PASSWORD})
            assert (blocked.status_code, blocked.headers["retry-after"]) == (429, "60")
            assert await status(guesser, user="bob", password=PASSWORD) == 200
            assert await status(ann, user="ann", password=PASSWORD) == 200

    run(work, tmp_path)


def test_guesses_sent_all_at_once_are_counted_before_they_are_tried(tmp_path, monkeypatch):
    tried = []

    async def work(node, app):
        await node.access.add_user("ann", PASSWORD, _role("viewer"))
        fits = node.access._passwords.password_fits

        def counted(hashed, password):
            tried.append(password)
            return fits(hashed, password)

        monkeypatch.setattr(node.access._passwords, "password_fits", counted)
        async with client(app, "10.0.0.9") as guesser, client(app, "10.0.0.8") as ann:

            async def guess(number, user):
                said = {"user": user or f"u{number}", "password": f"guess {number}"}
                return (await guesser.post("/api/v1/session", json=said)).status_code

            for _ in range(2):
                told = await asyncio.gather(*(guess(number, "ann") for number in range(60)))
                assert set(told) <= {401, 429}
            assert len(tried) <= 10
            tried.clear()
            told = await asyncio.gather(
                ann.post("/api/v1/session", json={"user": "ann", "password": PASSWORD}),
                *(guess(number, "") for number in range(60)),
            )
            assert told[0].status_code == 200  # one address never fills the queue
            assert len(tried) < 40
            for _ in range(12):  # what was right is not counted
                assert (
                    await ann.post("/api/v1/session", json={"user": "ann", "password": PASSWORD})
                ).status_code == 200

    run(work, tmp_path)
