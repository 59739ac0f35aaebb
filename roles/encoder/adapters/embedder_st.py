"""sentence-transformers as an embedder: any model by id or folder that takes both texts and pictures (CLIP, SigLIP).

The only part that needs torch, imported when it is made: without the extra ``clip`` the error says how to add it. The
model id, with a hash of its configuration, is the vectors' model, so that another version's are never compared. Runs in
a worker process.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from blake3 import blake3

from mesh.ports import Seen
from roles.encoder.adapters.embedder_offline import MissingError

FLOOR = 0.18
"""CLIP's cosines of words and unrelated pictures lie around 0.1 to 0.18, of fitting ones around 0.25 to 0.35."""
BATCH = 8


class SentenceTransformersEmbedder:
    """A model of the user's choice; MissingError when it cannot be loaded."""

    floor = FLOOR

    def __init__(self, name: str, threads: int = 1) -> None:
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
        try:
            self._model: Any = library.SentenceTransformer(name, device="cpu", trust_remote_code=False)
        except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
            raise MissingError(f"the model {name} cannot be loaded: {error}") from error
        probe = self._model.encode(["a"], convert_to_numpy=True)[0]
        self.dimension = len(probe)
        try:
            self._look([self._images.new("RGB", (32, 32))])
        except (ValueError, TypeError, AttributeError, KeyError, RuntimeError) as error:
            raise MissingError(
                f"the model {name} knows words only, not pictures: choose one like clip-ViT-B-32"
            ) from error
        version = blake3(np.round(probe.astype("<f8"), 3).tobytes()).hexdigest()[:8]
        self.model = f"st-{name.rstrip('/').rsplit('/', 1)[-1]}@{version}"

    def embed_text(self, text: str) -> bytes:
        """Give the unit vector of a text."""
        vector = self._model.encode([text], convert_to_numpy=True, normalize_embeddings=True)[0]
        return bytes(vector.astype("<f4").tobytes())

    def embed_frames(self, jpegs: Sequence[bytes]) -> list[Seen]:
        """Give what is seen in each JPEG: a vector, no words. ValueError when one is no picture."""
        pictures = []
        for jpeg in jpegs:
            try:
                pictures.append(self._images.open(io.BytesIO(jpeg)).convert("RGB"))
            except OSError as error:
                raise ValueError("not a JPEG picture") from error
        return [Seen(vector.astype("<f4").tobytes(), ()) for vector in self._look(pictures)]

    def _look(self, pictures: list[Any]) -> Any:
        return self._model.encode(pictures, batch_size=BATCH, convert_to_numpy=True, normalize_embeddings=True)
