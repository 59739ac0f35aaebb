"""L0: what a file is, and a poster of it. Run by the node as a process, never imported by it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import av.error
import av.logging

from proto.codec import Malformed, Value
from roles.encoder.adapters.pictures import jpeg, liveliness, thumb
from roles.encoder.adapters.pipe import RemoteFile, serve, write_frame
from roles.encoder.adapters.streams import cover, duration_ms, frames, is_still, pictures
from roles.encoder.adapters.wire import PROBED, MediaConfig, Probed, pack, unpack
from roles.libav.policy import CannotOpenError, open_handle
from roles.media import exif
from roles.media.extent import is_cut_short

POSTER_SIDE = 640
POSTER_AT = 0.1
POSTER_AT_MS_MAX = 10_000
POSTER_LOOKS = 50
LIVELY = 30.0
TAIL_MS = 5_000
TAIL_MS_MIN = 1_000
"""A file may end this much before the length it states: streams of one file end at different times."""
TAIL_PACKETS_MAX = 20_000
META = ("title", "artist", "album", "comment", "date", "creation_time", "encoder")
META_CHARS_MAX = 200

_MIME = {
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


def probe(container: Any, name: str, handle: RemoteFile) -> Probed:
    """Tell what an open file is, and what is wrong with it."""
    still = is_still(container)
    stream = pictures(container)
    sound = container.streams.audio[0] if container.streams.audio else None
    kind = "image" if still else "video" if stream is not None else "audio"
    length_ms = 0 if still else duration_ms(container, stream or sound)
    shown = stream if stream is not None else cover(container)
    poster, size, note, error = b"", (0, 0), "", ""
    if shown is not None:
        try:
            poster, size = _poster(container, shown, name, length_ms)
        except CannotOpenError as why:
            if kind == "audio":
                note = "its cover picture cannot be decoded"
            else:
                error, size = str(why), (shown.codec_context.width, shown.codec_context.height)
    if sound is not None and kind == "audio":
        error = _hear(container, sound, name)
    error = error or ("" if still else _cut_short(container, name, length_ms))
    if not error and is_cut_short(_reader(handle), handle.size):
        error = f"{name} is cut short: its last bytes are missing"
    rate = float(stream.average_rate or 0) if stream is not None and kind == "video" else 0.0
    if kind == "image" and stream is not None and len(container.streams.video) > 1:
        size, note = _whole_heif(handle, size), "shown by its own thumbnail: the picture is stored in tiles"
    width, height = (0, 0) if kind == "audio" else size
    return Probed(
        kind,
        _mime(container, handle, kind, still),
        stream.codec_context.codec.canonical_name if stream is not None else "",
        sound.codec_context.codec.canonical_name if sound is not None and kind != "image" else "",
        width,
        height,
        round(rate, 3),
        length_ms,
        int(container.bit_rate or 0),
        tuple(sorted(_meta(container, handle, kind).items())),
        poster,
        note,
        error[:512],
    )


def _meta(container: Any, handle: RemoteFile, kind: str) -> dict[str, Value]:
    tags = {str(key): str(value) for key, value in container.metadata.items()}
    told: dict[str, Value] = {key: tags[key][:META_CHARS_MAX] for key in META if tags.get(key)}
    told |= exif.of_tags(tags)
    if kind == "image":
        told |= exif.exif_of(_reader(handle), handle.size)
    return told


def _reader(handle: RemoteFile) -> Callable[[int, int], bytes]:
    def read(offset: int, size: int) -> bytes:
        handle.seek(offset)
        return handle.read(size)

    return read


def _whole_heif(handle: RemoteFile, upright: tuple[int, int]) -> tuple[int, int]:
    """Give a tiled picture's size as it is shown; ``upright`` is its thumbnail's, which libav has turned."""
    try:
        found = exif.heif(_reader(handle), handle.size)
    except (Malformed, struct.error, IndexError, OverflowError):
        return (0, 0)
    turned = (upright[0] < upright[1]) != (found.width < found.height)
    return (found.height, found.width) if turned else (found.width, found.height)


def _cut_short(container: Any, name: str, length_ms: int) -> str:
    """Say so when a file ends before the length it states; read from its end, so that it costs the same for hours."""
    if length_ms < TAIL_MS_MIN or not container.duration:
        return ""
    start_us = container.start_time or 0
    last_ms = -1
    try:
        container.seek(start_us + max(0, length_ms - TAIL_MS) * 1000)
        for number, packet in enumerate(container.demux()):
            if packet.pts is not None and packet.time_base is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base * 1000
                last_ms = max(last_ms, int(end) - start_us // 1000)
            if number >= TAIL_PACKETS_MAX:
                return ""
    except av.error.FFmpegError:
        pass
    if last_ms < 0:
        return f"{name} is cut short: its end is missing"
    if length_ms - last_ms <= max(TAIL_MS_MIN, length_ms // 50):
        return ""
    return f"{name} is cut short: it states {length_ms / 1000:.1f} s, and ends after {last_ms / 1000:.1f} s"


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


def _hear(container: Any, stream: Any, name: str) -> str:
    """Give why no sound of a file can be decoded, or nothing."""
    try:
        for _ in frames(container, stream, name):
            return ""
    except CannotOpenError as why:
        return str(why)
    return ""


def _mime(container: Any, handle: RemoteFile, kind: str, still: bool) -> str:
    name = container.format.name
    if name.startswith("mov"):
        brand = str(container.metadata.get("major_brand", "")).strip()
        if still:
            return "image/avif" if brand.startswith("avi") else "image/heic"
        return "audio/mp4" if kind == "audio" else "video/quicktime" if brand == "qt" else "video/mp4"
    if name.startswith("matroska"):
        handle.seek(0)
        return f"{kind}/{'webm' if b'webm' in handle.read(64) else 'x-matroska'}"
    known = _MIME.get(name, "")
    if kind == "audio" and known.startswith("video/"):
        return "audio/" + known.removeprefix("video/")
    return known or {"video": "video/x-unknown", "audio": "audio/x-unknown"}.get(kind, "application/octet-stream")


def run(first: bytes) -> None:
    """Probe the file of a task and tell."""
    config = unpack(MediaConfig, b" " + first)
    handle = RemoteFile(config.size)
    with open_handle(handle, config.name) as container:
        write_frame(pack(PROBED, probe(container, config.name, handle)))


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    serve(run)
