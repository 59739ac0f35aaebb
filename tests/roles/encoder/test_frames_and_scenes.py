"""The workers of L1 and L2 over real files: what they tell, and that no file harms more than its worker."""

import asyncio

import av
import numpy as np
import pytest
from made_media import jpeg_size, movie, picture, speech

from mesh.adapters.workers import ProcessWorkers
from roles.encoder.adapters.wire import PICTURE, SCENE, MediaConfig, Picture, Scene, unpack
from roles.encoder.analysis import FRAMES_LIMITS, FRAMES_WORKER, SCENES_LIMITS, SCENES_WORKER
from roles.encoder.media_work import Limits, MediaWork, UnreadableError, WorkerDiedError


class Bytes:
    def __init__(self, data):
        self.data, self.size = data, len(data)

    async def read(self, offset, size):
        return self.data[offset : offset + size]


def told(module, data, limits, name="a.mp4", **config):
    async def main():
        run = MediaWork(ProcessWorkers()).run(module, MediaConfig(name, len(data), **config), Bytes(data), limits)
        return [frame async for frame in run]

    return asyncio.run(main())


def pictures(data, **config):
    return [unpack(Picture, one) for one in told(FRAMES_WORKER, data, FRAMES_LIMITS, **config) if one[:1] == PICTURE]


def scenes(data, **config):
    return [unpack(Scene, one) for one in told(SCENES_WORKER, data, SCENES_LIMITS, **config) if one[:1] == SCENE]


def cut_clip(path, colours, seconds_each=2, rate=10, still=False):
    """A clip that cuts from one colour, over which stripes wander, to the next."""
    slope = np.indices((240, 320)).sum(axis=0)[:, :, None].repeat(3, axis=2) % 80
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"g": str(rate)})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for colour in colours:
            for at in range(seconds_each * rate):
                moved = slope if still else np.roll(slope, at * 3, axis=1)
                pixels = np.clip(moved + np.array(colour), 0, 255).astype(np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        out.mux(stream.encode(None))
    return path.read_bytes()


RED, GREEN, BLUE = (160, 0, 0), (0, 160, 0), (0, 0, 160)


def test_cuts_are_found_to_the_frame_and_each_scene_has_its_hero(tmp_path):
    found = scenes(cut_clip(tmp_path / "a.mp4", [RED, GREEN, BLUE]))
    assert [(one.start_ms, one.end_ms) for one in found] == [(0, 2000), (2000, 4000), (4000, 6000)]
    assert all(one.start_ms <= one.hero_ms < one.end_ms for one in found)
    assert [jpeg_size(one.hero) for one in found] == [(320, 240)] * 3


def test_a_clip_without_a_cut_is_one_scene(tmp_path):
    found = scenes(cut_clip(tmp_path / "a.mp4", [RED]))
    assert [(one.start_ms, one.end_ms) for one in found] == [(0, 2000)]


def test_frames_are_sampled_about_once_a_second_and_less_where_nothing_changes(tmp_path):
    lively = pictures(cut_clip(tmp_path / "a.mp4", [RED, GREEN, BLUE]))
    assert [one.at_ms for one in lively][:1] == [0]
    assert 3 <= len(lively) <= 7
    dull = pictures(cut_clip(tmp_path / "b.mp4", [RED], 8, still=True))
    assert len(dull) == 1
    assert jpeg_size(dull[0].jpeg) == (320, 240)


def test_sampling_twice_gives_the_same_places(tmp_path):
    data = cut_clip(tmp_path / "a.mp4", [RED, GREEN])
    assert [one.at_ms for one in pictures(data)] == [one.at_ms for one in pictures(data)]


def test_a_long_file_gives_no_more_pictures_than_asked_for(tmp_path):
    data = cut_clip(tmp_path / "a.mp4", [RED, GREEN, BLUE] * 3, 2)
    assert len(pictures(data, pictures_max=4)) <= 5


def test_a_picture_is_one_frame_and_has_no_scenes(tmp_path):
    data = picture(tmp_path / "a.png").read_bytes()
    assert [one.at_ms for one in pictures(data, name="a.png")] == [0]
    with pytest.raises(UnreadableError, match="no moving pictures"):
        scenes(data)


def test_sound_alone_has_no_pictures(tmp_path):
    data = speech(tmp_path / "a.wav").read_bytes()
    for run in (pictures, scenes):
        with pytest.raises(UnreadableError, match="pictures"):
            run(data)


@pytest.mark.parametrize("data", [b"", b"just a text", bytes(100_000)], ids=("nothing", "text", "zeroes"))
@pytest.mark.parametrize("run", [pictures, scenes])
def test_what_is_no_media_is_said_and_is_hopeless(run, data):
    with pytest.raises(UnreadableError) as caught:
        run(data)
    assert not isinstance(caught.value, WorkerDiedError)


@pytest.mark.parametrize("run", [pictures, scenes])
def test_of_a_file_that_breaks_off_what_can_be_decoded_is_used(tmp_path, run):
    data = movie(tmp_path / "a.ts", 6.0).read_bytes()
    assert run(data[: len(data) // 2])


def test_a_worker_that_dies_or_hangs_is_another_try(tmp_path):
    data = cut_clip(tmp_path / "a.mp4", [RED, GREEN])
    for limits in (Limits(60, 60.0, 1 << 30, silent_s=0.01), Limits(60, 60.0, 1 << 20)):
        with pytest.raises(WorkerDiedError):
            told(FRAMES_WORKER, data, limits)
