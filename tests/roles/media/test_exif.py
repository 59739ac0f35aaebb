"""What a camera wrote is read where it is whole, and nothing in it makes the reader fail, hang or read elsewhere."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.codec import Malformed
from roles.media.boxes import box, full_box
from roles.media.exif import Heif, exif_of, heif, of_tags, parse, place_of


def ifd(order, at, entries):
    """Give an IFD that lies at ``at`` and the bytes its long values take behind it."""
    head, tail = struct.pack(f"{order}H", len(entries)), b""
    room = at + 2 + 12 * len(entries) + 4
    for tag, kind, count, data in entries:
        if len(data) <= 4:
            head += struct.pack(f"{order}HHI", tag, kind, count) + data.ljust(4, b"\0")
        else:
            head += struct.pack(f"{order}HHII", tag, kind, count, room + len(tail))
            tail += data
    return head + b"\0\0\0\0" + tail


def block(order="<"):
    """Give an Exif block: a camera, a moment, a place south and west."""

    def fractions(*pairs):
        return b"".join(struct.pack(f"{order}II", *pair) for pair in pairs)

    def number(value):
        return struct.pack(f"{order}I", value)

    exif = [(0x9003, 2, 20, b"2024:05:01 10:11:12\0"), (0x9011, 2, 7, b"+02:00\0")]
    gps = [
        (1, 2, 2, b"S\0"),
        (2, 5, 3, fractions((33, 1), (51, 1), (3000, 100))),
        (3, 2, 2, b"W\0"),
        (4, 5, 3, fractions((151, 1), (12, 1), (0, 1))),
    ]
    first_size = len(ifd(order, 8, [(0x010F, 2, 6, b"Maker\0"), (0x0112, 3, 1, b""), (1, 4, 1, b""), (2, 4, 1, b"")]))
    exif_at = 8 + first_size
    gps_at = exif_at + len(ifd(order, exif_at, exif))
    first = [
        (0x010F, 2, 6, b"Maker\0"),
        (0x0112, 3, 1, struct.pack(f"{order}H", 6)),
        (0x8769, 4, 1, number(exif_at)),
        (0x8825, 4, 1, number(gps_at)),
    ]
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + number(8) + ifd(order, 8, first) + ifd(order, exif_at, exif) + ifd(order, gps_at, gps)


TOLD = {
    "make": "Maker",
    "orientation": 6,
    "taken_at": "2024-05-01T10:11:12+02:00",
    "latitude": -33.858333,
    "longitude": -151.2,
}


def jpeg(exif):
    other = b"\xff\xe0\x00\x04ab"
    return b"\xff\xd8" + other + b"\xff\xe1" + struct.pack(">H", 8 + len(exif)) + b"Exif\0\0" + exif + b"\xff\xd9"


def png(exif):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + b"\0\0\0\0"

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"x" * 13) + chunk(b"eXIf", exif)


def webp(exif):
    return b"RIFF\0\0\0\0WEBPVP8X\x03\0\0\0abc\0EXIF" + struct.pack("<I", len(exif)) + exif


def heic(exif):
    def meta(at):
        infe = full_box(b"infe", 2, 0, struct.pack(">HH4s", 2, 0, b"Exif"), b"\0")
        place = struct.pack(">BBHHHHII", 0x44, 0, 1, 2, 0, 1, at, 4 + len(exif))
        sizes = box(b"ipco", full_box(b"ispe", 0, 0, struct.pack(">II", 4032, 3024)))
        links = full_box(b"ipma", 0, 0, struct.pack(">IHBB", 1, 1, 1, 0x81))
        return full_box(
            b"meta",
            0,
            0,
            full_box(b"pitm", 0, 0, struct.pack(">H", 1)),
            full_box(b"iinf", 0, 0, struct.pack(">H", 1), infe),
            full_box(b"iloc", 0, 0, place),
            box(b"iprp", sizes, links),
        )

    head = box(b"ftyp", b"heic\0\0\0\0")
    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", b"\0\0\0\0" + exif)


def told(data):
    return exif_of(lambda offset, size: data[offset : offset + size], len(data))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("wrap", [jpeg, png, webp, heic, bytes])
def test_camera_moment_and_place_are_told_from_every_kind_of_picture(wrap, order):
    assert told(wrap(block(order))) == TOLD


def test_a_heif_tells_the_size_of_the_whole_picture():
    data = heic(block())
    assert heif(lambda offset, size: data[offset : offset + size], len(data)) == Heif(
        4032, 3024, (data.index(b"mdat") + 4, 4 + len(block()))
    )


@given(st.integers(0, 300), st.integers(0, 255), st.sampled_from([jpeg, png, webp, heic, bytes]))
def test_a_damaged_byte_costs_at_most_what_it_is_in(at, value, wrap):
    data = bytearray(wrap(block()))
    data[at % len(data)] = value
    assert set(told(bytes(data))) <= {*TOLD, "model", "lens"}


@given(st.integers(0, 400), st.sampled_from([jpeg, png, webp, heic, bytes]))
def test_a_picture_cut_anywhere_is_read_as_far_as_it_goes(cut, wrap):
    for name, value in told(wrap(block())[:cut]).items():
        assert name != "latitude" or value == TOLD["latitude"]


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(data):
    for head in (b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"II*\0", b"\0\0\0\x10ftypheic\0\0\0\0"):
        assert isinstance(told(head + data), dict)
    parse(b"MM\0*" + data)


def test_a_file_without_a_meta_box_is_malformed():
    data = box(b"ftyp", b"heic\0\0\0\0")
    with pytest.raises(Malformed):
        heif(lambda offset, size: data[offset : offset + size], len(data))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("+48.8577+002.2950/", (48.8577, 2.295)),
        ("-33.8568+151.2153+010.5/", (-33.8568, 151.2153)),
        ("+91+000/", None),
        ("somewhere", None),
        ("", None),
    ],
)
def test_a_videos_place_is_read(text, place):
    assert place_of(text) == place


def test_a_phones_tags_are_told():
    tags = {"com.apple.quicktime.location.ISO6709": "+48.85+002.29/", "com.apple.quicktime.make": "Apple"}
    assert of_tags(tags) == {"latitude": 48.85, "longitude": 2.29, "make": "Apple"}
