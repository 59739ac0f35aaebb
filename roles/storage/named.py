"""The chunks that rows of an asset name: what its row, its pages and its scenes are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mesh.core.manifest import Manifest
from proto.codec import Value
from proto.ids import ChunkId
from roles.media.timeline import Page

NAMING = {
    "assets": ("poster", "manifest_chunk", "manifest"),
    "pages": ("body",),
    "scenes": ("hero",),
}
"""By table, the fields that name chunks."""


def named_by(table: str, fields: Mapping[str, Value]) -> Iterable[tuple[str, ChunkId, int]]:
    """Give (field, chunk, size in bytes or 0 when it is not told) of all a row names itself.

    What a manifest that lies in a chunk names is not among it. Malformed when a manifest or page cannot be read.
    """
    for field in NAMING.get(table, ()):
        value = fields.get(field)
        if not value:
            continue
        if field == "manifest":
            yield from named_in(Manifest.unpack(value))
        elif field == "body" and isinstance(value, bytes):
            page = Page.unpack(value)
            yield field, ChunkId(page.init), page.init_size
            yield from ((field, ChunkId(entry.chunk), entry.size) for entry in page.entries)
        elif isinstance(value, str) and is_hash(value):
            yield field, ChunkId(bytes.fromhex(value)), 0


def named_in(manifest: Manifest, field: str = "manifest") -> Iterable[tuple[str, ChunkId, int]]:
    """Give (field, chunk, size in bytes) of a file's chunks."""
    for number, chunk in enumerate(manifest.ids()):
        yield field, chunk, manifest.chunk_size(number)


def is_hash(text: str) -> bool:
    """Tell whether a text is a hash in hex."""
    return len(text) == 64 and all(letter in "0123456789abcdef" for letter in text)
