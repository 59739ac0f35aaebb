"""L1's eyes: frames sampled about once a second, fewer where nothing changes or the file is long.

Where key frames come often enough only they are decoded, which is what makes hours of recordings cheap. A frame that
looks like the last one given is left out, but one in STILL_MS is always given. Run as a process, never imported.
"""

from __future__ import annotations

from typing import Any

import av.logging

from roles.encoder.adapters.pictures import change, jpeg, thumb
from roles.encoder.adapters.pipe import RemoteFile, serve, write_frame
from roles.encoder.adapters.streams import duration_ms, frames, is_still, key_frame_gap_ms, pictures
from roles.encoder.adapters.wire import PICTURE, PROGRESS, MediaConfig, Picture, pack, unpack
from roles.libav.policy import CannotOpenError, open_handle

SIDE = 640
CHANGED = 12.0
"""Grey levels by which some block must differ for a frame to be worth another look."""
STILL_MS = 10_000
KEY_GAP_FACTOR = 1.6
PROGRESS_MS = 30_000


def sample(container: Any, config: MediaConfig) -> None:
    """Give the pictures of an open file; CannotOpenError when it has none."""
    stream = pictures(container)
    if stream is None:
        raise CannotOpenError(f"{config.name} has no pictures")
    length_ms = 0 if is_still(container) else duration_ms(container, stream)
    interval_ms = max(config.interval_ms, length_ms // max(1, config.pictures_max))
    if length_ms > 2 * interval_ms:
        gap_ms = key_frame_gap_ms(container, stream)
        if 0 < gap_ms <= KEY_GAP_FACTOR * max(interval_ms, 1000):
            stream.codec_context.skip_frame = "NONKEY"
    next_ms, told_ms, given_ms, count = 0, 0, 0, 0
    last: Any = None
    for at_ms, frame in frames(container, stream, config.name):
        if at_ms - told_ms >= PROGRESS_MS:
            told_ms = at_ms
            write_frame(PROGRESS + str(at_ms).encode())
        if at_ms < next_ms:
            continue
        # A source's jitter must not make one second two: the next look is due on the grid, not after the late frame.
        next_ms = (at_ms // interval_ms + 1) * interval_ms
        look = thumb(frame)
        if last is not None and at_ms - given_ms < STILL_MS and change(look, last) < CHANGED:
            continue
        last, given_ms = look, at_ms
        write_frame(pack(PICTURE, Picture(at_ms, jpeg(frame, SIDE))))
        count += 1
        if count >= 2 * config.pictures_max:
            break  # a file that lies about its length


def run(first: bytes) -> None:
    """Sample the file of a task."""
    config = unpack(MediaConfig, b" " + first)
    with open_handle(RemoteFile(config.size), config.name) as container:
        sample(container, config)


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    serve(run)
