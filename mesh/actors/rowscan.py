"""Queries in SQL: a page of a table's rows in some partitions, in order, and how many match in all.

Decides how a condition becomes SQL, and how a page is found without looking at every row. What assets are counted by is
kept as tallies; of anything else up to FEW are counted. When no more than FEW match they are put in order here; when
more do, the index of the order is walked until the page is full, which is soon, and only where that is not soon does
SQLite sort all that match.

Invariant: SQL and ``mesh.core.query`` agree on what matches and on the order, which merging the answers of several
nodes depends on: what lacks the field, then numbers, then text by code point.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesh.actors.rowsql import folded, fts_query, words_within
from mesh.core.query import Key, Query, Where, checked, page_key, place, shown
from mesh.core.rows import Entry, unpack
from mesh.ports import Sql
from proto.ids import PARTITIONS

_COLUMNS = (
    *("name", "kind", "camera", "state", "created_ms", "size_bytes", "duration_s", "trashed_ms", "updated_ms"),
    *("started_ms", "ended_ms", "content"),
)
_BRIEF = ("trashed_ms", "kind", "camera", "state", "created_ms")
"""What the index `assets_brief` has of each asset."""
_TALLIED = ("trashed_ms", "kind", "camera", "state")
_WALKED = {
    "updated_ms": "assets_updated",
    "created_ms": "assets_created",
    "started_ms": "assets_started",
    "ended_ms": "assets_ended",
    "name": "assets_name",
    "size_bytes": "assets_size",
    "duration_s": "assets_duration",
    "kind": "assets_by_kind",
    "trashed_ms": "assets_trash",
}
"""Orders of assets that have an index."""
_WITHIN = {("kind", "created_ms"): "assets_kind", ("camera", "created_ms"): "assets_camera"}
"""Indexes of an order among the assets that have one value of a field."""
_TELLING = (
    ("content", ("eq",), "assets_content"),
    ("probed", ("missing",), "assets_unseen"),
    ("trashed_ms", ("eq", "ge"), "assets_trash"),
    ("camera", ("eq",), "assets_camera"),
    ("created_ms", ("ge", "le"), "assets_created"),
    ("kind", ("eq",), "assets_kind"),
    ("state", ("eq",), "shown_state"),
)
"""Conditions on assets that find their rows by an index, the most telling first."""
FEW = 5_000
"""Matches up to which all are looked at to make a page. With more, a walk along an index fills one sooner."""
WALKED_MAX = 100_000
"""Rows a walk looks at before it is given up: what matches lies far from where the order begins."""
SIFTED_ROWS = 5_000
RANK_ROWS_MAX = 5_000
"""Rows considered when ordering by rank: the newest. Words that match more than these are too common to rank by."""
SCANNED_BYTES_MAX = 768 * 1024
"""Bytes of packed rows in one answer, so that it fits a frame."""


@dataclass(frozen=True, slots=True)
class Found:
    """Packed rows in order with their text rank, and how many match in all.

    ``cut``: more would have fitted the limit. ``exact``: no more match than ``total``.
    """

    packed: tuple[tuple[bytes, float], ...]
    total: int
    cut: bool
    exact: bool = True

    @property
    def rows(self) -> tuple[tuple[Entry, bytes, float], ...]:
        """Give the rows, read."""
        return tuple((unpack(packed), packed, rank) for packed, rank in self.packed)


def scan(sql: Sql, query: Query, partitions: Sequence[int] | None) -> Found:
    """Answer a query from the rows here; ``partitions``: only these, None for all."""
    checked(query)
    if query.text and not folded(query.text):
        return Found((), 0, False)
    if query.order == "rank":
        return _ranked(sql, query, partitions)
    matched = None
    total, exact = _tallied(sql, query, partitions), True
    if total is None or (0 < total <= FEW and not _soon_full(sql, query, total)):
        matched = _matched(sql, query, partitions)
        total, exact = min(len(matched), FEW), len(matched) <= FEW
    if not total:
        return Found((), 0, False)
    numbers = _sorted(sql, matched, query) if matched is not None and exact else None
    if numbers is None:
        numbers = _walk(sql, query, partitions)
    if numbers is None:
        numbers = _by_field(sql, query, partitions)
    return _packed(sql, numbers, total, exact, {})


def _soon_full(sql: Sql, query: Query, total: int) -> bool:
    """Tell whether a walk fills a page, if what matches lies evenly, before it has seen as many rows as match."""
    rows = int(sql.execute("SELECT COALESCE(SUM(rows), 0) FROM tallies").fetchone()[0])
    return query.order in _WALKED and total * total > query.limit * rows


def sift(
    sql: Sql, table: str, either: Sequence[Sequence[Where]], after: tuple[str, str]
) -> tuple[list[tuple[str, str]], tuple[str, str] | None]:
    """Look at the next SIFTED_ROWS living rows of a table, in the order of their keys, after (pk, sk).

    Gives the keys of those that meet all of one of ``either``, and after what to go on; None at the end.
    """
    texts, parameters = [], []
    for wheres in either:
        conditions = [_condition(table, where) for where in wheres]
        texts.append(" AND ".join(text for text, _ in conditions))
        parameters += [value for _, given in conditions for value in given]
    rows = sql.execute(
        f"SELECT pk, sk, ({' OR '.join(texts)}) FROM shown INDEXED BY shown_key "  # noqa: S608 - names were checked
        "WHERE tbl = ? AND (pk, sk) > (?, ?) ORDER BY pk, sk LIMIT ?",
        [*parameters, table, *after, SIFTED_ROWS],
    ).fetchall()
    return [(pk, sk) for pk, sk, met in rows if met], (rows[-1][:2] if len(rows) == SIFTED_ROWS else None)


def _packed(sql: Sql, numbers: Sequence[int], total: int, exact: bool, ranks: Mapping[int, float]) -> Found:
    rows: list[tuple[bytes, float]] = []
    size = 0
    for number in numbers:
        packed = bytes(sql.execute("SELECT packed FROM rows WHERE id = ?", (number,)).fetchone()[0])
        size += len(packed)
        if rows and size > SCANNED_BYTES_MAX:
            return Found(tuple(rows), total, True, exact)
        rows.append((packed, ranks.get(number, 0.0)))
    return Found(tuple(rows), total, False, exact)


def _tallied(sql: Sql, query: Query, partitions: Sequence[int] | None) -> int | None:
    """Count by the tallies; None when they do not tell what was asked."""
    known = all(where.field in _TALLIED and where.op != "has" for where in query.where)
    if query.table != "assets" or query.text or not known:
        return None
    conditions, parameters = _conditions(query, partitions, of="tallies")
    # Not by an index: the table is small, and to go through it in order is the quickest.
    found = sql.execute(
        f"SELECT COALESCE(SUM(rows), 0) FROM tallies NOT INDEXED WHERE {conditions}",  # noqa: S608 - names were checked
        parameters,
    )
    return int(found.fetchone()[0])


def _matched(sql: Sql, query: Query, partitions: Sequence[int] | None) -> list[tuple[int, Any]]:
    """Give (id, what is ordered by) of what matches, one more than FEW at most; of more only the ids."""
    brief = query.table == "assets" and all(where.field in _BRIEF or where.op == "has" for where in query.where)
    source, given = _source(sql, query, brief=brief)
    conditions, parameters = _conditions(query, partitions)
    told = not brief or query.order in _BRIEF  # what the brief index lacks is looked up of few rows alone
    found = sql.execute(
        f"SELECT id, {_column(query.order) if told else 'NULL'} FROM {source} "  # noqa: S608 - names were checked
        f"WHERE {conditions} LIMIT ?",
        [*given, *parameters, FEW + 1],
    ).fetchall()
    if told or len(found) > FEW:
        return found
    return sql.execute(
        f"SELECT id, {_column(query.order)} FROM (SELECT value AS one FROM json_each(?)) "  # noqa: S608
        "CROSS JOIN shown ON id = one",
        (json.dumps([number for number, _ in found]),),
    ).fetchall()


def _sorted(sql: Sql, matched: Sequence[tuple[int, Any]], query: Query) -> list[int]:
    """Give the ids of a page in order. Keys are looked up only of rows that may be in it."""
    after = page_key(query.page)
    found: list[int] = []
    if all(isinstance(value, int) for _, value in matched):
        ordered = sorted(matched, key=lambda pair: pair[1], reverse=query.descending)  # the same, and quicker
    else:
        ordered = sorted(matched, key=lambda pair: _value(pair[1]), reverse=query.descending)
    for value, same in itertools.groupby(ordered, key=lambda pair: _value(pair[1])):
        if after is not None and (value > after[:3] if query.descending else value < after[:3]):
            continue
        keyed = sorted(_keyed(sql, value, [number for number, _ in same]), reverse=query.descending)
        if after is not None:
            keyed = [pair for pair in keyed if (pair[0] < after if query.descending else pair[0] > after)]
        found += [number for _, number in keyed[: query.limit - len(found)]]
        if len(found) >= query.limit:
            break
    return found


def _value(value: Any) -> tuple[int, float, str]:
    return place(value, "", "")[:3]


def _keyed(sql: Sql, value: tuple[int, float, str], numbers: Sequence[int]) -> list[tuple[Key, int]]:
    """Give (place in the order, id) of rows that have one value of what is ordered by."""
    rows = sql.execute(
        "SELECT id, pk, sk FROM (SELECT value AS one FROM json_each(?)) CROSS JOIN shown ON id = one",
        (json.dumps(numbers),),
    ).fetchall()
    return [((*value, pk, sk), number) for number, pk, sk in rows]


def _walk(sql: Sql, query: Query, partitions: Sequence[int] | None) -> list[int] | None:
    """Walk the index of the order until the page is full; None when there is none, or that takes too long."""
    if query.table != "assets" or query.order not in _WALKED:
        return None
    index, within = _WALKED[query.order], None
    for where in query.where:
        named = _WITHIN.get((where.field, query.order))
        if named is not None and where.op == "eq" and where.value is not None:
            index, within = named, where
    # What the index itself finds ends the walk; what it does not is asked of each row.
    bounds = [
        where
        for where in query.where
        if where is within or (where.field == query.order and where.op in ("eq", "ge", "le"))
    ]
    others = [where for where in query.where if where not in bounds]
    reach, reaching = _conditions(Query(query.table, tuple(bounds)), None)
    asked, asking = _conditions(Query(query.table, tuple(others)), partitions, driven=False)
    wanted = folded(query.text)
    found: list[int] = []
    visited = 0
    for extra, order, given in _pieces(query):
        rows = sql.execute(
            f"SELECT id, ({asked}) FROM shown INDEXED BY {index} WHERE {reach} AND {extra} ORDER BY {order}",  # noqa: S608
            [*asking, *reaching, *given],
        )
        while len(found) < query.limit and (row := rows.fetchone()) is not None:
            visited += 1
            if visited > WALKED_MAX:
                return None
            if row[1] and (not wanted or _has_words(sql, row[0], wanted)):
                found.append(int(row[0]))
    return found


def _has_words(sql: Sql, number: int, wanted: Sequence[str]) -> bool:
    text = sql.execute("SELECT text FROM words WHERE rowid = ?", (number,)).fetchone()
    return text is not None and words_within(text[0], wanted)


def _source(sql: Sql, query: Query, *, brief: bool = False) -> tuple[str, list[Any]]:
    """Give what to read a query's rows from: what its most telling condition finds first. SQLite knows no figures.

    ``brief``: the brief index has all that is asked of the rows found.
    """
    shown_as = "shown INDEXED BY assets_brief" if brief else "shown"
    if query.text:
        # A sub-select of its own: MATCH is only understood where the index of words is read first.
        return (
            f"(SELECT rowid AS word FROM words WHERE words MATCH ?) CROSS JOIN {shown_as} ON id = word",  # noqa: S608
            [fts_query(sql, query.text)],
        )
    has = next((where for where in query.where if where.op == "has"), None)
    if has is not None:
        return (
            f"(SELECT id AS tagged FROM elements WHERE tbl = '{query.table}' AND name = ? AND element = ?) "  # noqa: S608
            f"CROSS JOIN {shown_as} ON id = tagged",
            [has.field, shown(has.value)],
        )
    if query.table == "assets":
        for field, ops, index in _TELLING:
            if any(
                where.field == field and where.op in ops and (where.value is not None or where.op == "missing")
                for where in query.where
            ):
                if brief and index == "assets_created":
                    return _within_times(query)
                return f"shown INDEXED BY {index}", []
    return "shown", []


def _within_times(query: Query) -> tuple[str, list[Any]]:
    bounds = tuple(where for where in query.where if where.field == "created_ms" and where.op in ("ge", "le"))
    reach, reaching = _conditions(Query(query.table, bounds), None)
    return (
        f"(SELECT id AS timed FROM shown INDEXED BY assets_created WHERE {reach}) "  # noqa: S608
        "CROSS JOIN shown INDEXED BY assets_brief ON id = timed",
        reaching,
    )


def _conditions(
    query: Query, partitions: Sequence[int] | None, *, of: str = "shown", driven: bool = True
) -> tuple[str, list[Any]]:
    """Give the WHERE of a query; what ``_source`` looks after already is left out when it is ``driven`` by that."""
    # Names were checked: a table's name in the statement itself lets SQLite use the partial indexes.
    texts, parameters = [f"tbl = '{query.table}'" if of == "shown" else "1"], []
    if partitions is not None and len(partitions) < PARTITIONS:
        texts.append("+part IN (SELECT value FROM json_each(?))")
        parameters.append(json.dumps(list(partitions)))
    wheres = list(query.where)
    if not query.text and driven:
        has = next((where for where in wheres if where.op == "has"), None)
        if has is not None:
            wheres.remove(has)
    for where in wheres:
        text, given = _condition(query.table, where)
        texts.append(text)
        parameters += given
    return " AND ".join(texts), parameters


def _condition(table: str, where: Where) -> tuple[str, list[Any]]:
    column, wanted = _column(where.field), shown(where.value)
    if (table, where.field, where.op) == ("assets", "probed", "missing"):
        return "unseen = 1", []  # in the words of its index
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


def _by_field(sql: Sql, query: Query, partitions: Sequence[int] | None) -> list[int]:
    """Sort all that match: what is left where too many match to be sorted here, and no index helps."""
    source, given = _source(sql, query)
    conditions, parameters = _conditions(query, partitions)
    found: list[int] = []
    for extra, order, bounds in _pieces(query):
        if len(found) >= query.limit:
            break
        chosen = sql.execute(
            f"SELECT id FROM {source} WHERE {conditions} AND {extra} ORDER BY {order} LIMIT ?",  # noqa: S608
            [*given, *parameters, *bounds, query.limit - len(found)],
        ).fetchall()
        found += [int(row[0]) for row in chosen]
    return found


def _pieces(query: Query) -> list[tuple[str, str, list[Any]]]:
    """Give a page's two pieces, rows with the field and rows without, so that each can walk an index.

    A piece is a condition, an order and the condition's parameters; one that lies before the page is left out.
    """
    column, direction = _column(query.order), "DESC" if query.descending else "ASC"
    after = page_key(query.page)
    there = (f"{column} IS NOT NULL", f"{column} {direction}, pk {direction}, sk {direction}")
    absent = (f"{column} IS NULL", f"pk {direction}, sk {direction}")
    found = []
    pieces = {"there": there, "absent": absent} if query.descending else {"absent": absent, "there": there}
    for which, (extra, order) in pieces.items():
        bound: tuple[str, list[Any]] | None = ("1", [])
        if after is not None:
            bound = _bound(which, after, query.descending, column, "<" if query.descending else ">")
        if bound is not None:
            found.append((f"{extra} AND {bound[0]}", order, bound[1]))
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


def _ranked(sql: Sql, query: Query, partitions: Sequence[int] | None) -> Found:
    """Answer in the order of rank, of the newest RANK_ROWS_MAX rows that match."""
    ranks = _ranks(sql, query.text)
    conditions, parameters = _conditions(query, partitions)
    keyed = sql.execute(
        "SELECT id FROM (SELECT value AS word FROM json_each(?)) CROSS JOIN shown ON id = word "  # noqa: S608
        f"WHERE {conditions}",
        [json.dumps(list(ranks)), *parameters],
    ).fetchall()
    numbers = [int(row[0]) for row in keyed]
    matched = [(number, ranks[number]) for number in numbers]
    return _packed(sql, _sorted(sql, matched, query), len(matched), len(ranks) < RANK_ROWS_MAX, ranks)


def _ranks(sql: Sql, text: str) -> dict[int, float]:
    """Give the rank of the newest RANK_ROWS_MAX rows that match."""
    rows = sql.execute(
        "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?",
        (fts_query(sql, text), RANK_ROWS_MAX),
    ).fetchall()
    return {int(number): float(rank) for number, rank in rows}


def matching(sql: Sql, table: str, text: str) -> dict[tuple[str, str], float]:
    """Give the (pk, sk) whose words match, with their rank (greater is better), the best RANK_ROWS_MAX."""
    words = fts_query(sql, text)
    if not words:
        return {}
    rows = sql.execute(
        "SELECT s.pk, s.sk, -bm25(words) AS rank_ FROM words JOIN shown s ON s.id = words.rowid "
        "WHERE words MATCH ? AND s.tbl = ? ORDER BY rank_ DESC LIMIT ?",
        (words, table, RANK_ROWS_MAX),
    ).fetchall()
    return {(pk, sk): float(rank) for pk, sk, rank in rows}
