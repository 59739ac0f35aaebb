"""A cursor comes back as it was on any node of its mesh; anything else is told from it in a sentence."""

import base64
import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.core import eventcursor
from mesh.core.eventcursor import CURSOR_CHARS_MAX, Cursor, CursorError, LaneTag, Place, tag_of
from proto.ids import MeshId, node_id_of
from proto.messages.events import LANES_TOLD_MAX, NUMBER_MAX

MESH, OTHER = MeshId("a" * 26), MeshId("b" * 26)
numbers = st.integers(0, NUMBER_MAX)
lanes = st.builds(LaneTag, st.binary(min_size=32, max_size=32).map(node_id_of).map(tag_of), st.booleans())
moments = st.integers(0, (1 << 48) - 1)
cursors = st.builds(Cursor, moments, moments, st.dictionaries(lanes, st.builds(Place, numbers, numbers), max_size=8))


@given(cursors)
def test_it_comes_back(cursor):
    assert eventcursor.read(cursor.text(MESH), MESH) == cursor


@given(cursors, st.data())
def test_a_changed_or_cut_one_is_refused_in_words(cursor, data):
    text = cursor.text(MESH)
    at = data.draw(st.integers(0, len(text) - 1))
    wrong = text[:at] + data.draw(st.sampled_from(["", "A", "=", "\n", "é", "."])) + text[at + 1 :]
    with contextlib.suppress(CursorError):
        assert eventcursor.read(wrong, MESH) == cursor  # it was what stood there, or bits that base64 does not use


@given(st.text(max_size=100) | st.binary(max_size=100).map(lambda raw: "e1." + base64.urlsafe_b64encode(raw).decode()))
def test_rubbish_is_refused(text):
    with pytest.raises(CursorError):
        eventcursor.read(text, MESH)


def test_one_of_another_mesh_or_release_is_named_as_such():
    text = Cursor(1, 2, {}).text(MESH)
    with pytest.raises(CursorError, match="another mesh"):
        eventcursor.read(text, OTHER)
    with pytest.raises(CursorError, match="version 2; this node reads version 1"):
        eventcursor.read("e2" + text[2:], MESH)


def test_an_entry_twice_or_of_an_unknown_kind_is_refused():
    lane = LaneTag(tag_of(node_id_of(bytes(32))))
    body = base64.urlsafe_b64decode(Cursor(1, 2, {lane: Place(1, 1)}).text(MESH)[3:] + "==")[:-4]
    for made in (body + body[17:], body[:27] + b"\x02" + body[28:]):
        packed = base64.urlsafe_b64encode(made + zlib.crc32(made).to_bytes(4, "big")).decode().rstrip("=")
        with pytest.raises(CursorError, match="damaged"):
            eventcursor.read("e1." + packed, MESH)


def test_the_longest_one_is_read_and_a_longer_one_is_not_looked_at():
    tags = [LaneTag(tag_of(node_id_of(i.to_bytes(2, "big") * 16)), i % 2 == 0) for i in range(LANES_TOLD_MAX)]
    cursor = Cursor(1, 2, {tag: Place(NUMBER_MAX, 7) for tag in tags})
    text = cursor.text(MESH)
    assert len(text) <= CURSOR_CHARS_MAX
    assert eventcursor.read(text, MESH) == cursor
    with pytest.raises(CursorError, match="characters"):
        eventcursor.read(text + "AAAA", MESH)
