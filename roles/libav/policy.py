"""How libav may open things.

libav follows references: a playlist, a concat script or an SDP text makes it open other files and hosts. So every file
is given to it as an open handle, no protocol is allowed behind that handle, and only demuxers that read nothing but
their own bytes may look at it. Each kind of network source has a protocol and a demuxer list of its own.

Invariant: no byte of an untrusted file names something that libav then opens.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error

from proto.codec import Malformed

FILE_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "avi",
    "mpegts",
    "mpeg",
    "mpegvideo",
    "flv",
    "asf",
    "ogg",
    "wav",
    "w64",
    "aiff",
    "caf",
    "mp3",
    "aac",
    "flac",
    "ac3",
    "mxf",
    "gxf",
    "dv",
    "ivf",
    "h264",
    "hevc",
    "obu",
    "m4v",
    "mjpeg",
    "gif",
    "apng",
    "jpeg_pipe",
    "png_pipe",
    "webp_pipe",
    "bmp_pipe",
    "tiff_pipe",
    "rm",
    "nut",
    "yuv4mpegpipe",
)
"""Demuxers that read their own bytes alone. Not hls, dash, concat, sdp, image2, imf or any other that opens files."""

RTSP_PROTOCOLS = "rtsp,rtsps,rtp,srtp,tcp,udp,tls"


class CannotOpenError(Exception):
    """A source cannot be used; one sentence that says why, for the one who gave it."""


def explain(error: BaseException, name: str) -> str:
    """Give libav's error as a sentence about ``name``."""
    match error:
        case av.error.InvalidDataError():
            return f"{name} is no media file that can be read"
        case av.error.ArgumentError():
            return f"{name} is no media file of a kind that is taken"
        case av.error.EOFError():
            return f"{name} is empty or cut short"
        case av.error.TimeoutError() | av.error.ExitError():
            return f"{name} did not answer in time"
        case av.error.ConnectionRefusedError():
            return f"{name} refused the connection; is the camera on, and the port right?"
        case av.error.HTTPUnauthorizedError():
            return f"{name} wants a user and password, or those given are wrong"
        case av.error.HTTPNotFoundError():
            return f"{name} has no such stream; check the path"
        case av.error.OSError():
            return f"{name} cannot be opened: {error.strerror}"
        case av.error.FFmpegError():
            # Never the error's own text: it names what was opened, and a camera's URL holds its password.
            return f"{name} cannot be read: {error.strerror}"
        case Malformed():
            return f"{name} is damaged: {error}"
        case _:
            return f"{name} cannot be read: {type(error).__name__}"


class _Nameless:
    """A handle without a name: libav would choose a demuxer by its ending, and not by what is in it."""

    def __init__(self, handle: Any) -> None:
        self.read, self.seek, self.tell = handle.read, handle.seek, handle.tell


def open_inside(path: Path, folders: Sequence[Path], name: str) -> BinaryIO:
    """Open a plain file that lies in one of these folders; CannotOpenError says why not.

    What was opened is looked at, not what the path named before: a link that is changed meanwhile leads nowhere else.
    """
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    outside = f"{name} is outside the folders this node plays files from; add its folder to proxy.file_folders"
    if not _inside(path.resolve(), folders):
        raise CannotOpenError(outside)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise CannotOpenError(f"{name} cannot be opened: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise CannotOpenError(f"{name} is no file")
        if not _inside(_really(descriptor, path), folders):
            raise CannotOpenError(outside)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _inside(path: Path | None, folders: Sequence[Path]) -> bool:
    return path is not None and any(path.is_relative_to(folder.resolve()) for folder in folders)


def _really(descriptor: int, path: Path) -> Path | None:
    """Give where an open file lies; None when that cannot be told."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return Path(f"/proc/self/fd/{descriptor}").readlink()
    with contextlib.suppress(OSError):
        found = path.resolve()
        if os.path.samestat(found.stat(), os.fstat(descriptor)):
            return found
    return None


@contextmanager
def open_file(path: Path, name: str) -> Iterator[av.container.InputContainer]:
    """Open a media file as a handle with nothing behind it; CannotOpenError says why not."""
    try:
        handle = path.open("rb")
    except OSError as error:
        raise CannotOpenError(f"{name} cannot be opened: {error.strerror}") from error
    with handle, open_handle(handle, name) as container:
        yield container


@contextmanager
def open_handle(handle: Any, name: str) -> Iterator[av.container.InputContainer]:
    """Open what a handle (``read``, ``seek``, ``tell``) gives, with nothing behind it; CannotOpenError says why not."""
    if handle.seek(0, 2) == 0:
        raise CannotOpenError(f"{name} is empty (0 bytes)")
    handle.seek(0)
    options = {"protocol_whitelist": "none", "format_whitelist": ",".join(FILE_DEMUXERS)}
    try:
        container = av.open(_Nameless(handle), mode="r", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise CannotOpenError(explain(error, name)) from error
    with container:
        if container.format.name not in FILE_DEMUXERS:
            raise CannotOpenError(f"{name} is a {container.format.name} file, which is not taken")
        if not any(stream.type in ("video", "audio") for stream in container.streams):
            raise CannotOpenError(f"{name} has neither pictures nor sound")
        yield container


def open_rtsp(url: str, name: str, timeout_s: float) -> av.container.InputContainer:
    """Open an RTSP camera over TCP; CannotOpenError says why not. ``url`` may hold credentials and is never told."""
    options = {
        "protocol_whitelist": RTSP_PROTOCOLS,
        "format_whitelist": "rtsp",
        "rtsp_transport": "tcp",
        "fflags": "nobuffer",
        "timeout": str(int(timeout_s * 1e6)),
    }
    return _open_device(url, "rtsp", options, name, timeout_s)


def open_v4l2(path: str, name: str, options: dict[str, str]) -> av.container.InputContainer:
    """Open a capture node; ``options`` are libav's (input_format, video_size, framerate)."""
    return _open_device(path, "v4l2", {**options, "protocol_whitelist": "file"}, name, 10.0)


def _open_device(
    url: str, demuxer: str, options: dict[str, str], name: str, timeout_s: float
) -> av.container.InputContainer:
    opened: Any
    try:
        opened = av.open(url, mode="r", format=demuxer, options=options, timeout=(timeout_s, timeout_s))
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise CannotOpenError(explain(error, name)) from None
    return opened  # type: ignore[no-any-return]
