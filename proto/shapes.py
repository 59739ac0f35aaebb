"""What a type is on the wire, as a tree: the source of the schema, the reference and the tests of every message.

Invariant: a shape says what ``codec.decode`` takes for the type, bound for bound.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import pkgutil
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Union

import proto.messages
from proto import codec
from proto.codec import Exactly, Max


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A text of at most ``characters_max``; ``exact``: of exactly so many."""

    characters_max: int
    exact: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Bytes:
    """At most ``size_max`` bytes; ``exact``: exactly so many."""

    size_max: int
    exact: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Integer:
    """A whole number, both ends within."""

    least: int
    most: int


@dataclasses.dataclass(frozen=True, slots=True)
class Word:
    """One of the values of an enumeration."""

    cls: type[enum.Enum]

    @property
    def values(self) -> tuple[str | int, ...]:
        """Give the values, in the order declared."""
        return tuple(member.value for member in self.cls)


@dataclasses.dataclass(frozen=True, slots=True)
class Plain:
    """``bool``, ``float``, ``null`` or ``value`` (a free value)."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Optional:
    """The shape, or null."""

    item: Shape


@dataclasses.dataclass(frozen=True, slots=True)
class Many:
    """At most ``count_max`` of one shape."""

    item: Shape
    count_max: int


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed:
    """Exactly these, in order."""

    items: tuple[Shape, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """At most ``count_max`` keys with their values."""

    key: Shape
    item: Shape
    count_max: int


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A field of a record; ``has_default``: an older version may leave it and all that follow it out."""

    name: str
    shape: Shape
    has_default: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """The fields of a dataclass, in order; its own kind may be among them."""

    cls: type[Any]

    @property
    def fields(self) -> tuple[Field, ...]:
        """Give its fields."""
        hints = typing.get_type_hints(self.cls, include_extras=True)
        missing = dataclasses.MISSING
        return tuple(
            Field(
                item.name,
                shape_of(hints[item.name]),
                item.default is not missing or item.default_factory is not missing,
            )
            for item in dataclasses.fields(self.cls)
        )


Shape = Text | Bytes | Integer | Word | Plain | Optional | Many | Fixed | Table | Record


def all_messages() -> dict[int, type[Any]]:
    """Give every wire message there is, by number: imports every module of ``proto.messages``."""
    for module in pkgutil.iter_modules(proto.messages.__path__):
        importlib.import_module(f"proto.messages.{module.name}")
    return codec.registered()


def shape_of(tp: Any, bound: Max | Exactly | None = None) -> Shape:
    """Give the shape of a type; TypeError when it cannot go on the wire."""
    if isinstance(tp, typing.NewType):
        return shape_of(tp.__supertype__, bound)
    origin = typing.get_origin(tp)
    if origin is Annotated:
        inner, *notes = typing.get_args(tp)
        return shape_of(inner, next((note for note in notes if isinstance(note, Max | Exactly)), None) or bound)
    limit = bound.limit if isinstance(bound, Max) else None
    exactly = bound.length if isinstance(bound, Exactly) else None
    if codec.is_free(tp):
        return Plain("value")
    if tp is str:
        return Text(exactly or (codec.TEXT_MAX if limit is None else limit), exactly is not None)
    if tp is bytes:
        return Bytes(exactly or (codec.BYTES_MAX if limit is None else limit), exactly is not None)
    if tp is int:
        return Integer(codec.INTEGER_LEAST, codec.INTEGER_MOST) if limit is None else Integer(0, limit)
    if tp in (bool, float, type(None)):
        return Plain({bool: "bool", float: "float"}.get(tp, "null"))
    if origin in (Union, types.UnionType):
        return Optional(shape_of(next(member for member in typing.get_args(tp) if member is not type(None)), bound))
    count_max = codec.ITEMS_MAX if limit is None else limit
    if origin is tuple:
        args = typing.get_args(tp)
        if len(args) == 2 and args[1] is Ellipsis:
            return Many(shape_of(args[0]), count_max)
        return Fixed(tuple(shape_of(arg) for arg in args))
    if origin in (dict, Mapping, typing.get_origin(Mapping[str, int])):
        key, item = typing.get_args(tp)
        return Table(shape_of(key), shape_of(item), count_max)
    if isinstance(tp, type) and issubclass(tp, enum.Enum):
        return Word(tp)
    if dataclasses.is_dataclass(tp):
        return Record(typing.cast("type[Any]", tp))
    raise TypeError(f"{tp!r} cannot go on the wire")
