"""Every message: it comes back, it is what the schema says, its bytes are frozen, and rubbish is told from it."""

import contextlib
import dataclasses
import io
import json
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import cbor2
import pycddl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proto import codec
from proto.codec import Malformed
from proto.envelope import Envelope
from proto.frames import FRAME_BYTES_MAX, FrameReader, pack_frame
from proto.shapes import Fixed, Integer, Many, Optional, Plain, Record, Table, Word, all_messages
from tests.proto import cddl, instances
from tools import wire

MESSAGES = all_messages()
CLASSES = [Envelope, *MESSAGES.values()]
SCHEMA_FILE = Path(__file__).parents[2] / "proto" / "schema.cddl"
SCHEMA_TEXT = SCHEMA_FILE.read_text()
SCHEMA = cddl.Schema(SCHEMA_TEXT)
GOLDEN = Path(__file__).parents[1] / "golden"
HOW = "run `make docs`, and commit what it writes to tests/golden and proto/schema.cddl"

by_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
few = settings(max_examples=25)
any_message = st.sampled_from(list(MESSAGES.values())).flatmap(lambda cls: instances.of(Record(cls)))


def plain(value):
    return cbor2.loads(codec.encode(value))


# ---------------------------------------------------------------- there and back


@by_class
@few
@given(st.data())
def test_it_comes_back_and_is_what_the_schema_says(cls, data):
    value = data.draw(instances.of(Record(cls)))
    packed = codec.encode(value)
    assert codec.decode(cls, packed) == value
    assert codec.encode(codec.decode(cls, packed)) == packed
    if cls is not Envelope:
        assert codec.decode_tagged(codec.encode_tagged(value)) == value
    assert SCHEMA.check(wire.kebab(cls.__name__), plain(value)) == ""


@by_class
@few
@given(st.data())
def test_what_the_schema_refuses_the_codec_refuses_and_the_other_way_round(cls, data):
    """One place of a message is made wrong; both must see it, or neither."""
    tree = plain(data.draw(instances.of(Record(cls))))
    if not tree:
        return
    changed = mutate(tree, data)
    try:
        codec.decode(cls, cbor2.dumps(changed))
    except Malformed:
        assert SCHEMA.check(wire.kebab(cls.__name__), changed) != "" or only_characters(tree, changed)
    else:
        assert SCHEMA.check(wire.kebab(cls.__name__), changed) == ""


def only_characters(tree, changed):
    """Tell whether a text may be over its bound in characters and still within it in bytes, as CDDL counts."""
    return repr(tree) != repr(changed) and LONG_TEXT in repr(changed)


LONG_TEXT = "x" * 5000


def mutate(tree, data):
    at = data.draw(st.integers(0, len(tree) - 1))
    wrong = st.sampled_from([None, True, -1, 2**64 - 1, 1.5, "", LONG_TEXT, b"", b"x" * 33, [], [1], {}, {"a": 1}])
    changed = list(tree)
    if isinstance(changed[at], list) and changed[at] and data.draw(st.booleans()):
        changed[at] = mutate(changed[at], data)
    else:
        changed[at] = data.draw(wrong)
    return changed


@few
@given(any_message)
def test_a_newer_version_may_have_appended(value):
    tree = [*plain(value), "something", {"new": 1}]
    assert codec.decode(type(value), cbor2.dumps(tree)) == value


@by_class
def test_an_older_version_may_have_left_out_what_has_a_default(cls):
    fields = Record(cls).fields
    tail = [field.has_default for field in fields]
    assert tail == sorted(tail), "a field with a default stands before one without"
    for name, value in wire.cases_of(cls):
        required = tail.count(False)
        older = codec.decode(cls, cbor2.dumps(plain(value)[:required]))
        for field in fields[:required]:
            assert getattr(older, field.name) == getattr(value, field.name), name
        if required:
            with pytest.raises(Malformed):
                codec.decode(cls, cbor2.dumps(plain(value)[: required - 1]))


# ---------------------------------------------------------------- the schema


def test_the_schema_names_every_message_by_its_number():
    listed = {members[1][1][0][2][1]: members[1][1][1][2][1] for members in enumerate(SCHEMA.rules["message"][1])}
    assert listed == {number: wire.kebab(cls.__name__) for number, cls in MESSAGES.items()}, HOW


def test_the_schema_is_what_the_code_says():
    assert wire.schema() == SCHEMA_TEXT, HOW


def test_the_schema_is_cddl_to_another_reader():
    # In a process of its own: this reader falls over some things it reads, and takes its process with it.
    script = "import pathlib, sys, pycddl; pycddl.Schema(pathlib.Path(sys.argv[1]).read_text()); print('read')"
    found = subprocess.run([sys.executable, "-c", script, str(SCHEMA_FILE)], capture_output=True, text=True)
    assert found.stdout.strip() == "read", found.stderr


def within_reach(shape):
    """Tell whether pycddl 0.6 judges a shape rightly: it takes choices, negative ranges and optional elements wrong."""
    match shape:
        case Optional() | Word() | Plain():
            return False
        case Integer(least, _):
            return least >= 0
        case Many(item, _):
            return within_reach(item)
        case Fixed(items):
            return all(within_reach(item) for item in items)
        case Table(key, item, _):
            return within_reach(key) and within_reach(item)
        case Record():
            return all(not field.has_default and within_reach(field.shape) for field in shape.fields)
        case _:
            return True


def rules_of(shape, found):
    """Give the rules that a shape needs as the schema's text has them, its own first. The whole crashes pycddl."""
    match shape:
        case Record(cls):
            name = wire.kebab(cls.__name__)
            found[name] = re.search(rf"^{name} = .*?(?=\n\n|\Z)", SCHEMA_TEXT, re.MULTILINE | re.DOTALL).group()
            for field in shape.fields:
                rules_of(field.shape, found)
        case Many(item, _):
            rules_of(item, found)
        case Fixed(items):
            for item in items:
                rules_of(item, found)
    return found


PYCDDL = [cls for cls in MESSAGES.values() if within_reach(Record(cls)) and Record(cls).fields]


@pytest.mark.parametrize("cls", PYCDDL, ids=lambda cls: cls.__name__)
def test_another_reader_of_the_schema_agrees(cls):
    schema = pycddl.Schema("\n".join(rules_of(Record(cls), {}).values()))
    for _, value in wire.cases_of(cls):
        schema.validate_cbor(codec.encode(value))
    with pytest.raises(pycddl.ValidationError):
        schema.validate_cbor(cbor2.dumps([None] * len(Record(cls).fields)))


def test_another_reader_can_judge_a_good_part_of_the_messages():
    assert len(PYCDDL) >= 15


# ---------------------------------------------------------------- golden bytes

FILES = wire.golden_files()
CASES = [
    (key, cls, case)
    for name, classes in FILES.items()
    if (GOLDEN / f"{name}.json").exists()
    for key, cls in classes.items()
    for case in json.loads((GOLDEN / f"{name}.json").read_text()).get(key, {"cases": []})["cases"]
]


def test_every_message_has_golden_bytes_of_its_present_fields():
    lacking = []
    for name, classes in FILES.items():
        path = GOLDEN / f"{name}.json"
        standing = json.loads(path.read_text()) if path.exists() else {}
        for key, cls in classes.items():
            names = [field.name for field in dataclasses.fields(cls)]
            if not any(list(case["fields"]) == names for case in standing.get(key, {"cases": []})["cases"]):
                lacking.append(f"{name} {key} {cls.__name__}")
    assert not lacking, f"no golden bytes: {lacking}; {HOW}"


def test_a_number_is_never_given_to_another_message():
    for path in sorted(GOLDEN.glob("*.json")):
        for key, entry in json.loads(path.read_text()).items():
            known = FILES.get(path.stem, {}).get(key)
            assert known is not None, (
                f"{key} {entry['name']} of {path.name} is gone: nodes that send it are still there"
            )
            assert known.__name__ == entry["name"], f"{key} was {entry['name']}; take a free number"


@pytest.mark.parametrize(("key", "cls", "case"), CASES, ids=lambda item: item if isinstance(item, str) else "")
def test_golden_bytes_are_read_as_ever(key, cls, case):
    data = bytes.fromhex(case["bytes"])
    value = codec.decode_tagged(data) if key.isdigit() else codec.decode(cls, data)
    assert type(value) is cls
    now, then = wire.described(value), case["fields"]
    assert list(now)[: len(then)] == list(then), "fields are only appended; a change of shape needs a new number"
    assert {name: now[name] for name in then} == then


GROWN_WITHIN = {"Rumour"}
"""What has had a field appended and is carried within other messages, whose older golden bytes lack that field."""


def starts_with(new, old):
    """Tell whether CBOR is as before but for what was appended to its arrays."""
    if isinstance(old, list):
        return isinstance(new, list) and len(new) >= len(old) and all(map(starts_with, new, old))
    return new == old


@pytest.mark.parametrize(("key", "cls", "case"), CASES, ids=lambda item: item if isinstance(item, str) else "")
def test_golden_bytes_are_written_as_ever(key, cls, case):
    data = bytes.fromhex(case["bytes"])
    value = codec.decode_tagged(data) if key.isdigit() else codec.decode(cls, data)
    again = wire.packed(key, value)
    if again != data:  # it was frozen before a field was appended, to the message or to one within it
        assert starts_with(cbor2.loads(again), cbor2.loads(data))
        assert (codec.decode_tagged(again) if key.isdigit() else codec.decode(cls, again)) == value
        grown = len(case["fields"]) < len(dataclasses.fields(cls))
        assert grown or GROWN_WITHIN & set(re.findall(r"\w+(?=\()", repr(value))), "these bytes are frozen"


@pytest.mark.parametrize(("key", "cls", "case"), CASES, ids=lambda item: item if isinstance(item, str) else "")
def test_golden_bytes_are_what_the_schema_says(key, cls, case):
    if key.isdigit():
        assert SCHEMA.check("message", cbor2.loads(bytes.fromhex(case["bytes"]))) == ""


# ---------------------------------------------------------------- rubbish

TAGGED = [codec.encode_tagged(value) for cls in MESSAGES.values() for _, value in wire.cases_of(cls)]


def read(decode, data):
    """Give what a decoder makes of bytes: a value, or None for Malformed. Anything else it raises fails the test."""
    with contextlib.suppress(Malformed):
        return decode(data)


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_random_bytes_are_a_message_or_malformed(data):
    for decode in (codec.decode_tagged, Envelope.unpack, codec.decode_value):
        read(decode, data)


@settings(max_examples=500)
@given(st.sampled_from(TAGGED), st.data())
def test_a_changed_message_is_a_message_or_malformed(packed, data):
    changed = bytearray(packed)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        kind = data.draw(st.sampled_from("scid"))
        if kind == "s":
            changed[at] = data.draw(st.integers(0, 255))
        elif kind == "c":
            del changed[at + 1 :]
        elif kind == "i":
            changed[at:at] = data.draw(st.binary(min_size=1, max_size=4))
        elif len(changed) > 1:
            del changed[at]
    value = read(codec.decode_tagged, bytes(changed))
    if value is not None:
        again = codec.encode_tagged(value)
        assert SCHEMA.check("message", cbor2.loads(again)) == ""
        assert codec.encode_tagged(codec.decode_tagged(again)) == again


@pytest.mark.parametrize(
    "data",
    [
        "9affffffff",
        "9bffffffffffffffff",
        "5bffffffffffffffff",
        "7bffffffffffffffff",
        "bbffffffffffffffff",
        "9f",
        "bf",
        "5f",
        "9fff",
        "bf616101ff",
        "7f6161ff",
        "c24901" + "00" * 8,
        "c482187b01",
        "c4821b7fffffffffffffff01",
        "d8236161",
        "d81c81d81d00",
        "d90100826161d81900",
        "d9d9f700",
        "c11a00000000",
        "d825505a",
        "a2616101616102",
        "a10102",
        "a1800a",
        "f7",
        "e0",
        "ff",
        "61ff",
        "81" * 20000,
        "a16161" * 5000,
        "0001",
        "",
    ],
)
def test_no_number_that_is_only_claimed_is_allocated_and_no_odd_cbor_is_taken(data):
    raw = bytes.fromhex(data)
    tracemalloc.start()
    for decode in (codec.decode_tagged, codec.decode_value, Envelope.unpack):
        with pytest.raises(Malformed):
            decode(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, (1, {"a": 10**30})])
def test_a_number_that_no_node_would_take_is_not_sent(value):
    with pytest.raises(Malformed, match="whole number"):
        codec.encode_value(value)


@pytest.mark.parametrize("kind", [True, 1.0, "1", None, 6, -1, b"\x01", [1]])
def test_an_enumeration_takes_its_own_values_only(kind):
    with pytest.raises(Malformed):
        Envelope.unpack(cbor2.dumps([kind, 1, "actor", b""]))


@given(st.binary(max_size=200), st.integers(0, 64))
def test_a_frame_reader_gives_whole_frames_or_malformed_and_holds_little(data, bytes_max):
    reader = FrameReader(bytes_max)
    stream = io.BytesIO(data)
    with contextlib.suppress(Malformed):
        while part := stream.read(7):
            for frame in reader.feed(part):
                assert len(frame) <= bytes_max
            assert reader.buffered_bytes < bytes_max + 4


def test_a_frame_at_the_bound_passes_and_one_over_it_does_not():
    frame = bytes(FRAME_BYTES_MAX)
    assert FrameReader().feed(pack_frame(frame)) == [frame]
    with pytest.raises(ValueError):
        pack_frame(frame + b"x")
    with pytest.raises(Malformed):
        FrameReader().feed((FRAME_BYTES_MAX + 1).to_bytes(4, "big"))
