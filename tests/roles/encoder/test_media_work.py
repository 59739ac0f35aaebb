"""What a worker tells of real files, and that no file harms more than its worker."""

import asyncio
import os
import signal

import pytest
from made_media import jpeg_size, movie, picture, speech

from mesh.adapters.workers import ProcessWorkers
from mesh.ports import Unavailable
from roles.encoder.media_work import PROBE_LIMITS, Limits, MediaWork, UnreadableError

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"


class Bytes:
    """Content in memory; notes how much of it is read at most at once."""

    def __init__(self, data, fail=None):
        self.data, self.size, self.fail, self.most = data, len(data), fail, 0

    async def read(self, offset, size):
        if self.fail is not None:
            raise self.fail
        self.most = max(self.most, size)
        return self.data[offset : offset + size]


def probe(data, name="a.mp4", limits=PROBE_LIMITS):
    return asyncio.run(MediaWork(ProcessWorkers()).probe(Bytes(data), name, limits))


def test_a_clip_with_sound_is_described_and_shown(tmp_path):
    tags = {"title": "My clip", "location": "+48.8577+002.2950/"}
    options = {"movflags": "use_metadata_tags"}
    told = probe(movie(tmp_path / "a.mp4", 2.0, (160, 120), tone=True, tags=tags, options=options).read_bytes())
    assert (told.kind, told.mime, told.codec, told.audio) == ("video", "video/mp4", "h264", "aac")
    assert (told.width, told.height, told.frame_rate) == (160, 120, 25.0)
    assert 1900 <= told.duration_ms <= 2150
    assert told.error == ""
    meta = dict(told.meta)
    assert (meta["title"], meta["latitude"], meta["longitude"]) == ("My clip", 48.8577, 2.295)
    assert jpeg_size(told.poster) == (160, 120)


@pytest.mark.parametrize(
    ("name", "codec", "mime", "called"),
    [
        ("a.mkv", "libx264", "video/x-matroska", "h264"),
        ("a.webm", "libvpx", "video/webm", "vp8"),
        ("a.mov", "libx264", "video/quicktime", "h264"),
        ("a.avi", "mpeg4", "video/x-msvideo", "mpeg4"),
        ("a.ts", "libx264", "video/mp2t", "h264"),
    ],
)
def test_containers_are_told_apart_whatever_the_name(tmp_path, name, codec, mime, called):
    told = probe(movie(tmp_path / name, 1.0, codec=codec).read_bytes(), "no ending at all")
    assert (told.kind, told.mime, told.codec) == ("video", mime, called)
    assert told.poster[:2] == b"\xff\xd8"


def test_a_clip_of_one_frame_has_a_poster(tmp_path):
    told = probe(movie(tmp_path / "a.mp4", 0.04).read_bytes())
    assert told.kind == "video"
    assert jpeg_size(told.poster) == (160, 120)


def test_a_poster_is_at_most_640_pixels_wide(tmp_path):
    assert jpeg_size(probe(picture(tmp_path / "a.png", (1600, 900)).read_bytes(), "a.png").poster) == (640, 360)


def test_pictures_and_sound_are_described(tmp_path):
    told = probe(picture(tmp_path / "a.png", (64, 48)).read_bytes(), "a.png")
    assert (told.kind, told.mime, told.width, told.height, told.duration_ms) == ("image", "image/png", 64, 48, 0)
    told = probe(picture(tmp_path / "a.jpg", (64, 48), "mjpeg").read_bytes(), "a.jpg")
    assert (told.kind, told.mime, told.error) == ("image", "image/jpeg", "")
    told = probe(speech(tmp_path / "a.wav").read_bytes(), "a.wav")
    assert (told.kind, told.mime, told.audio, told.poster, told.duration_ms) == (
        "audio",
        "audio/wav",
        "pcm_s16le",
        b"",
        1500,
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"just a text\n" * 50, "no media file"),
        (bytes(range(256)) * 2000, "no media file"),
        (b"ffconcat version 1.0\nfile bikes.mp4\n", "no media file"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n", "no media file"),
    ],
    ids=("nothing", "text", "numbers", "a list of files", "a description of a session"),
)
def test_what_is_no_media_is_named_in_a_sentence(data, said):
    with pytest.raises(UnreadableError, match=f"a.mp4 .*{said}"):
        probe(data)


def test_a_playlist_named_mp4_opens_nothing(tmp_path):
    target = movie(tmp_path / "secret.mp4")
    with pytest.raises(UnreadableError, match="no media file"):
        probe(PLAYLIST.format(target).encode())
    with pytest.raises(UnreadableError, match="no media file"):
        probe(PLAYLIST.format(target.as_uri()).encode(), "list.m3u8")


@pytest.mark.parametrize(("name", "options"), [("a.mkv", {}), ("a.mp4", {"movflags": "faststart"}), ("a.avi", {})])
def test_a_clip_that_is_cut_short_is_shown_and_named(tmp_path, name, options):
    codec = "mpeg4" if name == "a.avi" else "libx264"
    data = movie(tmp_path / name, 12.0, codec=codec, options=options).read_bytes()
    told = probe(data[: len(data) // 2], name)
    assert told.kind == "video"
    assert "cut short" in told.error
    assert told.poster != b""


def test_a_picture_that_is_cut_short_is_still_a_picture(tmp_path):
    for name, codec in (("a.png", "png"), ("a.jpg", "mjpeg")):
        data = picture(tmp_path / name, (400, 300), codec).read_bytes()
        told = probe(data[: len(data) * 2 // 3], name)
        assert told.kind == "image"
        assert told.error != ""


def test_an_mp4_without_frames_is_no_failure_of_the_node(tmp_path):
    with av_empty(tmp_path / "zero.mp4") as data, pytest.raises(UnreadableError, match="neither pictures nor sound"):
        probe(data)


class av_empty:  # noqa: N801 - reads as a statement
    def __init__(self, path):
        self.path = path

    def __enter__(self):
        data = movie(self.path, 0.04, options={"movflags": "frag_keyframe+empty_moov"}).read_bytes()
        ftyp = int.from_bytes(data[:4], "big")
        moov = ftyp + int.from_bytes(data[ftyp : ftyp + 4], "big")
        head = data[:ftyp]
        # A moov that holds its header alone: a file in which nothing was ever written.
        mvhd = int.from_bytes(data[ftyp + 8 : ftyp + 12], "big")
        assert moov > ftyp + 8 + mvhd
        return head + (8 + mvhd).to_bytes(4, "big") + b"moov" + data[ftyp + 8 : ftyp + 8 + mvhd]

    def __exit__(self, *exit_):
        return None


def test_a_worker_that_takes_too_long_is_ended(tmp_path):
    data = movie(tmp_path / "a.mp4").read_bytes()
    with pytest.raises(UnreadableError, match=r"longer than 0\.01 s"):
        probe(data, limits=Limits(60, 0.01, 1 << 30))


def test_a_worker_that_needs_too_much_memory_harms_no_one(tmp_path):
    data = picture(tmp_path / "a.png", (6000, 5000)).read_bytes()
    try:
        told = probe(data, limits=Limits(60, 60.0, 180 << 20))
    except UnreadableError:
        return
    assert told.error != ""


def test_bytes_that_are_out_of_reach_are_not_taken_for_a_broken_file(tmp_path):
    content = Bytes(movie(tmp_path / "a.mp4").read_bytes(), Unavailable("no copy can be reached"))
    with pytest.raises(Unavailable, match="no copy"):
        asyncio.run(MediaWork(ProcessWorkers()).probe(content, "a.mp4"))


def test_a_long_file_is_read_in_small_steps_and_not_whole(tmp_path):
    content = Bytes(movie(tmp_path / "a.mp4", 3.0).read_bytes() + b"\0\0\0\0free" + bytes(40 << 20))
    told = asyncio.run(MediaWork(ProcessWorkers()).probe(content, "a.mp4"))
    assert told.kind == "video"
    assert content.most <= 1 << 20


class Counted(ProcessWorkers):
    """Real workers, which are counted."""

    def __init__(self):
        self.made = []

    async def spawn(self, spec):
        self.made.append(await super().spawn(spec))
        return self.made[-1]


def test_a_worker_takes_file_after_file_and_a_bad_one_changes_nothing_for_the_next(tmp_path):
    clip, still = movie(tmp_path / "a.mp4").read_bytes(), picture(tmp_path / "b.png", (64, 48)).read_bytes()

    async def run():
        workers = Counted()
        work = MediaWork(workers, 60.0)
        kinds = []
        for data in (clip, b"a text", still, clip):
            try:
                kinds.append((await work.probe(Bytes(data), "a")).kind)
            except UnreadableError:
                kinds.append("none")
        await work.close()
        return kinds, [await worker.wait() for worker in workers.made]

    kinds, ended = asyncio.run(run())
    assert kinds == ["video", "none", "image", "video"]
    assert ended == [0]


def test_a_worker_that_died_between_two_files_is_replaced(tmp_path):
    still = picture(tmp_path / "b.png", (64, 48)).read_bytes()

    async def run():
        workers = Counted()
        work = MediaWork(workers, 60.0)
        told = [await work.probe(Bytes(still), "a")]
        os.kill(workers.made[0].pid, signal.SIGKILL)
        told.append(await work.probe(Bytes(still), "a"))
        with pytest.raises(UnreadableError, match=r"longer than 0\.01 s"):
            await work.probe(Bytes(still), "a", Limits(60, 0.01, 1 << 30))
        told.append(await work.probe(Bytes(still), "a"))
        await work.close()
        return told, len(workers.made)

    told, made = asyncio.run(run())
    assert [one.kind for one in told] == ["image"] * 3
    assert made == 3


def test_a_worker_that_has_no_task_for_long_goes(tmp_path):
    still = picture(tmp_path / "b.png", (64, 48)).read_bytes()

    async def run():
        workers = Counted()
        work = MediaWork(workers, 0.05)
        await work.probe(Bytes(still), "a")
        return await workers.made[0].wait()

    assert asyncio.run(run()) == 0
