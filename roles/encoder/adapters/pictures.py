"""Frames to JPEG with libav alone, and how a frame is judged: how much it changed, how well it shows a scene."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.int16]

THUMB_WIDTH, THUMB_HEIGHT = 64, 36
POOL = 4
_TIME_BASE = Fraction(1, 25)
_ALIGN = 2


def jpeg(frame: Any, side_max: int, quality: int = 4) -> bytes:
    """Give a frame as JPEG, upright, its longer side at most ``side_max`` pixels; ``quality`` is libav's qscale."""
    rotation = round(float(getattr(frame, "rotation", 0) or 0) / 90.0) % 4
    scale = min(1.0, side_max / max(frame.width, frame.height))
    width = max(_ALIGN, round(frame.width * scale / _ALIGN) * _ALIGN)
    height = max(_ALIGN, round(frame.height * scale / _ALIGN) * _ALIGN)
    picture = frame.reformat(width, height, "rgb24", interpolation="AREA")
    if rotation:
        turned = np.ascontiguousarray(np.rot90(picture.to_ndarray(), rotation))
        picture = av.VideoFrame.from_ndarray(turned, "rgb24")
    picture = picture.reformat(format="yuvj420p")
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "yuvj420p"
    encoder.time_base = _TIME_BASE
    encoder.options = {"qscale": str(quality)}
    encoder.flags |= 2  # AV_CODEC_FLAG_QSCALE
    encoder.global_quality = quality * 118
    picture.pts, picture.time_base = 0, _TIME_BASE
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))


def thumb(frame: Any) -> Gray:
    """Give a frame as 36 x 64 grey levels."""
    small = frame.reformat(THUMB_WIDTH, THUMB_HEIGHT, "gray", interpolation="AREA").to_ndarray()
    gray: Gray = small[:THUMB_HEIGHT, :THUMB_WIDTH].astype(np.int16)
    return gray


def change(one: Gray, other: Gray) -> float:
    """Give the greatest change of brightness of any block of the picture, 0 to 255."""
    blocks = (one - other).reshape(THUMB_HEIGHT // POOL, POOL, THUMB_WIDTH // POOL, POOL).mean(axis=(1, 3))
    return float(np.abs(blocks).max())


def liveliness(gray: Gray) -> float:
    """Tell how much there is to see: contrast and edges; a black or blurred frame gives little."""
    edges = np.abs(np.diff(gray, axis=0)).mean() + np.abs(np.diff(gray, axis=1)).mean()
    return float(gray.std() + 4.0 * edges)
