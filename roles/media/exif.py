"""What a camera wrote beside a picture: where its Exif block lies, and what is in it.

Sources: Exif 3.0, TIFF 6.0, ISO/IEC 23008-12 (HEIF), ISO 6709.

Everything here comes from outside. Invariant: no number in the file makes this read outside of it, read more than
EXIF_BYTES_MAX of it, or loop; what is damaged is left out, and the rest is told.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from proto.codec import Malformed
from roles.media.boxes import walk

Read = Callable[[int, int], bytes]
"""Gives up to so many bytes from an offset on."""

EXIF_BYTES_MAX = 1 << 20
META_BOX_BYTES_MAX = 1 << 20
SEGMENTS_MAX = 256
ENTRIES_MAX = 512
ITEMS_MAX = 4096
TEXT_CHARS_MAX = 200

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}
_MAKE, _MODEL, _ORIENTATION, _EXIF_IFD, _GPS_IFD = 0x010F, 0x0110, 0x0112, 0x8769, 0x8825
_TAKEN, _OFFSET, _LENS = 0x9003, 0x9011, 0xA434
_MOMENT = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)\Z")
_ZONE = re.compile(r"[+-]\d\d:\d\d\Z")
_PLACE = re.compile(r"([+-]\d{1,3}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)(?:[+-]\d+(?:\.\d+)?)?(?:/|\Z)")


@dataclass(frozen=True, slots=True)
class Heif:
    """A HEIF file's picture: its whole size in pixels (0: not told), and where its Exif block lies."""

    width: int = 0
    height: int = 0
    exif: tuple[int, int] | None = None


def exif_of(read: Read, size: int) -> dict[str, str | int | float]:
    """Give what the Exif block of a picture says: make, model, lens, taken_at, orientation, latitude, longitude."""
    head = read(0, 16)
    try:
        block = _block(read, size, head)
    except (Malformed, struct.error, IndexError, OverflowError):
        return {}
    return parse(block) if block else {}


def _block(read: Read, size: int, head: bytes) -> bytes:
    if head[:2] == b"\xff\xd8":
        return _of_jpeg(read, size)
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return _of_chunks(read, size, 8, ">I4s", b"eXIf", size_first=True)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _of_chunks(read, size, 12, "<4sI", b"EXIF", size_first=False).removeprefix(b"Exif\0\0")
    if head[:4] in (b"II*\0", b"MM\0*"):
        return read(0, min(size, EXIF_BYTES_MAX))
    if head[4:8] == b"ftyp":
        place = heif(read, size).exif
        if place is not None:
            data = read(place[0], min(place[1], EXIF_BYTES_MAX))
            return data[4 + int.from_bytes(data[:4], "big") :]
    return b""


def _of_jpeg(read: Read, size: int) -> bytes:
    at = 2
    for _ in range(SEGMENTS_MAX):
        head = read(at, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xDA, 0xD9) or at >= size:
            return b""
        length = int.from_bytes(head[2:4], "big")
        if head[1] == 0xE1:
            data = read(at + 4, max(0, length - 2))
            if data[:6] == b"Exif\0\0":
                return data[6:]
        at += 2 + max(2, length)
    return b""


def _of_chunks(read: Read, size: int, at: int, form: str, wanted: bytes, *, size_first: bool) -> bytes:
    for _ in range(SEGMENTS_MAX):
        head = read(at, 8)
        if len(head) < 8 or at >= size:
            return b""
        first, second = struct.unpack(form, head)
        length, kind = (first, second) if size_first else (second, first)
        if kind == wanted:
            return read(at + 8, min(length, EXIF_BYTES_MAX))
        # PNG: a checksum follows; RIFF: chunks lie on even places.
        at += 8 + length + (4 if size_first else length & 1)
    return b""


# ---------------------------------------------------------------- the block itself


def parse(tiff: bytes) -> dict[str, str | int | float]:
    """Read an Exif block from its TIFF head on; what cannot be read is left out."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return {}
    first = _ifd(tiff, order, struct.unpack_from(f"{order}I", tiff, 4)[0])
    told: dict[str, str | int | float] = {}
    for name, tag in (("make", _MAKE), ("model", _MODEL)):
        _tell(told, name, first.get(tag))
    orientation = _first(first.get(_ORIENTATION))
    if isinstance(orientation, int) and 1 <= orientation <= 8:
        told["orientation"] = orientation
    inner = _ifd(tiff, order, _first(first.get(_EXIF_IFD)))
    _tell(told, "lens", inner.get(_LENS))
    taken, zone = inner.get(_TAKEN), inner.get(_OFFSET)
    found = _MOMENT.match(taken) if isinstance(taken, str) else None
    if found is not None and found[1] != "0000":
        told["taken_at"] = f"{found[1]}-{found[2]}-{found[3]}T{found[4]}:{found[5]}:{found[6]}" + (
            zone if isinstance(zone, str) and _ZONE.match(zone) else ""
        )
    gps = _ifd(tiff, order, _first(first.get(_GPS_IFD)))
    latitude, longitude = _degrees(gps.get(2), gps.get(1), "S", 90), _degrees(gps.get(4), gps.get(3), "W", 180)
    if latitude is not None and longitude is not None:
        told |= {"latitude": latitude, "longitude": longitude}
    return told


_Values = str | tuple[int | float, ...]


def _ifd(tiff: bytes, order: str, at: object) -> dict[int, _Values]:
    found: dict[int, _Values] = {}
    if not isinstance(at, int) or not 8 <= at <= len(tiff) - 2:
        return found
    count = struct.unpack_from(f"{order}H", tiff, at)[0]
    for number in range(min(count, ENTRIES_MAX)):
        place = at + 2 + 12 * number
        if place + 12 > len(tiff):
            break
        tag, kind, items = struct.unpack_from(f"{order}HHI", tiff, place)
        width = _TYPE_BYTES.get(kind)
        if width is None or not 0 < items <= EXIF_BYTES_MAX:
            continue
        total = width * items
        start = place + 8 if total <= 4 else struct.unpack_from(f"{order}I", tiff, place + 8)[0]
        data = tiff[start : start + total]
        if len(data) == total and tag not in found:
            found[tag] = _values(data, kind, order)
    return found


def _values(data: bytes, kind: int, order: str) -> _Values:
    match kind:
        case 2:
            return data.split(b"\0", 1)[0].decode("utf-8", "replace")
        case 3:
            return struct.unpack(f"{order}{len(data) // 2}H", data)
        case 4 | 9:
            return struct.unpack(f"{order}{len(data) // 4}{'I' if kind == 4 else 'i'}", data)
        case 5 | 10:
            pairs = struct.iter_unpack(f"{order}{'II' if kind == 5 else 'ii'}", data)
            return tuple(above / below if below else math.nan for above, below in pairs)
        case _:
            return tuple(data)


def _first(values: _Values | None) -> object:
    return values[0] if isinstance(values, tuple) and values else None


def _tell(told: dict[str, str | int | float], name: str, value: object) -> None:
    if isinstance(value, str):
        text = "".join(letter for letter in value if letter.isprintable()).strip()[:TEXT_CHARS_MAX]
        if text:
            told[name] = text


def _degrees(values: _Values | None, side: _Values | None, negative: str, bound: int) -> float | None:
    if not isinstance(values, tuple) or len(values) != 3:
        return None
    total = values[0] + values[1] / 60 + values[2] / 3600
    if not math.isfinite(total) or not 0 <= total <= bound:
        return None
    return round(-total if isinstance(side, str) and side.strip().upper() == negative else total, 6)


def place_of(text: str) -> tuple[float, float] | None:
    """Read latitude and longitude of an ISO 6709 text, as video files carry it; None when it is none."""
    found = _PLACE.match(text.strip())
    if found is None:
        return None
    latitude, longitude = float(found[1]), float(found[2])
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


# ---------------------------------------------------------------- HEIF


@dataclass
class _Items:
    primary: int = 0
    exif: int = 0
    sizes: list[tuple[int, int]] = field(default_factory=list)
    properties: dict[int, tuple[int, ...]] = field(default_factory=dict)
    places: dict[int, tuple[int, int]] = field(default_factory=dict)


def heif(read: Read, size: int) -> Heif:
    """Read a HEIF file's meta box; Malformed or struct.error when it is damaged."""
    meta = _meta(read, size)
    items = _Items()
    for box in walk(meta, 4):
        body = meta[box.body : box.end]
        match box.kind:
            case b"pitm":
                items.primary = int.from_bytes(body[4:8] if body[0] else body[4:6], "big")
            case b"iinf":
                items.exif = _exif_item(body)
            case b"iloc":
                items.places = dict(_locations(body))
            case b"iprp":
                _properties(body, items)
    width, height = 0, 0
    for number in items.properties.get(items.primary, ()):
        if 0 < number <= len(items.sizes) and items.sizes[number - 1] != (0, 0):
            width, height = items.sizes[number - 1]
    return Heif(width, height, items.places.get(items.exif) if items.exif else None)


def _meta(read: Read, size: int) -> bytes:
    at = 0
    for _ in range(SEGMENTS_MAX):
        head = read(at, 8)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        if kind == b"meta" and 8 < length <= META_BOX_BYTES_MAX:
            return read(at + 8, length - 8)
        if length < 8 or at + length >= size:
            break
        at += length
    raise Malformed("a picture without a meta box")


def _exif_item(body: bytes) -> int:
    count = 4 if body[0] else 2
    for entry in walk(body, 4 + count):
        if entry.kind != b"infe" or body[entry.body] not in (2, 3):
            continue
        wide = 4 if body[entry.body] == 3 else 2
        kind_at = entry.body + 4 + wide + 2
        if body[kind_at : kind_at + 4] == b"Exif":
            return int.from_bytes(body[entry.body + 4 : entry.body + 4 + wide], "big")
    return 0


def _locations(body: bytes) -> Iterator[tuple[int, tuple[int, int]]]:
    """Give (item, (offset, bytes)) of items of one extent that lie in the file itself."""
    version = body[0]
    offset_bytes, length_bytes, base_bytes = body[4] >> 4, body[4] & 15, body[5] >> 4
    index_bytes = body[5] & 15 if version else 0
    wide = 4 if version == 2 else 2
    at = 6

    def number(width: int) -> int:
        nonlocal at
        if at + width > len(body):
            raise Malformed("an item's place is cut short")
        at += width
        return int.from_bytes(body[at - width : at], "big")

    for _ in range(min(number(wide), ITEMS_MAX)):
        item = number(wide)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_bytes)
        extents = []
        for _ in range(min(number(2), ITEMS_MAX)):
            number(index_bytes)
            extents.append((base + number(offset_bytes), number(length_bytes)))
        if method == 0 and len(extents) == 1:
            yield item, extents[0]


def _properties(body: bytes, items: _Items) -> None:
    for box in walk(body):
        inner = body[box.body : box.end]
        if box.kind == b"ipco":
            for one in walk(inner):
                known = one.kind == b"ispe" and one.end - one.body >= 12
                items.sizes.append(struct.unpack_from(">II", inner, one.body + 4) if known else (0, 0))
        elif box.kind == b"ipma":
            items.properties = _associations(inner)


def _associations(body: bytes) -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    wide_item, wide_index = (4 if body[0] else 2), (2 if body[3] & 1 else 1)
    count, at = int.from_bytes(body[4:8], "big"), 8
    for _ in range(min(count, ITEMS_MAX)):
        if at + wide_item >= len(body):
            break
        item = int.from_bytes(body[at : at + wide_item], "big")
        at += wide_item
        links = body[at]
        at += 1
        mask = 0x7FFF if wide_index == 2 else 0x7F
        places = range(at, at + links * wide_index, wide_index)
        found[item] = tuple(int.from_bytes(body[one : one + wide_index], "big") & mask for one in places)
        at += links * wide_index
    return found


def of_tags(tags: Mapping[str, str]) -> dict[str, str | float]:
    """Give place, make and model as a video's metadata tags name them."""
    told: dict[str, str | float] = {}
    for name in ("com.apple.quicktime.location.ISO6709", "location", "location-eng"):
        place = place_of(tags.get(name, ""))
        if place is not None:
            told["latitude"], told["longitude"] = place
            break
    for name in ("make", "model"):
        value = tags.get(f"com.apple.quicktime.{name}") or tags.get(name)
        if value:
            told[name] = value[:TEXT_CHARS_MAX]
    return told
