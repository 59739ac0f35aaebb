"""sentence-transformers and torch as they are: a CLIP model in a folder, its own answers beside the node's."""

import asyncio
import http.server
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import clip_models
import numpy as np
import pytest
from PIL import Image
from sentence_transformers import SentenceTransformer

from mesh.adapters.clock import SystemClock
from mesh.adapters.workers import ProcessWorkers
from mesh.ports import Refused, Unavailable
from roles.encoder.embedding import Choice, NoModelError, WorkerEmbedder

pytestmark = pytest.mark.timeout(600)
THATDAM = str(Path(sys.executable).parent / "thatdam")
NOWHERE = "http://127.0.0.1:9"
"""A hub that refuses connections."""


@pytest.fixture(autouse=True)
def no_hub(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", NOWHERE)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return clip_models.clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="session")
def library(folder):
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def with_model(name, ask):
    """Run ``ask(embedder)`` on a model in a worker process of its own."""

    async def main():
        one = WorkerEmbedder(ProcessWorkers(), Choice(str(name), ""), SystemClock(), nice=0, stays=True)
        keeping = asyncio.create_task(one.keep())
        try:
            await one.load()
            return await ask(one)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    return asyncio.run(main())


def why_not(name, error=NoModelError):
    async def nothing(one):
        return one.model

    with pytest.raises(error) as caught:
        with_model(name, nothing)
    return str(caught.value)


def jpegs():
    made = []
    for number, size in enumerate([(320, 180), (90, 160), (64, 64)] * 4):
        noise = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype="u1")
        out = io.BytesIO()
        Image.fromarray(noise).resize(size).save(out, "JPEG", quality=90)
        made.append(out.getvalue())
    return made


def cosine(one, other):
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_words_and_pictures_are_what_the_library_itself_gives(folder, library):
    pictures = jpegs()
    words = ["a red bus", "Ein Hund im Gras, naß", "a dog " * 80, "x", "🚲"]

    async def ask(one):
        texts = [np.frombuffer(await one.embed_text(text), "<f4") for text in words]
        looks = await one.embed_frames(pictures)
        return (one.model, one.dimension, one.floor), texts, [np.frombuffer(look.vector, "<f4") for look in looks]

    told, texts, looks = with_model(folder, ask)
    assert told[0].startswith("st-clip@")
    assert told[1:] == (48, 0.18)
    own_texts = library.encode(words, normalize_embeddings=True)
    own_looks = library.encode([Image.open(io.BytesIO(one)).convert("RGB") for one in pictures])
    for ours, own in zip([*texts, *looks], [*own_texts, *own_looks], strict=True):
        assert np.linalg.norm(ours) == pytest.approx(1, abs=1e-5)
        assert cosine(ours, own) > 0.99999
    assert cosine(looks[0], looks[1]) < 0.9999, "made of chance, but different pictures are different"
    assert cosine(texts[0], texts[3]) < 0.9999


def test_one_model_has_one_name_wherever_and_however_its_folder_lies(folder, tmp_path):
    async def name(one):
        return one.model

    plain = clip_models.plain_clip(tmp_path / "clip")
    again = with_model(plain, name)
    assert with_model(f"{folder}/", name) == again
    other = clip_models.plain_clip(tmp_path / "other" / "clip", seed=2)
    assert with_model(other, name) != again


def test_a_siglip_model_has_a_floor_of_its_own(tmp_path):
    folder = clip_models.siglip(tmp_path / "siglip")

    async def ask(one):
        return one.dimension, one.floor, np.frombuffer(await one.embed_text("a bus"), "<f4")

    dimension, floor, vector = with_model(folder, ask)
    assert (dimension, len(vector)) == (32, 32)
    assert floor == pytest.approx(0.0513, abs=0.001)


def test_a_picture_that_is_none_is_refused_and_the_model_goes_on(folder):
    async def ask(one):
        with pytest.raises(Refused, match="not a JPEG"):
            await one.embed_frames([b"no picture"])
        return await one.embed_frames(jpegs()[:1])

    assert len(with_model(folder, ask)) == 1


def test_a_killed_process_costs_a_request_not_the_node(folder):
    async def ask(one):
        os.kill(one._worker.pid, signal.SIGKILL)
        with pytest.raises(Unavailable):
            await one.embed_text("first")
        return await one.embed_text("second")

    assert len(with_model(folder, ask)) == 4 * 48


def test_a_model_of_words_only_is_named(tmp_path):
    folder = clip_models.words_only(tmp_path / "words")
    assert "knows words only, not pictures: choose one like clip-ViT-B-32" in why_not(folder)


def test_a_folder_that_holds_no_whole_model_is_told_in_a_sentence(folder, tmp_path):
    for name in ("empty", "cut", "mute"):
        shutil.copytree(folder, tmp_path / name)
    shutil.rmtree(tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    weights = tmp_path / "cut" / "0_CLIPModel" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    for file in (tmp_path / "mute" / "0_CLIPModel").glob("tokenizer*"):
        file.unlink()
    assert "holds no model that can be loaded" in why_not(tmp_path / "empty")
    assert "holds no model that can be loaded" in why_not(tmp_path / "cut")
    assert "its tokenizer is missing or damaged" in why_not(tmp_path / "mute")
    assert "there is no folder" in why_not(tmp_path / "gone")


def test_a_hub_out_of_reach_is_said_and_tried_again_later():
    assert "the model hub is out of reach: connect this node" in why_not("clip-ViT-B-32", Unavailable)


def test_an_id_that_the_hub_does_not_know_is_said(monkeypatch):
    class Hub(http.server.BaseHTTPRequestHandler):
        def refuse(self):
            self.send_response(401)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words):
            pass

    Hub.do_GET = Hub.do_HEAD = Hub.refuse
    hub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    try:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.server_port}")
        told = why_not("no-such/clip")
    finally:
        hub.shutdown()
    assert "the model no-such/clip cannot be loaded" in told
    assert "check the id, or name a folder" in told


def test_a_model_fetched_before_loads_without_any_network(folder, tmp_path):
    cached = tmp_path / "hub" / "hub" / "models--some--clip"
    shutil.copytree(folder, cached / "snapshots" / ("a" * 40))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("a" * 40)

    async def ask(one):
        return one.model, await one.embed_text("a bus")

    assert with_model("some/clip", ask)[0].startswith("st-clip@")


# ------------------------------------------------------------ a whole node


def up(data, log, model):
    node = subprocess.Popen(
        [THATDAM, "up", "--data", str(data), "--port", "0", "--role", "storage", "--role", "encoder"],
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
        env={**os.environ, "THATDAM_ENCODER_MODEL": str(model)},
    )
    until(lambda: "stop" in log.read_text(), node=node)
    return node


def run(data, *words):
    done = subprocess.run([THATDAM, *words, "--data", str(data)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def until(what, node=None, seconds=240):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert node is None or node.poll() is None
        if found := what():
            return found
        time.sleep(0.5)
    raise AssertionError("it did not come to be")


def clip_file(path):
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(60):
            picture = np.full((96, 160, 3), (30, 90, 200) if number < 30 else (220, 60, 20), "u1")
            picture[:, number * 2 : number * 2 + 30] = 255
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)


def stopped(node):
    node.terminate()
    try:
        return node.wait(60)
    finally:
        if node.poll() is None:
            node.kill()


def test_a_node_with_a_model_s_folder_indexes_a_clip_and_finds_it_by_its_looks(folder, library, tmp_path):
    clip_file(tmp_path / "clip.mp4")
    node = up(tmp_path / "n", tmp_path / "log", folder)
    try:
        (kept,) = json.loads(run(tmp_path / "n", "put", str(tmp_path / "clip.mp4"), "--json"))["kept"]
        asset = kept["id"]

        def analysed():
            jobs = json.loads(run(tmp_path / "n", "jobs", "--asset", asset, "--json"))
            assert all(job["state"] != "failed" for job in jobs), jobs
            return len(jobs) == 2 and all(job["state"] == "done" for job in jobs)

        until(analysed, node)

        # The words this model of chance finds nearest to the clip's first picture, so that some lie over the floor.
        import av

        with av.open(str(tmp_path / "clip.mp4")) as video:
            picture = next(video.decode(video=0)).to_image()
        tried = [f"{word} {number}" for word in ("red", "bus", "dog", "zebra") for number in range(50)]
        likeness = (
            library.encode(tried, normalize_embeddings=True) @ library.encode([picture], normalize_embeddings=True)[0]
        )
        assert likeness.max() > 0.2
        answer = json.loads(run(tmp_path / "n", "search", *tried[int(likeness.argmax())].split(), "--json"))
        assert answer["model"].startswith("st-clip@")
        assert [hit["asset"] for hit in answer["hits"]][:1] == [asset], answer
        assert (answer["missing"], answer["shards_ok"]) == (None, answer["shards_total"])
    finally:
        assert stopped(node) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_node_with_a_folder_that_holds_no_model_is_up_and_says_so(tmp_path):
    node = up(tmp_path / "n", tmp_path / "log", tmp_path / "no model")
    try:
        (tmp_path / "red bus.txt").write_text("hello")
        run(tmp_path / "n", "put", str(tmp_path / "red bus.txt"))

        def told():
            answer = json.loads(run(tmp_path / "n", "search", "red", "bus", "--json"))
            assert len(answer["hits"]) == 1
            return "there is no folder" in (answer["missing"] or "")

        until(told, node)
    finally:
        assert stopped(node) == 0
