"""The catalogue with a million assets on three nodes with two copies: lists, filters, orders, pages and words.

The rows are put into the nodes' databases while they are stopped, each node's own partitions, by the statements that
put any row there; only the indexes are made after the rows instead of with them. Every node is asked in turn, over
HTTP, as the viewer asks. Baseline: the same questions to one SQLite table with the same assets and indexes, in this
process: no mesh, no rows of a CRDT, no HTTP.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
import psutil

from mesh.actors import rowsql
from mesh.actors.rowstore import RowStore
from mesh.adapters.tables import SqliteTables
from mesh.core.rows import Change, apply
from proto.codec import Value
from proto.ids import PARTITIONS, NodeId, PartitionId
from simulations.benchmarks.filling import layout_of, settled, start_again
from simulations.benchmarks.measure import Figure
from simulations.hosts.processes import Process, end, mesh, until

ASSETS = int(os.environ.get("THATDAM_BENCH_ASSETS", "1000000"))
KEPT = os.environ.get("THATDAM_BENCH_KEPT", "")
"""A folder in which the filled nodes stay, and are found again by the next run."""
LIMIT = 50
ASKED = 33
"""How often each question is asked, of the nodes in turn."""
OF_TABLE = 9
"""How often the baseline is asked."""
STAMP_MS = 1_793_600_000_000
WITHIN_S = 600
SETTLE_S = 15.0
"""How long the nodes are left alone first: after a start they look through what they have."""
_PLACES = ("harbour", "bridge", "market", "station", "forest", "river", "stadium", "studio", "rooftop", "tunnel")
_THINGS = ("interview", "goal", "sunset", "parade", "storm", "concert", "speech", "arrival", "wedding", "launch")
_KINDS = ("image", "image", "image", "audio", "other")


def _asset(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    number = number * 0x9E3779B97F4A7C15 % 2**64
    text = ""
    for _ in range(26):
        number, place = divmod(number, 32)
        text += letters[place]
    return text


def _fields(number: int) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Give what an asset's row has, as after L0. Of kinds that no job looks into: there are no bytes to look at."""
    place, thing = _PLACES[number % 10], _THINGS[number // 10 % 10]
    made_ms = STAMP_MS - (ASSETS - number) * 1000
    told: dict[str, Value] = {
        "kind": _KINDS[number % 5],
        "name": f"{place}_{thing}_{number:07d}.jpg",
        "state": "ready",
        "created_ms": made_ms,
        "size_bytes": 10_000 + number * 7919 % 5_000_000,
        "mime": "image/jpeg",
        "width": 1920,
        "height": 1080,
        "content": f"{number:064x}",
        "manifest": b"m" * 80,
        "poster": f"{number + 1:064x}",
        "probed": "1",
        "meta": {"make": "Nikon", "roll": number // 1000},
    }
    if number % 500 == 1:
        told["trashed_ms"] = STAMP_MS
    tags = tuple(tag for tag, every in (("best", 1000), ("final", 20), ("raw", 2)) if number % every == 0)
    return told, tags


# ---------------------------------------------------------------- filling


def _opened(path: Path) -> sqlite3.Connection:
    """Open a database as a node's, made if it is not there."""

    async def make() -> None:
        tables = SqliteTables(path)
        await RowStore(tables).open()
        tables.close()

    asyncio.run(make())
    sql = sqlite3.connect(path, isolation_level=None)
    sql.execute("PRAGMA synchronous = OFF")
    sql.execute("PRAGMA cache_size = -200000")
    return sql


def _bare(sql: sqlite3.Connection) -> None:
    """Take away what is quicker made after the rows than with them; opening the database makes it again."""
    for kind, name, text in sql.execute("SELECT type, name, sql FROM sqlite_master").fetchall():
        if kind == "trigger" or (kind == "index" and text):
            sql.execute(f"DROP {kind} {name}")


def _make(path: Path, first: int, every: int, writer: NodeId) -> None:
    """Put a share of the assets into a database of their own."""
    sql = _opened(path)
    _bare(sql)
    sql.execute("BEGIN")
    for number in range(first, ASSETS, every):
        told, tags = _fields(number)
        change = Change("assets", _asset(number), set=told, add={"tags": tags} if tags else {})
        rowsql.put(sql, apply(None, change, ((STAMP_MS << 16) + number, writer)))
    sql.execute("COMMIT")
    sql.close()


def _share(node: Path, one: NodeId, made: Sequence[Path]) -> None:
    """Give a stopped node the rows of the partitions it owns."""
    layout = asyncio.run(layout_of(node / "node.db"))
    mine = json.dumps([part for part in range(PARTITIONS) if one in layout.owners(PartitionId(part), 2)])
    sql = _opened(node / "node.db")
    _bare(sql)
    place = int(sql.execute("SELECT MAX(id) FROM rows").fetchone()[0]) + 1
    for number, path in enumerate(made):
        sql.execute("ATTACH ? AS made", (str(path),))
        given = f"{place} + {len(made)} * r.id + {number}"
        sql.execute("BEGIN")
        for columns, source in (
            (
                "rows (id, tbl, pk, sk, part, newest_ms, digest, packed)",
                "r.tbl, r.pk, r.sk, r.part, r.newest_ms, r.digest, r.packed FROM made.rows r",
            ),
            (
                "shown (id, tbl, pk, sk, part, updated_ms, shown)",
                "s.tbl, s.pk, s.sk, s.part, s.updated_ms, s.shown FROM made.rows r JOIN made.shown s ON s.id = r.id",
            ),
            ("words (rowid, text)", "w.text FROM made.rows r JOIN made.words w ON w.rowid = r.id"),
            (
                "elements (id, tbl, name, element)",
                "e.tbl, e.name, e.element FROM made.elements e JOIN made.rows r ON r.id = e.id",
            ),
        ):
            sql.execute(
                f"INSERT INTO {columns} SELECT {given}, {source} WHERE r.part IN (SELECT value FROM json_each(?))",
                (mine,),
            )
        sql.execute("COMMIT")
        sql.execute("DETACH made")
    digests: dict[int, tuple[int, int]] = {}
    for part, value in sql.execute("SELECT part, digest FROM rows"):
        known, count = digests.get(part, (0, 0))
        digests[part] = (known ^ int.from_bytes(value, "big"), count + 1)
    sql.executemany(
        "INSERT OR REPLACE INTO digests VALUES (?, ?, ?)",
        [(part, value.to_bytes(8, "big"), count) for part, (value, count) in digests.items()],
    )
    names = "part, trashed_ms, kind, camera, state"
    sql.execute("DELETE FROM tallies")
    sql.execute(f"INSERT INTO tallies SELECT {names}, COUNT(*) FROM shown WHERE tbl = 'assets' GROUP BY {names}")
    sql.close()
    _opened(node / "node.db").close()


def _fill(folder: Path, nodes: Sequence[Process], ids: Sequence[str]) -> None:
    made = [folder / f"made-{number}.db" for number in range(os.cpu_count() or 1)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(_make, path, at, len(made), NodeId(ids[0])) for at, path in enumerate(made)]:
            done.result()
        _say("giving each node its own")
        for done in [pool.submit(_share, node.data, NodeId(one), made) for node, one in zip(nodes, ids, strict=True)]:
            done.result()


# ---------------------------------------------------------------- asking


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of the mesh, and the same in SQL of one table."""

    what: str
    params: Callable[[random.Random], dict[str, Any]]
    where: Callable[[dict[str, Any]], tuple[str, list[Any]]]
    order: str = "created_ms DESC"
    pages: int = 1
    to_reach: str = "100 ms"


def _words(params: dict[str, Any]) -> tuple[str, list[Any]]:
    query = " AND ".join(f'"{word}"*' for word in params["text"].split())
    return "id IN (SELECT rowid FROM words WHERE words MATCH ?)", [query]


_HERE = "trashed_ms IS NULL"
_QUESTIONS = (
    _Question("the first page, newest first", lambda _: {}, lambda _: (_HERE, [])),
    _Question("pages 2 to 10 of it", lambda _: {}, lambda _: (_HERE, []), pages=10),
    _Question("by name", lambda _: {"order": "name", "descending": False}, lambda _: (_HERE, []), "name"),
    _Question("largest first", lambda _: {"order": "size_bytes"}, lambda _: (_HERE, []), "size_bytes DESC"),
    _Question(
        "one kind (20 %), newest first",
        lambda _: {"kind": "audio"},
        lambda asked: (f"{_HERE} AND kind = ?", [asked["kind"]]),
    ),
    _Question(
        "a tag of one in a thousand",
        lambda _: {"tag": "best"},
        lambda asked: (f"{_HERE} AND id IN (SELECT id FROM tags WHERE tag = ?)", [asked["tag"]]),
    ),
    _Question(
        "a tag of half of them, newest first",
        lambda _: {"tag": "raw"},
        lambda asked: (f"{_HERE} AND id IN (SELECT id FROM tags WHERE tag = ?)", [asked["tag"]]),
    ),
    _Question(
        "a tag that the first 100,000 by name lack",
        lambda _: {"tag": "raw", "order": "name", "descending": False},
        lambda asked: (f"{_HERE} AND id IN (SELECT id FROM tags WHERE tag = ?)", [asked["tag"]]),
        "name",
        to_reach="stated",
    ),
    _Question(
        "a day among twelve",
        lambda chance: _day(chance.randrange(12)),
        lambda asked: (f"{_HERE} AND created_ms BETWEEN ? AND ?", [asked["since_ms"], asked["until_ms"]]),
    ),
    _Question(
        "words that few have",
        lambda chance: {"text": f"{chance.randrange(ASSETS):07d}"},
        lambda asked: _words(asked),
    ),
    _Question(
        "words that 1 % have",
        lambda chance: {"text": f"{chance.choice(_PLACES)} {chance.choice(_THINGS)}"},
        lambda asked: _words(asked),
    ),
    _Question("a word that all have", lambda _: {"text": "nikon"}, lambda asked: _words(asked)),
    _Question("the trash", lambda _: {"trashed": True}, lambda _: ("trashed_ms >= 1", [])),
)


def _day(which: int) -> dict[str, Any]:
    day_ms = ASSETS * 1000 // 12
    since_ms = STAMP_MS - (which + 1) * day_ms
    return {"since_ms": since_ms, "until_ms": since_ms + day_ms}


def _asked(params: dict[str, Any]) -> dict[str, Any]:
    """Give what the API is asked."""
    given = {name: value for name, value in params.items() if name not in ("since_ms", "until_ms")}
    for name in ("since", "until"):
        if f"{name}_ms" in params:
            stamp = time.gmtime(params[f"{name}_ms"] / 1000)
            given[name] = time.strftime("%Y-%m-%dT%H:%M:%SZ", stamp)
    return given


def _table(path: Path) -> sqlite3.Connection:
    """Make the baseline: one table, the same assets, an index an order, words and tags."""
    sql = sqlite3.connect(path, isolation_level=None)
    sql.execute("PRAGMA synchronous = OFF")
    sql.execute("PRAGMA cache_size = -200000")
    sql.execute(
        "CREATE TABLE assets (id INTEGER PRIMARY KEY, pk, name, kind, created_ms, size_bytes, trashed_ms, rest)"
    )
    sql.execute("CREATE TABLE tags (tag, id, PRIMARY KEY (tag, id)) WITHOUT ROWID")
    sql.execute("CREATE VIRTUAL TABLE words USING fts5 (text, tokenize='unicode61 remove_diacritics 2')")

    def rows() -> Iterator[tuple[Any, ...]]:
        for number in range(ASSETS):
            told, tags = _fields(number)
            for tag in tags:
                sql.execute("INSERT INTO tags VALUES (?, ?)", (tag, number))
            words = f"{told['name']!s} make Nikon roll {number // 1000} {' '.join(tags)}".replace("_", " ")
            sql.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (number, words))
            rest = json.dumps({name: str(value) for name, value in told.items()})
            yield (
                number,
                _asset(number),
                *(told.get(name) for name in ("name", "kind", "created_ms", "size_bytes", "trashed_ms")),
                rest,
            )

    sql.execute("BEGIN")
    sql.executemany("INSERT INTO assets VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows())
    for columns in ("created_ms, pk", "name, pk", "size_bytes, pk", "kind, created_ms, pk", "trashed_ms"):
        sql.execute(f"CREATE INDEX by_{columns.replace(', ', '_')} ON assets ({columns})")
    sql.execute("COMMIT")
    sql.execute("ANALYZE")
    return sql


def _of_table(sql: sqlite3.Connection, question: _Question, params: dict[str, Any]) -> list[float]:
    """Ask the baseline for the page and how many there are, as the mesh is asked."""
    where, values = question.where(params)
    began = time.perf_counter()
    sql.execute(
        f"SELECT * FROM assets WHERE {where} ORDER BY {question.order}, pk LIMIT ?", [*values, LIMIT]
    ).fetchall()
    sql.execute(f"SELECT COUNT(*) FROM (SELECT 1 FROM assets WHERE {where} LIMIT 5001)", values).fetchone()
    return [time.perf_counter() - began]


def _of_node(client: httpx.Client, question: _Question, params: dict[str, Any]) -> list[float]:
    times, page = [], ""
    for number in range(question.pages):
        began = time.perf_counter()
        answer = client.get("/api/v1/assets", params={**_asked(params), "limit": LIMIT, "page": page})
        if question.pages == 1 or number:
            times.append(time.perf_counter() - began)
        assert answer.is_success, answer.text
        body = answer.json()
        assert body["partitions_ok"] == body["partitions_total"], "a partition is missing"
        page = body["next"] or ""
    return times


def _quantiles(times: Sequence[float]) -> str:
    cut = statistics.quantiles(times, n=100, method="inclusive")
    return f"p50 {cut[49] * 1000:.0f} ms, p99 {cut[98] * 1000:.0f} ms"


def _say(what: str) -> None:
    print(f"  {what}", file=sys.stderr, flush=True)


def _whole(node: Process) -> bool:
    answer = node.get("/api/v1/assets", limit=1)
    return bool(answer["partitions_ok"] == answer["partitions_total"] and answer["total"] > ASSETS * 0.99)


def _memory_mib(node: Process) -> float:
    assert node.process is not None
    return float(psutil.Process(node.process.pid).memory_info().rss / 2**20)


def run() -> list[Figure]:
    """Measure."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(KEPT or text)
        filled = folder / "filled"
        nodes = mesh(folder, 3, "--copies", "2", settings={"THATDAM_NODE_ROLES": "storage"})
        try:
            if not filled.exists():
                for node in nodes:
                    until(lambda node=node: settled(node, len(nodes)), 60, "the layout is reached")  # type: ignore[misc]
                ids = [node.node_id for node in nodes]
                end(nodes)
                _say("putting the rows into the nodes")
                _fill(folder, nodes, ids)
                filled.touch()
                _say("starting the nodes")
                for node in nodes:
                    start_again(node, nodes[0])
            began = time.monotonic()
            for node in nodes:
                until(lambda node=node: _whole(node), WITHIN_S, "every partition answers")  # type: ignore[misc]
            ready_s = time.monotonic() - began
            path = folder / "table.db"
            _say("making the baseline's table")
            table = sqlite3.connect(path) if path.exists() else _table(path)
            time.sleep(SETTLE_S)
            return [*_measure(nodes, table), *_stated(nodes, ready_s)]
        finally:
            end(nodes)


def _measure(nodes: Sequence[Process], table: sqlite3.Connection) -> list[Figure]:
    clients = [node.http() for node in nodes]
    figures = []
    for question in _QUESTIONS:
        _say(question.what)
        chance = random.Random(1)
        times: list[float] = []
        base: list[float] = []
        for number in range(ASKED if question.pages == 1 else 2 * len(clients)):
            params = question.params(chance)
            took = _of_node(clients[number % len(clients)], question, params)
            times += took if number >= len(clients) else []  # the first of each node finds its disk cold
            base += _of_table(table, question, params) if number < OF_TABLE else []
        figures.append(
            Figure(
                f"{ASSETS:,} assets on 3 nodes: {question.what}",
                _quantiles(times),
                f"one table {_quantiles(base)}",
                question.to_reach,
                len(times),
            )
        )
    return figures


def _stated(nodes: Sequence[Process], ready_s: float) -> list[Figure]:
    size = max((node.data / "node.db").stat().st_size for node in nodes) / 2**20
    memory = max(map(_memory_mib, nodes))
    return [
        Figure("from start to every partition answering", f"{ready_s:.0f} s", "-", "stated", 1),
        Figure("memory of a node (the largest)", f"{memory:.0f} MiB", f"its database {size:.0f} MiB", "stated", 3),
    ]
