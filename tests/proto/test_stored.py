"""What lies on a disk or travels inside a message is read, or is malformed: a damaged byte never takes a node down."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.core import rows
from proto import codec
from proto.codec import Malformed
from tools import wire

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "stored.json").read_text())
CLASSES = wire.golden_files()["stored"]


@st.composite
def damaged(draw, key):
    """Give golden bytes of a stored record with one to three places changed."""
    data = bytearray(bytes.fromhex(draw(st.sampled_from(GOLDEN[key]["cases"]))["bytes"]))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data) - 1))
        if draw(st.booleans()):
            data[at] = draw(st.integers(0, 255))
        else:
            data[at : at + 1] = draw(st.binary(max_size=3)) or b"\x00"
    return bytes(data)


@pytest.mark.parametrize("key", CLASSES)
@settings(max_examples=150)
@given(st.data())
def test_a_damaged_record_is_read_or_malformed(key, data):
    cls = CLASSES[key]
    with contextlib.suppress(Malformed):
        value = codec.decode(cls, data.draw(damaged(key)))
        assert codec.decode(cls, codec.encode(value)) == value or "nan" in repr(value)


@settings(max_examples=300)
@given(damaged("row"), damaged("row"))
def test_a_damaged_row_is_read_and_merged_or_malformed(one, other):
    with contextlib.suppress(Malformed):
        first, second = rows.unpack(one), rows.unpack(other)
        if (first.table, first.pk, first.sk) == (second.table, second.pk, second.sk):
            merged = rows.merge(first, second)
            assert rows.pack(merged) == rows.pack(rows.merge(second, first))
            assert rows.pack(rows.unpack(rows.pack(merged))) == rows.pack(merged)
