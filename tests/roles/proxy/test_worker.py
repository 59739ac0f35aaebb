"""A source's worker gives units, says in a sentence why it cannot, and never outlives what it should."""

import asyncio
import os
import signal

import pytest

from mesh.adapters.workers import ProcessWorkers
from mesh.ports import WorkerSpec
from roles.media.units import AccessUnit, GroupInfo
from roles.proxy.adapters.wire import GROUP, PICTURE, PICTURES_ON, STATUS, UNIT, Config, Status

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"


async def run(url, folders=(), *, until=lambda seen: False, pictures=False):
    """Give (frames by kind, exit status)."""
    config = Config(url, "cam", folders)
    worker = await ProcessWorkers().spawn(WorkerSpec("roles.proxy.adapters.worker", config.pack(), 2 << 30))
    seen = {GROUP: [], UNIT: [], PICTURE: [], STATUS: []}
    if pictures:
        await worker.send(PICTURES_ON)
    async with asyncio.timeout(40):
        while (frame := await worker.receive()) is not None:
            seen[frame[:1]].append(frame[1:])
            if until(seen):
                await worker.stop()
                break
    return seen, await worker.wait()


def test_the_test_source_gives_video_sound_and_pictures_in_groups():
    seen, _ = asyncio.run(
        run("test:?size=320x240&rate=25", until=lambda s: len(s[GROUP]) > 1 and s[PICTURE], pictures=True)
    )
    info = GroupInfo.unpack(seen[GROUP][0])
    assert [track.codec for track in info.tracks] == ["h264", "aac", "opus"]
    units = [AccessUnit.unpack(data) for data in seen[UNIT]]
    assert units[0].key
    assert units[0].group == 0
    assert [unit.index for unit in units if unit.group == 0] == list(range(sum(u.group == 0 for u in units)))
    assert seen[PICTURE][0][8:10] == b"\xff\xd8"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("text.mp4", b"just some words, no film at all\n" * 9, "no media file"),
        ("empty.mp4", b"", "empty"),
        ("playlist.mp4", PLAYLIST.format("secret.txt").encode(), "no media file"),
        ("script.mp4", b"ffconcat version 1.0\nfile secret.txt\n", "no media file of a kind"),
        ("gone.mp4", None, "No such file"),
    ],
)
def test_a_file_that_is_no_film_is_refused_with_a_sentence(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    seen, status = asyncio.run(run(f"file:{tmp_path / name}", (str(tmp_path),)))
    assert status == 3
    assert said in Status.unpack(seen[STATUS][-1]).detail
    assert seen[UNIT] == []


def test_a_file_outside_the_folders_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out.mp4").write_bytes(b"x")
    (tmp_path / "in" / "link.mp4").symlink_to(tmp_path / "out.mp4")
    for path in ("in/../out.mp4", "in/link.mp4"):
        seen, status = asyncio.run(run(f"file:{tmp_path / path}", (str(tmp_path / "in"),)))
        assert status == 3
        assert "outside the folders" in Status.unpack(seen[STATUS][-1]).detail


def test_a_killed_worker_is_an_end_not_a_hang():
    async def main():
        config = Config("test:?size=320x240", "cam", ())
        worker = await ProcessWorkers().spawn(WorkerSpec("roles.proxy.adapters.worker", config.pack(), 2 << 30))
        assert await worker.receive() is not None
        os.kill(worker.pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            while await worker.receive() is not None:
                pass
            assert await worker.wait() == -signal.SIGKILL

    asyncio.run(main())
