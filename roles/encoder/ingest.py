"""Files come in: their bytes into the mesh, then the asset's row, then L0 (what it is) and its poster.

Decides what two uploads of the same content are: two assets over the same chunks. An asset is what somebody brought,
with a name, tags and a trash of its own; only bytes are shared. The row becomes visible once every chunk is durable and
referenced, before the file is looked into, since what a file is never decides whether it is kept.

Desired state is in the rows: every asset of this node that is no longer recorded has ``probed`` set. A sweep looks for
those that have not, so a crash or a copy out of reach only delays L0. What a node that is away left is looked into by
the first present holder of the asset's partition; should two do it, both write the same. Invariant: whatever the bytes
are, they are kept as they came, and ``error`` says in a sentence what is wrong with them.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.files import Files
from mesh.actors.system import ActorSystem
from mesh.core.manifest import FILE_BYTES_MAX
from mesh.core.names import clean_name
from mesh.core.placement import partition_of
from mesh.core.query import Query, Where
from mesh.core.rows import Change, Row
from mesh.ports import Clock, Entropy, NotFound, PortError, Unavailable
from proto.codec import Malformed, Value
from proto.ids import AssetId, NodeId, PartitionId, short_id
from roles.encoder.adapters.wire import Probed
from roles.encoder.content import Contents
from roles.encoder.media_work import MediaWork, UnreadableError

UPLOADS_MAX = 16
"""Files taken in at once; each may hold 16 MiB. One more is refused as Unavailable."""
LOOKS_AT_ONCE = 2
QUEUE_MAX = 4096
"""Assets waiting to be looked at; what does not fit is found again by the sweep."""
SWEEP_EVERY_S = 60.0
SWEEP_ROWS_MAX = 500
LOOK_WAIT_S = 15.0
"""How long an upload's answer waits for L0; after that it says that L0 is still to come."""
TAKE_POSTER_S = 12.0
"""Seconds of a take that its poster is chosen from."""
PROBE_VERSION = "1"
"""What ``probed`` says once L0 has run."""

_log = structlog.get_logger("ingest")


class Heirs(Protocol):
    """Who does what nodes that are away have left."""

    def gone(self) -> Sequence[NodeId]:
        """Give the nodes that are away."""

    def heir(self, node: NodeId, partition: PartitionId) -> bool:
        """Tell whether this node does what ``node``, which is away, should have done."""


class Ingest:
    """Takes files of up to ``size_bytes_max`` in on this node; looks into what this node took in or recorded."""

    def __init__(
        self,
        system: ActorSystem,
        catalogue: Catalogue,
        files: Files,
        contents: Contents,
        work: MediaWork,
        clock: Clock,
        entropy: Entropy,
        size_bytes_max: int,
        heirs: Heirs,
    ) -> None:
        self._system = system
        self._node: NodeId = system.node_id
        self._catalogue = catalogue
        self._files = files
        self._contents = contents
        self._work = work
        self._clock = clock
        self._entropy = entropy
        self._heirs = heirs
        self.size_bytes_max = min(size_bytes_max, FILE_BYTES_MAX)
        self._waiting: OrderedDict[str, asyncio.Event] = OrderedDict()
        self._looking: dict[str, asyncio.Event] = {}
        self._wake = asyncio.Event()
        self._uploads = 0

    async def open(self) -> None:
        """Start looking; takes up what an earlier run of this node left."""
        self._catalogue.watch("assets", self._changed)
        for number in range(LOOKS_AT_ONCE):
            self._system.supervisor.run(f"ingest/look/{number}", self._run)
        self._system.supervisor.run("ingest/sweep", self._sweep)

    async def close(self) -> None:
        """Let go of the workers that wait for something to look into."""
        await self._work.close()

    # ------------------------------------------------------------ in

    async def take_in(
        self, name: str, tags: tuple[str, ...], source: AsyncIterator[bytes], given: AssetId | None = None
    ) -> AssetId:
        """Keep a file; its chunks are durable, and its row too, on return. L0 has run if it was quick.

        ``given`` is the id it gets; of an upload that may be sent again, here or elsewhere at the same time, nothing is
        taken back when it breaks off, since the other may have succeeded by then: what has no row is collected.

        Raises what ``source`` raises, TooLargeError, DiskFull, Unavailable; then there is no asset.
        """
        if self._uploads >= UPLOADS_MAX:
            raise Unavailable(f"{UPLOADS_MAX} uploads are running here; try again in a moment, or at another node")
        asset = given or AssetId(short_id(self._entropy.token(16)))
        self._uploads += 1
        try:
            manifest = await self._files.write(source, asset, self.size_bytes_max, keeps=given is not None)
            fields: dict[str, Value] = {
                "kind": "other",
                "name": clean_name(name),
                "node": self._node,
                "state": "ready",
                "created_ms": int(self._clock.wall() * 1000),
                "meta": {"blake3": manifest.blake3.hex()},
            }
            try:
                fields |= await self._files.fields(manifest, asset)
                looked = self._enqueue(asset)
                await self._catalogue.write(Change("assets", asset, set=fields, add={"tags": tags} if tags else {}))
            except BaseException:
                self._waiting.pop(asset, None)
                if given is None:
                    await asyncio.shield(self._files.forget(asset, manifest.ids()))
                raise
        finally:
            self._uploads -= 1
        self._wake.set()
        if looked is not None:
            try:
                async with asyncio.timeout(LOOK_WAIT_S):
                    await looked.wait()
            except TimeoutError:
                _log.info("not looked into yet", asset=asset)
        return asset

    # ------------------------------------------------------------ L0

    def _changed(self, row: Row) -> None:
        if self._unseen(row) and self._enqueue(AssetId(row.pk)) is not None:
            self._wake.set()

    def _enqueue(self, asset: AssetId) -> asyncio.Event | None:
        standing = self._looking.get(asset) or self._waiting.get(asset)
        if standing is not None:
            return standing
        if len(self._waiting) >= QUEUE_MAX:
            return None
        looked = self._waiting[asset] = asyncio.Event()
        return looked

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            asset, looked = self._waiting.popitem(last=False)
            self._looking[asset] = looked
            try:
                await self.look(AssetId(asset))
            except PortError as error:
                _log.info("not looked into now", asset=asset, error=str(error))
            finally:
                del self._looking[asset]
                looked.set()

    async def _sweep(self) -> None:
        while True:
            await self.sweep_once()
            await asyncio.sleep(SWEEP_EVERY_S)

    async def sweep_once(self) -> None:
        """Queue what of this node's, and of those it stands in for, has not been looked into."""
        for node in (self._node, *self._heirs.gone()):
            where = (Where("node", "eq", node), Where("probed", "missing"), Where("state", "ne", "recording"))
            found = await self._catalogue.scan(
                Query("assets", where, order="created_ms", descending=False, limit=SWEEP_ROWS_MAX)
            )
            for row in found.rows:
                if self._unseen(row):
                    self._enqueue(AssetId(row.pk))
            self._wake.set()

    def _unseen(self, row: Row) -> bool:
        fields = row.fields
        if fields.get("probed") or fields.get("state") not in ("ready", "interrupted"):
            return False
        node = fields.get("node")
        return node == self._node or (isinstance(node, str) and self._heirs.heir(NodeId(node), partition_of(row.pk)))

    async def look(self, asset: AssetId) -> None:
        """Run L0 on an asset of this node, or of one it stands in for, that has not had it.

        PortError when its bytes are out of reach now.
        """
        row = await self._catalogue.get("assets", asset)
        if row is None or not self._unseen(row):
            return
        name = str(row.fields.get("name") or asset)
        take = row.fields.get("kind") == "take"
        found: Probed | None = None
        error = ""
        try:
            content = await self._contents.open(row, first_s=TAKE_POSTER_S if take else None)
            found = await self._work.probe(content, name)
        except UnreadableError as why:
            error = str(why)
        except (NotFound, Malformed) as why:
            if not take:
                raise PortError(str(why)) from why
            error = str(why)
        poster = (await self._files.put(found.poster, asset)).hex() if found is not None and found.poster else ""
        fields: dict[str, Value] = {"probed": PROBE_VERSION}
        if poster:
            fields["poster"] = poster
        if not take:
            known = row.fields.get("meta")
            fields |= _told(found, error, name, row, known if isinstance(known, dict) else {})
        await self._catalogue.write(Change("assets", asset, set=fields))


def _told(found: Probed | None, error: str, name: str, row: Row, meta: dict[str, Value]) -> dict[str, Value]:
    if found is None:
        # A text or an archive is none the worse for being no media; a file that calls itself media is.
        claims = (mimetypes.guess_type(name)[0] or "").partition("/")[0] in ("video", "audio", "image")
        return {"error": error if claims or not row.fields.get("size_bytes") else ""}
    extra: dict[str, Value] = {
        "audio_codec": found.audio or None,
        "bit_rate": found.bit_rate or None,
        "poster_note": found.note or None,
    }
    return {
        "kind": found.kind,
        "mime": found.mime,
        "codec": found.codec or found.audio or None,
        "width": found.width or None,
        "height": found.height or None,
        "frame_rate": found.frame_rate or None,
        "duration_s": found.duration_ms / 1000 if found.duration_ms else None,
        "error": found.error,
        "meta": {**dict(found.meta), **{key: value for key, value in extra.items() if value is not None}, **meta},
    }
