"""What a node must never forget of who was ended: revoked nodes, and authorities that were succeeded.

Beside them: what was signed for authorities beside the present one (``mesh.core.lineage``), and which nodes could admit
under those before, whose word on a tombstone counts.

The mesh tables say it too, but any member can write to their rows, and a database can be lost. So what was once found
signed is kept beside them: as a file and in the database, each whole by itself. What counts is the union of both.

Invariant: the list only grows; a damaged copy is made good from the other one, and a node whose both copies are damaged
or gone with the file still there in part does not start, for it would let in whom it may have revoked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Protocol

import structlog
from blake3 import blake3

from mesh.core.lineage import BESIDE_MAX, Told
from mesh.ports import Corrupt, Disk, NotFound
from proto import codec
from proto.codec import Malformed, Max
from proto.ids import NodeId
from proto.messages.identity import Sealed

PATH = "identity/tombstones"
META = "tombstones"
REVOKED_MAX = 65536
"""Revoked nodes that are kept here; what the mesh table says of further ones still counts."""
SUCCESSIONS_MAX = 1024
HELD_MAX = 1024
_SUM_BYTES = 32

_log = structlog.get_logger("roster")


class Meta(Protocol):
    """Values by name in the node's database."""

    async def meta(self, key: str) -> bytes | None:
        """Give a value kept under a name."""

    async def set_meta(self, key: str, value: bytes) -> None:
        """Keep a value under a name, durably."""


@dataclass(frozen=True, slots=True)
class _Revoked:
    node: Annotated[str, Max(52)]
    reason: Annotated[str, Max(256)]


@dataclass(frozen=True, slots=True)
class _Succession:
    authority: Annotated[bytes, Max(32)]
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class _List:
    revoked: Annotated[tuple[_Revoked, ...], Max(REVOKED_MAX)]
    successions: Annotated[tuple[_Succession, ...], Max(SUCCESSIONS_MAX)]
    beside: Annotated[tuple[_Succession, ...], Max(BESIDE_MAX)] = ()
    held: Annotated[tuple[Annotated[str, Max(52)], ...], Max(HELD_MAX)] = ()


class Tombstones:
    """The list on this node. ``open`` it first; what is ``bury``-ed is durable once ``keep`` has returned."""

    def __init__(self, disk: Disk, meta: Meta) -> None:
        self._disk = disk
        self._meta = meta
        self._revoked: dict[NodeId, str] = {}
        self._successions: dict[bytes, Sealed] = {}
        self._beside: list[Told] = []
        self._held: dict[NodeId, None] = {}
        self._kept = b""

    @property
    def revoked(self) -> Mapping[NodeId, str]:
        """The revoked nodes, and why."""
        return MappingProxyType(self._revoked)

    @property
    def successions(self) -> Mapping[bytes, Sealed]:
        """What each authority that was succeeded (its raw key) signed for its successor."""
        return MappingProxyType(self._successions)

    @property
    def beside(self) -> Sequence[Told]:
        """What was signed for authorities beside the present one, the first heard of first."""
        return tuple(self._beside)

    @property
    def held(self) -> Collection[NodeId]:
        """The nodes that could admit under former authorities, as this node knew while it went by these."""
        return self._held.keys()

    async def open(self) -> None:
        """Read what was kept; Corrupt says what to do where it cannot be known any more who was revoked."""
        damaged = False
        try:
            filed: bytes | None = await self._disk.read(PATH)
        except NotFound:
            filed = None
        except Corrupt:
            filed, damaged = None, True
        copies = [copy for copy in (filed, await self._meta.meta(META)) if copy is not None]
        whole = [read for read in map(_read, copies) if read is not None]
        damaged = damaged or len(whole) < len(copies)
        if damaged and not whole:
            raise Corrupt(
                f"{PATH} in the data folder, which says which nodes were revoked, is damaged, and so is its copy in "
                "the database; put it back from a copy of the folder, or join anew with another data folder"
            )
        if damaged:
            _log.error("one of two copies of the list of revoked nodes is damaged; it is made anew", path=PATH)
        for read in whole:
            self._revoked.update((NodeId(one.node), one.reason) for one in read.revoked)
            self._successions.update((one.authority, one.sealed) for one in read.successions)
            for one in read.beside:
                self.see(one.authority, one.sealed)
            self.hold(map(NodeId, read.held))
        packed = self._packed()
        if len(copies) == 2 and all(copy == packed for copy in copies):
            self._kept = packed

    def bury(self, node: NodeId, reason: str) -> None:
        """Add a revoked node."""
        if node in self._revoked:
            return
        if len(self._revoked) >= REVOKED_MAX:
            _log.error("too many revoked nodes to keep a list of", bound=REVOKED_MAX)
            return
        self._revoked[node] = reason

    def succeed(self, authority: bytes, sealed: Sealed) -> None:
        """Add that an authority, by its raw key, was succeeded."""
        if authority not in self._successions and len(self._successions) < SUCCESSIONS_MAX:
            self._successions[authority] = sealed

    def see(self, authority: bytes, sealed: Sealed) -> None:
        """Add what an authority, by its raw key, signed for one that this node does not go by."""
        if (authority, sealed) not in self._beside and len(self._beside) < BESIDE_MAX:
            self._beside.append((authority, sealed))

    def hold(self, nodes: Iterable[NodeId]) -> None:
        """Add nodes that could admit under an authority that is succeeded now."""
        for node in nodes:
            if len(self._held) < HELD_MAX:
                self._held[node] = None

    async def keep(self) -> None:
        """Make the list durable, in both places; port errors say what the disk did."""
        packed = self._packed()
        if packed == self._kept or not (self._revoked or self._successions or self._beside):
            return
        await self._disk.write(PATH, packed)
        await self._meta.set_meta(META, packed)
        self._kept = packed

    def _packed(self) -> bytes:
        body = codec.encode(
            _List(
                tuple(_Revoked(node, reason) for node, reason in sorted(self._revoked.items())),
                tuple(_Succession(key, sealed) for key, sealed in sorted(self._successions.items())),
                tuple(_Succession(key, sealed) for key, sealed in self._beside),
                tuple(sorted(self._held)),
            )
        )
        return blake3(body).digest() + body


def _read(packed: bytes) -> _List | None:
    body = packed[_SUM_BYTES:]
    if blake3(body).digest() != packed[:_SUM_BYTES]:
        return None
    try:
        return codec.decode(_List, body)
    except Malformed:
        return None
