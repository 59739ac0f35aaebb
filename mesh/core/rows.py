"""Catalogue rows as CRDTs: last writer wins for each field, observed-remove sets, tombstones (Shapiro et al., 2011).

A set keeps, for each element and writer, the latest add and the latest add that a remover had seen: the element is
there while one writer's add is later than what was removed of it. So a set's size is bounded by its writers, not by its
history (optimised observed-remove sets, Bieniusa et al., 2012).

A row of a *final* table that was deleted stays deleted: no write, concurrent with the deletion or after it, brings it
back. What it is made of is merged like any row's, so that replicas agree; only nothing of it is shown any more.

Invariant: ``merge`` is commutative, associative and idempotent, and equal entries have equal bytes, so replicas that
have seen the same writes hold the same digest, in whatever order the writes came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated

from blake3 import blake3

from mesh.core.hlc import stamp_ms
from mesh.ports import Refused
from proto import codec
from proto.codec import Malformed, Max, Value

MESH_TABLES = (
    "authorities",
    "ended_sessions",
    "holders",
    "layout",
    "revocations",
    "roster",
    "secrets",
    "settings",
    "tokens",
    "users",
)
"""Tables that are whole on every node."""
FINAL = frozenset({"assets"})
"""Final tables. What is deleted for good must not be half there again because somebody had not heard of it; what may be
wanted back lies in the trash, which is a field like any other."""
ROW_BYTES_MAX = 512 * 1024
SMALL_BYTES_MAX, SMALL_ROWS_KEPT = 1024, 1024
"""Small rows are read again and again, by lists and by whoever follows them: so many are kept as they were read."""
TABLE_MAX = 32
KEY_MAX = 256
FIELDS_MAX = 256
ELEMENTS_MAX = 4096
ELEMENT_MAX = 256
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
Dot = tuple[int, str]
"""A stamp and the node that gave it: when two write at once, the greater node id wins."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a writer wants of one row."""

    table: str
    pk: str
    sk: str = ""
    set: Mapping[str, Value] = field(default_factory=dict)
    add: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    remove: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    delete: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row as readers see it."""

    table: str
    pk: str
    sk: str
    fields: Mapping[str, Value]
    sets: Mapping[str, tuple[str, ...]]
    updated_ms: int


Marks = Mapping[str, tuple[int, int]]
"""Of one element, by writer: the stamp of its latest add, and of the latest add that was removed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row's whole state. ``dead`` is its latest tombstone."""

    table: str
    pk: str
    sk: str
    fields: Mapping[str, tuple[Dot, Value]]
    sets: Mapping[str, Mapping[str, Marks]]
    dead: Dot | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Table, partition key and sort key."""
        return (self.table, self.pk, self.sk)

    @property
    def newest(self) -> Dot:
        """The latest stamp in it."""
        return max(_dots(self), default=(0, ""))

    @property
    def alive(self) -> bool:
        """Whether the row is there: it has no tombstone, or, unless its table is final, something in it is later."""
        return self.dead is None or (self.table not in FINAL and self.newest > self.dead)

    def row(self) -> Row:
        """Give what readers see."""
        if not self.alive:
            return Row(self.table, self.pk, self.sk, {}, {}, stamp_ms(self.newest[0]))
        dead = self.dead or (0, "")
        fields = {name: value for name, (dot, value) in sorted(self.fields.items()) if dot > dead}
        sets = {}
        for name, elements in sorted(self.sets.items()):
            there = [element for element, marks in sorted(elements.items()) if _there(marks, dead)]
            if there:
                sets[name] = tuple(there)
        return Row(self.table, self.pk, self.sk, fields, sets, stamp_ms(self.newest[0]))


def check(change: Change) -> None:
    """Refused when a change could not be a row on the wire."""
    names = (change.table, *change.set, *change.add, *change.remove)
    wrong = next((name for name in names if not _NAME.match(name)), None)
    if wrong is not None:
        raise Refused(f"{wrong[:80]!r} is no name of a table, field or set")
    if not change.pk or max(len(change.pk), len(change.sk)) > KEY_MAX:
        raise Refused(f"a key has 1 to {KEY_MAX} characters")
    for elements in (*change.add.values(), *change.remove.values()):
        if any(not 0 < len(element) <= ELEMENT_MAX for element in elements):
            raise Refused(f"an element of a set has 1 to {ELEMENT_MAX} characters")


def _dots(entry: Entry) -> Iterator[Dot]:
    for dot, _ in entry.fields.values():
        yield dot
    for elements in entry.sets.values():
        for marks in elements.values():
            for writer, (added, removed) in marks.items():
                yield (max(added, removed), writer)
    if entry.dead is not None:
        yield entry.dead


def _there(marks: Marks, dead: Dot) -> bool:
    return any(added > removed and (added, writer) > dead for writer, (added, removed) in marks.items())


def apply(standing: Entry | None, change: Change, dot: Dot) -> Entry:
    """Give the entry after a local change stamped ``dot``; what is over for good stays as it is."""
    base = standing or Entry(change.table, change.pk, change.sk, {}, {})
    if base.table in FINAL and base.dead is not None:
        return base
    if change.delete:
        return Entry(base.table, base.pk, base.sk, base.fields, base.sets, dot)
    fields = dict(base.fields) | {name: (dot, _frozen(value)) for name, value in change.set.items()}
    sets: dict[str, dict[str, Marks]] = {name: dict(elements) for name, elements in base.sets.items()}
    for name, removed in change.remove.items():
        elements = sets.get(name, {})
        for element in removed:
            if element in elements:
                elements[element] = {writer: (added, added) for writer, (added, _) in elements[element].items()}
    for name, added in change.add.items():
        elements = sets.setdefault(name, {})
        for element in added:
            marks = dict(elements.get(element, {}))
            marks[dot[1]] = (dot[0], marks.get(dot[1], (0, 0))[1])
            elements[element] = marks
    return Entry(base.table, base.pk, base.sk, fields, sets, base.dead)


def merge(one: Entry, other: Entry) -> Entry:
    """Give what both have seen."""
    fields = dict(one.fields)
    for name, cell in other.fields.items():
        standing = fields.get(name)
        if standing is None or _later(cell, standing):
            fields[name] = cell
    sets: dict[str, dict[str, Marks]] = {name: dict(elements) for name, elements in one.sets.items()}
    for name, elements in other.sets.items():
        mine = sets.setdefault(name, {})
        for element, marks in elements.items():
            both = dict(mine.get(element, {}))
            for writer, (added, removed) in marks.items():
                known = both.get(writer, (0, 0))
                both[writer] = (max(added, known[0]), max(removed, known[1]))
            mine[element] = both
    dead = max((dot for dot in (one.dead, other.dead) if dot is not None), default=None)
    return Entry(one.table, one.pk, one.sk, fields, sets, dead)


def stamps_ahead(entry: Entry, writer: str, limit_ms: int) -> frozenset[int]:
    """Give a writer's stamps in an entry that are later than ``limit_ms``, also those that another one hides."""
    marks = [one[writer] for elements in entry.sets.values() for one in elements.values() if writer in one]
    stamps = {stamp for stamp, node in _dots(entry) if node == writer}
    return frozenset(stamp for stamp in stamps.union(*marks) if stamp_ms(stamp) > limit_ms)


def stamped_again(entry: Entry, writer: str, anew: Mapping[int, int]) -> Entry:
    """Give an entry in which a writer's stamps are replaced, as ``anew`` says old to new."""

    def dot(given: Dot) -> Dot:
        return (anew.get(given[0], given[0]), writer) if given[1] == writer else given

    sets = {
        name: {
            element: {
                node: (anew.get(added, added), anew.get(removed, removed)) if node == writer else (added, removed)
                for node, (added, removed) in marks.items()
            }
            for element, marks in elements.items()
        }
        for name, elements in entry.sets.items()
    }
    fields = {name: (dot(given), value) for name, (given, value) in entry.fields.items()}
    dead = dot(entry.dead) if entry.dead is not None else None
    return Entry(entry.table, entry.pk, entry.sk, fields, sets, dead)


def _later(cell: tuple[Dot, Value], standing: tuple[Dot, Value]) -> bool:
    if cell[0] != standing[0]:
        return cell[0] > standing[0]
    # One writer gives a stamp once; were it to give it twice, all replicas still choose alike.
    return codec.encode_value(cell[1]) > codec.encode_value(standing[1])


def _frozen(value: Value) -> Value:
    return codec.decode_value(codec.encode_value(value))


_WireDot = tuple[int, int]
_WireMarks = tuple[tuple[int, int, int], ...]
_WireElement = tuple[Annotated[str, Max(64)], Annotated[str, Max(ELEMENT_MAX)], _WireMarks]


@dataclass(frozen=True, slots=True)
class _Wire:
    table: Annotated[str, Max(TABLE_MAX)]
    pk: Annotated[str, Max(KEY_MAX)]
    sk: Annotated[str, Max(KEY_MAX)]
    writers: Annotated[tuple[Annotated[str, Max(64)], ...], Max(1024)]
    fields: Annotated[tuple[tuple[Annotated[str, Max(64)], _WireDot, Value], ...], Max(FIELDS_MAX)]
    sets: Annotated[
        tuple[tuple[Annotated[str, Max(64)], Annotated[str, Max(ELEMENT_MAX)], _WireMarks], ...], Max(ELEMENTS_MAX)
    ]
    dead: _WireDot | None = None


def pack(entry: Entry) -> bytes:
    """Give an entry's bytes; equal entries give equal bytes. Refused when it is over a bound of a row."""
    writers = sorted({node for _, node in _dots(entry)})
    number = {node: place for place, node in enumerate(writers)}
    elements = [(name, element, marks) for name, of in entry.sets.items() for element, marks in of.items()]
    if len(entry.fields) > FIELDS_MAX or len(elements) > ELEMENTS_MAX or len(entry.table) > TABLE_MAX:
        raise Refused(f"a row has at most {FIELDS_MAX} fields and {ELEMENTS_MAX} elements in its sets")
    if max(len(entry.pk), len(entry.sk)) > KEY_MAX:
        raise Refused(f"a key has at most {KEY_MAX} characters")
    packed = codec.encode(
        _Wire(
            entry.table,
            entry.pk,
            entry.sk,
            tuple(writers),
            tuple((name, (dot[0], number[dot[1]]), value) for name, (dot, value) in sorted(entry.fields.items())),
            tuple(
                (name, element, tuple(sorted((number[node], *stamps) for node, stamps in marks.items())))
                for name, element, marks in sorted(elements, key=lambda each: each[:2])
            ),
            (entry.dead[0], number[entry.dead[1]]) if entry.dead is not None else None,
        )
    )
    if len(packed) > ROW_BYTES_MAX:
        raise Refused(f"a row of {len(packed)} bytes is over {ROW_BYTES_MAX}")
    return packed


def unpack(data: bytes) -> Entry:
    """Read an entry; Malformed when it is none."""
    if len(data) > ROW_BYTES_MAX:
        raise Malformed(f"a row of {len(data)} bytes is over {ROW_BYTES_MAX}")
    return _unpacked_small(data) if len(data) <= SMALL_BYTES_MAX else _unpacked(data)


@lru_cache(maxsize=SMALL_ROWS_KEPT)
def _unpacked_small(data: bytes) -> Entry:
    return _unpacked(data)


def _unpacked(data: bytes) -> Entry:
    wire = codec.decode(_Wire, data)

    def writer(number: int) -> str:
        if not 0 <= number < len(wire.writers):
            raise Malformed("a row's stamp has no writer")
        return wire.writers[number]

    sets: dict[str, dict[str, Marks]] = {}
    for name, element, marks in wire.sets:
        sets.setdefault(name, {})[element] = {writer(number): (added, removed) for number, added, removed in marks}
    fields = {name: ((stamp, writer(number)), value) for name, (stamp, number), value in wire.fields}
    dead = (wire.dead[0], writer(wire.dead[1])) if wire.dead is not None else None
    return Entry(wire.table, wire.pk, wire.sk, fields, sets, dead)


def digest(packed: bytes) -> int:
    """Give the 64-bit digest of a packed entry; a partition's digest is the XOR over its entries."""
    return int.from_bytes(blake3(packed).digest(8), "big")
