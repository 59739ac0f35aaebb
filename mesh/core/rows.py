"""Catalogue rows as CRDTs: last writer wins for each field, observed-remove sets, tombstones (Shapiro et al., 2011).

Invariant: ``merge`` is commutative, associative and idempotent, and equal entries have equal bytes, so replicas that
have seen the same writes hold the same digest, in whatever order the writes came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from blake3 import blake3

from mesh.core.hlc import stamp_ms
from proto import codec
from proto.codec import Malformed, Max, Value

MESH_TABLES = ("layout", "revocations", "roster", "secrets", "settings", "tokens", "users")
"""Tables that are whole on every node."""
ROW_BYTES_MAX = 512 * 1024
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


@dataclass(frozen=True, slots=True)
class Entry:
    """A row's whole state. ``dead`` is its latest tombstone; sets hold add dots and the ones removed."""

    table: str
    pk: str
    sk: str
    fields: Mapping[str, tuple[Dot, Value]]
    sets: Mapping[str, Mapping[str, tuple[frozenset[Dot], frozenset[Dot]]]]
    dead: Dot | None = None

    @property
    def newest(self) -> Dot:
        """The latest stamp in it."""
        dots = [dot for dot, _ in self.fields.values()]
        dots += [dot for elements in self.sets.values() for adds, gone in elements.values() for dot in (*adds, *gone)]
        if self.dead is not None:
            dots.append(self.dead)
        return max(dots, default=(0, ""))

    @property
    def alive(self) -> bool:
        """Whether the row is there: something in it was written after its last tombstone."""
        return self.dead is None or self.newest > self.dead

    def row(self) -> Row:
        """Give what readers see."""
        dead = self.dead or (0, "")
        fields = {name: value for name, (dot, value) in sorted(self.fields.items()) if dot > dead}
        sets = {}
        for name, elements in sorted(self.sets.items()):
            there = [e for e, (adds, gone) in sorted(elements.items()) if any(dot > dead for dot in adds - gone)]
            if there:
                sets[name] = tuple(there)
        return Row(self.table, self.pk, self.sk, fields, sets, stamp_ms(self.newest[0]))


def apply(standing: Entry | None, change: Change, dot: Dot) -> Entry:
    """Give the entry after a local change stamped ``dot``."""
    base = standing or Entry(change.table, change.pk, change.sk, {}, {})
    if change.delete:
        return Entry(base.table, base.pk, base.sk, base.fields, base.sets, dot)
    fields = dict(base.fields) | {name: (dot, _frozen(value)) for name, value in change.set.items()}
    sets = {name: dict(elements) for name, elements in base.sets.items()}
    for name, added in change.add.items():
        elements = sets.setdefault(name, {})
        for element in added:
            adds, gone = elements.get(element, (frozenset(), frozenset()))
            elements[element] = (adds | {dot}, gone)
    for name, removed in change.remove.items():
        elements = sets.setdefault(name, {})
        for element in removed:
            adds, gone = elements.get(element, (frozenset(), frozenset()))
            elements[element] = (adds, gone | adds)
    return Entry(base.table, base.pk, base.sk, fields, sets, base.dead)


def merge(one: Entry, other: Entry) -> Entry:
    """Give what both have seen."""
    fields = dict(one.fields)
    for name, cell in other.fields.items():
        standing = fields.get(name)
        if standing is None or _later(cell, standing):
            fields[name] = cell
    sets = {name: dict(elements) for name, elements in one.sets.items()}
    for name, elements in other.sets.items():
        mine = sets.setdefault(name, {})
        for element, (adds, gone) in elements.items():
            my_adds, my_gone = mine.get(element, (frozenset(), frozenset()))
            mine[element] = (adds | my_adds, gone | my_gone)
    dead = max((dot for dot in (one.dead, other.dead) if dot is not None), default=None)
    return Entry(one.table, one.pk, one.sk, fields, sets, dead)


def _later(cell: tuple[Dot, Value], standing: tuple[Dot, Value]) -> bool:
    if cell[0] != standing[0]:
        return cell[0] > standing[0]
    # One writer gives a stamp once; were it to give it twice, all replicas still choose alike.
    return codec.encode_value(cell[1]) > codec.encode_value(standing[1])


def _frozen(value: Value) -> Value:
    return codec.decode_value(codec.encode_value(value))


_WireDot = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Wire:
    table: Annotated[str, Max(32)]
    pk: Annotated[str, Max(256)]
    sk: Annotated[str, Max(256)]
    writers: Annotated[tuple[str, ...], Max(256)]
    fields: Annotated[tuple[tuple[str, _WireDot, Value], ...], Max(256)]
    sets: Annotated[tuple[tuple[str, str, tuple[_WireDot, ...], tuple[_WireDot, ...]], ...], Max(4096)]
    dead: _WireDot | None = None


def pack(entry: Entry) -> bytes:
    """Give an entry's bytes; equal entries give equal bytes."""
    dots: list[Dot] = [dot for dot, _ in entry.fields.values()]
    for elements in entry.sets.values():
        for adds, gone in elements.values():
            dots += [*adds, *gone]
    if entry.dead is not None:
        dots.append(entry.dead)
    writers = sorted({node for _, node in dots})
    number = {node: place for place, node in enumerate(writers)}

    def wire(given: Iterable[Dot]) -> tuple[_WireDot, ...]:
        return tuple((stamp, number[node]) for stamp, node in sorted(given))

    return codec.encode(
        _Wire(
            entry.table,
            entry.pk,
            entry.sk,
            tuple(writers),
            tuple((name, wire([dot])[0], value) for name, (dot, value) in sorted(entry.fields.items())),
            tuple(
                (name, element, wire(adds), wire(gone))
                for name, elements in sorted(entry.sets.items())
                for element, (adds, gone) in sorted(elements.items())
            ),
            wire([entry.dead])[0] if entry.dead is not None else None,
        )
    )


def unpack(data: bytes) -> Entry:
    """Read an entry; Malformed when it is none."""
    if len(data) > ROW_BYTES_MAX:
        raise Malformed(f"a row of {len(data)} bytes is over {ROW_BYTES_MAX}")
    wire = codec.decode(_Wire, data)

    def dot(given: _WireDot) -> Dot:
        stamp, number = given
        if not 0 <= number < len(wire.writers):
            raise Malformed("a row's stamp has no writer")
        return stamp, wire.writers[number]

    sets: dict[str, dict[str, tuple[frozenset[Dot], frozenset[Dot]]]] = {}
    for name, element, adds, gone in wire.sets:
        sets.setdefault(name, {})[element] = (frozenset(map(dot, adds)), frozenset(map(dot, gone)))
    fields = {name: (dot(given), value) for name, given, value in wire.fields}
    return Entry(wire.table, wire.pk, wire.sk, fields, sets, dot(wire.dead) if wire.dead is not None else None)


def digest(packed: bytes) -> int:
    """Give the 64-bit digest of a packed entry; a partition's digest is the XOR over its entries."""
    return int.from_bytes(blake3(packed).digest(8), "big")
