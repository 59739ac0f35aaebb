"""Which stream of a file shows it, and its frames with their place in milliseconds.

libav's errors in the middle of a file are not the end: what can be decoded is used, and a file none of whose frames can
be is named unreadable.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import av
import av.error

from roles.libav.policy import CannotOpenError, explain

ERRORS_MAX = 50
"""Broken packets in a row after which the rest of a file is given up."""
GOP_LOOK_PACKETS = 900
STILL_FORMATS = ("gif", "apng")


def pictures(container: Any) -> Any | None:
    """Give the stream that shows a file, or None; of a HEIC picture in tiles its whole, smaller version."""
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    moving = [stream for stream in streams if not _is_cover(stream)]
    if is_still(container) and len(moving) > 1:
        sizes: dict[tuple[int, int], list[Any]] = {}
        for stream in moving:
            sizes.setdefault((stream.codec_context.width, stream.codec_context.height), []).append(stream)
        alone = [group[0] for group in sizes.values() if len(group) == 1]
        return alone[0] if alone else moving[0]
    return moving[0] if moving else None


def cover(container: Any) -> Any | None:
    """Give the picture that a sound file carries, or None."""
    return next((stream for stream in container.streams.video if _is_cover(stream)), None)


def is_still(container: Any) -> bool:
    """Tell whether a file is one picture."""
    name = container.format.name
    if name.endswith("_pipe") or name in STILL_FORMATS:
        return True
    videos = container.streams.video
    return (
        name.startswith("mov")
        and bool(videos)
        and not container.duration
        and not container.streams.audio
        and all(stream.frames == 1 for stream in videos)
    )


def frames(container: Any, stream: Any, name: str) -> Iterator[tuple[int, Any]]:
    """Give (milliseconds from the start, frame) of all that can be decoded; CannotOpenError when nothing can."""
    if not stream.codec_context.is_open:
        stream.thread_count = 1
    start = stream.start_time or 0
    base = stream.time_base
    errors, given, last_ms = 0, 0, 0
    last_error: BaseException | None = None
    packets = container.demux(stream)
    while errors < ERRORS_MAX:
        try:
            packet = next(packets)
            decoded = packet.decode()
        except StopIteration:
            break
        except av.error.EOFError:
            break
        except (av.error.FFmpegError, ValueError) as error:
            errors += 1
            last_error = error
            continue
        for frame in decoded:
            errors = 0
            given += 1
            if frame.pts is not None and base is not None:
                last_ms = max(0, int((frame.pts - start) * base * 1000))
            yield last_ms, frame
    if not given:
        why = f": {explain(last_error, name)}" if last_error is not None else ""
        raise CannotOpenError(f"{name} holds no picture that can be decoded{why}")


def key_frame_gap_ms(container: Any, stream: Any) -> int:
    """Give the longest time between two key frames among a file's first packets; 0 when there are too few to tell."""
    times = []
    for number, packet in enumerate(container.demux(stream)):
        if packet.is_keyframe and packet.pts is not None:
            times.append(packet.pts)
        if number >= GOP_LOOK_PACKETS:
            break
    container.seek(0)
    if len(times) < 3 or stream.time_base is None:
        return 0
    times.sort()
    return int(max(b - a for a, b in itertools.pairwise(times)) * stream.time_base * 1000)


def duration_ms(container: Any, stream: Any | None) -> int:
    """Give a file's length, 0 when it does not say."""
    if container.duration:
        return int(container.duration // 1000)
    if stream is not None and stream.duration and stream.time_base:
        return int(stream.duration * stream.time_base * 1000)
    return 0


def _is_cover(stream: Any) -> bool:
    return bool(int(stream.disposition) & int(av.stream.Disposition.attached_pic))
