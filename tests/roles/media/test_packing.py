"""Which stretches of a take are packed, and that no part is lost by it."""

from dataclasses import replace

from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from roles.media.packing import CHUNK_PACKED_BYTES_MAX, CHUNK_TARGET_BYTES, loose, plan
from roles.media.timeline import PAGE_S, Entry, Page, timeline

INIT = bytes(32)


def entry(epoch, number, size=100_000, source=0):
    name = blake3(f"{epoch}/{number}/{source}".encode()).digest()
    start = number * 500_000
    return Entry(name, size, epoch, number // 4, number % 4, number % 4 == 0, start, 500_000, epoch * 10**9 + start)


def page(*entries):
    return Page("t" * 26, INIT, 10, (), entries)


def named(pages):
    return {one.name(): one for one in pages}


def keys(pages):
    return {(e.epoch, e.group, e.part) for one in pages for e in one.entries}


@st.composite
def takes(draw):
    """Pages of one or two recorders over one or two epochs, some overlapping, in any order."""
    pages = []
    for epoch in range(1, draw(st.integers(1, 2)) + 1):
        count = draw(st.integers(1, 300))
        for _ in range(draw(st.integers(1, 2))):
            at = draw(st.integers(0, 3))
            while at < count:
                step = draw(st.integers(1, 30))
                size = draw(st.sampled_from([20_000, 400_000, 3_000_000]))
                pages.append(page(*(entry(epoch, n, size) for n in range(at, min(count, at + step)))))
                at += step
    return draw(st.permutations(pages))


def pack(pages, ended):
    """Do what a packer does."""
    standing = named(pages)
    stretches = plan(standing, ended=ended)
    for stretch in stretches:
        runs = {
            n: blake3(b"".join(e.chunk for e in run)).digest() for n, run in enumerate(stretch.chunks) if len(run) > 1
        }
        made = stretch.packed(runs)
        for name in stretch.names:
            standing.pop(name, None)
        standing[made.name()] = made
    return standing, stretches


@given(takes(), st.booleans())
def test_packing_keeps_every_part_in_its_place_and_is_done_once(pages, ended):
    before = timeline(pages)
    standing, stretches = pack(pages, ended)
    after = timeline(standing.values())
    assert [(p.at_us, p.entry.epoch, p.entry.group, p.entry.part) for p in after.parts] == [
        (p.at_us, p.entry.epoch, p.entry.group, p.entry.part) for p in before.parts
    ]
    assert after.gaps == before.gaps
    for stretch in stretches:
        carried = keys([stretch.page])
        assert all(keys([named(pages)[name]]) <= carried for name in stretch.names)
        assert keys([stretch.packed({})]) == carried
        span = max(e.start_us + e.duration_us for e in stretch.page.entries) - min(
            e.start_us for e in stretch.page.entries
        )
        assert span <= PAGE_S * 1_000_000
        for run in stretch.chunks:
            size = sum(e.size for e in run)
            assert len(run) == 1 or size <= CHUNK_PACKED_BYTES_MAX
    assert not plan({name: one for name, one in standing.items() if not loose(one)}, ended=ended)
    again, more = pack(list(standing.values()), ended)
    assert not more
    assert again == standing


@given(takes(), st.randoms())
def test_the_plan_does_not_depend_on_the_order_of_the_pages(pages, chance):
    shuffled = list(named(pages).items())
    chance.shuffle(shuffled)
    assert plan(dict(shuffled), ended=True) == plan(named(pages), ended=True)


def test_parts_in_a_packed_chunk_lie_one_after_another():
    pages = [page(*(entry(1, n) for n in range(at, at + 4))) for at in range(0, 120, 4)]
    (stretch,) = plan(named(pages), ended=True)
    assert [sum(e.size for e in run) >= CHUNK_TARGET_BYTES for run in stretch.chunks[:-1]] == [True] * 2
    made = stretch.packed({n: bytes([n]) * 32 for n in range(len(stretch.chunks))})
    assert len(stretch.names) == 30
    at = {}
    for one in made.entries:
        assert one.offset == at.get(one.chunk, 0)
        at[one.chunk] = one.offset + one.size
    assert not loose(made)


def test_the_stretch_that_is_still_being_recorded_is_left_alone():
    pages = [page(*(entry(1, n) for n in range(at, at + 4))) for at in range(0, 200, 4)]
    running = plan(named(pages), ended=False)
    assert [len(stretch.page.entries) for stretch in running] == [120]
    assert [len(stretch.page.entries) for stretch in plan(named(pages), ended=True)] == [120, 80]


def test_parts_that_are_large_already_stay_the_chunks_they_are():
    pages = [page(*(entry(1, n, 5 << 20) for n in range(4)))]
    assert plan(named(pages), ended=True) == []


def test_a_packed_part_is_preferred_to_the_single_one_it_came_from():
    single = page(entry(1, 0), entry(1, 1))
    packed = page(*(replace(e, chunk=b"\xff" * 32, offset=n * e.size) for n, e in enumerate(single.entries)))
    assert {p.entry.chunk for p in timeline([single, packed]).parts} == {b"\xff" * 32}


def test_a_part_that_was_cut_short_is_not_packed_in_place_of_the_whole_one():
    whole = [replace(entry(1, n), samples=12) for n in range(8)]
    short = replace(whole[3], chunk=bytes(32), duration_us=100_000, samples=3)
    stretches = plan(named([page(*whole), page(short)]), ended=True)
    assert [one.samples for one in stretches[0].page.entries] == [12] * 8
