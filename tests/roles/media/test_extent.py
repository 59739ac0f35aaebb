"""A file that lacks its end is known as such by its own container, and a whole one is not."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roles.media.boxes import box
from roles.media.extent import is_cut_short

RIFF = b"RIFF" + struct.pack("<I", 104) + b"WAVE" + b"x" * 100
MP4 = box(b"ftyp", b"isom\0\0\0\0") + box(b"moov", b"m" * 50) + box(b"mdat", b"d" * 200)
JPEG = b"\xff\xd8\xff\xe0" + b"j" * 100 + b"\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 100 + b"\0\0\0\0IEND\xaeB`\x82"


def cut_short(data):
    return is_cut_short(lambda offset, size: data[offset : offset + size], len(data))


@pytest.mark.parametrize("whole", [RIFF, MP4, JPEG, PNG, JPEG + b"a maker's own bytes", b"", b"text", b"\0" * 40])
def test_a_whole_file_is_whole(whole):
    assert not cut_short(whole)


@pytest.mark.parametrize("whole", [RIFF, MP4, JPEG, PNG])
def test_half_a_file_is_cut_short(whole):
    assert cut_short(whole[: len(whole) // 2])


def test_sizes_that_a_stream_leaves_open_are_whole():
    assert not cut_short(RIFF[:4] + b"\xff\xff\xff\xff" + RIFF[8:50])
    assert not cut_short(box(b"ftyp", b"isom\0\0\0\0") + b"\0\0\0\0mdat" + b"d" * 20)
    large = struct.pack(">I4sQ", 1, b"mdat", 16 + 20) + b"d" * 20
    assert not cut_short(box(b"ftyp", b"isom\0\0\0\0") + large)
    assert cut_short(box(b"ftyp", b"isom\0\0\0\0") + large[:-1])


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data):
    for head in (b"", b"RIFF", b"\0\0\0\x10ftypisom\0\0\0\0", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"):
        assert cut_short(head + data) in (True, False)
