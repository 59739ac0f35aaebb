"""L2: where scenes begin and end, and the frame that shows each best. Run as a process, never imported.

The cuts are PySceneDetect's content detector's, fed frame by frame as they are decoded, so that memory does not grow
with the file. A hero is looked for twice a second, not right at a cut, where pictures blend.
"""

from __future__ import annotations

import importlib
from typing import Any

import av.logging

from roles.encoder.adapters.pictures import jpeg, liveliness, thumb
from roles.encoder.adapters.pipe import RemoteFile, serve, write_frame
from roles.encoder.adapters.streams import duration_ms, frames, is_still, pictures
from roles.encoder.adapters.wire import PROGRESS, SCENE, MediaConfig, Scene, pack, unpack
from roles.libav.policy import CannotOpenError, open_handle

WIDTH = 256
HERO_SIDE = 640
HERO_EVERY_MS = 500
HERO_AFTER_CUT_MS = 300
SCENE_MS_MIN = 600
SCENES_MAX = 20_000
PROGRESS_MS = 30_000
RATE_DEFAULT = 25.0


class _Hero:
    """The best frame of a scene so far; holds one scaled frame."""

    def __init__(self, start_ms: int) -> None:
        self.start_ms = start_ms
        self.at_ms = start_ms
        self._score = -1.0
        self._frame: Any = None
        self._next_ms = start_ms

    def look(self, at_ms: int, frame: Any) -> None:
        """See whether a frame shows the scene better."""
        if at_ms < self._next_ms and self._frame is not None:
            return
        self._next_ms = at_ms + HERO_EVERY_MS
        score = liveliness(thumb(frame))
        if at_ms - self.start_ms < HERO_AFTER_CUT_MS:
            score /= 4
        if score > self._score * 1.05 or self._frame is None:
            self._score, self._frame, self.at_ms = score, frame, at_ms

    def give(self, end_ms: int) -> None:
        """Tell the scene."""
        hero = jpeg(self._frame, HERO_SIDE) if self._frame is not None else b""
        write_frame(pack(SCENE, Scene(self.start_ms, max(end_ms, self.start_ms), self.at_ms, hero)))


def find(container: Any, config: MediaConfig) -> None:
    """Tell the scenes of an open file; CannotOpenError when it has no pictures."""
    scenedetect: Any = importlib.import_module("scenedetect")
    detectors: Any = importlib.import_module("scenedetect.detectors")
    stream = pictures(container)
    if stream is None or is_still(container):
        raise CannotOpenError(f"{config.name} has no moving pictures")
    rate = float(stream.average_rate or RATE_DEFAULT)
    rate = rate if 1.0 <= rate <= 240.0 else RATE_DEFAULT
    detector = detectors.ContentDetector(min_scene_len=max(1, round(rate * SCENE_MS_MIN / 1000)))
    times: dict[int, int] = {}
    kept = round(rate * 2 * SCENE_MS_MIN / 1000) + 64
    hero: _Hero | None = None
    last_ms, told_ms, scenes, number = 0, 0, 0, 0
    for number, (at_ms, frame) in enumerate(frames(container, stream, config.name)):
        times[number] = last_ms = max(last_ms, at_ms)
        times.pop(number - kept, None)
        small = frame.reformat(WIDTH, max(2, round(frame.height * WIDTH / frame.width / 2) * 2), "bgr24")
        cuts = detector.process_frame(scenedetect.FrameTimecode(number, rate), small.to_ndarray())
        if hero is None:
            hero = _Hero(last_ms)
        for cut in cuts:
            cut_ms = times.get(int(cut.frame_num), last_ms)
            if cut_ms > hero.start_ms and scenes < SCENES_MAX:
                hero.give(cut_ms)
                scenes += 1
                hero = _Hero(cut_ms)
        hero.look(last_ms, frame)
        if last_ms - told_ms >= PROGRESS_MS:
            told_ms = last_ms
            write_frame(PROGRESS + str(last_ms).encode())
    if hero is not None:
        hero.give(max(last_ms + round(1000 / rate), duration_ms(container, stream) if number else 0))


def run(first: bytes) -> None:
    """Find the scenes of a task's file."""
    config = unpack(MediaConfig, b" " + first)
    with open_handle(RemoteFile(config.size), config.name) as container:
        find(container, config)


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    serve(run)
