"""What decode returns has the declared types and bounds, or Malformed was raised."""

import contextlib
from dataclasses import dataclass
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto import codec
from proto.codec import Malformed, Max
from proto.envelope import Envelope, Failure, Kind
from proto.frames import FrameReader, pack_frame
from proto.ids import is_node_id, node_id_of, public_key_of

free = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@dataclass(frozen=True, slots=True)
class Older:
    name: Annotated[str, Max(8)]
    count: int


@dataclass(frozen=True, slots=True)
class Newer:
    name: Annotated[str, Max(8)]
    count: int
    words: tuple[str, ...] = ("new",)


@given(free)
def test_a_free_value_comes_back(value):
    assert codec.decode_value(codec.encode_value(value)) == value


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_malformed(data):
    for cls in (Newer, Envelope):
        with contextlib.suppress(Malformed):
            assert isinstance(codec.decode(cls, data), cls)


def test_versions_talk():
    assert codec.decode(Newer, codec.encode(Older("a", 1))) == Newer("a", 1)
    assert codec.decode(Older, codec.encode(Newer("a", 1, ("x",)))) == Older("a", 1)


@pytest.mark.parametrize("wrong", [Older("too long a name", 1), Newer("a", True)])
def test_bounds_and_types_are_checked(wrong):
    with pytest.raises(Malformed):
        codec.decode(type(wrong), codec.encode(wrong))


def test_bytes_after_the_end_are_refused():
    with pytest.raises(Malformed):
        codec.decode(Older, codec.encode(Older("a", 1)) + b"\x00")


def test_an_envelope_comes_back():
    envelope = Envelope(Kind.FAILURE, 7, "chunks", b"", failure=Failure.NOT_FOUND, detail="gone")
    assert Envelope.unpack(envelope.pack()) == envelope


@given(st.lists(st.binary(max_size=50), max_size=6), st.integers(1, 20))
def test_frames_come_back_however_they_are_cut(payloads, step):
    stream = b"".join(pack_frame(payload) for payload in payloads)
    reader = FrameReader()
    got = [frame for at in range(0, len(stream), step) for frame in reader.feed(stream[at : at + step])]
    assert got == payloads
    assert reader.buffered_bytes == 0


def test_an_oversized_frame_is_refused_from_its_head():
    with pytest.raises(Malformed):
        FrameReader(bytes_max=10).feed((11).to_bytes(4, "big"))


@given(st.binary(min_size=32, max_size=32))
def test_a_node_id_states_its_key(key):
    assert is_node_id(node_id_of(key))
    assert len(node_id_of(key)) == 52
    assert public_key_of(node_id_of(key)) == key
