"""L0: what a file is, and a poster of it. Run by the node as a process, never imported by it."""

from __future__ import annotations

from typing import Any

import av.logging

from roles.encoder.adapters.pictures import jpeg, liveliness, thumb
from roles.encoder.adapters.pipe import RemoteFile, serve, write_frame
from roles.encoder.adapters.streams import cover, duration_ms, frames, is_still, pictures
from roles.encoder.adapters.wire import PROBED, MediaConfig, Probed, pack, unpack
from roles.libav.policy import CannotOpenError, open_handle

POSTER_SIDE = 640
POSTER_AT = 0.1
POSTER_AT_MS_MAX = 10_000
POSTER_LOOKS = 50
LIVELY = 30.0
META = ("title", "artist", "album", "comment", "date", "creation_time", "make", "model", "encoder")
META_CHARS_MAX = 200

_MIME = {
    "matroska,webm": "video/x-matroska",
    "avi": "video/x-msvideo",
    "mpegts": "video/mp2t",
    "mpeg": "video/mpeg",
    "flv": "video/x-flv",
    "asf": "video/x-ms-wmv",
    "jpeg_pipe": "image/jpeg",
    "png_pipe": "image/png",
    "webp_pipe": "image/webp",
    "bmp_pipe": "image/bmp",
    "tiff_pipe": "image/tiff",
    "gif": "image/gif",
    "apng": "image/apng",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "aac": "audio/aac",
    "aiff": "audio/aiff",
}


def probe(container: Any, name: str) -> Probed:
    """Tell what an open file is; CannotOpenError when neither picture nor sound of it can be decoded."""
    still = is_still(container)
    stream = pictures(container)
    sound = container.streams.audio[0] if container.streams.audio else None
    kind = "image" if still else "video" if stream is not None else "audio"
    length_ms = 0 if still else duration_ms(container, stream or sound)
    shown = stream if stream is not None else cover(container)
    poster, size, note = b"", (0, 0), ""
    if shown is not None:
        try:
            poster, size = _poster(container, shown, name, length_ms)
        except CannotOpenError as error:
            if kind == "image" or sound is None:
                raise
            note = str(error)
    elif sound is not None:
        _hear(container, sound, name)
    rate = float(stream.average_rate or 0) if stream is not None and kind == "video" else 0.0
    pieces = stream is not None and still and len(container.streams.video) > 1
    return Probed(
        kind,
        _mime(container.format.name, kind, still),
        stream.codec_context.name if stream is not None else "",
        sound.codec_context.name if sound is not None and kind != "image" else "",
        0 if pieces or kind == "audio" else size[0],
        0 if pieces or kind == "audio" else size[1],
        round(rate, 3),
        length_ms,
        int(container.bit_rate or 0),
        tuple((key, str(container.metadata[key])[:META_CHARS_MAX]) for key in META if container.metadata.get(key)),
        poster,
        "shown by its own thumbnail: the picture is stored in tiles" if pieces else note,
    )


def _poster(container: Any, stream: Any, name: str, length_ms: int) -> tuple[bytes, tuple[int, int]]:
    at_ms = min(int(length_ms * POSTER_AT), POSTER_AT_MS_MAX)
    if at_ms > 0:
        try:
            container.seek(at_ms * 1000)
        except av.error.FFmpegError:
            container.seek(0)
    best: Any = None
    best_score = -1.0
    try:
        for looks, (_, frame) in enumerate(frames(container, stream, name)):
            score = liveliness(thumb(frame))
            if score > best_score:
                best, best_score = frame, score
            if score >= LIVELY or looks >= POSTER_LOOKS:
                break
    except CannotOpenError:
        if not at_ms:
            raise
        container.seek(0)
        return _poster(container, stream, name, 0)
    size = (best.width, best.height)
    turned = round(float(getattr(best, "rotation", 0) or 0) / 90.0) % 2
    return jpeg(best, POSTER_SIDE), size[::-1] if turned else size


def _hear(container: Any, stream: Any, name: str) -> None:
    for _ in frames(container, stream, name):
        return


def _mime(name: str, kind: str, still: bool) -> str:
    if name.startswith("mov"):
        return "image/heic" if still else "audio/mp4" if kind == "audio" else "video/mp4"
    known = _MIME.get(name, "")
    if kind == "audio" and known.startswith("video/"):
        return "audio/" + known.removeprefix("video/")
    return known or {"video": "video/x-unknown", "audio": "audio/x-unknown"}.get(kind, "application/octet-stream")


def run(first: bytes) -> None:
    """Probe the file of a task and tell."""
    config = unpack(MediaConfig, b" " + first)
    with open_handle(RemoteFile(config.size), config.name) as container:
        write_frame(pack(PROBED, probe(container, config.name)))


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    serve(run)
