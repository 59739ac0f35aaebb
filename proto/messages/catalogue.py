"""Catalogue messages: rows to their partitions' owners, reads and scans, and the comparing of replicas."""

from __future__ import annotations

from typing import Annotated

from proto.codec import Exactly, Max, Value, message

PackedRow = Annotated[bytes, Max(512 * 1024)]


@message(300)
class PutRows:
    """Take these rows, durably; several at once."""

    rows: Annotated[tuple[PackedRow, ...], Max(512)]


@message(301)
class RowsTaken:
    """They are durable here. ``held`` counts those whose stamps are too far ahead to be believed yet."""

    count: int
    held: int = 0


@message(302)
class GetRows:
    """Give the rows of a key; every sort key when ``sk`` is None."""

    table: Annotated[str, Max(32)]
    pk: Annotated[str, Max(256)]
    sk: Annotated[str, Max(256)] | None = None


@message(303)
class Rows:
    """Packed rows, tombstones among them."""

    rows: Annotated[tuple[PackedRow, ...], Max(65536)]


@message(310)
class Scan:
    """Give the first ``limit`` rows of a table in these partitions (a bit each, the lowest first) after ``page``."""

    table: Annotated[str, Max(32)]
    partitions: Annotated[bytes, Exactly(128)]
    where: Annotated[tuple[tuple[str, str, Value], ...], Max(32)]
    text: Annotated[str, Max(1024)]
    order: Annotated[str, Max(64)]
    descending: bool
    limit: Annotated[int, Max(1000)]
    page: Annotated[bytes, Max(2048)]


@message(311)
class Scanned:
    """Rows in order with their text rank, how many match in all, and the partitions that could not be answered for."""

    rows: Annotated[tuple[tuple[PackedRow, float], ...], Max(1000)]
    total: int
    unsynced: Annotated[bytes, Exactly(128)]


@message(320)
class Digests:
    """Compare: (partition, digest) of what the sender holds, and whether it has synced each."""

    digests: Annotated[tuple[tuple[int, int, bool], ...], Max(1025)]


@message(321)
class Differing:
    """The partitions whose digests differ here, and of all asked, those this node has synced."""

    partitions: Annotated[tuple[int, ...], Max(1025)]
    synced: Annotated[tuple[int, ...], Max(1025)]


@message(322)
class ListRows:
    """Give the keys and digests of a partition after ``after`` (table, pk, sk)."""

    partition: Annotated[int, Max(1024)]
    after: Annotated[tuple[str, ...], Max(3)] = ()


@message(323)
class RowDigests:
    """(table, pk, sk, digest) in key order; ``more`` when there are further ones."""

    rows: Annotated[tuple[tuple[str, str, str, int], ...], Max(4096)]
    more: bool


@message(324)
class FetchRows:
    """Give these rows, by (table, pk, sk)."""

    keys: Annotated[tuple[tuple[str, str, str], ...], Max(256)]
