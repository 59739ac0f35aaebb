"""Packing: the small parts of a closed stretch of a take become a few chunks of about CHUNK_TARGET_BYTES.

Decides which pages make a stretch, when it is closed, and where its chunks are cut. A page is loose while each of its
parts is a chunk of its own; only loose pages are packed, whole ones, so that what is removed afterwards is carried
entirely by what was added. Invariant: the plan depends on the set of pages, not on their order, and a stretch that is
packed gives no further plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from roles.media.timeline import PAGE_S, Entry, Page, fuller

CHUNK_TARGET_BYTES = 4 << 20
CHUNK_REST_BYTES = 1 << 20
"""A last chunk smaller than this goes into the one before it."""
CHUNK_PACKED_BYTES_MAX = 12 << 20


@dataclass(frozen=True, slots=True)
class Stretch:
    """Pages to be packed into one: their names, the parts they carry in order, and the sizes of the chunks to make.

    ``chunks`` are runs of ``entries``; a run of one part stays the chunk it is.
    """

    names: tuple[str, ...]
    page: Page
    chunks: tuple[tuple[Entry, ...], ...]

    def packed(self, made: Mapping[int, bytes]) -> Page:
        """Give the packed page; ``made`` are the chunks' ids by the number of the run."""
        entries: list[Entry] = []
        for number, run in enumerate(self.chunks):
            if number not in made:
                entries += run
                continue
            offset = 0
            for entry in run:
                entries.append(replace(entry, chunk=made[number], offset=offset))
                offset += entry.size
        return replace(self.page, entries=tuple(entries))


def loose(page: Page) -> bool:
    """Tell whether every part of a page is a chunk of its own."""
    return len({entry.chunk for entry in page.entries}) == len(page.entries) and not any(
        entry.offset for entry in page.entries
    )


def plan(pages: Mapping[str, Page], *, ended: bool) -> list[Stretch]:
    """Give the closed stretches of a take that packing makes fewer chunks of; ``ended``: no more parts will come."""
    groups: dict[tuple[object, ...], list[tuple[str, Page]]] = {}
    for name in sorted(pages):
        page = pages[name]
        if page.entries and loose(page) and len({entry.epoch for entry in page.entries}) == 1:
            group = (page.take, page.entries[0].epoch, page.init, page.init_size, page.tracks)
            groups.setdefault(group, []).append((name, page))
    last = max((page.entries[0].epoch for page in pages.values() if page.entries), default=0)
    found: list[Stretch] = []
    for (_, epoch, *_), members in groups.items():
        members.sort(key=lambda pair: (_start(pair[1]), pair[0]))
        bundles = _bundles(members)
        closed = bundles if ended or epoch != last else bundles[:-1]
        found += [stretch for stretch in map(_stretch, closed) if stretch is not None]
    return found


def _start(page: Page) -> int:
    return min(entry.start_us for entry in page.entries)


def _end(page: Page) -> int:
    return max(entry.start_us + entry.duration_us for entry in page.entries)


def _bundles(members: Iterable[tuple[str, Page]]) -> list[list[tuple[str, Page]]]:
    made: list[list[tuple[str, Page]]] = []
    start_us = end_us = 0
    for name, page in members:
        if made and max(end_us, _end(page)) - start_us <= PAGE_S * 1_000_000:
            made[-1].append((name, page))
            end_us = max(end_us, _end(page))
        else:
            made.append([(name, page)])
            start_us, end_us = _start(page), _end(page)
    return made


def _stretch(bundle: list[tuple[str, Page]]) -> Stretch | None:
    parts: dict[tuple[int, int, int], Entry] = {}
    for _, page in bundle:
        for entry in page.entries:
            key = (entry.epoch, entry.group, entry.part)
            standing = parts.get(key)
            if (
                standing is None
                or fuller(entry, standing)
                or (not fuller(standing, entry) and entry.chunk < standing.chunk)
            ):
                parts[key] = entry
    entries = [parts[key] for key in sorted(parts)]
    runs = _cut(entries)
    if len(runs) * 2 > len(entries):
        return None
    page = replace(bundle[0][1], entries=tuple(entries))
    return Stretch(tuple(name for name, _ in bundle), page, tuple(tuple(run) for run in runs))


def _cut(entries: list[Entry]) -> list[list[Entry]]:
    runs: list[list[Entry]] = []
    size = 0
    for entry in entries:
        if not runs or size >= CHUNK_TARGET_BYTES or size + entry.size > CHUNK_PACKED_BYTES_MAX:
            runs.append([])
            size = 0
        runs[-1].append(entry)
        size += entry.size
    if len(runs) > 1 and size < CHUNK_REST_BYTES:
        before = sum(entry.size for entry in runs[-2])
        if before + size <= CHUNK_PACKED_BYTES_MAX:
            rest = runs.pop()
            runs[-1] += rest
    return runs
