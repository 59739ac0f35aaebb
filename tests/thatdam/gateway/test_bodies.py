"""Bodies of requests: none is held that is too large, and an upload that stalls gives up its place."""

import asyncio

import pytest
from lone_node import as_role, client, listening, running

from thatdam.gateway import uploads
from thatdam.gateway.bodies import BODY_BYTES_MAX

PIECE = b" " * (256 * 1024)


def run(work, folder):
    async def main():
        async with running(folder) as (node, app), asyncio.timeout(90):
            await work(node, app)

    asyncio.run(main())


async def pieces(count, taken):
    for _ in range(count):
        taken.append(len(PIECE))
        yield PIECE


@pytest.mark.parametrize("path", ["/api/v1/session", "/api/v1/users"])
def test_a_body_that_is_too_large_is_refused_before_it_is_all_read(tmp_path, path):
    async def work(node, app):
        async with await as_role(node, app, "admin") as http:
            stated = await http.post(path, content=b" " * (BODY_BYTES_MAX + 1))
            taken = []
            headers = {"Content-Type": "application/json"}
            unstated = await http.post(path, content=pieces(400, taken), headers=headers)
            for answer in (stated, unstated):
                assert answer.status_code == 413, answer.text
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["correlation_id"] == answer.headers["x-correlation-id"]
            assert sum(taken) <= BODY_BYTES_MAX + 2 * len(PIECE)
            assert (await http.put("/api/v1/uploads", params={"name": "x"}, content=bytes(2 << 20))).status_code == 201
        async with client(app) as http:
            assert (await http.post("/api/v1/session", content=b" " * BODY_BYTES_MAX)).status_code == 422

    run(work, tmp_path)


def test_a_chunked_body_over_a_socket_is_answered_too_large(tmp_path):
    async def work(_, app):
        async with listening(app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            for _ in range(8):
                writer.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
                await writer.drain()
            assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
            writer.close()

    run(work, tmp_path)


async def stalled(port, token):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"PUT /api/v1/uploads?name=half HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        "Content-Length: 1000\r\n\r\nonly this".encode()
    )
    await writer.drain()
    return reader, writer


def test_an_upload_that_falls_silent_is_ended_and_nothing_of_it_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_S", 0.3)

    async def work(node, app):
        async with await as_role(node, app, "operator") as http, listening(app) as port:
            token = http.headers["authorization"].removeprefix("Bearer ")
            reader, writer = await stalled(port, token)
            assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
            assert b"nothing of the upload is kept" in await reader.read()
            writer.close()
            assert (await http.get("/api/v1/assets")).json()["assets"] == []

    run(work, tmp_path)


def test_one_persons_stalled_uploads_leave_places_to_others(tmp_path):
    async def work(node, app):
        async with (
            await as_role(node, app, "operator") as http,
            await as_role(node, app, "admin") as other,
            listening(app) as port,
        ):
            token = http.headers["authorization"].removeprefix("Bearer ")
            held = [await stalled(port, token) for _ in range(uploads.UPLOADS_EACH_MAX)]
            # This one may come before the last of them, which is then the one too many.
            while (one := await http.put("/api/v1/uploads", params={"name": "x"}, content=b"x")).status_code == 201:
                held.append(await stalled(port, token))
            assert one.status_code == 429
            assert "uploads of yours" in one.json()["detail"]
            assert (await other.put("/api/v1/uploads", params={"name": "x"}, content=b"x")).status_code == 201
            for _, writer in held:
                writer.close()
            while (one := await http.put("/api/v1/uploads", params={"name": "x"}, content=b"x")).status_code == 429:
                await asyncio.sleep(0.05)
            assert one.status_code == 201

    run(work, tmp_path)
