"""Films as cameras, through a real worker: safely opened, copied, and survived when their times jump."""

import asyncio
import os
import subprocess
import threading

import pytest
from test_worker import run

from roles.libav import policy
from roles.libav.policy import CannotOpenError, open_inside
from roles.media.cmaf import init_segment
from roles.media.segmenter import Segmenter
from roles.media.units import AccessUnit, GroupInfo
from roles.proxy.adapters.wire import GROUP, STATUS, UNIT, Status


def made(path, *words):
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", *words, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def test_h265_is_copied_and_recorded(tmp_path):
    film = made(
        tmp_path / "film.mp4", "-t", "3", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=25"
    )
    seen, status = asyncio.run(run(f"file:{film}", (str(tmp_path),)))
    assert (status, Status.unpack(seen[STATUS][-1]).state) == (0, "ended")
    groups = [GroupInfo.unpack(data) for data in seen[GROUP]]
    assert [(track.codec, track.width, track.height) for track in groups[0].tracks] == [("hevc", 320, 240)]
    units = [AccessUnit.unpack(data) for data in seen[UNIT]]
    assert len(units) == 75
    segmenter = Segmenter("take")
    parts = []
    for group in groups:
        parts += segmenter.begin(group)
        for unit in units:
            if unit.group == group.group:
                parts += segmenter.push(unit)
    parts += segmenter.flush()
    (tmp_path / "whole.mp4").write_bytes(init_segment(groups[0].tracks) + b"".join(part.data for part in parts))
    told = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", tmp_path / "whole.mp4", "-f", "null", "-"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("jump", ["3600", "-3600"])
def test_a_film_whose_times_jump_plays_on_without_a_wait(tmp_path, jump):
    one = made(tmp_path / "one.ts", "-t", "2", "-c:v", "libx264", "-g", "25", "-bf", "0", "-output_ts_offset", "4000")
    offset = str(4000 + int(jump))
    other = made(
        tmp_path / "other.ts", "-t", "2", "-c:v", "libx264", "-g", "25", "-bf", "0", "-output_ts_offset", offset
    )
    (tmp_path / "film.ts").write_bytes(one.read_bytes() + other.read_bytes())
    seen, status = asyncio.run(run(f"file:{tmp_path / 'film.ts'}", (str(tmp_path),)))
    assert status == 0
    units = [AccessUnit.unpack(data) for data in seen[UNIT]]
    times = [unit.dts for unit in units]
    assert times == sorted(set(times))
    assert len(units) > 90
    assert times[-1] - times[0] < 90000 * 6
    assert max(Status.unpack(data).jumps for data in seen[STATUS]) == 1


def test_a_film_that_changes_its_size_begins_another_configuration(tmp_path):
    one = made(tmp_path / "one.ts", "-t", "1", "-c:v", "libx264", "-g", "25", "-bf", "0")
    other = made(tmp_path / "other.ts", "-t", "1", "-vf", "scale=640:360", "-c:v", "libx264", "-g", "25", "-bf", "0")
    (tmp_path / "film.ts").write_bytes(one.read_bytes() + other.read_bytes())
    seen, status = asyncio.run(run(f"file:{tmp_path / 'film.ts'}", (str(tmp_path),)))
    assert status == 0
    assert {GroupInfo.unpack(data).tracks[0].width for data in seen[GROUP]} == {320, 640}
    assert Status.unpack(seen[STATUS][-1]).width == 640


def test_b_frames_are_stated(tmp_path):
    film = made(tmp_path / "film.mp4", "-t", "2", "-c:v", "libx264", "-g", "25", "-bf", "2")
    seen, _ = asyncio.run(run(f"file:{film}", (str(tmp_path),)))
    assert Status.unpack(seen[STATUS][-1]).reordered is True


def test_what_is_opened_is_what_is_checked(tmp_path, monkeypatch):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "film.mp4").write_bytes(b"mine")
    (outside / "secret.mp4").write_bytes(b"not yours")
    with open_inside(inside / "film.mp4", [inside], "film") as handle:
        assert handle.read() == b"mine"
    link = inside / "link.mp4"
    link.symlink_to(inside / "film.mp4")
    with open_inside(link, [inside], "film") as handle:
        assert handle.read() == b"mine"

    real_open = os.open

    def changed(path, flags, *more):
        # Between the check and the opening somebody turns the link elsewhere.
        link.unlink()
        link.symlink_to(outside / "secret.mp4")
        return real_open(path, flags, *more)

    monkeypatch.setattr(policy.os, "open", changed)
    with pytest.raises(CannotOpenError, match="outside the folders"):
        open_inside(link, [inside], "film")
    monkeypatch.setattr(policy.os, "open", real_open)
    with pytest.raises(CannotOpenError, match="outside the folders"):
        open_inside(link, [inside], "film")


def test_a_pipe_or_a_folder_is_no_film_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    said = []

    def try_it():
        with pytest.raises(CannotOpenError) as found:
            open_inside(tmp_path / "pipe.mp4", [tmp_path], "pipe")
        said.append(str(found.value))

    thread = threading.Thread(target=try_it, daemon=True)
    thread.start()
    thread.join(10)
    assert said == ["pipe is no file"]
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(CannotOpenError, match="is no file"):
        open_inside(tmp_path / "folder.mp4", [tmp_path], "folder")
