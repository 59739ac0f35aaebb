"""The event feed over a real WebSocket: who may listen, what is told, and what happens to the slow."""

import asyncio
import contextlib
import json

import pytest
from lone_node import listening, running
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mesh.core.access import Role
from mesh.core.rows import Change
from thatdam.gateway import events
from thatdam.gateway.events import Feed


def run(work, folder):
    async def main():
        async with running(folder) as (node, app), listening(app) as port, asyncio.timeout(60):
            await work(node, port)

    asyncio.run(main())


@contextlib.asynccontextmanager
async def feed(node, port, role="viewer", **more):
    token = await node.access.add_token("feed", Role(role), 1.0)
    headers = {"Authorization": f"Bearer {token}", **more}
    async with connect(f"ws://127.0.0.1:{port}/api/v1/events", additional_headers=headers, proxy=None) as socket:
        yield socket


async def heard(socket, topic):
    while True:
        event = json.loads(await socket.recv())
        if event["topic"] == topic:
            return event


def test_what_is_written_is_told_without_what_must_stay_here(tmp_path):
    async def work(node, port):
        async with feed(node, port) as socket:
            await node.catalogue.write(
                Change("secrets", "cam", set={"userinfo": "root:hunter2"}),
                Change("cameras", "cam", set={"name": "Door", "source": "rtsp://door", "state": "online"}),
            )
            event = await heard(socket, "camera.changed")
            assert event["data"] == {"id": "cam", "name": "Door", "state": "online"}
            assert event["at"].endswith("Z")
            await node.catalogue.write(Change("cameras", "cam", set={"record": "take1"}))
            assert (await heard(socket, "capture.started"))["data"] == {"camera": "cam", "take": "take1"}
            await node.catalogue.write(Change("cameras", "cam", set={"record": ""}))
            assert (await heard(socket, "capture.stopped"))["data"] == {"camera": "cam", "take": None}
            await node.catalogue.write(Change("assets", "a", set={"kind": "video", "state": "ready"}))
            assert (await heard(socket, "asset.changed"))["data"]["kind"] == "video"
            await node.catalogue.write(Change("jobs", "a", "j", set={"kind": "l1", "state": "done"}))
            assert (await heard(socket, "job.changed"))["data"]["state"] == "done"
            await node.catalogue.write(Change("cameras", "cam", delete=True))
            assert (await heard(socket, "camera.removed"))["data"] == {"id": "cam"}

    run(work, tmp_path)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer tdt_nothing"}, 401),
        ({"Cookie": "thatdam_session=nothing"}, 403),
        ({"Cookie": "thatdam_session=nothing", "Origin": "http://evil.example"}, 403),
        ({"Cookie": "thatdam_session=nothing", "Origin": "http://["}, 403),
    ],
)
def test_a_stranger_hears_nothing_and_is_no_error_in_the_log(tmp_path, headers, status, caplog):
    async def work(_, port):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{port}/api/v1/events", additional_headers=headers, proxy=None)
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body)["status"] == status

    run(work, tmp_path)
    assert not [one for one in caplog.records if one.name.startswith("uvicorn") and one.levelname == "ERROR"]


def test_a_feed_asked_of_a_host_that_is_none_is_refused_in_words(tmp_path, caplog):
    async def work(_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /api/v1/events HTTP/1.1\r\nHost: [::1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 421 "), answer[:200]
        assert b"application/problem+json" in answer

    run(work, tmp_path)
    assert not [one for one in caplog.records if one.name.startswith("uvicorn") and one.levelname == "ERROR"]


def test_a_listener_whose_token_ends_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "CHECK_S", 0.05)

    async def work(node, port):
        async with feed(node, port) as socket:
            for row in await node.access.tokens():
                await node.access.remove_token(row.pk)
            with pytest.raises(ConnectionClosed) as closed:
                await heard(socket, "nothing")
            assert closed.value.rcvd.code == events.CLOSE_OVER

    run(work, tmp_path)


def test_a_slow_listener_is_told_that_it_missed_some_and_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "FEED_WAITING_MAX", 4)
    made = []

    class Slow(Feed):
        def __init__(self):
            super().__init__()
            made.append(self)

    monkeypatch.setattr(events, "Feed", Slow)

    async def work(node, port):
        async with feed(node, port) as socket, feed(node, port) as other:
            while len(made) < 2:
                await asyncio.sleep(0.01)
            for number in range(40):  # without a pause for the sender between them
                made[0].offer(json.dumps({"topic": "asset.changed", "at": "now", "data": {"id": str(number)}}))
            assert (await heard(socket, "feed.missed"))["data"]["missed"] >= 30
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd.code == events.CLOSE_SLOW
            await node.catalogue.write(Change("assets", "a", set={"state": "ready"}))
            await heard(other, "asset.changed")

    run(work, tmp_path)


def test_a_row_written_often_is_told_once_as_it_is_at_last(tmp_path):
    async def work(node, port):
        async with feed(node, port) as socket:
            many = [Change("assets", "busy", set={"name": str(number)}) for number in range(50)]
            await node.catalogue.write(*many)
            assert (await heard(socket, "asset.changed"))["data"]["name"] == "49"

    run(work, tmp_path)
