"""Typed messages to CBOR and back.

Decides how a frozen dataclass becomes bytes: a definite-length array of its fields in the order they are declared.
Evolution: fields are only ever appended, and an appended field has a default. A decoder ignores elements it does not
know and fills the ones it misses from their defaults, so that versions N and N-1 talk.

Only the plain part of CBOR (RFC 8949) is taken: no tags, which make a decoder build big numbers, patterns and rings; no
indefinite lengths; no key twice.

Invariant: what ``decode`` returns has exactly the declared types and bounds, or ``Malformed`` was raised. Nothing is
allocated from a length that was merely claimed: cbor2 reads from a buffer that already holds the bytes.
"""

from __future__ import annotations

import dataclasses
import enum
import io
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, Union

import cbor2


class ProtoError(Exception):
    """Something about a message is wrong."""


class Malformed(ProtoError):
    """The peer misbehaved: bytes that are no valid message."""


class Unknown(Malformed):
    """A message this release does not have: a newer one may."""


@dataclasses.dataclass(frozen=True, slots=True)
class Max:
    """Bound in an ``Annotated`` field: the longest text (characters), bytes or tuple, or the greatest number."""

    limit: int


@dataclasses.dataclass(frozen=True, slots=True)
class Exactly:
    """Bound in an ``Annotated`` field: the one length allowed."""

    length: int


TEXT_MAX = 4096
"""Characters of a text without a bound of its own."""
BYTES_MAX = 1 << 20
"""Bytes of a byte string without a bound of its own."""
ITEMS_MAX = 65536
"""Elements of a tuple or map without a bound of its own."""
DEPTH_MAX = 16
"""Nesting of a free value."""
INTEGER_LEAST, INTEGER_MOST = -(1 << 63), (1 << 64) - 1
"""A whole number without a bound of its own. With ``Max`` it is at least 0."""
_CBOR_DEPTH_MAX = 40

Value = Union[None, bool, int, float, str, bytes, tuple["Value", ...], Mapping[str, "Value"]]  # noqa: UP007 - recursive
"""A free value: what a catalogue field may hold."""

M = TypeVar("M")
_Encoder = Callable[[Any], Any]
_Decoder = Callable[[Any], Any]

_registry: dict[int, type[Any]] = {}
_tags: dict[type[Any], int] = {}


@typing.dataclass_transform(frozen_default=True)
def message(tag: int) -> Callable[[type[M]], type[M]]:
    """Make a class a wire message: a frozen, slotted dataclass with a permanent number.

    A number is never used again for another message. ``proto/schema.cddl`` lists them all.
    """

    def decorate(cls: type[M]) -> type[M]:
        made: type[M] = dataclasses.dataclass(frozen=True, slots=True)(cls)
        if tag in _registry and _registry[tag].__qualname__ != made.__qualname__:
            raise ValueError(f"message number {tag} is taken by {_registry[tag].__qualname__}")
        _registry[tag] = made
        _tags[made] = tag
        return made

    return decorate


def registered() -> dict[int, type[Any]]:
    """Give every wire message by number, in order."""
    return dict(sorted(_registry.items()))


def tag_of(cls: type[Any]) -> int:
    """Give a message's number; KeyError when it is none."""
    return _tags[cls]


def encode(value: Any) -> bytes:
    """Encode a frozen dataclass, registered or plain, as CBOR."""
    return cbor2.dumps(_plan(type(value)).encode(value))


def decode(cls: type[M], data: bytes) -> M:
    """Decode CBOR bytes as a dataclass; Malformed says which field is wrong."""
    return typing.cast("M", _plan(cls).decode(_loads(data)))


def encode_tagged(value: Any) -> bytes:
    """Encode a registered message as ``[number, fields]``."""
    cls = type(value)
    return cbor2.dumps([_tags[cls], _plan(cls).encode(value)])


def decode_tagged(data: bytes) -> Any:
    """Decode ``[number, fields]``; Unknown when no message has that number here."""
    raw = _loads(data)
    if not isinstance(raw, list) or len(raw) != 2 or type(raw[0]) is not int:
        raise Malformed("a message is [number, fields]")
    cls = _registry.get(raw[0])
    if cls is None:
        raise Unknown(f"unknown message number {raw[0]}")
    return _plan(cls).decode(raw[1])


def encode_value(value: Value) -> bytes:
    """Encode a free value; map keys in sorted order, so equal values give equal bytes."""
    return cbor2.dumps(_free_out(value), canonical=True)


def decode_value(data: bytes) -> Value:
    """Decode a free value; lists become tuples."""
    return _free_in(_loads(data), 0)


class _NoTags(dict[int, Callable[[Any, bool], Any]]):
    """Refuses every tag before what it holds is read."""

    def __missing__(self, tag: int) -> Callable[[Any, bool], Any]:
        raise Malformed(f"CBOR tag {tag} is not taken")

    def __getitem__(self, tag: int) -> Callable[[Any, bool], Any]:
        return self.__missing__(tag)


_NO_TAGS = _NoTags()


def _loads(data: bytes) -> Any:
    stream = io.BytesIO(data)
    try:
        value = cbor2.CBORDecoder(
            stream,
            semantic_decoders=_NO_TAGS,
            max_depth=_CBOR_DEPTH_MAX,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        ).decode()
    except (
        cbor2.CBORDecodeError,
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
        MemoryError,
        EOFError,
    ) as error:
        raise Malformed(f"not CBOR: {error}") from error
    if stream.tell() != len(data):
        raise Malformed("bytes after the end of the message")
    return value


def _free_out(value: Value) -> Any:
    if value is None or type(value) in (str, bytes, bool, float):
        return value
    if isinstance(value, tuple | list):
        return [_free_out(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _free_out(item) for key, item in value.items()}
    if type(value) is int and not INTEGER_LEAST <= value <= INTEGER_MOST:
        # cbor2 would write it with a tag, which nobody takes.
        raise Malformed(f"a whole number is {INTEGER_LEAST} to {INTEGER_MOST}")
    return value


def _free_in(raw: Any, depth: int) -> Value:
    if depth > DEPTH_MAX:
        raise Malformed("value nested too deeply")
    if raw is None or type(raw) in (bool, float, str, bytes):
        return typing.cast("Value", raw)
    if type(raw) is int:
        return typing.cast("Value", _free_whole(raw))
    if isinstance(raw, list | tuple):
        return tuple(_free_in(item, depth + 1) for item in raw)
    if isinstance(raw, dict):
        if not all(type(key) is str for key in raw):
            raise Malformed("keys of a value are text")
        return {key: _free_in(item, depth + 1) for key, item in raw.items()}
    raise Malformed(f"a value holds no {type(raw).__name__}")


@dataclasses.dataclass(frozen=True, slots=True)
class _Plan:
    encode: _Encoder
    decode: _Decoder


_plans: dict[Any, _Plan] = {}


def _plan(tp: Any) -> _Plan:
    plan = _plans.get(tp)
    if plan is None:
        plan = _plans[tp] = _make(tp, None)
    return plan


def _same(value: Any) -> Any:
    return value


def _scalar(kind: type[Any], name: str) -> _Plan:
    def decode(raw: Any) -> Any:
        if type(raw) is not kind:
            raise Malformed(f"expected {name}, got {type(raw).__name__}")
        return raw

    return _Plan(_same, decode)


def _sized(kind: type[Any], name: str, limit: int, exactly: int | None) -> _Plan:
    def decode(raw: Any) -> Any:
        if type(raw) is not kind:
            raise Malformed(f"expected {name}, got {type(raw).__name__}")
        size = len(raw)
        if exactly is not None and size != exactly:
            raise Malformed(f"{name} of {size}, must be {exactly}")
        if size > limit:
            raise Malformed(f"{name} of {size} is over {limit}")
        return raw

    return _Plan(_same, decode)


def _whole(least: int, most: int) -> _Decoder:
    def decode(raw: Any) -> Any:
        if type(raw) is not int:
            raise Malformed(f"expected integer, got {type(raw).__name__}")
        if not least <= raw <= most:
            raise Malformed(f"integer {raw} is not within {least} and {most}")
        return raw

    return decode


_free_whole = _whole(INTEGER_LEAST, INTEGER_MOST)


def _make(tp: Any, bound: Max | Exactly | None) -> _Plan:
    if isinstance(tp, typing.NewType):
        return _make(tp.__supertype__, bound)
    origin = typing.get_origin(tp)
    if origin is Annotated:
        inner, *notes = typing.get_args(tp)
        found = next((note for note in notes if isinstance(note, Max | Exactly)), None)
        return _make(inner, found or bound)
    limit = bound.limit if isinstance(bound, Max) else None
    exactly = bound.length if isinstance(bound, Exactly) else None
    if is_free(tp):
        return _Plan(_free_out, lambda raw: _free_in(raw, 0))
    if tp is str:
        return _sized(str, "text", TEXT_MAX if limit is None else limit, exactly)
    if tp is bytes:
        return _sized(bytes, "bytes", BYTES_MAX if limit is None else limit, exactly)
    if tp is int:
        return _Plan(_same, _whole(*((INTEGER_LEAST, INTEGER_MOST) if limit is None else (0, limit))))
    if tp is bool:
        return _scalar(bool, "true or false")
    if tp is float:
        return _Plan(float, _float)
    if tp is type(None):
        return _scalar(type(None), "null")
    if origin in (Union, types.UnionType):
        return _optional(tp, bound)
    if origin is tuple:
        return _tuple(tp, ITEMS_MAX if limit is None else limit)
    if origin in (dict, Mapping, typing.get_origin(Mapping[str, int])):
        return _mapping(tp, ITEMS_MAX if limit is None else limit)
    if isinstance(tp, type) and issubclass(tp, enum.Enum):
        return _enumeration(tp)
    if dataclasses.is_dataclass(tp):
        return _record(typing.cast("type[Any]", tp))
    raise TypeError(f"{tp!r} cannot go on the wire")


def is_free(tp: Any) -> bool:
    """Tell whether a type is ``Value``, which resolving its own name inside it makes a deeper union."""
    return typing.get_origin(tp) is Union and set(_SCALARS) <= set(typing.get_args(tp))


_SCALARS = (type(None), bool, int, float, str, bytes)


def _float(raw: Any) -> float:
    if type(raw) not in (float, int):
        raise Malformed(f"expected number, got {type(raw).__name__}")
    return float(raw)


def _optional(tp: Any, bound: Max | Exactly | None) -> _Plan:
    members = [member for member in typing.get_args(tp) if member is not type(None)]
    if len(members) != 1:
        raise TypeError(f"{tp!r}: only 'X | None' goes on the wire")
    inner = _make(members[0], bound)
    return _Plan(
        lambda value: None if value is None else inner.encode(value),
        lambda raw: None if raw is None else inner.decode(raw),
    )


def _tuple(tp: Any, limit: int) -> _Plan:
    args = typing.get_args(tp)
    if len(args) == 2 and args[1] is Ellipsis:
        item = _make(args[0], None)

        def decode_many(raw: Any) -> Any:
            if type(raw) not in (list, tuple):
                raise Malformed(f"expected array, got {type(raw).__name__}")
            if len(raw) > limit:
                raise Malformed(f"array of {len(raw)} is over {limit}")
            return tuple(map(decode_item, raw))

        encode_item, decode_item = item.encode, item.decode
        return _Plan(list if encode_item is _same else lambda value: list(map(encode_item, value)), decode_many)
    items = [_make(arg, None) for arg in args]
    encoders, decoders = [item.encode for item in items], [item.decode for item in items]

    def decode_fixed(raw: Any) -> Any:
        if type(raw) not in (list, tuple) or len(raw) != len(items):
            raise Malformed(f"expected array of {len(items)}")
        return tuple([decode(element) for decode, element in zip(decoders, raw, strict=True)])

    return _Plan(lambda value: [encode(element) for encode, element in zip(encoders, value, strict=True)], decode_fixed)


def _mapping(tp: Any, limit: int) -> _Plan:
    key_type, value_type = typing.get_args(tp)
    key, item = _make(key_type, None), _make(value_type, None)

    def decode(raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            raise Malformed(f"expected map, got {type(raw).__name__}")
        if len(raw) > limit:
            raise Malformed(f"map of {len(raw)} is over {limit}")
        return {key.decode(k): item.decode(v) for k, v in raw.items()}

    return _Plan(lambda value: {key.encode(k): item.encode(value[k]) for k in sorted(value)}, decode)


def _enumeration(tp: type[enum.Enum]) -> _Plan:
    # By type as well: True is not 1 here, and 1.0 is not either.
    members = {(type(member.value), member.value): member for member in tp}

    def decode(raw: Any) -> Any:
        member = members.get((type(raw), raw)) if type(raw) in (str, int) else None
        if member is None:
            raise Malformed(f"no {tp.__name__}: {raw!r:.100}")
        return member

    return _Plan(lambda value: value.value, decode)


def _record(cls: type[Any]) -> _Plan:
    hints = typing.get_type_hints(cls, include_extras=True)
    declared = dataclasses.fields(cls)
    names = [item.name for item in declared]
    lazily: list[tuple[tuple[_Decoder, ...], tuple[tuple[int, _Encoder], ...]]] = []
    required = sum(
        1 for item in declared if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    )

    def prepared() -> tuple[tuple[_Decoder, ...], tuple[tuple[int, _Encoder], ...]]:
        """Give what reads each field, and of those that do not go as they are, the place and what makes them go."""
        if not lazily:
            plans = [_make(hints[name], None) for name in names]
            others = tuple((place, plan.encode) for place, plan in enumerate(plans) if plan.encode is not _same)
            lazily.append((tuple(plan.decode for plan in plans), others))
        return lazily[0]

    def encode_record(value: Any) -> Any:
        fields = [getattr(value, name) for name in names]
        for place, encode in prepared()[1]:
            fields[place] = encode(fields[place])
        return fields

    def decode_record(raw: Any) -> Any:
        if type(raw) not in (list, tuple):
            raise Malformed(f"{cls.__name__}: expected array, got {type(raw).__name__}")
        if len(raw) < required:
            raise Malformed(f"{cls.__name__}: {len(raw)} fields, at least {required} needed")
        values: list[Any] = []
        try:
            for decode, element in zip(prepared()[0], raw, strict=False):
                values.append(decode(element))
        except Malformed as error:
            raise Malformed(f"{cls.__name__}.{names[len(values)]}: {error}") from error
        try:
            return cls(*values)
        except ValueError as error:
            raise Malformed(f"{cls.__name__}: {error}") from error

    return _Plan(encode_record, decode_record)
