"""Queries over rows: filters, order, pages by key, and the merging of sorted answers.

Invariant: a page continues exactly after the last row of the one before, whoever answers it, as long as the row's place
in the order has not changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mesh.core.rows import Row
from mesh.ports import Refused
from proto import codec
from proto.codec import Malformed, Value

Op = Literal["eq", "ne", "ge", "le", "has", "prefix", "missing"]
OPS: tuple[Op, ...] = ("eq", "ne", "ge", "le", "has", "prefix", "missing")
LIMIT_MAX = 1000
WHERE_MAX = 32
TEXT_MAX = 1024
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Where:
    """A condition: ``has`` asks a set, ``missing`` wants the field absent, zero or empty. Case does not matter."""

    field: str
    op: Op
    value: Value = None


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted of a table, over the whole mesh. ``after`` is a write's cursor that the answer must include."""

    table: str
    where: tuple[Where, ...] = ()
    text: str = ""
    order: str = "updated_ms"
    descending: bool = True
    limit: int = 50
    page: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer. ``next`` continues it; partitions not answered for are missing from it.

    ``exact``: no more match than ``total``; else some more do, and nobody counted them.
    """

    rows: tuple[Row, ...]
    next: str
    total: int
    partitions_ok: int
    partitions_total: int
    stale: bool = False
    exact: bool = True


Key = tuple[int, float, str, str, str]
"""Place in an order: kind of value, number, text, then pk and sk."""


def shown(value: Value) -> bool | int | float | str | None:
    """Give what conditions and orders see of a value: text without regard to case, anything large as there or not."""
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    return True if len(value) > 0 else None


def matches(row: Row, where: Iterable[Where]) -> bool:
    """Tell whether a row meets every condition."""
    return all(_holds(row, condition) for condition in where)


def _holds(row: Row, condition: Where) -> bool:
    value, wanted = shown(row.fields.get(condition.field)), shown(condition.value)
    match condition.op:
        case "eq":
            return value == wanted
        case "ne":
            return value != wanted
        case "has":
            return any(wanted == element.casefold() for element in row.sets.get(condition.field, ()))
        case "prefix":
            return isinstance(value, str) and isinstance(wanted, str) and value.startswith(wanted)
        case "missing":
            return not value
        case "ge":
            return isinstance(value, int | float) and isinstance(wanted, int | float) and value >= wanted
        case "le":
            return isinstance(value, int | float) and isinstance(wanted, int | float) and value <= wanted


def sort_key(row: Row, order: str, rank: float) -> Key:
    """Give a row's place in an order; what lacks the field comes first."""
    given: Value = row.updated_ms if order == "updated_ms" else rank if order == "rank" else row.fields.get(order)
    return place(shown(given), row.pk, row.sk)


def place(value: bool | int | float | str | None, pk: str, sk: str) -> Key:
    """Give the place in an order of a row whose value there, as ``shown``, this is."""
    if isinstance(value, int | float):
        return (1, float(value), "", pk, sk)
    if isinstance(value, str):
        return (2, 0.0, value, pk, sk)
    return (0, 0.0, "", pk, sk)


def first_page(keyed: Iterable[tuple[Key, Row]], query: Query) -> list[tuple[Key, Row]]:
    """Give the first ``limit`` rows after the query's page, in order."""
    after = page_key(query.page)
    chosen = sorted(keyed, key=lambda pair: pair[0], reverse=query.descending)
    if after is not None:
        chosen = [pair for pair in chosen if (pair[0] < after if query.descending else pair[0] > after)]
    return chosen[: query.limit]


def page_text(key: Key) -> str:
    """Give a page's continuation as text."""
    return codec.encode_value(key).hex()


def page_key(page: str) -> Key | None:
    """Read a continuation; Malformed when it is none."""
    if not page:
        return None
    try:
        value = codec.decode_value(bytes.fromhex(page))
    except ValueError as error:
        raise Malformed("not a page of this list") from error
    match value:
        case (int() as kind, float() as number, str() as text, str() as pk, str() as sk):
            return (kind, number, text, pk, sk)
        case _:
            raise Malformed("not a page of this list")


def bits_of(partitions: Iterable[int]) -> bytes:
    """Give partitions as a bit each, the lowest first: 128 bytes."""
    bits = bytearray(128)
    for partition in partitions:
        bits[partition >> 3] |= 1 << (partition & 7)
    return bytes(bits)


def partitions_in(bits: bytes) -> list[int]:
    """Give the partitions whose bit is set."""
    return [at * 8 + bit for at, byte in enumerate(bits) if byte for bit in _BITS_OF[byte]]


_BITS_OF = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))


def checked(query: Query) -> Query:
    """Give the query back; Refused says what in it cannot be asked, Malformed that its page is none."""
    names = [query.table, query.order, *(where.field for where in query.where)]
    wrong = next((name for name in names if not _NAME.match(name)), None)
    if wrong is not None:
        raise Refused(f"{wrong[:80]!r} is no name of a table or field")
    if query.order == "rank" and not query.text:
        raise Refused("an order by rank needs words to look for")
    if not 1 <= query.limit <= LIMIT_MAX:
        raise Refused(f"a page has 1 to {LIMIT_MAX} rows")
    if len(query.where) > WHERE_MAX or len(query.text) > TEXT_MAX:
        raise Refused(f"a query has at most {WHERE_MAX} conditions and {TEXT_MAX} characters of words")
    page_key(query.page)
    return query


def where_of(raw: Iterable[tuple[str, str, Value]]) -> tuple[Where, ...]:
    """Read conditions from the wire; Malformed names an unknown operation."""
    found = []
    for field, op, value in raw:
        known = next((one for one in OPS if one == op), None)
        if known is None:
            raise Malformed(f"no operation {op!r} in a query")
        found.append(Where(field, known, value))
    return tuple(found)
