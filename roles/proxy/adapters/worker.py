"""The worker process of one source: opens it once, gives its units until told to end. Run by the node, never imported.

Its first input frame is the Config; the end of its input is its end. Exit status 0: the source ended or the node left;
3: the source cannot be used (the last Status says why).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import av.logging

from roles.libav.policy import CannotOpenError, open_handle, open_inside, open_rtsp, open_v4l2
from roles.proxy.adapters import test_source
from roles.proxy.adapters.emitter import Emitter
from roles.proxy.adapters.streams import Demuxer
from roles.proxy.adapters.switch import Pictures
from roles.proxy.adapters.wire import PICTURES_OFF, PICTURES_ON, Config
from roles.proxy.presence import capture_node
from roles.proxy.sources import SourceError, read_test, read_v4l2

RTSP_TIMEOUT_S = 8.0
UNUSABLE = 3

T = TypeVar("T")


def _read(size: int) -> bytes:
    return sys.stdin.buffer.read(size)


def _read_frame() -> bytes | None:
    head = _read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "big")
    body = _read(size)
    return body if len(body) == size else None


def _listen(pictures: Pictures) -> None:
    while (frame := _read_frame()) is not None:
        if frame == PICTURES_ON:
            pictures.wanted = True
        elif frame == PICTURES_OFF:
            pictures.wanted = False
    os._exit(0)  # the node is gone or has had enough: libav may hang, so no clean-up


def run(config: Config, emitter: Emitter, pictures: Pictures) -> None:
    """Open the source that ``config`` names and emit it to its end; CannotOpenError says why it cannot be."""
    scheme, _, rest = config.url.partition(":")
    match scheme:
        case "test":
            test_source.run(_checked(lambda: read_test(rest)), emitter, pictures)
        case "file":
            _run_file(config, rest, emitter, pictures)
        case "rtsp" | "rtsps":
            with open_rtsp(config.url, config.name, RTSP_TIMEOUT_S) as container:
                Demuxer(emitter, pictures, paced=False).run(container, config.name)
        case "v4l2":
            path, _, query = rest.partition("?")
            names = {"size": "video_size", "rate": "framerate", "format": "input_format"}
            options = {names[key]: value for key, value in _checked(lambda: read_v4l2(query)).items()}
            device = _checked(lambda: capture_node(path))
            with open_v4l2(str(device), config.name, options) as container:
                Demuxer(emitter, pictures, paced=False).run(container, config.name)
        case _:
            raise CannotOpenError(f"there is no kind of source {scheme!r}; there are test:, file:, rtsp:// and v4l2:")


def _checked(read: Callable[[], T]) -> T:
    try:
        return read()
    except SourceError as error:
        raise CannotOpenError(str(error)) from None


def _run_file(config: Config, rest: str, emitter: Emitter, pictures: Pictures) -> None:
    text, _, query = rest.partition("?")
    loop = "loop" in query.split("&")
    folders = [Path(folder) for folder in config.folders]
    demuxer = Demuxer(emitter, pictures, paced=True)
    base = 0
    while True:
        with open_inside(Path(text), folders, config.name) as handle, open_handle(handle, config.name) as container:
            end = demuxer.run(container, config.name, base)
        if not loop:
            return
        if end <= base:
            raise CannotOpenError(f"{config.name} holds no frame")
        base = end


def main() -> int:
    """Run the worker."""
    first = _read_frame()
    if first is None:
        return 0
    config = Config.unpack(first)
    # libav's own lines name what it opens: a URL that holds a password is not to be in them.
    av.logging.set_level(av.logging.ERROR if config.url == config.name else av.logging.PANIC)
    emitter, pictures = Emitter(epoch_after=config.epoch_after), Pictures()
    threading.Thread(target=_listen, args=(pictures,), daemon=True).start()
    try:
        emitter.state("connecting")
        run(config, emitter, pictures)
    except CannotOpenError as error:
        emitter.state("error", str(error))
        return UNUSABLE
    except BrokenPipeError:
        os._exit(0)
    emitter.state("ended", "the source has ended")
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the listening thread still holds the input
