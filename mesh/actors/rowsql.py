"""Rows in SQL: putting and removing one with all that is derived from it, within an open transaction.

Invariant: a partition's digest is the XOR of its rows' digests; ``shown``, ``elements`` and ``words`` hold exactly the
living rows. All of them change in the transaction that changes the row.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence

from mesh.core.hlc import stamp_ms
from mesh.core.placement import partition_of
from mesh.core.pruning import KEPT_FOR_EVER
from mesh.core.query import shown
from mesh.core.rows import MESH_TABLES, Entry, Row, digest, pack, unpack
from mesh.ports import Sql
from proto.codec import Value
from proto.ids import MESH_PARTITION, PartitionId

Key = tuple[str, str, str]

WORD_TABLES = ("assets", "scenes")
WORDS_MAX = 16
"""Words of a query that are looked for; the rest are ignored."""
_WORD_FIELDS = ("name", "meta", "camera_name", "words")
_WORD_SETS = ("tags", "auto_tags")


def partition_for(table: str, pk: str) -> PartitionId:
    """Give the partition of a row. References live in the partition of the chunk they name."""
    if table in MESH_TABLES:
        return MESH_PARTITION
    if table == "references":
        try:
            return partition_of(bytes.fromhex(pk))
        except ValueError:
            return partition_of(pk)
    return partition_of(pk)


def get(sql: Sql, key: Key) -> Entry | None:
    """Give the entry of a key, or None."""
    row = sql.execute("SELECT packed FROM rows WHERE tbl = ? AND pk = ? AND sk = ?", key).fetchone()
    return None if row is None else unpack(row[0])


def put(sql: Sql, entry: Entry) -> None:
    """Put an entry in the place of the one that stands, if any."""
    packed = pack(entry)
    part = partition_for(entry.table, entry.pk)
    value = digest(packed)
    newest_ms = stamp_ms(entry.newest[0])
    old = sql.execute("SELECT id, digest FROM rows WHERE tbl = ? AND pk = ? AND sk = ?", entry.key).fetchone()
    raw = value.to_bytes(8, "big")
    if old is None:
        sql.execute(
            "INSERT INTO rows (tbl, pk, sk, part, newest_ms, digest, packed) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*entry.key, part, newest_ms, raw, packed),
        )
        number = int(sql.execute("SELECT last_insert_rowid()").fetchone()[0])
        _shift_digest(sql, part, value, 1)
    else:
        number = int(old[0])
        sql.execute(
            "UPDATE rows SET newest_ms = ?, digest = ?, packed = ? WHERE id = ?", (newest_ms, raw, packed, number)
        )
        _shift_digest(sql, part, value ^ int.from_bytes(old[1], "big"), 0)
    if entry.alive:
        _show(sql, number, entry.row(), part, fresh=old is None)
        if old is not None:
            sql.execute("DELETE FROM dead WHERE id = ?", (number,))
        return
    if old is not None:
        hide(sql, number)
    if entry.table not in KEPT_FOR_EVER:
        sql.execute("INSERT OR REPLACE INTO dead VALUES (?, 0)", (number,))


def remove(sql: Sql, key: Key) -> None:
    """Forget a row, as if it had never been here."""
    found = sql.execute("SELECT id, part, digest FROM rows WHERE tbl = ? AND pk = ? AND sk = ?", key).fetchone()
    if found is None:
        return
    number, part, raw = found
    sql.execute("DELETE FROM rows WHERE id = ?", (number,))
    sql.execute("DELETE FROM dead WHERE id = ?", (number,))
    hide(sql, number)
    _shift_digest(sql, part, int.from_bytes(raw, "big"), -1)


def journal(sql: Sql, entry: Entry, stamp: int) -> int:
    """Note that an entry has to reach those who hold its partition; gives its place in the journal."""
    sql.execute("DELETE FROM journal WHERE tbl = ? AND pk = ? AND sk = ?", entry.key)
    sql.execute(
        "INSERT INTO journal (tbl, pk, sk, part, stamp) VALUES (?, ?, ?, ?, ?)",
        (*entry.key, partition_for(entry.table, entry.pk), stamp),
    )
    return int(sql.execute("SELECT last_insert_rowid()").fetchone()[0])


def _show(sql: Sql, number: int, row: Row, part: PartitionId, *, fresh: bool) -> None:
    seen = {name: shown(value) for name, value in row.fields.items()}
    text = json.dumps({name: value for name, value in seen.items() if value is not None}, separators=(",", ":"))
    sql.execute(
        "INSERT INTO shown (id, tbl, pk, sk, part, updated_ms, shown) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET updated_ms = excluded.updated_ms, shown = excluded.shown",
        (number, row.table, row.pk, row.sk, part, row.updated_ms, text),
    )
    if not fresh:
        sql.execute("DELETE FROM elements WHERE id = ?", (number,))
    for name, elements in row.sets.items():
        folded = sorted({element.casefold() for element in elements})
        sql.executemany(
            "INSERT OR IGNORE INTO elements VALUES (?, ?, ?, ?)",
            [(row.table, name, element, number) for element in folded],
        )
    if row.table in WORD_TABLES:
        words = _words(row)
        old = None if fresh else sql.execute("SELECT text FROM words WHERE rowid = ?", (number,)).fetchone()
        if old is None:
            sql.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (number, words))
        elif old[0] != words:
            sql.execute("UPDATE words SET text = ? WHERE rowid = ?", (words, number))


def hide(sql: Sql, number: int) -> None:
    """Have no query see a row any more."""
    sql.execute("DELETE FROM shown WHERE id = ?", (number,))
    sql.execute("DELETE FROM elements WHERE id = ?", (number,))
    sql.execute("DELETE FROM words WHERE rowid = ?", (number,))


def _shift_digest(sql: Sql, part: int, change: int, rows: int) -> None:
    found = sql.execute("SELECT digest, rows FROM digests WHERE part = ?", (part,)).fetchone()
    value = (int.from_bytes(found[0], "big") if found else 0) ^ change
    count = (found[1] if found else 0) + rows
    sql.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", (part, value.to_bytes(8, "big"), count))


def words_match(row: Row, text: str) -> bool:
    """Tell whether a row has every word of a text, each as the beginning of a word: as the index would."""
    wanted = folded(text)[:WORDS_MAX]
    return bool(wanted) and row.table in WORD_TABLES and words_within(_words(row), wanted)


def words_within(text: str, wanted: Sequence[str]) -> bool:
    """Tell whether each of some folded words begins a word of a text."""
    if text.isascii() and (lower := text.lower()) and any(word not in lower for word in wanted):
        return False  # most texts are told from the wanted one without being taken apart
    have = folded(text)
    return all(any(word.startswith(one) for word in have) for one in wanted)


def fts_query(sql: Sql, text: str) -> str:
    """Give words as an FTS5 query: all of them, each as the beginning of a word; empty when there is none.

    FTS5 gathers all rows of what is asked for as a beginning before it gives the first one: a word that begins no other
    is asked for as it is.
    """
    return " AND ".join(f'"{word}"{"*" * _begins_others(sql, word)}' for word in folded(text)[:WORDS_MAX])


def _begins_others(sql: Sql, word: str) -> bool:
    if not (word.isascii() and word.isalnum()):
        return True  # its letters may be others in the index
    between = (f"{word}\x01", f"{word}\U0010ffff")
    return sql.execute("SELECT 1 FROM word_terms WHERE term >= ? AND term <= ? LIMIT 1", between).fetchone() is not None


def folded(text: str) -> list[str]:
    """Give a text's words as they are compared: without accents and case."""
    bare = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(letter if letter.isalnum() else " " for letter in bare).casefold().split()


def _words(row: Row) -> str:
    texts = [_flat(row.fields[name]) for name in _WORD_FIELDS if name in row.fields]
    texts += [word for name in _WORD_SETS for word in row.sets.get(name, ())]
    return " ".join(texts)


def _flat(value: Value) -> str:
    if isinstance(value, str):
        return value.replace("_", " ").replace("-", " ")
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_flat(item)}" for name, item in value.items())
    if isinstance(value, tuple):
        return " ".join(_flat(item) for item in value)
    return "" if value is None or isinstance(value, bytes) else str(value)
