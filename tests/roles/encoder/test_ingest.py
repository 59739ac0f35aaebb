"""What was taken in and never looked into is found again; what is out of reach now is not called broken."""

import asyncio
import itertools
from types import SimpleNamespace

import pytest

from mesh.core.rows import Row
from mesh.ports import PortError, Unavailable
from proto.ids import AssetId
from roles.encoder.adapters.wire import Probed
from roles.encoder.ingest import UPLOADS_MAX, Ingest
from roles.encoder.media_work import UnreadableError

ASSET = AssetId("a" * 26)


class Catalogue:
    def __init__(self):
        self.fields, self.watchers, self.scans = {}, [], 0

    def watch(self, table, handler):
        self.watchers.append(handler)

    async def write(self, *changes):
        for change in changes:
            self.fields.setdefault(change.pk, {}).update(change.set)
            for handler in self.watchers:
                handler(self.row(change.pk))
        return "cursor"

    def row(self, pk):
        return Row("assets", pk, "", self.fields[pk], {}, 1)

    async def get(self, table, pk):
        return self.row(pk) if pk in self.fields else None

    async def scan(self, query):
        self.scans += 1
        wanted = [pk for pk, fields in self.fields.items() if not fields.get("probed")]
        return SimpleNamespace(rows=[self.row(pk) for pk in wanted])


class Tasks:
    """A supervisor that runs what it is given, and ends it with the test."""

    def __init__(self):
        self.running = []

    def run(self, name, task):
        self.running.append(asyncio.ensure_future(task()))

    def close(self):
        for task in self.running:
            task.cancel()


class Work:
    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def probe(self, content, name):
        self.asked.append(name)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Heirs:
    """``other`` is away for as long as the test says, and this node is its heir for everything."""

    away = False

    def gone(self):
        return ["other"] if self.away else []

    def heir(self, node, partition):
        return node in self.gone()


def made(work, rows=(), heirs=None):
    catalogue, tasks = Catalogue(), Tasks()
    for pk, fields in rows:
        catalogue.fields[pk] = {"node": "me", "state": "ready", "name": "a.mp4", "size_bytes": 9, **fields}

    async def put(data, asset):
        return b"\x01" * 32

    async def opened(row, *, first_s=None):
        return None

    system = SimpleNamespace(node_id="me", supervisor=tasks)
    files, contents = SimpleNamespace(put=put), SimpleNamespace(open=opened)
    return Ingest(system, catalogue, files, contents, work, None, None, 1 << 30, heirs or Heirs()), catalogue, tasks


async def until(true):
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


def test_what_an_earlier_run_left_is_looked_into_at_the_start():
    async def go():
        work = Work(Probed("video", "video/mp4", "h264", poster=b"jpeg"))
        ingest, catalogue, tasks = made(work, [(ASSET, {"kind": "other"})])
        await ingest.open()
        await until(lambda: catalogue.fields[ASSET].get("probed"))
        fields = catalogue.fields[ASSET]
        assert (fields["kind"], fields["codec"], fields["poster"], fields["error"]) == ("video", "h264", "01" * 32, "")
        tasks.close()

    asyncio.run(go())


def test_a_take_that_ends_gets_a_poster_and_keeps_what_its_recorder_said():
    async def go():
        work = Work(Probed("video", "video/mp4", "h264", poster=b"jpeg"))
        take = {"kind": "take", "state": "recording", "codec": "hevc", "error": "not recording: the disk is full"}
        ingest, catalogue, tasks = made(work)
        await ingest.open()
        catalogue.fields[ASSET] = {"node": "me", "name": "take", **take}
        for handler in catalogue.watchers:
            handler(catalogue.row(ASSET))
        assert work.asked == []
        await catalogue.write(SimpleNamespace(pk=ASSET, set={"state": "ready"}))
        await until(lambda: catalogue.fields[ASSET].get("probed"))
        fields = catalogue.fields[ASSET]
        assert (fields["kind"], fields["codec"], fields["poster"]) == ("take", "hevc", "01" * 32)
        assert fields["error"] == take["error"]
        tasks.close()

    asyncio.run(go())


def test_another_nodes_asset_is_left_to_it():
    async def go():
        ingest, catalogue, _ = made(Work(UnreadableError("no")), [(ASSET, {"node": "other"})])
        await ingest.look(ASSET)
        assert "probed" not in catalogue.fields[ASSET]

    asyncio.run(go())


def test_what_a_node_that_is_away_left_is_looked_into_by_its_heir():
    async def go():
        heirs = Heirs()
        work = Work(Probed("video", "video/mp4", "h264"))
        ingest, catalogue, tasks = made(work, [(ASSET, {"node": "other", "kind": "other"})], heirs)
        await ingest.open()
        await ingest.sweep_once()
        assert work.asked == []
        heirs.away = True
        await ingest.sweep_once()
        await until(lambda: catalogue.fields[ASSET].get("probed"))
        assert (catalogue.fields[ASSET]["kind"], catalogue.fields[ASSET]["node"]) == ("video", "other")
        tasks.close()

    asyncio.run(go())


def test_bytes_out_of_reach_leave_the_asset_to_be_looked_into_later():
    async def go():
        work = Work(Unavailable("no copy can be reached"), Probed("image", "image/png"))
        ingest, catalogue, _ = made(work, [(ASSET, {})])
        with pytest.raises(PortError):
            await ingest.look(ASSET)
        assert "error" not in catalogue.fields[ASSET]
        await ingest.look(ASSET)
        assert catalogue.fields[ASSET]["kind"] == "image"

    asyncio.run(go())


@pytest.mark.parametrize(("name", "error"), [("a.mp4", "a.mp4 is no media"), ("notes.txt", ""), ("unknown", "")])
def test_only_what_calls_itself_media_is_told_to_be_none(name, error):
    async def go():
        work = Work(UnreadableError(f"{name} is no media"))
        ingest, catalogue, _ = made(work, [(ASSET, {"name": name, "kind": "other"})])
        await ingest.look(ASSET)
        assert catalogue.fields[ASSET]["error"] == error
        assert catalogue.fields[ASSET]["kind"] == "other"

    asyncio.run(go())


def test_uploads_at_once_are_bounded():
    async def go():
        begun, go_on = 0, asyncio.Event()

        async def write(source, asset, size_max, *, keeps):
            nonlocal begun
            begun += 1
            await go_on.wait()
            raise ConnectionError

        ingest, _, _ = made(Work(UnreadableError("no")))
        ingest._files.write = write
        ids = itertools.count()  # an asset each: uploads of one asset wait for each other
        ingest._entropy = SimpleNamespace(token=lambda size: next(ids).to_bytes(size, "big"))
        running = [asyncio.ensure_future(ingest.take_in("a", (), None)) for _ in range(UPLOADS_MAX)]
        await until(lambda: begun == UPLOADS_MAX)
        with pytest.raises(Unavailable, match="try again"):
            await ingest.take_in("a", (), None)
        go_on.set()
        await asyncio.gather(*running, return_exceptions=True)
        with pytest.raises(ConnectionError):
            await ingest.take_in("a", (), None)

    asyncio.run(go())
