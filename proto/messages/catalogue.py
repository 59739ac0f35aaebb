"""Catalogue messages: rows to their partitions' owners, reads and scans, and the comparing of replicas."""

from __future__ import annotations

from typing import Annotated

from proto.codec import Exactly, Max, Value, message

PackedRow = Annotated[bytes, Max(512 * 1024)]
Bits = Annotated[bytes, Exactly(128)]
"""Partitions, a bit each, the lowest first."""
RowKey = tuple[Annotated[str, Max(32)], Annotated[str, Max(256)], Annotated[str, Max(256)]]
"""Table, partition key, sort key."""
Bases = Annotated[tuple[Annotated[str, Max(64)], ...], Max(4096)]
"""The oldest versions of the layout that the asker goes by: who does not know one of them may lack rows."""


@message(300)
class PutRows:
    """Take these rows, durably; several at once. ``layout``: the versions of the layout the giver knows."""

    rows: Annotated[tuple[PackedRow, ...], Max(512)]
    layout: Annotated[str, Max(64)] = ""


@message(301)
class RowsTaken:
    """They are durable here, but those at the places in ``held``, whose stamps cannot be believed yet.

    ``layout``: the versions of the layout known here once they were; another than the giver's when others may have to
    have them too.
    """

    count: int
    held: Annotated[tuple[int, ...], Max(512)] = ()
    layout: Annotated[str, Max(64)] = ""


@message(302)
class GetRows:
    """Give the rows of a key; every sort key after ``after`` when ``sk`` is None."""

    table: Annotated[str, Max(32)]
    pk: Annotated[str, Max(256)]
    sk: Annotated[str, Max(256)] | None = None
    after: Annotated[str, Max(256)] = ""
    bases: Bases = ()


@message(303)
class Rows:
    """Packed rows, tombstones among them. ``more``: ask again after the last one. ``counts``: none can be missing."""

    rows: Annotated[tuple[PackedRow, ...], Max(65536)]
    more: bool = False
    counts: bool = True


@message(304)
class GetRowsOf:
    """Give the rows of several keys, every sort key; those of one key after another, as many as fit an answer."""

    table: Annotated[str, Max(32)]
    pks: Annotated[tuple[Annotated[str, Max(256)], ...], Max(256)]
    bases: Bases = ()


@message(305)
class RowsOf:
    """Packed rows, tombstones among them, of the first ``keys`` keys asked for. ``counts``: none can be missing."""

    rows: Annotated[tuple[PackedRow, ...], Max(65536)]
    keys: Annotated[int, Max(256)]
    counts: bool


@message(310)
class Scan:
    """Give the first ``limit`` rows of a table in these partitions after ``page``.

    Partitions for which this replica does not count are left out, unless ``behind`` asks for what there is.
    """

    table: Annotated[str, Max(32)]
    partitions: Bits
    where: Annotated[tuple[tuple[str, str, Value], ...], Max(32)]
    text: Annotated[str, Max(1024)]
    order: Annotated[str, Max(64)]
    descending: bool
    limit: Annotated[int, Max(1000)]
    page: Annotated[str, Max(4096)]
    behind: bool = False
    bases: Bases = ()


@message(311)
class Scanned:
    """Rows in order with their text rank, how many match in all, and the partitions this replica does not count for.

    ``cut``: rows within the limit were left out, for the answer would be too large. ``exact``: no more than ``total``
    match; else some more do.
    """

    rows: Annotated[tuple[tuple[PackedRow, float], ...], Max(1000)]
    total: int
    unsynced: Bits
    cut: bool = False
    exact: bool = True


@message(312)
class WaitForWrites:
    """Answer once every write of this node up to a stamp can be read from those who hold it; 1 s at most."""

    stamp: int


@message(313)
class WritesReadable:
    """Whether they can."""

    readable: bool


@message(320)
class Digests:
    """Compare: (partition, digest) of what the sender holds."""

    digests: Annotated[tuple[tuple[int, int], ...], Max(1025)]


@message(321)
class Differing:
    """The partitions whose digests differ here; of all asked, those it counts for; its versions of the layout."""

    partitions: Annotated[tuple[int, ...], Max(1025)]
    counting: Annotated[tuple[int, ...], Max(1025)]
    layout: Annotated[str, Max(64)] = ""


@message(322)
class ListRows:
    """Give the keys and digests of a partition after ``after`` (table, pk, sk)."""

    partition: Annotated[int, Max(1024)]
    after: Annotated[tuple[Annotated[str, Max(256)], ...], Max(3)] = ()


@message(323)
class RowDigests:
    """(table, pk, sk, digest) in key order; ``more`` when there are further ones."""

    rows: Annotated[tuple[tuple[str, str, str, int], ...], Max(4096)]
    more: bool


@message(324)
class FetchRows:
    """Give these rows, as many as fit an answer."""

    keys: Annotated[tuple[RowKey, ...], Max(256)]


@message(327)
class ListDiffering:
    """Give the keys and digests of a partition's rows after ``after`` that lie in buckets which differ there.

    ``buckets``: the digests of the sender's rows by a hash of their key, a power of two of them.
    """

    partition: Annotated[int, Max(1024)]
    buckets: Annotated[tuple[int, ...], Max(4096)]
    after: Annotated[tuple[Annotated[str, Max(256)], ...], Max(3)] = ()


Tombstones = Annotated[tuple[tuple[RowKey, int], ...], Max(256)]
"""Keys and digests of rows that are deleted."""


@message(330)
class AskForgettable:
    """Which of these tombstones have you so, or not at all, and may be forgotten, by this version of the layout?"""

    rows: Tombstones
    layout: Annotated[str, Max(64)]


@message(331)
class Forgettable:
    """A byte a tombstone asked for: 1 when it may go."""

    said: Annotated[bytes, Max(256)]


@message(332)
class ForgetTombstones:
    """Forget those of these tombstones that are still as told: every owner has agreed."""

    rows: Tombstones
    layout: Annotated[str, Max(64)]


@message(333)
class Forgotten:
    """How many went."""

    count: int


@message(334)
class AskAllSettled:
    """Have I all rows you wrote that are mine to hold, by this version of the layout, and hold you no others'?"""

    layout: Annotated[str, Max(64)]


@message(335)
class AllSettled:
    """The age in ms of the oldest row that is not where it belongs, 0: all are; None: that cannot be told now."""

    behind_ms: int | None


@message(325)
class Compare:
    """Are these partitions the same there? ``summary`` is the hash of their digests in order.

    ``mesh``: the mesh tables are among them. ``returned``: the sender has seen this node, or itself, cut off since they
    last compared. ``wall_ms``: what the sender's own clock shows.
    """

    partitions: Bits
    mesh: bool
    summary: Annotated[bytes, Exactly(32)]
    returned: bool = False
    wall_ms: int = 0


@message(326)
class Compared:
    """Whether they are, which of them this node counts for, its own clock, and its versions of the layout."""

    same: bool
    counting: Bits
    wall_ms: int = 0
    layout: Annotated[str, Max(64)] = ""
