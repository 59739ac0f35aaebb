"""Any camera from any node: WHEP, HLS, MJPEG and a picture, over the real network between processes."""

import asyncio
import json
import subprocess
import time

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from simulations.hosts.processes import Process, end, mesh, until

pytestmark = pytest.mark.slow
OF_FFMPEGS_OWN = ("Found duplicated MOOV Atom. Skipped it", "Last message repeated")
"""What ffmpeg says of any live playlist of fMP4, its own too: it reads the initialisation again at each reload."""


@pytest.fixture
def two(tmp_path):
    nodes = mesh(tmp_path, 2)
    yield nodes
    end(nodes)


def url(node):
    return str(node.http().base_url).rstrip("/")


def online(node, camera):
    """Wait until a node knows of a camera, and that it is online."""

    def told():
        answer = node.http().get(f"/api/v1/cameras/{camera}")
        return answer.status_code == 200 and answer.json()["state"] == "online" and answer.json()

    return until(told, 40, "the camera is online")


def add(node, source, **more):
    answer = node.http().post("/api/v1/cameras", json={"url": source, "name": "cam", **more})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def tool(program, node, *words):
    token = f"Authorization: {node.http().headers['Authorization']}\r\n"
    command = [*node.prefix, program, "-v", "warning", "-headers", token, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL)


def read(node, path, seconds):
    """Have ffmpeg read and decode what a node gives; gives what it complains of."""
    done = tool("ffmpeg", node, "-i", url(node) + path, "-t", str(seconds), "-f", "null", "-")
    said = [line for line in done.stderr.splitlines() if not any(own in line for own in OF_FFMPEGS_OWN)]
    return [*said, *([f"exit {done.returncode}"] if done.returncode else [])]


def probe(node, path):
    done = tool("ffprobe", node, "-show_entries", "stream=codec_name,width", "-of", "json", url(node) + path)
    assert done.stderr == ""
    return [(stream["codec_name"], stream.get("width", 0)) for stream in json.loads(done.stdout)["streams"]]


async def watch(node, camera, pictures=20):
    """Take pictures by WHEP; give their size and the session's address, ended again with DELETE."""
    async with httpx.AsyncClient(base_url=url(node), headers=node.http().headers, timeout=30) as http:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTransceiver("video", direction="recvonly")
        tracks = []
        peer.on("track", tracks.append)
        await peer.setLocalDescription(await peer.createOffer())
        answer = await http.post(
            f"/whep/{camera}", content=peer.localDescription.sdp, headers={"Content-Type": "application/sdp"}
        )
        assert answer.status_code == 201, answer.text
        session = answer.headers["location"]
        assert answer.headers["content-type"] == "application/sdp"
        await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        async with asyncio.timeout(30):
            for _ in range(pictures):
                frame = await tracks[0].recv()
        trickle = {"Content-Type": "application/trickle-ice-sdpfrag"}
        late = "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n"
        assert (await http.patch(session, content=late, headers=trickle)).status_code == 204
        again = "a=ice-ufrag:other\r\na=ice-pwd:0123456789012345678901\r\n"
        assert (await http.patch(session, content=again, headers=trickle)).status_code == 422
        assert (await http.patch(session, content="a=candidate:rubbish", headers=trickle)).status_code == 400
        assert (await http.patch(session, content=late)).status_code == 415
        assert (await http.delete(session)).status_code == 204
        assert (await http.delete(session)).status_code == 404
        async with asyncio.timeout(30):
            while peer.connectionState not in ("closed", "failed"):
                await asyncio.sleep(0.05)
        await peer.close()
        return frame.width, frame.height


def mjpeg(node, camera, count):
    """Take pictures from the multipart stream, reading it as it says it is to be read."""
    with node.http().stream("GET", f"/api/v1/cameras/{camera}/live.mjpeg") as stream:
        boundary = stream.headers["content-type"].partition("boundary=")[2].encode()
        data, pictures = b"", []
        for block in stream.iter_bytes():
            data += block
            while b"\r\n\r\n" in data and len(pictures) < count:
                head, _, rest = data.partition(b"\r\n\r\n")
                lines = head.split(b"\r\n")
                assert lines[0] == b"--" + boundary
                size = int(next(line for line in lines if line.lower().startswith(b"content-length")).split(b":")[1])
                if len(rest) < size + 2:
                    break
                pictures.append(rest[:size])
                assert rest[size : size + 2] == b"\r\n"
                data = rest[size + 2 :]
            if len(pictures) == count:
                return pictures
    raise AssertionError("the stream ended")


def test_every_node_shows_every_camera_every_way(two):
    home, other = two
    camera = add(home, "test:?size=640x360")
    for node in (home, other):
        online(node, camera)
        assert node.http().get(f"/api/v1/cameras/{camera}/snapshot.jpg").content[:2] == b"\xff\xd8"
        pictures = mjpeg(node, camera, 3)
        assert all(one[:2] == b"\xff\xd8" and one[-2:] == b"\xff\xd9" for one in pictures)
        assert asyncio.run(watch(node, camera)) == (640, 360)
        assert probe(node, f"/hls/{camera}/index.m3u8") == [("h264", 640), ("aac", 0)]
        assert read(node, f"/hls/{camera}/index.m3u8", 5) == []
        assert read(node, f"/api/v1/cameras/{camera}/live.mjpeg", 2) == []
        assert node.http().get("/api/v1/cameras/none/snapshot.jpg").status_code == 404
        assert node.http().get("/hls/none/index.m3u8").status_code == 404
        answer = node.http().post("/whep/none", content="v=0", headers={"Content-Type": "application/sdp"})
        assert answer.status_code == 404
    assert httpx.get(f"{url(other)}/hls/{camera}/index.m3u8").status_code == 401
    home.kill()
    path = f"/api/v1/cameras/{camera}/snapshot.jpg"
    until(lambda: (answer := other.http().get(path)).status_code == 503 and "does not answer now" in answer.text)


def test_a_takes_hls_grows_and_then_is_whole_at_one_url_on_every_node(two):
    home, other = two
    camera = add(home, "test:?size=320x240")
    online(other, camera)
    take = other.http().post(f"/api/v1/cameras/{camera}/record").json()["take"]["id"]
    path = f"/hls/{take}/index.m3u8"
    first = until(lambda: (answer := other.http().get(path)).status_code == 200 and answer.text)
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in first
    assert "ENDLIST" not in first
    grown = until(lambda: (text := other.http().get(path).text).count(".m4s") > first.count(".m4s") + 1 and text)
    assert grown.startswith(first.rstrip("\n")), "a player that has the beginning finds it unchanged"
    assert probe(other, path) == [("h264", 320), ("aac", 0)]
    assert read(other, path, 4) == []
    assert other.http().delete(f"/api/v1/cameras/{camera}/record").json()["take"]["id"] == take
    for node in (home, other):
        whole = until(lambda node=node: "#EXT-X-ENDLIST" in (text := node.http().get(path).text) and text)
        assert "#EXT-X-PLAYLIST-TYPE:VOD" in whole
        assert probe(node, path) == [("h264", 320), ("aac", 0)]
        began = time.monotonic()
        assert read(node, path, 60) == []
        assert time.monotonic() - began < 30, "a take that has ended is read as fast as it goes"


def test_cameras_are_added_changed_recorded_and_removed_from_any_node(tmp_path):
    """Node 0 has no daemon role: node 1 records its cameras."""
    nodes = mesh(tmp_path, 1, "--role", "proxy", "--role", "storage")
    join = ("--join", f"127.0.0.1:{nodes[0].mesh_port}", "--copies", "2")
    try:
        for number, roles in ((1, ("proxy", "daemon", "storage")), (2, ("daemon",))):
            words = [word for role in roles for word in ("--role", role)]
            nodes.append(Process(tmp_path / f"n{number}", "--name", f"n{number}", *join, *words).start())
        eyes, whole, far = nodes
        for node in nodes:
            until(lambda node=node: len(node.alive_names()) == 3, 40, "every node sees all")

        listed = far.get("/api/v1/devices")
        assert "n2: it does not take the role proxy" in listed["note"]
        assert "role proxy" in far.get("/api/v1/devices", node="n2")["note"]
        assert far.http().get("/api/v1/devices", params={"node": "nobody"}).status_code == 404
        answer = far.http().post("/api/v1/cameras", json={"url": "test:", "node": "n2"})
        assert (answer.status_code, "role proxy" in answer.json()["detail"]) == (409, True)
        assert far.http().post("/api/v1/cameras", json={"url": "ftp://x", "node": "n0"}).status_code == 409

        made = far.json("source", "add", "test:?size=320x240", "--node", "n0", "--name", "door")[0]
        camera = made["id"]
        assert (made["node"], made["node_name"]) == (eyes.node_id, "n0")
        for node in nodes:
            online(node, camera)
        shown = until(lambda: (one := far.get(f"/api/v1/cameras/{camera}"))["hops"] and one)
        assert {key: shown[key] for key in ("state", "codec", "width", "hops", "webrtc", "webrtc_reason")} == {
            "state": "online",
            "codec": "h264",
            "width": 320,
            "hops": 1,
            "webrtc": True,
            "webrtc_reason": None,
        }
        assert (shown["hls"], shown["mjpeg"], shown["recording"]) == (True, True, None)
        assert eyes.get(f"/api/v1/cameras/{camera}")["hops"] == 0
        assert (
            whole.http().patch(f"/api/v1/cameras/{camera}", json={"name": " back door "}).json()["name"] == "back door"
        )
        assert whole.http().patch(f"/api/v1/cameras/{camera}", json={"name": ""}).status_code == 422
        assert whole.http().patch("/api/v1/cameras/none", json={"name": "x"}).status_code == 404
        until(lambda: eyes.get(f"/api/v1/cameras/{camera}")["name"] == "back door")

        takes = [eyes.json("record", "start", camera)[0]["id"] for _ in range(2)]
        assert takes[0] == takes[1], "a start asked twice is one take"
        recording = until(
            lambda: (one := far.get(f"/api/v1/cameras/{camera}")["recording"]) and one["seconds_left"] and one
        )
        assert recording["take"] == takes[0]
        assert recording["node"] in (whole.node_id, far.node_id)
        assert recording["copies_wanted"] == 2
        assert far.http().delete(f"/api/v1/cameras/{camera}").status_code == 409, "it is being recorded"
        until(lambda: (far.get(f"/api/v1/cameras/{camera}")["recording"]["copies"] or 0) >= 2, 40, "copies")
        take = far.http().delete(f"/api/v1/cameras/{camera}/record").json()["take"]
        assert (take["id"], take["kind"]) == (takes[0], "take")
        assert far.http().delete(f"/api/v1/cameras/{camera}/record").status_code == 409
        for node in nodes:
            whole_row = until(
                lambda node=node: (one := node.get(f"/api/v1/assets/{takes[0]}"))["state"] == "ready" and one
            )
            assert whole_row["gaps"] == []
            assert whole_row["duration"] > 3
        assert read(far, f"/hls/{takes[0]}/index.m3u8", 30) == []

        assert whole.http().delete(f"/api/v1/cameras/{camera}").status_code == 204
        until(lambda: far.http().get(f"/api/v1/cameras/{camera}").status_code == 404)
        assert far.http().post(f"/api/v1/cameras/{camera}/record").status_code == 404
    finally:
        end(nodes)


def test_an_h265_film_is_recorded_and_plays_as_hls_and_says_why_not_over_webrtc(tmp_path):
    film = tmp_path / "films" / "film.mp4"
    film.parent.mkdir()
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-t", "4"]
    coded = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=25:log-level=error"]
    subprocess.run(["ffmpeg", "-v", "error", *source, *coded, str(film)], check=True, stdin=subprocess.DEVNULL)
    nodes = mesh(tmp_path, 2, "--file-folder", str(film.parent))
    try:
        home, other = nodes
        camera = add(home, f"file:{film}?loop")
        shown = online(other, camera)
        assert (shown["codec"], shown["webrtc"], shown["hls"]) == ("hevc", False, True)
        assert "H.265" in shown["webrtc_reason"]
        offer = {"content": "v=0", "headers": {"Content-Type": "application/sdp"}}
        until(lambda: other.http().post(f"/whep/{camera}", **offer).status_code != 503)
        answer = other.http().post(f"/whep/{camera}", **offer)
        assert (answer.status_code, "H.265" in answer.json()["detail"]) == (406, True)
        assert answer.headers["content-type"] == "application/problem+json"
        until(lambda: other.http().get(f"/hls/{camera}/index.m3u8").status_code == 200)
        assert probe(other, f"/hls/{camera}/index.m3u8") == [("hevc", 320)]
        assert read(other, f"/hls/{camera}/index.m3u8", 5) == []
        assert other.http().get(f"/api/v1/cameras/{camera}/snapshot.jpg").content[:2] == b"\xff\xd8"
        take = other.http().post(f"/api/v1/cameras/{camera}/record").json()["take"]["id"]
        until(lambda: other.http().get(f"/hls/{take}/index.m3u8").text.count(".m4s") > 2)
        other.http().delete(f"/api/v1/cameras/{camera}/record")
        until(lambda: "ENDLIST" in other.http().get(f"/hls/{take}/index.m3u8").text)
        assert probe(other, f"/hls/{take}/index.m3u8") == [("hevc", 320)]
        assert read(other, f"/hls/{take}/index.m3u8", 30) == []
        assert read(other, f"/api/v1/assets/{take}/file", 30) == []
    finally:
        end(nodes)
