"""Whether what a source names is there and may be opened: a file in the node's folders, or a capture device.

Looked at when a source is added, so that what can never work is refused, and (devices) again when it is opened:
opening a device that is none can do anything. Files are opened by ``roles.libav.policy``, which looks for itself.
Blocking.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from roles.proxy.sources import Source, SourceError

VIDEO4LINUX_MAJOR = 81
DEVICES = Path("/dev")


def look(source: Source, folders: Sequence[str]) -> None:
    """Look whether a source is there; SourceError says what is wrong."""
    match source.kind:
        case "file":
            _file(source.path, folders)
        case "v4l2":
            capture_node(source.path)
        case _:
            pass


def capture_node(path: str) -> Path:
    """Give the capture device that a path leads to; SourceError when it is none."""
    if sys.platform != "linux":
        raise SourceError("v4l2: devices are Linux'; on this system add a camera as rtsp://, file: or test:")
    allowed = "v4l2: opens video capture devices under /dev alone; `thatdam devices` lists those of a node"
    try:
        found = Path(path).resolve(strict=True)
        status = found.stat()
    except (OSError, RuntimeError):
        raise SourceError(f"this device is not there, or may not be looked at; {allowed}") from None
    if not found.is_relative_to(DEVICES) or not stat.S_ISCHR(status.st_mode):
        raise SourceError(f"this is no capture device; {allowed}")
    if os.major(status.st_rdev) != VIDEO4LINUX_MAJOR:
        raise SourceError(f"this device captures no video; {allowed}")
    return found


def _file(path: str, folders: Sequence[str]) -> None:
    if not folders:
        raise SourceError("this node plays no files as cameras; start it with --file-folder FOLDER")
    listed = ", ".join(folders)
    outside = f"this file is outside the folders this node plays files from ({listed}); put it there, or start the node"
    try:
        found = Path(path).resolve()
    except (OSError, RuntimeError):
        raise SourceError("this path leads nowhere") from None
    if not any(found.is_relative_to(Path(folder).resolve()) for folder in folders):
        raise SourceError(f"{outside} with --file-folder FOLDER")
    try:
        regular = stat.S_ISREG(found.stat().st_mode)
    except OSError as error:
        raise SourceError(f"this file cannot be opened: {error.strerror}; files are played from {listed}") from None
    if not regular:
        raise SourceError(f"this is no file; a film in one of {listed} is taken")
