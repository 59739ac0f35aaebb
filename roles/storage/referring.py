"""The references to chunks are made again from the rows that name them, where a catalogue came from its records.

A reference made so is stamped as what names the chunk was: it was there before that could be seen, so a reference that
was taken back since then stays taken back, whoever still knows of it. Invariant: making them twice changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import structlog

from mesh.actors.chunks import reference
from mesh.actors.chunkstore import ChunkStore
from mesh.actors.rowstore import RowStore
from mesh.core.manifest import Manifest
from mesh.core.rows import Dot, Entry, apply, pack
from mesh.ports import PortError
from proto.codec import Malformed
from proto.ids import AssetId, ChunkId
from roles.storage.named import NAMING, named_by, named_in

AT_ONCE = 500

_log = structlog.get_logger("storage.referring")


async def refer_again(rows: RowStore, store: ChunkStore) -> int:
    """Make the references of everything in the catalogue of this node; gives how many were missing."""
    made = 0
    waiting: list[Entry] = []
    async for entry in _naming(rows):
        async for field, chunk, size in _named(entry, store):
            asset = AssetId(entry.pk)
            waiting.append(apply(None, reference(chunk, asset, size), _stamp(entry, field)))
            if len(waiting) >= AT_ONCE:
                made += await _take(rows, store, waiting)
                waiting = []
    made += await _take(rows, store, waiting)
    if made:
        _log.warning("references were made again from what names the chunks", references=made)
    return made


async def _naming(rows: RowStore) -> AsyncIterator[Entry]:
    for table in NAMING:
        after = ("", "")
        while page := await rows.living(table, after, AT_ONCE):
            after = page[-1][:2]
            for pk, sk, _, _ in page:
                for entry in await rows.get(table, pk, sk):
                    yield entry


async def _named(entry: Entry, store: ChunkStore) -> AsyncIterator[tuple[str, ChunkId, int]]:
    fields = entry.row().fields
    with contextlib.suppress(Malformed):  # what cannot be read names nothing
        for found in named_by(entry.table, fields):
            yield found
        kept = fields.get("manifest_chunk")
        if isinstance(kept, str) and kept:
            try:
                manifest = Manifest.unpack(await store.read(ChunkId(bytes.fromhex(kept))))
            except (PortError, ValueError) as error:
                _log.info("a manifest is not on this disk", asset=entry.pk, error=str(error))
                return
            for found in named_in(manifest, "manifest_chunk"):
                yield found


def _stamp(entry: Entry, field: str) -> Dot:
    return entry.fields[field][0]


async def _take(rows: RowStore, store: ChunkStore, entries: list[Entry]) -> int:
    if not entries:
        return 0
    taken = await rows.take([pack(entry) for entry in entries])
    await rows.pass_on(taken.keys)
    await store.belong([(ChunkId(bytes.fromhex(entry.pk)), AssetId(entry.sk)) for entry in entries])
    return taken.changed
