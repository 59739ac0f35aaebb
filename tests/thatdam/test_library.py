"""Files in and out of a real node, over HTTP and the command line: byte for byte, or not at all and in a sentence."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from urllib.parse import urlsplit

import httpx
import pytest
from blake3 import blake3
from made_media import jpeg_size, movie, picture, speech

from mesh.core.manifest import CHUNK_BYTES
from simulations.hosts.processes import THATDAM, Process, end, mesh, until
from thatdam.gateway.answers.assets import Asset, AssetDetails

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("library")]
SHAPE, DETAILS = set(Asset.model_fields), set(AssetDetails.model_fields)
UPLOAD_MAX = 24 << 20
FILES = 250
"""So many that Ctrl-C after the first comes before the last."""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    settings = {"THATDAM_HTTP_UPLOAD_MAX_GB": str(UPLOAD_MAX / 2**30)}
    made = Process(tmp_path_factory.mktemp("library") / "n", secret="", settings=settings).start()
    yield made
    end([made])


def upload(node, data, name="a.bin", **more):
    answer = node.http().put("/api/v1/uploads", params={"name": name, **more}, content=data)
    assert answer.status_code == 201, answer.text
    return answer.json()


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) >= {"type", "title", "status", "detail", "correlation_id"}
    return body["detail"]


def test_a_file_comes_back_byte_for_byte_whole_and_in_ranges(node):
    data = os.urandom(2 * CHUNK_BYTES + 12345)
    asset = upload(node, data, "noise.bin", tags="one,two")
    assert set(asset) == DETAILS
    assert (asset["kind"], asset["size_bytes"], asset["error"], asset["poster"]) == ("other", len(data), None, None)
    assert (asset["copies"], asset["copies_wanted"], asset["tags"]) == (1, 1, ["one", "two"])
    assert asset["meta"]["blake3"] == blake3(data).hexdigest()
    http, url = node.http(), f"/api/v1/assets/{asset['id']}/file"
    whole = http.get(url)
    assert whole.content == data
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.headers["x-content-type-options"] == "nosniff"
    for start, last in (
        (0, 0),
        (CHUNK_BYTES - 1, CHUNK_BYTES),
        (10, 2 * CHUNK_BYTES + 10),
        (len(data) - 1, len(data) + 9),
    ):
        part = http.get(url, headers={"Range": f"bytes={start}-{last}"})
        assert (part.status_code, part.content) == (206, data[start : last + 1])
        assert part.headers["content-range"] == f"bytes {start}-{min(last, len(data) - 1)}/{len(data)}"
    assert http.get(url, headers={"Range": "bytes=-7"}).content == data[-7:]
    gone = http.get(url, headers={"Range": f"bytes={len(data)}-"})
    assert problem(gone, 416)
    assert gone.headers["content-range"] == f"bytes */{len(data)}"
    assert http.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    changed = http.get(url, headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert (changed.status_code, len(changed.content)) == (200, len(data))
    head = http.head(url)
    assert (head.headers["content-length"], head.content) == (str(len(data)), b"")


def test_the_same_content_twice_is_two_assets_over_the_same_chunks(node):
    data = os.urandom(CHUNK_BYTES + 5)
    one = upload(node, data, "one.bin")
    before = node.get("/api/v1/nodes")["nodes"][0]["chunk_bytes"]
    two = upload(node, data, "two.bin")
    assert one["id"] != two["id"]
    node.http().delete(f"/api/v1/assets/{one['id']}")
    assert node.http().get(f"/api/v1/assets/{two['id']}/file").content == data
    found = node.get("/api/v1/assets", content=blake3(data).hexdigest())["assets"]
    assert [asset["name"] for asset in found] == ["two.bin"]
    assert node.get("/api/v1/nodes")["nodes"][0]["chunk_bytes"] == before


def raw(node, head, body):
    """Send the beginning of a request and hang up."""
    access = json.loads((node.data / "cli.json").read_text())
    place = urlsplit(access["url"])
    with socket.create_connection((place.hostname, place.port)) as line:
        line.sendall(f"{head}Host: {place.netloc}\r\nAuthorization: Bearer {access['token']}\r\n\r\n".encode() + body)
        line.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while line.recv(65536):
                pass


def test_an_upload_that_breaks_off_leaves_no_asset_and_the_node_up(node):
    total = node.get("/api/v1/assets")["total"]
    piece = os.urandom(CHUNK_BYTES + 1000)
    raw(node, f"PUT /api/v1/uploads?name=half.bin HTTP/1.1\r\nContent-Length: {2 * len(piece)}\r\n", piece)
    chunk = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    raw(node, "PUT /api/v1/uploads?name=half.bin HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", chunk)
    raw(node, "PUT /api/v1/uploads?name=half.bin HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", b"zz\r\nxx")
    time.sleep(0.5)
    assert node.get("/api/v1/assets")["total"] == total
    assert upload(node, piece, "whole.bin")["size_bytes"] == len(piece)


def test_too_large_is_said_before_and_while_it_comes(node):
    http, total = node.http(), node.get("/api/v1/assets")["total"]
    stated = http.put("/api/v1/uploads", params={"name": "big"}, content=b"x" * (UPLOAD_MAX + 1))
    assert str(UPLOAD_MAX) in problem(stated, 413)
    unstated = http.put("/api/v1/uploads", params={"name": "big"}, content=(bytes(1 << 20) for _ in range(25)))
    assert str(UPLOAD_MAX) in problem(unstated, 413)
    assert node.get("/api/v1/assets")["total"] == total


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a\0b", "C:\\windows\\x", "CON", "..", "a\nSet-Cookie: x", '"; x="', "日本語"],
)
def test_a_name_is_a_name_and_never_a_path(node, name):
    asset = upload(node, b"bytes", name)
    assert asset["name"] == re.sub(r"[\0\n]", "\N{REPLACEMENT CHARACTER}", name)
    answer = node.http().get(f"/api/v1/assets/{asset['id']}/file")
    assert answer.content == b"bytes"
    header = answer.headers["content-disposition"]
    assert header.startswith("attachment; filename=")
    assert "/" not in header
    assert "\\" not in header
    assert "set-cookie" not in answer.headers
    assert not (node.data.parent / "passwd").exists()


def test_wrong_parameters_are_named(node):
    http = node.http()
    put = lambda **more: http.put("/api/v1/uploads", params=more, content=b"x")  # noqa: E731
    assert "name" in problem(put(), 422)
    assert "name" in problem(put(name=""), 422)
    assert "name" in problem(put(name="x" * 10_000), 422)
    assert "tag" in problem(put(name="a", tags="x" * 200), 422)
    assert "tag" in problem(put(name="a", tags=",".join(map(str, range(200)))), 422)
    asset = upload(node, b"x")["id"]
    patch = lambda body: http.patch(f"/api/v1/assets/{asset}", json=body)  # noqa: E731
    for body in (
        {"name": ""},
        {"name": "x" * 300},
        {"name": 7},
        {"colour": "red"},
        {"tags_add": "x"},
        [],
        {"tags_add": [""]},
    ):
        problem(patch(body), 422)
    half = http.patch(
        f"/api/v1/assets/{asset}", content=b'{"name": "\\ud800new"}', headers={"Content-Type": "application/json"}
    )
    assert half.status_code in (200, 422)
    for wrong in ({"kind": "sculpture"}, {"state": "gone"}, {"since": "tomorrow"}, {"order": "colour"}, {"limit": 0}):
        problem(http.get("/api/v1/assets", params=wrong), 422)
    problem(http.get("/api/v1/assets", params={"order": "rank"}), 422)
    problem(http.get("/api/v1/assets", params={"page": "zz"}), 400)


@pytest.mark.parametrize("asset", ["nope", "a" * 26, "a" * 300, "..%2f..%2fetc", "%00", "A" * 26])
def test_an_unknown_asset_is_not_found(node, asset):
    http = node.http()
    for method, path in (
        ("GET", ""),
        ("GET", "/file"),
        ("HEAD", "/file"),
        ("GET", "/poster.jpg"),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/restore"),
    ):
        more = {"json": {"tags_add": ["x"]}} if method == "PATCH" else {}
        assert http.request(method, f"/api/v1/assets/{asset}{path}", **more).status_code in (404, 422), (method, path)
    assert http.get(f"/api/v1/chunks/{'0' * 64}.jpg", params={"asset": "a" * 26}).status_code == 404


def test_media_is_described_and_has_a_poster_that_only_its_asset_gives(node, tmp_path):
    clip = upload(node, movie(tmp_path / "a.mp4", 2.0, tone=True).read_bytes(), "clip.mp4")
    assert (clip["kind"], clip["mime"], clip["codec"], clip["width"], clip["height"]) == (
        "video",
        "video/mp4",
        "h264",
        160,
        120,
    )
    assert clip["meta"]["audio_codec"] == "aac"
    assert clip["analysis"]["l0"] == "done"
    photo = upload(node, picture(tmp_path / "a.jpg", (64, 48), "mjpeg").read_bytes(), "photo.jpg")
    assert (photo["kind"], photo["mime"], photo["width"], photo["duration"]) == ("image", "image/jpeg", 64, None)
    sound = upload(node, speech(tmp_path / "a.wav").read_bytes(), "speech.wav")
    assert (sound["kind"], sound["codec"], sound["duration"], sound["poster"]) == ("audio", "pcm_s16le", 1.5, None)
    http = node.http()
    shown = http.get(f"/api/v1/assets/{clip['id']}/poster.jpg")
    assert shown.headers["content-type"] == "image/jpeg"
    assert jpeg_size(shown.content) == (160, 120)
    url = f"/api/v1/chunks/{clip['poster']}.jpg"
    assert http.get(url, params={"asset": clip["id"]}).content == shown.content
    problem(http.get(url, params={"asset": photo["id"]}), 404)
    problem(http.get(f"/api/v1/assets/{sound['id']}/poster.jpg"), 404)
    assert http.get(f"/api/v1/assets/{clip['id']}/file").headers["content-type"] == "video/mp4"


def test_what_cannot_be_read_is_kept_as_it_is_with_a_sentence(node, tmp_path):
    target = movie(tmp_path / "secret.mp4", 1.0)
    long = movie(tmp_path / "long.mp4", 12.0, options={"movflags": "faststart"}).read_bytes()
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n".encode()
    cases = [
        ("empty.mp4", b"", "other", "empty"),
        ("text.mp4", b"just a text\n", "other", "no media"),
        ("list.mp4", playlist, "other", "no media"),
        ("half.mp4", long[: len(long) // 2], "video", "cut short"),
        ("page.html", b"<script>alert(1)</script>", "other", None),
    ]
    for name, data, kind, said in cases:
        asset = upload(node, data, name)
        assert asset["kind"] == kind, name
        assert (asset["error"] is None) if said is None else (said in asset["error"]), asset["error"]
        answer = node.http().get(f"/api/v1/assets/{asset['id']}/file")
        assert answer.content == data
        assert "html" not in answer.headers["content-type"]
        assert "sandbox" in answer.headers["content-security-policy"]


def test_lists_filter_order_page_and_include_what_was_just_written(node):
    mark = f"list{time.monotonic_ns()}"
    for number in range(5):
        upload(node, b"x" * (number + 1), f"{mark}-{number}.bin", tags=f"{mark},t{number % 2}")
    find = lambda **more: node.get("/api/v1/assets", tag=mark, **more)  # noqa: E731
    assert [asset["size_bytes"] for asset in find(order="size_bytes", descending=False)["assets"]] == [1, 2, 3, 4, 5]
    names, page = [], ""
    for _ in range(5):
        told = find(order="name", descending=True, limit=2, page=page)
        names += [asset["name"][-5] for asset in told["assets"]]
        page = told["next"]
        if not page:
            break
    assert names == ["4", "3", "2", "1", "0"]
    assert told["total"] == 5
    assert set(told["assets"][0]) == SHAPE
    first = find(order="created_ms", descending=False)["assets"]
    assert len(find(since=first[2]["created_at"])["assets"]) == 3
    assert len(find(until=first[2]["created_at"])["assets"]) == 3
    assert len(find(since="2020-01-01", until="2020-01-02T00:00:00+02:00")["assets"]) == 0
    assert len(find(kind="other", state="ready")["assets"]) == 5
    assert find(kind="video")["assets"] == []
    changed = node.http().patch(f"/api/v1/assets/{first[0]['id']}", json={"tags_remove": [mark]})
    cursor = changed.headers["thatdam-cursor"]
    told = find(after=cursor)
    assert (len(told["assets"]), told["stale"]) == (4, False)


def test_files_are_put_listed_tagged_trashed_restored_and_got(node, tmp_path):
    data = os.urandom(CHUNK_BYTES + 77)
    file = tmp_path / "holiday.bin"
    file.write_bytes(data)
    put = node.json("put", str(file), "--tag", "holiday")
    asset = put["kept"][0]
    assert put["failed"] == []
    assert (asset["tags"], asset["copies"]) == (["holiday"], 1)
    assert "1 of 1 copy" in node.run("put", str(file))
    assert "no such file" in node.run("put", str(tmp_path / "none"), code=1).lower()
    assert "ingest" in node.run("put", str(tmp_path), code=1)
    node.run("tag", asset["id"], "--add", "sea", "--remove", "holiday")
    assert [row["id"] for row in node.json("ls", "--tag", "sea")] == [asset["id"]]
    assert node.json("ls", "--tag", "holiday") == []
    node.run("rm", asset["id"])
    assert node.json("ls", "--tag", "sea") == []
    assert [row["id"] for row in node.json("ls", "--trashed", "--tag", "sea")] == [asset["id"]]
    node.run("restore", asset["id"])
    folder = tmp_path / "out"
    folder.mkdir()
    node.run("get", asset["id"], str(folder))
    assert (folder / "holiday.bin").read_bytes() == data
    assert "is there already" in node.run("get", asset["id"], str(folder), code=1)
    assert "no asset" in node.run("get", "nope", code=1)
    assert "no asset" in node.run("rm", "nope", code=1)
    assert len(node.json("ls", "--sort", "size", "--limit", "2")) == 2
    assert "moment" in node.run("ls", "--since", "soon", code=1)


def test_a_download_goes_on_where_it_broke_off_and_never_joins_other_bytes(node, tmp_path):
    data = os.urandom(2 * CHUNK_BYTES)
    asset = upload(node, data, "big.bin")
    part = tmp_path / f"big.bin.{asset['meta']['blake3'][-12:]}.part"
    part.write_bytes(data[: CHUNK_BYTES + 100])
    node.run("get", asset["id"], str(tmp_path))
    assert (tmp_path / "big.bin").read_bytes() == data
    assert not part.exists()
    part.write_bytes(b"other bytes")
    assert "not what the mesh keeps" in node.run("get", asset["id"], str(tmp_path), "--force", code=1)
    assert (tmp_path / "big.bin").read_bytes() == data
    node.run("get", asset["id"], str(tmp_path), "--force")
    assert [one.name for one in tmp_path.iterdir()] == ["big.bin"]


def test_a_folder_is_brought_once_and_what_cannot_be_read_is_listed(node, tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep" / "er").mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.bin").write_bytes(os.urandom(1000))
    (folder / "deep" / "er" / "clip.mp4").write_bytes(movie(tmp_path / "c.mp4", 1.0).read_bytes())
    (folder / "broken.mp4").write_bytes(b"no movie")
    (folder / ".hidden").write_bytes(b"x")
    (folder / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe")
    first = ingest(node, folder, 1)
    assert sorted(os.path.basename(row["path"]) for row in first["added"]) == [
        "0.bin",
        "1.bin",
        "2.bin",
        "broken.mp4",
        "clip.mp4",
    ]
    assert sorted(os.path.basename(row["path"]) for row in first["failed"]) == ["dangling", "pipe"]
    (folder / "dangling").unlink()
    (folder / "pipe").unlink()
    again = ingest(node, folder, 0)
    assert (again["added"], again["unchanged"], again["failed"]) == ([], 5, [])
    (folder / "1.bin").write_bytes(b"changed")
    changed = ingest(node, folder, 0)
    assert ([os.path.basename(row["path"]) for row in changed["added"]], changed["unchanged"]) == (["1.bin"], 4)
    for memory in (node.data / "ingested").iterdir():
        memory.unlink()
    forgotten = ingest(node, folder, 0)
    assert (forgotten["added"], forgotten["unchanged"]) == ([], 5)


def ingest(node, folder, code):
    command = [THATDAM, "ingest", str(folder), "--json", "--data", str(node.data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, env=node.environment)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_ctrl_c_ends_an_ingest_that_goes_on_with_the_rest_when_run_again(node, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number:03}.bin").write_bytes(os.urandom(1000))
    command = [THATDAM, "ingest", str(folder), "--data", str(node.data), "--json"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=node.environment)
    mark = lambda: any((node.data / "ingested").glob("*.jsonl")) and brought() > 0  # noqa: E731
    brought = lambda: sum(str(folder) in path.read_text() for path in (node.data / "ingested").iterdir())  # noqa: E731
    until(mark, 60, "the first files are in")
    running.send_signal(signal.SIGINT)
    out, errors = running.communicate(timeout=60)
    assert (running.returncode, "run it again" in errors) == (130, True), errors
    first = json.loads(out)
    brought_names = {os.path.basename(row["path"]) for row in first["added"]}
    waiting = sorted(path for path in folder.iterdir() if path.name not in brought_names)
    for path in waiting[3:]:
        path.unlink()
    rest = ingest(node, folder, 0)
    assert {os.path.basename(row["path"]) for row in rest["added"]} == {path.name for path in waiting[:3]}
    assert rest["unchanged"] == len(first["added"])


def test_a_take_gets_its_poster_when_it_ends(node):
    node.run("source", "add", "test:?size=320x240&rate=25")
    online = lambda: [row for row in node.json("source", "list") if row["state"] == "online"]  # noqa: E731
    camera = until(online, 40, "the camera is online")[0]["id"]
    take = node.run("record", "start", camera).strip()
    until(lambda: node.get(f"/api/v1/assets/{take}")["size_bytes"] > 0, 40, "something is recorded")
    assert node.get(f"/api/v1/assets/{take}")["analysis"]["l0"] == "none"
    node.run("record", "stop", camera)
    told = until(lambda: (row := node.get(f"/api/v1/assets/{take}"))["poster"] and row, 40, "the poster is there")
    assert (told["kind"], told["analysis"]["l0"], told["error"], told["copies"]) == ("take", "done", None, 1)
    assert told["camera_name"]
    shown = node.http().get(f"/api/v1/assets/{take}/poster.jpg").content
    assert jpeg_size(shown) == (320, 240)
    name = node.http().get(f"/api/v1/assets/{take}/file").headers["content-disposition"]
    assert ".mp4" in name


def test_a_node_without_room_says_so_before_the_bytes_come(tmp_path):
    settings = {"THATDAM_NODE_RESERVE_MB": str(1 << 30)}
    made = Process(tmp_path / "full", secret="", settings=settings).start()
    try:
        answer = made.http().put("/api/v1/uploads", params={"name": "a"}, content=b"x" * 1000)
        assert "room" in problem(answer, 507)
        unstated = made.http().put("/api/v1/uploads", params={"name": "a"}, content=iter([b"x" * 1000]))
        assert "left on the disk" in problem(unstated, 507)
        assert made.get("/api/v1/assets")["total"] == 0
        assert made.get("/health")["status"] == "alive"
    finally:
        end([made])


def test_memory_stays_small_while_a_large_file_goes_in_and_out(tmp_path):
    made = Process(tmp_path / "n", secret="").start()
    try:
        size, block = 160 << 20, os.urandom(1 << 20)
        upload(made, b"x")
        before = resident(made)
        asset = upload(made, (block[number:] + block[:number] for number in range(160)), "large.bin")
        whole = blake3()
        with made.http().stream("GET", f"/api/v1/assets/{asset['id']}/file") as answer:
            for piece in answer.iter_bytes():
                whole.update(piece)
        assert asset["size_bytes"] == size
        assert whole.hexdigest() == asset["meta"]["blake3"]
        assert resident(made) - before < 96 << 20
    finally:
        end([made])


def resident(node):
    """Give the most memory a node has held so far, in bytes."""
    with open(f"/proc/{node.process.pid}/status") as told:
        return next(int(line.split()[1]) << 10 for line in told if line.startswith("VmHWM"))


def test_a_put_waits_for_two_copies_where_two_nodes_store(tmp_path):
    nodes = mesh(tmp_path, 2, "--copies", "2")
    try:
        data = os.urandom(CHUNK_BYTES * 2 + 9)
        file = tmp_path / "two.bin"
        file.write_bytes(data)
        asset = nodes[1].json("put", str(file))["kept"][0]
        assert (asset["copies"], asset["copies_wanted"]) == (2, 2)
        nodes[1].kill()
        assert nodes[0].http().get(f"/api/v1/assets/{asset['id']}/file").content == data
        answer = nodes[0].http().put("/api/v1/uploads", params={"name": "alone"}, content=b"one copy", timeout=60)
        assert (answer.status_code, answer.json()["copies"]) == (201, 1)
    finally:
        end(nodes)


def test_a_port_that_is_no_node_is_a_sentence(tmp_path):
    (tmp_path / "cli.json").write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "x"}))
    done = subprocess.run([THATDAM, "ls", "--data", str(tmp_path)], capture_output=True, text=True, timeout=40)
    assert done.returncode == 1
    assert "does not answer" in done.stderr


def test_uploads_need_an_operator(node):
    access = json.loads((node.data / "cli.json").read_text())
    assert httpx.put(f"{access['url']}/api/v1/uploads?name=a", content=b"x").status_code == 401


def test_what_programs_ask_for_comes_as_json(node, tmp_path):
    data = os.urandom(1000)
    asset = upload(node, data, "small.bin")
    to = tmp_path / "small.bin"
    assert node.json("get", asset["id"], str(to)) == {"asset": asset["id"], "path": str(to), "size_bytes": 1000}
    assert to.read_bytes() == data
    assert node.json("login")["url"].startswith("http://127.0.0.1")
    assert node.json("token", "add", "p")["token"].startswith("tdt_")
