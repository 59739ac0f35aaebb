"""The event feed over a real WebSocket: who may listen, what is told, and what happens to the slow."""

import asyncio
import contextlib
import json
from urllib.parse import urlencode

import httpx
import pytest
from lone_node import listening, running
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mesh.core.access import Role
from mesh.core.rows import Change
from proto.messages.events import RowChanged
from thatdam.gateway import events


def run(work, folder):
    async def main():
        async with running(folder) as (node, app), listening(app) as port, asyncio.timeout(60):
            await work(node, port)

    asyncio.run(main())


@contextlib.asynccontextmanager
async def feed(node, port, role="viewer", query=None, **more):
    token = await node.access.add_token("feed", Role(role), 1.0)
    headers = {"Authorization": f"Bearer {token}", **more}
    url = f"ws://127.0.0.1:{port}/api/v1/events?{urlencode(query or {})}"
    async with connect(url, additional_headers=headers, proxy=None) as socket:
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
            await node.catalogue.write(Change("cameras", "cam", set={"record": "take2"}))
            await heard(socket, "capture.started")
            ended = Change("assets", "take2", set={"state": "ready"})
            await node.catalogue.write(ended, Change("cameras", "cam", set={"record": ""}))
            assert (await heard(socket, "capture.stopped"))["data"] == {"camera": "cam", "take": "take2"}
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


def test_a_feed_goes_on_behind_its_cursor_and_tells_only_what_was_asked_for(tmp_path):
    async def work(node, port):
        async with feed(node, port) as socket:
            await node.catalogue.write(Change("cameras", "cam", set={"name": "Door"}))
            first = await heard(socket, "camera.changed")
            assert first["node"] == node.node_id
        for take in ("one", "two"):
            await node.catalogue.write(Change("cameras", "cam", set={"record": take}))
            await asyncio.sleep(0.3)
        for _ in range(2):
            async with feed(node, port, query={"topics": "capture.*,job.*", "after": first["cursor"]}) as socket:
                told = [json.loads(await socket.recv()) for _ in range(3)]
            assert [event["topic"] for event in told] == ["feed.position", "capture.started", "capture.started"]
            assert [event["data"]["take"] for event in told[1:]] == ["one", "two"]
        async with feed(node, port, query={"topics": "capture.*", "since": first["at"]}) as socket:
            assert (await heard(socket, "capture.started"))["data"]["take"] == "one"

    run(work, tmp_path)


def test_what_is_kept_no_longer_is_told_as_missed_and_counted(tmp_path):
    async def work(node, port):
        async with feed(node, port, query={"topics": "job.*"}) as socket:
            begun = json.loads(await socket.recv())["cursor"]
        node.events._journal._own_max = 5
        for number in range(20):
            node.events.tell("job.changed", {"id": str(number), "state": "done"})
        async with feed(node, port, query={"topics": "job.*", "after": begun}) as socket:
            lost = await heard(socket, "feed.missed")
            assert lost["data"]["why"] == "ring"
            left = [(await heard(socket, "job.changed"))["data"]["id"] for _ in range(5)]
            assert left == [str(number) for number in range(15, 20)]
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        assert lost["data"]["missed"] >= 15
        assert f"thatdam_events_missed_total {lost['data']['missed']}.0" in metrics
        assert 'thatdam_event_gaps_total{reason="ring"} 1.0' in metrics

    run(work, tmp_path)


WRONG = [
    ({"after": "yesterday"}, "no cursor of events"),
    ({"after": "e1.AAAA"}, "damaged or cut off"),
    ({"after": "e9.AAAA"}, "version 9"),
    ({"topics": "captur.*"}, "no topic is called 'captur.*'; there are camera.*"),
    ({"topics": "[" * 40}, "no topic is called"),
    ({"topics": "feed.*"}, "no topic is called"),
    ({"topics": ",".join(["node.*"] * 17)}, "at most 16 topics"),
    ({"since": "soon"}, "since: 'soon' is no moment"),
    ({"since": "2026-05-01", "after": "e1.AAAA"}, "not both"),
]


def test_a_query_that_is_wrong_closes_the_feed_with_a_sentence(tmp_path):
    async def work(node, port):
        for query, told in WRONG:
            async with feed(node, port, query=query) as socket:
                with pytest.raises(ConnectionClosed) as closed:
                    await socket.recv()
            assert closed.value.rcvd.code == events.CLOSE_MISTAKE
            assert told in closed.value.rcvd.reason, query

    run(work, tmp_path)


def test_an_event_of_another_release_is_passed_over(tmp_path):
    async def work(node, port):
        async with feed(node, port) as socket:
            node.events.tell("moon.rose", {"id": "full"})
            node.events.tell("job.changed", {"id": "a", "colour": "red"})
            node.events.tell("job.changed", {"id": "b"})
            assert (await heard(socket, "job.changed"))["data"] == {"id": "b"}

    run(work, tmp_path)


def test_what_a_node_tells_that_does_not_number_its_events_is_told_here(tmp_path):
    async def work(node, port):
        async with feed(node, port) as socket:
            await node.system.publish("rows", RowChanged("cameras", "cam", told={"record": "take", "secret": "x"}))
            assert (await heard(socket, "camera.changed"))["data"] == {"id": "cam", "record": "take"}
            assert (await heard(socket, "capture.started"))["data"] == {"camera": "cam", "take": "take"}

    run(work, tmp_path)


def test_a_new_camera_is_no_recording_that_stopped(tmp_path):
    async def work(node, port):
        async with feed(node, port, query={"topics": "camera.*,capture.*"}) as socket:
            await node.catalogue.write(Change("cameras", "cam", set={"name": "Door", "record": "", "created_ms": 1}))
            await heard(socket, "camera.changed")
            await node.catalogue.write(Change("cameras", "cam", set={"record": "take"}))
            topics = [json.loads(await socket.recv())["topic"] for _ in range(2)]
            assert topics == ["camera.changed", "capture.started"]

    run(work, tmp_path)


def test_a_row_written_often_is_told_once_as_it_is_at_last(tmp_path):
    async def work(node, port):
        async with feed(node, port) as socket:
            many = [Change("assets", "busy", set={"name": str(number)}) for number in range(50)]
            await node.catalogue.write(*many)
            assert (await heard(socket, "asset.changed"))["data"]["name"] == "49"

    run(work, tmp_path)
