"""A manifest's pieces are exactly the bytes asked for, and what is no manifest is refused."""

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mesh.core.manifest import CHUNK_BYTES, INLINE_CHUNKS_MAX, Manifest
from proto.codec import Malformed

SIZES = st.one_of(
    st.integers(0, 5 * CHUNK_BYTES),
    st.sampled_from([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES]),
)


def manifest(size):
    count = -(-size // CHUNK_BYTES)
    return Manifest(size, tuple(blake3(bytes([number])).digest() for number in range(count)), b"h" * 32)


@given(SIZES, st.integers(-10, 6 * CHUNK_BYTES), st.integers(-10, 6 * CHUNK_BYTES))
def test_the_pieces_of_any_range_are_its_bytes_in_order_and_nothing_else(size, start, end):
    made = manifest(size)
    at = max(0, start)
    for piece in made.plan(start, end):
        number, offset = divmod(at, CHUNK_BYTES)
        assert (piece.chunk, piece.offset) == (made.chunks[number], offset)
        assert 0 < piece.size <= made.chunk_size(number) - offset
        at += piece.size
    assert at == max(0, start, min(end, size))


@given(SIZES)
def test_it_is_the_same_after_its_row(size):
    made = manifest(size)
    assert Manifest.unpack(made.pack()) == made
    assert sum(made.chunk_size(number) for number in range(len(made.chunks))) == size


def test_a_short_one_lies_in_the_row_and_a_long_one_does_not():
    assert manifest(INLINE_CHUNKS_MAX * CHUNK_BYTES).inline
    assert not manifest(INLINE_CHUNKS_MAX * CHUNK_BYTES + 1).inline


@given(st.one_of(st.binary(max_size=200), st.none(), st.text()))
def test_what_is_no_manifest_is_malformed(data):
    with pytest.raises(Malformed):
        Manifest.unpack(data)


def test_chunks_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="add up"):
        Manifest(CHUNK_BYTES + 1, (b"c" * 32,), b"h" * 32)
    packed = manifest(CHUNK_BYTES * 2).pack().replace(b"\x1a\x00\x80\x00\x00", b"\x1a\x00\x90\x00\x00")
    with pytest.raises(Malformed):
        Manifest.unpack(packed)
