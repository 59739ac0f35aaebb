"""Queries in SQL: a page of a table's rows in some partitions, in order, and how many match in all.

Decides how a condition becomes SQL. Invariant: SQL and ``mesh.core.query`` agree on what matches and on the order,
which merging the answers of several nodes depends on: what lacks the field, then numbers, then text by code point.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mesh.actors.rowsql import fts_query
from mesh.core.query import Key, Query, Where, checked, page_key, shown
from mesh.core.rows import Entry, unpack
from mesh.ports import Sql
from proto.ids import PARTITIONS

_COLUMNS = ("name", "kind", "camera", "state", "created_ms", "size_bytes", "duration_s", "trashed_ms", "updated_ms")
RANK_ROWS_MAX = 20_000
"""Rows considered when ordering by rank; words that match more than these are too common to rank by."""
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
    conditions, parameters = _conditions(query, partitions, journaled)
    if query.text and not fts_query(query.text):
        return Found((), 0, False)
    total = int(sql.execute(f"SELECT COUNT(*) FROM shown WHERE {conditions}", parameters).fetchone()[0])  # noqa: S608
    if not total:
        return Found((), 0, False)
    if query.order == "rank":
        found = _by_rank(sql, query, conditions, parameters)
    else:
        found = _by_field(sql, query, conditions, parameters)
    ranks = _ranks(sql, query.text, [number for number, _ in found]) if query.text else {}
    rows: list[tuple[Entry, bytes, float]] = []
    size = 0
    for number, packed in found:
        size += len(packed)
        if rows and size > SCANNED_BYTES_MAX:
            return Found(tuple(rows), total, True)
        rows.append((unpack(packed), packed, ranks.get(number, 0.0)))
    return Found(tuple(rows), total, False)


def _conditions(query: Query, partitions: Sequence[int] | None, journaled: bool) -> tuple[str, list[Any]]:
    # Names were checked: a table's name in the statement itself lets SQLite use the partial indexes.
    texts, parameters = [f"tbl = '{query.table}'"], []
    if partitions is not None and len(partitions) < PARTITIONS:
        texts.append("part IN (SELECT value FROM json_each(?))")
        parameters.append(json.dumps(list(partitions)))
    for where in query.where:
        text, given = _condition(query.table, where)
        texts.append(text)
        parameters += given
    if query.text:
        texts.append("id IN (SELECT rowid FROM words WHERE words MATCH ?)")
        parameters.append(fts_query(query.text))
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
                f"id IN (SELECT id FROM elements WHERE tbl = '{table}' AND name = ? AND element = ?)",  # noqa: S608
                [where.field, wanted],
            )
        case "prefix":
            if not isinstance(wanted, str):
                return "0", []
            return f"typeof({column}) = 'text' AND substr({column}, 1, ?) = ?", [len(wanted), wanted]
        case "missing":
            return f"({column} IS NULL OR {column} IN (0, ''))", []
        case "ge" | "le":
            if not isinstance(wanted, int | float):
                return "0", []
            sign = ">=" if where.op == "ge" else "<="
            return f"typeof({column}) IN ('integer', 'real') AND {column} {sign} ?", [wanted]


def _column(field: str) -> str:
    return field if field in _COLUMNS else f"json_extract(shown, '$.{field}')"


def _by_field(sql: Sql, query: Query, conditions: str, parameters: list[Any]) -> list[tuple[int, bytes]]:
    """Give a page in two pieces, rows with the field and rows without, so that each walks an index."""
    column, direction = _column(query.order), "DESC" if query.descending else "ASC"
    after = page_key(query.page)
    there = (f"{column} IS NOT NULL", f"{column} {direction}, pk {direction}, sk {direction}")
    absent = (f"{column} IS NULL", f"pk {direction}, sk {direction}")
    sign = "<" if query.descending else ">"
    found: list[tuple[int, bytes]] = []
    pieces = {"there": there, "absent": absent} if query.descending else {"absent": absent, "there": there}
    for which, (extra, order) in pieces.items():
        given: list[Any] = []
        bound = None
        if after is not None:
            bound = _bound(which, after, query.descending, column, sign)
            if bound is None:
                continue
            given = bound[1]
        if len(found) >= query.limit:
            break
        further = "1" if bound is None else bound[0]
        chosen = sql.execute(
            f"SELECT id FROM shown WHERE {conditions} AND {extra} AND {further} ORDER BY {order} LIMIT ?",  # noqa: S608
            [*parameters, *given, query.limit - len(found)],
        ).fetchall()
        for (number,) in chosen:
            packed = sql.execute("SELECT packed FROM rows WHERE id = ?", (number,)).fetchone()
            found.append((int(number), bytes(packed[0])))
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


def _by_rank(sql: Sql, query: Query, conditions: str, parameters: list[Any]) -> list[tuple[int, bytes]]:
    numbers = [
        int(row[0])
        for row in sql.execute(
            f"SELECT id FROM shown WHERE {conditions} LIMIT {RANK_ROWS_MAX}",  # noqa: S608
            parameters,
        ).fetchall()
    ]
    ranks = _ranks(sql, query.text, numbers)
    keys = {
        int(number): (pk, sk)
        for number, pk, sk in sql.execute(
            "SELECT id, pk, sk FROM shown WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(numbers),)
        ).fetchall()
    }
    after = page_key(query.page)
    ordered = sorted(
        (((1, ranks.get(number, 0.0), "", *keys[number]), number) for number in numbers), reverse=query.descending
    )
    if after is not None:
        ordered = [pair for pair in ordered if (pair[0] < after if query.descending else pair[0] > after)]
    found = []
    for _, number in ordered[: query.limit]:
        packed = sql.execute("SELECT packed FROM rows WHERE id = ?", (number,)).fetchone()
        found.append((number, bytes(packed[0])))
    return found


def _ranks(sql: Sql, text: str, numbers: Sequence[int]) -> dict[int, float]:
    rows = sql.execute(
        "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? AND rowid IN (SELECT value FROM json_each(?))",
        (fts_query(text), json.dumps(list(numbers))),
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
