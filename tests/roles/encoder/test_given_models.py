"""A model of the user's choice through sentence-transformers: a stand-in for the library, the adapter as it is."""

import importlib.util
import io
import sys
import types

import numpy as np
import pytest
from PIL import Image

from roles.encoder.adapters import embed_worker
from roles.encoder.adapters.embedder_offline import MissingError, OfflineEmbedder
from roles.encoder.adapters.embedder_st import SentenceTransformersEmbedder
from roles.encoder.adapters.wire import FAILED, FRAMES, TEXT, VECTOR, EmbedConfig, Frames, Looks, pack, unpack


class Library:
    """Both sides in three numbers: how red, green and blue."""

    sees = True
    shift = 0.0

    def __init__(self, name, device, trust_remote_code):
        assert (device, trust_remote_code) == ("cpu", False)
        if name == "nowhere":
            raise OSError("nowhere is not a local folder and is not a valid model identifier")

    def encode(self, given, batch_size=32, convert_to_numpy=True, normalize_embeddings=False):
        rows = []
        for one in given:
            if isinstance(one, str):
                row = [one.count("r") + self.shift, one.count("g"), one.count("b") + 0.1]
            elif not self.sees:
                raise TypeError("expected a string")
            else:
                row = np.asarray(one, dtype=float).reshape(-1, 3).mean(axis=0) + 0.1
            rows.append(row)
        made = np.array(rows, dtype="f4")
        return made / np.linalg.norm(made, axis=1, keepdims=True) if normalize_embeddings else made


@pytest.fixture
def library(monkeypatch):
    made = type("Model", (Library,), {})
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = made
    torch = types.ModuleType("torch")
    torch.set_num_threads = lambda count: None
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return made


def jpeg(colour):
    out = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(out, "JPEG")
    return out.getvalue()


def test_words_and_pictures_lie_in_one_space(library):
    embedder = SentenceTransformersEmbedder("models/colours")
    vectors = [np.frombuffer(one.vector, "<f4") for one in embedder.embed_frames([jpeg("red"), jpeg("blue")])]
    red = np.frombuffer(embedder.embed_text("rrr"), "<f4")
    assert red @ vectors[0] > 0.9 > red @ vectors[1]
    assert embedder.dimension == 3
    assert np.isclose(np.linalg.norm(red), 1)


def test_the_model_is_named_with_a_version_that_follows_from_what_it_says(library):
    one = SentenceTransformersEmbedder("/data/models/colours/").model
    assert one.startswith("st-colours@")
    assert SentenceTransformersEmbedder("colours").model == one
    library.shift = 3.0
    assert SentenceTransformersEmbedder("colours").model != one


def test_what_is_missing_is_named_with_how_to_add_it(library, monkeypatch):
    with pytest.raises(MissingError, match="nowhere cannot be loaded"):
        SentenceTransformersEmbedder("nowhere")
    library.sees = False
    with pytest.raises(MissingError, match="words only, not pictures"):
        SentenceTransformersEmbedder("minilm")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingError, match=r"pip install 'thatdam\[clip\]'"):
        SentenceTransformersEmbedder("colours")


def test_without_the_offline_models_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"pip install 'thatdam\[ai\]'"):
        OfflineEmbedder(None)


def test_the_worker_takes_the_named_model_and_says_what_it_cannot_look_at(library):
    embedder = embed_worker.load(EmbedConfig("colours", ""))
    assert embed_worker.answer(embedder, TEXT + b"green")[:1] == VECTOR
    looks = unpack(Looks, embed_worker.answer(embedder, pack(FRAMES, Frames((jpeg("red"),)))))
    assert len(looks.looks) == 1
    for wrong in (pack(FRAMES, Frames((b"no picture",))), FRAMES + b"nonsense", b"?", b""):
        assert embed_worker.answer(embedder, wrong)[:1] == FAILED
