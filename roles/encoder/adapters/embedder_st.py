"""sentence-transformers as an embedder: any model by id or folder that takes both texts and pictures (CLIP, SigLIP).

The only part that needs torch, imported when it is made: without the extra ``clip`` the error says how to add it. What
is on this machine is used without asking the network; only a model id that is not there is downloaded, once.

The vectors' model is the last part of the name with a hash of the weights, so that another version's are never
compared, while two nodes whose processors round differently have the same. Runs in a worker process.

Invariant: whatever the library raises, and whatever a half-copied model makes of words, is told as a sentence; a vector
that is not finite leaves nobody.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from mesh.ports import Seen
from roles.encoder.adapters.embedder_offline import LaterError, MissingError

FLOOR = 0.18
"""CLIP's cosines of words and unrelated pictures lie around 0.1 to 0.18, of fitting ones around 0.25 to 0.35."""
SIGMOID_FLOOR = 0.001
"""Where a model was trained to tell how probable a pair is (SigLIP), less than this is noise; its cosines are lower."""
BATCH = 8
WHY_CHARS_MAX = 400
CHOOSE = "choose one like clip-ViT-B-32"
_PROBES = ("a dog in the grass", "a red bus in the street")
_QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error",
          "TQDM_DISABLE": "1"}  # fmt: skip
_OUT_OF_REACH = frozenset(
    ("LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectError", "ConnectTimeout", "ReadTimeout", "ProxyError")
)
"""By name, since which HTTP library the hub's client uses differs by its version."""


class SentenceTransformersEmbedder:
    """A model of the user's choice; MissingError when it cannot be loaded, LaterError when the hub is out of reach."""

    def __init__(self, name: str, threads: int = 1) -> None:
        for variable, value in _QUIET.items():
            os.environ.setdefault(variable, value)
        try:
            torch = importlib.import_module("torch")
            library = importlib.import_module("sentence_transformers")
            self._images = importlib.import_module("PIL.Image")
        except ImportError as error:
            raise MissingError(
                f"the model {name} needs sentence-transformers and torch ({error}); add them with: "
                "pip install 'thatdam[clip]'"
            ) from error
        torch.set_num_threads(threads)
        self._model: Any = _load(library.SentenceTransformer, name)
        words = self._sides(name)
        self.dimension = words.shape[1]
        self.floor = _floor(self._model)
        self.model = f"st-{name.rstrip('/').rsplit('/', 1)[-1]}@{_version(self._model)}"

    def embed_text(self, text: str) -> bytes:
        """Give the unit vector of a text; what is longer than the model reads is cut."""
        return _packed(self._encode([text])[0])

    def embed_frames(self, jpegs: Sequence[bytes]) -> list[Seen]:
        """Give what is seen in each JPEG: a vector, no words. ValueError when one is no picture."""
        pictures = []
        for jpeg in jpegs:
            try:
                pictures.append(self._images.open(io.BytesIO(jpeg)).convert("RGB"))
            except (OSError, self._images.DecompressionBombError) as error:
                raise ValueError("not a JPEG picture") from error
        return [Seen(_packed(vector), ()) for vector in self._encode(pictures)]

    def _encode(self, given: list[Any]) -> Any:
        return self._model.encode(
            given, batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=True
        )

    def _sides(self, name: str) -> Any:
        """Give the vectors of two texts, once it is known that the model takes both texts and pictures."""
        try:
            words = self._encode(list(_PROBES))
        except Exception as error:
            raise MissingError(f"the model {name} cannot read words ({_why(error)}): {CHOOSE}") from error
        try:
            looks = self._encode([self._images.new("RGB", (32, 32))])
        except Exception as error:
            raise MissingError(f"the model {name} knows words only, not pictures: {CHOOSE}") from error
        if words.shape[1] != looks.shape[1]:
            raise MissingError(
                f"the model {name} does not put words and pictures into one space ({words.shape[1]} and "
                f"{looks.shape[1]} numbers): {CHOOSE}"
            )
        if not (np.isfinite(words).all() and np.isfinite(looks).all()):
            raise MissingError(f"the model {name} gives no finite vectors: its weights are damaged, fetch it anew")
        if np.allclose(words[0], words[1], atol=1e-5):
            raise MissingError(
                f"the model {name} takes all words for the same: its tokenizer is missing or damaged, fetch it anew"
            )
        return words


def _load(make: Any, name: str) -> Any:
    """Load a model from a folder, or from what was downloaded before, or from the hub."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        try:
            return make(str(folder), device="cpu", trust_remote_code=False, local_files_only=True)
        except Exception as error:
            raise MissingError(
                f"the folder {name} holds no model that can be loaded: {_why(error)}; copy the whole folder of a "
                "sentence-transformers model, or name a model by its id"
            ) from error
    if folder.exists() or name[:1] in ("/", "~", ".") or "\\" in name or name.count("/") > 1:
        raise MissingError(
            f"there is no folder {name} on this node: name one that holds a sentence-transformers model, or a model id "
            "such as clip-ViT-B-32"
        )
    with contextlib.suppress(Exception):  # not here, or not whole: fetch it
        return make(name, device="cpu", trust_remote_code=False, local_files_only=True)
    try:
        return make(name, device="cpu", trust_remote_code=False)
    except Exception as error:
        if _out_of_reach(error):
            raise LaterError(
                f"the model {name} is not on this machine yet and the model hub is out of reach: connect this node to "
                "the internet once, or copy the model here and name its folder in encoder.model"
            ) from error
        raise MissingError(
            f"the model {name} cannot be loaded: {_why(error)}; check the id, or name a folder that holds a model"
        ) from error


def _out_of_reach(error: BaseException | None) -> bool:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        names = {one.__name__ for one in type(error).__mro__}
        if isinstance(error, ConnectionError | TimeoutError) or names & _OUT_OF_REACH:
            return True
        error = error.__cause__ or error.__context__
    return False


def _why(error: BaseException) -> str:
    return " ".join(str(error).split())[:WHY_CHARS_MAX].rstrip(".") or type(error).__name__


def _version(model: Any) -> str:
    """Give a hash of the weights as 32-bit floats, in an order that does not depend on their names.

    Not of what the model says: processors round differently, and names differ between the library's versions.
    """
    digests = []
    for weights in model.parameters():
        values = np.ascontiguousarray(weights.detach().cpu().float().numpy(), dtype="<f4")
        digests.append(blake3(repr(values.shape).encode() + values.tobytes()).digest())
    return blake3(b"".join(sorted(digests))).hexdigest()[:8]


def _floor(model: Any) -> float:
    """Give the floor: where the model tells by a scale and a bias how probable a pair is, from those."""
    told = {}
    for name, weights in model.named_parameters():
        last = name.rsplit(".", 1)[-1]
        if last in ("logit_scale", "logit_bias") and weights.numel() == 1:
            told[last] = float(weights.detach())
    if len(told) < 2:
        return FLOOR
    least = math.log(SIGMOID_FLOOR / (1 - SIGMOID_FLOOR))
    return max(-1.0, min(FLOOR, (least - told["logit_bias"]) / math.exp(told["logit_scale"])))


def _packed(vector: Any) -> bytes:
    if not np.isfinite(vector).all():
        raise ValueError("the model gives no finite vector for this")
    return bytes(vector.astype("<f4").tobytes())
