"""What a Disk promises: the same cases over the folder of a real machine and the simulator's disk."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from mesh.adapters import disk as adapter
from mesh.adapters.disk import FolderDisk
from mesh.adapters.executor import ThreadExecutor
from mesh.ports import Corrupt, Disk, DiskFull, NotFound, ReadOnly, Unavailable
from simulations.world.disk import FakeDisk
from simulations.world.entropy import SeededEntropy
from simulations.world.world import World
from tests.contracts.disk_writer import content, write_all
from tests.contracts.kinds import KINDS, run

PORTS = (Disk,)
REAL = (FolderDisk,)
FAKE = (FakeDisk,)


class Os:
    """The module ``os`` for the adapter, with a fault in it. ``steps`` are the calls that make a write durable."""

    def __init__(self):
        self.error = 0
        self.steps = []
        self.die_at = None

    def __getattr__(self, name):
        return getattr(os, name)

    def _step(self, name):
        if self.die_at is not None and len(self.steps) >= self.die_at:
            raise SystemExit("power cut")
        self.steps.append(name)

    def write(self, descriptor, data):
        self._step("write")
        if self.error:
            os.write(descriptor, bytes(data)[: len(data) // 2])
            raise OSError(self.error, os.strerror(self.error))
        return os.write(descriptor, bytes(data)[:70_000])

    def fsync(self, descriptor):
        self._step("fsync folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "fsync")
        os.fsync(descriptor)

    def replace(self, source, target):
        self._step("replace")
        os.replace(source, target)


class RealDisks:
    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.os = Os()
        monkeypatch.setattr(adapter, "os", self.os)
        self.executor = ThreadExecutor(4)
        self.disk = FolderDisk(folder, self.executor)
        self.own = {"tmp"}

    def fill(self):
        self.os.error = errno.ENOSPC

    def break_writes(self):
        self.os.error = errno.EIO

    def protect(self):
        self.os.error = errno.EROFS

    def mend(self):
        self.os.error = 0

    def break_reads(self, path, monkeypatch):
        real = type(self.folder).open

        def failing(there, *given, **named):
            if there == self.disk.path(path):
                raise OSError(errno.EIO, "input/output error")
            return real(there, *given, **named)

        monkeypatch.setattr(type(self.folder), "open", failing)

    def reopen(self):
        self.disk = FolderDisk(self.folder, self.executor)
        return self.disk

    def close(self):
        self.executor.close()


class FakeDisks:
    def __init__(self):
        self.disk = FakeDisk(SeededEntropy(1, "disk"))
        self.own = set()

    def fill(self):
        self.disk.fill()

    def break_writes(self):
        self.disk.faults.write_errors = 1.0

    def protect(self):
        self.disk.faults.read_only = True

    def mend(self):
        self.disk.make_room()
        self.disk.well()

    def break_reads(self, path, monkeypatch):
        del monkeypatch
        self.disk.unreadable[path] = None

    def reopen(self):
        self.disk.crash()
        return self.disk

    def close(self):
        pass


@pytest.fixture(params=KINDS)
def disks(request, tmp_path, monkeypatch):
    made = RealDisks(tmp_path / "data", monkeypatch) if request.param == "real" else FakeDisks()
    made.run = lambda case: run(request.param, case, made.disk)
    yield made
    made.close()


def test_a_written_file_is_read_whole_and_in_pieces(disks):
    async def case(disk):
        await disk.write("a/b/c", b"hello again")
        assert await disk.read("a/b/c") == b"hello again"
        assert await disk.read("a/b/c", 6) == b"again"
        assert await disk.read("a/b/c", 6, 3) == b"aga"
        assert await disk.read("a/b/c", 9, 100) == b"in"
        assert await disk.read("a/b/c", 50, 5) == b""
        assert await disk.size("a/b/c") == 11
        await disk.write("empty", b"")
        assert (await disk.read("empty"), await disk.size("empty")) == (b"", 0)

    disks.run(case)


def test_a_file_written_again_is_the_new_one_whole(disks):
    async def case(disk):
        await disk.write("a", b"long before")
        await disk.write("a", b"short")
        assert (await disk.read("a"), await disk.size("a")) == (b"short", 5)

    disks.run(case)


def test_what_is_not_there_is_not_found(disks):
    async def case(disk):
        for doing in (disk.read("no"), disk.size("no"), disk.delete("no"), disk.read("no/such/file")):
            with pytest.raises(NotFound):
                await doing
        assert await disk.list("no") == []

    disks.run(case)


def test_a_deleted_file_is_gone_and_can_be_written_anew(disks):
    async def case(disk):
        await disk.write("a/b", b"1")
        await disk.delete("a/b")
        with pytest.raises(NotFound):
            await disk.read("a/b")
        assert await disk.list("a") == []
        with pytest.raises(NotFound):
            await disk.delete("a/b")
        await disk.write("a/b", b"2")
        assert await disk.read("a/b") == b"2"
        await disk.delete("a/b")
        with pytest.raises(NotFound):
            await disks.reopen().read("a/b")

    disks.run(case)


def test_a_list_names_files_and_folders_in_order(disks):
    async def case(disk):
        for name in ("b/2", "b/10", "b/c/d", "a", "b/1"):
            await disk.write(name, b"x")
        assert await disk.list("b") == ["1", "10", "2", "c"]
        assert await disk.list("b/c") == ["d"]
        assert await disk.list("a") == []
        for root in ("", "."):
            assert [name for name in await disk.list(root) if name not in disks.own] == ["a", "b"]
        await disk.delete("b/c/d")
        assert await disk.list("b") == ["1", "10", "2", "c"], "a folder stays"

    disks.run(case)


def test_a_folder_is_no_file_and_a_file_no_folder(disks):
    async def case(disk):
        await disk.write("folder/file", b"x")
        for doing in (disk.read("folder"), disk.size("folder"), disk.delete("folder"), disk.size("folder/file/x")):
            with pytest.raises(NotFound):
                await doing
        for doing in (disk.write("folder", b"y"), disk.write("folder/file/x", b"y")):
            with pytest.raises(Unavailable):
                await doing
        assert await disk.read("folder/file") == b"x"

    disks.run(case)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a\\..\\x", "", "a\0b"])
def test_no_path_leaves_the_folder(disks, path):
    async def case(disk):
        asked = [disk.read, disk.size, disk.delete, lambda there: disk.write(there, b"x")]
        if path:
            asked.append(disk.list)
        for ask in asked:
            with pytest.raises(ValueError, match="data folder"):
                await ask(path)

    disks.run(case)


def test_a_reader_sees_one_version_or_the_other_never_a_mixture(disks):
    async def case(disk):
        versions = [bytes([number]) * 300_000 for number in range(20)]
        await disk.write("a", versions[0])
        seen = []

        async def look():
            while len(seen) < 40:
                seen.append(await disk.read("a"))

        looking = asyncio.ensure_future(look())
        for version in versions:
            await disk.write("a", version)
        await looking
        assert all(one in versions for one in seen)
        assert await disk.read("a") == versions[-1]

    disks.run(case)


def test_writes_of_one_file_at_once_leave_one_of_them_whole(disks):
    async def case(disk):
        versions = [bytes([number]) * 100_000 for number in range(8)]
        await asyncio.gather(*(disk.write("a", version) for version in versions))
        assert await disk.read("a") in versions
        assert [name for name in await disk.list("") if name not in disks.own] == ["a"]

    disks.run(case)


@pytest.mark.parametrize(("fault", "error"), [("fill", DiskFull), ("break_writes", Unavailable), ("protect", ReadOnly)])
def test_a_write_that_fails_leaves_what_was_there(disks, fault, error):
    async def case(disk):
        await disk.write("old", b"old content")
        getattr(disks, fault)()
        for name in ("old", "new", "folder/new"):
            with pytest.raises(error):
                await disk.write(name, bytes(200_000))
        assert await disk.read("old") == b"old content"
        for name in ("new", "folder/new"):
            with pytest.raises(NotFound):
                await disk.read(name)
        for folder in disks.own:
            assert await disk.list(folder) == []
        disks.mend()
        await disk.write("new", b"there is room")
        assert await disk.read("new") == b"there is room"

    disks.run(case)


def test_what_the_disk_cannot_read_is_corrupt_and_can_be_written_anew(disks, monkeypatch):
    async def case(disk):
        await disk.write("a", b"1")
        await disk.write("b", b"2")
        disks.break_reads("a", monkeypatch)
        with pytest.raises(Corrupt):
            await disk.read("a")
        assert await disk.read("b") == b"2"

    disks.run(case)


def test_usage_tells_of_the_disk(disks):
    async def case(disk):
        await disk.write("a", bytes(100_000))
        usage = await disk.usage()
        assert 0 < usage.free_bytes < usage.total_bytes

    disks.run(case)


# ---------------------------------------------------------------- kills


def check_after_kill(read, acknowledged):
    """Every file is the last acknowledged turn of it, or the one under way then, whole."""
    assert acknowledged
    for name, turn in acknowledged.items():
        assert read(name) in (content(name, turn), content(name, turn + 1)), f"{name} is not turn {turn} or the next"


@pytest.mark.parametrize("after", [30, 200])
def test_a_real_writer_that_is_killed_leaves_what_it_was_told_is_durable(tmp_path, after):
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.contracts.disk_writer", str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    acknowledged = {}
    for _ in range(after):
        name, turn = writer.stdout.readline().split()
        acknowledged[name] = int(turn)
    writer.send_signal(signal.SIGKILL)
    for line in writer.stdout:  # what it still told before it died
        if line.endswith("\n"):
            name, turn = line.split()
            acknowledged[name] = int(turn)
    writer.wait()
    writer.stdout.close()

    async def case():
        disk = FolderDisk(tmp_path, ThreadExecutor())
        check_after_kill({name: await disk.read(name) for name in acknowledged}.get, acknowledged)
        assert await disk.list("tmp") == []

    asyncio.run(case())


@pytest.mark.parametrize("after_s", [0.05, 0.213, 1.7])
def test_a_simulated_writer_that_is_killed_leaves_what_it_was_told_is_durable(after_s):
    async def writes(machine, world):
        return machine

    one = World(1, 1, writes)
    acknowledged = {}

    async def story():
        machine = one.machines[0]
        await one.boot(machine)
        work = asyncio.ensure_future(
            one.on(machine, lambda _: write_all(machine.disk, acknowledged.__setitem__), timeout_s=60)
        )
        await asyncio.sleep(after_s)
        one.crash(machine)
        work.cancel()
        await asyncio.sleep(1)
        check_after_kill({name: await machine.disk.read(name) for name in acknowledged}.get, acknowledged)

    one.run(story)


def test_nothing_waits_behind_a_write_of_the_real_folder_that_waits_for_the_disk(tmp_path, monkeypatch):
    executor, writers = ThreadExecutor(1), ThreadExecutor(1)
    disk = FolderDisk(tmp_path, executor, writers)
    durable, begun = threading.Event(), threading.Event()

    class Slow(Os):
        def fsync(self, descriptor):
            begun.set()
            assert durable.wait(30)
            super().fsync(descriptor)

    async def main():
        await disk.write("there", b"before")
        durable.clear()
        begun.clear()
        writing = asyncio.ensure_future(disk.write("other", b"now"))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        assert await disk.read("there") == b"before"
        assert not writing.done()
        durable.set()
        await writing

    durable.set()
    monkeypatch.setattr(adapter, "os", Slow())
    try:
        asyncio.run(main())
    finally:
        durable.set()
        executor.close()
        writers.close()


def test_the_real_folder_orders_its_steps_so_that_power_may_fail_between_any_two(tmp_path, monkeypatch):
    made = RealDisks(tmp_path / "data", monkeypatch)
    data = bytes(range(256)) * 600

    async def steps():
        await made.disk.write("folder/a", b"old")
        made.os.steps.clear()
        await made.disk.write("folder/a", data)
        return list(made.os.steps)

    steps = asyncio.run(steps())
    assert steps[-3:] == ["fsync", "replace", "fsync folder"]
    assert set(steps[:-3]) == {"write"}

    async def cut(at):
        await made.disk.write("folder/a", b"old")
        made.os.steps.clear()
        made.os.die_at = at
        with pytest.raises(SystemExit):
            await made.disk.write("folder/a", data)
        made.os.die_at = None
        disk = made.reopen()
        assert await disk.list("tmp") == []
        return await disk.read("folder/a")

    left = [asyncio.run(cut(at)) for at in range(len(steps))]
    assert left == [b"old"] * (len(steps) - 1) + [data]
    made.close()


def test_a_simulated_disk_tears_and_misdirects_writes_only_when_it_is_told_to():
    async def case():
        disk = FakeDisk(SeededEntropy(3, "disk"))
        await disk.write("chunks/a", b"a" * 1000)
        disk.faults.torn = 1.0
        writing = asyncio.ensure_future(disk.write("chunks/b", b"b" * 1000))
        await asyncio.sleep(0.0001)
        writing.cancel()
        disk.crash()
        # Cancelled, not killed: its write was taken back before the crash came.
        assert disk.torn <= 1
        disk.well()
        disk.faults.misdirected = 1.0
        await disk.write("chunks/c", b"c" * 500)
        assert disk.misdirected == 1
        assert b"c" * 500 in [await disk.read(f"chunks/{name}") for name in await disk.list("chunks")]
        with pytest.raises(NotFound):
            await disk.read("chunks/c")

    run("fake", case)
