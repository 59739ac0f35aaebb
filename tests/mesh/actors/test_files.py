"""A stream becomes chunks and comes back byte for byte; one that breaks off leaves nothing that refers to it."""

import asyncio

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.actors.files import WINDOW, FileReader, Files, TooLargeError
from mesh.adapters.clock import SystemClock
from mesh.core.manifest import CHUNK_BYTES, INLINE_CHUNKS_MAX, Manifest
from mesh.ports import DiskFull, Unavailable
from proto.ids import AssetId, ChunkId

ASSET = AssetId("a" * 26)


class Inline:
    async def run(self, work, *args):
        return work(*args)


class Rows:
    """References as the catalogue keeps them; notes what came when."""

    def __init__(self, told):
        self.told, self.references = told, set()

    async def write(self, *changes):
        for change in changes:
            key = (change.pk, change.sk)
            (self.references.discard if change.delete else self.references.add)(key)
            self.told.append(("forget" if change.delete else "refer", change.pk))
        return "cursor"


class Chunks:
    """Chunks in memory; ``fail`` says what a put does, ``slow`` lets puts wait for each other."""

    def __init__(self, told, fail=None):
        self.told, self.fail, self.kept, self.at_once, self.most = told, fail, {}, 0, 0

    async def put(self, data, asset, *, copies, chunk):
        assert chunk == blake3(data).digest()
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.fail is not None:
            raise self.fail
        self.told.append(("put", blake3(data).hexdigest()))
        self.kept[blake3(data).digest()] = data
        self.copies = copies
        return ChunkId(blake3(data).digest())

    async def keep(self, data, asset, chunk):
        assert chunk == blake3(data).digest()
        self.fail = None
        self.told.append(("keep", blake3(data).hexdigest()))
        self.kept[blake3(data).digest()] = data
        return ChunkId(blake3(data).digest())

    async def get(self, chunk, offset=0, size=None):
        self.told.append(("get", chunk.hex()))
        return self.kept[chunk][offset : None if size is None else offset + size]


def files(fail=None, wanted=3):
    told = []
    rows, chunks = Rows(told), Chunks(told, fail)
    return Files(rows, chunks, Inline(), lambda: wanted, SystemClock(), 3600.0), rows, chunks, told


async def stream(data, cuts):
    at = 0
    for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        yield data[at:cut]
        at = cut


def content(size):
    return blake3(str(size).encode()).digest(size) if size else b""


@settings(max_examples=25)
@given(
    st.one_of(st.integers(0, 3 * CHUNK_BYTES), st.sampled_from([CHUNK_BYTES, 2 * CHUNK_BYTES, CHUNK_BYTES + 1])),
    st.lists(st.integers(0, 3 * CHUNK_BYTES), max_size=5),
    st.integers(0, 3 * CHUNK_BYTES),
    st.integers(0, 3 * CHUNK_BYTES),
)
def test_what_comes_back_is_what_came_however_it_was_cut(size, cuts, start, end):
    async def go():
        kept, _, chunks, _ = files()
        data = content(size)
        made = await kept.write(stream(data, cuts), ASSET)
        assert (made.size, made.blake3) == (size, blake3(data).digest())
        assert b"".join([piece async for piece in kept.read(made, 0, size)]) == data
        assert b"".join([piece async for piece in kept.read(made, start, end)]) == data[start:end]
        assert await FileReader(chunks, made).read(start, max(0, end - start)) == data[start : max(start, end)]

    asyncio.run(go())


def test_a_chunk_is_referenced_before_it_is_stored_and_few_are_on_their_way():
    async def go():
        kept, _, chunks, told = files()
        await kept.write(stream(content(6 * CHUNK_BYTES), []), ASSET)
        for what, chunk in told:
            if what == "put":
                assert told.index(("refer", chunk)) < told.index(("put", chunk))
        assert 1 < chunks.most <= WINDOW
        assert chunks.copies == 2

    asyncio.run(go())


def test_a_stream_that_breaks_off_leaves_no_reference():
    async def broken():
        yield content(2 * CHUNK_BYTES + 5)
        raise ConnectionError("gone")

    async def go():
        kept, rows, _, _ = files()
        with pytest.raises(ConnectionError):
            await kept.write(broken(), ASSET)
        assert rows.references == set()

    asyncio.run(go())


def test_one_over_the_limit_leaves_no_reference():
    async def go():
        kept, rows, _, _ = files()
        with pytest.raises(TooLargeError, match="100"):
            await kept.write(stream(content(101), []), ASSET, 100)
        with pytest.raises(TooLargeError):
            await kept.write(stream(content(3 * CHUNK_BYTES), []), ASSET, 2 * CHUNK_BYTES)
        assert rows.references == set()
        assert (await kept.write(stream(content(100), []), ASSET, 100)).size == 100

    asyncio.run(go())


def test_a_second_node_that_does_not_answer_does_not_refuse_the_file():
    async def go():
        kept, rows, _, told = files(Unavailable("only 1 of 2 nodes stored the bytes"))
        made = await kept.write(stream(b"some bytes", []), ASSET)
        assert [what for what, _ in told] == ["refer", "keep"]
        assert len(rows.references) == len(made.chunks) == 1

    asyncio.run(go())


def test_a_full_disk_is_told_as_one():
    async def go():
        kept, rows, _, _ = files(DiskFull("no room"))
        with pytest.raises(DiskFull):
            await kept.write(stream(content(2 * CHUNK_BYTES), []), ASSET)
        assert rows.references == set()

    asyncio.run(go())


def test_a_mesh_that_wants_one_copy_waits_for_one():
    async def go():
        kept, _, chunks, _ = files(wanted=1)
        await kept.write(stream(b"x", []), ASSET)
        assert chunks.copies == 1

    asyncio.run(go())


def test_a_long_manifest_lies_in_a_chunk_of_the_asset():
    async def go():
        kept, rows, _, _ = files()
        long = Manifest(INLINE_CHUNKS_MAX * CHUNK_BYTES + 1, (b"c" * 32,) * (INLINE_CHUNKS_MAX + 1), b"h" * 32)
        fields = await kept.fields(long, ASSET)
        assert "manifest" not in fields
        assert await kept.manifest(fields) == long
        assert (fields["manifest_chunk"], ASSET) in rows.references
        short = Manifest(1, (b"c" * 32,), b"h" * 32)
        assert await kept.manifest(await kept.fields(short, ASSET)) == short
        assert await kept.manifest({"kind": "take"}) is None

    asyncio.run(go())


def test_small_reads_of_one_place_fetch_its_chunk_once():
    async def go():
        kept, _, chunks, told = files()
        data = content(2 * CHUNK_BYTES)
        made = await kept.write(stream(data, []), ASSET)
        told.clear()
        reader = FileReader(chunks, made)
        for at in range(0, 2 * CHUNK_BYTES, CHUNK_BYTES // 4):
            assert await reader.read(at, 10) == data[at : at + 10]
        assert len(told) == 2

    asyncio.run(go())
