"""Queries in SQL: a page of a table's rows in some partitions, in order, and how many match in all.

Decides how a condition becomes SQL. Invariant: SQL and ``mesh.core.query`` agree on what matches and on the order,
which merging the answers of several nodes depends on: what lacks the field, then numbers, then text by code point.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesh.actors.rowsql import fts_query
from mesh.core.query import Key, Query, Where, checked, page_key, shown
from mesh.core.rows import Entry, unpack
from mesh.ports import Sql
from proto.ids import PARTITIONS

_COLUMNS = ("name", "kind", "camera", "state", "created_ms", "size_bytes", "duration_s", "trashed_ms", "updated_ms")
_COUNTED = ("trashed_ms", "kind", "camera", "state")
_WALKED = {
    "updated_ms": "assets_updated",
    "created_ms": "assets_created",
    "name": "assets_name",
    "size_bytes": "assets_size",
    "duration_s": "assets_duration",
    "trashed_ms": "assets_trash",
}
"""Orders of assets that have an index."""
_TELLING = (
    ("trashed_ms", ("eq", "ge"), "assets_trash"),
    ("camera", ("eq",), "assets_camera"),
    ("created_ms", ("ge", "le"), "assets_created"),
    ("kind", ("eq",), "assets_kind"),
)
"""Conditions on assets that find their rows by an index, the most telling first."""
RANK_ROWS_MAX = 20_000
"""Rows considered when ordering by rank: the newest. Words that match more than these are too common to rank by."""
SCANNED_BYTES_MAX = 768 * 1024
"""Bytes of packed rows in one answer, so that it fits a frame."""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows in order with their text rank, and how many match in all; ``cut``: more would have fitted the limit."""

    rows: tuple[tuple[Entry, bytes, float], ...]
    total: int
    cut: bool


def scan(sql: Sql, query: Query, partitions: Sequence[int] | None, *, journaled: bool = False) -> Found:
    """Answer a query from the rows here.

    ``partitions``: only these, None for all. ``journaled``: only own writes that are not confirmed yet.
    """
    checked(query)
    if query.text and not fts_query(query.text):
        return Found((), 0, False)
    conditions, parameters = _conditions(query, partitions, journaled)
    source, given = _source(query)
    counting = source
    if query.table == "assets" and source == "shown" and {where.field for where in query.where} <= set(_COUNTED):
        counting = "shown INDEXED BY assets_count"
    total = int(
        sql.execute(
            f"SELECT COUNT(*) FROM {counting} WHERE {conditions}",  # noqa: S608 - names were checked
            [*given, *parameters],
        ).fetchone()[0]
    )
    if not total:
        return Found((), 0, False)
    ranks: dict[int, float] = {}
    if query.order == "rank":
        ranks = _ranks(sql, query.text)
        numbers = _by_rank(sql, query, conditions, parameters, ranks)
    else:
        if query.table == "assets" and query.order in _WALKED and _walks(sql, query, total):
            source, given = f"shown INDEXED BY {_WALKED[query.order]}", []
            conditions, parameters = _conditions(query, partitions, journaled, driven=False)
        numbers = _by_field(sql, query, source, conditions, [*given, *parameters])
    rows: list[tuple[Entry, bytes, float]] = []
    size = 0
    for number in numbers:
        packed = bytes(sql.execute("SELECT packed FROM rows WHERE id = ?", (number,)).fetchone()[0])
        size += len(packed)
        if rows and size > SCANNED_BYTES_MAX:
            return Found(tuple(rows), total, True)
        rows.append((unpack(packed), packed, ranks.get(number, 0.0)))
    return Found(tuple(rows), total, False)


def _walks(sql: Sql, query: Query, total: int) -> bool:
    """Tell whether walking the order's index until the page is full visits fewer rows than sorting all that match."""
    rows = int(sql.execute("SELECT MAX(id) FROM shown").fetchone()[0] or 0)
    return total * total > query.limit * rows


def _source(query: Query) -> tuple[str, list[Any]]:
    """Give what to read a query's rows from: what its most telling condition finds first. SQLite knows no figures."""
    if query.text:
        # A sub-select of its own: MATCH is only understood where the index of words is read first.
        return "(SELECT rowid AS word FROM words WHERE words MATCH ?) CROSS JOIN shown ON id = word", [
            fts_query(query.text)
        ]
    has = next((where for where in query.where if where.op == "has"), None)
    if has is not None:
        return (
            f"(SELECT id AS tagged FROM elements WHERE tbl = '{query.table}' AND name = ? AND element = ?) "  # noqa: S608
            "CROSS JOIN shown ON id = tagged",
            [has.field, shown(has.value)],
        )
    if query.table == "assets":
        for field, ops, index in _TELLING:
            if any(where.field == field and where.op in ops and where.value is not None for where in query.where):
                return f"shown INDEXED BY {index}", []
    return "shown", []


def _conditions(
    query: Query, partitions: Sequence[int] | None, journaled: bool, *, driven: bool = True
) -> tuple[str, list[Any]]:
    """Give the WHERE of a query; what ``_source`` looks after already is left out when it is ``driven`` by that."""
    # Names were checked: a table's name in the statement itself lets SQLite use the partial indexes.
    texts, parameters = [f"tbl = '{query.table}'"], []
    if partitions is not None and len(partitions) < PARTITIONS:
        texts.append("part IN (SELECT value FROM json_each(?))")
        parameters.append(json.dumps(list(partitions)))
    wheres = list(query.where)
    if query.text and not driven:
        texts.append("id IN (SELECT rowid FROM words WHERE words MATCH ?)")
        parameters.append(fts_query(query.text))
    elif not query.text and driven:
        has = next((where for where in wheres if where.op == "has"), None)
        if has is not None:
            wheres.remove(has)
    for where in wheres:
        text, given = _condition(query.table, where)
        texts.append(text)
        parameters += given
    if journaled:
        texts.append("EXISTS (SELECT 1 FROM journal j WHERE (j.tbl, j.pk, j.sk) = (shown.tbl, shown.pk, shown.sk))")
    return " AND ".join(texts), parameters


def _condition(table: str, where: Where) -> tuple[str, list[Any]]:
    column, wanted = _column(where.field), shown(where.value)
    match where.op:
        case "eq":
            return (f"{column} IS NULL", []) if wanted is None else (f"{column} = ?", [wanted])
        case "ne":
            return f"{column} IS NOT ?", [wanted]
        case "has":
            return (
                "EXISTS (SELECT 1 FROM elements e WHERE "  # noqa: S608 - names were checked
                f"(e.tbl, e.name, e.element, e.id) = ('{table}', ?, ?, shown.id))",
                [where.field, wanted],
            )
        case "prefix":
            if not isinstance(wanted, str):
                return _never(column), []
            return f"typeof({column}) = 'text' AND substr({column}, 1, ?) = ?", [len(wanted), wanted]
        case "missing":
            return f"({column} IS NULL OR {column} IN (0, ''))", []
        case "ge" | "le":
            if not isinstance(wanted, int | float):
                return _never(column), []
            sign = ">=" if where.op == "ge" else "<="
            return f"typeof({column}) IN ('integer', 'real') AND {column} {sign} ?", [wanted]


def _never(column: str) -> str:
    """Give a condition of no row at all. Not a plain 0: SQLite then finds no plan with the index it is told to use."""
    return f"typeof({column}) = ''"


def _column(field: str) -> str:
    return field if field in _COLUMNS else f"json_extract(shown, '$.{field}')"


def _by_field(sql: Sql, query: Query, source: str, conditions: str, parameters: list[Any]) -> list[int]:
    """Give a page in two pieces, rows with the field and rows without, so that each walks an index."""
    column, direction = _column(query.order), "DESC" if query.descending else "ASC"
    after = page_key(query.page)
    there = (f"{column} IS NOT NULL", f"{column} {direction}, pk {direction}, sk {direction}")
    absent = (f"{column} IS NULL", f"pk {direction}, sk {direction}")
    sign = "<" if query.descending else ">"
    found: list[int] = []
    pieces = {"there": there, "absent": absent} if query.descending else {"absent": absent, "there": there}
    for which, (extra, order) in pieces.items():
        bound: tuple[str, list[Any]] | None = ("1", [])
        if after is not None:
            bound = _bound(which, after, query.descending, column, sign)
        if bound is None or len(found) >= query.limit:
            continue
        chosen = sql.execute(
            f"SELECT id FROM {source} WHERE {conditions} AND {extra} AND {bound[0]} "  # noqa: S608 - names were checked
            f"ORDER BY {order} LIMIT ?",
            [*parameters, *bound[1], query.limit - len(found)],
        ).fetchall()
        found += [int(row[0]) for row in chosen]
    return found


def _bound(which: str, after: Key, descending: bool, column: str, sign: str) -> tuple[str, list[Any]] | None:
    """Give what a page's continuation asks of a piece, or None when the piece lies before it."""
    kind, number, text, pk, sk = after
    if which == "absent":
        if kind == 0:
            return f"(pk, sk) {sign} (?, ?)", [pk, sk]
        return ("1", []) if descending else None
    if kind == 0:
        return None if descending else ("1", [])
    return f"({column}, pk, sk) {sign} (?, ?, ?)", [number if kind == 1 else text, pk, sk]


def _by_rank(sql: Sql, query: Query, conditions: str, parameters: list[Any], ranks: Mapping[int, float]) -> list[int]:
    keyed = sql.execute(
        "SELECT id, pk, sk FROM (SELECT value AS word FROM json_each(?)) CROSS JOIN shown ON id = word "  # noqa: S608
        f"WHERE {conditions}",
        [json.dumps(list(ranks)), *parameters],
    ).fetchall()
    ordered = sorted(
        (((1, ranks[int(number)], "", pk, sk), int(number)) for number, pk, sk in keyed), reverse=query.descending
    )
    after = page_key(query.page)
    if after is not None:
        ordered = [pair for pair in ordered if (pair[0] < after if query.descending else pair[0] > after)]
    return [number for _, number in ordered[: query.limit]]


def _ranks(sql: Sql, text: str) -> dict[int, float]:
    """Give the rank of the newest RANK_ROWS_MAX rows that match."""
    rows = sql.execute(
        "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?",
        (fts_query(text), RANK_ROWS_MAX),
    ).fetchall()
    return {int(number): float(rank) for number, rank in rows}


def matching(sql: Sql, table: str, text: str) -> dict[tuple[str, str], float]:
    """Give the (pk, sk) whose words match, with their rank (greater is better), the best RANK_ROWS_MAX."""
    words = fts_query(text)
    if not words:
        return {}
    rows = sql.execute(
        "SELECT s.pk, s.sk, -bm25(words) AS rank_ FROM words JOIN shown s ON s.id = words.rowid "
        "WHERE words MATCH ? AND s.tbl = ? ORDER BY rank_ DESC LIMIT ?",
        (words, table, RANK_ROWS_MAX),
    ).fetchall()
    return {(pk, sk): float(rank) for pk, sk, rank in rows}
