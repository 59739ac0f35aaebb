"""A camera recorded on one node: whole at a clean stop, whole but for its last part after a crash, holes stated."""

import asyncio
import os
import signal
import subprocess
from types import SimpleNamespace

import pytest

from mesh.actors.catalogue import Catalogue
from mesh.actors.chunks import Chunks
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.live import LiveHub, Object
from mesh.actors.placement import LayoutView
from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.disk import FolderDisk
from mesh.adapters.executor import ThreadExecutor
from mesh.adapters.tables import SqliteTables
from mesh.adapters.workers import ProcessWorkers
from mesh.core.rows import Change
from mesh.ports import DiskFull, DiskUsage, Refused
from proto.ids import ChunkId, NodeId, node_id_of
from proto.messages.cameras import (
    AddCamera,
    CameraAdded,
    Done,
    HoldRecording,
    ListRecordings,
    RecordingHeld,
    Recordings,
    StartRecording,
    StopRecording,
    TakeIs,
    Verdict,
)
from roles.daemon import recorder
from roles.daemon.recorder import Recorder
from roles.encoder.content import Contents
from roles.media.mp4 import VirtualMp4
from roles.media.timeline import END_US, NOTHING_CAME, Loss, Page, explained, stopped_at, timeline
from roles.proxy.cameras import CameraProxy
from roles.proxy.devices import DeviceLister
from roles.storage.catalogue import CatalogueServer
from roles.storage.packer import Packer
from simulations.world.network import FakeFabric, FakeNetwork

pytestmark = pytest.mark.slow


class Workers(ProcessWorkers):
    pids: list[int]

    def __init__(self):
        self.pids = []

    async def spawn(self, spec):
        worker = await super().spawn(spec)
        self.pids.append(worker.pid)
        return worker


class Alone:
    def __init__(self, node):
        self.node = node

    def alive_ids(self):
        return [self.node]

    def away(self):
        return frozenset()


class TakeIsOver:
    """What a camera's node says once a take has ended."""

    async def receive(self, message, context):
        match message:
            case HoldRecording():
                return RecordingHeld(Verdict.OVER, message.take, NodeId(""), 0, 0, 0)
            case _:
                return Done()


class SmallDisk(FolderDisk):
    """A disk that is full when told to be."""

    full = False

    async def write(self, path, data):
        if self.full:
            raise DiskFull("the disk is full")
        await super().write(path, data)

    async def usage(self):
        real = await super().usage()
        return DiskUsage(real.total_bytes, 0 if self.full else real.free_bytes)


async def start(folder):
    node = node_id_of(b"n" * 32)
    clock, entropy, executor = SystemClock(), SystemEntropy(), ThreadExecutor()
    network = FakeNetwork(FakeFabric(), node, ("10.0.0.1", 1))
    system = ActorSystem(node, network, clock, entropy)
    await network.start(system)
    disk = SmallDisk(folder, executor)
    tables = SqliteTables(folder / "node.db")
    rows = RowStore(tables)
    await rows.open()
    view = LayoutView(node, Alone(node), 3)
    await view.open(rows)
    catalogue = Catalogue(system, rows, view, clock)
    server = CatalogueServer(system, rows, view, clock)
    joining = view.joining(1 << 30, "", int(clock.wall() * 1000))
    await server.open()
    if joining is not None:
        await catalogue.write(joining)
    await catalogue.open()
    store = ChunkStore(disk, tables, executor, clock)
    await store.open()
    chunks = Chunks(system, store, view, Alone(node), clock)
    live, workers = LiveHub(), Workers()
    proxy = CameraProxy(system, catalogue, live, workers, DeviceLister(executor, list), clock, entropy, [str(folder)])
    await proxy.open()
    recorder = Recorder(system, catalogue, chunks, store, live, clock, entropy)
    await recorder.open()

    async def stop():
        await system.close()
        tables.close()
        executor.close()

    return SimpleNamespace(
        node=node,
        disk=disk,
        system=system,
        catalogue=catalogue,
        chunks=chunks,
        store=store,
        rows=rows,
        view=view,
        clock=clock,
        live=live,
        workers=workers,
        recorder=recorder,
        stop=stop,
    )


async def pages_of(one, take):
    return [Page.unpack(row.fields["body"]) for row in await one.catalogue.rows("pages", take)]


async def add_and_start(one):
    camera = (await one.system.ask(one.node, "proxy", AddCamera("test:?size=320x240", "cam"), CameraAdded)).camera
    take = (await one.system.ask(one.node, "recorder", StartRecording(camera), TakeIs)).take
    return camera, take


async def recorded(one, camera, seconds):
    async with asyncio.timeout(30):
        while one.recorder.running()[camera].duration_us < seconds * 1e6:
            await asyncio.sleep(0.05)


async def written(one, take, path):
    line = timeline(await pages_of(one, take))
    file = VirtualMp4(line)
    with path.open("wb") as out:
        for piece in file.plan(0, file.size):
            part = b""
            if piece.placed:
                entry = piece.placed.entry
                part = await one.chunks.get(ChunkId(entry.chunk), entry.offset, entry.size)
            out.write(file.render(piece, part))
    done = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", path, "-f", "null", "-"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.stderr == ""
    return line


def test_a_take_is_whole_after_a_clean_stop(tmp_path):
    async def main():
        one = await start(tmp_path)
        camera, take = await add_and_start(one)
        await recorded(one, camera, 3)
        running = one.recorder.running()[camera]
        assert (await one.system.ask(one.node, "recorder", StopRecording(camera), TakeIs)).take == take
        line = await written(one, take, tmp_path / "take.mp4")
        assert len(line.parts) == running.parts
        assert line.gaps == ()
        row = await one.catalogue.get("assets", take)
        assert (row.fields["state"], row.fields["codec"], row.fields["width"]) == ("ready", "h264", 320)
        assert (await one.catalogue.get("cameras", camera)).fields["record"] == ""
        with pytest.raises(Refused):
            await one.system.ask(one.node, "recorder", StopRecording(camera), TakeIs)
        await one.stop()

    asyncio.run(main())


def test_a_take_that_was_deleted_for_good_elsewhere_ends_and_stays_deleted(tmp_path):
    async def main():
        one = await start(tmp_path)
        camera = "c" * 26
        await one.catalogue.write(
            Change("cameras", camera, set={"source": "test:", "name": "cam", "node": one.node, "created_ms": 1})
        )
        take = await one.recorder.start(camera)
        assert (await one.catalogue.get("cameras", camera)).fields["record"] == take
        # Elsewhere it was stopped, thrown away and deleted for good; that is heard now.
        await one.catalogue.write(Change("assets", take, delete=True))
        async with asyncio.timeout(30):
            while one.recorder.running() or (await one.catalogue.get("cameras", camera)).fields["record"]:
                await asyncio.sleep(0.05)
        await one.catalogue.write(Change("assets", take, set={"state": "ready"}))
        assert await one.catalogue.get("assets", take) is None
        assert await one.recorder.start(camera) != take
        await one.stop()

    asyncio.run(main())


def test_a_killed_worker_leaves_a_stated_gap_and_the_take_goes_on(tmp_path):
    async def main():
        one = await start(tmp_path)
        camera, take = await add_and_start(one)
        await recorded(one, camera, 1.5)
        os.kill(one.workers.pids[-1], signal.SIGKILL)
        await recorded(one, camera, 3.5)
        await one.system.ask(one.node, "recorder", StopRecording(camera), TakeIs)
        line = await written(one, take, tmp_path / "take.mp4")
        assert len(one.workers.pids) == 2
        assert len(line.gaps) == 1
        assert line.gaps[0].end_us - line.gaps[0].start_us < 10e6
        await one.stop()

    asyncio.run(main())


def test_what_a_crash_left_out_of_the_pages_is_put_back_and_the_take_goes_on(tmp_path):
    async def main():
        one = await start(tmp_path)
        camera, take = await add_and_start(one)
        await recorded(one, camera, 4)
        on_disk = one.recorder.running()[camera].parts
        before = await pages_of(one, take)
        last = max(before, key=lambda page: page.entries[0].captured_us)
        await one.catalogue.write(Change("pages", take, last.name(), delete=True))  # as if never written
        await one.stop()

        again = await start(tmp_path)
        async with asyncio.timeout(30):
            while again.recorder.running()[camera].duration_us < 3e6 or len(await pages_of(again, take)) < len(before):
                await asyncio.sleep(0.05)
        found = {entry.chunk for page in await pages_of(again, take) for entry in page.entries}
        assert {entry.chunk for page in before for entry in page.entries} <= found
        assert len(found) >= on_disk
        before_s = again.recorder.running()[camera].duration_us / 1e6
        assert before_s > 3, "what was recorded before counts"
        await recorded(again, camera, before_s + 1)
        await again.system.ask(again.node, "recorder", StopRecording(camera), TakeIs)
        line = await written(again, take, tmp_path / "take.mp4")
        assert len(line.gaps) == 1
        await again.stop()

    asyncio.run(main())


def test_a_full_disk_keeps_the_take_says_so_and_recording_goes_on_when_there_is_room(tmp_path):
    async def main():
        one = await start(tmp_path)
        camera, take = await add_and_start(one)
        await recorded(one, camera, 2)

        async def error_is(true):
            async with asyncio.timeout(30):
                while not true((await one.catalogue.get("assets", take)).fields.get("error") or ""):
                    await asyncio.sleep(0.05)

        one.disk.full = True
        await error_is(lambda text: "not recording: the disk is full" in text)
        running = one.recorder.running()[camera]
        async with asyncio.timeout(30):
            while running.parts_lost < 3:
                await asyncio.sleep(0.05)
        told = (await one.system.ask(one.node, "recorder", ListRecordings(), Recordings)).recordings[0]
        assert (told.error, told.seconds_left) == ("not recording: the disk is full", 0)
        assert told.lost_ms >= 1000
        kept_us = running.duration_us
        one.disk.full = False
        await error_is(lambda text: text == "")
        await recorded(one, camera, kept_us / 1e6 + 1.5)
        await one.system.ask(one.node, "recorder", StopRecording(camera), TakeIs)
        line = await written(one, take, tmp_path / "take.mp4")
        assert len(line.gaps) == 1
        lost_s = (line.gaps[0].end_us - line.gaps[0].start_us) / 1e6
        assert abs(lost_s - running.lost_us / 1e6) < 0.3
        row = await one.catalogue.get("assets", take)
        assert row.fields["state"] == "ready"
        (gap,) = explained(line, [Loss.read(text) for text in row.sets["lost"]])
        assert gap.why == "the disk was full"
        assert abs(row.fields["duration_s"] - line.duration_us / 1e6) < 0.3
        assert abs(row.fields["recorded_s"] - line.recorded_us / 1e6) < 0.3
        assert row.fields["duration_s"] - row.fields["recorded_s"] > 0.9
        assert row.fields["error"] == f"{running.lost_us / 1e6:.1f} s of this take were not recorded: the disk was full"

        one.disk.full = True
        with pytest.raises(DiskFull, match="make room first"):
            await one.system.ask(one.node, "recorder", StartRecording(camera), TakeIs)
        assert (await one.catalogue.get("cameras", camera)).fields["record"] == ""
        await one.stop()

    asyncio.run(main())


def test_a_take_that_is_stopped_while_its_disk_is_full_states_the_hole_at_its_end(tmp_path):
    async def main():
        one = await start(tmp_path)
        camera, take = await add_and_start(one)
        await recorded(one, camera, 2)
        one.disk.full = True
        running = one.recorder.running()[camera]
        async with asyncio.timeout(30):
            while running.lost_us < 3_000_000:
                await asyncio.sleep(0.05)
        await one.system.ask(one.node, "recorder", StopRecording(camera), TakeIs)
        row = await one.catalogue.get("assets", take)
        line = timeline(await pages_of(one, take))
        assert line.gaps == ()
        losses = [Loss.read(text) for text in row.sets["lost"]]
        (gap,) = explained(line, losses, stopped_at(row.fields))
        assert (gap.start_us, gap.why) == (line.duration_us, "the disk was full")
        assert 0 <= gap.end_us - gap.start_us - running.lost_us < END_US
        # Without what was lost the stop alone says that the end is missing.
        (gap,) = explained(line, [], stopped_at(row.fields))
        assert (gap.start_us, gap.why) == (line.duration_us, NOTHING_CAME)
        await one.stop()

    asyncio.run(main())


def test_starts_at_once_are_one_take(tmp_path):
    async def main():
        one = await start(tmp_path)
        camera = (await one.system.ask(one.node, "proxy", AddCamera("test:?size=320x240", "cam"), CameraAdded)).camera
        asked = [one.system.ask(one.node, "recorder", StartRecording(camera), TakeIs) for _ in range(4)]
        assert len({started.take for started in await asyncio.gather(*asked)}) == 1
        await recorded(one, camera, 1)
        await one.system.ask(one.node, "recorder", StopRecording(camera), TakeIs)
        await one.stop()

    asyncio.run(main())


def test_a_viewer_that_does_not_keep_up_takes_nothing_from_the_recording(tmp_path):
    """Live lets go of what it is late with; the take beside it has every picture."""

    async def main():
        one = await start(tmp_path)
        camera, take = await add_and_start(one)
        await recorded(one, camera, 0.5)
        async with one.live.subscribe(f"{camera}/main") as asleep, one.live.subscribe(f"{camera}/main") as awake:
            seen = 0

            async def look():
                nonlocal seen
                async for item in awake:
                    seen += isinstance(item, Object)

            looking = asyncio.create_task(look())
            await recorded(one, camera, 6)
            looking.cancel()
            assert asleep.groups_lost > 0, "nobody waits for it, and it knows what it lost"
            assert awake.groups_lost == 0
            assert seen > 100
        await one.system.ask(one.node, "recorder", StopRecording(camera), TakeIs)
        line = await written(one, take, tmp_path / "take.mp4")
        assert line.gaps == ()
        assert one.recorder.running() == {}
        await one.stop()

    asyncio.run(main())


def test_a_take_that_another_node_took_over_is_whole_too_and_does_not_go_on_here(tmp_path):
    async def main():
        one = await start(tmp_path)
        camera, take = await add_and_start(one)
        await recorded(one, camera, 3)
        on_disk = one.recorder.running()[camera].parts
        last = max(await pages_of(one, take), key=lambda page: page.entries[0].captured_us)
        await one.catalogue.write(
            Change("pages", take, last.name(), delete=True),
            Change("cameras", camera, set={"record": "another", "recorder": node_id_of(b"m" * 32)}),
        )
        await one.stop()
        again = await start(tmp_path)
        assert again.recorder.running() == {}
        assert (await again.catalogue.get("assets", take)).fields["state"] == "interrupted"
        assert sum(len(page.entries) for page in await pages_of(again, take)) >= on_disk
        await written(again, take, tmp_path / "take.mp4")
        await again.stop()

    asyncio.run(main())


def test_a_packed_take_plays_as_before_and_nothing_of_it_is_put_back_twice(tmp_path):
    async def main():
        one = await start(tmp_path)
        camera, take = await add_and_start(one)
        await recorded(one, camera, 4)
        await one.system.ask(one.node, "recorder", StopRecording(camera), TakeIs)
        before = await written(one, take, tmp_path / "before.mp4")
        packer = Packer(one.system, one.rows, one.catalogue, one.chunks, one.view, one.clock)
        assert await packer.pack(take) == 1
        pages = await pages_of(one, take)
        chunks = {entry.chunk for page in pages for entry in page.entries}
        assert (len(pages), len(chunks)) == (1, 1)
        after = await written(one, take, tmp_path / "after.mp4")
        assert len(after.parts) == len(before.parts)
        assert (tmp_path / "after.mp4").read_bytes() == (tmp_path / "before.mp4").read_bytes()
        assert await one.recorder.put_back(take) == 0
        await one.stop()

    asyncio.run(main())


@pytest.mark.parametrize("heard", ["by the take's row", "from the camera's node"])
def test_what_is_recorded_after_a_stop_that_was_not_heard_of_is_not_in_the_take(tmp_path, monkeypatch, heard):
    if heard == "from the camera's node":
        monkeypatch.setattr(recorder, "STOPS_AT_FIRST_S", 60.0)

    async def main():
        one = await start(tmp_path)
        camera, take = await add_and_start(one)
        await recorded(one, camera, 3)
        await one.stop()  # as a crash does: the take is not ended
        stopped_ms = int(one.clock.wall() * 1000)

        await asyncio.sleep(1.5)
        again = await start(tmp_path)
        before = len(await pages_of(again, take))
        async with asyncio.timeout(60):
            while len(await pages_of(again, take)) < before + 2:  # it has begun to write what nobody wanted
                await asyncio.sleep(0.05)
        unwanted = {
            entry.chunk
            for page in await pages_of(again, take)
            for entry in page.entries
            if entry.captured_us > (stopped_ms + 1000) * 1000
        }
        assert unwanted
        # Now it hears what others were told meanwhile.
        await again.catalogue.write(
            Change("cameras", camera, set={"record": ""}),
            Change("assets", take, set={"state": "ready", "stopped_ms": stopped_ms, "ended_ms": stopped_ms}),
        )
        if heard == "from the camera's node":
            again.system.spawn("recordings", TakeIsOver())

        async def as_stopped():
            row = await again.catalogue.get("assets", take)
            figures = timeline(await pages_of(again, take))
            return row.fields["duration_s"] == figures.duration_us / 1e6 and not again.recorder.running()

        async with asyncio.timeout(60):
            while not await as_stopped() or await again.store.referred(sorted(unwanted)):
                await asyncio.sleep(0.05)
        row = await again.catalogue.get("assets", take)
        assert (row.fields["state"], row.fields["ended_ms"]) == ("ready", stopped_ms)
        assert again.recorder.running() == {}
        line = await written(again, take, tmp_path / "take.mp4")
        assert line.gaps == ()
        assert max(placed.entry.captured_us for placed in line.parts) <= (stopped_ms + 1000) * 1000
        assert await again.store.referred(sorted(unwanted)) == set(), "it can leave the disks"
        kept = {placed.entry.chunk for placed in line.parts}
        assert await again.store.referred(sorted(kept)) == kept
        await again.stop()

    asyncio.run(main())


def test_late_parts_that_another_node_packed_meanwhile_are_not_in_the_take_either(tmp_path):
    async def main():
        one = await start(tmp_path)
        camera, take = await add_and_start(one)
        await recorded(one, camera, 6)
        await one.system.ask(one.node, "recorder", StopRecording(camera), TakeIs)
        entries = [entry for page in await pages_of(one, take) for entry in page.entries]
        until_us = sorted(entry.captured_us for entry in entries)[2]
        stopped_ms = until_us // 1000 - recorder.CLOCKS_APART_MS
        await one.catalogue.write(Change("assets", take, set={"stopped_ms": stopped_ms, "duration_s": 264.7}))
        packer = Packer(one.system, one.rows, one.catalogue, one.chunks, one.view, one.clock)
        assert await packer.pack(take) == 1  # one page now, with what is of the take and what is not
        await one.recorder._as_stopped(take)
        until_us = (stopped_ms + recorder.CLOCKS_APART_MS) * 1000
        wanted = [entry.captured_us for entry in entries if entry.captured_us <= until_us]
        assert 0 < len(wanted) < len(entries)
        line = await Contents(one.catalogue, one.chunks, None).line(take)
        assert sorted(placed.entry.captured_us for placed in line.parts) == sorted(wanted)
        row = await one.catalogue.get("assets", take)
        assert row.fields["duration_s"] == line.duration_us / 1e6
        await one.stop()

    asyncio.run(main())
