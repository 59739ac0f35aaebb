"""A real RTSP server as a camera: opened, refused with a sentence, lost and found again, and what it does wrong."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from mesh.adapters.workers import ProcessWorkers
from mesh.ports import WorkerSpec
from roles.media.units import AccessUnit, GroupInfo
from roles.proxy.adapters.wire import GROUP, PICTURE, STATUS, UNIT, Config, Status
from roles.proxy.sources import parse

PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).parent / "rtsp_server.py"


def _there():
    if shutil.which(PYTHON) is None:
        return False
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    return subprocess.run([PYTHON, "-c", probe], capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _there(), reason="needs GStreamer's RTSP server: run `make test`, which installs it"),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, port=None, *login):
        self.port = port or free_port()
        self.process = subprocess.Popen(
            [PYTHON, str(SERVER), str(self.port), *login], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "ready\n"

    def order(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextlib.contextmanager
def server(*login):
    made = Server(None, *login)
    try:
        yield made
    finally:
        made.kill()


class Opened:
    """A worker of a source, read frame by frame."""

    def __init__(self, worker):
        self.worker = worker
        self.info = None
        self.seen = {GROUP: [], UNIT: [], PICTURE: [], STATUS: []}

    async def until(self, true, seconds=40):
        async with asyncio.timeout(seconds):
            while not true(self):
                frame = await self.worker.receive()
                if frame is None:
                    return False
                self.seen[frame[:1]].append(frame[1:])
        return True

    @property
    def status(self):
        return Status.unpack(self.seen[STATUS][-1])

    def groups(self):
        return [GroupInfo.unpack(data) for data in self.seen[GROUP]]

    def units(self, track):
        return [unit for unit in map(AccessUnit.unpack, self.seen[UNIT]) if unit.track == track]


async def opened(url):
    config = Config(url, parse(url).public, ())
    return Opened(await ProcessWorkers().spawn(WorkerSpec("roles.proxy.adapters.worker", config.pack(), 2 << 30)))


def test_a_camera_is_copied_and_its_sound_made_into_aac_and_opus():
    async def main():
        with server("admin", "p@ss w") as camera:
            one = await opened(f"rtsp://admin:p%40ss%20w@127.0.0.1:{camera.port}/cam")
            assert await one.until(lambda it: len(it.seen[GROUP]) > 3 and it.units(2) and it.units(3)), one.status
            tracks = one.groups()[-1].tracks
            assert [(track.codec, track.width) for track in tracks] == [("h264", 320), ("aac", 0), ("opus", 0)]
            times = [unit.dts for unit in one.units(1)]
            assert times == sorted(set(times))
            assert one.status.reordered is False
            await one.worker.stop()

    asyncio.run(main())


def test_what_is_wrong_is_said_without_the_password():
    async def said(url):
        one = await opened(url)
        await one.until(lambda _: False)
        assert await one.worker.wait() == 3
        assert one.seen[UNIT] == []
        assert "hush" not in one.status.detail
        return one.status.detail

    async def main():
        with server("admin", "right") as camera:
            at = f"127.0.0.1:{camera.port}"
            assert "user and password" in await said(f"rtsp://admin:hush@{at}/cam")
            assert "user and password" in await said(f"rtsp://{at}/cam")
            assert "no such stream" in await said(f"rtsp://admin:right@{at}/hush-other".replace("hush-", ""))
            assert "refused the connection" in await said(f"rtsp://admin:hush@127.0.0.1:{free_port()}/cam")

    asyncio.run(main())


def test_a_new_picture_size_begins_a_group_of_its_own_configuration():
    async def main():
        with server() as camera:
            one = await opened(f"rtsp://127.0.0.1:{camera.port}/cam")
            assert await one.until(lambda it: len(it.seen[GROUP]) > 1)
            camera.order("size 640 360")
            assert await one.until(lambda it: it.groups()[-1].tracks[0].width == 640 and it.status.width == 640)
            first, last = one.groups()[0].tracks[0], one.groups()[-1].tracks[0]
            assert (first.width, first.height, last.width, last.height) == (320, 240, 640, 360)
            assert first.extradata != last.extradata
            assert len({group.epoch for group in one.groups()}) == 1
            await one.worker.stop()

    asyncio.run(main())


def test_times_that_jump_there_and_back_are_counted_and_taken_out():
    async def main():
        with server() as camera:
            one = await opened(f"rtsp://127.0.0.1:{camera.port}/cam")
            assert await one.until(lambda it: len(it.seen[GROUP]) > 1)
            for jumps, seconds in ((1, 7200), (2, 0)):
                count = len(one.units(1))
                camera.order(f"jump {seconds}")
                assert await one.until(lambda it, n=count, j=jumps: it.status.jumps >= j and len(it.units(1)) > n + 60)
            times = [unit.dts for unit in one.units(1)]
            assert times == sorted(set(times))
            assert times[-1] - times[0] < 90000 * 100, "the epoch's clock goes on as if nothing had happened"
            sound = [unit.dts for unit in one.units(2)]
            assert sound == sorted(set(sound))
            assert abs(sound[-1] / 48000 - times[-1] / 90000) < 2, "sound and pictures stay together"
            await one.worker.stop()

    asyncio.run(main())
