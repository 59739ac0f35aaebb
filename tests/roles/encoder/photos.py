"""Photos that development dependencies carry, as JPEG. Nothing of the search was tuned on them."""

import importlib.util
from pathlib import Path

import cv2

SKIMAGE = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "horse",
    "hubble_deep_field",
)
SKIMAGE += ("moon", "motorcycle_left", "page", "retina", "rocket")


def folder(package, *parts):
    found = importlib.util.find_spec(package)
    assert found is not None, f"{package} is a development dependency: make venv"
    return Path(found.submodule_search_locations[0], *parts)


def paths():
    """Give every photo's file by name."""
    known = {}
    for name in SKIMAGE:
        known[name] = next(folder("skimage", "data").glob(f"{name}.*"))
    for name in ("china", "flower"):
        known[name] = folder("sklearn", "datasets", "images", f"{name}.jpg")
    return known


def jpegs():
    """Give every photo as JPEG bytes by name."""
    return {name: cv2.imencode(".jpg", cv2.imread(str(path)))[1].tobytes() for name, path in paths().items()}
