"""A node's cameras over real workers: what goes wrong with a source is said in its row, and the source comes back."""

import asyncio
import contextlib
import os
import signal
from types import SimpleNamespace

import pytest
from test_rtsp import Server, free_port, pytestmark  # noqa: F401 - the same needs

from mesh.actors.live import LiveHub
from mesh.actors.system import ActorSystem
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.executor import ThreadExecutor
from mesh.adapters.workers import ProcessWorkers
from mesh.core.rows import Row
from mesh.ports import Refused
from proto.ids import node_id_of
from proto.messages.cameras import AddCamera, CameraAdded, Done, RemoveCamera
from roles.proxy import cameras
from roles.proxy.cameras import CameraProxy
from roles.proxy.devices import DeviceLister
from simulations.world.network import FakeFabric, FakeNetwork


class Catalogue:
    """Rows in memory; what a camera's state has been is kept."""

    def __init__(self):
        self.fields = {}
        self.told = []
        self.notes = {}

    async def write(self, *changes):
        for change in changes:
            if change.delete:
                self.fields.pop((change.table, change.pk), None)
                continue
            self.fields.setdefault((change.table, change.pk), {}).update(change.set)
            if change.table == "cameras" and "state" in change.set:
                self.told.append((change.set["state"], change.set.get("error", "")))

    async def get(self, table, pk, sk=""):
        fields = self.fields.get((table, pk))
        return None if fields is None else Row(table, pk, sk, dict(fields), {}, 0)

    async def scan(self, query):
        rows = [
            Row(table, pk, "", dict(fields), {}, 0)
            for (table, pk), fields in self.fields.items()
            if table == query.table and all(fields.get(where.field) == where.value for where in query.where)
        ]
        return SimpleNamespace(rows=tuple(rows), partitions_ok=1024, partitions_total=1024)

    async def note(self, name, value):
        self.notes[name] = value

    async def noted(self, name):
        return self.notes.get(name)


class Workers(ProcessWorkers):
    def __init__(self):
        self.pids = []

    async def spawn(self, spec):
        worker = await super().spawn(spec)
        self.pids.append(worker.pid)
        return worker


@contextlib.asynccontextmanager
async def proxy(*folders):
    node = node_id_of(b"n" * 32)
    clock, entropy, executor = SystemClock(), SystemEntropy(), ThreadExecutor()
    network = FakeNetwork(FakeFabric(), node, ("10.0.0.1", 1))
    system = ActorSystem(node, network, clock, entropy)
    await network.start(system)
    catalogue, live, workers = Catalogue(), LiveHub(), Workers()
    made = CameraProxy(system, catalogue, live, workers, DeviceLister(executor, list), clock, entropy, folders)
    await made.open()

    async def add(url):
        return (await system.ask(node, "proxy", AddCamera(url, "cam"), CameraAdded)).camera

    async def until(true, seconds=60):
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.05)

    try:
        yield SimpleNamespace(
            system=system, node=node, catalogue=catalogue, live=live, workers=workers, add=add, until=until
        )
    finally:
        await system.close()
        executor.close()


def row(one, camera):
    return one.catalogue.fields["cameras", camera]


def test_a_server_that_is_killed_and_comes_back_is_found_again(monkeypatch):
    async def main():
        async with proxy() as one:
            camera_there = Server(None, "admin", "hush")
            port = camera_there.port
            camera = await one.add(f"rtsp://admin:hush@127.0.0.1:{port}/cam")
            await one.until(lambda: row(one, camera)["state"] == "online")
            assert row(one, camera)["source"] == f"rtsp://127.0.0.1:{port}/cam"
            camera_there.kill()
            await one.until(lambda: row(one, camera)["state"] in ("error", "offline"))
            tries = len(one.workers.pids)
            await one.until(lambda: len(one.workers.pids) > tries + 1)
            assert f"{camera}/main" not in one.live.tracks()
            camera_there = Server(port, "admin", "hush")
            await one.until(lambda: row(one, camera)["state"] == "online", 90)
            assert row(one, camera)["error"] == ""
            camera_there.kill()
            assert all("hush" not in text for _, text in one.catalogue.told)

    asyncio.run(main())


@pytest.mark.parametrize("order", ["stall", "stall-video"])
def test_a_camera_that_stalls_is_opened_again_also_while_its_sound_goes_on(monkeypatch, order):
    monkeypatch.setattr(cameras, "STALL_S", 3.0)

    async def main():
        async with proxy() as one:
            camera_there = Server(free_port())
            camera = await one.add(f"rtsp://127.0.0.1:{camera_there.port}/cam")
            await one.until(lambda: row(one, camera)["state"] == "online")
            camera_there.order(order)
            await one.until(lambda: any(state == "stalled" for state, _ in one.catalogue.told))
            stalled = next(text for state, text in one.catalogue.told if state == "stalled")
            assert "no picture for 3 s" in stalled
            await one.until(lambda: row(one, camera)["state"] == "online" and len(one.workers.pids) > 1, 90)
            camera_there.kill()

    asyncio.run(main())


def test_a_killed_worker_is_replaced_and_the_track_goes_on_as_another_epoch():
    async def main():
        async with proxy() as one:
            camera = await one.add("test:?size=320x240")
            await one.until(lambda: row(one, camera)["state"] == "online")
            os.kill(one.workers.pids[-1], signal.SIGKILL)
            await one.until(lambda: len(one.workers.pids) == 2 and row(one, camera)["state"] == "online")
            assert ("offline", "the source's process ended") in one.catalogue.told
            await one.system.ask(one.node, "proxy", RemoveCamera(camera), Done)
            assert ("cameras", camera) not in one.catalogue.fields
            assert one.live.tracks() == {}

    asyncio.run(main())


def test_a_wrong_source_is_refused_before_anything_is_opened():
    async def main():
        async with proxy() as one:
            for url in ("ftp://x", "rtsp://", "file:", "", "te\nst:"):
                with pytest.raises(Refused):
                    await one.add(url)
            assert one.workers.pids == []

    asyncio.run(main())


def test_what_can_never_work_is_refused_when_it_is_added(tmp_path):
    async def main():
        async with proxy(str(tmp_path)) as one:
            for url in ("test:?size=abc", "file:/etc/passwd?loop", f"file:{tmp_path}/gone.mp4", "v4l2:/dev/null"):
                with pytest.raises(Refused):
                    await one.add(url)
            assert one.workers.pids == []
            assert one.catalogue.fields == {}

    asyncio.run(main())


def test_a_password_in_a_path_is_kept_apart_and_an_older_row_that_shows_one_is_mended():
    async def main():
        async with proxy() as one:
            camera = await one.add(f"rtsp://127.0.0.1:{free_port()}/user=admin&password=S3cr3t")
            await one.until(lambda: row(one, camera)["state"] == "error")
            secret = one.catalogue.fields["secrets", camera]
            assert secret["url"].endswith("password=S3cr3t")
            row(one, camera)["source"] = secret.pop("url")
            await one.system.supervisor.stop(f"camera/{camera}")
            made = one.system.supervisor
            again = CameraProxy(
                one.system, one.catalogue, one.live, one.workers, None, SystemClock(), SystemEntropy(), ()
            )
            again._start(await one.catalogue.get("cameras", camera))
            await one.until(lambda: "password" in one.catalogue.fields["secrets", camera].get("url", ""))
            await one.until(lambda: "S3cr3t" not in row(one, camera)["source"])
            await one.until(lambda: "proxy/cameras" in one.catalogue.notes)
            await one.until(lambda: made.report() and any(report.errors for report in made.report()))
            told = repr(one.catalogue.told) + repr(made.report()) + repr(one.catalogue.notes)
            assert "S3cr3t" not in told

    asyncio.run(main())
